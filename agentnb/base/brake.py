"""How a run is held and let go from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from agentnb.exceptions import UserError
from agentnb.runlog.gate import Gate

if TYPE_CHECKING:
    from agentnb.base.runner import TaskRunner


class Brake:
    """Holds one run between its turns, and tells those who take part.

    Its methods belong to the event loop's thread; whoever has it knows whether the run is over.

    Args:
        runner: The team or agent whose run it is.

    Attributes:
        gate: What the run's turns pass.
    """

    def __init__(self, runner: TaskRunner) -> None:
        self.gate = Gate()
        self._runner = runner
        self._hooks: set[asyncio.Task[None]] = set()

    @property
    def on(self) -> bool:
        """Whether the run is held, or will be behind the turn that goes on."""
        return self.gate.closed

    def pause(self) -> None:
        """Hold the run where the turn that goes on ends, and tell the agents (`on_pause`)."""
        if not self.gate.closed:
            self.gate.close()
            self._tell(self._runner._told_to_pause())

    def resume(self) -> None:
        """Let the run go on, and tell the agents (`on_resume`)."""
        if self.gate.closed:
            self.gate.open()
            self._tell(self._runner._told_to_resume())

    def step(self) -> None:
        """Let one more turn happen and hold the run behind it.

        Raises:
            ValueError: If the run is not paused.
        """
        if not self.gate.closed:
            raise UserError("step() lets a paused run have one turn; this run is not paused. Call pause() first.")
        self.gate.step()

    async def held(self, over: asyncio.Future[Any]) -> bool:
        """Wait until a turn waits; return False if the run is `over` instead."""
        holding = asyncio.ensure_future(self.gate.until_held())
        try:
            await asyncio.wait([holding, over], return_when=asyncio.FIRST_COMPLETED)
        finally:
            holding.cancel()
        return not over.done()

    def _tell(self, hook: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(hook)
        self._hooks.add(task)
        task.add_done_callback(self._told)

    def _told(self, task: asyncio.Task[None]) -> None:
        self._hooks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            task.get_loop().call_exception_handler(
                {"message": f"An agent of {self._runner.name!r} failed when it was told to pause", "exception": error}
            )
