"""One run in a few words and numbers, summed up from its file."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agentnb.core.clock import seconds_between
from agentnb.exceptions import LogUnreadable
from agentnb.messages import BaseChatMessage, BaseMessage, MultiModalMessage
from agentnb.runlog import Event, LineReader
from agentnb.runlog.glance import body_of, glance
from agentnb.transcripts.index import Stamp
from agentnb.transcripts.said import message_text

if sys.platform != "win32":
    import fcntl

TASK = 200
"""Characters of a task."""
ALIVE = 60.0
"""Seconds without a new fact after which a run is taken to be broken off, on systems without locks."""

OPEN = "running"
"""The outcome of a run without an end, as its file tells it."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run in a few words and numbers; the fields are the columns of `columns.RUNS`.

    A log may hold several runs: they are summed up, and the last one says how it ended. What a branch shares with its
    origin counts there alone.
    """

    run_id: str | None
    path: Path
    size_bytes: int
    modified_at: datetime
    """When the file was last written; no column of the table."""
    started_at: datetime | None = None
    notebook: str | None = None
    team: str | None = None
    task: str | None = None
    model: str | None = None
    turns: int | None = None
    messages: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None
    seconds: float | None = None
    outcome: str | None = None
    stop_reason: str | None = None
    origin: str | None = None
    facts: int | None = None
    shares: tuple[str, int] | None = None
    """Of a branch that needs its origin's file: the name of that, and how many of its facts; no column of the table."""
    continues: tuple[str, ...] = ()
    """`run.started` facts of other logs, from which its runs go on; no column of the table."""
    last: int = 0
    """The number of the last fact that can be read; no column of the table."""

    @property
    def began(self) -> datetime:
        """When it began; when its file was last written, if that says nothing of its time."""
        return self.started_at or self.modified_at


def is_written(path: Path) -> bool:
    """Tell whether somebody writes a run's file at present: who does holds its lock."""
    try:
        if sys.platform == "win32":
            return time.time() - path.stat().st_mtime < ALIVE
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            fcntl.flock(file, fcntl.LOCK_UN)  # by name: a process forked meanwhile has the file open too
    except BlockingIOError:
        return True
    except OSError:  # gone, or a file system without locks
        return path.exists() and time.time() - path.stat().st_mtime < ALIVE
    return False


_half_read: dict[Path, tuple[int, _Half]] = {}
"""What this process has read of runs that are being written, with their files' inodes."""


def summary_of(path: Path, stamp: Stamp) -> RunSummary:
    """Read a run's file and sum up what it holds itself; a run without an end is `running`.

    Warns:
        RuntimeWarning: If large texts of the run are missing.
    """
    # Taken out: of two threads only one may go on with it.
    inode, half = _half_read.pop(path, (stamp.inode, None))
    written = is_written(path)  # a file that nobody writes may have been changed anywhere
    if half is None or inode != stamp.inode or not written:
        half = _Half(LineReader(path))
    found = half.summary(stamp)
    if written and found.outcome != "damaged":
        _half_read[path] = stamp.inode, half
    return found


class _Half:
    """A run's file, read as far as it is written."""

    def __init__(self, reader: LineReader) -> None:
        self.reader = reader
        self._count = _Count()

    def summary(self, stamp: Stamp) -> RunSummary:
        """Read what is new and sum up all."""
        reader, count = self.reader, self._count
        fault: LogUnreadable | None = None
        try:
            events = reader.read(until_damage=True)
            fault = reader.damage
        except LogUnreadable as error:
            events, fault = [], error
        for event in events:
            try:
                count.add(event)
            except LogUnreadable as error:  # a fact is checked when it is looked at
                fault = fault or error
        modified = datetime.fromtimestamp(stamp.modified / 1e9, UTC)
        values = {} if fault is not None and not count.facts else count.values()
        origin = reader.origin
        if origin is not None:
            values["shares"] = (origin.path.name, origin.at) if origin.path is not None else None
        values["origin"] = count.origin or (origin.run if origin is not None else None)
        if count.last is not None:
            values["last"] = count.last.seq
        elif fault is None:
            values["outcome"] = OPEN  # nobody has written a fact yet
        found = RunSummary(reader.run_id, reader.path, stamp.size, modified, **values)
        return found if fault is None else replace(found, outcome="damaged", stop_reason=str(fault))


def said_text(message: BaseMessage) -> str:
    """Return what a message says, without the data of its pictures."""
    return message.to_model_text() if isinstance(message, MultiModalMessage) else message_text(message)


