"""The event loop a runtime works in; what is asked of it in another is carried there."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from threading import get_ident
from typing import Any, TypeVar, cast

from agentnb.exceptions import RuntimeFault

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Coroutine[Any, Any, Any]])

_logger = logging.getLogger("autogen_core")

_PATIENCE = 5.0
"""Seconds."""

_CLOSED = "The event loop the runtime works in was closed before the end of this call."
_HALTED = (
    "The runtime works in another event loop, which does not run at present, and messages wait for it there. Use the "
    "runtime in that loop, or `await runtime.stop()` there and start() it in this one."
)


class Homed:
    """Works in one event loop: the one it was started in, or the first it is used in."""

    def __init__(self) -> None:
        self._running = False
        self._home: asyncio.AbstractEventLoop | None = None
        # The thread of that loop: asking for it is a tenth of asking for the loop.
        self._thread: int | None = None
        # Published in other threads, each to be called at home.
        self._from_afar: deque[Callable[[], None]] = deque()

    def _is_bound(self) -> bool:
        """Tell whether something goes on that no other loop could end."""
        raise NotImplementedError

    def _abandon(self) -> None:
        """Give up what went on in a loop that is closed."""
        raise NotImplementedError

    def _settle(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Work in a loop from now on."""
        if self._home is not None and self._home is not loop and self._home.is_closed():
            self._abandon()
        self._home = loop
        self._thread = get_ident()

    def _elsewhere(self) -> asyncio.AbstractEventLoop | None:
        """Return the loop the runtime works in, if that is not the caller's; one that is free or closed is left.

        Raises:
            RuntimeFault: If messages wait for a loop that does not run.
        """
        loop, home = asyncio.get_running_loop(), self._home
        if home is loop:
            return None
        if home is not None and not home.is_closed():
            if home.is_running() and (self._running or self._is_bound()):
                return home
            if self._is_bound():
                raise RuntimeFault(_HALTED)
        self._settle(loop)
        self._resume()
        return None

    def _resume(self) -> None:
        """Go on with what waits."""
        raise NotImplementedError

    def _come_home(self) -> None:
        """Take in what was published in other threads."""
        while self._from_afar:
            self._from_afar.popleft()()

    def _carry(self, call: Callable[[], None], home: asyncio.AbstractEventLoop) -> None:
        """Have something called at home, in order; it is not waited for."""
        self._from_afar.append(call)
        try:
            home.call_soon_threadsafe(self._come_home)
        except RuntimeError as error:  # closed just now
            self._from_afar.remove(call)
            raise RuntimeFault(_CLOSED) from error


def at_home(method: F) -> F:
    """Let a method of a runtime run in its loop, also if it is called in another; a closed loop is left."""

    @functools.wraps(method)
    async def wherever(self: Homed, *args: Any, **kwargs: Any) -> Any:
        home = self._elsewhere()
        if home is not None:
            return await carried(method(self, *args, **kwargs), home)
        self._come_home()
        return await method(self, *args, **kwargs)

    return cast(F, wherever)


async def carried(work: Coroutine[Any, Any, T], home: asyncio.AbstractEventLoop) -> T:
    """Await a coroutine that runs in another thread's loop.

    Raises:
        RuntimeFault: If that loop is closed before the end.
    """
    begun = False

    async def working() -> T:
        nonlocal begun
        begun = True
        return await work

    carrying = working()
    try:
        answer = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(carrying, home))
    except RuntimeError as error:
        carrying.close()
        work.close()
        raise RuntimeFault(_CLOSED) from error
    waited = 0.0
    try:
        while not (await asyncio.wait([answer], timeout=1.0))[0]:
            if home.is_closed():
                raise RuntimeFault(_CLOSED)
            waited += 1.0
            if waited == _PATIENCE and not begun:
                _logger.warning(
                    "The event loop the runtime works in has not taken a call from another thread for %d s. "
                    "Is its own thread blocked, as by thread.join() or run_sync()?",
                    _PATIENCE,
                )
        return answer.result()
    finally:
        answer.cancel()
