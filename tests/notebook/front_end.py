"""A hand-made front end: real kernels, real messages, no browser.

A `Page` answers pings, keeps the ops, and can stop and answer, as a page does; it lives only while it `pump`s.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

Message = dict[str, Any]

PATIENCE = 30.0
"""Seconds until a kernel that says nothing counts as hanging."""


ROOT = Path(__file__).parent.parent.parent

NEEDS = (
    "anywidget>=0.9.18",
    "ipywidgets>=8.1",
    "jupyter-client>=8.6",
    "markdown-it-py>=3",
    "nh3>=0.2.18",
    "pandas>=2.2",
    "pydantic>=2.10",
)


@dataclass(frozen=True)
class Client:
    """A kernel's version, and whether its page sends widget messages over a subshell."""

    version: str
    subshell: bool

    @property
    def release(self) -> tuple[int, int]:
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)

    @property
    def reaches_waiting_cells(self) -> bool:
        """Whether the page can speak to a run while a cell waits for it."""
        return self.release >= (7, 4) or (self.subshell and self.release >= (7, 0))

    @property
    def keeps_prints_apart(self) -> bool:
        return self.release >= (7, 0)


INSTALLED = ".".join(version("ipykernel").split(".")[:2])
CLIENTS = [
    pytest.param(Client(INSTALLED, False), id="installed"),
    pytest.param(Client(INSTALLED, True), id="installed-subshell"),
    pytest.param(Client("6.31", False), id="6.31", marks=pytest.mark.slow),
    pytest.param(Client("7.2", False), id="7.2", marks=pytest.mark.slow),
    pytest.param(Client("7.2", True), id="7.2-subshell", marks=pytest.mark.slow),
]


def python_with(version: str) -> str:
    """Return the Python of an environment with this ipykernel, made under `.venvs` if it is missing."""
    if version == INSTALLED:
        return sys.executable
    folder = ROOT / ".venvs" / f"ipykernel-{version}-python-{sys.version_info.major}.{sys.version_info.minor}"
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, f"ipykernel=={version}.*", *NEEDS], check=True)
        subprocess.run([*pip, "--no-deps", "-e", str(ROOT)], check=True)
        ready.touch()
    return str(python)


