"""The event loop that all kernels' processes and sockets belong to, in a thread of its own.

A kernel may so be used from any event loop, also from several in turn, and what must still happen after a caller was
cancelled does happen.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Held(Protocol):
    """Something that must be ended before the interpreter is."""

    def kill(self) -> None:
        """End it at once, from any thread."""

    async def end(self) -> None:
        """Release the rest, on the kernels' loop."""


_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_thread: threading.Thread | None = None
_owner = 0
engines: set[Held] = set()
"""What is running now."""


def kernels_loop() -> asyncio.AbstractEventLoop:
    global _loop, _thread, _owner
    with _lock:
        if _loop is None or _loop.is_closed() or _owner != os.getpid():
            # ZeroMQ needs a loop that watches file descriptors, which Windows' default loop does not.
            _loop = asyncio.SelectorEventLoop()
            _owner = os.getpid()
            engines.clear()  # after a fork the kernels are the parent's
            _thread = threading.Thread(target=_loop.run_forever, name="agentnb-kernels", daemon=True)
            _thread.start()
        return _loop


_working: set[asyncio.Task[Any]] = set()


def post(work: Callable[[], Coroutine[Any, Any, T]], finish: Callable[[asyncio.Task[T]], object]) -> None:
    loop = kernels_loop()

    def start() -> None:
        task = loop.create_task(work())
        _working.add(task)
        task.add_done_callback(_working.discard)
        task.add_done_callback(finish)

    # An empty context: long-lived tasks must not keep the caller's log or cell alive.
    loop.call_soon_threadsafe(start, context=contextvars.Context())


def there(work: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Future[T]:
    """Do work on the kernels' loop; giving up on the future leaves the work going on."""
    here = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = here.create_future()

    def settle(task: asyncio.Task[T]) -> None:
        if outcome.done():
            return
        if (error := task.exception()) is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(task.result())

    def finish(task: asyncio.Task[T]) -> None:
        if not task.cancelled():
            task.exception()  # seen: the caller may be gone
            with contextlib.suppress(RuntimeError):  # so may its loop
                here.call_soon_threadsafe(settle, task)

    post(work, finish)
    return outcome


@atexit.register
def _end_all() -> None:
    if _loop is None or _loop.is_closed() or _owner != os.getpid() or _thread is None:
        return
    held = list(engines)
    for engine in held:
        engine.kill()
    if _thread.is_alive():

        async def end() -> None:
            for engine in held:
                await engine.end()

        with contextlib.suppress(Exception):  # at the interpreter's end nobody can act on what fails
            asyncio.run_coroutine_threadsafe(end(), _loop).result(timeout=3)
        _loop.call_soon_threadsafe(_loop.stop)
        _thread.join(timeout=1)
    if not _loop.is_running():
        _loop.close()
