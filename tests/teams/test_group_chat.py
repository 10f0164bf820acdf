"""The one loop behind every team."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from agentnb.agents import AssistantAgent
from agentnb.base import Response, TaskResult
from agentnb.conditions import (
    ExternalTermination,
    FunctionalTermination,
    MaxMessageTermination,
    TextMentionTermination,
)
from agentnb.core import CancellationToken, well_formed
from agentnb.exceptions import AgentFailed, HumanUnavailable, ModelUnreachable, ToolError
from agentnb.messages import (
    BaseChatMessage,
    BaseTextChatMessage,
    HandoffMessage,
    ModelClientStreamingChunkEvent,
    SelectSpeakerEvent,
    StopMessage,
    StructuredMessage,
    TextMessage,
    ThoughtEvent,
)
from agentnb.models.scripted import ScriptedChatCompletionClient
from agentnb.runlog import Event, RunFinished, RunLog, SpeakerChosen, TurnFinished, result_of, thread
from agentnb.runtimes import SingleThreadedAgentRuntime
from agentnb.teams import BaseGroupChat, RoundRobinGroupChat, TeamView
from tests.teams.conftest import Speaker, Waiter, sources, texts


class Poem(BaseTextChatMessage):
    type: Literal["Poem"] = "Poem"


class Verdict(BaseModel):
    good: bool


def team(*speakers: Speaker, **options: Any) -> RoundRobinGroupChat:
    return RoundRobinGroupChat(list(speakers), **{"max_turns": len(speakers), **options})


def user(content: str, source: str = "user") -> TextMessage:
    return TextMessage(content=content, source=source)


# -- who is given what ------------------------------------------------------------------------------------------------


async def test_an_agent_that_cancels_its_token_stops_nobody_else() -> None:
    seen: list[bool] = []

    class Canceller(Speaker):
        async def on_messages(
            self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
        ) -> Response:
            seen.append(cancellation_token.is_cancelled())
            cancellation_token.cancel()
            return await super().on_messages(messages, cancellation_token)

    await team(Canceller("ana"), Canceller("ben"), max_turns=3).run(task="go")

    assert seen == [False, False, False]


async def test_what_an_agent_said_on_its_way_is_not_heard_if_it_answers_with_it_again() -> None:
    said = TextMessage(content="so", source="ana")
    ana, ben = Speaker("ana", said, says_before=[said]), Speaker("ben")

    await team(ana, ben).run(task="go")

    assert ben.got == [["go", "so"]]


async def test_each_is_given_what_is_new_and_never_its_own() -> None:
    ana, ben = Speaker("ana", "a1", "a2"), Speaker("ben", "b1", "b2")
    crew = team(ana, ben, max_turns=4)

    await crew.run(task="go")
    await crew.run(task="more")

    assert ana.got == [["go"], ["b1"], ["b2", "more"], ["b1"]]
    assert ben.got == [["go", "a1"], ["a2"], ["more", "a1"], ["a2"]]


async def test_a_task_that_bears_an_agents_name_reaches_that_agent_too() -> None:
    ana, ben = Speaker("ana"), Speaker("ben")

    await team(ana, ben).run(task=user("in ana's name", source="ana"))

    assert ana.got == [["in ana's name"]]


async def test_what_an_agent_says_in_anothers_name_does_not_come_back_to_it() -> None:
    ana = Speaker("ana", lambda _: user("as ben", source="ben"))
    ben = Speaker("ben")

    await team(ana, ben, max_turns=3).run(task="go")

    assert ana.got == [["go"], ["ben says"]]
    assert ben.got == [["go", "as ben"]]


async def test_events_and_pieces_are_not_given_to_others() -> None:
    before = [ThoughtEvent(content="hm", source="ana"), ModelClientStreamingChunkEvent(content="a", source="ana")]
    ana, ben = Speaker("ana", says_before=before), Speaker("ben")

    result = await team(ana, ben).run(task="go")

    assert ben.got == [["go", "ana says"]]
    assert [type(m).__name__ for m in result.messages] == ["TextMessage", "ThoughtEvent", "TextMessage", "TextMessage"]


async def test_messages_said_on_the_way_to_an_answer_are_for_those_who_watch() -> None:
    ana, ben = Speaker("ana", says_before=[user("by the way", source="ana")]), Speaker("ben")

    result = await team(ana, ben).run(task="go")

    assert ben.got == [["go", "ana says"]]
    assert texts(result) == ["go", "by the way", "ana says", "ben says"]


async def test_what_nobody_heard_is_not_heard_in_a_loaded_team_either() -> None:
    def make() -> BaseGroupChat:
        ana = Speaker("ana", says_before=[user("by the way", source="ana")])
        return team(ana, Speaker("ben"), Speaker("cleo"), max_turns=1)

    first, second = make(), make()
    await first.run(task="go")

    await second.load_state(await first.save_state())
    await second.run()
    await second.run()

    ben, cleo = second.participants[1:]
    assert isinstance(ben, Speaker)
    assert isinstance(cleo, Speaker)
    assert (ben.got, cleo.got) == ([["go", "ana says"]], [["go", "ana says", "ben says"]])


names_ = st.lists(st.sampled_from(["ana", "ben", "cleo"]), min_size=1, max_size=12)


@settings(max_examples=50, deadline=None)
@given(st.lists(names_, min_size=1, max_size=3))
def test_whoever_speaks_when_each_hears_every_message_of_others_once_and_in_order(order: list[list[str]]) -> None:
    """Turns in any order over several runs; each agent's hearing is the thread without its own words."""
    said: list[tuple[str, str]] = []

    def line(name: str) -> Any:
        def say(_: Sequence[BaseChatMessage]) -> str:
            said.append((name, f"{name} {len(said)}"))
            return said[-1][1]

        return say

    speakers = {name: Speaker(name, line(name)) for name in ("ana", "ben", "cleo")}
    coming: list[str] = []

    async def policy(view: TeamView) -> Sequence[str]:
        return [coming.pop(0)]

    async def check() -> None:
        crew = BaseGroupChat(list(speakers.values()), policy, max_turns=1)
        for run in order:
            crew._max_turns = len(run)
            coming[:] = run
            said.append(("user", f"task {len(said)}"))
            await crew.run(task=said[-1][1])
        for name, speaker in speakers.items():
            crew._max_turns = 1
            coming[:] = [name]
            await crew.run()
            heard = [text for got in speaker.got for text in got]
            own_last = max(i for i, (who, _) in enumerate(said) if who == name)
            assert heard == [text for who, text in said[:own_last] if who != name]

    asyncio.run(check())


