"""A kernel's process and its sockets: what happens on the kernels' loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from agentnb.code_executors.loop import engines
from agentnb.code_executors.outputs import Bundle, Output, OutputFold, read_output, to_text
from agentnb.core import well_formed
from agentnb.exceptions import KernelDied, KernelError, KernelStartFailed, KernelTimeout

if TYPE_CHECKING:
    from jupyter_client.asynchronous.client import AsyncKernelClient
    from jupyter_client.manager import AsyncKernelManager

POLL = 0.2
"""Seconds between looks whether the process still lives: nothing on a socket tells of its death."""
GRACE = 3.0
"""Seconds an interrupted block has to end before its kernel is killed."""
_SOCKET_PATH = 90
"""Characters a unix socket's path may have; the systems' own limits are 104 and 108."""

_logger = logging.getLogger("agentnb.kernel")
_logger.addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class Execution:
    """What running code gave."""

    status: Literal["ok", "error", "stopped"]
    outputs: list[Bundle]
    """Mime bundles in the order they appeared."""
    error: str = ""
    """As in "NameError: name 'x' is not defined"."""

    @property
    def text(self) -> str:
        return to_text(self.outputs)


class Ticket:
    """A wish to run blocks one after the other, and what they have shown so far."""

    def __init__(
        self, codes: Sequence[str], timeout: float | None, silent: bool, emit: Callable[[Output], object]
    ) -> None:
        self.codes = codes
        self.timeout = timeout
        self.silent = silent
        self.emit = emit
        self.folds: list[OutputFold] = []
        self.stopping: Literal["", "interrupt", "kill"] = ""
        self.wake = asyncio.Event()
        self.message_id = ""
        self.reply: dict[str, Any] | None = None
        self.idle = False
        self.heard = 0.0

    def begin(self) -> None:
        self.folds.append(OutputFold())
        self.reply, self.idle = None, False

    def show(self, output: Output) -> None:
        live = self.folds[-1].add(output)
        if live is not None and live.bundle:
            self.emit(live)

    def stop(self, how: Literal["interrupt", "kill"]) -> None:
        self.stopping = how
        self.wake.set()

    def outputs(self) -> list[Bundle]:
        return [bundle for fold in tuple(self.folds) for bundle in fold.bundles()]

    @property
    def done(self) -> bool:
        # Kernels may send `idle` on iopub before the shell reply (messaging spec 5.3): wait for both. A kernel that
        # showed more than its socket held may have dropped `idle`: two quiet seconds after the reply stand for it.
        return self.reply is not None and (self.idle or time.monotonic() - self.heard > 2)


class Engine:
    """The process and its sockets; everything but `kill` runs on the kernels' loop."""

    def __init__(
        self,
        kernel_name: str,
        *,
        cwd: str | Path | None,
        env: Mapping[str, str] | None,
        preamble: str,
        startup_timeout: float,
    ) -> None:
        self.kernel_name = kernel_name
        self.cwd = cwd
        self.env = dict(env or {})
        self.preamble = preamble
        self.startup_timeout = startup_timeout
        self.provides: dict[str, str] = {}
        self.lock = asyncio.Lock()
        self.manager: AsyncKernelManager | None = None
        self.client: AsyncKernelClient | None = None
        self.language = ""
        self.tickets: list[Ticket] = []
        self.ticket: Ticket | None = None
        self.lost = ""
        self.ended = False
        self.folder: Path | None = None
        self.pid: int | None = None
        self.owner = os.getpid()
        self._group: int | None = None
        self._pumps: list[asyncio.Task[None]] = []
        self._ready: tuple[asyncio.Event, asyncio.Event] = (asyncio.Event(), asyncio.Event())

    # Process

    def code(self) -> int | None:
        """Return the process's exit code; None while it lives."""
        process = self._process()
        return process.poll() if process is not None else 0

    def _process(self) -> subprocess.Popen[bytes] | None:
        return getattr(self.manager.provisioner, "process", None) if self.manager is not None else None

    @property
    def alive(self) -> bool:
        if self.manager is None or self.client is None or self.ended:
            return False
        return self.code() is None if self._process() is not None else bool(self.manager.has_kernel)

    def kill(self) -> None:
        """End the process and its children at once; may be called from any thread, also at the interpreter's end."""
        if self.owner != os.getpid():
            return
        if self._group is not None and hasattr(os, "killpg"):
            with contextlib.suppress(OSError):
                os.killpg(self._group, signal.SIGKILL)
        process = self._process()
        if process is not None:
            with contextlib.suppress(OSError):
                process.kill()

    def last_words(self) -> str:
        """Return the end of what the process wrote past its sockets: why it did not start."""
        if self.folder is None:
            return ""
        with contextlib.suppress(OSError), (self.folder / "stderr").open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 2000))
            return file.read().decode(errors="replace").strip()
        return ""

    def why(self) -> str:
        """Say how the process ended."""
        code = self.code()
        if self.ended:
            return "the code ended it with exit()"
        if code is None:
            return "its process is gone"
        if code >= 0:
            return f"its process ended with exit code {code}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        if name == "SIGKILL":
            return "its process was killed (SIGKILL), often because memory ran out"
        return f"its process crashed ({name})"

    async def start(self) -> None:
        from jupyter_client.kernelspec import NoSuchKernel
        from jupyter_client.manager import AsyncKernelManager

        self.folder, transport = _private_folder()
        manager = AsyncKernelManager(kernel_name=self.kernel_name, transport=transport, log=_logger)
        manager.connection_file = str(self.folder / "c.json")
        manager.ip = str(self.folder / "k") if transport == "ipc" else "127.0.0.1"
        manager.shutdown_wait_time = 1.0
        self.manager, self.ended, self.owner = manager, False, os.getpid()
        engines.add(self)
        try:
            try:
                argv = manager.kernel_spec.argv if manager.kernel_spec else []
            except NoSuchKernel:
                known = ", ".join(sorted(map(repr, manager.kernel_spec_manager.find_kernel_specs()))) or "none"
                raise KernelStartFailed(
                    f"No kernel is named {self.kernel_name!r} (known: {known}). "
                    "`python -m ipykernel install --user --name NAME` makes one of an environment."
                ) from None
            # The history of the user's own IPython is no place for what agents run.
            quiet = ["--HistoryManager.enabled=False"] if any("ipykernel" in word for word in argv) else []
            with (self.folder / "stderr").open("wb") as errors:
                await manager.start_kernel(
                    env={**os.environ, **self.env},
                    cwd=str(self.cwd or os.getcwd()),
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    extra_arguments=quiet,
                )
            self.pid = getattr(manager.provisioner, "pid", None)
            self._group = getattr(manager.provisioner, "pgid", None)
            await self._connect(manager)
        except KernelStartFailed:
            await self.end()
            raise
        except (OSError, RuntimeError, ValueError) as error:
            words = self.last_words()
            await self.end()
            raise KernelStartFailed(
                f"The kernel {self.kernel_name!r} did not start: {error}" + (f"\n{words}" if words else "")
            ) from error

    async def _connect(self, manager: AsyncKernelManager) -> None:
        client = manager.client(context=manager.context)
        client.start_channels(stdin=False, hb=False)
        self.client = client
        self._ready = (asyncio.Event(), asyncio.Event())
        self._pumps = [
            asyncio.create_task(self._pump(client.shell_channel.socket, client.session, self._on_reply)),
            asyncio.create_task(self._pump(client.iopub_channel.socket, client.session, self._on_output)),
        ]
        until = time.monotonic() + self.startup_timeout
        pause = 0.05
        while not all(event.is_set() for event in self._ready):
            client.kernel_info()
            self._look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    for event in self._ready:
                        await event.wait()
            pause = min(pause * 2, 1.0)
            if self.code() is not None:
                words = self.last_words()
                raise KernelStartFailed(
                    f"The kernel {self.kernel_name!r} did not start: {self.why()}." + (f"\n{words}" if words else "")
                )
            if time.monotonic() > until:
                raise KernelStartFailed(
                    f"The kernel {self.kernel_name!r} did not answer within {self.startup_timeout:g} s of its start."
                )

    async def end(self, *, gently: bool = False) -> None:
        """End the process, close the sockets, remove the files."""
        manager, self.manager, client, self.client = self.manager, None, self.client, None
        pumps, self._pumps = self._pumps, []
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        if client is not None:
            client.stop_channels()
        if manager is not None:
            if manager.has_kernel:
                await manager.shutdown_kernel(now=not gently)
            else:
                await manager.cleanup_resources()
            manager.context.destroy(linger=0)
        if self._group is not None and hasattr(os, "killpg"):
            # What the code started in the background goes with the kernel.
            with contextlib.suppress(OSError):
                os.killpg(self._group, signal.SIGKILL)
        self._group = self.pid = None
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None
        engines.discard(self)

    # Messages

    async def _pump(self, socket: Any, session: Any, take: Callable[[dict[str, Any]], None]) -> None:
        while True:
            parts = await socket.recv_multipart()
            try:
                take(session.deserialize(session.feed_identities(parts)[1]))
            except (KeyError, TypeError, ValueError) as error:
                _logger.warning("A malformed message of kernel %s was left out: %r", self.kernel_name, error)

    def _look(self) -> None:
        """Let the sockets see what has arrived.

        They learn of it from an edge-triggered file descriptor, and sending, which goes past their asyncio side, may
        use up the edge: a reply that arrives just then would never be seen.
        """
        import zmq

        if self.client is not None:
            for channel in (self.client.shell_channel, self.client.iopub_channel):
                channel.socket.get(zmq.EVENTS)

    def _on_reply(self, message: dict[str, Any]) -> None:
        ticket = self.ticket
        if message["msg_type"] == "kernel_info_reply":
            self.language = message["content"].get("language_info", {}).get("name", "")
            self._ready[0].set()
        elif ticket is not None and message["parent_header"].get("msg_id") == ticket.message_id:
            ticket.reply = message["content"]
            ticket.heard = time.monotonic()
            ticket.wake.set()

    def _on_output(self, message: dict[str, Any]) -> None:
        ticket = self.ticket
        kind = message["msg_type"]
        self._ready[1].set()
        if ticket is None or message["parent_header"].get("msg_id") != ticket.message_id:
            return
        ticket.heard = time.monotonic()
        if kind == "status":
            if message["content"]["execution_state"] == "idle":
                ticket.idle = True
                ticket.wake.set()
        elif (output := read_output(kind, message["content"])) is not None:
            ticket.show(output)

    # Work

    async def ensure(self) -> str:
        """Start the process if it does not run; return a note if variables were lost since."""
        if self.manager is not None and not self.alive:
            self.lost = self.lost or self.why()
            await self.end()
        if self.manager is not None:
            return ""
        await self.start()
        reason, self.lost = self.lost, ""
        failed = []
        if self.preamble and self.language == "python":
            await self._run(Ticket([self.preamble], self.startup_timeout, True, _drop), self.preamble)
        for name, code in self.provides.items():
            if (await self._run(Ticket([code], None, True, _drop), code))["status"] != "ok":
                failed.append(name)
        if not reason:
            return ""
        again = [name for name in self.provides if name not in failed]
        note = f"The kernel was restarted, because {reason}. "
        if again:
            note += f"Loaded again: {', '.join(again)}; all other variables are lost."
        else:
            note += "Its variables are lost."
        if failed:
            note += f" Could not be loaded again: {', '.join(failed)}."
        return note

    async def execute(self, ticket: Ticket) -> Execution:
        self.tickets.append(ticket)
        try:
            return await self._execute(ticket)
        finally:
            self.tickets.remove(ticket)

    async def _execute(self, ticket: Ticket) -> Execution:
        async with self.lock:
            if ticket.stopping:
                return Execution("stopped", [])
            note = await self.ensure()
            if note:
                ticket.begin()
                ticket.show(Output("stream", {"text/plain": note + "\n", "stream": "stderr"}))
            for code in ticket.codes:
                reply = await self._run(ticket, code)
                if reply["status"] != "ok":
                    stopped: Literal["stopped", "error"] = "stopped" if ticket.stopping else "error"
                    said = f"{reply.get('ename', 'Error')}: {reply.get('evalue', '')}"
                    return Execution(stopped, ticket.outputs(), said)
            return Execution("ok", ticket.outputs())

    async def _run(self, ticket: Ticket, code: str) -> dict[str, Any]:
        """Run one block and return its reply; for one that was stopped, a reply of status "stopped"."""
        client = self.client
        if client is None:
            raise KernelError("The kernel was stopped.")
        ticket.begin()
        began = time.monotonic()
        # Each block is sent when the one before has ended: aborting what is queued behind an error would only race.
        ticket.message_id = client.execute(
            well_formed(code),
            silent=ticket.silent,
            store_history=not ticket.silent,
            allow_stdin=False,
            stop_on_error=False,
        )
        self.ticket = ticket
        self._look()
        try:
            while not ticket.done:
                left = POLL if ticket.timeout is None else ticket.timeout - (time.monotonic() - began)
                if ticket.stopping:
                    await self._stop(ticket)
                    return {"status": "stopped"}
                if left <= 0:
                    await self._time_out(ticket)
                await self._wait(ticket, min(left, POLL))
            reply: dict[str, Any] = ticket.reply or {}
            if any(payload.get("source") == "ask_exit" for payload in reply.get("payload") or ()):
                self.ended = True  # it goes on for half a second, and would die under the next block
            return reply
        finally:
            self.ticket = None

    async def _wait(self, ticket: Ticket, seconds: float) -> None:
        """Wait until something happens to the ticket.

        Raises:
            KernelDied: If the process has ended.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await ticket.wake.wait()
        ticket.wake.clear()
        self._look()
        if ticket.done or self.alive or ticket.stopping == "kill":
            return
        await asyncio.sleep(0.05)  # what it sent before its death may still be in the socket
        self.lost = self.why()
        await self.end()
        outputs = ticket.outputs()
        raise KernelDied(
            f"The kernel died while the code ran: {self.lost}. Its variables are lost; "
            "the next code starts a new kernel.",
            output=to_text(outputs),
            outputs=outputs,
        )

    async def interrupt(self) -> None:
        if self.manager is not None and self.client is not None and self.alive:
            await self.manager.interrupt_kernel()
            # The signal reaches code that awaits only when the kernel's loop wakes: any request wakes it.
            self.client.kernel_info()
            self._look()

    async def _interrupted(self, ticket: Ticket) -> bool:
        """Interrupt the block and wait for its end; False if it did not react."""
        await self.interrupt()
        until = time.monotonic() + GRACE
        while not ticket.done and ticket.stopping != "kill" and (left := until - time.monotonic()) > 0:
            await self._wait(ticket, min(left, POLL))
        return ticket.done

    async def _stop(self, ticket: Ticket) -> None:
        if ticket.stopping == "interrupt" and await self._interrupted(ticket):
            return
        if ticket.stopping == "interrupt":
            self.lost = "the code that was stopped did not react to the interrupt"
        await self.end()

    async def _time_out(self, ticket: Ticket) -> None:
        kept = await self._interrupted(ticket)
        if kept:
            fate = "It was interrupted; the kernel and its variables are kept."
        else:
            self.lost = "the code before took too long and did not react to the interrupt"
            await self.end()
            shared = f" Loaded again: {', '.join(self.provides)}." if self.provides else ""
            fate = f"It did not react to the interrupt, so the kernel is restarted: state lost.{shared}"
        outputs = ticket.outputs()
        raise KernelTimeout(
            f"The code ran longer than {ticket.timeout:g} s. {fate}", output=to_text(outputs), outputs=outputs
        )

    async def stop(self, *, restart: bool = False) -> None:
        for ticket in self.tickets:
            ticket.stop("kill")
        async with self.lock:
            await self.end(gently=True)
            self.lost = ""
            if restart:
                await self.ensure()


def _drop(output: Output) -> None:
    """Show nothing."""


def _private_folder() -> tuple[Path, Literal["ipc", "tcp"]]:
    """Make a folder only this user can read, with a path short enough for sockets where they have paths."""
    if os.name != "posix":
        return Path(tempfile.mkdtemp(prefix="anb-")), "tcp"
    for parent in (tempfile.gettempdir(), "/tmp"):
        if len(parent) + len("/anb-12345678/k-5") <= _SOCKET_PATH:
            with contextlib.suppress(OSError):
                return Path(tempfile.mkdtemp(prefix="anb-", dir=parent)), "ipc"
    return Path(tempfile.mkdtemp(prefix="anb-")), "tcp"
