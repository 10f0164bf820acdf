# mypy: ignore-errors
"""Corners: what comes after a cancellation or an error, who hears what, what a user's parts are given."""

import asyncio
import json

from autogen_agentchat.agents import AssistantAgent, BaseChatAgent, UserProxyAgent
from autogen_agentchat.base import Handoff, Response
from autogen_agentchat.conditions import (
    FunctionalTermination,
    FunctionCallTermination,
    MaxMessageTermination,
    TextMentionTermination,
    TokenUsageTermination,
)
from autogen_agentchat.messages import HandoffMessage, TextMessage, ThoughtEvent, ToolCallSummaryMessage
from autogen_agentchat.teams import DiGraphBuilder, GraphFlow, RoundRobinGroupChat, SelectorGroupChat, Swarm
from autogen_agentchat.tools import TeamTool
from autogen_core import CancellationToken
from autogen_core.memory import Memory, MemoryContent, MemoryQueryResult, UpdateContextResult
from autogen_core.model_context import ChatCompletionContext, TokenLimitedChatCompletionContext
from autogen_core.models import SystemMessage
from autogen_core.tools import BaseTool, FunctionTool
from pydantic import BaseModel, Field

from tests.compat.same.seen import Then, call, calls, program, says, thinks

SYSTEM = "You help."


def agent(seen, name, *answers, **options):
    return AssistantAgent(name, seen.model(*answers), description=f"Is {name}.", system_message=SYSTEM, **options)


def three(seen, *names, **options):
    return [
        agent(seen, name, *(f"{name} {n}" for n in range(1, 7)), **options) for name in names or ("ana", "ben", "cleo")
    ]


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def to(target):
    return Handoff(target=target, message=f"Yours, {target}.")


class Heard(BaseChatAgent):
    """Notes the classes and sources it is given."""

    produced_message_types = (TextMessage,)

    def __init__(self, name):
        super().__init__(name, "Notes.")
        self.heard = []

    async def on_messages(self, messages, cancellation_token):
        self.heard.append([[type(one).__name__, one.source, one.to_text()] for one in messages])
        return Response(chat_message=TextMessage(content=f"heard {len(messages)}", source=self.name))

    async def on_reset(self, cancellation_token):
        self.heard.append("reset")


@program
async def what_an_agent_is_given(seen):
    heard = Heard("heard")
    worker = agent(seen, "worker", thinks("Hm.", "A."), call("add", a=1, b=2), "B.", "C.", tools=[add])
    team = RoundRobinGroupChat([worker, heard], max_turns=4)
    await team.run(task="Go.")
    await team.run(task=[TextMessage(content="x", source="boss"), TextMessage(content="y", source="heard")])
    await team.reset()
    seen.say("heard", heard.heard)


@program
async def what_the_inner_team_is_given(seen):
    heard, inner_heard = Heard("outer"), Heard("inner_one")
    inner = RoundRobinGroupChat([inner_heard, *three(seen, "ana")], max_turns=2, name="inner")
    team = RoundRobinGroupChat([heard, inner], max_turns=4)
    await team.run(task="Go.")
    seen.say("outer", heard.heard)
    seen.say("inner", inner_heard.heard)


@program
async def cancelled_and_gone_on(seen):
    token, waiting = CancellationToken(), asyncio.Event()

    async def wait():
        waiting.set()
        await asyncio.sleep(0.1)

    # Here the request is cancelled, so that the answer is still to be given; AutoGen waits for it.
    ben = AssistantAgent("ben", seen.unwatched("Ben 1.", Then(wait, "Ben 2."), "Ben 3.", "Ben 4."))
    heard = Heard("heard")
    team = RoundRobinGroupChat([ben, heard], max_turns=4)

    async def cancel():
        await waiting.wait()
        token.cancel()

    cancelling = asyncio.create_task(cancel())
    kinds = []
    async with seen.error():
        async for item in team.run_stream(task="Go.", cancellation_token=token):
            kinds.append([type(item).__name__, getattr(item, "source", None)])
    await cancelling
    seen.say("kinds", kinds)
    await team.reset()
    result = await team.run(task="Anew.")
    seen.say("after", [one.source for one in result.messages])