# -- how a run ends ---------------------------------------------------------------------------------------------------


async def test_the_limit_of_turns_ends_a_run_and_says_so() -> None:
    result = await team(Speaker("ana"), max_turns=3).run(task="go")

    assert sources(result) == ["user", "ana", "ana", "ana"]
    assert result.stop_reason == "the limit of 3 turns was reached"


async def test_a_condition_ends_a_run_and_its_words_go_before_the_limits() -> None:
    crew = team(Speaker("ana", "one", "STOP"), max_turns=2, termination_condition=TextMentionTermination("STOP"))

    result = await crew.run(task="go")

    assert result.stop_reason == "ana said 'STOP'"


async def test_the_tasks_messages_count_so_a_run_may_end_before_anybody_speaks() -> None:
    ana = Speaker("ana")

    result = await team(ana, termination_condition=MaxMessageTermination(1)).run(task="go")

    assert (sources(result), ana.got) == (["user"], [])


async def test_a_condition_starts_anew_with_each_run() -> None:
    crew = team(Speaker("ana"), max_turns=None, termination_condition=MaxMessageTermination(3))

    first, second = await crew.run(task="go"), await crew.run(task="again")

    assert (len(first.messages), len(second.messages)) == (3, 3)


async def test_without_a_task_the_condition_is_asked_after_the_first_turn() -> None:
    crew = team(Speaker("ana"), max_turns=None, termination_condition=MaxMessageTermination(2))

    assert len((await crew.run()).messages) == 2


async def test_a_condition_that_had_fired_before_ends_the_run_at_once() -> None:
    condition = MaxMessageTermination(1)
    await condition([user("x")])
    ana = Speaker("ana")
    crew = team(ana, termination_condition=condition)

    result = await crew.run(task="go")

    assert list(result.messages) == []
    assert "had fired before the run began" in (result.stop_reason or "")
    assert ana.got == []


async def test_a_person_ends_a_run_from_outside_after_the_turn() -> None:
    condition, ana = ExternalTermination(), Waiter("ana")
    running = asyncio.ensure_future(team(ana, max_turns=None, termination_condition=condition).run(task="go"))
    await ana.begun.wait()
    condition.set()
    ana.go_on.set()

    result = await running

    assert (sources(result), result.stop_reason) == (["user", "ana"], "it was ended from outside")


@pytest.mark.parametrize("how", ["error", "token"])
async def test_a_condition_starts_anew_after_a_run_that_broke_off(how: str) -> None:
    waiter = Waiter("ben", OSError("x"), "fine")
    crew = team(Speaker("ana"), waiter, max_turns=None, termination_condition=MaxMessageTermination(4))
    token = CancellationToken()
    running = asyncio.ensure_future(crew.run(task="go", cancellation_token=token))
    await waiter.begun.wait()
    if how == "token":
        token.cancel()
    waiter.go_on.set()
    with pytest.raises((AgentFailed, asyncio.CancelledError)):
        await running
    waiter.lines = ("fine",)

    result = await crew.run(task="again")

    assert len(result.messages) == 4


