"""Runs of this kernel: each a task on its event loop, which the launching cell waits for, or leaves alone."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Generator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from agentnb.base import Task, TaskResult, TaskRunner, Team
from agentnb.base.brake import Brake
from agentnb.exceptions import AgentFailed, RunStopped, TerminatedException, UserError
from agentnb.messages import BaseChatMessage, TextMessage
from agentnb.notebook.inputs import Reception
from agentnb.notebook.logged import LoggedRun
from agentnb.notebook.session import here
from agentnb.notebook.ticking import ticking
from agentnb.notebook.variables import describe, summarize
from agentnb.notebook.views import view
from agentnb.runlog import Event, Run, RunLog, RunStarted, VariablesShared, totals

State = Literal["running", "paused", "done", "stopped", "failed"]

PATIENCE = 5.0
"""Seconds a stopped run has to end before its cell is let go."""

_runs: list[NotebookRun] = []


def runs() -> list[NotebookRun]:
    """Return the runs of this kernel, oldest first."""
    return list(_runs)


def busy(runner: TaskRunner) -> NotebookRun | None:
    """Return the run that `runner` is at now."""
    return next((run for run in _runs if run.runner is runner and run.goes_on), None)


class NotebookRun(LoggedRun):
    """One run of a team or agent in this kernel: what `-o run` binds.

    ```python
    run = NotebookRun(team, "Compare the two species.")
    await run
    run.to_df()
    ```

    While it goes on: `await run` waits for it, `run.stop()` stops it, `run.pause()` holds it behind the turn that goes
    on, until `run.resume()`, `run.step()` lets one more turn through, `run.answer(text)` answers its question. At any
    time: `run` shows it; `state`, `stop_reason`, `messages`, `result` say how it stands; `to_df`, `plot`, `provenance`
    tell of it; `to_html`, `to_markdown`, `to_notebook`, `to_script`, `export`, `save` write it to files; `branch` gives
    another run its beginning, and `diff` compares the two.

    The run is a task of its own: a cell may wait for it (`await run`), and the run goes on if it does not. Must be made
    where an event loop runs, as in a cell. Its output stays in the cell that made it. Raises `UserError` if the runner
    is at another run. `log` is one that the runner was restored to and that may be written; it is closed at the end.

    Attributes:
        number: Counted from 1 in this kernel.
        runner: The team or agent.
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
        log: RunLog | None = None,
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
        self._log = log if log is not None else RunLog.create(runner.name)
        self._run_id: str | None = None
        self._brake = Brake(runner)
        self._shared = shared
        self._close_runner = close_runner
        self._loop = asyncio.get_running_loop()
        self._result: TaskResult | None = None
        self._state: Literal["running", "done", "stopped", "failed"] = "running"
        self._begun = self._stop_asked = False
        self._over: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._released: concurrent.futures.Future[BaseException | None] = concurrent.futures.Future()
        # Those who wait may be cancelled; what they wait for may not.
        self._over.set_running_or_notify_cancel()
        self._released.set_running_or_notify_cancel()
        self._view = view(
            self._log,
            self.session,
            on_stop=lambda: self.stop("the Stop button"),
            # An agent alone has one turn: behind it there is nothing to hold.
            pauses=self if isinstance(runner, Team) else None,
            quiet=quiet,
        )
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
            self._result = await self.runner._run_task(
                task, None, True, self.log, gate=self._brake.gate, begun=self._run_begun
            )
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

    def _run_begun(self, run: Run) -> None:
        self._run_id = run.started.id
        if run.log is not self._log:  # the run goes on in a branch, whose file its team opens and closes
            self._unwatch()
            self._log.close()
            self._log = run.log
            self._view.follow(run.log)
            self._reception.follow(run.log)
            self._unwatch = run.log.watch(self._heard)

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
    def log(self) -> RunLog:
        """Every fact so far; once the run goes on in a branch, that branch."""
        return self._log

    @property
    def team(self) -> TaskRunner:
        """The team or agent."""
        return self.runner

    @property
    def state(self) -> State:
        """`running` or `paused`, then `done`, `stopped` or `failed`."""
        return "paused" if self.goes_on and self._brake.on else self._state

    @property
    def goes_on(self) -> bool:
        """Whether it is not over: it runs or is paused."""
        return self._state == "running"

    @property
    def stop_reason(self) -> str | None:
        if self._result is not None:
            return self._result.stop_reason
        if self._state == "running":
            return None
        return (super().stop_reason if self._run_id is not None else None) or self._state

    @property
    def messages(self) -> Sequence[Any]:
        return self._result.messages if self._result is not None else super().messages

    @property
    def result(self) -> TaskResult:
        return self._result if self._result is not None else super().result

    @property
    def question(self) -> str | None:
        """What a person is asked now; None if nothing."""
        asked = self._reception.questions
        return asked[0].prompt if asked else None

    def stop(self, by: str = "run.stop()") -> None:
        """Stop the run and keep what it did; from any thread, nothing happens if it is over."""
        self._in_loop(lambda: self._stop(by))

    def _stop(self, by: str) -> None:
        if self._state != "running":
            return
        if self._run_id is not None:
            self.log.note(f"Stopped with {by}.", by="person")
        if self._begun:
            self._task.cancel()
        else:
            self._stop_asked = True  # a task cancelled before its first step would never release what it holds

    def pause(self) -> None:
        """Hold the run where the turn that goes on ends, and tell the agents (`on_pause`); from any thread.

        It waits there, also for days, until `resume`, `step` or `stop`; nothing happens if it is over.
        """
        self._in_loop(lambda: self._brake.pause() if self.goes_on else None)

    def resume(self) -> None:
        """Let a paused run go on, and tell the agents (`on_resume`); from any thread."""
        self._in_loop(lambda: self._brake.resume() if self.goes_on else None)

    def step(self) -> None:
        """Let a paused run have one more turn; from any thread.

        Raises:
            UserError: If the run is not paused.
        """
        if self.state == "running":
            raise UserError(
                f"step() lets a paused run have one turn; run {self.number} is not paused. Call run.pause() first."
            )
        self._in_loop(lambda: self._brake.step() if self.state == "paused" else None)

    async def held(self) -> bool:
        """Wait until a paused run has come to its hold: after `pause`, or after each `step`.

        Returns:
            Whether it is held; False if the run is over instead.
        """
        async with ticking():
            return await self._brake.held(asyncio.wrap_future(self._over))

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

    def __repr__(self) -> str:
        so_far = totals(self.log)
        return (
            f"<run {self.number} of {self.runner.name!r}: {self.state}, {so_far.messages} messages, "
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
    log: RunLog | None = None,
    rerun_code: bool = False,
) -> NotebookRun:
    """Hand variables to those who run code, tell all about them, and start the run.

    Args:
        runner: The team or agent.
        task: What to do; a second message of kind "data" describes the variables.
        variables: Values by name.
        quiet: Show nothing.
        close_runner: Close the team once the run is over.
        log: Go on from this log; without a task its last run, which broke off, is taken up.
        rerun_code: Run the log's code again first.

    Raises:
        UserError: If there are variables and nobody runs code; if the log is of another team or somebody writes it.
        RunStopped: If the cell was interrupted before the run began.
    """
    if log is not None:
        writer = next((run for run in _runs if run.log.id == log.id and run.goes_on), None)
        if writer is not None:
            raise UserError(
                f"Run {writer.number} is still at the run {log.id[:8]}. Wait for it, stop it with `%agentteam stop "
                f"{writer.number}`, or go on beside it, in a branch: `--branch K` keeps its first K messages."
            )
        _refuse_if_written(log)
        log.reopen()
    try:
        messages, shared = await _prepared(runner, task, variables, log, rerun_code)
        return NotebookRun(runner, messages, quiet=quiet, shared=shared, close_runner=close_runner, log=log)
    except BaseException as error:
        if log is not None:
            log.close()
        if isinstance(error, asyncio.CancelledError):
            raise RunStopped("stopped before the run began.") from None
        raise


