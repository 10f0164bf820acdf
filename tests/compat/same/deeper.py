# mypy: ignore-errors
"""What users combine: states in the middle, own parts in teams, contexts of selectors, filters in graphs, persons."""

import asyncio
import json

from autogen_agentchat.agents import (
    AssistantAgent,
    BaseChatAgent,
    MessageFilterAgent,
    MessageFilterConfig,
    PerSourceFilter,
    SocietyOfMindAgent,
    UserProxyAgent,
)
from autogen_agentchat.base import Handoff, Response, TaskResult
from autogen_agentchat.conditions import (
    FunctionalTermination,
    HandoffTermination,
    MaxMessageTermination,
    SourceMatchTermination,
    TextMentionTermination,
    TextMessageTermination,
)
from autogen_agentchat.messages import (
    HandoffMessage,
    MultiModalMessage,
    StopMessage,
    StructuredMessage,
    StructuredMessageFactory,
    TextMessage,
    ToolCallRequestEvent,
    ToolCallSummaryMessage,
)
from autogen_agentchat.teams import (
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)
from autogen_agentchat.tools import AgentTool
from autogen_agentchat.ui import Console, UserInputManager
from autogen_core import CancellationToken, Image
from autogen_core.model_context import BufferedChatCompletionContext
from autogen_core.models import UserMessage
from PIL import Image as Picture
from pydantic import BaseModel

from tests.compat.same.more_teams import ledger
from tests.compat.same.seen import call, calls, program, says, thinks

SYSTEM = "You help."
PROMPT = "Roles:\n{roles}\nConversation:\n{history}\nChoose one of {participants}."


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


async def moved(team, other):
    """Move a team's state into another through JSON."""
    await other.load_state(json.loads(json.dumps(await team.save_state())))
    return other


@program
async def a_selector_is_moved(seen):
    def made():
        chooser = seen.model("ben", "cleo", "ana")
        return SelectorGroupChat(three(seen), chooser, selector_prompt=PROMPT, max_turns=2)

    team = made()
    await team.run(task="Go.")
    other = await moved(team, made())
    seen.item(await other.run(task="On."))


@program
async def a_swarm_is_moved(seen):
    def made(*answers):
        ana = agent(seen, "ana", *answers, handoffs=[to("ben")])
        ben = agent(seen, "ben", "Mine.", "Still mine.", handoffs=[to("ana")])
        return Swarm([ana, ben], max_turns=2)

    team = made(call("transfer_to_ben"))
    await team.run(task="Go.")
    other = await moved(team, made())
    seen.item(await other.run(task="On."))
    await other.reset()
    async with seen.error("ana has nothing to say"):
        await other.run(task="Anew.")


@program
async def a_graph_is_moved(seen):
    def made():
        ana, ben, cleo = three(seen)
        builder = DiGraphBuilder()
        builder.add_node(ana).add_node(ben).add_node(cleo).add_edge(ana, ben).add_edge(ben, cleo)
        return GraphFlow(
            builder.get_participants(), builder.build(), termination_condition=SourceMatchTermination(["ben"])
        )

    team = made()
    seen.item(await team.run(task="Go."))
    other = await moved(team, made())
    seen.item(await other.run())
    await other.reset()
    seen.item(await other.run(task="Anew."))


@program
async def a_nested_team_is_moved(seen):
    def made():
        ana, ben, cleo = three(seen)
        inner = RoundRobinGroupChat([ana, ben], max_turns=1, name="inner")
        return RoundRobinGroupChat([inner, cleo], max_turns=2)

    team = made()
    await team.run(task="Go.")
    other = await moved(team, made())
    seen.item(await other.run(task="On."))


@program
async def a_selectors_own_context(seen):
    chooser = seen.model("ben", "cleo", "ana", "ben")
    team = SelectorGroupChat(
        three(seen),
        chooser,
        selector_prompt=PROMPT,
        max_turns=4,
        model_context=BufferedChatCompletionContext(buffer_size=2),
    )
    seen.item(await team.run(task="Go."))


