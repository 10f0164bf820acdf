"""Where a run is held: between turns, never within one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

from agentnb.runlog.events import RunPaused

if TYPE_CHECKING:
    from agentnb.runlog.log import RunLog


class Gate:
    """Lets the turns of a run begin, or holds them; a run and the runs nested in it share one.

    Attributes:
        log: Where it is written that the gate was closed or opened; None until the run has begun.
        closings: How often it was closed.
        closed: Whether turns are held.
    """

    def __init__(self) -> None:
        self.closings = 0
        self.log: RunLog | None = None
        self.closed = False
        self._steps = 0
        self._waiting: set[asyncio.Future[None]] = set()
        self._watching: set[asyncio.Future[None]] = set()

    @property
    def held(self) -> bool:
        """Whether a turn waits now."""
        return any(not waiting.done() for waiting in self._waiting)

    def close(self) -> None:
        """Hold the next turn; one that goes on is not touched."""
        if not self.closed:
            self.closed = True
            self.closings += 1
            self._say("paused")

    def open(self) -> None:
        """Let turns begin again."""
        if self.closed:
            self.closed = False
            self._steps = 0
            self._say("resumed")
            _wake(self._waiting)

    def step(self) -> None:
        """Close the gate and let one more turn through."""
        self.closed = True
        self._steps += 1
        self._say("step")
        _wake(self._waiting)

    async def passed(self) -> None:
        """Wait until a turn may begin."""
        while self.closed and not self._steps:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.add(waiting)
            _wake(self._watching)
            try:
                await waiting
            finally:
                self._waiting.discard(waiting)
        if self.closed:
            self._steps -= 1

    async def until_held(self) -> None:
        """Wait until a turn waits."""
        while not self.held:
            watching = asyncio.get_running_loop().create_future()
            self._watching.add(watching)
            try:
                await watching
            finally:
                self._watching.discard(watching)

    def begin(self, log: RunLog, *, nested: bool) -> None:
        """Write to `log` from now on; a run within another one leaves that to the run round it."""
        if self.log is not log and not (nested and self.log is not None):
            self.log = log
            if self.closed:
                self._say("paused")

    def _say(self, state: Literal["paused", "resumed", "step"]) -> None:
        if self.log is not None:
            self.log.append(RunPaused(state=state))


def _wake(waiting: set[asyncio.Future[None]]) -> None:
    for future in waiting:
        if not future.done():
            future.set_result(None)
