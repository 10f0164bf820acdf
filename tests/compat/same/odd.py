# mypy: ignore-errors
"""Choices that are hard to make: odd answers of selectors, graphs with loops in loops, missions with bad ledgers."""

import json
import warnings
from typing import Literal

from autogen_agentchat.agents import (
    AssistantAgent,
    MessageFilterAgent,
    MessageFilterConfig,
    PerSourceFilter,
    UserProxyAgent,
)
from autogen_agentchat.base import Handoff, Response, TerminationCondition
from autogen_agentchat.conditions import (
    HandoffTermination,
    MaxMessageTermination,
    SourceMatchTermination,
    StopMessageTermination,
    TextMentionTermination,
)
from autogen_agentchat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    BaseTextChatMessage,
    HandoffMessage,
    ModelClientStreamingChunkEvent,
    StopMessage,
    StructuredMessage,
    TextMessage,
)
from autogen_agentchat.teams import (
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)
from autogen_core.model_context import BufferedChatCompletionContext, UnboundedChatCompletionContext
from autogen_core.models import AssistantMessage, UserMessage
from pydantic import BaseModel

from tests.compat.same.left import PROMPT, Says, add, agent
from tests.compat.same.more_teams import ledger
from tests.compat.same.seen import call, calls, program


def to(target):
    return Handoff(target=target, message=f"Yours, {target}.")


def three(seen):
    return [agent(seen, name, *(f"{name} {n}" for n in range(1, 9))) for name in ("ana", "ben", "cleo")]


async def kinds(seen, name, result):
    said = [[type(one).__name__, one.source] for one in result.messages]
    seen.say(name, [*said, result.messages[-1].to_text(), result.stop_reason is not None])


# -- selectors --------------------------------------------------------------------------------------------------------


@program
async def candidates_by_the_thread(seen):
    heard = []

    def candidates(messages):
        heard.append([[type(one).__name__, one.source] for one in messages])
        last = messages[-1].source
        return [name for name in ("ana", "ben", "cleo") if name != last] if last != "user" else ["ana"]

    chooser = seen.unwatched("ben", "cleo", "nobody", "ana or ben", "ana")
    team = SelectorGroupChat(
        three(seen), chooser, selector_prompt=PROMPT, candidate_func=candidates, max_turns=4, emit_team_events=True
    )
    await seen.stream(team.run_stream(task="Go."))
    seen.say("heard", heard)


@program
async def a_function_and_its_candidates(seen):
    async def candidates(messages):
        return ["cleo", "ben"]

    team = SelectorGroupChat(
        three(seen),
        seen.model("cleo", "ben"),
        selector_prompt=PROMPT,
        selector_func=lambda messages: "ana" if messages[-1].source == "user" else None,
        candidate_func=candidates,
        max_turns=3,
        emit_team_events=True,
    )
    await seen.stream(team.run_stream(task="Go."))


@program
async def names_written_oddly(seen):
    people = [Says("data_scientist"), Says("web_surfer"), Says("writer")]
    answers = ("data scientist", r"web\_surfer", "the writer.", "**web_surfer**", "I think data_scientist!")
    team = SelectorGroupChat(people, seen.unwatched(*answers), selector_prompt=PROMPT, max_turns=5)
    seen.item(await team.run(task="Go."))


@program
async def answers_that_name_nobody(seen):
    for options in ({}, {"max_selector_attempts": 1}):
        chooser = seen.unwatched("?", *["?", "?", "ben"], *["?"] * 9)
        team = SelectorGroupChat(
            three(seen), chooser, selector_prompt=PROMPT, max_turns=3, allow_repeated_speaker=True, **options
        )
        await kinds(seen, "said", await team.run(task="Go."))


@program
async def families_of_selectors(seen):
    for family in ("gpt-4o", "o1", "claude-3-opus", "gemini-1.5-pro", "llama-3.3-8b", "unknown", "r1"):
        chooser = seen.model("ben", family=family)
        await SelectorGroupChat(three(seen), chooser, selector_prompt=PROMPT, max_turns=1).run(task="Go.")


