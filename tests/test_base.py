"""Contracts: tasks, results, turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from agentnb.base import (
    AndTerminationCondition,
    ChatAgent,
    OrTerminationCondition,
    Response,
    TaskResult,
    TaskRunner,
    Team,
    TerminationCondition,
    take_turn,
    task_messages,
)
from agentnb.conditions import MaxMessageTermination
from agentnb.core import CancellationToken
from agentnb.messages import HandoffMessage, ModelClientStreamingChunkEvent, StopMessage, TextMessage, ThoughtEvent
from agentnb.runlog import RunLog, RunStarted, TurnFinished, open_run
from tests.teams.conftest import Speaker


def text(content: str) -> TextMessage:
    return TextMessage(content=content, source="user")


# -- tasks ------------------------------------------------------------------------------------------------------------


def test_no_task_is_no_message() -> None:
    assert task_messages(None) == []


def test_a_text_becomes_the_users_message() -> None:
    (message,) = task_messages("hi")

    assert isinstance(message, TextMessage)
    assert (message.content, message.source) == ("hi", "user")


def test_messages_are_taken_as_they_are() -> None:
    one, two = text("1"), HandoffMessage(content="2", target="ana", source="user")

    assert task_messages(one) == [one]
    assert task_messages([one, two]) == [one, two]


def test_the_callers_list_is_not_kept() -> None:
    task = [text("1")]

    assert task_messages(task) is not task


@pytest.mark.parametrize("bad", [[], (), [3], ["text"], [ThoughtEvent(content="x", source="a")], 3, b"bytes", {"a": 1}])
def test_anything_else_is_refused_as_a_wrong_value(bad: Any) -> None:
    with pytest.raises(ValueError, match=r"[Tt]ask"):
        task_messages(bad)


# -- results ----------------------------------------------------------------------------------------------------------


def test_a_result_is_written_with_whole_messages_and_without_its_log() -> None:
    result = TaskResult(messages=[text("hi"), ThoughtEvent(content="hm", source="a")], stop_reason="why", log=RunLog())

    written = result.model_dump(mode="json")

    assert set(written) == {"messages", "stop_reason"}
    assert [message["type"] for message in written["messages"]] == ["TextMessage", "ThoughtEvent"]
    assert [message["content"] for message in written["messages"]] == ["hi", "hm"]


def test_a_response_is_given_by_keywords() -> None:
    with pytest.raises(TypeError):
        Response(text("x"))  # type: ignore[call-arg]
    assert Response(chat_message=text("x")).inner_messages is None


# -- turns ------------------------------------------------------------------------------------------------------------


async def test_a_turn_says_all_but_pieces_through_the_run_and_returns_it() -> None:
    piece = ModelClientStreamingChunkEvent(content="a", source="ana")
    thought = ThoughtEvent(content="hm", source="ana")
    log, shown = RunLog(), list[Any]()

    async with open_run(RunStarted(runner="r", runner_type="R"), log=log, sink=shown.append) as run:
        said = await take_turn(Speaker("ana", says_before=[piece, thought]), [text("go")], run, CancellationToken())

    assert [type(item).__name__ for item in shown] == ["ModelClientStreamingChunkEvent", "ThoughtEvent", "TextMessage"]
    assert said == shown[1:] == run.messages
    assert [event.kind for event in log].count("message") == 2


async def test_turns_are_numbered_within_the_run() -> None:
    log = RunLog()

    async with open_run(RunStarted(runner="r", runner_type="R"), log=log) as run:
        for name in ("ana", "ben"):
            await take_turn(Speaker(name), [], run, CancellationToken())

    assert [(e.body.agent, e.body.turn) for e in log if isinstance(e.body, TurnFinished)] == [("ana", 1), ("ben", 2)]


# -- conditions, contracts --------------------------------------------------------------------------------------------


class Named(TerminationCondition):
    """A condition of the user's own."""

    def __init__(self, name: str) -> None:
        self.name, self.seen = name, list[int]()

    @property
    def terminated(self) -> bool:
        return bool(self.seen)

    async def __call__(self, messages: Sequence[Any]) -> StopMessage | None:
        self.seen.append(len(messages))
        return StopMessage(content=self.name, source="Named")

    async def reset(self) -> None:
        self.seen.clear()


async def test_a_condition_of_the_users_own_combines_with_ours() -> None:
    both = Named("mine") & MaxMessageTermination(1)
    either = Named("mine") | MaxMessageTermination(5)
    assert isinstance(both, AndTerminationCondition)
    assert isinstance(either, OrTerminationCondition)

    stop = await either([text("x")])

    assert stop is not None
    assert stop.content == "mine"
    assert await both([text("x")]) is not None


def test_agents_and_teams_are_task_runners() -> None:
    assert issubclass(ChatAgent, TaskRunner)
    assert issubclass(Team, TaskRunner)


async def test_a_runner_that_runs_no_code_takes_no_variables() -> None:
    assert await Speaker("ana").share({"x": 1}) == []
    assert not Speaker("ana").asks_person
