"""Where a fact stands: in which of the log's runs, whose run that is, and in whose turn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from agentnb.runlog import Event, RunLog


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
    began: datetime | None = None
    """When the turn began."""
    started: str | None = None
    """The id of the `run.started` fact."""
    outer: Place | None = None
    """Where the run was begun, or the turn."""


class Scan(NamedTuple):
    """The facts of a log, field by field: a fact's fields are dear to read, so each is read once."""

    ids: list[str]
    parents: list[str | None]
    kinds: list[str]
    places: list[Place]

    def among(self, log: RunLog, *kinds: str) -> Iterator[tuple[Event, str, Place]]:
        """Yield the log's facts of these kinds, each with its kind and place."""
        wanted = set(kinds)
        for event, kind, place in zip(log.events, self.kinds, self.places, strict=True):
            if kind in wanted:
                yield event, kind, place


class Places:
    """Finds the places of facts, one log after the other."""

    def __init__(self) -> None:
        self.all: list[Place] = []
        self._loose: Place | None = None
        self._run = 0

    def scan(self, facts: Iterable[Event]) -> Scan:
        """Return the places of a log's facts, and what had to be read of the facts to find them."""
        at: dict[str, Place] = {}
        self._loose, self._run = None, 0
        ids: list[str] = []
        parents: list[str | None] = []
        kinds: list[str] = []
        places: list[Place] = []
        for event in facts:
            event_id, parent, kind = event.id, event.parent, event.kind
            place = at.get(parent) if parent is not None else self._loose
            if place is None or kind == "turn.started" or kind == "run.started":
                place = self._new(event, kind, place)
            at[event_id] = place
            ids.append(event_id)
            parents.append(parent)
            kinds.append(kind)
            places.append(place)
        return Scan(ids, parents, kinds, places)

    def _new(self, event: Event, kind: str, outer: Place | None) -> Place:
        body: Any = event.body
        number = len(self.all)
        if kind == "run.started":
            nested = event.parent is not None and outer is not None and outer.depth is not None
            if event.parent is None:
                self._run += 1
                self._loose = None
                outer = None
            depth = outer.depth + 1 if nested and outer is not None and outer.depth is not None else 0
            made = Place(number, self._run or None, body.runner, depth, started=event.id, outer=outer)
            if outer is not None:
                made.turn_id, made.turn, made.began = outer.turn_id, outer.turn, outer.began
        elif kind == "turn.started":
            team, depth_, started = (outer.team, outer.depth, outer.started) if outer else (None, None, None)
            made = Place(number, self._run or None, team, depth_, event.id, body.turn, event.at, started, outer)
        else:
            made = self._loose or Place(number, self._run or None)
            self._loose = made
            if made.number != number:
                return made
        self.all.append(made)
        return made


def shared_facts(log: RunLog) -> int:
    """Return how many of a log's first facts are those of the log it is a branch of."""
    events = log.events
    # A log's own facts bear its id: only a branch needs to be searched.
    if not events or events[0].id.startswith(f"{log.id}:"):
        return 0
    return next((event.seq - 1 for event in reversed(events) if event.kind == "branch"), 0)