# -- the task ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "task",
    ["go", user("go"), [user("go"), HandoffMessage(content="also", target="ana", source="user")], (user("go"),)],
    ids=["text", "message", "list", "tuple"],
)
async def test_a_task_may_have_any_form(task: Any) -> None:
    ana = Speaker("ana")

    result = await team(ana).run(task=task)

    assert ana.got == [texts(result)[:-1]]


@pytest.mark.parametrize("task", [[], [3], 3, [ThoughtEvent(content="x", source="a")]])
async def test_a_malformed_task_is_refused(task: Any) -> None:
    with pytest.raises(ValueError, match=r"[Tt]ask"):
        await team(Speaker("ana")).run(task=task)


async def test_without_a_task_the_next_speaker_goes_on() -> None:
    ana, ben = Speaker("ana"), Speaker("ben")
    crew = team(ana, ben, max_turns=1)

    await crew.run(task="go")
    result = await crew.run()

    assert sources(result) == ["ben"]
    assert ben.got == [["go", "ana says"]]


async def test_the_tasks_messages_may_be_left_out_of_the_result() -> None:
    crew = team(Speaker("ana"))

    result = await crew.run(task="go", output_task_messages=False)
    items = [item async for item in crew.run_stream(task="go", output_task_messages=False)]

    assert sources(result) == ["ana"]
    assert [type(item).__name__ for item in items] == ["TextMessage", "TaskResult"]


