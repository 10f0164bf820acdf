# mypy: ignore-errors
"""Streams that are left, runs in each other, and what an agent keeps to itself."""

import asyncio
import json
import threading
import warnings

from autogen_agentchat.agents import (
    AssistantAgent,
    BaseChatAgent,
    CodeExecutorAgent,
    MessageFilterAgent,
    MessageFilterConfig,
    PerSourceFilter,
    UserProxyAgent,
)
from autogen_agentchat.base import Handoff, Response
from autogen_agentchat.conditions import (
    ExternalTermination,
    FunctionalTermination,
    HandoffTermination,
    MaxMessageTermination,
    TextMentionTermination,
    TokenUsageTermination,
)
from autogen_agentchat.messages import (
    BaseChatMessage,
    CodeGenerationEvent,
    HandoffMessage,
    TextMessage,
    ThoughtEvent,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
    UserInputRequestedEvent,
)
from autogen_agentchat.state import AssistantAgentState, ChatAgentContainerState, RoundRobinManagerState, TeamState
from autogen_agentchat.teams import RoundRobinGroupChat, SelectorGroupChat
from autogen_agentchat.tools import AgentTool
from autogen_core import CancellationToken, SingleThreadedAgentRuntime
from autogen_core.code_executor import CodeExecutor, CodeResult
from autogen_core.model_context import UnboundedChatCompletionContext

from tests.compat.same.seen import Model, call, calls, program, says

SYSTEM = "You help."
PROMPT = "Roles:\n{roles}\nConversation:\n{history}\nChoose one of {participants}."


def agent(seen, name, *answers, **options):
    return AssistantAgent(name, seen.model(*answers), description=f"Is {name}.", system_message=SYSTEM, **options)


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Says(BaseChatAgent):
    """Says its name and how often it has spoken, or what `do` gives."""

    produced_message_types = (TextMessage,)

    def __init__(self, name, do=None):
        super().__init__(name, f"Is {name}.")
        self.do, self.count, self.heard = do, 0, []

    async def on_messages(self, messages, cancellation_token):
        self.count += 1
        self.heard.append([[type(one).__name__, one.source, one.to_text()] for one in messages])
        said = self.do(self.count, messages) if self.do else None
        if asyncio.iscoroutine(said):
            said = await said
        return Response(chat_message=said or TextMessage(content=f"{self.name} {self.count}", source=self.name))

    async def on_reset(self, cancellation_token):
        self.count = 0

    async def save_state(self):
        return {"count": self.count}

    async def load_state(self, state):
        self.count = state["count"]


class Acts:
    """A tool that counts its calls."""

    def __init__(self):
        self.count = 0

    async def act(self, x: int) -> str:
        """Act."""
        self.count += 1
        return "acted"


async def until(stream, kind):
    async for item in stream:
        if isinstance(item, kind):
            break
    for _ in range(20):
        await asyncio.sleep(0)


@program
async def each_step_waits_for_its_reader(seen):
    acts = Acts()
    worker = agent(seen, "worker", call("act", x=1), "Done.", tools=[acts.act], max_tool_iterations=2)
    async for item in worker.run_stream(task="Go."):
        before = acts.count
        await asyncio.sleep(0.01)
        seen.say(type(item).__name__, [before, acts.count])


@program
async def a_stream_left_at_a_call(seen):
    acts = Acts()
    worker = agent(seen, "worker", call("act", x=1), "Done.", tools=[acts.act], max_tool_iterations=2)
    await until(worker.run_stream(task="Go."), ToolCallRequestEvent)
    seen.say("acted", acts.count)


@program
async def a_stream_left_at_its_task(seen):
    worker = agent(seen, "worker", "One.", "Two.")
    await until(worker.run_stream(task="Go."), TextMessage)
    seen.item(await worker.run(task="Now."))


class Executor(CodeExecutor):
    """Counts what it runs."""

    component_config_schema = None

    def __init__(self):
        self.count = 0

    async def execute_code_blocks(self, code_blocks, cancellation_token):
        self.count += 1
        return CodeResult(exit_code=0, output="ran")

    async def start(self):
        return None

    async def stop(self):
        return None

    async def restart(self):
        return None


@program
async def a_stream_left_at_code(seen):
    executor = Executor()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        coder = CodeExecutorAgent("coder", executor, model_client=seen.unwatched("```python\n1\n```", "Done."))
    await until(coder.run_stream(task="Go."), CodeGenerationEvent)
    seen.say("ran", executor.count)


