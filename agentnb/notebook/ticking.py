"""A cell that waits, and can be interrupted while it does."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from agentnb.notebook.session import here
from agentnb.runlog.questions import void

TICK = 0.2
"""Seconds between two wake-ups of the loop while a cell waits: a kernel notices ■ only when its loop wakes."""


@asynccontextmanager
async def ticking() -> AsyncIterator[None]:
    """Let a waiting cell be interrupted."""

    async def tick() -> None:
        while True:  # noqa: ASYNC110 - the wake-up itself is wanted
            await asyncio.sleep(TICK)

    ticker = asyncio.create_task(tick())
    try:
        with _ctrl_c():
            yield
    finally:
        ticker.cancel()


@contextmanager
def _ctrl_c() -> Iterator[None]:
    # IPython's terminal raises KeyboardInterrupt out of its event loop and leaves the cell's task behind, half done.
    session = here()
    task = asyncio.current_task()
    if session.kind != "terminal" or task is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = signal.signal(signal.SIGINT, lambda *_: void(loop.call_soon_threadsafe(task.cancel)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
