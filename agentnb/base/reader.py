"""Who iterates a run."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

_PASSES = 8
"""Passes of the loop in which a stream that was left is closed: two for each generator round it."""


class Reader:
    """Takes what a run says for one who iterates it; called with each item.

    A run may wait until it was read (`caught_up`), so that who breaks off at an item knows that nothing came of it yet.
    """

    def __init__(self) -> None:
        self._unread: deque[Any] = deque()
        self._arrived = asyncio.Event()
        self._asks = asyncio.Event()
        self._work: asyncio.Task[Any] | None = None
        self._left = False

    def __call__(self, item: Any) -> None:
        if not self._unread:
            self._arrived.set()  # else the reader is awake, or about to be
        self._unread.append(item)

    async def caught_up(self) -> None:
        """Wait until everything was read, and what comes next is asked for."""
        if self._unread:
            self._asks.clear()
            await self._asks.wait()

    async def read(self, begin: Callable[[Reader], Coroutine[Any, Any, Any]]) -> AsyncGenerator[Any, None]:
        """Yield what a run says as it says it, then its result; closing the generator stops the run.

        Args:
            begin: Given what is to be called with each item, the run.
        """
        unread, arrived = self._unread, self._arrived
        working = self._work = asyncio.create_task(begin(self))
        working.add_done_callback(lambda _: arrived.set())
        try:
            while unread or not working.done():
                while unread:
                    yield unread.popleft()
                if not working.done():
                    arrived.clear()
                    self._asks.set()
                    await arrived.wait()
            yield working.result()
        finally:
            self._left = True
            if not working.done():
                working.cancel()
                await asyncio.wait([working])
            if not working.cancelled():
                working.exception()  # seen: a run that fails while its reader leaves must not warn

    async def gone(self) -> None:
        """Wait for the end of the run if its reader has left it, as with `break`: Python closes the stream later."""
        for _ in range(_PASSES):
            if self._left and self._work is not None:
                await asyncio.wait([self._work])
                return
            await asyncio.sleep(0)