@program
async def a_stream_left_at_a_question(seen):
    asked = []

    async def answer(prompt, cancellation_token=None):
        asked.append(prompt)
        return "Yes."

    await until(UserProxyAgent("person", input_func=answer).run_stream(task="Go."), UserInputRequestedEvent)
    seen.say("asked", len(asked))


class Quiet(Says):
    """Tells in its answer what it did, and yields the answer only."""

    async def on_messages_stream(self, messages, cancellation_token):
        answer = await self.on_messages(messages, cancellation_token)
        did = [ThoughtEvent(content="hm", source=self.name), TextMessage(content="psst", source=self.name)]
        yield Response(chat_message=answer.chat_message, inner_messages=did)


@program
async def what_is_not_yielded(seen):
    delta, chosen = [], []

    def watch(messages):
        delta.append([[type(one).__name__, one.to_text()] for one in messages])
        return False

    def select(messages):
        chosen.append([[type(one).__name__, one.to_text()] for one in messages])
        return "loud" if messages[-1].source == "quiet" else "quiet"

    team = RoundRobinGroupChat(
        [Quiet("quiet"), Says("loud")], termination_condition=FunctionalTermination(watch), max_turns=3
    )
    await seen.stream(team.run_stream(task="Go."))
    thread = (await team.save_state())["agent_states"]["RoundRobinGroupChatManager"]["message_thread"]
    seen.say("delta", delta)
    seen.say("thread", [one["content"] for one in json.loads(json.dumps(thread))])
    loud = Says("loud")
    await SelectorGroupChat([Quiet("quiet"), loud], seen.unwatched(), selector_func=select, max_turns=3).run(task="Go.")
    seen.say("chosen", chosen)
    seen.say("heard", loud.heard)
    for stop in (
        MaxMessageTermination(4, include_agent_event=True),
        MaxMessageTermination(3),
        TextMentionTermination("psst"),
    ):
        seen.item(await RoundRobinGroupChat([Quiet("quiet"), Says("loud")], termination_condition=stop).run(task="Go."))
    await seen.stream(Quiet("quiet").run_stream(task="Go."))


@program
async def three_floors_with_a_selector(seen):
    def turns(name, *people, count=2, **options):
        return RoundRobinGroupChat(list(people), max_turns=count, name=name, **options)

    low = turns("low", agent(seen, "ana", *"123456"), Says("ben"))
    middle = turns("middle", low, Says("cleo"), emit_team_events=True)
    chooser = seen.model(*["dora", "emil"] * 3)
    side = SelectorGroupChat(
        [Says("dora"), Says("emil")], chooser, selector_prompt=PROMPT, max_turns=2, name="side", description="Aside."
    )
    top = turns("top", middle, side, count=3, emit_team_events=True)
    await seen.stream(top.run_stream(task="Go."))
    state = json.loads(json.dumps(await top.save_state()))
    seen.say("state", sorted(state["agent_states"]["middle"]["agent_state"]["agent_states"]))
    await top.reset()
    seen.item(await top.run(task="Anew."))
    await top.load_state(state)
    seen.item(await top.run(task="Then."))


@program
async def a_team_within_an_agent(seen):
    inner = RoundRobinGroupChat([Says("x"), Says("y")], max_turns=2)

    async def ask(count, messages):
        result = await inner.run(task=[one for one in messages if isinstance(one, BaseChatMessage)] or None)
        return TextMessage(content="|".join(one.to_text() for one in result.messages), source="outer")

    await seen.stream(RoundRobinGroupChat([Says("outer", ask), Says("p")], max_turns=4).run_stream(task="Go."))


@program
async def two_teams_on_a_runtime(seen):
    runtime = SingleThreadedAgentRuntime()
    runtime.start()
    one = RoundRobinGroupChat([Says("ana"), Says("ben")], max_turns=3, runtime=runtime, name="one")
    two = SelectorGroupChat(
        [Says("ana"), Says("ben")],
        seen.unwatched(),
        selector_func=lambda messages: "ana" if messages[-1].source != "ana" else "ben",
        max_turns=3,
        runtime=runtime,
        name="two",
    )
    for result in await asyncio.gather(one.run(task="1"), two.run(task="2")):
        seen.item(result)
    await runtime.stop_when_idle()
    runtime.start()
    seen.item(await one.run(task="Again."))
    await runtime.stop()


