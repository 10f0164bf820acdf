"""What a runtime does and has done, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from agentnb.runtimes.residents import Kind


class AgentStatistics(NamedTuple):
    """Counts for the agents of one type."""

    type: str
    agents: int
    """Made so far."""
    waiting: int
    """Messages in the runtime's queue or in mailboxes."""
    in_flight: int
    """Handlers at work."""
    delivered: int
    dropped: int
    """Messages its agents were to have and did not get, for whatever reason: an intervention, `stop()`, a full mailbox,
    a sender that left; and answers of its agents that did not reach who asked."""
    failed: int
    """Handlers that raised, or were cancelled."""
    full: int
    """Mailboxes without room at present."""
    breaker: str
    """`"closed"`, `"half-open"` or `"open"`: the worst of its agents'; empty without a breaker."""


class Statistics(NamedTuple):
    """Counts for a runtime since it was made."""

    waiting: int
    in_flight: int
    delivered: int
    dropped: int
    """As for the types, a published message once for each who would have heard it; and once one that nobody would."""
    failed: int
    by_type: dict[str, AgentStatistics]

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per agent type, ready for `pandas.DataFrame`."""
        return [agent._asdict() for agent in self.by_type.values()]


def statistics_of(
    kinds: Mapping[str, Kind], queued: Mapping[str, int], in_queue: int, dropped_for_nobody: int
) -> Statistics:
    """Count what the agents of a runtime do.

    Args:
        kinds: The agent types.
        queued: Messages in the runtime's queue, by the type they are for.
        in_queue: Messages in the runtime's queue.
        dropped_for_nobody: Dropped messages that no agent of a known type would have heard.
    """
    rows = {name: _row(kind, queued.get(name, 0)) for name, kind in kinds.items()}
    held = sum(mailbox.held for kind in kinds.values() for mailbox in kind.mailboxes.values())
    return Statistics(
        waiting=in_queue + held,
        in_flight=sum(row.in_flight for row in rows.values()),
        delivered=sum(row.delivered for row in rows.values()),
        dropped=sum(row.dropped for row in rows.values()) + dropped_for_nobody,
        failed=sum(row.failed for row in rows.values()),
        by_type=rows,
    )


def _row(kind: Kind, queued: int) -> AgentStatistics:
    boxes = list(kind.mailboxes.values())
    breaker = ""
    if kind.capacity is not None and kind.capacity.breaker is not None:
        states = {box.breaker for box in boxes} or {"closed"}
        breaker = next(state for state in ("open", "half-open", "closed") if state in states)
    return AgentStatistics(
        type=kind.name,
        agents=kind.agents,
        waiting=sum(box.waiting for box in boxes) if kind.capacity is not None else queued,
        in_flight=kind.in_flight,
        delivered=kind.delivered,
        dropped=kind.dropped,
        failed=kind.failed,
        full=sum(box.taken >= box.capacity.bound for box in boxes),
        breaker=breaker,
    )
