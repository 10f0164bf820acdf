"""A log as the runs it tells of: their tasks, the choices of speakers, the turns, and what was said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentnb.core import EventId
from agentnb.messages import BaseMessage
from agentnb.runlog.events import AgentState, Event, Relayed, Retracted, Said, SpeakerChosen, TurnFinished, TurnStarted


@dataclass(eq=False)
class Turn:
    """One who had the word."""

    started: Event
    finished: Event | None = None
    said: list[Any] = field(default_factory=list)
    """Messages and events, in their order."""
    state: AgentState | None = None
    """Its agent's, at the end."""
    runs: list[Story] = field(default_factory=list)
    """Runs that were part of it."""

    @property
    def agent(self) -> str:
        body: Any = self.started.body
        return str(body.agent)

    @property
    def done(self) -> bool:
        """Whether it came to its end."""
        return self.finished is not None and self.finished.body.outcome == "done"  # type: ignore[attr-defined]


@dataclass(eq=False)
class Story:
    """One run, step by step.

    A step is a fact of the run itself: something said outside of turns (`Said`), a choice (`SpeakerChosen`), a `Turn`
    that begins, a `TurnFinished`, a state (`AgentState`), or that everything was forgotten.
    """

    started: Event
    finished: Event | None = None
    steps: list[tuple[Event, Any]] = field(default_factory=list)
    """Facts with what they are: a body, or a `Turn`."""
    within: Turn | None = None
    """The turn of another run that it was part of."""
    of: Story | None = None
    """That run."""

    @property
    def runner(self) -> str:
        body: Any = self.started.body
        return str(body.runner)

    @property
    def resumed(self) -> bool:
        """Whether it takes up a run that was broken off."""
        return bool(self.started.body.resumed)  # type: ignore[attr-defined]

    @property
    def done(self) -> bool:
        """Whether it came to its end by itself."""
        return self.finished is not None and self.finished.body.outcome == "done"  # type: ignore[attr-defined]

    def task(self) -> list[Any]:
        """Return the task's messages: what was said first."""
        said = [body for _, body in self.steps]
        first = next((place for place, body in enumerate(said) if isinstance(body, Said)), len(said))
        task: list[Any] = []
        for event, body in self.steps[first:]:
            if not isinstance(body, Said) or event.source != self.started.source or body.heard is not None:
                break
            task.append(body.message)
        return task


def stories(events: Sequence[Event]) -> dict[EventId, Story]:
    """Return the runs that facts tell of, nested ones too, by the ids of their `run.started` facts.

    What was taken back is left out.
    """
    taken_back = {event.body.said for event in events if isinstance(event.body, Retracted)}
    told: dict[EventId, Story] = {}
    owners: dict[EventId, tuple[Story | None, Turn | None]] = {}
    said_in: dict[int, tuple[Story, Turn | None]] = {}
    turns: dict[EventId, Turn] = {}
    for event in events:
        kind = event.kind
        story, turn = owners.get(event.parent, _NOWHERE) if event.parent is not None else _NOWHERE
        if kind == "run.started":
            new = told[event.id] = Story(event, within=turn, of=story)
            if turn is not None:
                turn.runs.append(new)
            owners[event.id] = (new, None)
            continue
        if story is None:
            continue
        owners[event.id] = (story, turn)
        direct = event.parent == story.started.id
        if kind == "run.finished" and direct:
            story.finished = event
        elif kind == "turn.started" and direct and isinstance(event.body, TurnStarted):
            begun = turns[event.id] = Turn(event)
            owners[event.id] = (story, begun)
            story.steps.append((event, begun))
        elif kind == "turn.finished" and isinstance(event.body, TurnFinished):
            ended = turns.get(event.parent) if event.parent is not None else None
            if ended is not None:
                ended.finished = event
                story.steps.append((event, event.body))
        elif kind == "message" and isinstance(event.body, Said):
            said_in[event.seq] = (story, turn)
            if event.seq in taken_back:
                continue
            if turn is not None:
                turn.said.append(event.body.message)
            else:
                story.steps.append((event, event.body))
        elif kind == "relay" and isinstance(event.body, Relayed):
            teller = _turn_of(story, said_in.get(event.body.said))
            if teller is not None and event.body.said not in taken_back:
                teller.said.append(_message(events, event.body.said))
        elif kind == "state" and isinstance(event.body, AgentState):
            if turn is not None and event.body.agent == turn.agent:
                turn.state = event.body
            elif turn is None:
                story.steps.append((event, event.body))
        elif kind == "forgotten" or (kind == "speaker" and isinstance(event.body, SpeakerChosen) and direct):
            story.steps.append((event, event.body))
    return told


_NOWHERE: tuple[Story | None, Turn | None] = (None, None)


def _turn_of(story: Story, place: tuple[Story, Turn | None] | None) -> Turn | None:
    """Return the turn of `story` within which something was said in a run inside of it."""
    while place is not None and place[0] is not story:
        inner = place[0]
        place = None if inner.of is None else (inner.of, inner.within)
    return None if place is None else place[1]


def _message(events: Sequence[Event], seq: int) -> BaseMessage:
    body: Any = events[seq - 1].body
    message: BaseMessage = body.message
    return message


def below(events: Iterable[Event], *roots: EventId) -> list[Event]:
    """Return all facts caused by some facts, directly or by way of others, in their order."""
    known = set(roots)
    found: list[Event] = []
    for event in events:
        if event.parent in known:
            known.add(event.id)
            found.append(event)
    return found
