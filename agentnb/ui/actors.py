"""Who sends what to whom on a runtime: agents, topics and the ways between them, counted from deliveries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from agentnb.transcripts import Delivery, DeliveryFold
from agentnb.ui.page import hue_of

OUTSIDE = ""
"""The name of code outside of the runtime: a cell, a script."""
NODES = 30
"""More agents and topics than this are put together by type."""

NodeKind = Literal["agent", "topic", "outside", "others"]
LinkSort = Literal["send", "publish", "hear", "response"]


@dataclass(frozen=True, slots=True)
class Node:
    """An agent, a topic, the code outside; or several of a type together."""

    name: str
    kind: NodeKind
    type: str
    keys: tuple[str, ...] = ()
    """The agent's key or the topic's source; several where they are put together."""
    signs: tuple[str, ...] = ()
    """What is not as it should be at present: "mailbox full", "breaker open", "could not be made"."""

    @property
    def below(self) -> str:
        """The line under the type."""
        match self.kind:
            case "outside":
                return "your code"
            case "others":
                return f"{len(self.keys)} together"
        if len(self.keys) == 1:
            return self.keys[0]
        return f"{len(self.keys)} {self.kind}s: {', '.join(self.keys)}"


@dataclass(slots=True)
class Link:
    """All messages that went one way; not frozen, it counts."""

    source: str
    target: str
    sort: LinkSort
    count: int = 0
    types: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)

    def add(self, delivery: Delivery) -> None:
        """Count one more."""
        self.count += 1
        self.types[delivery.type or "message"] += 1
        self.outcomes[delivery.outcome] += 1

    @property
    def failed(self) -> int:
        return self.outcomes["failed"] if self.sort != "publish" else 0

    @property
    def dropped(self) -> int:
        return self.outcomes["dropped"]

    @property
    def unheard(self) -> int:
        return self.outcomes["unheard"]

    @property
    def open(self) -> int:
        """Messages that wait or are being handled."""
        return self.outcomes["waiting"] + self.outcomes["running"] if self.sort != "publish" else 0

    @property
    def stopped(self) -> int:
        return self.outcomes["stopped"] if self.sort != "publish" else 0

    @property
    def troubles(self) -> list[str]:
        """What did not go well, in words."""
        said = {"failed": self.failed, "dropped": self.dropped, "stopped": self.stopped, "unheard": self.unheard}
        return [f"{count} {word}" for word, count in said.items() if count]

    @property
    def what(self) -> str:
        """The messages' class; of several the most frequent one and how many more."""
        first = self.types.most_common(1)[0][0]
        return first + (f" +{len(self.types) - 1}" if len(self.types) > 1 else "")


@dataclass(frozen=True, slots=True)
class Actors:
    """A picture's contents, nodes in the order of their first appearance."""

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    deliveries: int
    outcomes: Counter[str]
    remark: str = ""
    """What was put together; empty if nothing."""
    hues: dict[str, str] = field(default_factory=dict)
    """Colours of agent types."""

    @property
    def title(self) -> str:
        """One line with the numbers."""
        agents = sum(max(len(node.keys), 1) for node in self.nodes if node.kind == "agent")
        topics = sum(max(len(node.keys), 1) for node in self.nodes if node.kind == "topic")
        others = sum(len(node.keys) for node in self.nodes if node.kind == "others")
        parts = [_many(agents, "agent"), _many(topics, "topic")] + ([f"{others} others"] if others else [])
        parts += [_many(self.deliveries, "delivery", "deliveries")]
        words = {"failed": "failed", "dropped": "dropped", "stopped": "stopped", "unheard": "unheard"}
        parts += [f"{self.outcomes[key]} {word}" for key, word in words.items() if self.outcomes[key]]
        at_work = self.outcomes["running"] + self.outcomes["waiting"]
        return ", ".join(parts + ([f"{at_work} under way"] if at_work else []))

    def label(self, name: str) -> str:
        """Return a node's name for a line of text."""
        return label(next(node for node in self.nodes if node.name == name))

    def rows(self) -> list[tuple[str, str, str, str, int, str]]:
        """Return one row per way: from, how, to, message types, count, troubles."""
        how = {"send": "sends", "publish": "publishes to", "hear": "reaches", "response": "answers"}
        return [
            (
                self.label(link.source),
                how[link.sort],
                self.label(link.target),
                ", ".join(link.types),
                link.count,
                ", ".join([*link.troubles, *([f"{link.open} under way"] if link.open else [])]),
            )
            for link in self.links
        ]

    def facts(self) -> list[str]:
        """Return what the picture shows as sentences without full stop."""
        lines = [
            f"{source} {how} {target}: {count} {types}" + (f" ({trouble})" if trouble else "")
            for source, how, target, types, count, trouble in self.rows()
        ]
        return lines + self.asides()

    def asides(self) -> list[str]:
        """Return what is not about a way."""
        signs = [f"{label(node)}: {', '.join(node.signs)}" for node in self.nodes if node.signs]
        return signs + ([self.remark] if self.remark else [])


def _many(count: int, one: str, more: str = "") -> str:
    return f"{count} {one if count == 1 else more or one + 's'}"


def label(node: Node) -> str:
    """Return a node's name for a line of text."""
    if node.kind == "outside":
        return "your code"
    name = f"{node.type}/{node.keys[0]}" if len(node.keys) == 1 else f"{node.type} ({node.below})"
    return f"topic {name}" if node.kind == "topic" else name


