"""The live transcript of one run; widgets/PROTOCOL.md says what kernel and page tell each other."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import anywidget
import traitlets

from agentnb.exceptions import UserError
from agentnb.runlog import RunLog
from agentnb.widgets.base import Feed

STATIC = Path(__file__).parent / "static"


class Pausable(Protocol):
    """What can be held between its turns: a run."""

    def pause(self) -> None:
        """Hold it behind the turn that goes on."""

    def resume(self) -> None:
        """Let it go on."""

    def step(self) -> None:
        """Let one more turn through; `UserError` if it is not paused."""


class TranscriptWidget(anywidget.AnyWidget):
    """A run as it happens, with ways to stop and to pause it, and a place to answer.

    ```python
    widget = TranscriptWidget(log, on_stop=task.cancel)
    display(widget)
    present = await widget.probe()
    ```

    Made on the event loop of the run, before or after the run starts, displayed or not.

    Args:
        log: What to show.
        on_stop: Called on the run's loop when the person presses Stop.
        pauses: What is told on the run's loop that the person presses Pause, Resume or One turn; None: no such buttons.
        context: Where everything is sent from; default: a copy of the context it is made in, which is the cell's.
    """

    _esm = STATIC / "transcript.js"
    _css = STATIC / "transcript.css"

    run_id = traitlets.Unicode().tag(sync=True)
    snapshot = traitlets.Dict().tag(sync=True)
    pausable = traitlets.Bool().tag(sync=True)

    def __init__(
        self,
        log: RunLog,
        *,
        on_stop: Callable[[], None],
        pauses: Pausable | None = None,
        context: contextvars.Context | None = None,
    ) -> None:
        self._log: RunLog | None = log
        self._on_stop: Callable[[], None] | None = on_stop
        self._pauses: Pausable | None = pauses
        self._feed: Feed | None = None
        feed = Feed(log, send=self.send, publish=self._publish, context=context)
        # A page that shows the run's beginning already, from before it was taken up, counts ops of its own.
        view = f"{log.id}+{len(log)}" if len(log) else log.id
        super().__init__(run_id=view, snapshot=feed.snapshot, pausable=pauses is not None)
        self._feed = feed
        self.on_msg(self._arrived)

    def follow(self, branch: RunLog) -> None:
        """Go on with a branch of the log, in which its run goes on."""
        self._log = branch
        if self._feed is not None:
            self._feed.follow(branch)

    @property
    def alive(self) -> bool:
        """Whether a page has answered since the widget was made."""
        return self._feed is not None and self._feed.alive

    async def probe(self, timeout: float = 3.0, every: float = 0.3) -> bool:
        """Ask whether a page draws the widget now, and tell whether one answered within `timeout` seconds."""
        return self._feed is not None and await self._feed.probe(timeout, every)

    def _publish(self, snapshot: dict[str, Any]) -> None:
        if self.snapshot == snapshot:
            self.send_state("snapshot")  # a trait that does not change is not sent, but the page asked
        else:
            self.snapshot = snapshot

    def _arrived(self, _: Any, message: Any, buffers: Any) -> None:
        # Whatever thread and loop this is: the run's loop does the rest.
        feed = self._feed
        if feed is not None:
            feed.hand_over(self._handle, message)

    def _handle(self, message: Any) -> None:
        match message:
            case {"t": "pong", "k": int(number)} if self._feed is not None:
                self._feed.pong(number)
            case {"t": "replay", "since": int(since)} if self._feed is not None:
                self._feed.replay(since)
            case {"t": "stop"} if self._on_stop is not None:
                self._on_stop()
            case {"t": "pause"} if self._pauses is not None:
                self._pauses.pause()
            case {"t": "resume"} if self._pauses is not None:
                self._pauses.resume()
            case {"t": "step"} if self._pauses is not None:
                with suppress(UserError):  # somebody else let the run go on meanwhile
                    self._pauses.step()
            case {"t": "answer", "id": str(input_id), "text": str(text)} if self._log is not None:
                self._log.answer(input_id, text, by="widget")

    def detach(self) -> None:
        """Send what waits and the last snapshot, and let go of the log; the page keeps what it shows.

        A page that reloads later still finds the snapshot.
        """
        feed = self._feed
        if feed is not None:
            feed.close()
        self._log = None
        self._on_stop = self._pauses = None

    def close(self) -> None:
        """Detach, and take the widget off the page."""
        # ipywidgets closes also what was never opened, from __del__.
        if getattr(self, "_feed", None) is not None:
            self.detach()
        super().close()