HOSTILE = [
    "<script>alert(1)</script>",
    "{braces} {0} {",
    "%%agentteam x\n%matplotlib",
    "!rm -rf /",
    "```python\n1\n```",
    "\x00\x1b[31m\r\n",
    "',\"\\",
    "\ud83d lone",
    "𝕬 \u202e rtl",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
async def test_text_goes_through_as_it_is_but_for_what_cannot_be_written(text: str) -> None:
    ana = Speaker("ana", lambda messages: messages[-1].to_text())
    result = await team(ana, termination_condition=TextMentionTermination(">>never<<")).run(task=text)

    assert texts(result) == [well_formed(text), well_formed(text)]
    assert result.log is not None
    assert result.log.path is not None
    again = RunLog.open(result.log.path)
    assert [message.to_text() for message in thread(again)] == texts(result)


async def test_a_task_of_a_megabyte_is_written_once() -> None:
    text = "x" * 1_000_000
    client = ScriptedChatCompletionClient(["ok"], repeats=True)
    agents = [AssistantAgent("ana", client), AssistantAgent("ben", client)]

    result = await RoundRobinGroupChat(agents, max_turns=4).run(task=text)

    assert result.messages[0].to_text() == text
    assert result.log is not None
    assert result.log.path is not None
    assert result.log.path.stat().st_size < 1_100_000


# -- what comes out ---------------------------------------------------------------------------------------------------


async def test_a_stream_yields_pieces_that_the_result_leaves_out() -> None:
    agent = AssistantAgent("ana", ScriptedChatCompletionClient(["one two"]), model_client_stream=True)
    items: list[Any] = [item async for item in RoundRobinGroupChat([agent], max_turns=1).run_stream(task="go")]

    assert [type(item).__name__ for item in items] == [
        "TextMessage",
        "ModelClientStreamingChunkEvent",
        "ModelClientStreamingChunkEvent",
        "TextMessage",
        "TaskResult",
    ]
    assert isinstance(items[-1], TaskResult)
    assert list(items[-1].messages) == [items[0], items[3]]


async def test_the_choice_of_speakers_is_told_when_asked_for() -> None:
    result = await team(Speaker("ana"), Speaker("ben"), emit_team_events=True).run(task="go")

    assert [type(m).__name__ for m in result.messages][1::2] == ["SelectSpeakerEvent"] * 2
    event = result.messages[1]
    assert isinstance(event, SelectSpeakerEvent)
    assert (event.content, event.source) == (["ana"], "RoundRobinGroupChatManager")


async def test_the_choice_of_speakers_is_always_in_the_log() -> None:
    result = await team(Speaker("ana"), Speaker("ben")).run(task="go")
    assert result.log is not None

    assert [e.body.names for e in result.log if isinstance(e.body, SpeakerChosen)] == [("ana",), ("ben",)]
    assert not any(isinstance(message, SelectSpeakerEvent) for message in result.messages)


async def test_the_log_tells_a_teams_run_in_order() -> None:
    result = await team(Speaker("ana"), name="crew").run(task="go")
    assert result.log is not None

    assert [(event.kind, event.source) for event in result.log] == [
        ("run.started", "crew"),
        ("message", "crew"),
        ("speaker", "crew"),
        ("turn.started", "ana"),
        ("message", "ana"),
        ("state", "ana"),
        ("turn.finished", "ana"),
        ("run.finished", "crew"),
    ]


# -- failures ---------------------------------------------------------------------------------------------------------


async def test_a_failing_agent_ends_the_run_by_name_with_its_error_as_the_cause() -> None:
    error = LookupError("lost")

    with pytest.raises(AgentFailed, match="The agent 'ana' failed: LookupError: lost") as caught:
        await team(Speaker("ana", error)).run(task="go")
    assert caught.value.__cause__ is error


async def test_a_team_goes_on_after_a_failure_with_the_agent_that_failed() -> None:
    ana, ben = Speaker("ana"), Speaker("ben", OSError("once"), "fine again")
    crew = team(ana, ben, max_turns=2)
    with pytest.raises(AgentFailed):
        await crew.run(task="go")

    result = await crew.run(task="again")

    assert sources(result) == ["user", "ben", "ana"]


async def test_a_failure_is_in_the_log_with_the_turn_it_ended(runs: Any) -> None:
    with pytest.raises(AgentFailed):
        await team(Speaker("ana", OSError("gone"))).run(task="go")
    (path,) = runs.glob("*.jsonl")
    log = RunLog.open(path)

    assert [e.body.outcome for e in log if isinstance(e.body, TurnFinished | RunFinished)] == ["failed", "failed"]
    error: Any = next(e.body for e in log if e.kind == "error")
    assert (error.type, error.message) == ("OSError", "gone")
    assert "in on_messages" in error.traceback


@pytest.mark.parametrize(
    "error",
    [ModelUnreachable("no line"), ToolError("broken"), HumanUnavailable("nobody")],
    ids=lambda e: type(e).__name__,
)
async def test_errors_that_say_everything_come_through_as_themselves(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        await team(Speaker("ana", error)).run(task="go")
    assert caught.value is error


async def test_an_agent_that_says_what_the_team_does_not_know_is_named_with_the_way_out() -> None:
    with pytest.raises(AgentFailed, match=r"'ana' said a Poem.*custom_message_types=\[Poem\]"):
        await team(Speaker("ana", Poem(content="roses", source="ana"))).run(task="go")


async def test_a_task_the_team_does_not_know_is_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"The task holds a Poem.*custom_message_types=\[Poem\]"):
        await team(Speaker("ana")).run(task=Poem(content="roses", source="user"))


async def test_a_policy_that_names_a_stranger_or_nobody_is_refused() -> None:
    async def stranger(view: TeamView) -> Sequence[str]:
        return ["eve"]

    async def nobody(view: TeamView) -> Sequence[str]:
        return []

    with pytest.raises(ValueError, match="is 'eve'; it must be one of 'ana'"):
        await BaseGroupChat([Speaker("ana")], stranger).run(task="go")
    with pytest.raises(ValueError, match="is nobody"):
        await BaseGroupChat([Speaker("ana")], nobody).run(task="go")


# -- several at the same time -----------------------------------------------------------------------------------------


async def everybody(view: TeamView) -> Sequence[str]:
    return view.names


async def test_several_speakers_of_a_round_speak_at_the_same_time() -> None:
    gate = asyncio.Barrier(2)

    def meeting(name: str) -> Any:
        async def meet(_: Sequence[BaseChatMessage]) -> str:
            await gate.wait()
            return f"{name} was there"

        return meet

    ana, ben = (Speaker(name, meeting(name)) for name in ("ana", "ben"))

    result = await BaseGroupChat([ana, ben], everybody, max_turns=2).run(task="go")

    assert ana.got == [["go"], ["ben was there"]]
    assert ben.got == [["go"], ["ana was there"]]
    assert len(result.messages) == 5


async def test_one_failure_of_a_round_ends_the_others_and_comes_through_as_itself() -> None:
    error, waiter = ModelUnreachable("no line"), Waiter("ben")

    with pytest.raises(ModelUnreachable) as caught:
        await BaseGroupChat([Speaker("ana", error), waiter], everybody).run(task="go")

    assert caught.value is error
    assert waiter.cleaned


async def test_a_team_runs_once_at_a_time() -> None:
    waiter = Waiter("ana")
    crew = team(waiter)
    running = asyncio.ensure_future(crew.run(task="go"))
    await waiter.begun.wait()

    with pytest.raises(ValueError, match="'RoundRobinGroupChat' is running already"):
        await crew.run(task="me too")
    waiter.go_on.set()

    assert texts(await running) == ["go", "ana says"]


async def test_two_teams_run_at_the_same_time_in_logs_of_their_own() -> None:
    gate = asyncio.Barrier(2)

    async def meet(messages: Sequence[BaseChatMessage]) -> str:
        await gate.wait()
        return messages[-1].to_text().upper()

    crews = [team(Speaker("ana", meet)) for _ in range(2)]

    one, two = await asyncio.gather(crews[0].run(task="one"), crews[1].run(task="two"))

    assert (texts(one), texts(two)) == (["one", "ONE"], ["two", "TWO"])
    assert one.log is not two.log
    for result in (one, two):
        assert result.log is not None
        assert {event.id.partition(":")[0] for event in result.log} == {result.log.id}
        assert [e.kind for e in result.log].count("message") == 2


# -- cancelling -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["token", "task", "thread"])
async def test_cancelling_ends_a_run_promptly_and_the_next_one_works(how: str) -> None:
    waiter, log = Waiter("ben"), RunLog()
    crew = team(Speaker("ana"), waiter, max_turns=2)
    token = CancellationToken()
    running = asyncio.ensure_future(crew.run(task="go", cancellation_token=token, log=log))
    await waiter.begun.wait()
    match how:
        case "token":
            token.cancel()
        case "task":
            running.cancel()
        case "thread":
            threading.Thread(target=token.cancel).start()

    with pytest.raises(asyncio.CancelledError):
        await running
    waiter.go_on.set()
    result = await crew.run(task="again")

    assert waiter.cleaned
    assert [e.body.outcome for e in log if isinstance(e.body, RunFinished)] == ["stopped"]
    assert [e.body.outcome for e in log if isinstance(e.body, TurnFinished)] == ["done", "stopped"]
    assert sources(result) == ["user", "ben", "ana"]


async def test_a_token_cancelled_before_the_run_ends_it_before_anybody_speaks() -> None:
    token, ana = CancellationToken(), Speaker("ana")
    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await team(ana).run(task="go", cancellation_token=token)
    assert ana.got == []


async def test_a_token_may_serve_many_runs_without_growing() -> None:
    token, crew = CancellationToken(), team(Speaker("ana"))

    for _ in range(20):
        await crew.run(task="go", cancellation_token=token)
    await asyncio.sleep(0)

    assert len(token._callbacks) == 0


async def test_leaving_a_stream_early_stops_the_run_before_it_returns() -> None:
    waiter, log = Waiter("ana"), RunLog()
    crew = team(waiter)

    async with aclosing(crew.run_stream(task="go", log=log)) as items:
        await anext(items)
        await waiter.begun.wait()

    assert waiter.cleaned
    assert [e.body.outcome for e in log if isinstance(e.body, RunFinished)] == ["stopped"]
    waiter.go_on.set()
    assert texts(await crew.run()) == ["ana says"]


async def test_no_task_is_left_behind() -> None:
    before = asyncio.all_tasks()

    await team(Speaker("ana"), Speaker("ben")).run(task="go", cancellation_token=CancellationToken())
    [item async for item in team(Speaker("ana")).run_stream(task="go")]
    await asyncio.sleep(0)

    assert asyncio.all_tasks() == before


# -- what an agent keeps to itself -------------------------------------------------------------------------------------


class Quiet(Speaker):
    """Tells in its answer what it did on the way, and yields the answer only."""

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> Any:
        answer = await self.on_messages(messages, cancellation_token)
        did: list[Any] = [ThoughtEvent(content="hm", source=self.name), user("psst", self.name), answer.chat_message]
        yield Response(chat_message=answer.chat_message, inner_messages=did)


async def test_what_an_agent_did_and_did_not_yield_is_seen_by_conditions_and_by_nobody_who_watches() -> None:
    ana, ben, log = Quiet("ana"), Speaker("ben"), RunLog()
    crew = team(ana, ben, max_turns=4, termination_condition=TextMentionTermination("psst"))

    items = [item async for item in crew.run_stream(task="go", log=log)]
    again = await crew.run()

    assert [getattr(item, "content", None) for item in items] == ["go", "ana says", None]
    assert texts(again) == ["ben says", "ana says"]
    assert ben.got == [["go", "ana says"]]
    assert [message.to_text() for message in result_of(log)] == ["go", "ana says"]
    state = (await crew.save_state())["agent_states"][crew.manager_name]
    assert [said["content"] for said in state["message_thread"]][:4] == ["go", "hm", "psst", "ana says"]


async def test_a_run_that_ended_by_what_was_not_yielded_goes_on_from_its_log() -> None:
    def made() -> RoundRobinGroupChat:
        return team(Quiet("ana"), Speaker("ben"), max_turns=4, termination_condition=TextMentionTermination("psst"))

    first = made()
    result = await first.run(task="go")
    other = made()
    await other.restore(result)

    assert texts(await other.run()) == texts(await first.run()) == ["ben says", "ana says"]


# -- types of messages ------------------------------------------------------------------------------------------------


async def test_messages_of_the_users_own_classes_go_through_once_they_are_named() -> None:
    ana, ben = Speaker("ana", Poem(content="roses", source="ana")), Speaker("ben")
    crew = team(ana, ben, custom_message_types=[Poem])

    result = await crew.run(task=Poem(content="violets", source="user"))

    assert [type(m) for m in result.messages] == [Poem, Poem, TextMessage]
    assert ben.got == [["violets", "roses"]]


async def test_structured_messages_go_through_and_are_saved_and_loaded_where_an_agent_says_it_makes_them() -> None:
    def crew() -> RoundRobinGroupChat:
        judge = Speaker("judge", StructuredMessage[Verdict](content=Verdict(good=True), source="judge"))
        judge.produced_message_types = (StructuredMessage[Verdict],)
        return team(judge, Speaker("ben"), max_turns=1)

    first, second = crew(), crew()
    result = await first.run(task="judge it")
    await second.load_state(json.loads(json.dumps(await first.save_state())))
    await second.run()

    assert isinstance(result.messages[-1], StructuredMessage)
    assert second.participants[1].got == [["judge it", '{"good":true}']]  # type: ignore[union-attr]


# -- state ------------------------------------------------------------------------------------------------------------


async def test_a_state_goes_on_in_another_team_object_as_if_nothing_had_happened() -> None:
    def crew() -> RoundRobinGroupChat:
        return team(Speaker("ana", "a1", "a2", "a3"), Speaker("ben", "b1", "b2"), Speaker("cleo", "c1"), max_turns=2)

    stays, first, second = crew(), crew(), crew()
    await stays.run(task="go")
    await first.run(task="go")
    state = json.loads(json.dumps(await first.save_state()))
    await second.load_state(state)
    for speaker in stays.participants:
        speaker.got.clear()  # type: ignore[union-attr]

    one, two = await stays.run(task="more"), await second.run(task="more")

    assert texts(one) == texts(two) == ["more", "c1", "a2"]
    assert [s.got for s in stays.participants] == [s.got for s in second.participants]  # type: ignore[union-attr]


async def test_a_state_is_autogens() -> None:
    crew = team(Speaker("ana", "a1"), Speaker("ben"), max_turns=1)
    await crew.run(task="go")

    state = await crew.save_state()

    assert (state["type"], state["version"]) == ("TeamState", "1.0.0")
    ana, ben, manager = state["agent_states"].values()
    assert ana["type"] == "ChatAgentContainerState"
    assert ana["agent_state"] == {"type": "SpeakerState", "turns": 1}
    assert [m["content"] for m in ana["message_buffer"]] == []
    assert [m["content"] for m in ben["message_buffer"]] == ["go", "a1"]
    assert [m["content"] for m in manager["message_thread"]] == ["go", "a1"]
    assert (manager["type"], manager["next_speaker_index"]) == ("RoundRobinManagerState", 1)


async def test_who_said_what_survives_in_a_state_even_in_anothers_name() -> None:
    def crew() -> RoundRobinGroupChat:
        return team(Speaker("ana", lambda _: user("as ben", source="ben")), Speaker("ben"), max_turns=1)

    first, second = crew(), crew()
    await first.run(task=user("in ben's name", source="ben"))
    await second.load_state(json.loads(json.dumps(await first.save_state())))
    await second.run()
    await second.run()

    assert second.participants[1].got == [["in ben's name", "as ben"]]  # type: ignore[union-attr]
    assert second.participants[0].got == [["ben says"]]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda s: s.clear(), "has no 'agent_states'"),
        (lambda s: s["agent_states"].pop("ben"), "lacks 'ben' \\(it holds 'ana', 'RoundRobinGroupChatManager'\\)"),
        (lambda s: s["agent_states"].pop("RoundRobinGroupChatManager"), "lacks 'RoundRobinGroupChatManager'"),
        (lambda s: s["agent_states"]["RoundRobinGroupChatManager"].pop("message_thread"), "without 'message_thread'"),
        (lambda s: s["agent_states"]["ben"].pop("message_buffer"), "without 'message_buffer': is it whole"),
        (lambda s: s["agent_states"]["ben"]["agent_state"].clear(), "state of 'ben' cannot be read: KeyError: 'turns'"),
        (lambda s: s["agent_states"].update(ben=3), "The state of 'ben' is 3"),
        (
            lambda s: s["agent_states"]["RoundRobinGroupChatManager"]["message_thread"][0].pop("type"),
            "has no 'type'",
        ),
        (
            lambda s: s["agent_states"]["RoundRobinGroupChatManager"]["message_thread"][0].pop("content"),
            "Message 1 of the thread, a TextMessage, cannot be read: content: Field required",
        ),
    ],
)
async def test_a_damaged_state_is_refused_and_leaves_thread_and_turns_as_they_were(spoil: Any, says: str) -> None:
    saved, crew = (team(Speaker("ana"), Speaker("ben"), max_turns=1) for _ in range(2))
    await saved.run(task="go")
    state = json.loads(json.dumps(await saved.save_state()))
    spoil(state)

    with pytest.raises(ValueError, match=says):
        await crew.load_state(state)
    assert texts(await crew.run(task="fresh")) == ["fresh", "ana says"]


