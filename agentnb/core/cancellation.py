"""Asking work to stop."""

from __future__ import annotations

import asyncio
import threading
from asyncio import Future
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


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
        self._waits: dict[asyncio.Task[Any], Abort] = {}  # tasks that wait where the stop ends them

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


class Abort:
    """Ends what a task awaits when a token is cancelled.

    ```python
    answer = await Abort(token).wait(connection.read())
    ```

    A stream waits once per piece, so no task is made for a wait: the waiting task itself is cancelled, and the
    cancellation is taken back from its count, as `asyncio.timeout` does. A wait within another one of the same task
    and token is ended by that one.
    """

    __slots__ = ("_fired", "_task", "_token")

    def __init__(self, token: CancellationToken | None) -> None:
        self._token = token
        self._task: asyncio.Task[object] | None = None  # that waits now
        self._fired = False

    def end(self) -> None:
        """End what is awaited now, if there is something; as the token does, from any thread."""
        task = self._task
        if task is not None:
            loop = task.get_loop()  # tasks belong to their loop
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._fire)

    def _fire(self) -> None:
        if self._task is not None and not self._fired:
            self._fired = True
            self._task.cancel()

    async def wait(self, awaitable: Awaitable[T]) -> T:
        """Await something.

        Raises:
            asyncio.CancelledError: If the token is cancelled before or while it waits.
        """
        token = self._token
        if token is None:
            return await awaitable
        if token._cancelled:
            raise _refused(awaitable)
        task = asyncio.current_task()
        if task is None or task in token._waits:
            return await awaitable
        self._task = task
        # Not by a linked future: making, cancelling and forgetting one costs more than a whole instant answer.
        token._waits[task] = self
        try:
            if token._cancelled:  # just now, by another thread, which may have looked before
                raise _refused(awaitable)
            return await awaitable
        finally:
            if self._fired:
                task.uncancel()
            self._task = None
            del token._waits[task]


def _refused(awaitable: Awaitable[object]) -> asyncio.CancelledError:
    if asyncio.iscoroutine(awaitable):
        awaitable.close()
    return asyncio.CancelledError("The cancellation token was cancelled.")


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