@program
async def a_selector_in_pieces(seen):
    chooser = seen.unwatched("ben", "ana", "cleo")
    team = SelectorGroupChat(three(seen), chooser, max_turns=2, emit_team_events=True, model_client_streaming=True)
    result = await team.run(task="Go.")
    seen.say(
        "kinds", [[type(one).__name__, one.source] for one in result.messages if type(one).__name__ != "SelectorEvent"]
    )


@program
async def a_person_in_a_swarm(seen):
    async def answer(prompt, cancellation_token=None):
        return "It is 42."

    ana = agent(seen, "ana", call("transfer_to_person"), "Thanks. END", handoffs=[to("person")])
    person = UserProxyAgent("person", input_func=answer)
    team = Swarm([ana, person], termination_condition=TextMentionTermination("END") | MaxMessageTermination(10))
    await seen.stream(team.run_stream(task="Ask."))


@program
async def a_person_before_the_console(seen):
    async def answer(prompt, cancellation_token=None):
        return "APPROVE"

    manager = UserInputManager(answer)
    person = UserProxyAgent("person", input_func=manager.get_wrapped_callback())
    team = RoundRobinGroupChat(
        [agent(seen, "ana", "A."), person], termination_condition=TextMentionTermination("APPROVE")
    )
    with seen.printed():
        result = await Console(team.run_stream(task="Write."), user_input_manager=manager)
    seen.item(result)


@program
async def filters_in_a_graph(seen):
    ana, ben, cleo = three(seen)
    only = MessageFilterConfig(per_source=[PerSourceFilter(source="ana", position="last", count=1)])
    filtered = MessageFilterAgent("cleo", cleo, only)
    builder = DiGraphBuilder()
    builder.add_node(ana).add_node(ben).add_node(filtered).add_edge(ana, ben).add_edge(ben, filtered)
    flow = GraphFlow(builder.get_participants(), builder.build())
    await seen.stream(flow.run_stream(task="Go."))


@program
async def a_graph_with_tools_and_types(seen):
    class Grade(BaseModel):
        good: bool

    worker = agent(seen, "worker", call("add", a=1, b=2), call("add", a=2, b=2), tools=[add])
    judge = agent(seen, "judge", '{"good": false}', '{"good": true}', output_content_type=Grade)
    end = agent(seen, "end", "The end.")
    builder = DiGraphBuilder()
    builder.add_node(worker).add_node(judge).add_node(end).add_edge(worker, judge)
    builder.add_edge(judge, worker, condition=lambda message: not message.content.good)
    builder.add_edge(judge, end, condition=lambda message: message.content.good)
    builder.set_entry_point("worker")
    flow = GraphFlow(
        builder.get_participants(), builder.build(), max_turns=10, custom_message_types=[StructuredMessage[Grade]]
    )
    await seen.stream(flow.run_stream(task="Go."))


@program
async def a_graph_ended_by_a_word(seen):
    ana, ben, cleo = three(seen)
    builder = DiGraphBuilder()
    builder.add_node(ana).add_node(ben).add_node(cleo).add_edge(ana, ben).add_edge(ben, cleo)
    flow = GraphFlow(builder.get_participants(), builder.build(), termination_condition=TextMentionTermination("ben 1"))
    seen.item(await flow.run(task="Go."))
    seen.item(await flow.run(task="On."))
    seen.item(await flow.run(task="Anew."))


@program
async def several_ways_at_once(seen):
    judge = agent(seen, "judge", "red and blue")
    red, blue, green = (agent(seen, name, f"{name}!") for name in ("red", "blue", "green"))
    builder = DiGraphBuilder()
    builder.add_node(judge).add_node(red).add_node(blue).add_node(green)
    for one in (red, blue, green):
        builder.add_edge(judge, one, condition=one.name)
    flow = GraphFlow(builder.get_participants(), builder.build())
    result = await flow.run(task="Go.")
    seen.say("said", sorted([one.source, one.to_text()] for one in result.messages))