class _Count:
    """Counts what a log holds."""

    def __init__(self) -> None:
        self.origin: str | None = None
        self.notebook: str | None = None
        self.team: str | None = None
        self.task: str | None = None
        self.named_model = ""
        self.begun: set[str] = set()
        """The runs that began here, or in what the file holds of its origin."""
        self.continues: list[str] = []
        self._begin()

    def _begin(self) -> None:
        self.facts = 0
        self.has_task = False
        self.started_at: datetime | None = None
        self.models: dict[str, None] = {}
        self.turns = self.messages = self.prompt_tokens = self.completion_tokens = 0
        self.first_turn: int | None = None
        self.chat: set[int] = set()
        self.cost_usd: float | None = 0.0
        self.asked = self.reported = False
        self.seconds = 0.0
        self.open: dict[str, float] = {}
        """Runs that have no end yet, with the seconds that are counted of each."""
        self.run: Event | None = None
        self.last: Event | None = None
        self.outcome: str | None = None
        self.stop_reason: str | None = None

    def add(self, event: Event) -> None:
        """Count one fact."""
        kind = event.kind
        if kind == "run.started" and event.parent is None and self.run is not None and self.run.id in self.open:
            self.open[self.run.id] = so_far = self._so_far()
            self.seconds += so_far
        self.facts += 1
        self.last = event
        if self.started_at is None:
            self.started_at = event.at
        match kind:
            case "run.started" if event.parent is None:
                self._started(event)
            case "run.finished" if event.parent in self.open:
                self._finished(event)
            case "turn.started" if event.parent is None or event.parent in self.open:
                self._turn(event)
            case "message":
                self._said(event)
            case "retracted":
                self.messages -= body_of(event).said in self.chat
            case "model.finished":
                self._called(event)
            case "branch":
                self._branched(event)

    def _branched(self, event: Event) -> None:
        body = body_of(event)
        self.origin = body.origin
        if self.facts > 1 and body.at == event.seq - 1:  # the file holds the origin's facts too, as saved ones do
            self._begin()
            self.facts, self.started_at, self.last = 1, event.at, event

    def _so_far(self) -> float:
        """Return the seconds of a run that has no end."""
        if self.outcome != OPEN or self.run is None or self.last is None:
            return 0.0
        return seconds_between(self.run.at, self.last.at)

    def _started(self, event: Event) -> None:
        body = body_of(event)
        self.run, self.outcome, self.stop_reason = event, OPEN, None
        self.open[event.id] = 0.0
        self.begun.add(event.id)
        if body.continues is not None and body.continues not in self.begun:
            self.continues.append(body.continues)
        self.team = body.runner
        self.named_model = body.model
        # A run need not say where it was started.
        circumstances = body.circumstances or {}
        self.notebook = circumstances.get("notebook") or circumstances.get("file") or self.notebook

    def _finished(self, event: Event) -> None:
        body, begun = body_of(event), event.parent or ""
        # What was counted when another run began beside it is part of what it took.
        self.seconds += (event.took or 0.0) - self.open.pop(begun)
        if self.run is not None and begun == self.run.id:
            self.outcome, self.stop_reason = body.outcome, body.stop_reason

    def _turn(self, event: Event) -> None:
        if self.first_turn is None:
            self.first_turn = event.seq
        # One that is taken up again was counted when it first began, unless that stands in the log of the origin.
        again = body_of(event).again
        self.turns += again is None or again < self.first_turn

    def _said(self, event: Event) -> None:
        message = body_of(event).message
        if not isinstance(message, BaseChatMessage):
            return
        self.messages += 1
        self.chat.add(event.seq)
        of_the_run = self.run is not None and event.parent == self.run.id
        if of_the_run and not self.has_task and message.source == "user":
            self.has_task = True
            # So many words are more than so many characters: the rest need not be looked at.
            words = " ".join(said_text(message).split(None, TASK))
            self.task = words if len(words) <= TASK else words[: TASK - 1] + "…"

    def _called(self, event: Event) -> None:
        body, usage = glance(event)
        self.models.setdefault(body.model)
        self.asked = True
        if usage is not None:
            self.reported = True
            self.prompt_tokens += usage.prompt_tokens or 0
            self.completion_tokens += usage.completion_tokens or 0
        if usage is not None and usage.cost_usd is not None:
            self.cost_usd = None if self.cost_usd is None else self.cost_usd + usage.cost_usd
        else:
            result = body.result
            if result is not None and not result.cached:
                self.cost_usd = None

    def values(self) -> dict[str, Any]:
        """Return what was counted."""
        silent = self.asked and not self.reported
        return {
            "started_at": self.started_at,
            "notebook": self.notebook,
            "team": self.team,
            "task": self.task,
            "model": ", ".join(self.models) or self.named_model or None,
            "turns": self.turns,
            "messages": self.messages,
            "prompt_tokens": None if silent else self.prompt_tokens,
            "completion_tokens": None if silent else self.completion_tokens,
            "cost_usd": self.cost_usd,
            "seconds": self.seconds + self._so_far(),
            "outcome": self.outcome,
            "stop_reason": self.stop_reason,
            "facts": self.facts,
            "continues": tuple(self.continues),
        }