async def test_a_reset_forgets_thread_turns_and_what_was_heard() -> None:
    ana, ben = Speaker("ana"), Speaker("ben")
    crew = team(ana, ben, max_turns=1)
    await crew.run(task="old")

    await crew.reset()
    result = await crew.run(task="new")

    assert sources(result) == ["user", "ana"]
    assert ana.got == [["new"]]
    state = await crew.save_state()
    assert len(state["agent_states"]["RoundRobinGroupChatManager"]["message_thread"]) == 2


@pytest.mark.parametrize("act", ["reset", "load_state", "close"])
async def test_some_things_cannot_be_done_while_the_team_runs(act: str) -> None:
    waiter = Waiter("ana")
    crew = team(waiter)
    running = asyncio.ensure_future(crew.run(task="go"))
    await waiter.begun.wait()

    with pytest.raises(RuntimeError, match="while it is running; stop it first"):
        await (crew.load_state({}) if act == "load_state" else getattr(crew, act)())
    waiter.go_on.set()
    await running


async def test_pause_and_resume_reach_every_agent_of_a_team_that_has_run() -> None:
    ana = Speaker("ana")
    crew = team(ana)
    for act in (crew.pause, crew.resume):
        with pytest.raises(RuntimeError, match="it has not run yet"):
            await act()
    await crew.run(task="go")

    await crew.pause()
    await crew.resume()
    await crew.close()

    assert ana.calls == ["pause", "resume", "close"]


