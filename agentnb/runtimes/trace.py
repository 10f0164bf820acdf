"""Logs what becomes of each message; a runtime that nobody watches has no trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from agentnb.core import AgentId, EventId, TopicId, monotonic, plugins
from agentnb.runlog import (
    AgentMade,
    CapacityChanged,
    EnvelopeDelivered,
    EnvelopeDropped,
    EnvelopeHandled,
    EnvelopeIntercepted,
    EnvelopeSent,
    Event,
    RunFinished,
    RunLog,
    RunStarted,
    announce,
    current,
    observed,
    scope,
)
from agentnb.runlog.events import EnvelopeSort
from agentnb.runtimes.base import MessageContext
from agentnb.runtimes.intervention import Intervened
from agentnb.runtimes.serialization import payload_text

_RENEWED_AFTER = 10_000
"""Facts."""


def _text(id: AgentId | TopicId | None) -> str | None:
    return None if id is None else str(id)


def _passing_log() -> RunLog:
    log = RunLog()
    log.kept = False
    return log


class Trace:
    """Writes the facts of one runtime's deliveries.

    Args:
        log: Where they go; None: to a log that only passes them on, and is begun anew from time to time.
        tracer_provider: Spans are drawn for it too, if given.
    """

    def __init__(self, log: RunLog | None, tracer_provider: Any = None) -> None:
        self.log = _passing_log() if log is None else log
        self._tracer_provider = tracer_provider
        self._started: Event | None = None
        self._began = 0.0
        self._handled = 0
        self._attach()

    @staticmethod
    def wanted(log: RunLog | None, tracer_provider: Any, *, observable: bool) -> bool:
        """Tell whether anybody wants to see one."""
        return log is not None or tracer_provider is not None or (observable and observed())

    def _attach(self) -> None:
        announce(self.log)
        if self._tracer_provider is not None:
            plugins.load("telemetry", "otel")(self.log, self._tracer_provider)

    def started(self) -> None:
        """Open a run."""
        announce(self.log)  # those who have come since it was made, such as a tracer that was set up meanwhile
        self._began = monotonic()
        self._handled = 0
        self._started = self.log.append(
            RunStarted(runner="runtime", runner_type="SingleThreadedAgentRuntime"), source="runtime"
        )

    def stopped(self, error: BaseException | None) -> None:
        """Close the run."""
        if self._started is not None:
            self.log.append(
                RunFinished(
                    outcome="done" if error is None else "failed",
                    stop_reason=None if error is None else f"{type(error).__name__}: {error}",
                    messages=self._handled,
                ),
                source="runtime",
                parent=self._started.id,
                took=monotonic() - self._began,
            )
            self._started = None

    def at_rest(self) -> None:
        """Begin a new log where nobody keeps the old one: a runtime may live long, and nothing is under way now."""
        if not self.log.kept and len(self.log) > _RENEWED_AFTER and self._started is not None:
            self.stopped(None)
            self.log = _passing_log()
            self._attach()
            self.started()

    def _append(self, body: Any, *, parent: EventId | None = None, **where: Any) -> Event:
        here = current()
        if parent is None and self._started is not None and (here is None or here.log is not self.log):
            parent = self._started.id
        return self.log.append(body, parent=parent, **where)

    def made(self, agent_id: AgentId, agent: Any, error: BaseException | None, took: float) -> None:
        """Note that a factory made an agent, or failed."""
        self._append(
            AgentMade(
                agent=str(agent_id),
                role="" if agent is None else type(agent).__name__,
                description="" if agent is None else agent.metadata["description"],
                error=None if error is None else f"{type(error).__name__}: {error}",
            ),
            source=str(agent_id),
            took=took,
        )

    def sent(
        self,
        message: Any,
        context: MessageContext,
        recipient: AgentId | TopicId | None,
        sort: EnvelopeSort,
        *,
        parent: EventId | None = None,
    ) -> Event:
        """Note that a message was given to the runtime."""
        return self._append(
            EnvelopeSent(
                message_id=context.message_id,
                sort=sort,
                sender=_text(context.sender),
                recipient=_text(recipient),
                type=type(message).__name__,
                payload=payload_text(message),
            ),
            source=_text(context.sender) or "",
            parent=parent,
        )

    def intercepted(self, sent: Event | None, message_id: str, sort: EnvelopeSort, saw: Intervened) -> None:
        """Note that an intervention handler let a message pass."""
        self._append(
            EnvelopeIntercepted(message_id=message_id, sort=sort, by=saw.by, changed=saw.changed),
            source=saw.by,
            parent=sent.id if sent else None,
        )

    @contextmanager
    def handling(self, sent: Event | None, agent_id: AgentId, agent: Any, context: MessageContext) -> Iterator[Event]:
        """Note that a handler begins and ends; what it does in between belongs to it."""
        source = str(agent_id)
        delivered = self._append(
            EnvelopeDelivered(
                message_id=context.message_id,
                sort="send" if context.is_rpc else "publish",
                agent=source,
                sender=_text(context.sender),
                topic=_text(context.topic_id),
                role=type(agent).__name__,
            ),
            source=source,
            parent=sent.id if sent else None,
        )
        began = monotonic()
        outcome: Any = "done"
        failure: BaseException | None = None
        try:
            with scope(self.log, delivered.id, source):
                yield delivered
        except BaseException as error:
            outcome, failure = "failed" if isinstance(error, Exception) else "stopped", error
            raise
        finally:
            self._handled += 1
            self._append(
                EnvelopeHandled(
                    message_id=context.message_id,
                    agent=source,
                    outcome=outcome,
                    error=None if failure is None else str(failure),
                    error_type=None if failure is None else type(failure).__name__,
                ),
                source=source,
                parent=delivered.id,
                took=monotonic() - began,
            )

    def answered(self, answer: Event, context: MessageContext, agent_id: AgentId) -> None:
        """Note that a response reached who waits for it."""
        self._append(
            EnvelopeDelivered(
                message_id=context.message_id, sort="response", agent=_text(context.sender), sender=str(agent_id)
            ),
            source=_text(context.sender) or "",
            parent=answer.id,
        )

    def dropped(
        self,
        sent: Event | None,
        context: MessageContext,
        recipient: AgentId | TopicId | None,
        sort: EnvelopeSort,
        *,
        by: str,
        why: str,
    ) -> None:
        """Note that a message will not arrive."""
        self._append(
            EnvelopeDropped(
                message_id=context.message_id,
                sort=sort,
                sender=_text(context.sender),
                recipient=_text(recipient),
                by=by,
                why=why,
            ),
            source=by,
            parent=sent.id if sent else None,
        )

    def capacity(self, agent_id: AgentId, state: Any, failures: int, retry_after: float | None) -> None:
        """Note what a mailbox or its breaker does."""
        self._append(
            CapacityChanged(agent=str(agent_id), state=state, failures=failures, retry_after=retry_after),
            source=str(agent_id),
        )