class Kernel:
    """One kernel and the client that drives it."""

    def __init__(self, python: str, environment: dict[str, str], *, drowsy: bool = False) -> None:
        # ipykernel 7.0 to 7.3 now and then leave a request in their socket until the next client connects (ipykernel
        # 1554, mended in 7.4); plain cells suffer from it too.
        self.drowsy = drowsy
        self._folder = tempfile.TemporaryDirectory(prefix="anb-")  # short: a socket's path has at most 107 bytes
        connection = os.path.join(self._folder.name, "kernel.json")
        self.manager = KernelManager(
            transport="ipc", ip=os.path.join(self._folder.name, "k"), connection_file=connection
        )
        self.manager._kernel_spec = KernelSpec(
            argv=[python, "-m", "ipykernel_launcher", "-f", "{connection_file}"], language="python", display_name="test"
        )
        self.manager.start_kernel(env=environment)
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)
        self.seen: list[Message] = []
        self.pages: list[Page] = []
        self.subshell: str | None = None

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()
        self._folder.cleanup()

    def restart(self) -> None:
        """Kill the kernel, in the middle of whatever it does, and start it anew."""
        self.manager.restart_kernel(now=True)
        self.client.wait_for_ready(timeout=PATIENCE)
        self.seen.clear()
        self.pages.clear()

    def open_subshell(self) -> None:
        """Send comm messages over a subshell from now on, as JupyterLab does where the kernel can."""
        request = self.client.session.msg("create_subshell_request", {})
        self.client.control_channel.send(request)
        while True:
            reply = self.client.get_control_msg(timeout=PATIENCE)
            if reply["parent_header"].get("msg_id") == request["header"]["msg_id"]:
                self.subshell = reply["content"]["subshell_id"]
                return

    def run(self, code: str, *, stdin: bool = True, page: bool = True) -> Cell:
        """Send a cell and return at once."""
        request = self.client.session.msg(
            "execute_request",
            {
                "code": code,
                "silent": False,
                "store_history": True,
                "user_expressions": {},
                "allow_stdin": stdin,
                "stop_on_error": False,
            },
            metadata={"cellId": "cell"} if page else {},
        )
        self.client.shell_channel.send(request)
        return Cell(self, request["header"]["msg_id"])

    def do(self, code: str, **options: Any) -> Cell:
        """Send a cell and wait for its end."""
        return self.run(code, **options).finish()

    def value(self, expression: str) -> str:
        """Return the `repr` of an expression."""
        cell = self.do(f"print(repr(({expression})), end='')")
        assert cell.error is None, cell.error
        return cell.printed

    def comm(self, comm_id: str, data: Message) -> None:
        """Send a widget message from the page to the kernel."""
        message = self.client.session.msg("comm_msg", {"comm_id": comm_id, "data": data})
        if self.subshell is not None:
            message["header"]["subshell_id"] = self.subshell
        self.client.shell_channel.send(message)

    def pump(self, until: Callable[[], Any], *, timeout: float = PATIENCE) -> None:
        """Be the page until something is so.

        Raises:
            TimeoutError: If it is not so after `timeout` seconds; says what was seen.
        """
        deadline = time.monotonic() + timeout
        quiet_since = time.monotonic()
        while not until():
            if self.drowsy and time.monotonic() > quiet_since + 2:
                quiet_since = time.monotonic()
                self._knock()
            if time.monotonic() > deadline:
                told = [(m["msg_type"], str(m["content"])[:300]) for m in self.seen[-12:]]
                raise TimeoutError(f"not within {timeout} s; last seen: {told}")
            if self.client.iopub_channel.msg_ready():
                message = self.client.get_iopub_msg(timeout=1)
                self.seen.append(message)
                quiet_since = time.monotonic()
                for page in list(self.pages):
                    page.take(message)
            else:
                self.client.iopub_channel.socket.poll(20)

    def _knock(self) -> None:
        visitor = self.manager.blocking_client()
        visitor.start_channels(shell=True, iopub=False, stdin=False, hb=False, control=False)
        visitor.kernel_info()
        visitor.stop_channels()

    def stay(self, seconds: float) -> None:
        """Be the page for a while."""
        deadline = time.monotonic() + seconds
        self.pump(lambda: time.monotonic() >= deadline, timeout=seconds + 1)

    def page(self, *, answers: bool = True) -> Page:
        """Open a page; it shows the next widget."""
        page = Page(self, answers=answers)
        self.pages.append(page)
        return page

    def question(self) -> Message | None:
        """Return a question for a line of input, if one has come."""
        return self.client.get_stdin_msg(timeout=1) if self.client.stdin_channel.msg_ready() else None

    def reply(self, text: str) -> None:
        """Answer it."""
        self.client.input(text)


class Cell:
    """One execution and what came of it."""

    def __init__(self, kernel: Kernel, number: str) -> None:
        self.kernel = kernel
        self.number = number

    def all(self, kind: str) -> list[Message]:
        return [
            m for m in self.kernel.seen if m["msg_type"] == kind and m["parent_header"].get("msg_id") == self.number
        ]

    @property
    def idle(self) -> Message | None:
        return next((m for m in self.all("status") if m["content"]["execution_state"] == "idle"), None)

    @property
    def over(self) -> bool:
        return self.idle is not None

    @property
    def ended_at(self) -> datetime:
        """When, by the kernel's clock."""
        assert self.idle is not None
        at: datetime = self.idle["header"]["date"]
        return at

    def finish(self, timeout: float = PATIENCE) -> Cell:
        """Wait for its end."""
        self.kernel.pump(lambda: self.over, timeout=timeout)
        return self

    @property
    def printed(self) -> str:
        return "".join(m["content"]["text"] for m in self.all("stream"))

    @property
    def error(self) -> Message | None:
        """The content of the error it ended with."""
        errors = self.all("error")
        return errors[0]["content"] if errors else None

    @property
    def result(self) -> str:
        results = self.all("execute_result")
        assert results, self.error
        text: str = results[-1]["content"]["data"]["text/plain"]
        return text

    @property
    def shown(self) -> list[Message]:
        """The mime bundles it displayed, in order, later updates included."""
        kinds = ("display_data", "update_display_data")
        return [
            m["content"]
            for m in self.kernel.seen
            if m["msg_type"] in kinds and m["parent_header"].get("msg_id") == self.number
        ]


