"""Runs of this kernel: each a task on its event loop, which the launching cell waits for, or leaves alone."""

from __future__ import annotations

import asyncio
import concurrent.futures
import signal
import threading
from collections.abc import AsyncIterator, Generator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from agentnb.base import Task, TaskResult, TaskRunner, Team
from agentnb.exceptions import AgentFailed, RunStopped, TerminatedException, UserError
from agentnb.messages import BaseChatMessage, TextMessage
from agentnb.notebook.inputs import Reception
from agentnb.notebook.session import here
from agentnb.notebook.variables import describe, summarize
from agentnb.notebook.views import view
from agentnb.runlog import Event, RunFinished, RunLog, RunStarted, VariablesShared, result_of, totals
from agentnb.runlog.log import void

if TYPE_CHECKING:
    import pandas as pd

State = Literal["running", "done", "stopped", "failed"]

TICK = 0.2
"""Seconds between two wake-ups of the loop while a cell waits: a kernel notices ■ only when its loop wakes."""
PATIENCE = 5.0
"""Seconds a stopped run has to end before its cell is let go."""

_runs: list[NotebookRun] = []


def runs() -> list[NotebookRun]:
    """Return the runs of this kernel, oldest first."""
    return list(_runs)


def busy(runner: TaskRunner) -> NotebookRun | None:
    """Return the run that `runner` is at now."""
    return next((run for run in _runs if run.runner is runner and run.state == "running"), None)


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


class NotebookRun:
    """One run of a team or agent in this kernel: what `-o run` binds.

    ```python
    run = NotebookRun(team, "Compare the two species.")
    await run
    run.to_df()
    ```

    The run is a task of its own: a cell may wait for it (`await run`), and the run goes on if it does not. Must be made
    where an event loop runs, as in a cell. Its output stays in the cell that made it. Raises `UserError` if the runner
    is at another run.

    Attributes:
        number: Counted from 1 in this kernel.
        runner: The team or agent.
        log: Every fact so far.
        error: What it failed with; None otherwise.
    """

    def __init__(
        self,
        runner: TaskRunner,
        task: Task,
        *,
        quiet: bool = False,
        shared: VariablesShared | None = None,
        close_runner: bool = False,
    ) -> None:
        other = busy(runner)
        if other is not None:
            raise UserError(
                f"{runner.name!r} is still at run {other.number}. Wait for it, stop it with `%agentteam stop "
                f"{other.number}`, or make a second team."
            )
        self.number: int = len(_runs) + 1
        self.runner = runner
        self.session = here()
        self.error: BaseException | None = None
        self.log = RunLog.create(runner.name)
        self._shared = shared
        self._close_runner = close_runner
        self._loop = asyncio.get_running_loop()
        self._result: TaskResult | None = None
        self._state: State = "running"
        self._begun = self._stop_asked = False
        self._over: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._released: concurrent.futures.Future[BaseException | None] = concurrent.futures.Future()
        # Those who wait may be cancelled; what they wait for may not.
        self._over.set_running_or_notify_cancel()
        self._released.set_running_or_notify_cancel()
        self._view = view(self.log, self.session, on_stop=lambda: self.stop("the Stop button"), quiet=quiet)
        self._reception = Reception(
            self.log, self.session, widget=self._view.widget, printed=self.session.prints and not quiet
        )
        self._unwatch = self.log.watch(self._heard)
        _runs.append(self)
        self._task = self._loop.create_task(self._go(task), name=f"agentnb run {self.number}")
        self._task.add_done_callback(self._gone)

    async def _go(self, task: Task) -> None:
        self._begun = True
        try:
            if self._stop_asked:
                raise asyncio.CancelledError
            self._result = await self.runner.run(task=task, log=self.log)
            self._state = "done"
        except asyncio.CancelledError:
            # Not passed on: this is the outermost frame of the task, and who waits for it is told by the state.
            self._state = "stopped"
        except (Exception, TerminatedException) as error:
            self.error = error
            self._state = "failed"
        try:
            self._end()
        finally:
            self._over.set_result(None)
            if self._close_runner and isinstance(self.runner, Team):
                await self.runner.close()

    def _end(self) -> None:
        self._reception.close()
        self._unwatch()
        self.log.close()
        self._view.finish()

    def _gone(self, task: asyncio.Task[None]) -> None:
        if not self._over.done():
            self._state = "stopped"  # before its first step
            self._end()
            self._over.set_result(None)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._loop.call_exception_handler(
                {"message": f"{self!r} did not wind up", "exception": error, "task": task}
            )
        self._released.set_result(error)

    def _heard(self, item: Any) -> None:
        if self._shared is not None and isinstance(item, Event) and isinstance(item.body, RunStarted):
            fact, self._shared = self._shared, None
            # Not at once: this is called from inside the append of `run.started`.
            self._loop.call_soon(lambda: self.log.append(fact, source="notebook", parent=item.id))

    @property
    def team(self) -> TaskRunner:
        """The team or agent."""
        return self.runner

    @property
    def state(self) -> State:
        """`running`, then `done`, `stopped` or `failed`."""
        return self._state

    @property
    def stop_reason(self) -> str | None:
        """Why it ended; None while it runs."""
        if self._result is not None:
            return self._result.stop_reason
        ended = [event.body for event in self.log if isinstance(event.body, RunFinished)]
        if self._state == "running":
            return None
        return ended[-1].stop_reason if ended else self._state

    @property
    def messages(self) -> Sequence[Any]:
        """Chat messages and events said so far."""
        return self._result.messages if self._result is not None else result_of(self.log)

    @property
    def result(self) -> TaskResult:
        """What the run gave so far; after a stop or a failure what was said until then."""
        if self._result is not None:
            return self._result
        return TaskResult.model_construct(messages=result_of(self.log), stop_reason=self.stop_reason, log=self.log)

    @property
    def question(self) -> str | None:
        """What a person is asked now; None if nothing."""
        asked = self._reception.questions
        return asked[0].prompt if asked else None

    def to_df(self, kind: str = "messages") -> pd.DataFrame:
        """Return the run as a data frame: one row per message, or per `kind` of `agentnb.transcripts.to_df`."""
        from agentnb.transcripts import to_df

        return to_df(self.log, kind=kind)

    def stop(self, by: str = "run.stop()") -> None:
        """Stop the run and keep what it did; from any thread, nothing happens if it is over."""
        self._in_loop(lambda: self._stop(by))

    def _stop(self, by: str) -> None:
        if self._state != "running":
            return
        if len(self.log):
            self.log.note(f"Stopped with {by}.", by="person")
        if self._begun:
            self._task.cancel()
        else:
            self._stop_asked = True  # a task cancelled before its first step would never release what it holds

    def answer(self, text: str) -> None:
        """Answer the oldest open question; from any thread.

        Raises:
            UserError: If nothing is asked.
        """
        asked = self._reception.questions
        if not asked:
            raise UserError(f"Run {self.number} asks nothing just now.")
        self._in_loop(lambda: self.log.answer(asked[0].input_id, text, by="run.answer()"))

    def _in_loop(self, act: Any) -> None:
        try:
            inside = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            inside = False
        if inside:
            act()
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(act)

    def __await__(self) -> Generator[Any, None, TaskResult]:
        return self._finished().__await__()

    async def _finished(self) -> TaskResult:
        await self.wait()
        return self.result

    async def reachable(self) -> bool:
        """Wait until the run is over, or its page answered or did not; return False if it did not.

        Raises:
            RunStopped: If the cell was interrupted, which stops the run.
        """
        widget = self._view.widget
        if widget is None:
            return True
        probing = asyncio.create_task(widget.probe())
        try:
            await self._until(asyncio.wrap_future(self._over), probing)
            return self._over.done() or probing.result()
        finally:
            probing.cancel()

    async def wait(self) -> None:
        """Wait until the run is over and what it held is released.

        Raises:
            RunStopped: If the cell was interrupted, which stops the run.
            AgentnbError: If the run failed; any error of an agent's own code likewise.
        """
        leave = self._reception.cell_waits(here())
        try:
            await self._until(asyncio.wrap_future(self._released))
        finally:
            leave()
        error = self.error or self._released.result()
        if error is not None:
            raise readable(error)

    async def _until(self, *futures: asyncio.Future[Any]) -> None:
        try:
            async with ticking():
                await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self.stop("■")
            # A kernel's loop goes on to release what the run held; a terminal's stands still after the cell.
            wanted = self._released if self.session.kind in ("terminal", "plain") else self._over
            await _at_most(PATIENCE, asyncio.wrap_future(wanted))
            raise RunStopped(self._stopped(), result=self.result) from None

    def _stopped(self) -> str:
        if self._state == "running":
            return f"run {self.number} was asked to stop and still winds up; what it said so far is kept."
        if self._state != "stopped":
            return f"run {self.number} was already over ({self._state}); everything is kept."
        count = len(self.messages)
        return f"run {self.number} was stopped; {count} message{'' if count == 1 else 's'} and all facts are kept."

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Mapping[str, Any]:
        from agentnb.ui import bundle

        data: Mapping[str, Any] = bundle(self.log)
        return data

    def __repr__(self) -> str:
        so_far = totals(self.log)
        return (
            f"<run {self.number} of {self.runner.name!r}: {self._state}, {so_far.messages} messages, "
            f"{so_far.seconds:.1f} s>"
        )