@program
async def two_starts(seen):
    ana, ben = three(seen, "ana", "ben")
    cleo = AssistantAgent("cleo", seen.unwatched("cleo 1"), system_message=SYSTEM)  # hears in either order
    builder = DiGraphBuilder()
    builder.add_node(ana).add_node(ben).add_node(cleo).add_edge(ana, cleo).add_edge(ben, cleo)
    flow = GraphFlow(builder.get_participants(), builder.build())
    result = await flow.run(task="Go.")
    said = [one.source for one in result.messages]
    seen.say("said", [said[0], *sorted(said[1:3]), *said[3:]])


@program
async def one_alone_on_a_mission(seen):
    ana = AssistantAgent("ana", seen.unwatched("A.", "B."), system_message=SYSTEM)
    model = seen.unwatched("facts", "plan", ledger("ana"), ledger("ana"), ledger("ana", done=True), "The answer.")
    team = MagenticOneGroupChat([ana], model, emit_team_events=True, final_answer_prompt="Now.")
    result = await team.run(
        task=[TextMessage(content="One.", source="user"), TextMessage(content="Two.", source="user")]
    )
    seen.say("kinds", [[type(one).__name__, one.source] for one in result.messages])


@program
async def a_mission_twice(seen):
    ana, ben = (
        AssistantAgent(name, seen.unwatched(f"{name} 1", f"{name} 2"), system_message=SYSTEM) for name in ("ana", "ben")
    )
    once = ("facts", "plan", ledger("ben"), ledger("ana", done=True), "The answer.")
    team = MagenticOneGroupChat([ana, ben], seen.unwatched(*once, *once), max_turns=5)
    for task in ("First.", "Second."):
        result = await team.run(task=task)
        seen.say("kinds", [[type(one).__name__, one.source] for one in result.messages])
        seen.say("last", result.messages[-1].to_text())
    await team.reset()


@program
async def a_mission_with_tools_in_pieces(seen):
    ana = AssistantAgent("ana", seen.unwatched(call("add", a=1, b=2)), tools=[add], system_message=SYSTEM)
    ben = AssistantAgent("ben", seen.unwatched("It is three."), system_message=SYSTEM, model_client_stream=True)
    model = seen.unwatched("facts", "plan", ledger("ana"), ledger("ben"), ledger("ana", done=True), "The answer.")
    team = MagenticOneGroupChat([ana, ben], model, max_turns=5)
    kinds = []
    async for item in team.run_stream(task="Add."):
        kinds.append([type(item).__name__, getattr(item, "source", None)])
    seen.say("kinds", kinds)


@program
async def a_society_in_a_swarm(seen):
    inner = RoundRobinGroupChat([AssistantAgent("ana", seen.unwatched(says("A.")), system_message=SYSTEM)], max_turns=1)
    society = SocietyOfMindAgent("society", inner, seen.unwatched(says("We.")))
    host = agent(seen, "host", call("transfer_to_society"), handoffs=[to("society")])
    team = Swarm([host, society], max_turns=2)
    kinds = []
    async with seen.error("handoff into a team"):
        async for item in team.run_stream(task="Go."):
            kinds.append([type(item).__name__, getattr(item, "source", None)])
    seen.say("kinds", kinds)


@program
async def a_society_of_a_selector(seen):
    ana, ben = (
        AssistantAgent(name, seen.unwatched(says(f"{name}.")), system_message=SYSTEM) for name in ("ana", "ben")
    )
    inner = SelectorGroupChat([ana, ben], seen.unwatched("ben", "ana"), max_turns=2)
    society = SocietyOfMindAgent("society", inner, seen.unwatched(says("We.")))
    await seen.stream(society.run_stream(task="Go.", output_task_messages=False))