@program
async def an_agent_in_two_teams(seen):
    ana, ben = agent(seen, "ana", *"123"), agent(seen, "ben", *"123")
    one, two = RoundRobinGroupChat([ana, ben], max_turns=2), RoundRobinGroupChat([ben, ana], max_turns=2)
    seen.item(await one.run(task="One."))
    seen.item(await two.run(task="Two."))


@program
async def a_context_of_two(seen):
    context = UnboundedChatCompletionContext()
    two = [agent(seen, name, f"{name} 1", f"{name} 2", model_context=context) for name in ("ana", "ben")]
    seen.item(await RoundRobinGroupChat(two, max_turns=4).run(task="Go."))
    seen.say("context", [[one.type, str(one.content)] for one in await context.get_messages()])


@program
async def teams_in_threads(seen):
    said = {}

    def run(number):
        async def main():
            ana = AssistantAgent("ana", Model(*[f"{number}"] * 9), system_message=SYSTEM)
            team = RoundRobinGroupChat([ana, Says("ben")], max_turns=5)
            first = await team.run(task=str(number))
            await team.reset()
            second = await team.run(task=str(number))
            return [one.to_text() for one in [*first.messages, *second.messages]]

        said[number] = asyncio.run(main())

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    seen.say("said", [said[number] for number in range(4)])


@program
async def stopped_from_within(seen):
    stop = ExternalTermination()

    def halt(count, messages):
        if count == 2:
            stop.set()

    team = RoundRobinGroupChat([Says("ana", halt), Says("ben")], termination_condition=stop | MaxMessageTermination(30))
    seen.item(await team.run(task="Go."))
    stop.set()
    seen.item(await team.run(task="On."))
    seen.item(await team.run(task="Still."))


@program
async def before_the_first_run(seen):
    team = RoundRobinGroupChat([Says("ana"), Says("ben")], max_turns=2)
    async with seen.error("reset"):
        await team.reset()
    state = json.loads(json.dumps(await team.save_state()))
    async with seen.error("load"):
        await team.load_state(state)
    seen.item(await team.run(task="Go."))


@program
async def states_in_their_classes(seen):
    def made():
        return RoundRobinGroupChat([agent(seen, "ana", *"1234"), Says("ben")], max_turns=3)

    team = made()
    await team.run(task="Go.")
    state = TeamState.model_validate(await team.save_state())
    seats = {name: ChatAgentContainerState.model_validate(state.agent_states[name]) for name in ("ana", "ben")}
    leader = RoundRobinManagerState.model_validate(state.agent_states["RoundRobinGroupChatManager"])
    context = AssistantAgentState.model_validate(seats["ana"].agent_state).llm_context["messages"]
    seen.say("context", [one["content"] for one in context])
    seen.say("unheard", {name: [one["content"] for one in seat.message_buffer] for name, seat in seats.items()})
    seen.say("leader", [leader.next_speaker_index, leader.current_turn, len(leader.message_thread)])
    other = made()
    await other.load_state(TeamState.model_validate_json(state.model_dump_json()).model_dump())
    seen.item(await other.run(task="On."))


@program
async def saved_in_a_turn(seen):
    states = []

    async def save(count, messages):
        states.append(json.loads(json.dumps(await team.save_state())))

    team = RoundRobinGroupChat([Says("ana"), Says("ben", save), Says("cleo")], max_turns=4)
    await team.run(task="Go.")
    saved = states[0]["agent_states"]
    seen.say("thread", [one["content"] for one in saved["RoundRobinGroupChatManager"]["message_thread"]])
    seen.say("unheard", [[one["content"] for one in saved[name]["message_buffer"]] for name in ("ana", "ben", "cleo")])


@program
async def states_that_are_refused(seen):
    team = RoundRobinGroupChat([Says("ana"), Says("ben")], max_turns=2)
    await team.run(task="Go.")
    good = json.loads(json.dumps(await team.save_state()))
    agents = good["agent_states"]
    leader = "RoundRobinGroupChatManager"
    for name, state in {
        "empty": {},
        "nobody": {**good, "agent_states": {}},
        "one missing": {**good, "agent_states": {key: one for key, one in agents.items() if key != "ben"}},
        "no leader": {**good, "agent_states": {key: one for key, one in agents.items() if key != leader}},
        "no message": {
            **good,
            "agent_states": {**agents, "ben": {**agents["ben"], "message_buffer": [{"type": "No"}]}},
        },
        "no thread": {**good, "agent_states": {**agents, leader: {**agents[leader], "message_thread": 3}}},
        "more": {**good, "agent_states": {**agents, "zoe": {"a": 1}}, "more": 1},
    }.items():
        async with seen.error(name):
            await team.load_state(state)


