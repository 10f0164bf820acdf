"""What went on when, read from logs: turns, and the calls, code and questions within them, as stretches of time.

The axis counts seconds of work: it begins at 0 with the first fact, and the pauses between the runs of a log that was
resumed, between a branch and its origin, and between several logs are cut out; `Seam` says where.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from agentnb.core.clock import seconds_between
from agentnb.runlog import Event, RunLog, logs_of
from agentnb.runlog.scopes import name_of

Kind = Literal["turn", "model", "tool", "code", "person"]
Outcome = Literal["done", "failed", "stopped", "open"]
Path = tuple[str, ...]

_BEGINS: Mapping[str, Kind] = {
    "turn.started": "turn",
    "model.started": "model",
    "tool.started": "tool",
    "code.started": "code",
    "input.requested": "person",
}
_ENDS = {"turn.finished", "model.finished", "tool.finished", "code.finished"}


@dataclass(slots=True)
class Span:
    """One stretch of time; filled while its facts are read, then left alone."""

    kind: Kind
    log: int
    """The place of its log among those read."""
    seq: int
    agent: str
    """Whose turn; who called where there is no turn, as when a model chooses the speaker."""
    name: str
    """The agent, the model, the tool, the executor, the question."""
    path: Path
    """The agents it is within, outermost first: ("inner", "ana") in a team within a team."""
    run: str
    """The conversation: runs that go on from one another share it, a run within a run has its own."""
    start: float
    """Seconds of work since the first fact."""
    end: float = 0.0
    end_seq: int | None = None
    outcome: Outcome = "open"
    """`stopped` also if nothing was written of its end and the log goes on without it."""
    within: int | None = None
    """The place of the call or turn it is part of."""
    replaced: bool = False
    """Whether the turn broke off and was taken up again."""
    took: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None
    cached: bool = False

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Seam:
    """Where a pause was cut out: `at` seconds of work, `pause` seconds long; None between different logs."""

    at: float
    what: str
    pause: float | None


@dataclass(slots=True)
class Course:
    """What went on in one or several logs, in order of beginning."""

    logs: tuple[RunLog, ...] = ()
    names: tuple[str, ...] = ()
    """Everybody who takes part, in the order of the logs, whether they had the word or not."""
    spans: list[Span] = field(default_factory=list)
    seams: list[Seam] = field(default_factory=list)
    seconds: float = 0.0
    """Until the last fact."""

    def of(self, *kinds: Kind) -> list[Span]:
        """Return the spans of these kinds."""
        return [span for span in self.spans if span.kind in kinds]

    def turns(self) -> list[Span]:
        """Return the turns, each once though it broke off and was taken up again."""
        return [span for span in self.spans if span.kind == "turn" and not span.replaced]

    def calls(self) -> list[Span]:
        """Return the model calls; of one that a wrapper passed on to another client only the outer."""
        models = self.of("model")
        return [span for span in models if span.within is None or self.spans[span.within].kind != "model"]


def course(runs: Any) -> Course:
    """Read what went on in one or several runs, one after the other; arguments and errors as for `runlog.logs_of`."""
    found = Course(logs=logs_of(runs, "A plot"))
    names: dict[str, None] = {}
    for place, log in enumerate(found.logs):
        _Reader(found, names, place).read(log)
    found.names = tuple(names)
    return found


def rounds(spans: Iterable[Span]) -> Iterable[list[list[Span]]]:
    """Return the rounds of each conversation: the turns that went on at the same time, round after round."""
    conversations: dict[tuple[int, str], list[list[Span]]] = {}
    for turn in spans:
        known = conversations.setdefault((turn.log, turn.run), [])
        if known and any(other.outcome == "open" or (other.end_seq or 0) > turn.seq for other in known[-1]):
            known[-1].append(turn)
        else:
            known.append([turn])
    return conversations.values()


class _Reader:
    """Reads one log into a course that may hold others already."""

    def __init__(self, found: Course, names: dict[str, None], place: int) -> None:
        self._found, self._names, self._place = found, names, place
        # By the ids of facts: what they are part of (the place of a span), and in which conversation.
        self._home: dict[str, int | None] = {}
        self._runs: dict[str, str] = {}
        self._begun: dict[str, int] = {}
        self._questions: dict[str, int] = {}
        self._opened: set[str] = set()
        self._top = False
        self._live: set[str] = set()
        self._zero: datetime | None = None
        self._offset = found.seconds
        self._last = found.seconds
        self._before: datetime | None = None
        self._own = len(found.spans)
        self._quiet = False

    def read(self, log: RunLog) -> None:
        if self._place and len(log):
            self._found.seams.append(Seam(self._offset, f"run {self._place + 1}", None))
        for event in log:
            self._take(event)
        self._close(final=True)
        self._found.seconds = self._last

    def _take(self, event: Event) -> None:
        body: Any = event.body
        kind = event.kind
        if kind == "branch":
            self._seam(event, f"branch at {body.at}")
            self._quiet = True
        elif kind == "run.started" and event.parent is None:
            if self._quiet:
                self._longer(event)
            elif self._top:
                self._seam(event, "resumed" if body.continues else "next run")
            self._quiet = False
        moment = self._at(event)
        parent = event.parent or ""
        home = self._home.get(parent)
        run = self._runs.get(parent, "")
        if kind == "run.started":
            run = self._conversation(event, body)
            if event.parent is None:
                self._top = True
                self._live.add(event.id)
        elif kind == "run.finished":
            self._live.discard(parent)
        elif kind in _BEGINS:
            home = self._begin(event, body, _BEGINS[kind], moment, home, run)
        elif kind in _ENDS and parent in self._begun:
            self._end(self._begun[parent], event, body, moment)
        elif kind == "input.answered" and body.input_id in self._questions:
            self._end(self._questions[body.input_id], event, body, moment)
        self._home[event.id] = home
        self._runs[event.id] = run

    def _conversation(self, event: Event, body: Any) -> str:
        for participant in body.participants:
            self._names.setdefault(participant.name, None)
        self._opened.add(event.id)
        return self._runs.get(body.continues or "") or event.id

    def _begin(self, event: Event, body: Any, kind: Kind, moment: float, home: int | None, run: str) -> int:
        spans = self._found.spans
        around = spans[home].path if home is not None else ()
        if kind == "turn":
            name = agent = body.agent
            path: Path = (*around, agent)
            if body.again is not None:
                self._replace(body.again)
        else:
            name = {"model": "model", "tool": "tool", "code": "executor", "person": "prompt"}[kind]
            name = str(getattr(body, name))
            caller = name_of(event.source) or "?"
            # A call by no agent of the team, such as that of the model that chooses who speaks, has a lane of its own.
            outside = home is None or self._is_choice(event, home)
            path = (*around, caller) if outside else around
            agent = path[-1]
        self._names.setdefault(agent, None)
        place = len(spans)
        spans.append(Span(kind, self._place, event.seq, agent, name, path, run, moment, within=home))
        self._begun[event.id] = place
        if kind == "person":
            self._questions[body.input_id] = place
        return place

    def _is_choice(self, event: Event, home: int) -> bool:
        # Straight under a run that is itself within a turn.
        return self._found.spans[home].kind == "turn" and event.parent in self._opened

    def _replace(self, seq: int) -> None:
        for span in self._found.spans[self._own :]:
            if span.seq == seq and span.kind == "turn":
                span.replaced = True

    def _end(self, place: int, event: Event, body: Any, moment: float) -> None:
        span = self._found.spans[place]
        span.end, span.end_seq, span.took = moment, event.seq, event.took
        span.outcome = "done"
        match span.kind:
            case "turn":
                span.outcome = body.outcome
            case "model":
                span.outcome = "failed" if body.error else "done"
                span.cached = bool(body.result is not None and body.result.cached)
            case "tool":
                span.outcome = "failed" if body.is_error else "done"
            case "code":
                span.outcome = "failed" if body.error or body.exit_code else "done"
        if event.usage is not None:
            span.prompt_tokens = event.usage.prompt_tokens
            span.completion_tokens = event.usage.completion_tokens
            span.cost_usd = event.usage.cost_usd

    def _at(self, event: Event) -> float:
        if self._zero is None:
            self._zero = event.at
        # A clock that was set back must not turn the axis round.
        moment = max(self._last, self._offset + (event.at - self._zero).total_seconds())
        self._last, self._before = moment, event.at
        return moment

    def _seam(self, event: Event, what: str) -> None:
        self._close(final=False)
        if self._before is None:
            return
        pause = seconds_between(self._before, event.at)
        self._found.seams.append(Seam(self._last, what, pause))
        self._offset, self._zero = self._last, event.at

    def _longer(self, event: Event) -> None:
        """Cut out what lies between a branch and its first run, too: a person may have thought about it for days."""
        if self._before is None:
            return
        pause = seconds_between(self._before, event.at)
        seams = self._found.seams
        if seams and seams[-1].pause is not None:
            seams[-1] = replace(seams[-1], pause=seams[-1].pause + pause)
        self._offset, self._zero = self._last, event.at

    def _close(self, *, final: bool) -> None:
        """End what has no end: with the turn it is part of, or where the facts end."""
        spans = self._found.spans
        for span in spans[self._own :]:
            if span.end_seq is not None or span.outcome != "open":
                continue
            around = span.within
            while around is not None and spans[around].end_seq is None:
                around = spans[around].within
            if around is not None:
                span.end, span.outcome = spans[around].end, "stopped"
            else:
                span.end = self._last
                if not final or not self._live:
                    span.outcome = "stopped"
        if not final:
            self._live.clear()