async def _at_most(seconds: float, future: asyncio.Future[Any]) -> None:
    try:
        await asyncio.wait([future], timeout=seconds)
    except asyncio.CancelledError:
        return  # interrupted again: the person does not want to wait for the end of the run


async def start(
    runner: TaskRunner,
    task: str,
    *,
    variables: Mapping[str, Any] = MappingProxyType({}),
    quiet: bool = False,
    close_runner: bool = False,
) -> NotebookRun:
    """Hand variables to those who run code, tell all about them, and start the run.

    Args:
        runner: The team or agent.
        task: What to do; a second message of kind "data" describes the variables.
        variables: Values by name.
        quiet: Show nothing.
        close_runner: Close the team once the run is over.

    Raises:
        UserError: If there are variables and nobody runs code.
        RunStopped: If the cell was interrupted before the run began.
    """
    messages: list[BaseChatMessage] = [TextMessage(source="user", content=task)]
    shared = None
    if variables:
        try:
            async with ticking():
                takers = await runner.share(variables)
                told = await asyncio.to_thread(describe, variables)
        except asyncio.CancelledError:
            raise RunStopped("stopped before the run began.") from None
        if not takers:
            raise UserError(f"--with {','.join(variables)}: nobody in team {runner.name!r} runs code.")
        messages.append(TextMessage(source="notebook", content=told, metadata={"kind": "data"}))
        shared = VariablesShared(executor=", ".join(takers), names=tuple(variables), summary=summarize(variables))
    return NotebookRun(runner, messages, quiet=quiet, shared=shared, close_runner=close_runner)


def readable(error: BaseException) -> BaseException:
    """Return what a person should see of a failed run: the cause, where it explains itself in one line."""
    inner = error
    while isinstance(inner, AgentFailed) and inner.__cause__ is not None:
        inner = inner.__cause__
    return inner if hasattr(inner, "_render_traceback_") else error
