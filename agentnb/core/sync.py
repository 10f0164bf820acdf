"""Awaiting from code that cannot: one event loop in a thread of its own, shared by all such calls."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from agentnb.exceptions import UserError

T = TypeVar("T")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_thread: threading.Thread | None = None


def _background_loop() -> asyncio.AbstractEventLoop:
    global _loop, _thread
    with _lock:
        if _loop is None or _loop.is_closed() or _thread is None or not _thread.is_alive():
            _loop = asyncio.new_event_loop()
            _thread = threading.Thread(target=_serve, args=(_loop,), name="agentnb-sync", daemon=True)
            _thread.start()
        return _loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    ended = False
    while not ended:
        try:
            loop.run_forever()
            ended = True
        except (KeyboardInterrupt, SystemExit):
            # A task that raises these also stops its loop; they are its caller's, who waits for them on this loop.
            continue


def run_sync(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end and return its value, whether or not an event loop runs here.

    The coroutine runs on a loop of its own thread, never nested in the caller's. Ctrl-C and a notebook's ■ cancel it.

    Raises:
        UserError: If called from inside such a coroutine, where it could only wait for itself.
    """
    loop = _background_loop()
    if threading.current_thread() is _thread:
        raise UserError("run_sync was called from inside a run that run_sync started; use `await` there.")
    outcome: concurrent.futures.Future[T] = concurrent.futures.Future()
    context = contextvars.copy_context()
    tasks: list[asyncio.Task[T]] = []

    def finish(task: asyncio.Task[T]) -> None:
        if task.cancelled():
            # Not `outcome.cancel()`: that raises the CancelledError of threads, which `except` clauses do not expect.
            outcome.set_exception(asyncio.CancelledError())
        elif (error := task.exception()) is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(task.result())

    def start() -> None:
        # The caller's context keeps prints and displays in the caller's cell.
        try:
            task = loop.create_task(work(), context=context)
        except BaseException as error:
            outcome.set_exception(error)
            return
        tasks.append(task)
        task.add_done_callback(finish)

    loop.call_soon_threadsafe(start)
    try:
        while not outcome.done():
            # Short waits: a main thread blocked without a time-out does not see Ctrl-C on every platform.
            concurrent.futures.wait([outcome], timeout=0.1)
        return outcome.result()
    except KeyboardInterrupt:
        loop.call_soon_threadsafe(lambda: [task.cancel() for task in tasks])
        concurrent.futures.wait([outcome], timeout=5)
        raise
