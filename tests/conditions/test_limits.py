"""Over because enough was said, spent or waited."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentnb.conditions import CostTermination, MaxMessageTermination, TimeoutTermination, TokenUsageTermination
from agentnb.core import Clock, set_clock
from agentnb.runlog import RunLog
from agentnb.teams import RoundRobinGroupChat
from tests.conditions.conftest import handoff, saved, text, thought
from tests.teams.conftest import Speaker, sources


@given(st.lists(st.integers(0, 4), min_size=1, max_size=8), st.integers(1, 12))
def test_messages_are_counted_over_all_calls(parts: list[int], limit: int) -> None:
    async def count() -> None:
        condition, sum_ = MaxMessageTermination(limit), 0
        for part in parts:
            sum_ += part
            ended = await condition([text() for _ in range(part)])
            assert (ended is not None) == (sum_ >= limit)
            if ended is not None:
                assert str(sum_) in ended.content
                return

    asyncio.run(count())


async def test_events_count_only_when_asked_for() -> None:
    assert await MaxMessageTermination(1)([thought()]) is None
    assert await MaxMessageTermination(1, include_agent_event=True)([thought()]) is not None


async def test_the_task_counts_so_that_nobody_speaks() -> None:
    team = RoundRobinGroupChat([Speaker("ana")], termination_condition=MaxMessageTermination(1))

    result = await team.run(task="go")

    assert sources(result) == ["user"]
    assert result.stop_reason == "the limit of 1 message was reached (1)"


@pytest.mark.parametrize("bad", [0, -3, "3", None])
def test_a_limit_without_messages_is_refused(bad: Any) -> None:
    with pytest.raises(ValueError, match=f"max_messages is {bad!r}"):
        MaxMessageTermination(bad)


def test_seconds_that_are_no_number_are_named() -> None:
    with pytest.raises(ValueError, match="timeout_seconds is '5'; it must be a number of seconds"):
        TimeoutTermination("5")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="usd is '1'; it must be a number of US dollars"):
        CostTermination("1")  # type: ignore[arg-type]


# -- tokens -----------------------------------------------------------------------------------------------------------

LIMITS = [
    ({"max_total_token": 10}, "the limit of 10 total tokens was reached (10)"),
    ({"max_prompt_token": 7}, "the limit of 7 prompt tokens was reached (7)"),
    ({"max_completion_token": 3}, "the limit of 3 completion tokens was reached (3)"),
    (
        {"max_completion_token": 3, "max_prompt_token": 8, "max_total_token": 9},
        "the limit of 9 total tokens was reached (10), the limit of 3 completion tokens was reached (3)",
    ),
]


@pytest.mark.parametrize(("limits", "reason"), LIMITS)
async def test_tokens_of_messages_and_events_cross_the_limit(limits: dict[str, int], reason: str) -> None:
    condition = TokenUsageTermination(**limits)

    assert await condition([text(usage=(4, 1)), text(), handoff("ben")]) is None
    ended = await condition([thought(usage=(3, 2))])

    assert ended is not None
    assert ended.content == reason


async def test_one_token_less_than_the_limit_is_no_end() -> None:
    condition = TokenUsageTermination(max_total_token=11, max_prompt_token=8, max_completion_token=4)

    assert await condition([text(usage=(7, 3)), text("1000000")]) is None


def test_a_limit_of_no_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a limit: max_total_token, max_prompt_token or max_completion_token"):
        TokenUsageTermination()


def test_a_limit_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match="TokenUsageTermination's max_prompt_token is 0"):
        TokenUsageTermination(max_prompt_token=0)


# -- time -------------------------------------------------------------------------------------------------------------


class Hands(Clock):
    """A clock that is moved by hand."""

    seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 2, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Iterator[Hands]:
    with set_clock(Hands()) as clock:
        assert isinstance(clock, Hands)
        yield clock


async def test_time_is_over_at_the_first_look_after_the_limit(clock: Hands) -> None:
    condition = TimeoutTermination(0.2)
    clock.seconds += 0.1
    assert await condition([text()]) is None

    clock.seconds += 0.1
    assert not condition.terminated
    ended = await condition([])

    assert ended is not None
    assert ended.content == "the time of 0.2 seconds is over (0.2)"


async def test_time_begins_anew_with_a_reset(clock: Hands) -> None:
    condition = TimeoutTermination(5)
    clock.seconds += 4
    await condition.reset()
    clock.seconds += 4

    assert await condition([]) is None


def slow(clock: Hands, seconds: float) -> Speaker:
    def line(_: object) -> str:
        clock.seconds += seconds
        return "said"

    return Speaker("ana", line)


async def test_time_that_passed_before_the_run_does_not_end_it(clock: Hands) -> None:
    """Made in one cell and run in another, after a look at it; and again later on."""
    team = RoundRobinGroupChat([slow(clock, 2)], termination_condition=TimeoutTermination(5))

    for _ in range(2):
        clock.seconds += 3600
        result = await team.run(task="go", log=RunLog())

        assert sources(result) == ["user", "ana", "ana", "ana"]
        assert result.stop_reason == "the time of 5 seconds is over (6.0)"


async def test_time_between_saving_and_loading_does_not_count(clock: Hands) -> None:
    before, after = TimeoutTermination(5), TimeoutTermination(5)
    await before([])
    clock.seconds += 3
    state = saved(before)
    clock.seconds += 3600
    after.load_state(state)

    team = RoundRobinGroupChat([slow(clock, 1.5)], termination_condition=after)
    clock.seconds += 3600
    result = await team.run(task="go")

    assert sources(result) == ["user", "ana", "ana"]


async def test_a_team_saved_long_after_its_run_has_all_its_time(clock: Hands) -> None:
    condition = TimeoutTermination(5)
    clock.seconds += 3600

    assert saved(condition)["elapsed"] == 0.0


@pytest.mark.parametrize("bad", [-1, float("nan")])
def test_a_time_that_is_none_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match=f"timeout_seconds is {bad}"):
        TimeoutTermination(bad)


async def test_a_turn_that_takes_too_long_ends_the_run_behind_it(clock: Hands) -> None:
    team = RoundRobinGroupChat([slow(clock, 0.2), Speaker("ben")], termination_condition=TimeoutTermination(0.2))
    result = await team.run(task="go")

    assert sources(result) == ["user", "ana"]
