"""Retries without a clock, and waits that a token ends."""

from __future__ import annotations

import pytest

from agentnb.core.cancellation import Abort
from agentnb.exceptions import (
    ModelAuthError,
    ModelError,
    ModelRateLimited,
    ModelRequestRefused,
    ModelResponseInvalid,
    ModelTimeout,
    ModelUnreachable,
)
from agentnb.models.reliable import Retry
from agentnb.runlog import RunLog, scope
from tests.models.clients import Sleeps


def failing(*errors: ModelError) -> tuple[list[int], object]:
    """Return a list of attempts and a coroutine function that fails with each error once, then gives "done"."""
    attempts: list[int] = []
    left = list(errors)

    async def attempt() -> str:
        attempts.append(len(attempts))
        if left:
            raise left.pop(0)
        return "done"

    return attempts, attempt


async def call(retry: Retry, attempt: object) -> str:
    return await retry.call(attempt, who="m", abort=Abort(None))  # type: ignore[arg-type]


async def test_waits_double_and_are_cut_at_random(sleeps: Sleeps) -> None:
    chances = iter([0.0, 1.0, 0.5])
    attempts, attempt = failing(ModelUnreachable("x"), ModelTimeout("x"), ModelRateLimited("x"))

    assert await call(Retry(3, first=1.0, sleep=sleeps, chance=lambda: next(chances)), attempt) == "done"

    assert sleeps == [1.0, 1.5, 3.5]
    assert len(attempts) == 4


async def test_a_wait_is_never_longer_than_the_longest(sleeps: Sleeps) -> None:
    _, attempt = failing(*[ModelUnreachable("x")] * 6)

    await call(Retry(6, first=1.0, longest=8.0, sleep=sleeps, chance=lambda: 0.0), attempt)

    assert sleeps == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


async def test_the_wait_a_server_asks_for_is_obeyed_exactly(sleeps: Sleeps) -> None:
    _, attempt = failing(ModelRateLimited("x", retry_after=7.25))

    await call(Retry(sleep=sleeps), attempt)

    assert sleeps == [7.25]


async def test_a_server_that_asks_for_too_long_is_not_waited_for(sleeps: Sleeps) -> None:
    attempts, attempt = failing(ModelRateLimited("x", retry_after=3600))

    with pytest.raises(ModelRateLimited):
        await call(Retry(sleep=sleeps, longest=60), attempt)
    assert (len(attempts), sleeps) == (1, [])


@pytest.mark.parametrize("error", [ModelAuthError, ModelRequestRefused, ModelResponseInvalid, ModelError])
async def test_what_would_fail_again_is_not_tried_again(sleeps: Sleeps, error: type[ModelError]) -> None:
    attempts, attempt = failing(error("x"))

    with pytest.raises(error):
        await call(Retry(sleep=sleeps), attempt)
    assert (len(attempts), sleeps) == (1, [])


async def test_the_last_error_is_the_one_raised(sleeps: Sleeps) -> None:
    _, attempt = failing(ModelTimeout("first"), ModelUnreachable("second"))

    with pytest.raises(ModelUnreachable, match="second"):
        await call(Retry(1, sleep=sleeps), attempt)


async def test_each_wait_is_told_to_those_who_watch(sleeps: Sleeps) -> None:
    log = RunLog()
    seen: list[object] = []
    log.watch(seen.append)
    _, attempt = failing(
        ModelRateLimited("x", retry_after=2), ModelRateLimited("x"), ModelTimeout("x"), ModelUnreachable("x")
    )

    with scope(log, None, "ana"):
        await call(Retry(4, first=1.0, sleep=sleeps, chance=lambda: 0.0), attempt)

    assert [event.body.text for event in log] == [  # type: ignore[attr-defined]
        "m asks to wait 2.0 s (429); trying again, 1 of 4",
        "m is busy (429), waiting 2.0 s; trying again, 2 of 4",
        "m did not answer in time, waiting 4.0 s; trying again, 3 of 4",
        "m could not be reached, waiting 8.0 s; trying again, 4 of 4",
    ]
    assert len(seen) == 4
