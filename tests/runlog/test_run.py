"""The frame of facts round whatever a team or an agent does."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any
from weakref import ref

import pytest

from agentnb.base import TaskResult, TaskRunner
from agentnb.core import CancellationToken
from agentnb.exceptions import AgentFailed, ModelUnreachable, TerminatedException
from agentnb.messages import BaseChatMessage, ModelClientStreamingChunkEvent, TextMessage
from agentnb.runlog import ErrorRaised, Event, Run, RunFinished, RunLog, RunStarted, TurnFinished, open_run, totals
from tests.runlog.clients import arrival

Work = Callable[[Run], Any]


class Worker(TaskRunner):
    """Does what a function does."""

    def __init__(self, work: Work, name: str = "worker", notes: Sequence[str] = ()) -> None:
        self._work, self._name, self.opening_notes = work, name, notes

    @property
    def name(self) -> str:
        return self._name

    @property
    def description(self) -> str:
        return "works"

    async def _perform(
        self, task: list[BaseChatMessage], run: Run, cancellation_token: CancellationToken | None, echo: bool
    ) -> None:
        for message in task:
            run.say(message, show=echo)
        await self._work(run)


def kinds(log: RunLog) -> list[str]:
    return [event.kind for event in log]


def only_log(runs: Path) -> RunLog:
    (path,) = runs.glob("*.jsonl")
    return RunLog.open(path)


def finished(log: RunLog) -> list[RunFinished]:
    return [event.body for event in log if isinstance(event.body, RunFinished)]


def errors(log: RunLog) -> list[ErrorRaised]:
    return [event.body for event in log if isinstance(event.body, ErrorRaised)]


async def say_hello(run: Run) -> None:
    with run.turn("ana"):
        run.chunk(ModelClientStreamingChunkEvent(content="hel", source="ana"))
        run.say(TextMessage(content="hello", source="ana"))
    run.stop_reason = "said it"


async def wait_for_ever(run: Run) -> None:
    with run.turn("ana"):
        run.say(TextMessage(content="waiting", source="ana"))
        await asyncio.Event().wait()


async def test_a_run_that_ends_by_itself_is_done(runs: Path) -> None:
    result = await Worker(say_hello).run(task="go")

    log = only_log(runs)
    assert kinds(log) == ["run.started", "message", "turn.started", "message", "turn.finished", "run.finished"]
    assert finished(log) == [RunFinished(outcome="done", stop_reason="said it", turns=1, messages=2)]
    assert result.stop_reason == "said it"
    assert result.log is not None
    assert kinds(result.log) == kinds(log)


async def test_every_fact_of_a_run_has_its_cause_and_its_source() -> None:
    log = (await Worker(say_hello).run(task="go")).log
    assert log is not None
    started, task, turn, hello, turn_end, run_end = log.events

    assert (started.parent, task.parent, turn.parent) == (None, started.id, started.id)
    assert (hello.parent, turn_end.parent, run_end.parent) == (turn.id, turn.id, started.id)
    assert [event.source for event in log] == ["worker", "worker", "ana", "ana", "ana", "worker"]
    assert turn_end.took is not None
    assert run_end.took is not None
    assert 0 <= turn_end.took <= run_end.took


async def test_the_first_fact_says_what_runs_and_on_which_versions() -> None:
    log = (await Worker(say_hello).run(task="go")).log
    assert log is not None
    start = log.events[0].body

    assert isinstance(start, RunStarted)
    assert (start.runner, start.runner_type) == ("worker", "Worker")
    assert [participant.name for participant in start.participants] == ["worker"]


async def test_a_run_that_is_cancelled_is_stopped_and_so_is_its_turn(log: RunLog) -> None:
    begun = arrival(log, "turn.started")
    task = asyncio.ensure_future(Worker(wait_for_ever).run(task="go", log=log))
    await begun.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert finished(log) == [RunFinished(outcome="stopped", stop_reason="stopped", turns=1, messages=2)]
    assert [event.body.outcome for event in log if isinstance(event.body, TurnFinished)] == ["stopped"]
    assert errors(log) == []


async def test_a_run_that_fails_leaves_the_error_with_its_stack(runs: Path) -> None:
    async def fail(run: Run) -> None:
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        await Worker(fail).run(task="go")

    log = only_log(runs)
    (error,) = errors(log)
    assert (error.type, error.message) == ("LookupError", "no such thing")
    assert "in fail" in error.traceback
    assert finished(log)[0].outcome == "failed"
    assert finished(log)[0].stop_reason == "LookupError: no such thing"


async def test_an_agents_failure_is_told_by_its_cause(runs: Path) -> None:
    async def fail(run: Run) -> None:
        raise AgentFailed("The agent 'ana' failed: KeyError: 'x'") from KeyError("x")

    with pytest.raises(AgentFailed):
        await Worker(fail).run(task="go")

    assert errors(only_log(runs))[0].type == "KeyError"


async def test_a_models_failure_is_told_in_our_words_and_not_in_its_sdks(runs: Path) -> None:
    async def fail(run: Run) -> None:
        raise ModelUnreachable("No connection to http://x. Is the server running?") from OSError("errno 111")

    with pytest.raises(ModelUnreachable):
        await Worker(fail).run(task="go")

    log = only_log(runs)
    assert errors(log)[0].type == "ModelUnreachable"
    assert finished(log)[0].stop_reason == "ModelUnreachable: No connection to http://x. Is the server running?"
    assert "errno 111" in errors(log)[0].traceback


@pytest.mark.parametrize("error", [TerminatedException("over"), SystemExit(2)])
async def test_errors_outside_of_the_usual_tree_are_facts_too(error: BaseException) -> None:
    log = RunLog()

    with pytest.raises(type(error)):
        async with open_run(RunStarted(runner="r", runner_type="R"), log=log):
            raise error

    assert errors(log)[0].type == type(error).__name__
    assert finished(log)[0].outcome == "failed"


async def test_ctrl_c_stops_a_run() -> None:
    log = RunLog()

    with pytest.raises(KeyboardInterrupt):
        async with open_run(RunStarted(runner="r", runner_type="R"), log=log):
            raise KeyboardInterrupt

    assert finished(log)[0].outcome == "stopped"


async def test_a_run_within_a_run_writes_into_the_same_log_below_it(runs: Path) -> None:
    async def outer(run: Run) -> None:
        with run.turn("ana"):
            await Worker(say_hello, "inner").run(task="sub")

    result = await Worker(outer, "outer").run(task="go")

    log = only_log(runs)
    inner = next(e for e in log if isinstance(e.body, RunStarted) and e.body.runner == "inner")
    turn = next(e for e in log if e.kind == "turn.started")
    assert inner.parent == turn.id
    assert [e.source for e in log if e.kind == "message"] == ["outer", "ana/inner", "ana"]
    assert [message.to_text() for message in result.messages] == ["go"]
    assert kinds(log)[-1] == "run.finished"
    assert len(finished(log)) == 2


async def test_a_run_within_a_run_of_the_same_name_does_not_end_it_in_the_totals() -> None:
    seen: list[str] = []

    async def outer(run: Run) -> None:
        await Worker(say_hello, "same").run(task="sub")
        seen.append(totals(run.log).state)

    result = await Worker(outer, "same").run(task="go")

    assert seen == ["running"]
    assert result.log is not None
    assert totals(result.log).state == "done"


async def test_what_a_run_said_is_let_go_with_its_result() -> None:
    """And not when the garbage collector comes by, whom a process of many runs would keep busy."""

    async def nest(run: Run) -> None:
        await Worker(say_hello, name="inner").run(task="go")

    gc.collect()
    gc.disable()
    try:
        result = await Worker(nest, name="outer").run(task="go")
        log = ref(result.log)
        await asyncio.sleep(0)
        del result

        assert log() is None
    finally:
        gc.enable()


async def test_a_run_that_is_given_a_log_writes_there_and_leaves_it_open(runs: Path) -> None:
    log = RunLog()

    result = await Worker(say_hello).run(task="go", log=log)
    await Worker(say_hello).run(task="again", log=log)

    assert result.log is log
    assert len(finished(log)) == 2
    assert not runs.exists()


async def test_notes_that_open_a_run_come_first() -> None:
    log = (await Worker(say_hello, notes=["taken: a small model"]).run(task="go")).log

    assert log is not None
    assert kinds(log)[:3] == ["run.started", "note", "message"]


# -- run_stream -------------------------------------------------------------------------------------------------------


async def test_a_stream_gives_messages_and_pieces_as_they_come_and_the_result_at_last() -> None:
    items = [item async for item in Worker(say_hello).run_stream(task="go")]

    assert [type(item).__name__ for item in items] == [
        "TextMessage",
        "ModelClientStreamingChunkEvent",
        "TextMessage",
        "TaskResult",
    ]
    result = items[-1]
    assert isinstance(result, TaskResult)
    assert list(result.messages) == [items[0], items[2]]


async def test_a_message_can_be_read_before_the_run_goes_on() -> None:
    go_on = asyncio.Event()

    async def work(run: Run) -> None:
        run.say(TextMessage(content="first", source="ana"))
        await go_on.wait()
        run.say(TextMessage(content="second", source="ana"))

    async with aclosing(Worker(work).run_stream()) as items:
        first = await anext(items)
        assert isinstance(first, TextMessage)
        assert first.content == "first"
        go_on.set()
        assert (await anext(items)).content == "second"  # type: ignore[union-attr]


async def test_a_stream_closed_early_stops_its_run_before_it_returns(runs: Path) -> None:
    async with aclosing(Worker(wait_for_ever).run_stream(task="go")) as items:
        await anext(items)
        await anext(items)

    assert finished(only_log(runs))[0].outcome == "stopped"


async def test_a_reader_that_is_cancelled_stops_its_run(runs: Path) -> None:
    got = asyncio.Event()

    async def read() -> None:
        async for item in Worker(wait_for_ever).run_stream(task="go"):
            if isinstance(item, TextMessage) and item.content == "waiting":
                got.set()

    reading = asyncio.ensure_future(read())
    await got.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    assert finished(only_log(runs))[0].outcome == "stopped"


async def test_what_was_said_before_an_error_is_read_before_it_is_raised() -> None:
    async def fail(run: Run) -> None:
        run.say(TextMessage(content="oh", source="ana"))
        raise LookupError("gone")

    items = Worker(fail).run_stream()

    assert (await anext(items)).content == "oh"  # type: ignore[union-attr]
    with pytest.raises(LookupError, match="gone"):
        await anext(items)


async def test_the_tasks_messages_may_be_left_out() -> None:
    result = await Worker(say_hello).run(task="go", output_task_messages=False)
    items = [item async for item in Worker(say_hello).run_stream(task="go", output_task_messages=False)]

    assert [message.to_text() for message in result.messages] == ["hello"]
    assert len(items) == 3
    assert result.log is not None
    assert [e.kind for e in result.log].count("message") == 2


def test_events_are_frozen() -> None:
    event: Event = RunLog().note("x")

    for fact in (event, event.body):
        with pytest.raises(ValueError, match="frozen"):
            setattr(fact, next(iter(type(fact).model_fields)), "y")
