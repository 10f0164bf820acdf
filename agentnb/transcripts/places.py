"""Where a fact stands: in which of the log's runs, whose run that is, and in whose turn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from agentnb.runlog import Event, RunLog
from agentnb.runlog.glance import body_of
from agentnb.runlog.heads import Heads

_BEGINNINGS = {"run.started", "turn.started"}


@dataclass(slots=True, eq=False)
class Place:
    """What the facts of one turn, or of one run outside of its turns, have in common."""

    number: int
    """Its index among all places of a `Places`."""
    run: int | None = None
    team: str | None = None
    depth: int | None = None
    turn_id: str | None = None
    turn: int | None = None
    first: Event | None = None
    """The fact with which the turn began."""
    started: str | None = None
    """The id of the `run.started` fact."""
    outer: Place | None = None
    """Where the run was begun, or the turn."""


class Scan(NamedTuple):
    """The heads of a log's facts, and their places."""

    heads: Heads
    places: list[Place]

    def among(self, log: RunLog, *kinds: str) -> Iterator[tuple[Event, str, Place]]:
        """Yield the log's facts of these kinds, each with its kind and place."""
        wanted = set(kinds)
        for event, kind, place in zip(log.events, self.heads.kinds, self.places, strict=True):
            if kind in wanted:
                yield event, kind, place


class Places:
    """Finds the places of facts, one log after the other."""

    def __init__(self) -> None:
        self.all: list[Place] = []
        self._loose: Place | None = None
        self._run = 0

    def scan(self, facts: Sequence[Event]) -> Scan:
        """Return the places of a log's facts, and what had to be read of the facts to find them."""
        at: dict[str | None, Place] = {}
        self._loose, self._run = None, 0
        heads = Heads(facts)
        places: list[Place] = []
        for event, event_id, parent, kind in zip(facts, heads.ids, heads.parents, heads.kinds, strict=True):
            place = at.get(parent) if parent is not None else self._loose
            if place is None or kind in _BEGINNINGS:
                place = self._new(event, kind, place)
            at[event_id] = place
            places.append(place)
        return Scan(heads, places)

    def _new(self, event: Event, kind: str, outer: Place | None) -> Place:
        number = len(self.all)
        if kind == "run.started":
            nested = event.parent is not None and outer is not None and outer.depth is not None
            if event.parent is None:
                self._run += 1
                self._loose = None
                outer = None
            depth = outer.depth + 1 if nested and outer is not None and outer.depth is not None else 0
            made = Place(number, self._run_of(outer), body_of(event).runner, depth, started=event.id, outer=outer)
            if outer is not None:
                made.turn_id, made.turn, made.first = outer.turn_id, outer.turn, outer.first
        elif kind == "turn.started":
            team, depth_, started = (outer.team, outer.depth, outer.started) if outer else (None, None, None)
            turn, run = body_of(event).turn, self._run_of(outer)
            made = Place(number, run, team, depth_, event.id, turn, event, started, outer)
        else:
            made = self._loose or Place(number, self._run or None)
            self._loose = made
            if made.number != number:
                return made
        self.all.append(made)
        return made

    def _run_of(self, outer: Place | None) -> int | None:
        # Several runs may go on at once.
        return outer.run if outer is not None else self._run or None


def shared_facts(log: RunLog) -> int:
    """Return how many of a log's first facts are those of the log it is a branch of."""
    events = log.events
    # A log's own facts bear its id: only a branch needs to be searched.
    if not events or events[0].id.startswith(f"{log.id}:"):
        return 0
    return next((event.seq - 1 for event in reversed(events) if event.kind == "branch"), 0)
