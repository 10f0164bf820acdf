"""A log's facts, and those who look at them."""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar

from agentnb.core import EventId
from agentnb.runlog.events import Event
from agentnb.runlog.light import Light
from agentnb.runlog.questions import void
from agentnb.runlog.unread import passing, unseen

S = TypeVar("S")

_logger = logging.getLogger("agentnb.runlog")


class Facts:
    """The facts of one conversation, in order."""

    id: str

    def __init__(self) -> None:
        super().__init__()
        self._facts: list[Event | Light] = []
        self._looked_at = 0
        """How many of them are `Event`s: nobody has looked at what came since."""
        self._given = 0
        """How many of them came from elsewhere, such as a file."""
        self._said: list[int] = []
        """The numbers of the messages among the others."""
        self._watchers: dict[object, Callable[[Any], None]] = {}
        self._followers: list[asyncio.Event] = []
        """Are told that something is there, and look when they have the time."""

    def _look(self) -> int:
        """Make `Event`s of all facts, and return how many there are; another thread may add more meanwhile."""
        facts = self._facts
        while (since := self._looked_at) < (until := len(facts)):
            for place in range(since, until):
                fact = facts[place]
                if type(fact) is tuple:
                    facts[place] = unseen(self.id, place + 1, fact)
            self._looked_at = until
        return until

    @property
    def _events(self) -> list[Event]:
        self._look()
        return self._facts  # type: ignore[return-value]

    @_events.setter
    def _events(self, events: list[Event]) -> None:
        self._facts, self._looked_at = events, 0  # type: ignore[assignment]
        self._given, self._said = len(events), []

    @property
    def events(self) -> tuple[Event, ...]:
        """All facts so far."""
        return tuple(self.since(0))

    def since(self, seq: int) -> list[Event]:
        """Return the facts after `seq`."""
        until = self._look()
        return self._facts[seq:until]  # type: ignore[return-value]

    @property
    def said_last(self) -> int:
        """The number of the last message, or that of a fact behind which none was added."""
        return self._said[-1] if self._said else self._given

    def said_since(self, place: int) -> list[tuple[int, Any]]:
        """Return the messages behind the first `place` facts, each with its fact's number, without a look at others."""
        facts: list[Any] = self._facts
        found = [(fact.seq, fact.body.message) for fact in facts[place : self._given] if fact.kind == "message"]
        for seq in self._said[bisect_right(self._said, place) :]:
            fact = facts[seq - 1]
            found.append((seq, fact[5][1] if type(fact) is tuple else fact.body.message))
        return found

    def __iter__(self) -> Iterator[Event]:
        return iter(self.since(0))

    def __len__(self) -> int:
        return len(self._facts)

    def watch(self, watcher: Callable[[Any], None]) -> Callable[[], None]:
        """Call `watcher` with every new event and every fanned-out item; return the way to end that.

        Watchers run inside `append`: they take note and return. One that raises is reported to the logger
        `agentnb.runlog` and called no more: who looks must not stop who acts.
        """
        key = object()
        self._watchers[key] = watcher
        return lambda: void(self._watchers.pop(key, None))

    def fan_out(self, item: Any) -> None:
        """Show something to those who watch, without storing it."""
        if not self._watchers:
            return
        for key, watcher in tuple(self._watchers.items()):
            try:
                watcher(item)
            except Exception:
                self._watchers.pop(key, None)
                _logger.exception("A watcher of the run %s failed and is called no more.", self.id)

    def tell_followers(self) -> None:
        """Let those who follow know that something is there."""
        for arrived in self._followers:
            arrived.set()

    async def follow(self, since: int = 0, *kinds: str) -> AsyncIterator[Event]:
        """Yield the facts after seq `since`, then new ones as they come, until no run goes on in this log.

        Args:
            since: The last `seq` already known.
            kinds: Only these kinds, as in `"message"`; all if none is given.
        """
        arrived = asyncio.Event()
        self._followers.append(arrived)
        seen = 0
        event: Any
        runs: set[EventId] = set()
        finished = False
        try:
            while not finished or seen < len(self._facts):
                arrived.clear()
                for fact in self._facts[seen:]:
                    seen += 1
                    if type(fact) is tuple:  # no run begins or ends by these
                        if seen > since and (not kinds or fact[5][0] in kinds):
                            # Not kept in the fact's place: who follows mostly lets go of it at once.
                            yield passing(self.id, seen, fact)
                        continue
                    event = fact
                    if event.kind == "run.started" and event.parent is None:
                        runs.add(event.id)
                        finished = False
                    elif event.kind == "run.finished" and event.parent in runs:
                        finished = True
                    if event.seq > since and (not kinds or event.kind in kinds):
                        yield event
                if not finished:
                    await arrived.wait()
        finally:
            self._followers.remove(arrived)

    def fold(self, reducer: Callable[[S, Event], S], start: S) -> S:
        """Reduce the facts in order."""
        for event in self.since(0):
            start = reducer(start, event)
        return start