@program
async def an_error_and_a_new_team(seen):
    def made(*answers):
        return RoundRobinGroupChat([*three(seen, "ana"), agent(seen, "ben", *answers)], max_turns=2)

    team = made(ValueError("once"))
    async with seen.error():
        await team.run(task="Go.")
    seen.item(await made("Fine.").run(task="Go."))


@program
async def an_error_of_a_tool_does_not_end_a_team(seen):
    def fails() -> str:
        """Fail."""
        raise RuntimeError("broken")

    worker = AssistantAgent(
        "worker", seen.unwatched(call("fails"), says("It failed.")), tools=[fails], reflect_on_tool_use=True
    )
    result = await RoundRobinGroupChat([worker], max_turns=1).run(task="Go.")
    seen.say("kinds", [type(one).__name__ for one in result.messages])
    seen.say("last", result.messages[-1].to_text())


@program
async def an_error_of_a_condition(seen):
    def fails(messages):
        raise ValueError("no idea")

    async with seen.error():
        await RoundRobinGroupChat(three(seen), termination_condition=FunctionalTermination(fails)).run(task="Go.")


@program
async def an_error_of_an_edge(seen):
    def fails(message):
        raise ValueError("no idea")

    ana, ben = three(seen, "ana", "ben")
    builder = DiGraphBuilder()
    builder.add_node(ana).add_node(ben).add_edge(ana, ben, condition=fails)
    async with seen.error():
        await GraphFlow(builder.get_participants(), builder.build()).run(task="Go.")


class Adding(BaseModel):
    a: int = Field(description="The first.")
    b: int = 2


class Added(BaseModel):
    total: int


class Adder(BaseTool[Adding, Added]):
    """A tool of a user's own."""

    def __init__(self):
        super().__init__(Adding, Added, "adder", "Adds.")

    async def run(self, args, cancellation_token):
        return Added(total=args.a + args.b)


@program
async def tools_of_ones_own(seen):
    worker = agent(
        seen,
        "worker",
        calls(("adder", {"a": 1}), ("adder", {"a": 1, "b": 5})),
        "All.",
        tools=[Adder()],
        max_tool_iterations=2,
    )
    await seen.stream(worker.run_stream(task="Go."))
    seen.say("schema", Adder().schema["parameters"]["properties"])


class Facts(Memory):
    """A memory of a user's own, that puts a system message into the context once."""

    component_config_schema = None

    def __init__(self, *facts):
        self.facts = list(facts)

    async def update_context(self, model_context):
        found = MemoryQueryResult(results=[MemoryContent(content=fact, mime_type="text/plain") for fact in self.facts])
        if self.facts:
            await model_context.add_message(SystemMessage(content="Facts: " + "; ".join(self.facts)))
        return UpdateContextResult(memories=found)

    async def query(self, query, cancellation_token=None, **kwargs):
        return MemoryQueryResult(results=[])

    async def add(self, content, cancellation_token=None):
        self.facts.append(content.content)

    async def clear(self):
        self.facts.clear()

    async def close(self):
        return None


@program
async def memories_of_ones_own(seen):
    facts = Facts("It rains.")
    worker = agent(seen, "worker", "Wet.", "Dry.", memory=[facts])
    seen.item(await worker.run(task="How is it?"))
    await facts.clear()
    seen.item(await agent(seen, "other", "Unknown.", memory=[facts]).run(task="And now?"))


class LastTwo(ChatCompletionContext):
    """A context of a user's own."""

    async def get_messages(self):
        return self._messages[-2:]


@program
async def contexts_of_ones_own(seen):
    worker = agent(seen, "worker", "1", "2", "3", model_context=LastTwo())
    team = RoundRobinGroupChat([worker, Heard("heard")], max_turns=5)
    seen.item(await team.run(task="Go."))