@program
async def images_in_a_team(seen):
    picture = MultiModalMessage(content=["Look", Image(Picture.new("RGB", (2, 2), "red"))], source="user")
    sees = AssistantAgent("sees", seen.model("Red.", vision=True), system_message=SYSTEM)
    chooser = seen.model("sees")
    other = AssistantAgent("other", seen.unwatched(says("I believe it.")), system_message=SYSTEM)
    third = AssistantAgent("third", seen.unwatched(says("Me too.")), system_message=SYSTEM)
    team = SelectorGroupChat([sees, other, third], chooser, selector_prompt="One of {participants}", max_turns=1)
    seen.item(await team.run(task=picture))
    team = RoundRobinGroupChat([other], max_turns=1)
    seen.item(await team.run(task=[TextMessage(content="See:", source="user"), picture]))


@program
async def types_made_from_schemas(seen):
    factory = StructuredMessageFactory(
        json_schema={
            "title": "Place",
            "type": "object",
            "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
            "required": ["city"],
        },
        format_string="In {city}",
        content_model_name="Place",
    )
    message = factory.StructuredMessage(
        content=factory.ContentModel(city="Oslo", degrees=3), source="user", format_string=factory.format_string
    )
    seen.say("message", [type(message).__name__, message.to_text(), message.to_model_text(), message.dump()["content"]])
    team = RoundRobinGroupChat(
        [agent(seen, "ana", "Cold.")], max_turns=1, custom_message_types=[factory.StructuredMessage]
    )
    seen.item(await team.run(task=message))


@program
async def messages_by_hand(seen):
    wish = calls(("add", {"a": 1, "b": 2})).content
    for message in (
        TextMessage(content="a", source="x", metadata={"k": "v"}),
        StopMessage(content="b", source="x"),
        HandoffMessage(content="c", source="x", target="y", context=[UserMessage(content="d", source="z")]),
        ToolCallSummaryMessage(content="e", source="x", tool_calls=wish, results=[]),
        ToolCallRequestEvent(content=wish, source="x"),
    ):
        seen.say("dump", message.dump())
        seen.say("text", message.to_text())
        again = type(message).load(message.dump())
        seen.say("again", again == message)
        if hasattr(message, "to_model_message"):
            seen.say("model", [message.to_model_text(), message.to_model_message()])


class Router(BaseChatAgent):
    """Hands over without a model, and says what it likes."""

    produced_message_types = (HandoffMessage, StopMessage, TextMessage)

    def __init__(self, name, *answers):
        super().__init__(name, "Routes.")
        self.answers = list(answers)

    async def on_messages(self, messages, cancellation_token):
        kind, content = self.answers.pop(0)
        if kind is HandoffMessage:
            return Response(
                chat_message=HandoffMessage(
                    content=f"To {content}.",
                    target=content,
                    source=self.name,
                    context=[m.to_model_message() for m in messages],
                )
            )
        return Response(chat_message=kind(content=content, source=self.name))

    async def on_reset(self, cancellation_token):
        return None


@program
async def own_agents_in_a_swarm(seen):
    router = Router("router", (HandoffMessage, "ana"), (StopMessage, "Over."))
    ana = agent(seen, "ana", "Hm.", call("transfer_to_router"), handoffs=[to("router")])
    team = Swarm(
        [router, ana], termination_condition=FunctionalTermination(lambda said: isinstance(said[-1], StopMessage))
    )
    await seen.stream(team.run_stream(task="Go."))


@program
async def own_agents_who_fail(seen):
    class Fails(Router):
        async def on_messages(self, messages, cancellation_token):
            if not self.answers:
                raise KeyError("nothing left")
            return await super().on_messages(messages, cancellation_token)

    team = RoundRobinGroupChat([Fails("fails", (TextMessage, "Once."))], max_turns=3)
    items = []
    async with seen.error():
        async for item in team.run_stream(task="Go."):
            items.append([type(item).__name__, getattr(item, "source", None)])
    seen.say("items", items)
    async with seen.error("alone"):
        await Fails("fails").run(task="Go.")