# -- runtimes, threads ------------------------------------------------------------------------------------------------


async def test_a_team_lives_on_a_runtime_it_is_given_and_leaves_it_running() -> None:
    runtime = SingleThreadedAgentRuntime()
    runtime.start()
    one, two = (team(Speaker("ana"), Speaker("ben"), runtime=runtime) for _ in range(2))

    await one.run(task="go")
    result = await two.run(task="go")
    again = await one.run(task="again")

    assert (sources(result), sources(again)) == (["user", "ana", "ben"],) * 2
    assert runtime.statistics()[:5] == (0, 0, 6, 0, 0)
    await runtime.stop_when_idle()


async def test_cancelling_a_run_on_a_given_runtime_leaves_the_runtime_alone() -> None:
    runtime, waiter = SingleThreadedAgentRuntime(), Waiter("ana")
    runtime.start()
    token = CancellationToken()
    running = asyncio.ensure_future(team(waiter, runtime=runtime).run(task="go", cancellation_token=token))
    await waiter.begun.wait()
    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert waiter.cleaned
    await runtime.stop_when_idle()


def test_a_team_runs_in_a_script_again_and_again() -> None:
    crew = team(Speaker("ana", "a1", "a2"))

    assert texts(crew.run_sync(task="go")) == ["go", "a1"]
    assert texts(crew.run_sync(task="on")) == ["on", "a2"]