@program
async def contexts_of_selectors(seen):
    for context in (BufferedChatCompletionContext(1), UnboundedChatCompletionContext()):
        chooser = seen.model("ben", "cleo", "ana", "ben")
        team = SelectorGroupChat(three(seen), chooser, selector_prompt=PROMPT, max_turns=4, model_context=context)
        await team.run(task="Go.")
        seen.say("previous", (await team.save_state())["agent_states"]["SelectorGroupChatManager"]["previous_speaker"])
        await team.reset()
        seen.say("context", [one.content for one in await context.get_messages()])


@program
async def functions_that_give_nonsense(seen):
    for name, options in {
        "nobody": {"candidate_func": lambda messages: []},
        "none": {"candidate_func": lambda messages: None},
        "unknown": {"candidate_func": lambda messages: ["zoe"]},
        "a text": {"candidate_func": lambda messages: "ana"},
        "a tuple": {"candidate_func": lambda messages: ("ana",)},
        "unknown speaker": {"selector_func": lambda messages: "zoe"},
        "no name": {"selector_func": lambda messages: ""},
        "a list": {"selector_func": lambda messages: ["ana"]},
    }.items():
        team = SelectorGroupChat(three(seen), seen.model("ana"), selector_prompt=PROMPT, max_turns=1, **options)
        async with seen.error(name):
            await team.run(task="Go.")


# -- swarms -----------------------------------------------------------------------------------------------------------


@program
async def handed_on_and_on(seen):
    names = "abcde"
    people = []
    for name, then in zip(names, names[1:] + names[:1], strict=True):
        model = seen.unwatched(*[call(f"transfer_to_{then}")] * 30)
        people.append(AssistantAgent(name, model, handoffs=[to(then)]))
    team = Swarm(people, termination_condition=MaxMessageTermination(42))
    await kinds(seen, "on and on", await team.run(task="Go."))
    await kinds(seen, "back", await team.run(task=HandoffMessage(content="Back.", source="user", target="d")))


@program
async def tools_and_handoffs_at_once(seen):
    asks = calls(("add", {"a": 1, "b": 2}), ("transfer_to_b", {}), ("transfer_to_c", {}), thought="hm")
    a = agent(seen, "a", asks, "Back.", tools=[add], handoffs=[to("b"), to("c")])
    back = calls(("transfer_to_a", {}), ("add", {"a": 6, "b": 7}))
    b = agent(seen, "b", call("add", a=4, b=5), back, tools=[add], handoffs=[to("a")])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        await seen.stream(
            Swarm([a, b, agent(seen, "c", "c")], max_turns=4, emit_team_events=True).run_stream(task="Go.")
        )


@program
async def a_person_asked_twice(seen):
    answers = iter(["First.", "Second."])
    person = UserProxyAgent("person", input_func=lambda prompt: next(answers))
    turns = (call("transfer_to_person"), "Thanks.", call("transfer_to_person"), "END")
    team = Swarm(
        [agent(seen, "ana", *turns, handoffs=[to("person")]), person],
        termination_condition=TextMentionTermination("END") | MaxMessageTermination(20),
    )
    await seen.stream(team.run_stream(task="Go."))


@program
async def a_person_outside_of_a_swarm(seen):
    turns = (call("transfer_to_user"), "More.", call("transfer_to_user"), "END")
    ana, ben = (
        agent(seen, "ana", *turns, handoffs=[to("user")]),
        agent(seen, "ben", call("transfer_to_ana"), handoffs=[to("ana")]),
    )
    team = Swarm([ana, ben], termination_condition=HandoffTermination("user") | TextMentionTermination("END"))
    await kinds(seen, "1", await team.run(task="Go."))
    await kinds(seen, "2", await team.run(task=HandoffMessage(content="Here.", source="user", target="ana")))
    task = [TextMessage(content="x", source="user"), HandoffMessage(content="Here.", source="user", target="ben")]
    async with seen.error("3"):
        await kinds(seen, "3", await team.run(task=task))
    async with seen.error("4"):
        await team.run(task=HandoffMessage(content="Here.", source="user", target="zoe"))


