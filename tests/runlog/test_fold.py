"""What follows from the facts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentnb.core import Clock, set_clock
from agentnb.messages import CreateResult, RequestUsage, TextMessage, ThoughtEvent
from agentnb.runlog import (
    Body,
    CodeFinished,
    ModelFinished,
    RunFinished,
    RunLog,
    RunStarted,
    Said,
    Totals,
    TurnStarted,
    Usage,
    add_totals,
    said,
    thread,
    totals,
)
from tests.strategies import bodies


class Ticking(Clock):
    """Each look at it is one second later."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0

    def now(self) -> datetime:
        self.seconds += 1
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)


def answered(prompt: int, completion: int) -> ModelFinished:
    usage = RequestUsage(prompt, completion)
    return ModelFinished(model="m", result=CreateResult(finish_reason="stop", content="x", usage=usage, cached=False))


def text(content: str) -> Said:
    return Said(message=TextMessage(content=content, source="ana"))


@pytest.fixture
def finished_log(log: RunLog) -> RunLog:
    started = log.append(RunStarted(runner="team", runner_type="T", model="tiny"), source="team")
    log.append(text("go"))
    log.append(TurnStarted(agent="ana", turn=1))
    log.append(answered(10, 5), usage=Usage(prompt_tokens=10, completion_tokens=5))
    log.append(answered(20, 7), usage=Usage(prompt_tokens=20, completion_tokens=7))
    log.append(ModelFinished(model="m", error="ConnectionError"))
    log.append(Said(message=ThoughtEvent(content="hm", source="ana")))
    log.append(CodeFinished(executor="k", exit_code=0))
    log.append(text("done"))
    log.append(RunFinished(outcome="done", stop_reason="why"), source="team", parent=started.id, took=2.5)
    return log


def test_the_totals_of_a_run(finished_log: RunLog) -> None:
    assert totals(finished_log) == Totals(
        run=finished_log.events[0].id,
        runner="team",
        model="tiny",
        state="done",
        stop_reason="why",
        messages=2,
        turns=1,
        prompt_tokens=30,
        completion_tokens=12,
        model_calls=3,
        calls_without_usage=1,
        code_runs=1,
        seconds=2.5,
    )


def test_the_thread_holds_chat_messages_and_what_was_said_holds_events_too(finished_log: RunLog) -> None:
    assert [message.to_text() for message in thread(finished_log)] == ["go", "done"]
    assert [message.to_text() for message in said(finished_log)] == ["go", "hm", "done"]


def test_a_run_that_goes_on_counts_its_seconds_from_its_start() -> None:
    log = RunLog()
    with set_clock(Ticking()):
        log.note("before")
        log.append(RunStarted(runner="team", runner_type="T"), source="team")
        log.note("1 s")
        log.note("2 s")

    assert (totals(log).state, totals(log).seconds) == ("running", 2.0)


def test_a_branch_took_no_time_before_somebody_went_on_with_it() -> None:
    """A run that was branched off half an hour later was said to have taken that half hour."""
    log = RunLog()
    clock = Ticking()
    with set_clock(clock):
        started = log.append(RunStarted(runner="team", runner_type="T"), source="team")
        log.note("1 s")
        clock.seconds = 1800
        branch = log.branch(at=2)
        begun = totals(branch).seconds
        again = branch.append(RunStarted(runner="team", runner_type="T"), source="team")
        branch.append(RunFinished(outcome="done"), source="team", parent=again.id, took=2.0)

    assert started.kind == "run.started"
    assert begun == 1.0
    assert totals(branch).seconds == 3.0


def test_two_runs_in_one_log_are_summed_and_the_last_one_tells_the_state(log: RunLog) -> None:
    for outcome, seconds in (("done", 1.0), ("failed", 2.0)):
        started = log.append(RunStarted(runner="team", runner_type="T"), source="team")
        body = RunFinished(outcome=outcome, stop_reason=outcome)
        log.append(body, source="team", parent=started.id, took=seconds)

    assert (totals(log).state, totals(log).stop_reason, totals(log).seconds) == ("failed", "failed", 3.0)


def test_the_time_until_a_branch_is_made_and_gone_on_with_is_no_ones() -> None:
    trunk, clock = RunLog(), Ticking()
    with set_clock(clock):
        trunk.append(RunStarted(runner="team", runner_type="T"), source="team")
        trunk.note("1 s")
        clock.seconds += 3600
        branch = trunk.branch(at=2, in_memory=True)
        just_made = totals(branch).seconds
        branch.note("told")
        clock.seconds += 3600
        started = branch.append(RunStarted(runner="team", runner_type="T"), source="team")
        branch.append(RunFinished(outcome="done"), source="team", parent=started.id, took=2.0)

    assert (just_made, totals(branch).seconds) == (1.0, 3.0)


def test_an_empty_log_has_empty_totals() -> None:
    assert totals(RunLog()) == Totals()


@given(st.lists(bodies, max_size=12), st.integers(0, 12))
def test_summing_a_beginning_and_then_the_rest_is_summing_the_whole(facts: list[Body], cut: int) -> None:
    log = RunLog()
    for body in facts:
        log.append(body, source="team", took=1.0)
    whole: Any = log.fold(add_totals, Totals())

    half = Totals()
    for event in log.events[:cut]:
        half = add_totals(half, event)
    for event in log.events[cut:]:
        half = add_totals(half, event)

    assert half == whole
    assert whole.messages == len(thread(log))