@program
async def contexts_with_calls_in_them(seen):
    from autogen_core.model_context import BufferedChatCompletionContext

    context = BufferedChatCompletionContext(buffer_size=4)
    worker = agent(
        seen,
        "worker",
        call("add", a=1, b=2),
        "Three.",
        "Four.",
        "Five.",
        tools=[add],
        max_tool_iterations=2,
        model_context=context,
    )
    for task in ("Add.", "Next.", "Last."):
        seen.item(await worker.run(task=task))


@program
async def a_limit_of_tokens_goes_on(seen):
    team = RoundRobinGroupChat(three(seen), termination_condition=TokenUsageTermination(max_total_token=40))
    for _ in range(2):
        seen.item(await team.run(task="Go on."))


@program
async def a_call_ends_a_loop(seen):
    def approve() -> str:
        """Approve."""
        return "approved"

    worker = agent(seen, "worker", "Hm.", call("approve"), tools=[approve])
    team = RoundRobinGroupChat([worker], termination_condition=FunctionCallTermination("approve"))
    await seen.stream(team.run_stream(task="Go."))


@program
async def two_handoffs_at_once(seen):
    import warnings

    worker = agent(
        seen, "worker", calls(("transfer_to_ben", {}), ("transfer_to_cleo", {})), handoffs=[to("ben"), to("cleo")]
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        seen.item(await worker.run(task="Go."))
    seen.say("warned", bool(caught))


@program
async def a_context_goes_along_with_a_handoff(seen):
    ana = agent(
        seen, "ana", calls(("add", {"a": 1, "b": 2}), ("transfer_to_ben", {})), handoffs=[to("ben")], tools=[add]
    )
    ben, heard = agent(seen, "ben", "Three, I heard."), Heard("heard")
    team = Swarm([ana, ben, heard], max_turns=2)
    await seen.stream(team.run_stream(task="Go."))
    seen.say("state", (await team.save_state())["agent_states"]["heard"]["message_buffer"])


@program
async def a_swarm_begins_with_a_handoff(seen):
    ana, ben = agent(seen, "ana", "A.", handoffs=[to("ben")]), agent(seen, "ben", "B.", "C.")
    team = Swarm([ana, ben], max_turns=1)
    task = [TextMessage(content="Hi", source="user"), HandoffMessage(content="To ben.", source="user", target="ben")]
    seen.item(await team.run(task=task))
    seen.item(await team.run(task="Still you?"))


@program
async def a_selector_of_handoffs(seen):
    heard = []

    def select(messages):
        heard.append([[type(one).__name__, one.source] for one in messages])
        last = messages[-1]
        return last.target if isinstance(last, HandoffMessage) else None

    ana = agent(seen, "ana", call("transfer_to_cleo"), "A.", handoffs=[to("cleo")])
    ben, cleo = three(seen, "ben", "cleo")
    chooser = seen.model("ana", "ben")
    team = SelectorGroupChat(
        [ana, ben, cleo],
        chooser,
        selector_prompt="{history} Choose of {participants}",
        selector_func=select,
        max_turns=3,
        allow_repeated_speaker=True,
    )
    await seen.stream(team.run_stream(task="Go."))
    seen.say("heard", heard)


@program
async def candidates_with_one_name(seen):
    chooser = seen.model("ana")
    names = iter(["ben", "ben", "cleo"])
    team = SelectorGroupChat(three(seen), chooser, candidate_func=lambda messages: [next(names)], max_turns=3)
    seen.item(await team.run(task="Go."))


@program
async def a_team_as_a_tool_keeps_its_memory(seen):
    inner = RoundRobinGroupChat(three(seen, "ana", "ben"), max_turns=2)
    tool = TeamTool(inner, name="pair", description="Talks.")
    outer = agent(
        seen, "outer", call("pair", task="One"), call("pair", task="Two"), "Done.", tools=[tool], max_tool_iterations=3
    )
    result = await outer.run(task="Go.")
    seen.item(result)
    seen.say("schema", [tool.schema["name"], tool.schema["strict"], tool.schema["parameters"]["required"]])
    state = json.loads(json.dumps(await outer.save_state()))
    seen.say("state", sorted(state))


@program
async def a_person_says_several_things(seen):
    answers = iter(["First.", "Second. STOP"])
    person = UserProxyAgent("person", description="A person.", input_func=lambda prompt: next(answers))
    team = RoundRobinGroupChat(
        [*three(seen, "ana"), person], termination_condition=TextMentionTermination("STOP", sources=["person"])
    )
    await seen.stream(team.run_stream(task="Do not STOP."))


@program
async def a_run_of_events_only(seen):
    class Thinks(Heard):
        async def on_messages_stream(self, messages, cancellation_token):
            thought = ThoughtEvent(content="hm", source=self.name)
            yield thought
            answer = await self.on_messages(messages, cancellation_token)
            yield Response(chat_message=answer.chat_message, inner_messages=[thought])

    team = RoundRobinGroupChat(
        [Thinks("thinks")], termination_condition=MaxMessageTermination(4, include_agent_event=True)
    )
    await seen.stream(team.run_stream(task="Go."))


@program
async def summaries_are_heard(seen):
    worker = agent(
        seen,
        "worker",
        calls(("add", {"a": 1, "b": 2}), ("add", {"a": 2, "b": 2})),
        tools=[add],
        tool_call_summary_format="{arguments}={result}",
    )
    last = []
    stop = FunctionalTermination(
        lambda said: last.append(type(said[-1]).__name__) or isinstance(said[-1], ToolCallSummaryMessage)
    )
    team = RoundRobinGroupChat([worker, *three(seen, "ben")], max_turns=2)
    seen.item(await team.run(task="Go."))
    again = agent(
        seen, "worker", call("add", a=1, b=2), tools=[FunctionTool(add, name="add", description="Adds.", strict=True)]
    )
    seen.item(await RoundRobinGroupChat([again], termination_condition=stop).run(task="Go."))
    seen.say("last", last)


@program
async def teams_of_one_name(seen):
    inner = RoundRobinGroupChat(three(seen, "ana"), max_turns=1)
    async with seen.error("the same name"):
        RoundRobinGroupChat([inner, RoundRobinGroupChat(three(seen, "ben"), max_turns=1)])
    for make in (lambda: Swarm([inner]), lambda: GraphFlow([inner], DiGraphBuilder().build())):
        async with seen.error("no team in there"):
            make()


@program
async def a_graph_with_a_default_start(seen):
    ana, ben = three(seen, "ana", "ben")
    builder = DiGraphBuilder()
    builder.add_node(ana).add_node(ben)
    builder.add_edge(ana, ben)
    builder.add_edge(ben, ana, condition="again")
    builder.set_entry_point(ana)
    async with seen.error():
        flow = GraphFlow(builder.get_participants(), builder.build(), max_turns=5)
        seen.item(await flow.run(task="Go."))


@program
async def limits_of_tokens(seen):
    context = TokenLimitedChatCompletionContext(seen.unwatched(), token_limit=6)
    worker = agent(seen, "worker", "one two", "three four", "five six", model_context=context)
    for task in ("a b", "c d", "e f"):
        seen.item(await worker.run(task=task))


class Shouts(AssistantAgent):
    """Changes the answers of an assistant."""

    async def on_messages(self, messages, cancellation_token):
        answer = await super().on_messages(messages, cancellation_token)
        loud = answer.chat_message.model_copy(update={"content": answer.chat_message.content.upper()})
        return Response(chat_message=loud, inner_messages=answer.inner_messages)


@program
async def an_assistant_of_ones_own(seen):
    for options in ({}, {"model_client_stream": True}):
        model = seen.model("a", call("add", a=1, b=2), "b", "c", "d")
        shouts = Shouts("shouts", model, tools=[add], max_tool_iterations=2, system_message=SYSTEM, **options)
        seen.item(await shouts.run(task="One."))
        seen.item(await shouts.run(task="Two."))
        await seen.stream(shouts.run_stream(task="Three."))
        seen.item(await RoundRobinGroupChat([shouts], max_turns=1).run(task="Four."))