@program
async def handoffs_that_bring_a_context(seen):
    def hand_over(count, messages):
        context = [UserMessage(content="secret", source="z"), AssistantMessage(content="reply", source="a")]
        return HandoffMessage(content=f"Over {count}.", target="b", source="a", context=context)

    a = Says("a", hand_over)
    a.produced_message_types = (HandoffMessage,)
    b = agent(seen, "b", "One.", "Two.", call("transfer_to_a"), handoffs=[to("a")])
    await seen.stream(Swarm([a, b], max_turns=5).run_stream(task="Go."))


# -- graphs -----------------------------------------------------------------------------------------------------------


def flow(people, *edges, start=None, **options):
    builder = DiGraphBuilder()
    for one in people:
        builder.add_node(one)
    for source, target, *more in edges:
        builder.add_edge(source, target, **(more[0] if more else {}))
    if start:
        builder.set_entry_point(start)
    return GraphFlow(builder.get_participants(), builder.build(), **options)


def in_turn(name, *texts):
    left = iter(texts)
    return Says(name, lambda count, messages: TextMessage(content=next(left), source=name))


@program
async def loops_in_loops(seen):
    people = [Says("w"), in_turn("r", "again", "ok", "again", "ok"), in_turn("q", "redo", "done"), Says("z")]
    team = flow(
        people,
        ("w", "r"),
        ("r", "w", {"condition": "again", "activation_group": "retry"}),
        ("r", "q", {"condition": "ok"}),
        ("q", "w", {"condition": "redo", "activation_group": "redo"}),
        ("q", "z", {"condition": "done"}),
        start="w",
        termination_condition=MaxMessageTermination(30),
    )
    await seen.stream(team.run_stream(task="Go."))


@program
async def a_loop_entered_twice(seen):
    people = [Says("a"), Says("b"), in_turn("c", "loop", "loop", "exit"), Says("e")]
    team = flow(
        people,
        ("a", "b", {"activation_group": "start"}),
        ("b", "c"),
        ("c", "b", {"condition": "loop", "activation_group": "loop"}),
        ("c", "e", {"condition": "exit"}),
        termination_condition=MaxMessageTermination(20),
    )
    await seen.stream(team.run_stream(task="Go."))


@program
async def the_first_of_two_ways(seen):
    first = {"activation_group": "x", "activation_condition": "any"}
    people = [Says(name) for name in "abcde"]
    team = flow(people, ("a", "b"), ("a", "c"), ("c", "d"), ("b", "e", first), ("d", "e", first))
    for task in ("Go.", "Again."):
        result = await team.run(task=task)
        seen.say("said", sorted([one.source, one.to_text()] for one in result.messages))


@program
async def conditions_of_many_kinds(seen):
    class First:
        def __call__(self, message):
            return "a 1" in message.to_model_text()

    def made(then, other):
        return flow([Says(name) for name in "abc"], ("a", "b", {"condition": then}), ("a", "c", {"condition": other}))

    for then, other in (
        (First(), lambda message: isinstance(message, StopMessage)),
        (lambda message: 1, lambda message: ""),
        ("never", "nowhere"),
    ):
        team = made(then, other)
        seen.item(await team.run(task="Go."))
        seen.item(await team.run(task="Again."))


