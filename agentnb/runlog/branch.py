"""Where a log can be cut so that another goes on from there, and what the other log knows of what the cut left open."""

from __future__ import annotations

from numbers import Integral
from os import PathLike
from pathlib import Path
from typing import TypeVar

from agentnb.core import EventId
from agentnb.exceptions import LogUnreadable, UserError
from agentnb.runlog.events import Branched, Event, MemoryStarted, Relayed, RunStarted
from agentnb.runlog.fold import result_facts
from agentnb.runlog.folder import new_file
from agentnb.runlog.log import RunLog
from agentnb.runlog.reader import Origin
from agentnb.runlog.store import JsonLinesStore
from agentnb.runlog.story import below

L = TypeVar("L", bound=RunLog)

_ENDS = {"tool.started": "tool.finished", "code.started": "code.finished", "memory.started": "memory.finished"}


def branched(log: L, at: int | None, message: int | None, *, why: str, folder: str | PathLike[str] | None) -> L:
    """Return what `RunLog.branch` returns; without a folder it has no file."""
    at = cut(log, at, message)
    branch = type(log)()
    branch._events = log._events[:at]
    branch.origin = Origin(log.id, at, log.path)
    if folder is not None:
        folder = Path(folder)
        runner = next((event.source for event in log if event.kind == "run.started"), "run")
        shares = _has_on_disk(log, at, folder)
        origin = {"run": log.id, "at": at, **({"file": log.path.name} if log.path and shares else {})}
        store = JsonLinesStore(new_file(folder, f"{runner}-branch", branch.id), branch.id, origin=origin)
        store.last = at if shares else 0
        branch.store = store
        branch._hand_over(store)
        branch._check_disk()
    branch.append(Branched(origin=log.id, at=at, why=why))
    branch.close()  # whoever goes on from it takes the file: this log, or one that opens it
    return branch


def _has_on_disk(log: RunLog, at: int, folder: Path) -> bool:
    path = log.path
    # A damaged file is one that somebody may mend or throw away.
    if log.damage is not None or path is None or path.parent.resolve() != folder.resolve() or not path.exists():
        return False
    return not log.store.unsaved if log.store is not None else at <= log._read


def cut(log: RunLog, at: int | None, message: int | None) -> int:
    """Return how many facts a branch shares.

    Args:
        log: The log to branch.
        at: So many facts.
        message: The facts up to this message of the last run's result, counted from 1, and to the end of its turn; 0
            keeps the run's first fact only.

    Raises:
        UserError: If there are not so many, or others of the same turn follow; it says where a cut is possible.
    """
    if (at is None) == (message is None):
        raise UserError("Say where to branch: either `at`, a number of facts, or `message`, a number of messages.")
    for name, value in (("at", at), ("message", message)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, Integral)):
            raise UserError(f"{name} is {value!r:.80}; it must be a whole number of at least 0.")
    if at is not None:
        if not 0 <= at <= len(log):
            raise UserError(
                f"There is no branch at fact {at}: the run {log.id} has {len(log)}. Choose 0 to {len(log)}."
            )
        return int(at)  # also of a table, as in df["seq"].iloc[0]
    assert message is not None
    cuts = message_cuts(log)
    if message not in range(len(cuts)):
        raise UserError(
            f"There is no branch at message {message}: the last run in the log {log.id} has {len(cuts) - 1} messages. "
            f"Choose 0 to {len(cuts) - 1}."
        )
    place = cuts[message]
    if place is None:
        below = max(k for k in range(message) if cuts[k] is not None)
        above = next((k for k in range(message + 1, len(cuts)) if cuts[k] is not None), None)
        nearest = f"message={below}" if above is None else f"message={below} or message={above}"
        raise UserError(
            f"There is no branch at message {message}: it was said within a turn that says more, or was broken off. "
            f"The nearest are {nearest}; `at` cuts at any fact."
        )
    return place


def message_cuts(log: RunLog) -> list[int | None]:
    """Return the number of facts up to each message of the last run's result; None inside of a turn.

    The first is that of no message at all.

    Raises:
        UserError: If there is no run in the log.
    """
    events = log.events
    begun = {event.id: event for event in events if event.kind == "run.started" and event.parent is None}
    run = next(reversed(begun.values()), None)
    if run is None:
        raise UserError(f"No run has begun in the log {log.id}, so it has no messages to count; give `at` instead.")
    places = result_facts(events, run.id)
    first = run
    while isinstance(first.body, RunStarted) and first.body.resumed and first.body.continues in begun:
        first = begun[EventId(first.body.continues)]
    turns: dict[EventId, EventId | None] = {}
    ends: dict[EventId | None, int] = {}
    for event in events:
        # What a run within a turn said belongs to that turn, though the run round it took it up.
        cause = events[event.body.said - 1].id if isinstance(event.body, Relayed) else event.parent
        outer = turns.get(cause) if cause else None
        turns[event.id] = event.id if outer is None and event.kind == "turn.started" else outer
        if event.kind == "turn.finished":
            ends[event.parent] = event.seq
    last = {turns[event.id]: event.seq for event in places}
    cuts: list[int | None] = [first.seq]
    for number, event in enumerate(places, start=1):
        turn = turns[event.id]
        place = event.seq if turn is None else ends.get(turn) if last[turn] == event.seq else None
        # Turns that ran side by side may have said more before this one ended.
        more = place is None or (number < len(places) and places[number].seq <= place)
        cuts.append(None if more else place)
    return cuts


def ended_elsewhere(log: RunLog) -> list[Event]:
    """Return how those effects ended that a branch shares the beginning of and not the end.

    They are facts of the run it was branched from, or of one further back, as far as these can be found: of calls of
    tools, of code, and of what a memory was to learn or to forget; with what memories learnt and forgot within them.
    Who was asked, a model or a person, is asked anew; so is an agent or a team that was called as a tool.
    """
    found: list[Event] = []
    here = log
    while (origin := here.origin) is not None:
        waiting = _open(log, origin.at) - {event.parent for event in found}
        if not waiting:
            break
        try:
            here = RunLog.find(origin.run, near=log.path or origin.path)
        except (UserError, LogUnreadable):
            break
        found += _ends(here, origin.at, waiting)
    return found


def _ends(log: RunLog, at: int, waiting: set[EventId]) -> list[Event]:
    later = log.events[at:]
    ends = {event.parent: event.id for event in later if event.parent in waiting and event.kind in _ENDS.values()}
    within: dict[EventId | None, EventId] = {}
    for call in waiting & ends.keys():
        if any(inner.kind == "run.started" for inner in below(log, call)):
            del ends[call]
        else:
            within[call] = call
    ended = set(ends.values())
    learnt: set[EventId | None] = set()
    found: list[Event] = []
    for event in later:
        around = within.get(event.parent)
        if around is not None:
            within[event.id] = around
        if event.id in ended or event.parent in learnt:
            found.append(event)
        elif around is not None and event.kind == "memory.started" and _acts(event):
            learnt.add(event.id)
            # What caused it within the call is not taken over.
            found.append(event.model_copy(update={"parent": around}))
    return found


def _open(log: RunLog, at: int) -> set[EventId]:
    """Return the effects among the first so many facts whose end the log does not have."""
    ended = {event.parent for event in log if event.kind in _ENDS.values()}
    return {event.id for event in log.events[:at] if event.kind in _ENDS and _acts(event)} - ended


def _acts(event: Event) -> bool:
    body = event.body
    return not isinstance(body, MemoryStarted) or body.action in ("add", "clear")
