"""Carries a log to a page: follows it, numbers what changes, sends it in batches, and repeats what was missed.

Everything leaves on the event loop the run lives on and in the context of the cell that started it: a kernel answers a
page on the thread that last published to it, so publishing from elsewhere would move the page's clicks there.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from agentnb.runlog import RunLog
from agentnb.ui import ItemFold

Message = dict[str, Any]

INTERVAL = 0.05
"""Seconds between batches: servers drop what comes faster than about 1,000 messages a second."""
SNAPSHOT_INTERVAL = 1.0
"""Seconds between snapshots while no page has answered."""
REPLAY_OPS = 5000
"""Ops kept for a page that missed some; one that missed more gets a snapshot."""


class Feed:
    """One log on its way to one page.

    Args:
        log: What to follow; facts it holds already are part of the first snapshot.
        send: Sends a message to the page.
        publish: Sets the snapshot that a page finds when it opens.
        loop: The run's event loop; default: the running one.
        context: Where sending happens; default: a copy of the caller's.
    """

    def __init__(
        self,
        log: RunLog,
        *,
        send: Callable[[Message], None],
        publish: Callable[[Message], None],
        loop: asyncio.AbstractEventLoop | None = None,
        context: contextvars.Context | None = None,
    ) -> None:
        self.loop = loop or asyncio.get_running_loop()
        self.context = context or contextvars.copy_context()
        self.alive = False
        """Whether a page has answered."""
        self._send = send
        self._publish = publish
        self._thread = threading.get_ident()
        self._fold = ItemFold()
        for event in log:
            self._fold.feed(event)
        self._sent = self._fold.n
        self._published = self._fold.n
        self._pending: list[dict[str, Any]] = []
        self._recent: deque[dict[str, Any]] = deque(maxlen=REPLAY_OPS)
        self._flushed_at = -INTERVAL
        self._flushing: asyncio.Handle | None = None
        self._timer: asyncio.Handle | None = None
        self._pings = 0
        self._pong = 0
        self._ponged: asyncio.Event = asyncio.Event()
        self._closed = False
        self._unwatch: Callable[[], None] | None = log.watch(self._take)
        self._timer = self.loop.call_later(SNAPSHOT_INTERVAL, self._tick, context=self.context)

    @property
    def snapshot(self) -> Message:
        """The whole state after the last op, ready to be published."""
        fold = self._fold
        return {"n": fold.n, "items": fold.items, "status": dict(fold.status), "question": fold.question}

    def follow(self, branch: RunLog) -> None:
        """Go on with a branch of the log; what the two do not share is shown as taken back."""
        if self._closed:
            return
        if self._unwatch is not None:
            self._unwatch()
        for event in branch.since(branch.origin.at if branch.origin else 0):
            self._take(event)
        self._unwatch = branch.watch(self._take)

    def _take(self, item: Any) -> None:
        if threading.get_ident() != self._thread:
            self._call(self._take_here, item)
        else:
            self._take_here(item)

    def _take_here(self, item: Any) -> None:
        if self._closed:
            return
        try:
            ops = self._fold.feed(item)
        except Exception as error:
            # A run must not fail because one of its facts cannot be drawn.
            self.loop.call_exception_handler({"message": f"A transcript cannot show {item!r:.200}", "exception": error})
            return
        if not ops:
            return
        self._pending += ops
        if self._flushing is None:
            wait = max(0.0, self._flushed_at + INTERVAL - self.loop.time())
            self._flushing = self.loop.call_later(wait, self._flush, context=self.context)

    def _flush(self) -> None:
        self._flushing = None
        if not self._pending:
            return
        first, ops = self._sent + 1, self._pending
        self._pending = []
        self._sent += len(ops)
        self._recent.extend(ops)
        self._flushed_at = self.loop.time()
        self._send({"t": "ops", "n": first, "ops": ops})
        if self._fold.status["state"] in ("done", "stopped", "failed"):
            self._publish_snapshot()

    def _tick(self) -> None:
        self._timer = None
        if self._closed or self.alive:
            return
        self._publish_snapshot()
        self._timer = self.loop.call_later(SNAPSHOT_INTERVAL, self._tick, context=self.context)

    def _publish_snapshot(self) -> None:
        # A snapshot holds what waits to be sent: it goes after it, so that a page applies each op once.
        if self._pending:
            self._cancel_flush()
            self._flush()
        if self._published != self._fold.n:
            self._published = self._fold.n
            self._publish(self.snapshot)

    def _cancel_flush(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None

    def replay(self, since: int) -> None:
        """Send the ops after number `since` again, or a snapshot if that is too long ago."""
        missed = self._sent - since
        if missed <= 0:
            return
        if missed <= len(self._recent):
            self._send({"t": "ops", "n": since + 1, "ops": list(self._recent)[-missed:]})
        else:
            self._published = self._fold.n
            self._publish(self.snapshot)

    def pong(self, number: int) -> None:
        """Take a page's sign of life."""
        self.alive = True
        self._pong = max(self._pong, number)
        self._ponged.set()

    async def probe(self, timeout: float = 3.0, every: float = 0.3) -> bool:
        """Ask whether a page is there now, and tell whether it answered.

        Args:
            timeout: Seconds until nobody is taken to be there.
            every: Seconds between questions; a page that still draws misses the first ones.
        """
        first = self._pings + 1
        deadline = self.loop.time() + timeout
        while not self._closed:
            self._pings += 1
            self._ponged.clear()
            # Not sent from here: the asking task has a context of its own.
            self.loop.call_soon(self._send, {"t": "ping", "k": self._pings}, context=self.context)
            left = deadline - self.loop.time()
            try:
                await asyncio.wait_for(self._ponged.wait(), min(every, max(left, 0.0)))
            except TimeoutError:
                if self.loop.time() >= deadline:
                    return False
            if self._pong >= first:
                return True
        return False

    def hand_over(self, handler: Callable[[Any], None], message: Any) -> None:
        """Let the run's loop handle a page's message; the only thing to do where a page's message arrives."""
        # Depending on the kernel that is another thread with another loop, where nothing of the run may be touched.
        self._call(handler, message)

    def _call(self, function: Callable[[Any], None], argument: Any) -> None:
        try:
            self.loop.call_soon_threadsafe(function, argument, context=self.context)
        except RuntimeError:
            return  # the loop is closed: the kernel is going down

    def close(self) -> None:
        """Send what waits and the last snapshot, and let go of the log."""
        if self._closed:
            return
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        self._cancel_flush()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._publish_snapshot()
        self._recent.clear()
        self._closed = True
        self._ponged.set()
