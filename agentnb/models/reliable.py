"""Waiting well: one layer of retries for every client."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from agentnb.core.cancellation import Abort
from agentnb.exceptions import ModelError, ModelRateLimited, ModelTimeout, ModelUnreachable
from agentnb.runlog import current

__all__ = ["Retry"]

T = TypeVar("T")


class Retry:
    """How often, and after how long, a request that failed is made again.

    What the server will refuse again (400, 401, 403, 404) is not tried again; rate limits, lost connections and
    time-outs are. The n-th wait is `first * 2**n` seconds, at most `longest`, cut by up to a quarter at random so
    that many clients do not return at once; a wait the server asks for is obeyed instead.

    Args:
        max_retries: Further attempts after the first; 0 for none.
        first: Seconds before the second attempt.
        longest: Most seconds of one wait. A server that asks for more is not waited for.
        sleep: Waits; replaced in tests.
        chance: Gives numbers from 0 to 1; replaced in tests.
    """

    def __init__(
        self,
        max_retries: int = 2,
        *,
        first: float = 0.5,
        longest: float = 60.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.max_retries = max_retries
        self.first = first
        self.longest = longest
        self._sleep = sleep
        self._chance = chance

    def seconds(self, error: ModelError, tried: int) -> float | None:
        """Return how long to wait before the next attempt; None if there is to be none.

        Args:
            error: What went wrong.
            tried: Retries made so far.
        """
        if tried >= self.max_retries or not isinstance(error, ModelRateLimited | ModelUnreachable | ModelTimeout):
            return None
        asked = getattr(error, "retry_after", None)
        if asked is not None:
            return float(asked) if asked <= self.longest else None
        return min(self.first * 2.0**tried, self.longest) * (1 - self._chance() / 4)

    async def pause(self, error: ModelError, tried: int, *, who: str, abort: Abort) -> None:
        """Wait before the next attempt and say so in the run's log; raise `error` if there is to be none."""
        seconds = self.seconds(error, tried)
        if seconds is None:
            raise error
        here = current()
        if here is not None:
            here.log.note(f"{who} {_why(error, seconds)}; trying again, {tried + 1} of {self.max_retries}")
        await abort.wait(self._sleep(seconds))

    async def call(self, attempt: Callable[[], Awaitable[T]], *, who: str, abort: Abort) -> T:
        """Make an attempt until it succeeds or must not be made again.

        Raises:
            ModelError: The last attempt's.
        """
        tried = 0
        while True:
            try:
                return await attempt()
            except ModelError as error:
                await self.pause(error, tried, who=who, abort=abort)
            tried += 1


def _why(error: ModelError, seconds: float) -> str:
    waiting = f"waiting {seconds:.1f} s"
    if isinstance(error, ModelRateLimited):
        return f"asks to wait {seconds:.1f} s (429)" if error.retry_after is not None else f"is busy (429), {waiting}"
    what = "did not answer in time" if isinstance(error, ModelTimeout) else "could not be reached"
    return f"{what}, {waiting}"
