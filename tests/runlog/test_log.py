"""One conversation's facts."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentnb.core import Clock, set_clock
from agentnb.exceptions import HumanUnavailable, UserError
from agentnb.messages import ModelClientStreamingChunkEvent, TextMessage
from agentnb.runlog import (
    Body,
    InputAnswered,
    InputRequested,
    Noted,
    RunFinished,
    RunLog,
    RunStarted,
    Said,
    current,
    fan_out,
    runs_folder,
    scope,
)
from tests.runlog.clients import arrival
from tests.runlog.conftest import texts_of
from tests.strategies import bodies

# -- append -----------------------------------------------------------------------------------------------------------


@given(st.lists(bodies, max_size=10))
def test_facts_are_numbered_from_one_without_gaps_in_the_order_they_came(facts: list[Body]) -> None:
    log = RunLog()

    events = [log.append(body) for body in facts]

    assert [event.seq for event in log] == list(range(1, len(facts) + 1))
    assert [event.body for event in log] == facts
    assert log.events == tuple(events)
    assert len({event.id for event in log}) == len(facts)
    assert all(event.id == f"{log.id}:{event.seq}" for event in log)


def test_times_never_go_back(log: RunLog) -> None:
    for number in range(50):
        log.note(str(number))

    times = [event.at for event in log]
    assert times == sorted(times)


def test_a_fact_belongs_to_the_scope_it_is_appended_in(log: RunLog) -> None:
    cause = log.note("cause")

    with scope(log, cause.id, "team/ana"):
        inside = log.note("inside")
    outside = log.note("outside")

    assert (inside.parent, inside.source) == (cause.id, "team/ana")
    assert (outside.parent, outside.source) == (None, "")


def test_what_is_said_about_a_fact_goes_before_its_scope(log: RunLog) -> None:
    one, two = log.note("1"), log.note("2")

    with scope(log, one.id, "ana"):
        event = log.append(Noted(text="x"), source="ben", parent=two.id)

    assert (event.parent, event.source) == (two.id, "ben")


def test_the_scope_of_one_log_says_nothing_about_another(log: RunLog) -> None:
    other = RunLog()

    with scope(log, log.note("x").id, "ana"):
        event = other.note("y")

    assert (event.parent, event.source) == (None, "")


async def test_each_task_has_a_scope_of_its_own(log: RunLog) -> None:
    gate = asyncio.Barrier(2)

    async def work(name: str) -> str:
        with scope(log, None, name):
            await gate.wait()
            return log.note("x").source

    assert list(await asyncio.gather(work("ana"), work("ben"))) == ["ana", "ben"]
    assert current() is None


async def test_facts_of_a_thread_arrive_in_the_loops_thread_in_their_order(log: RunLog) -> None:
    log.bind_loop()
    threads: set[int] = set()
    log.watch(lambda _: threads.add(threading.get_ident()))

    def work() -> None:
        for number in range(20):
            log.append_threadsafe(Noted(text=str(number)), source="thread")

    all_there = arrival(log, "note", 20)
    await asyncio.to_thread(work)
    await all_there.wait()

    assert texts_of(log) == [str(number) for number in range(20)]
    assert threads == {threading.get_ident()}
    assert {event.source for event in log} == {"thread"}


def test_without_a_running_loop_a_threads_fact_is_appended_at_once(log: RunLog) -> None:
    asyncio.run(_bind(log))

    log.append_threadsafe(Noted(text="late"))

    assert texts_of(log) == ["late"]


async def _bind(log: RunLog) -> None:
    log.bind_loop()


# -- watch ------------------------------------------------------------------------------------------------------------


def test_a_watcher_sees_facts_and_fanned_out_items_and_only_facts_are_kept(log: RunLog) -> None:
    seen: list[Any] = []
    log.watch(seen.append)
    chunk = ModelClientStreamingChunkEvent(content="h", source="ana")

    event = log.note("x")
    log.fan_out(chunk)
    with scope(log, None, "ana"):
        fan_out(chunk)
    fan_out(chunk)  # outside of a run nobody watches

    assert seen == [event, chunk, chunk]
    assert list(log) == [event]


def test_a_watcher_that_ends_sees_nothing_more_and_may_end_twice(log: RunLog) -> None:
    seen: list[Any] = []
    stop = log.watch(seen.append)

    stop()
    stop()
    log.note("x")

    assert seen == []


def test_one_function_may_watch_twice_and_end_once(log: RunLog) -> None:
    seen: list[Any] = []

    def watcher(item: Any) -> None:
        seen.append(item)

    stop = log.watch(watcher)
    log.watch(watcher)
    stop()
    event = log.note("x")

    assert seen == [event]


def test_a_watcher_that_fails_is_reported_and_does_not_stop_the_run_or_the_others(
    log: RunLog, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Any] = []

    def broken(item: Any) -> None:
        raise ZeroDivisionError("in the widget")

    log.watch(broken)
    log.watch(seen.append)
    with caplog.at_level(logging.ERROR, logger="agentnb.runlog"):
        log.note("one")
        log.note("two")

    assert len(seen) == 2
    assert len(caplog.records) == 1
    assert "is called no more" in caplog.text
    assert "in the widget" in caplog.text


def test_a_watcher_may_end_itself_while_it_is_called(log: RunLog) -> None:
    seen: list[Any] = []
    stops: list[Callable[[], None]] = []

    def once(item: Any) -> None:
        seen.append(item)
        stops[0]()

    stops.append(log.watch(once))
    first = log.note("1")
    log.note("2")

    assert seen == [first]


# -- follow -----------------------------------------------------------------------------------------------------------


def begin(log: RunLog, name: str = "team") -> Any:
    return log.append(RunStarted(runner=name, runner_type="T"), source=name)


def finish(log: RunLog, started: Any) -> None:
    log.append(RunFinished(outcome="done"), parent=started.id)


async def test_a_follower_gets_what_was_and_what_comes_until_the_run_is_over(log: RunLog) -> None:
    started = begin(log)
    log.note("before")
    seen: list[str] = []
    first = asyncio.Event()

    async def follow() -> None:
        async for event in log.follow():
            seen.append(event.kind)
            first.set()

    following = asyncio.create_task(follow())
    await first.wait()
    log.note("after")
    finish(log, started)
    await following

    assert seen == ["run.started", "note", "note", "run.finished"]


async def test_a_follower_that_knows_the_beginning_gets_the_rest(log: RunLog) -> None:
    started = begin(log)
    log.note("a")
    log.note("b")
    finish(log, started)

    assert [event.seq async for event in log.follow(2)] == [3, 4]


async def test_a_follower_of_one_kind_gets_that_kind_and_ends_with_the_run(log: RunLog) -> None:
    started = begin(log)
    log.note("a")
    log.append(Said(message=TextMessage(content="x", source="u")))
    finish(log, started)

    assert [event.kind async for event in log.follow(0, "message")] == ["message"]


async def test_a_nested_run_that_ends_does_not_end_its_follower(log: RunLog) -> None:
    started = begin(log)
    with scope(log, started.id, "team"):
        inner = begin(log, "inner")
        finish(log, inner)
    log.note("after the inner run")
    finish(log, started)

    assert [event.seq async for event in log.follow()] == [1, 2, 3, 4, 5]


async def test_facts_before_the_run_do_not_keep_a_follower_waiting(log: RunLog) -> None:
    log.note("first of all")
    finish(log, begin(log))

    assert [event.seq async for event in log.follow()] == [1, 2, 3]


async def test_a_second_run_in_the_same_log_is_followed_to_its_end(log: RunLog) -> None:
    finish(log, begin(log))
    second = begin(log)
    since = len(log)
    seen: list[int] = []
    first = asyncio.Event()

    async def follow() -> None:
        async for event in log.follow(since):
            seen.append(event.seq)
            first.set()

    following = asyncio.create_task(follow())
    log.note("x")
    await first.wait()
    finish(log, second)
    await following

    assert seen == [4, 5]


async def test_a_follower_that_leaves_early_watches_no_more(log: RunLog) -> None:
    begin(log)
    following = log.follow()
    await anext(following)

    await following.aclose()  # type: ignore[attr-defined]

    assert log._watchers == {}


def test_folding_reduces_the_facts_in_order(log: RunLog) -> None:
    for text in "abc":
        log.note(text)

    assert log.fold(lambda total, event: f"{total}{event.seq}{event.kind} ", "") == "1note 2note 3note "


# -- ask and answer ---------------------------------------------------------------------------------------------------


async def asked(log: RunLog, **options: Any) -> tuple[asyncio.Task[str], str]:
    open_ = arrival(log, "input.requested")
    task = asyncio.ensure_future(log.ask("Shall I?", **options))
    await open_.wait()
    return task, log.open_questions[0]


async def test_a_question_and_its_answer_are_facts(log: RunLog) -> None:
    task, input_id = await asked(log, choices=("yes", "no"), source="ana")

    assert log.answer(input_id, "yes", by="widget")

    assert await task == "yes"
    assert [event.body for event in log] == [
        InputRequested(input_id=input_id, prompt="Shall I?", choices=("yes", "no")),
        InputAnswered(input_id=input_id, text="yes", by="widget"),
    ]
    assert log.events[0].source == "ana"
    assert log.open_questions == ()


async def test_a_question_is_answered_once(log: RunLog) -> None:
    task, input_id = await asked(log)

    assert log.answer(input_id, "first")
    assert not log.answer(input_id, "second")

    assert await task == "first"
    assert not log.answer(input_id, "third")
    assert [event.kind for event in log].count("input.answered") == 1


def test_an_answer_to_nothing_is_refused(log: RunLog) -> None:
    assert not log.answer("nobody asked", "x")
    assert len(log) == 0


async def test_a_question_may_be_answered_from_another_thread(log: RunLog) -> None:
    asyncio.get_running_loop().set_debug(True)
    task, input_id = await asked(log)
    threads: list[int] = []
    log.watch(lambda _: threads.append(threading.get_ident()))

    answered = await asyncio.to_thread(log.answer, input_id, "from afar")

    assert answered
    assert await task == "from afar"
    assert threads == [threading.get_ident()]


async def test_two_threads_that_answer_at_once_leave_one_answer(log: RunLog) -> None:
    task, input_id = await asked(log)
    start = threading.Barrier(2)

    def answer(text: str) -> None:
        start.wait()
        log.answer(input_id, text)

    await asyncio.gather(asyncio.to_thread(answer, "a"), asyncio.to_thread(answer, "b"))

    assert await task in ("a", "b")
    assert [event.kind for event in log].count("input.answered") == 1


@pytest.mark.parametrize("thread", [False, True])
async def test_a_question_nobody_can_answer_ends_with_an_error(log: RunLog, thread: bool) -> None:
    task, input_id = await asked(log)
    error = HumanUnavailable("nobody is there")

    assert await asyncio.to_thread(log.refuse, input_id, error) if thread else log.refuse(input_id, error)

    with pytest.raises(HumanUnavailable) as caught:
        await task
    assert caught.value is error
    assert not log.refuse(input_id, error)


async def test_a_question_that_is_withdrawn_says_so(log: RunLog) -> None:
    task, input_id = await asked(log)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert "withdrawn" in texts_of(log)[0]
    assert not log.answer(input_id, "too late")


async def test_several_questions_are_open_at_the_same_time(log: RunLog) -> None:
    both_open = arrival(log, "input.requested", 2)
    one = asyncio.ensure_future(log.ask("1"))
    two = asyncio.ensure_future(log.ask("2"))
    await both_open.wait()
    first, second = log.open_questions

    log.answer(second, "b")
    log.answer(first, "a")

    assert list(await asyncio.gather(one, two)) == ["a", "b"]


def test_a_log_is_attended_as_long_as_somebody_shows_its_questions(log: RunLog) -> None:
    first, second = log.attend("widget"), log.attend("widget")
    assert log.attended

    first()
    assert log.attended
    second()
    second()

    assert not log.attended


# -- folder, saving ---------------------------------------------------------------------------------------------------


def test_a_saved_log_reads_the_same(log: RunLog, tmp_path: Path) -> None:
    log.note("x")
    log.append(Said(message=TextMessage(content="hi", source="u")), took=0.5)

    copy = log.save(tmp_path / "new" / "copy.jsonl")
    again = RunLog.open(copy)

    assert [event.model_dump() for event in again] == [event.model_dump() for event in log]
    assert again.id == log.id
    assert again.path == copy


def test_a_log_is_never_saved_over_a_file(log: RunLog, tmp_path: Path) -> None:
    path = tmp_path / "there.txt"
    path.write_text("mine")

    with pytest.raises(UserError, match=r"there\.txt exists already"):
        log.save(path)
    assert path.read_text() == "mine"


def test_a_log_that_cannot_be_saved_says_why(log: RunLog, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(UserError, match="cannot be written to"):
        log.save(tmp_path / "file" / "log.jsonl")


def test_the_files_name_tells_time_runner_and_run(runs: Path) -> None:
    log = RunLog.create("my team/../x")

    assert log.path is not None
    assert log.path.parent == runs
    assert log.path.name.endswith(f"-my-team----x-{log.id[:8]}.jsonl")


def test_runs_whose_ids_begin_alike_get_files_of_their_own(tmp_path: Path) -> None:
    class Same(Clock):
        numbers = count()

        def now(self) -> datetime:
            return datetime(2026, 1, 1, tzinfo=UTC)

        def new_id(self) -> str:
            return f"1a2b3c4d-0000-4000-8000-{next(self.numbers):012}"

    with set_clock(Same()):
        logs = [RunLog.create("team", folder=tmp_path) for _ in range(3)]
        for number, log in enumerate(logs):
            log.note(str(number))
            log.close()

    assert len({log.path for log in logs}) == 3
    for log in logs:
        assert RunLog.find(log.id, tmp_path).events == log.events


def test_runs_may_be_kept_in_memory_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTNB_RUNS", "OFF")

    log = RunLog.create("x")

    assert runs_folder() is None
    assert log.path is None
    assert "in memory" in repr(log)


def test_a_log_tells_its_size_and_file(log: RunLog) -> None:
    log.note("x")

    assert repr(log) == f"RunLog({log.id!r}, 1 events, {log.path})"


@pytest.mark.parametrize("text", ["short", "long " * 100, "very long " * 3000])
def test_a_ctrl_c_at_any_call_within_an_append_leaves_a_file_that_holds_the_facts_of_the_log(
    text: str, tmp_path: Path
) -> None:
    def interrupted(call: int, log: RunLog) -> bool:
        left = call

        def tick(frame: Any, event: str, argument: Any) -> None:
            nonlocal left
            left -= event == "call"
            if left == 0:
                sys.setprofile(None)
                raise KeyboardInterrupt

        gc.disable()  # what it would call is not of the append
        try:
            sys.setprofile(tick)
            log.append(Noted(text=text))
        except KeyboardInterrupt:
            return True
        finally:
            sys.setprofile(None)
            gc.enable()
        return False

    places, call = [], 1
    while True:
        log = RunLog.create(f"at-{call}", folder=tmp_path)
        log.append(Noted(text=text))
        stopped = interrupted(call, log)
        log.append(Noted(text=text))
        log.close()
        places.append([event.model_dump() for event in RunLog.open(log.path or "")] == [e.model_dump() for e in log])
        if not stopped:
            break
        call += 1

    assert call > 5
    assert all(places)
