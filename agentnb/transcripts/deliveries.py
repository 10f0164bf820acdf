"""From a runtime's facts to deliveries: what became of each message for each of those it was for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from agentnb.core.clock import seconds_between
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
)
from agentnb.runlog.events import EnvelopeSort
from agentnb.runlog.glance import body_of

Outcome = Literal["done", "failed", "stopped", "dropped", "unheard", "waiting", "running"]


@dataclass(slots=True)
class Delivery:
    """A message on its way to one recipient.

    Not frozen: its facts come one after the other, and whoever draws a runtime at work sees it change.
    """

    event: Event
    """The fact it stands for at present: `envelope.delivered`; before that, or without it, `envelope.sent` or
    `envelope.dropped`."""
    sort: EnvelopeSort
    message_id: str
    outcome: Outcome
    sent: Event | None = None
    type: str | None = None
    """The message's class."""
    payload: str | None = None
    sender: str | None = None
    """"type/key"; None for code outside of the runtime."""
    recipient: str | None = None
    """"type/key"; None for code outside, and for a published message that no agent has got."""
    topic: str | None = None
    """"type/source" of a published message."""
    began_at: datetime | None = None
    took: float | None = None
    """Seconds in the handler."""
    ended: Event | None = None
    """The fact that ended it, if that is another one."""
    error: str | None = None
    by: str | None = None
    """Who dropped it, or changed it on its way."""

    @property
    def waited(self) -> float | None:
        """Seconds from sending until a handler began."""
        if self.sent is None or self.began_at is None:
            return None
        return seconds_between(self.sent.at, self.began_at)


@dataclass(slots=True)
class Resident:
    """What is known of one agent besides its deliveries; its `capacity` changes as it works."""

    id: str
    role: str = ""
    """Its class."""
    error: str | None = None
    """Why it could not be made."""
    mailbox: Literal["", "full", "room"] = ""
    breaker: Literal["", "open", "half-open", "closed"] = ""


@dataclass(slots=True)
class DeliveryFold:
    """Deliveries and agents of a log, kept up to date fact by fact."""

    agents: dict[str, Resident] = field(default_factory=dict)
    _made: list[Delivery] = field(default_factory=list)
    # By the id of `envelope.sent`: the delivery that stands for a message nobody has got yet.
    _pending: dict[str, Delivery] = field(default_factory=dict)
    _sent: dict[str, Event] = field(default_factory=dict)
    _by: dict[str, str] = field(default_factory=dict)
    # By the id of `envelope.delivered`, until the handler ends.
    _running: dict[str, Delivery] = field(default_factory=dict)

    @property
    def deliveries(self) -> list[Delivery]:
        """All so far, in the order of the facts they stand for."""
        return sorted(self._made, key=lambda delivery: delivery.event.seq)

    def add(self, event: Event) -> None:
        """Take a fact into account; those that have nothing to do with a runtime's messages change nothing."""
        take = _TAKEN.get(event.kind)
        if take is not None:
            take(self, event, body_of(event))

    def _resident(self, agent: str) -> Resident:
        return self.agents.setdefault(agent, Resident(agent))

    def _open(self, sent: Event, body: EnvelopeSent) -> None:
        published = body.sort == "publish"
        delivery = Delivery(
            event=sent,
            sort=body.sort,
            message_id=body.message_id,
            outcome="waiting",
            sent=sent,
            type=body.type,
            payload=body.payload,
            sender=body.sender,
            recipient=None if published else body.recipient,
            topic=body.recipient if published else None,
        )
        self._sent[sent.id] = sent
        self._pending[sent.id] = delivery
        self._made.append(delivery)

    def _intercepted(self, event: Event, body: EnvelopeIntercepted) -> None:
        if body.changed and event.parent is not None:
            self._by[event.parent] = body.by
            if event.parent in self._pending:
                self._pending[event.parent].by = body.by

    def _of(self, event: Event, body: EnvelopeDelivered | EnvelopeDropped) -> Delivery:
        """Return the delivery a fact belongs to: the message's first, or one more of a message with several."""
        delivery = self._pending.pop(event.parent or "", None)
        if delivery is not None:
            delivery.event = event
            return delivery
        sent = self._sent.get(event.parent or "")
        said = None if sent is None else body_of(sent)
        delivery = Delivery(
            event=event,
            sort=body.sort,
            message_id=body.message_id,
            outcome="waiting",
            sent=sent,
            type=None if said is None else said.type,
            payload=None if said is None else said.payload,
            sender=body.sender,
            topic=said.recipient if said is not None and body.sort == "publish" else None,
            by=self._by.get(event.parent or ""),
        )
        self._made.append(delivery)
        return delivery

    def _delivered(self, event: Event, body: EnvelopeDelivered) -> None:
        delivery = self._of(event, body)
        delivery.recipient = body.agent
        delivery.topic = body.topic or delivery.topic
        delivery.began_at = event.at
        if body.sort == "response":
            delivery.outcome = "done"
            return
        delivery.outcome = "running"
        self._running[event.id] = delivery
        if body.agent is not None:
            self._resident(body.agent).role = body.role

    def _handled(self, event: Event, body: EnvelopeHandled) -> None:
        delivery = self._running.pop(event.parent or "", None)
        if delivery is None:
            return
        delivery.outcome, delivery.took, delivery.ended = body.outcome, event.took, event
        if body.outcome != "done":
            delivery.error = ": ".join(filter(None, [body.error_type, body.error])) or None

    def _dropped(self, event: Event, body: EnvelopeDropped) -> None:
        delivery = self._of(event, body)
        delivery.outcome, delivery.error, delivery.by = "dropped", body.why or None, body.by
        if body.sort != "publish" or body.recipient != delivery.topic:
            delivery.recipient = body.recipient

    def _agent_made(self, event: Event, body: AgentMade) -> None:
        resident = self._resident(body.agent)
        resident.role, resident.error = body.role, body.error

    def _capacity(self, event: Event, body: CapacityChanged) -> None:
        resident = self._resident(body.agent)
        if body.state in ("full", "room"):
            resident.mailbox = body.state
        else:
            resident.breaker = body.state  # type: ignore[assignment]

    def _over(self, event: Event, body: RunFinished) -> None:
        if event.source != "runtime":
            return
        for delivery in self._pending.values():
            # A sender that left, or a topic without hearers; neither leaves a fact of its own.
            delivery.outcome = "unheard" if delivery.sort == "publish" else "stopped"
        self._pending.clear()
        self._sent.clear()
        self._by.clear()


_TAKEN: dict[str, Callable[[DeliveryFold, Event, Any], None]] = {
    "envelope.sent": DeliveryFold._open,
    "envelope.intercepted": DeliveryFold._intercepted,
    "envelope.delivered": DeliveryFold._delivered,
    "envelope.handled": DeliveryFold._handled,
    "envelope.dropped": DeliveryFold._dropped,
    "agent.made": DeliveryFold._agent_made,
    "capacity": DeliveryFold._capacity,
    "run.finished": DeliveryFold._over,
}


def fold_deliveries(events: Iterable[Event]) -> DeliveryFold:
    """Read the deliveries of a log, or of a part of it."""
    fold = DeliveryFold()
    for event in events:
        fold.add(event)
    return fold
