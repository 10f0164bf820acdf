"""The spans of one log's facts: which there are, where each belongs, and when it ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from agentnb.runlog import (
    AgentMade,
    EnvelopeDelivered,
    EnvelopeDropped,
    EnvelopeHandled,
    EnvelopeIntercepted,
    EnvelopeSent,
    ErrorRaised,
    Event,
    ModelFinished,
    ModelStarted,
    Participant,
    RunFinished,
    RunLog,
    RunStarted,
    Said,
    TurnFinished,
    TurnStarted,
)
from agentnb.telemetry import genai, messaging
from agentnb.telemetry.base import Trail
from agentnb.telemetry.current import Current
from agentnb.telemetry.spans import Closing, Opening, api

if TYPE_CHECKING:
    from opentelemetry.trace import Span, SpanContext, TracerProvider

SILENCE_VARIABLE = "AUTOGEN_DISABLE_RUNTIME_TRACING"
RUNTIME_TRACER = "autogen SingleThreadedAgentRuntime"
TRACER = "agentnb"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Place(NamedTuple):
    """Where the spans of what a fact causes belong."""

    context: SpanContext | None
    """None: each is the root of a trace."""
    whole: bool = False
    """Within a run of agents, whose spans stay together in one trace."""


class Drawing:
    """Draws the spans of one log.

    Args:
        log: Whose facts are fed.
        provider: Makes the tracers.
        live: Whether what has no cause in the log belongs to the span that is current where it is written.
    """

    def __init__(self, log: RunLog, provider: TracerProvider, *, live: bool) -> None:
        self.log = log
        self.trail = Trail()
        self._trace = api()
        self._tracer = provider.get_tracer(TRACER)
        silent = os.environ.get(SILENCE_VARIABLE, "").lower() == "true"
        self._runtime = None if silent else provider.get_tracer(RUNTIME_TRACER)
        self._live = live
        self._current = Current(log) if live else None
        self._open: dict[str, Span] = {}
        self._places: dict[str, _Place] = {}
        self._creations: dict[str, tuple[SpanContext, SpanContext]] = {}
        self._agents: dict[tuple[str, str], Participant] = {}
        self._created: set[Participant] = set()
        self._work: dict[str, genai.Work] = {}
        self._classes: dict[str, str] = {}
        self._errors: dict[str | None, str] = {}
        self._last = 0
        self._steps: dict[str, Callable[[Event, Any], None]] = {
            "run.started": self._run_started,
            "run.finished": self._run_finished,
            "turn.started": self._turn_started,
            "turn.finished": self._turn_finished,
            "error": self._error,
            "model.started": self._asked_model,
            "model.finished": self._answered_by_model,
            "message": self._worked,
            "tool.started": lambda event, body: self._begin(event, genai.of_tool(body)),
            "tool.finished": lambda event, body: self._end(event, genai.tool_closing(body)),
            "code.started": lambda event, body: self._begin(event, genai.of_code(body)),
            "code.finished": lambda event, body: self._end(event, genai.code_closing(body)),
            "memory.started": lambda event, body: self._begin(event, genai.of_memory(body)),
            "memory.finished": lambda event, body: self._end(event, genai.memory_closing(body)),
            "agent.made": self._made,
            "envelope.sent": self._sent,
            "envelope.intercepted": self._intercepted,
            "envelope.delivered": self._delivered,
            "envelope.handled": self._handled,
            "envelope.dropped": self._dropped,
        }

    def feed(self, event: Event) -> None:
        """Draw what a fact begins, ends or is."""
        self._last = _nanoseconds(event.at)
        step = self._steps.get(event.kind)
        if step is not None:
            step(event, event.body)

    def close(self) -> None:
        """End what is still open: what began and has no end in the log."""
        for span in self._open.values():
            span.set_attribute("agentnb.outcome", "unfinished")
            span.end(self._last)
        self._open.clear()
        if self._current is not None:
            self._current.close()

    # Spans

    def _place(self, event: Event) -> _Place:
        for cause in self.trail.causes(event):
            place = self._places.get(cause.id)
            if place is not None:
                return place
        return _Place(None)

    def _start(
        self,
        opening: Opening,
        at: int,
        parent: SpanContext | None,
        *,
        links: Iterable[SpanContext] = (),
        tracer: Any = None,
        alone: bool = False,
    ) -> Span:
        trace = self._trace
        context = None
        if parent is not None:
            context = trace.set_span_in_context(trace.NonRecordingSpan(parent))
        elif alone or not self._live:
            context = trace.set_span_in_context(trace.INVALID_SPAN)
        span: Span = (tracer or self._tracer).start_span(
            opening.name,
            context=context,
            kind=trace.SpanKind[opening.kind],
            attributes=opening.attributes,
            links=[trace.Link(link) for link in links],
            start_time=at,
        )
        return span

    def _begin(self, event: Event, opening: Opening, *, whole: bool = False, current: bool = True) -> None:
        place = self._place(event)
        span = self._start(opening, _nanoseconds(event.at), place.context)
        self._opened(event, span, whole or place.whole, current=current)

    def _opened(self, event: Event, span: Span, whole: bool, *, current: bool) -> None:
        self._open[event.id] = span
        self._places[event.id] = _Place(span.get_span_context(), whole)
        if current and self._current is not None:
            self._current.enter(event, span)

    def _end(self, event: Event, closing: Closing) -> None:
        span = self._open.pop(event.parent or "", None)
        if span is not None:
            self._finish(span, closing, _nanoseconds(event.at))

    def _finish(self, span: Span, closing: Closing, at: int) -> None:
        span.set_attributes(closing.attributes)
        if closing.error_type is not None:
            span.set_attribute("error.type", closing.error_type)
            span.set_status(self._trace.StatusCode.ERROR, closing.error or closing.error_type)
        span.end(at)

    # Runs and turns

    def _run_started(self, event: Event, body: RunStarted) -> None:
        self._agents.update({(event.id, agent.name): agent for agent in body.participants})
        # The run of a runtime is a container's, not a conversation's.
        if not body.participants:
            return
        self._begin(event, genai.of_run(self.log, body), whole=True)
        if genai.is_agent(body):
            self._work[event.id] = genai.Work()
        at = _nanoseconds(event.at)
        for agent in body.participants:
            if agent not in self._created:
                self._created.add(agent)
                self._start(genai.of_participant(self.log, agent), at, self._places[event.id].context).end(at)

    def _run_finished(self, event: Event, body: RunFinished) -> None:
        self._end(event, self._outcome(event, body))

    def _turn_started(self, event: Event, body: TurnStarted) -> None:
        run = self.trail.cause(event)
        # The one turn of an agent that was asked by itself is its run.
        if run is None or not (isinstance(run.body, RunStarted) and genai.is_agent(run.body)):
            agent = self._agents.get((event.parent or "", body.agent)) or Participant(name=body.agent)
            self._begin(event, genai.of_turn(self.log, agent))
            self._work[event.id] = genai.Work()

    def _turn_finished(self, event: Event, body: TurnFinished) -> None:
        self._end(event, self._outcome(event, body))

    def _outcome(self, event: Event, body: RunFinished | TurnFinished) -> Closing:
        failed = self._errors.pop(event.parent, "_OTHER") if body.outcome == "failed" else None
        error = body.stop_reason or "" if isinstance(body, RunFinished) else ""
        work = self._work.pop(event.parent or "", None)
        attributes = {} if work is None else work.attributes
        return Closing({"agentnb.outcome": body.outcome, **attributes}, failed, error)

    def _asked_model(self, event: Event, body: ModelStarted) -> None:
        # A stream hands its pieces to the one who asked, in whose context the span would be current meanwhile.
        self._begin(event, genai.of_model(self.log, event, body), current=not body.streaming)

    def _answered_by_model(self, event: Event, body: ModelFinished) -> None:
        self._end(event, genai.model_closing(body))
        self._worked(event, body)

    def _worked(self, event: Event, body: ModelFinished | Said) -> None:
        """Let the agent whose span is nearest know what was done in it."""
        asked = self.trail.cause(event)
        if isinstance(body, Said) and (asked is None or not isinstance(asked.body, TurnStarted)):
            return  # a task
        for cause in self.trail.causes(event):
            if cause.id in self._work:
                self._work[cause.id].add(event, body)
                return
            if isinstance(cause.body, RunStarted):
                return  # a team's: what its policy does is no agent's work

    def _error(self, event: Event, body: ErrorRaised) -> None:
        self._errors[event.parent] = body.type
        span = self._open.get(event.parent or "")
        if span is not None:
            about = {"type": body.type, "message": body.message, "stacktrace": body.traceback}
            attributes = {f"exception.{key}": value for key, value in about.items()}
            span.add_event("exception", attributes, _nanoseconds(event.at))

    # Messages

    def _made(self, event: Event, body: AgentMade) -> None:
        self._classes[messaging.agent_type(body.agent)] = body.role
        opening, closing = genai.of_making(body)
        began = _nanoseconds(event.at - timedelta(seconds=event.took or 0.0))
        self._finish(self._start(opening, began, self._place(event).context), closing, _nanoseconds(event.at))

    def _sent(self, event: Event, body: EnvelopeSent) -> None:
        if self._runtime is None or body.sort == "response":
            return
        place = self._place(event)
        at = _nanoseconds(event.at)
        created = self._start(messaging.of_creation(body), at, place.context, tracer=self._runtime)
        created.end(at)
        link = created.get_span_context()
        span = self._start(messaging.of_sending(body), at, place.context, links=[link], tracer=self._runtime)
        if body.sort == "publish":
            # Nobody may hear the topic: then no other fact would end it.
            span.end(at)
        else:
            self._open[event.id] = span
        self._creations[event.id] = (link, span.get_span_context())

    def _hop(self, event: Event) -> tuple[_Place, tuple[SpanContext, ...]]:
        """Return where what becomes of a message belongs, and what it is linked to."""
        sent = self.trail.cause(event)
        links = self._creations.get(sent.id, ()) if sent is not None else ()
        place = self._place(event)
        return _Place(place.context if place.whole else None, place.whole), links

    def _intercepted(self, event: Event, body: EnvelopeIntercepted) -> None:
        if self._runtime is not None and body.sort != "response":
            began = _nanoseconds(event.at - timedelta(seconds=event.took or 0.0))
            self._point(event, messaging.of_interception(body), Closing({}), began)

    def _point(self, event: Event, opening: Opening, closing: Closing, began: int) -> None:
        place, links = self._hop(event)
        span = self._start(opening, began, place.context, links=links, tracer=self._runtime, alone=True)
        self._finish(span, closing, _nanoseconds(event.at))

    def _delivered(self, event: Event, body: EnvelopeDelivered) -> None:
        if self._runtime is None:
            return
        if body.sort == "response":
            self._answered(event, body)
            return
        if body.role and body.agent:
            self._classes[messaging.agent_type(body.agent)] = body.role
        self._end(event, Closing({}))
        place, links = self._hop(event)
        sent = self.trail.cause(event)
        opening = messaging.of_processing(body, sent.body if sent else None, self._classes)
        at = _nanoseconds(event.at)
        span = self._start(opening, at, place.context, links=links, tracer=self._runtime, alone=True)
        self._opened(event, span, place.whole, current=True)

    def _answered(self, event: Event, body: EnvelopeDelivered) -> None:
        answer = self.trail.cause(event)
        process = self.trail.cause(answer) if answer else None
        question = self.trail.cause(process) if process else None
        began = _nanoseconds((answer or event).at)
        done = self._places.get(process.id) if process else None
        links = [done.context] if done and done.context else []
        parent = self._place(question).context if question else None
        span = self._start(messaging.of_acknowledgement(body), began, parent, links=links, tracer=self._runtime)
        span.end(_nanoseconds(event.at))

    def _handled(self, event: Event, body: EnvelopeHandled) -> None:
        self._end(event, messaging.handled_closing(body))

    def _dropped(self, event: Event, body: EnvelopeDropped) -> None:
        if self._runtime is None or body.sort == "response":
            return
        self._end(event, messaging.dropped_closing(body))
        at = _nanoseconds(event.at)
        if body.by not in ("capacity", "stop"):
            self._point(event, messaging.of_interception(body), messaging.dropped_closing(body), at)
        elif body.sort == "publish":
            self._point(event, *messaging.of_loss(body), at)


def _nanoseconds(at: datetime) -> int:
    # Exact: a float has no room for the nanoseconds since 1970.
    since = at - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000