class Page:
    """A page that shows one run's widget."""

    def __init__(self, kernel: Kernel, *, answers: bool) -> None:
        self.kernel = kernel
        self.answers = answers
        self.comm_id: str | None = None
        self.run_id = ""
        self.n = 0
        self.ops: list[Message] = []
        self.snapshot: Message = {}

    def take(self, message: Message) -> None:
        content = message["content"]
        if message["msg_type"] == "comm_open" and self.comm_id is None:
            state = content["data"].get("state", {})
            if "run_id" in state:
                self.comm_id = content["comm_id"]
                self._state(state)
        elif message["msg_type"] == "comm_msg" and content["comm_id"] == self.comm_id:
            if content["data"]["method"] == "update":
                self._state(content["data"]["state"])
            elif content["data"]["method"] == "custom":
                self._told(content["data"]["content"])

    def _state(self, state: Message) -> None:
        self.run_id = state.get("run_id", self.run_id)
        self.snapshot = state.get("snapshot") or self.snapshot

    def _told(self, told: Message) -> None:
        if told["t"] == "ping" and self.answers:
            self.say({"t": "pong", "k": told["k"]})
        elif told["t"] == "ops":
            fresh = told["ops"][max(0, self.n + 1 - told["n"]) :]
            if told["n"] <= self.n + 1:
                self.ops += fresh
                self.n += len(fresh)

    def say(self, content: Message) -> None:
        """Send a message of the protocol."""
        assert self.comm_id is not None
        self.kernel.comm(self.comm_id, {"method": "custom", "content": content})

    def reload(self) -> Page:
        """Forget everything and read the widget's state again, as a reloaded page does."""
        assert self.comm_id is not None
        self.kernel.pages.remove(self)
        fresh = Page(self.kernel, answers=self.answers)
        fresh.comm_id = self.comm_id
        self.kernel.pages.append(fresh)
        self.kernel.comm(self.comm_id, {"method": "request_state"})
        return fresh

    @property
    def items(self) -> list[Message]:
        """What the page draws."""
        known = {item["id"]: dict(item) for item in self.snapshot.get("items", ())}
        for op in self.ops:
            if op["op"] == "add":
                known[op["item"]["id"]] = dict(op["item"])
            elif op["op"] == "text" and op["id"] in known:
                known[op["id"]]["text"] = known[op["id"]].get("text", "") + op["text"]
            elif op["op"] == "set" and op["id"] in known:
                known[op["id"]].update({key: value for key, value in op.items() if key != "op"})
            elif op["op"] == "drop":
                known.pop(op["id"], None)
        return list(known.values())

    @property
    def texts(self) -> list[str]:
        return [item.get("text", "") for item in self.items]

    @property
    def question(self) -> Message | None:
        """The open question."""
        asked: Message | None = self.snapshot.get("question")
        for op in self.ops:
            if op["op"] == "ask":
                asked = op["question"]
            elif op["op"] == "answered":
                asked = None
        return asked

    @property
    def status(self) -> Message:
        """How the run stands."""
        told: Message = self.snapshot.get("status", {})
        for op in self.ops:
            if op["op"] == "status":
                told = op["status"]
        return told
