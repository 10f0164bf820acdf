"""Asking work to stop."""

from __future__ import annotations

import asyncio
import threading
from asyncio import Future
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Wait(Protocol):
    """A wait that a token ends."""

    def end(self) -> None:
        """End it, from any thread."""


class CancellationToken:
    """A request to stop, shared by all who work on one thing.

    ```python
    token = CancellationToken()
    asyncio.get_running_loop().call_later(5, token.cancel)
    await team.run(task="…", cancellation_token=token)
    ```

    Every method may be called from any thread.
    """

    __slots__ = ("_callbacks", "_cancelled", "_lock", "_waits")

    def __init__(self) -> None:
        self._cancelled = False
        self._lock = threading.Lock()
        self._callbacks: dict[object, Callable[[], Any]] = {}
        self._waits: dict[asyncio.Task[Any], Wait] = {}  # tasks that wait where the stop ends them

    def cancel(self) -> None:
        """Ask for the stop; calling it again changes nothing.

        Callbacks run in the caller's thread, all of them; the first error of one is raised at the end.
        """
        with self._lock:
            if self._cancelled:
                return
            self._cancelled = True
            callbacks = [wait.end for wait in list(self._waits.values())]
            callbacks += self._callbacks.values()
            self._callbacks.clear()
        errors: list[Exception] = []
        for callback in callbacks:
            try:
                callback()
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def is_cancelled(self) -> bool:
        """Tell whether the stop was asked for."""
        return self._cancelled

    def add_callback(self, callback: Callable[[], Any]) -> None:
        """Call `callback` when the stop is asked for, at once if it was."""
        self._add(callback)

    def _add(self, callback: Callable[[], Any]) -> object | None:
        with self._lock:
            if not self._cancelled:
                key = object()
                self._callbacks[key] = callback
                return key
        callback()
        return None

    def link_future(self, future: Future[Any]) -> Future[Any]:
        """Cancel `future` when the stop is asked for; the link ends with the future."""
        loop = future.get_loop()

        def in_loop(call: Callable[[], Any]) -> None:
            # A token may be used from a widget's or a signal's thread; futures belong to their loop.
            try:
                loop.call_soon_threadsafe(call)
            except RuntimeError:
                return  # the loop is closed, and its futures are over

        def link() -> None:
            if self._cancelled:
                future.cancel()
                return
            key = self._add(lambda: in_loop(future.cancel))
            if key is not None:
                future.add_done_callback(lambda _: self._callbacks.pop(key, None))

        if _running_loop() is loop:
            link()
        else:
            in_loop(link)
        return future


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


async def unless_cancelled(awaitable: Awaitable[T], token: CancellationToken | None) -> T:
    """Await something; a cancelled token ends it, also where it pays no heed to the token itself.

    Raises:
        asyncio.CancelledError: If the token is cancelled before it is done.
    """
    if token is None:
        return await awaitable
    # Only a task can be ended from outside; without a token none is needed.
    task = asyncio.ensure_future(awaitable)
    token.link_future(task)
    return await task