@program
async def an_agent_of_two_teams(seen):
    ana = agent(seen, "ana", "One.", "Two.", "Three.")
    first = RoundRobinGroupChat([ana, agent(seen, "ben", "Ben.")], max_turns=2, name="first")
    second = RoundRobinGroupChat([ana], max_turns=1, name="second")
    seen.item(await first.run(task="Go."))
    seen.item(await second.run(task="And here."))
    seen.item(await ana.run(task="Alone."))


@program
async def runs_beside_each_other(seen):
    teams = [RoundRobinGroupChat(three(seen, f"a{n}", f"b{n}"), max_turns=2) for n in range(3)]
    for result in await asyncio.gather(*(team.run(task=f"Task {n}.") for n, team in enumerate(teams))):
        seen.item(result)


@program
async def tools_called_with_the_token(seen):
    async def told(text: str, cancellation_token: CancellationToken) -> dict:
        """Tell whether there is a token."""
        return {"text": text, "token": not cancellation_token.is_cancelled()}

    def listed(count: int = 2) -> list[int]:
        """List numbers."""
        return list(range(count))

    class Pair(BaseModel):
        left: int
        right: str = "r"

    def pair(pair: Pair) -> Pair:
        """Give a pair back."""
        return pair

    wish = calls(("told", {"text": "x"}), ("listed", {}), ("pair", {"pair": {"left": 1}}))
    worker = agent(seen, "worker", wish, "All.", tools=[told, listed, pair], max_tool_iterations=2)
    await seen.stream(worker.run_stream(task="Go."))


@program
async def an_agent_as_a_tool_in_a_team(seen):
    inner = agent(seen, "inner", "Inner 1.", "Inner 2.")
    outer = agent(
        seen,
        "outer",
        call("inner", task="Do."),
        call("inner", task="More."),
        tools=[AgentTool(inner, return_value_as_last_message=True)],
    )
    team = RoundRobinGroupChat([outer, *three(seen, "ben")], max_turns=3)
    await seen.stream(team.run_stream(task="Go."))
    seen.say("inner", (await inner.save_state())["llm_context"])


@program
async def reset_agents(seen):
    ana = agent(seen, "ana", call("add", a=1, b=1), "One.", "Two.", tools=[add], max_tool_iterations=3)
    await ana.run(task="Go.")
    await ana.on_reset(CancellationToken())
    seen.item(await ana.run(task="Anew."))
    seen.say("state", await ana.save_state())


@program
async def thoughts_in_a_team(seen):
    ana = agent(seen, "ana", thinks("Hm.", "A."), calls(("add", {"a": 1, "b": 2}), thought="I add."), tools=[add])
    team = RoundRobinGroupChat([ana, *three(seen, "ben")], termination_condition=TextMessageTermination("ben"))
    await seen.stream(team.run_stream(task="Go."))
    await seen.stream(team.run_stream(task="On."))


@program
async def handoffs_end_a_round_robin(seen):
    ana = agent(seen, "ana", "Hm.", call("transfer_to_user"), "Back.", handoffs=[to("user")])
    team = RoundRobinGroupChat([ana], termination_condition=HandoffTermination("user") | TextMentionTermination("Back"))
    await seen.stream(team.run_stream(task="Go."))
    await seen.stream(team.run_stream(task="Here."))


@program
async def a_stream_that_is_left(seen):
    team = RoundRobinGroupChat(three(seen), max_turns=3)
    result = None
    async for item in team.run_stream(task="Go."):
        if isinstance(item, TaskResult):
            result = item
    seen.item(result)
    last = [item async for item in team.run_stream(task="On.")][-1]
    seen.item(last)


@program
async def statistics(seen):
    with seen.printed():
        await Console(
            RoundRobinGroupChat(three(seen, "ana"), max_turns=1).run_stream(task="Go."), no_inline_images=True
        )
