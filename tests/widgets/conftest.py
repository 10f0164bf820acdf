"""A page that is not there: the comms that widgets open, and an event loop whose time the test moves."""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from collections.abc import Callable
from typing import Any, cast

import comm
import pytest
from comm.base_comm import BaseComm


class FakeComm(BaseComm):
    """Keeps what a widget sends, as the front end would see it."""

    opened: list[FakeComm]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.published: list[tuple[str, dict[str, Any]]] = []
        super().__init__(*args, **kwargs)

    def publish_msg(
        self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **keys: Any
    ) -> None:
        self.published.append((msg_type, data or {}))

    @property
    def custom(self) -> list[dict[str, Any]]:
        """Custom messages in order."""
        return [data["content"] for kind, data in self.published if data.get("method") == "custom"]

    @property
    def snapshots(self) -> list[dict[str, Any]]:
        """Values of the trait `snapshot` that were sent, the first with the opening."""
        return [data["state"]["snapshot"] for _, data in self.published if "snapshot" in data.get("state", {})]

    def receive(self, message: Any) -> None:
        """Let a message of the page arrive."""
        self.handle_msg({"content": {"data": {"method": "custom", "content": message}}, "buffers": []})


@pytest.fixture
def comms(monkeypatch: pytest.MonkeyPatch) -> list[FakeComm]:
    """Give widgets fake comms; `comm.create_comm` is the place where kernels put theirs.

    A widget opens two: one for its layout, then its own.
    """
    opened: list[FakeComm] = []

    def create(*args: Any, **kwargs: Any) -> FakeComm:
        opened.append(FakeComm(*args, **kwargs))
        return opened[-1]

    monkeypatch.setattr(comm, "create_comm", create)
    return opened


class FakeLoop:
    """An event loop that runs what is due when the test moves its time."""

    def __init__(self) -> None:
        self.now = 100.0
        self.failures: list[dict[str, Any]] = []
        self._due: list[tuple[float, int, asyncio.Handle]] = []
        self._count = 0

    def time(self) -> float:
        return self.now

    def get_debug(self) -> bool:
        return False

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(self.now + delay, callback, args, cast(asyncio.AbstractEventLoop, self), context)
        self._count += 1
        heapq.heappush(self._due, (self.now + delay, self._count, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Nothing to do: a cancelled handle is skipped."""

    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        return self.call_later(0, callback, *args, context=context)

    call_soon_threadsafe = call_soon

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.failures.append(context)

    def advance(self, seconds: float) -> None:
        """Run what is due within the next seconds."""
        until = self.now + seconds
        while self._due and self._due[0][0] <= until:
            self.now, _, handle = heapq.heappop(self._due)
            if not handle.cancelled():
                handle._run()
        self.now = until


@pytest.fixture
def loop() -> FakeLoop:
    return FakeLoop()
