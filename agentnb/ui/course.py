"""The runs of a log, one after the other: how far they are, which goes on from which, and what was taken back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from agentnb.core.clock import seconds_between
from agentnb.runlog import Event
from agentnb.ui.hold import Hold
from agentnb.ui.markup import plain_text
from agentnb.ui.ops import Status, Transcript

TAKEN_BACK = "taken back"


class Course(Transcript):
    """A transcript that knows how its runs go on.

    It may be fed a log and then a branch of it, from the `branch` fact on: what both do not share is shown as taken
    back.

    Attributes:
        status: The last run's state, whether it is held, why it ended and who works; turns, tokens and seconds of all.
    """

    def __init__(self) -> None:
        super().__init__()
        self.status: Status = {"state": "running", "turns": 0, "tokens": None, "seconds": 0.0}
        self._run: str | None = None
        self._runs: set[str | None] = set()
        """The outermost runs: several may go on at once."""
        self._seq = 0
        self._seqs: dict[str, int] = {}
        """Of each item, the fact it is from."""
        self._marks: dict[str, str] = {}
        self._turns: list[int] = []
        """The `turn.started` facts of the runs; a turn that is taken up again counts once."""
        self._turn_ids: dict[int, str] = {}
        self._branched = False
        self._before = 0.0
        """Seconds of the runs before."""
        self._began: datetime | None = None
        self._last: datetime | None = None
        self._hold = Hold()
        self._held: str | None = None
        """While it stands there that the run was paused: the id of that item, or "" once it took turns since."""

    def _pass(self, event: Event) -> None:
        """Take note of a fact before it is told."""
        if self._last is None:
            self._began = event.at
        self._seq = event.seq
        self._hold.feed(event)

    def _seconds(self, at: datetime) -> float:
        return self._before + (0.0 if self._began is None else seconds_between(self._began, at))

    def _stop_clock(self) -> None:
        # Nobody knows how long a run that broke off went on after its last fact.
        if self._began is not None and self._last is not None and self._run is not None:
            self._before = self._seconds(self._last)
        self._began = None

    def _tell(self, event: Event, **fields: Any) -> None:
        """Change the status."""
        self.status = {**self.status, "seconds": round(self._seconds(event.at), 3), **fields}
        self.status.pop("pause", None)
        if self._hold.closed:
            self.status["pause"] = self._hold.state
        self._op("status", status=dict(self.status))

    def _tell_hold(self, event: Event) -> None:
        """Say that the run has come to its hold, or leaves it."""
        before = self.status.get("pause", "")
        if not (self._hold.closed or before or self._held is not None):
            return
        now = self._hold.state
        stepped = event.kind == "pause" and now == "pausing"
        if now == "paused" and self._held is None:
            self._held = self._note_hold(event, "The run was paused.")
        elif self._held is not None and stepped:
            self._held = ""
            self._note_hold(event, "The run took one more turn.")
        elif self._held is not None and not now:
            if event.kind == "pause":
                self._note_hold(event, "The run went on.")
            elif event.kind == "run.finished" and event.body.outcome != "stopped":  # type: ignore[attr-defined]
                self._drop(self._held)  # the turn it was to be held behind was its last
            self._held = None
        if now != before:
            self._tell(event)

    def _note_hold(self, event: Event, text: str) -> str:
        # The fact itself may have an item already: the last of what went on.
        key = f"{self._id(event.id)}.pause"
        self._add(key, "note", event.at, text=text, format="plain")
        return key

    def _cut_short(self) -> None:
        """Take away what was under way."""

    def _id(self, event_id: str | None) -> str:
        """Return the id of a fact's item: two branches may have different facts of one number."""
        log, _, seq = (event_id or "").rpartition(":")
        return f"e{self._marks.get(log, '')}{seq}"

    def _add(self, key: str, kind: str, at: datetime, *, open: bool = True, **fields: Any) -> None:
        self._seqs[key] = self._seq
        super()._add(key, kind, at, open=open, **fields)

    def _remark(self, event: Event, text: str, source: str = "") -> None:
        self._add(self._id(event.id), "note", event.at, source=source, text=plain_text(text), format="plain")

    def _run_started(self, event: Event, body: Any) -> None:
        if event.parent is not None:
            return  # a team within a team: its facts are shown, its frame is not
        if self._run is not None:
            self._cut_short()
            if body.resumed and not self._branched:
                self._remark(event, "The run broke off here, and is taken up again.")
        self._stop_clock()
        self._run, self._began, self._branched = event.id, event.at, False
        self._runs.add(event.id)
        self._tell(event, state="running", model=plain_text(body.model), team=plain_text(body.runner), reason="")

    def _run_finished(self, event: Event, body: Any) -> None:
        if self._run is not None and event.parent != self._run:
            return
        self._cut_short()
        turns = max(len(self._turns), body.turns)
        self._tell(event, state=body.outcome, turns=turns, reason=plain_text(body.stop_reason or ""))
        self._last = event.at
        self._stop_clock()

    def _turn_started(self, event: Event, body: Any) -> None:
        self._turn_ids[event.seq] = event.id
        if body.again is not None:
            self._remark(event, "takes up the turn that broke off", plain_text(body.agent))
        if event.parent in (self._runs or {None}):
            if body.again is None:
                self._turns.append(event.seq)
            self._tell(event, turns=len(self._turns))

    def _branch(self, event: Event, body: Any) -> None:
        self._cut_short()
        passed_over = [key for key, seq in self._seqs.items() if seq > body.at]
        for key in passed_over:
            self._take_back(key)
        if passed_over:
            log = event.id.rpartition(":")[0]
            self._marks[log] = f"{len(self._marks) + 1}."
        self._turns = [seq for seq in self._turns if seq <= body.at]
        self._stop_clock()
        self._branched = True
        why = f" ({body.why.rstrip('.')})" if body.why else ""
        self._remark(event, f"From here on a branch of the run {body.origin[:8]} goes on{why}.")

    def _retracted(self, event: Event, body: Any) -> None:
        for key in [key for key, seq in self._seqs.items() if seq == body.said]:
            if body.anew:
                self._drop(key)  # the turn that is taken up again says it again
            else:
                self._take_back(key)

    def _take_back(self, key: str) -> None:
        item = self._items.get(key)
        if item is None or item["kind"] in ("note", "error"):
            return
        fields: dict[str, Any] = {"open": False, "streaming": False}
        if item["kind"] in ("message", "task"):
            # What was done stays done; what was said no longer counts.
            label = " · ".join(filter(None, [TAKEN_BACK, item.get("label", "")]))
            fields |= {"kind": "event", "label": label}
        self._set(key, **fields)
