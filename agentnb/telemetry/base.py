"""What readers of telemetry have in common: they follow logs and never disturb who writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from agentnb.core import plugins
from agentnb.messages import LLMMessage
from agentnb.runlog import EnvelopeDelivered, Event, RunLog, TurnStarted, shown


class Follower(Protocol):
    """Looks at each new fact of a log, and returns the way to end that.

    It runs inside of `append`: it takes note and returns. What it raises is reported to the logger `agentnb.runlog`,
    and ends it; the run goes on.
    """

    def __call__(self, log: RunLog) -> Callable[[], None]:
        """Begin."""


class Trail:
    """The facts of one log by id, for a reader who asks what caused one."""

    def __init__(self) -> None:
        self._facts: dict[str, Event] = {}

    def add(self, event: Event) -> None:
        """Take note of a fact."""
        self._facts[event.id] = event

    def cause(self, event: Event) -> Event | None:
        """Return what caused a fact; None if nothing did, or it is unknown."""
        return self._facts.get(event.parent or "")

    def causes(self, event: Event) -> Iterator[Event]:
        """Yield what caused a fact, then what caused that, and so on."""
        cause = self.cause(event)
        while cause is not None:
            yield cause
            cause = self.cause(cause)

    def agent(self, event: Event) -> str | None:
        """Return whose handler or turn a fact belongs to: "type/key" or an agent's name."""
        for cause in self.causes(event):
            body = cause.body
            if isinstance(body, EnvelopeDelivered) and body.sort != "response":
                return body.agent
            if isinstance(body, TurnStarted):
                return body.agent
        return None


def follow(log: RunLog, trail: Trail, feed: Callable[[Event], None]) -> Callable[[], None]:
    """Feed each new fact, with those before it known to `trail`; return the way to end that."""
    for event in log:
        trail.add(event)

    def watcher(item: Any) -> None:
        if isinstance(item, Event):
            trail.add(item)
            feed(item)

    return log.watch(watcher)


def shown_to(log: RunLog, call: Event) -> list[LLMMessage]:
    """Return the messages a model was shown; none if the log does not hold them, as one cut short does not."""
    try:
        return shown(log, call)
    except (ValueError, IndexError):
        return []


def agent_here(where: str) -> str | None:
    """Return the id of the agent whose handler runs here ("handling"), or that is being made here ("making")."""
    # By name: a reader imports no runtime.
    context = plugins.load("context", where)
    try:
        return str(context.agent_id() if where == "handling" else context.current_agent_id())
    except RuntimeError:
        return None
