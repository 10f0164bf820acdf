"""One Jupyter kernel in a process of its own: start, run, interrupt, restart, stop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import sys
import warnings
import weakref
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path

from agentnb.code_executors.engine import Engine, Execution, Ticket
from agentnb.code_executors.loop import kernels_loop, post, there
from agentnb.code_executors.outputs import Output, to_text
from agentnb.core import CancellationToken
from agentnb.exceptions import KernelError

CANCEL_WAIT = 0.3
"""Seconds a cancelled caller waits for the interrupted code's last outputs."""


def _caller() -> str:
    frame = sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith("agentnb."):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _abandoned(engine: Engine, where: str) -> None:
    if engine.manager is None or engine.owner != os.getpid():
        return
    engine.kill()
    with contextlib.suppress(RuntimeError):
        post(engine.end, lambda task: task.cancelled() or task.exception())
    warnings.warn(
        f"The kernel made at {where} was not stopped; its process was killed. Use `async with`, or await stop().",
        ResourceWarning,
        stacklevel=2,
    )


class Kernel:
    """A Jupyter kernel of its own, started when it is first used.

    ```python
    async with Kernel() as kernel:
        async for output in kernel.run("print(6 * 7)"):
            print(output.bundle)
    ```

    It talks over unix sockets in a private folder (over TCP on 127.0.0.1 where there are none) and may be used from
    any event loop. Calls at the same time wait for each other.

    Args:
        kernel_name: Which kernel, as `jupyter kernelspec list` shows them.
        cwd: Its working folder; default: the caller's when it starts.
        env: Environment variables to add.
        preamble: Python code to run silently after each start.
        startup_timeout: Seconds it has to answer.
    """

    def __init__(
        self,
        kernel_name: str = "python3",
        *,
        cwd: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        preamble: str = "",
        startup_timeout: float = 60.0,
    ) -> None:
        self._engine = Engine(kernel_name, cwd=cwd, env=env, preamble=preamble, startup_timeout=startup_timeout)
        # At the interpreter's end `_end_all` does it, without a warning.
        weakref.finalize(self, _abandoned, self._engine, _caller()).atexit = False

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._engine.alive

    @property
    def pid(self) -> int | None:
        """Its process, None while it does not run."""
        return self._engine.pid

    @property
    def provides(self) -> dict[str, str]:
        """Code to run silently after each start, by the name of the variable it loads."""
        return self._engine.provides

    async def start(self) -> None:
        """Start the process, unless it runs.

        Raises:
            KernelStartFailed: If it ended, or did not answer in time; the message holds what it wrote.
        """
        engine = self._engine

        async def start() -> str:
            async with engine.lock:
                return await engine.ensure()

        await there(start)

    async def execute(
        self,
        *codes: str,
        timeout: float | None = None,
        silent: bool = False,
        on_output: Callable[[Output], object] | None = None,
        cancellation_token: CancellationToken | None = None,
    ) -> Execution:
        """Run blocks one after the other until one fails, and return all they showed.

        Args:
            codes: The blocks.
            timeout: Seconds each may take; None for no limit.
            silent: Leave no trace in the kernel's history and numbering.
            on_output: Called here with each output as it comes, up to the bounds of `OutputFold`.
            cancellation_token: Cancelling it is like cancelling the task.

        Raises:
            KernelDied: If the process ended while the code ran.
            KernelTimeout: If a block took too long. It was interrupted and the variables kept, or, if it did not
                react within 3 seconds, the kernel was killed; the message says which.
            KernelStartFailed: If it had to be started and did not start.
            asyncio.CancelledError: If the task or the token was cancelled; the code is interrupted.

        The last four carry `output` and `outputs`, what was shown by then.
        """
        if cancellation_token is not None and cancellation_token.is_cancelled():
            raise asyncio.CancelledError("The token was cancelled before the code ran.")
        here = asyncio.get_running_loop()
        listening = on_output is not None

        def deliver(output: Output) -> None:
            if listening and on_output is not None:
                on_output(output)

        # Who listens may print: that must appear in the caller's cell.
        context = contextvars.copy_context()

        def emit(output: Output) -> None:
            if listening:
                with contextlib.suppress(RuntimeError):  # the caller's loop is closed
                    here.call_soon_threadsafe(deliver, output, context=context)

        ticket = Ticket(codes, timeout, silent, emit)
        engine = self._engine
        working = there(lambda: engine.execute(ticket))
        waiting = asyncio.shield(working)
        if cancellation_token is not None:
            cancellation_token.link_future(waiting)
        try:
            execution = await waiting
        except asyncio.CancelledError as error:
            kernels_loop().call_soon_threadsafe(ticket.stop, "interrupt")
            await asyncio.wait([working], timeout=CANCEL_WAIT)
            outputs = ticket.outputs()
            error.output, error.outputs = to_text(outputs), outputs  # type: ignore[attr-defined]
            raise
        finally:
            listening = False
            working.add_done_callback(lambda done: done.cancelled() or done.exception())
        if execution.status == "stopped":
            raise KernelError(
                "The kernel was stopped while the code ran.",
                output=to_text(execution.outputs),
                outputs=execution.outputs,
            )
        return execution

    async def run(self, code: str, *, timeout: float | None = None) -> AsyncGenerator[Output, None]:
        """Run code and yield what it shows as it comes; closing the generator interrupts it.

        Code that fails shows an `Output` of kind `error`. Raises what `execute` raises.
        """
        arrived: asyncio.Queue[Output | None] = asyncio.Queue()
        working = asyncio.ensure_future(self.execute(code, timeout=timeout, on_output=arrived.put_nowait))
        working.add_done_callback(lambda _: arrived.put_nowait(None))
        try:
            while (output := await arrived.get()) is not None:
                yield output
            await working
        finally:
            if not working.done():
                working.cancel()
                await asyncio.wait([working])
            if not working.cancelled():
                working.exception()

    async def interrupt(self) -> None:
        """Interrupt the code that runs, as Ctrl-C does; its variables stay."""
        await there(self._engine.interrupt)

    async def restart(self) -> None:
        """Start the process anew; code that runs is ended, variables are lost but for those in `provides`."""
        engine = self._engine
        await there(lambda: engine.stop(restart=True))

    async def stop(self) -> None:
        """End the process and everything it started; the next use starts a new one."""
        await there(self._engine.stop)

    async def __aenter__(self) -> Kernel:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