def _refuse_if_written(log: RunLog) -> None:
    from agentnb.transcripts.summary import is_written

    # Of another log's file `reopen` says who writes it; this log's own it would share.
    if log.store is not None and totals(log).state == "running" and is_written(log.store.path):
        raise UserError(
            f"The run {log.id[:8]} still goes on in this kernel. Wait until it is over, or stop it; if nothing goes on "
            "any more, let its file go with `log.close()`."
        )


async def _prepared(
    runner: TaskRunner, task: str, variables: Mapping[str, Any], log: RunLog | None, rerun_code: bool
) -> tuple[list[BaseChatMessage] | None, VariablesShared | None]:
    messages: list[BaseChatMessage] = [TextMessage(source="user", content=task)] if task else []
    shared = None
    async with ticking():
        if variables:
            takers = await runner.share(variables)
            told = await asyncio.to_thread(describe, variables)
            if not takers:
                raise UserError(f"--with {','.join(variables)}: nobody in team {runner.name!r} runs code.")
            if messages:
                messages.append(TextMessage(source="notebook", content=told, metadata={"kind": "data"}))
            shared = VariablesShared(executor=", ".join(takers), names=tuple(variables), summary=summarize(variables))
        if log is not None:  # after the variables, which code that is run again may need
            await runner.restore(log, rerun_code=rerun_code)
    return messages or None, shared


def readable(error: BaseException) -> BaseException:
    """Return what a person should see of a failed run: the cause, where it explains itself in one line."""
    inner = error
    while isinstance(inner, AgentFailed) and inner.__cause__ is not None:
        inner = inner.__cause__
    return inner if hasattr(inner, "_render_traceback_") else error