async def test_a_team_runs_where_a_loop_runs_already() -> None:
    assert texts(team(Speaker("ana")).run_sync(task="go")) == ["go", "ana says"]


async def test_a_team_runs_in_a_thread_while_a_loop_runs_here() -> None:
    result = await asyncio.to_thread(team(Speaker("ana")).run_sync, task="go")

    assert texts(result) == ["go", "ana says"]


def test_an_error_of_a_run_without_await_is_the_very_object() -> None:
    error = ModelUnreachable("no line")

    with pytest.raises(ModelUnreachable) as caught:
        team(Speaker("ana", error)).run_sync(task="go")
    assert caught.value is error


# -- making a team ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: RoundRobinGroupChat([]), ValueError, "RoundRobinGroupChat has no participants; give it agents"),
        (lambda: team(Speaker("ana"), Speaker("ana")), ValueError, "Two participants are named 'ana'"),
        (lambda: RoundRobinGroupChat([3]), TypeError, "must be an agent, not int: 3"),  # type: ignore[list-item]
        (lambda: RoundRobinGroupChat([Speaker]), TypeError, r"Make one of the class: Speaker\(…\)"),  # type: ignore[list-item]
        (lambda: team(Speaker("ana"), max_turns=0), ValueError, "max_turns is 0"),
    ],
    ids=["nobody", "namesakes", "no agent", "a class", "no turns"],
)
def test_a_team_that_cannot_be_is_refused(make: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        make()


def test_a_team_tells_its_name_what_it_is_for_and_who_is_in_it() -> None:
    ana, ben = Speaker("ana"), Speaker("ben")

    assert (team(ana, ben).name, team(ana, ben).description) == ("RoundRobinGroupChat", "A team of ana, ben.")
    assert team(ana, ben, name="crew", description="rows").description == "rows"
    assert team(ana, ben).participants == [ana, ben]


async def test_the_log_says_who_takes_part_and_which_model_answers() -> None:
    client = ScriptedChatCompletionClient(["x"], name="tiny")
    result = await RoundRobinGroupChat([AssistantAgent("ana", client), Speaker("ben")], max_turns=1).run(task="go")
    assert result.log is not None
    start: Any = result.log.events[0].body

    assert [(p.name, p.role) for p in start.participants] == [("ana", "AssistantAgent"), ("ben", "Speaker")]
    assert start.model == "tiny"
    assert start.component["provider"] == "agentnb.teams.RoundRobinGroupChat"


async def test_a_stop_message_of_an_agent_is_only_a_wish() -> None:
    result = await team(Speaker("ana", StopMessage(content="enough", source="ana")), max_turns=2).run(task="go")

    assert len(result.messages) == 3


async def test_who_watches_the_log_sees_facts_in_the_order_of_the_stream() -> None:
    log, seen = RunLog(), list[str]()
    log.watch(lambda item: seen.append(item.kind) if isinstance(item, Event) else None)

    await team(Speaker("ana")).run(task="go", log=log)

    assert seen == [event.kind for event in log]


@pytest.mark.parametrize("with_token", [False, True])
async def test_what_an_agent_sets_in_a_context_variable_is_its_own(with_token: bool) -> None:
    mood: ContextVar[str] = ContextVar("mood", default="calm")

    def cheer(_: Any) -> str:
        before = mood.get()
        mood.set("cheerful")
        return before

    crew = team(Speaker("ana", cheer), Speaker("ben", cheer), max_turns=4)
    result = await crew.run(task="go", cancellation_token=CancellationToken() if with_token else None)

    assert texts(result) == ["go", "calm", "calm", "calm", "calm"]
    assert mood.get() == "calm"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("TERMINATE", r"TextMentionTermination\('TERMINATE'\)"),
        (5, r"MaxMessageTermination\(5\)"),
        (lambda messages: True, "FunctionalTermination"),
        (MaxMessageTermination, r"MaxMessageTermination\(…\)"),
        ([MaxMessageTermination(2)], r"join several with \| or &"),
    ],
)
def test_what_is_no_condition_is_refused_where_the_team_is_made(given: Any, meant: str) -> None:
    with pytest.raises(TypeError, match=f"The termination_condition is .*; give a condition, such as .*{meant}"):
        RoundRobinGroupChat([Speaker("ana")], termination_condition=given)


