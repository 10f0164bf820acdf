"""A run that goes on while something else is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from agentnb.base.brake import Brake
from agentnb.core.tasks import begun_later
from agentnb.messages import BaseAgentEvent, BaseChatMessage
from agentnb.runlog import Run, RunLog
from agentnb.runlog.gate import Gate

if TYPE_CHECKING:
    from agentnb.base.runner import TaskResult, TaskRunner

State = Literal["running", "paused", "done", "stopped", "failed"]


class RunHandle:
    """A run of a team or an agent in the background: what `start` returns.

    ```python
    run = team.start(task="Write a haiku about autumn.")
    run.pause()                 # the turn that goes on ends; the next one waits
    run.step()                  # one more turn
    await run.held()            # it has ended
    run.resume()
    result = await run
    ```

    Who waits for it may be cancelled; the run goes on. Its methods belong to the event loop's thread, and nothing
    happens if the run is over.

    Attributes:
        runner: The team or agent.
    """

    def __init__(
        self,
        runner: TaskRunner,
        perform: Callable[[Callable[[Run], None], Gate], Coroutine[Any, Any, TaskResult]],
    ) -> None:
        self.runner = runner
        self._brake = Brake(runner)
        self._run: Run | None = None
        self._stopped = False
        self._working = begun_later(asyncio.get_running_loop(), perform(self._begun, self._brake.gate))
        self._working.add_done_callback(_seen)

    def _begun(self, run: Run) -> None:
        self._run = run

    @property
    def log(self) -> RunLog | None:
        """Every fact so far; None until the run has begun."""
        return self._run.log if self._run is not None else None

    @property
    def state(self) -> State:
        """`running` or `paused`, then `done`, `stopped` or `failed`."""
        if not self._working.done():
            return "paused" if self._brake.on else "running"
        if self._working.cancelled():
            return "stopped"
        return "failed" if self._working.exception() is not None else "done"

    @property
    def messages(self) -> Sequence[BaseAgentEvent | BaseChatMessage]:
        """Chat messages and events said so far."""
        return tuple(self._run.messages) if self._run is not None else ()

    @property
    def stop_reason(self) -> str | None:
        """Why it ended; None while it goes on."""
        if not self._working.done():
            return None
        return self._run.stop_reason if self._run is not None else "stopped"

    @property
    def result(self) -> TaskResult:
        """What the run gave so far; after a stop or a failure what was said until then."""
        from agentnb.base.runner import TaskResult  # each of the two names the other

        if self.state == "done":
            return self._working.result()
        return TaskResult.model_construct(messages=list(self.messages), stop_reason=self.stop_reason, log=self.log)

    def stop(self) -> None:
        """End the run at once and keep what was said."""
        if not self._working.done():
            self._stopped = True
            self._working.cancel()

    def pause(self) -> None:
        """Hold the run where the turn that goes on ends, and tell the agents (`on_pause`)."""
        if not self._working.done():
            self._brake.pause()

    def resume(self) -> None:
        """Let a paused run go on, and tell the agents (`on_resume`)."""
        if not self._working.done():
            self._brake.resume()

    def step(self) -> None:
        """Let one more turn happen and hold the run behind it.

        Raises:
            ValueError: If the run is not paused.
        """
        if not self._working.done():
            self._brake.step()

    async def held(self) -> bool:
        """Wait until a paused run has come to its hold: after `pause`, or after each `step`.

        Returns:
            Whether it is held; False if the run is over instead.
        """
        return await self._brake.held(self._working)

    def __await__(self) -> Generator[Any, None, TaskResult]:
        return self._finished().__await__()

    async def _finished(self) -> TaskResult:
        """Wait for the run's end.

        Raises:
            asyncio.CancelledError: If its token was cancelled; a run ended by `stop` gives its result.
        """
        await asyncio.wait([self._working])
        if self._stopped and self._working.cancelled():
            return self.result
        return self._working.result()

    def __repr__(self) -> str:
        return f"<a run of {self.runner.name!r}: {self.state}, {len(self.messages)} messages>"


def _seen(task: asyncio.Task[Any]) -> None:
    # Its error is shown to who asks for the result, and is in the log.
    if not task.cancelled():
        task.exception()
