"""Whether a run is held between its turns, told from its facts alone."""

from __future__ import annotations

from typing import Literal

from agentnb.runlog import Event

State = Literal["", "pausing", "paused"]

_WHAT = ("run", "turn", "model", "tool", "code", "memory")
_STARTED = frozenset(f"{what}.started" for what in _WHAT)
_FINISHED = frozenset(f"{what}.finished" for what in _WHAT)


class Hold:
    """How the last run of a log stands to its gate.

    A run that is to be held comes to its hold only when nothing is under way any more: no turn but those that wait for
    a run within them that is held itself, and no model that chooses the next speaker.

    Attributes:
        closed: Whether the gate is closed.
    """

    def __init__(self) -> None:
        self.closed = False
        self._steps = 0
        """Turns that may still begin."""
        self._open: dict[str, str | None] = {}
        """What has begun and not ended, by the id of its `started` fact, with what it is part of."""
        self._runs: set[str] = set()
        """Which of these are runs: one in which nothing is open waits."""

    def feed(self, event: Event) -> None:
        """Take a fact."""
        kind, parent = event.kind, event.parent
        if kind in _STARTED:
            if kind == "run.started":
                if parent is None:
                    self._begin()
                self._runs.add(event.id)
            elif kind == "turn.started":
                self._steps = max(0, self._steps - 1)
            self._open[event.id] = parent
        elif kind in _FINISHED:
            if kind == "run.finished" and self._open.get(parent or "") is None:
                self._begin()  # the outermost: nothing is left to hold
            else:
                self._end(parent or "")
        elif kind == "pause":
            state = event.body.state  # type: ignore[attr-defined]
            self.closed = state != "resumed"
            self._steps = self._steps + 1 if state == "step" else 0

    def _begin(self) -> None:
        self.closed = False
        self._steps = 0
        self._open.clear()
        self._runs.clear()

    def _end(self, ended: str) -> None:
        if ended not in self._open:
            return
        del self._open[ended]
        self._runs.discard(ended)
        if ended in self._open.values():  # what was cut short tells no end
            for key in [key for key, whole in self._open.items() if whole == ended]:
                self._end(key)

    @property
    def state(self) -> State:
        """`pausing` while what goes on is finished, then `paused`; empty while turns may begin."""
        if not self.closed:
            return ""
        wholes = set(self._open.values())
        busy = any(key not in wholes and key not in self._runs for key in self._open)
        return "pausing" if busy or self._steps else "paused"