async def test_agents_that_answer_at_once_leave_others_in_the_loop_their_turn() -> None:
    crew = team(Speaker("ana"), max_turns=None)
    running = crew.start(task="go", log=RunLog())
    await asyncio.sleep(0.05)
    running.stop()
    result = await running

    assert result.stop_reason == "stopped"
    assert len(result.messages) > 1


async def test_a_token_ends_the_waiting_of_a_condition() -> None:
    async def waits(messages: Sequence[Any]) -> bool:
        token.cancel()
        await asyncio.Event().wait()
        return True

    token = CancellationToken()
    with pytest.raises(asyncio.CancelledError):
        await team(Speaker("ana"), termination_condition=FunctionalTermination(waits)).run(
            task="go", cancellation_token=token
        )

    assert token.is_cancelled()


async def test_a_token_ends_the_reset_of_a_condition_that_waits_for_good() -> None:
    class Slow(MaxMessageTermination):
        async def reset(self) -> None:
            await super().reset()
            token.cancel()
            await asyncio.Event().wait()

    token = CancellationToken()
    with pytest.raises(asyncio.CancelledError):
        await team(Speaker("ana"), termination_condition=Slow(2)).run(task="go", cancellation_token=token)

    assert token.is_cancelled()


async def test_a_token_ends_the_saving_of_a_state_before_the_first_turn() -> None:
    class Slow(Speaker):
        slow = False

        async def save_state(self) -> Mapping[str, Any]:
            if self.slow:
                token.cancel()
                await asyncio.Event().wait()
            return await super().save_state()

    ana, token = Slow("ana"), CancellationToken()
    before, crew = team(Speaker("ana"), max_turns=1), team(ana, max_turns=1)
    await before.run(task="go")
    await crew.load_state(await before.save_state())
    ana.slow = True

    with pytest.raises(asyncio.CancelledError):
        await crew.run(task="go", cancellation_token=token)
    assert ana.got == []


async def test_a_condition_that_returns_something_else_is_named() -> None:
    class Says(MaxMessageTermination):
        async def __call__(self, messages: Sequence[Any]) -> Any:
            return "enough"

    with pytest.raises(ValueError, match=r"The Says of 'RoundRobinGroupChat' returned 'enough'; .* StopMessage"):
        await team(Speaker("ana"), termination_condition=Says(5)).run(task="go")


async def test_an_agent_that_cannot_be_reset_keeps_no_other_from_it_and_is_named() -> None:
    class Stubborn(Speaker):
        async def on_reset(self, cancellation_token: CancellationToken) -> None:
            raise OSError("busy")

    ben = Speaker("ben")
    crew = team(Stubborn("ana"), ben, max_turns=2)
    await crew.run(task="go")
    with pytest.raises(AgentFailed, match=r"'ana': OSError: busy"):
        await crew.reset()

    assert ben.calls == ["reset"]
    assert sources(await crew.run(task="again")) == ["user", "ana", "ben"]
    assert ben.got == [["again", "ana says"]]
