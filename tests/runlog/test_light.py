"""A fact nobody looked at yet cannot be told from others by those who look."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import pytest

from agentnb.core import Clock, set_clock
from agentnb.messages import TextMessage
from agentnb.runlog import Event, Noted, RunFinished, RunLog, RunStarted, Said, TurnFinished, TurnStarted, Usage
from agentnb.runlog.light import said, turn_finished, turn_started
from agentnb.runlog.scopes import scope
from agentnb.transcripts import to_df

MESSAGE = TextMessage(content="hello", source="ana")


def filled(log: RunLog) -> RunLog:
    started = log.add(turn_started(agent="ana", turn=1), source="ana")
    with scope(log, log.id_of(started), "team/ana"):
        log.add(said(message=MESSAGE), usage=(5, 7, 0.25))
        log.note("half time")
        log.add(turn_finished(agent="ana", turn=1, keep=0, added=(2,)), took=0.5)
    return log


def test_it_is_an_event_with_its_body() -> None:
    log = filled(RunLog())

    started, message, note, finished = log
    assert [event.seq for event in log] == [1, 2, 3, 4]
    assert started.body == TurnStarted(agent="ana", turn=1)
    assert (message.body, message.source, message.parent) == (Said(message=MESSAGE), "team/ana", started.id)
    assert message.body.message is MESSAGE  # type: ignore[attr-defined]
    assert message.usage == Usage(prompt_tokens=5, completion_tokens=7, cost_usd=0.25)
    assert isinstance(note.body, Noted)
    assert (finished.body, finished.took) == (TurnFinished(agent="ana", turn=1, keep=0, added=(2,)), 0.5)
    assert all(event.at.tzinfo is UTC for event in log)
    assert Event.model_validate_json(message.model_dump_json()) == message


def test_who_looks_twice_sees_the_same_object() -> None:
    log = filled(RunLog())

    assert all(map(lambda one, other: one is other, log.events, log.since(0)))


def test_who_watches_is_shown_events() -> None:
    log = RunLog()
    seen: list[Event] = []
    log.watch(seen.append)

    filled(log)

    assert seen == list(log)
    assert [event.kind for event in seen] == ["turn.started", "message", "note", "turn.finished"]


async def test_who_follows_is_shown_events() -> None:
    log = filled(RunLog())
    kinds = []

    async for event in log.follow():
        kinds.append(event.kind)
        if len(kinds) == 4:
            log.add(turn_started(agent="ben", turn=2))
        if len(kinds) == 5:
            break

    assert kinds == ["turn.started", "message", "note", "turn.finished", "turn.started"]


def test_who_looks_while_another_thread_adds_sees_events_only() -> None:
    log = RunLog()

    def add() -> None:
        for turn in range(3000):
            log.add(turn_started(agent="ana", turn=turn))

    adding = Thread(target=add)
    adding.start()
    kinds: set[str] = set()
    while adding.is_alive():
        kinds |= {event.kind for event in log}
        kinds |= {event.kind for event in log.since(len(log) - 5)}
    adding.join()

    assert kinds <= {"turn.started"}
    assert [event.seq for event in log] == list(range(1, 3001))
    assert [event.body.turn for event in log] == list(range(3000))  # type: ignore[attr-defined]


def test_the_file_holds_it_before_anybody_looks(tmp_path: Path) -> None:
    log = RunLog.create("run", folder=tmp_path)

    filled(log)

    assert log.path is not None
    assert RunLog.open(log.path).events == log.events


def test_a_fixed_clock_tells_its_time() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)

    class Noon(Clock):
        now = staticmethod(lambda: noon)

    log = RunLog()
    with set_clock(Noon()):
        log.add(turn_started(agent="ana", turn=1))

    assert log.events[0].at == noon


def test_messages_are_found_among_what_was_given_and_what_was_added(tmp_path: Path) -> None:
    log = RunLog.create("run", folder=tmp_path)
    filled(log)
    log.close()
    assert log.path is not None
    again = RunLog.open(log.path)
    again.append(Said(message=TextMessage(content="and on", source="ben")))
    again.add(said(message=TextMessage(content="it goes", source="ana")))

    assert [(seq, message.content) for seq, message in again.said_since(0)] == [
        (2, "hello"),
        (5, "and on"),
        (6, "it goes"),
    ]
    assert [seq for seq, _ in again.said_since(5)] == [6]


async def test_who_follows_sees_what_came_while_the_last_fact_of_a_run_was_looked_at() -> None:
    log = RunLog()
    kinds = []

    def run() -> None:
        started = log.append(RunStarted(runner="team", runner_type="Team"))
        log.append(RunFinished(outcome="done"), parent=started.id)

    run()
    async for event in log.follow():
        kinds.append(event.kind)
        if len(kinds) == 2:
            log.add(turn_started(agent="ben", turn=2))
            run()

    assert kinds == ["run.started", "run.finished", "turn.started", "run.started", "run.finished"]


def test_what_it_holds_is_made_when_it_is_asked_for() -> None:
    for ask in ("at", "usage", "body", "parent", "took", "id", "source"):
        log = filled(RunLog())
        whole = filled(RunLog(run_id=log.id))
        for one, other in zip(log, whole, strict=True):
            assert type(one).__name__ == ("Event" if one.kind == "note" else "Unseen")
            if ask not in ("at", "parent", "took", "id", "source"):
                assert getattr(one, ask) == getattr(other, ask)
            assert one.model_copy(update={"at": other.at}) == other
            assert type(one) is Event


@pytest.mark.parametrize("ask", ["id", "seq", "parent", "at", "took", "source", "kind", "usage", "body"])
async def test_who_follows_finds_in_it_what_others_find(ask: str) -> None:
    log = filled(RunLog())
    started = log.append(RunStarted(runner="team", runner_type="Team"))
    log.append(RunFinished(outcome="done"), parent=started.id)
    followed = [event async for event in log.follow()]

    assert [event.kind for event in followed] == [event.kind for event in log]
    for one, other in zip(followed, log, strict=True):
        assert getattr(one, ask) == getattr(other, ask)
        assert getattr(one, ask) == getattr(other, ask)
        assert copy.copy(one) == pickle.loads(pickle.dumps(one)) == other
        assert one.model_dump() == other.model_dump()
        assert type(one) is Event


@pytest.mark.parametrize("table", ["events", "messages", "turns"])
def test_tables_show_it_as_they_show_others(table: str) -> None:
    log = filled(RunLog())
    others = RunLog(run_id=log.id)
    others._events = [Event.model_validate(event.model_dump()) for event in filled_anew(log)]

    assert to_df(log, table).equals(to_df(others, table))


def filled_anew(log: RunLog) -> list[Event]:
    """Return the facts of a copy, so that nobody has looked at those of the log."""
    copy = RunLog(run_id=log.id)
    copy._facts = list(log._facts)
    return list(copy)