@program
async def moved_again_and_again(seen):
    def made(number):
        answers = (f"{number} a", f"{number} b")
        return RoundRobinGroupChat(
            [agent(seen, "ana", *answers), Says("ben"), agent(seen, "cleo", *answers)], max_turns=2
        )

    team = made(0)
    for number in range(1, 5):
        seen.item(await team.run(task=f"Task {number}."))
        state = json.loads(json.dumps(await team.save_state()))
        team = made(number)
        await team.load_state(state)


@program
async def a_handoff_within_a_tool(seen):
    inner = agent(seen, "inner", call("transfer_to_zoe"), handoffs=[Handoff(target="zoe", message="Yours.")])
    outer = agent(seen, "outer", call("inner", task="q"), "Done.", tools=[AgentTool(inner)], max_tool_iterations=2)
    kinds = [[type(one).__name__, one.source] for one in (await outer.run(task="Go.")).messages]
    seen.say("kinds", kinds)


@program
async def two_agents_as_tools_at_once(seen):
    one, two = agent(seen, "one", "First."), agent(seen, "two", "Second.")
    tools = [AgentTool(one), AgentTool(two, return_value_as_last_message=True)]
    asks = calls(("one", {"task": "q"}), ("two", {"task": "r"}))
    outer = agent(seen, "outer", asks, "Done.", tools=tools, max_tool_iterations=2)
    result = await RoundRobinGroupChat([outer], max_turns=1).run(task="Go.")
    seen.say("said", sorted([type(one).__name__, one.source] for one in result.messages))
    done = [
        one.content for event in result.messages if isinstance(event, ToolCallExecutionEvent) for one in event.content
    ]
    seen.say("done", done)


@program
async def a_handoff_out_of_a_round(seen):
    ana = agent(
        seen,
        "ana",
        call("transfer_to_user"),
        "Next.",
        "More.",
        "Last.",
        handoffs=[Handoff(target="user", message="Yours.")],
    )
    stop = HandoffTermination("user") | MaxMessageTermination(5)
    team = RoundRobinGroupChat([ana, Says("ben")], termination_condition=stop)
    for task in ("Go.", "On."):
        result = await team.run(task=task)
        seen.say("kinds", [[type(one).__name__, one.source] for one in result.messages])


@program
async def tokens_of_all(seen):
    ana = agent(
        seen, "ana", says("One."), call("add", a=1, b=2), "Three.", "Four.", tools=[add], reflect_on_tool_use=True
    )
    ben = agent(seen, "ben", "Two.", "Three.", "Four.", model_client_stream=True)
    stop = TokenUsageTermination(max_total_token=60) | MaxMessageTermination(20)
    await seen.stream(RoundRobinGroupChat([ana, ben], termination_condition=stop, max_turns=6).run_stream(task="Go."))


@program
async def names_that_others_bear(seen):
    def other(count, messages):
        return TextMessage(content=f"I am {count}.", source="somebody")

    odd, ben = Says("odd", other), Says("ben")
    seen.item(await RoundRobinGroupChat([odd, ben], max_turns=4).run(task="Go."))
    team = RoundRobinGroupChat([ana := Says("ana"), zoe := Says("zoe")], max_turns=2)
    tasks = [TextMessage(content=name, source=name) for name in ("ana", "zoe", "user")]
    seen.item(await team.run(task=tasks))
    seen.item(await team.run(task=TextMessage(content="again", source="zoe")))
    seen.say("heard", [one.heard for one in (odd, ben, ana, zoe)])


@program
async def answers_given_directly(seen):
    worker, token = agent(seen, "worker", "One.", call("add", a=1, b=2), "Three.", tools=[add]), CancellationToken()
    seen.item(await worker.on_messages([], token))
    handed = HandoffMessage(content="Yours.", source="ben", target="worker")
    seen.item(await worker.on_messages([TextMessage(content="Hi", source="user"), handed], token))
    await seen.stream(worker.on_messages_stream([TextMessage(content="And?", source="user")], token))


@program
async def a_filter_that_lets_nothing_through(seen):
    kept = MessageFilterConfig(per_source=[PerSourceFilter(source="nobody", position="last", count=1)])
    ana = MessageFilterAgent("ana", agent(seen, "ana", "One.", "Two."), kept)
    await seen.stream(RoundRobinGroupChat([ana, Says("ben")], max_turns=3).run_stream(task="Go."))