@dataclass(frozen=True, slots=True)
class Places:
    """Which node an agent or a topic is drawn as."""

    agents: dict[str, str]
    topics: dict[str, str]
    nodes: dict[str, Node]
    remark: str = ""
    hues: dict[str, str] = field(default_factory=dict)
    """Colours of agent types, the same in every view of a log."""

    def agent(self, id: str | None) -> str:
        """Return the node of an agent; None is the code outside."""
        return OUTSIDE if id is None else self.agents[id]


def places(
    fold: DeliveryFold, deliveries: Sequence[Delivery], *, last: int | None = None, limit: int = NODES
) -> Places:
    """Decide who has a place of its own.

    Args:
        fold: What is known of the agents.
        deliveries: All of them: the order of first appearance is that of the whole log.
        last: Only those who have a part in as many deliveries at the end, and no topics; None takes all.
        limit: More than this are put together by type; if that is not enough, the least busy as "others".
    """
    busy: Counter[tuple[str, str]] = Counter()
    first = 0 if last is None else len(deliveries) - last
    drawn = {id(one) for one in deliveries[max(first, 0) :]}
    for one in sorted(deliveries, key=lambda one: (one.sent or one.event).seq):
        weight = int(id(one) in drawn)
        busy[("outside", OUTSIDE) if one.sender is None else ("agent", one.sender)] += weight
        if one.topic is not None and last is None:
            busy["topic", one.topic] += weight
        if one.recipient is not None:
            busy["agent", one.recipient] += weight
        elif one.topic is None:
            busy["outside", OUTSIDE] += weight
    if last is None:
        for agent in fold.agents:
            busy["agent", agent] += 0
    else:
        busy = +busy
    hues: dict[str, str] = {}
    for agent in fold.agents:
        hue_of(agent.partition("/")[0], hues)
    members: dict[tuple[str, str], list[tuple[str, str]]] = {item: [item] for item in busy}
    remarks = []
    if len(members) > limit:
        for kind in ("agent", "topic"):
            if len(members) > limit:
                members = _by_type(members, kind)
        remarks.append(f"{len(busy)} agents and topics are drawn by type, as more than {limit} cannot be read")
    if len(members) > limit:
        ranked = sorted(members, key=lambda key: -sum(busy[item] for item in members[key]))
        rest = [key for key in ranked[limit - 1 :] if key[0] != "outside"]
        members["others", "…"] = [item for key in rest for item in members.pop(key)]
        remarks.append(f"the {len(members['others', '…'])} least busy are drawn as one")
    nodes = {_name(key): _node(key, items, fold) for key, items in members.items()}
    where = {item: _name(key) for key, items in members.items() for item in items}
    return Places(
        {id: name for (kind, id), name in where.items() if kind == "agent"},
        {id: name for (kind, id), name in where.items() if kind == "topic"},
        nodes,
        "; ".join(remarks),
        hues,
    )


def _by_type(
    members: dict[tuple[str, str], list[tuple[str, str]]], kind: str
) -> dict[tuple[str, str], list[tuple[str, str]]]:
    together: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for key, items in members.items():
        place = (kind, key[1].partition("/")[0]) if key[0] == kind else key
        together.setdefault(place, []).extend(items)
    return together


def _name(key: tuple[str, str]) -> str:
    return OUTSIDE if key[0] == "outside" else f"{key[0]} {key[1]}"


def _node(key: tuple[str, str], items: Sequence[tuple[str, str]], fold: DeliveryFold) -> Node:
    kind, id = key
    if kind == "outside":
        return Node(OUTSIDE, "outside", "outside")
    if kind == "others":
        return Node(_name(key), "others", "others", tuple(item[1] for item in items))
    signs: Counter[str] = Counter()
    for _, one in items:
        resident = fold.agents.get(one) if kind == "agent" else None
        if resident is None:
            continue
        signs["could not be made"] += resident.error is not None
        signs["mailbox full"] += resident.mailbox == "full"
        signs[f"breaker {resident.breaker}"] += resident.breaker in ("open", "half-open")
    said = tuple(f"{count} {sign}" if len(items) > 1 else sign for sign, count in signs.items() if count)
    keys = tuple(item[1].partition("/")[2] for item in items)
    return Node(_name(key), "agent" if kind == "agent" else "topic", id.partition("/")[0], keys, said)


def actors(fold: DeliveryFold) -> Actors:
    """Count who sends what to whom."""
    deliveries = fold.deliveries
    where = places(fold, deliveries)
    links: dict[tuple[str, str, str], Link] = {}
    published: set[str] = set()

    def add(source: str, target: str, sort: LinkSort, delivery: Delivery) -> None:
        links.setdefault((source, target, sort), Link(source, target, sort)).add(delivery)

    for one in deliveries:
        sender = where.agent(one.sender)
        if one.sort != "publish" or one.topic is None:
            add(sender, where.agent(one.recipient), "response" if one.sort == "response" else "send", one)
            continue
        topic = where.topics[one.topic]
        message = one.sent.id if one.sent else one.message_id
        if message not in published:
            published.add(message)
            add(sender, topic, "publish", one)
            if one.recipient is not None and one.outcome == "dropped":
                links[sender, topic, "publish"].outcomes["dropped"] -= 1  # one hearer's matter, not the message's
        if one.recipient is not None:
            add(topic, where.agent(one.recipient), "hear", one)
    return Actors(
        tuple(where.nodes.values()),
        tuple(links.values()),
        len(deliveries),
        Counter(one.outcome for one in deliveries),
        where.remark,
        where.hues,
    )


def plain_table(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as lines of columns."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in texts
    )