@program
async def a_graph_saved_at_every_step(seen):
    def made():
        people = [Says(name) for name in "abcd"]
        return flow(people, ("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), max_turns=1)

    team = made()
    for task in ("Go.", None, None, "More.", None):
        result = await team.run(task=task)
        seen.say("said", sorted([one.source, one.to_text()] for one in result.messages))
        state = json.loads(json.dumps(await team.save_state()))
        seen.say("ready", sorted(state["agent_states"]["GraphManager"]["ready"]))
        team = made()
        await team.load_state(state)


@program
async def filters_in_a_loop(seen):
    def filtered(one, *kept):
        filters = [PerSourceFilter(source=source, position=position, count=count) for source, position, count in kept]
        return MessageFilterAgent(one.name, one, MessageFilterConfig(per_source=filters))

    c, d, e = Says("c"), in_turn("d", "again", "again", "ok"), Says("e")
    people = [
        Says("a"),
        Says("b"),
        filtered(c, ("user", "first", 1), ("b", "last", 1)),
        filtered(d, ("c", "last", 2), ("a", None, None)),
        filtered(e, ("nobody", "last", 1)),
    ]
    team = flow(
        people,
        ("a", "b"),
        ("b", "c"),
        ("c", "d"),
        ("d", "b", {"condition": "again", "activation_group": "loop"}),
        ("d", "e", {"condition": "ok"}),
        max_turns=20,
    )
    await seen.stream(team.run_stream(task="Go."))
    seen.say("heard", [one.heard for one in (c, d, e)])


@program
async def a_graph_stopped_twice(seen):
    stop = TextMentionTermination("b 1") | TextMentionTermination("c 1")
    c = Says("c")
    team = flow([Says("a"), Says("b"), c], ("a", "b"), ("b", "c"), termination_condition=stop)
    for task in ("Go.", "On.", None, "Last."):
        seen.item(await team.run(task=task))
    seen.say("heard", c.heard)


# -- missions ---------------------------------------------------------------------------------------------------------


def mission(seen, *answers, info=None, **options):
    model = seen.unwatched("facts", "plan", *answers, **(info or {}))
    return MagenticOneGroupChat([Says("a"), Says("b")], model, **options)


@program
async def a_mission_of_any_task(seen):
    texts = [TextMessage(content="One.", source="user"), TextMessage(content="Two.", source="user")]
    for task in (
        "Go.",
        texts,
        TextMessage(content="One.", source="a"),
        StopMessage(content="Stop.", source="user"),
        [],
    ):
        team = mission(seen, ledger("a"), ledger("a", done=True), "The answer.")
        async with seen.error("task"):
            await kinds(seen, "said", await team.run(task=task))


@program
async def a_mission_with_conditions(seen):
    for stop in (TextMentionTermination("a 1"), MaxMessageTermination(3), SourceMatchTermination(["b"])):
        answers = [ledger("a"), ledger("b"), ledger("a"), ledger("a", done=True), "The answer."]
        await kinds(seen, "said", await mission(seen, *answers, termination_condition=stop).run(task="Go."))


@program
async def a_mission_with_a_lesser_model(seen):
    for info in ({"structured_output": False}, {"structured_output": False, "json_output": False}):
        fenced = f"```json\n{ledger('a')}\n```"
        team = mission(seen, fenced, ledger("b"), ledger("a", done=True), "The answer.", info=info)
        await kinds(seen, "said", await team.run(task="Go."))


@program
async def a_stall_that_is_forgiven(seen):
    stalls = [
        ledger("a", progress=False),
        ledger("b"),
        ledger("a", progress=False),
        ledger("b"),
        ledger("b", loop=True),
    ]
    team = mission(seen, *stalls, ledger("a", done=True), "The answer.", max_stalls=2)
    await kinds(seen, "said", await team.run(task="Go."))


@program
async def a_mission_reset_and_moved(seen):
    once = (ledger("a"), ledger("b"), ledger("a", done=True), "The answer.")
    team = mission(seen, *once, "facts", "plan", *once, termination_condition=TextMentionTermination("b 1"))
    await kinds(seen, "first", await team.run(task="Go."))
    state = json.loads(json.dumps(await team.save_state()))
    leader = state["agent_states"]["MagenticOneOrchestrator"]
    seen.say("state", {key: leader[key] for key in ("task", "facts", "plan", "n_rounds", "n_stalls", "current_turn")})
    other = mission(seen, ledger("b"), ledger("a", done=True), "Done.")
    await other.load_state(state)
    await kinds(seen, "moved", await other.run(task="On."))
    await other.reset()
    async with seen.error("nothing left to say"):
        await other.run(task="Anew.")


# -- messages and conditions of one's own -----------------------------------------------------------------------------


class Note(BaseTextChatMessage):
    type: Literal["Note"] = "Note"
    weight: int = 1

    def to_model_message(self):
        return UserMessage(content=f"[{self.weight}] {self.content}", source=self.source)


class Tick(BaseAgentEvent):
    type: Literal["Tick"] = "Tick"
    n: int

    def to_text(self):
        return f"tick {self.n}"


class Rows(BaseChatMessage):
    type: Literal["Rows"] = "Rows"
    rows: list[dict[str, int]]

    def to_text(self):
        return str(self.rows)

    def to_model_text(self):
        return f"{len(self.rows)} rows"

    def to_model_message(self):
        return UserMessage(content=self.to_model_text(), source=self.source)


class Ticks(Says):
    """Shows events, a message on the way, and a piece."""

    produced_message_types = (Note, TextMessage)

    async def on_messages_stream(self, messages, cancellation_token):
        inner = [Tick(source=self.name, n=0), TextMessage(content="In between.", source=self.name)]
        for one in inner:
            yield one
        yield ModelClientStreamingChunkEvent(content="pie", source=self.name)
        yield Response(chat_message=Note(content="Noted.", source=self.name, weight=3), inner_messages=inner)


@program
async def everything_of_ones_own(seen):
    def made(*answers):
        own = [Note, Tick, Rows]
        return RoundRobinGroupChat([Ticks("t"), agent(seen, "b", *answers)], max_turns=4, custom_message_types=own)

    team = made("One.", "Two.")
    task = [Rows(rows=[{"a": 1}, {"b": 2}], source="user"), Note(content="Hi.", source="user", weight=9)]
    await seen.stream(team.run_stream(task=task))
    state = json.loads(json.dumps(await team.save_state()))
    thread = state["agent_states"]["RoundRobinGroupChatManager"]["message_thread"]
    seen.say("thread", [{key: one[key] for key in one if key not in ("id", "created_at")} for one in thread])
    other = made("Three.", "Four.")
    await other.load_state(state)
    await seen.stream(other.run_stream())


class Out(BaseModel):
    word: str


@program
async def types_in_histories(seen):
    b = agent(seen, "b", call("add", a=3, b=4), tools=[add])
    c = agent(seen, "c", '{"word": "so"}', output_content_type=Out, output_content_type_format="{word}!")
    team = RoundRobinGroupChat([b, c, Says("d")], max_turns=3, custom_message_types=[StructuredMessage[Out]])
    task = [TextMessage(content="One", source="boss"), StructuredMessage[Out](content=Out(word="two"), source="x")]
    await seen.stream(team.run_stream(task=task))
    state = json.loads(json.dumps(await team.save_state()))
    seen.say(
        "context", [one["content"] for one in state["agent_states"]["c"]["agent_state"]["llm_context"]["messages"]]
    )


class Found(TerminationCondition):
    """Ends at a text; no component."""

    def __init__(self, text):
        self.text, self.over = text, False

    @property
    def terminated(self):
        return self.over

    async def __call__(self, messages):
        for one in messages:
            if self.text in one.to_text():
                self.over = True
                return StopMessage(content=f"found {self.text}", source="Found")
        return None

    async def reset(self):
        self.over = False


@program
async def conditions_in_conditions(seen):
    for stop in (
        (Found("a 1") & Found("b 1")) | (MaxMessageTermination(20) & TextMentionTermination("zzz")),
        (Found("a 1") | Found("b 1")) & (Found("a 2") | Found("b 3")),
        Found("a 1") & Found("b 1") & Found("a 2"),
        (Found("a 1") | Found("no")) & MaxMessageTermination(5) & (Found("b 2") | StopMessageTermination()),
    ):
        team = RoundRobinGroupChat([Says("a"), Says("b")], termination_condition=stop, max_turns=12)
        for task in ("Go.", "On."):
            result = await team.run(task=task)
            seen.say("ends", [len(result.messages), result.messages[-1].to_text(), stop.terminated])


@program
async def a_condition_lent_in_turn(seen):
    stop = MaxMessageTermination(3)
    one = RoundRobinGroupChat([Says("a")], termination_condition=stop)
    two = RoundRobinGroupChat([Says("b")], termination_condition=stop)
    for team, task in ((one, "Go."), (two, "Go."), (one, None), (two, None)):
        seen.item(await team.run(task=task))
