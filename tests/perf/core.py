"""The actor core: sends, deliveries, growth, memory; each beside a bare call and, where there is one, a peer."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

from tests.perf.bench import Effort, Figure, Target, figure
from tests.perf.imports import imports
from tests.perf.peer import Contestant


class Row(NamedTuple):
    """A benchmark of the worker."""

    name: str
    label: str
    at_most: float | None = None
    """The target, as a part of the peer's figure."""


TIMED = (
    Row("send", "send and answer, dataclass", 1 / 50),
    Row("send_model", "send and answer, pydantic model", 1 / 50),
    Row("send_from", "send with a sender", 1 / 50),
    Row("send_within", "send from inside a handler", 1 / 50),
    Row("send_fan_in", "send, 100 senders at once", 1 / 50),
    Row("send_slow", "send to a handler that suspends"),
    Row("send_intercepted", "send past two intervention handlers"),
    Row("send_with_token", "send with a cancellation token"),
    Row("send_after_publish", "send right behind a publish"),
    Row("publish_1", "delivery, 1 subscriber"),
    Row("publish_10", "delivery, 10 subscribers"),
    Row("publish_100", "delivery, 100 subscribers", 1 / 30),
    Row("publish_1000", "delivery, 1000 subscribers", 1 / 30),
    Row("publish_slow_1", "delivery, 1 subscriber that suspends"),
    Row("publish_slow_10", "delivery, 10 subscribers that suspend"),
    Row("publish_slow_100", "delivery, 100 subscribers that suspend", 1 / 4),
    Row("publish_slow_1000", "delivery, 1000 subscribers that suspend", 1 / 4),
)

WATCHED = (
    (Row("send_logged", "send, written to a log"), "send"),
    (Row("publish_100_logged", "delivery, 100 subscribers, written to a log"), "publish_100"),
    (Row("send_bounded", "send to an agent that takes one at a time"), "send"),
)
"""What only agentnb does, each with the plain benchmark it is compared to."""

GROWTH = (
    (Row("new_topics", "publish on a new topic, {:,} foreign subscriptions"), 1.2),
    # Constant but for dictionaries that outgrow their tables now and then.
    (Row("subscribe", "add_subscription, {:,} there"), 2.0),
    (Row("register", "register an agent type, {:,} foreign subscriptions"), 2.0),
)
FEW = 10

HELD = (
    Row("idle_agents", "memory of an idle agent"),
    Row("queued_publishes", "memory of a queued message"),
)
HELD_BY_US = (Row("in_mailbox", "memory of a message in a bounded mailbox"),)

Enter = Callable[[ExitStack], list[Contestant]]
"""Starts the contestants of a round: ours, and the peer's where there is one."""


def rounds(effort: Effort, enter: Enter) -> Any:
    """Yield the contestants of each round, ours first in every other."""
    for number in range(effort.rounds):
        with ExitStack() as stack:
            contestants = list(enumerate(enter(stack)))
            yield contestants if number % 2 == 0 else contestants[::-1]


def timed(effort: Effort, enter: Enter) -> list[Figure]:
    """Sends and deliveries, in µs."""
    taken: dict[tuple[str, int], list[float]] = defaultdict(list)
    bare: dict[str, list[float]] = defaultdict(list)
    for contestants in rounds(effort, enter):
        for row in (*TIMED, *(row for row, _ in WATCHED)):
            for who, contestant in contestants:
                if who and row not in TIMED:
                    continue
                measured = contestant.ask(what="timed", name=row.name, seconds=effort.seconds)
                taken[row.name, who].append(measured["us"])
                if not who:
                    bare[row.name].append(measured["bare"])
    return [
        figure(
            row.label,
            taken[row.name, 0],
            baseline=bare[row.name],
            against="`await handler(message, ctx)`",
            peer=taken.get((row.name, 1), ()),
            target=None if row.at_most is None else Target("peer", row.at_most),
        )
        for row in TIMED
    ] + [
        figure(row.label, taken[row.name, 0], baseline=taken[plain, 0], against="the same without")
        for row, plain in WATCHED
    ]


def growth(effort: Effort, enter: Enter) -> list[Figure]:
    """What costs may grow with the subscriptions of others, in µs; few of them are the baseline."""
    taken: dict[tuple[str, int, int], list[float]] = defaultdict(list)
    for contestants in rounds(effort, enter):
        for who, contestant in contestants:
            for foreign in (FEW, effort.crowd):
                # As many units as the slower one can bear.
                units = min(effort.crowd // 10, 50 if who else 1000)
                for name, us in contestant.ask(what="grown", foreign=foreign, units=units).items():
                    taken[name, who, foreign].append(us)
    return [
        figure(
            row.label.format(effort.crowd),
            taken[row.name, 0, effort.crowd],
            baseline=taken[row.name, 0, FEW],
            against=f"the same, {FEW} foreign",
            peer=taken.get((row.name, 1, effort.crowd), ()),
            target=Target("baseline", at_most),
        )
        for row, at_most in GROWTH
    ]


def memory(effort: Effort, enter: Enter) -> list[Figure]:
    """Bytes held, as Python allocated them and as the system sees them; a fresh process for each."""
    figures: list[Figure] = []
    for row in (*HELD, *HELD_BY_US):
        taken: dict[tuple[str, int], list[float]] = defaultdict(list)
        for contestants in rounds(effort._replace(rounds=min(effort.rounds, 3)), enter):
            for who, contestant in contestants:
                if who and row in HELD_BY_US:
                    continue
                for how, held in contestant.ask(what="held", name=row.name, count=effort.crowd).items():
                    if held is not None:
                        taken[how, who].append(held)
        figures += [
            figure(f"{row.label}, {how}", ours, unit="bytes", peer=taken.get((how, 1), ()))
            for (how, who), ours in taken.items()
            if not who
        ]
    return figures


async def run(peer: str | None, effort: Effort, enter: Enter | None = None) -> list[Figure]:
    """Measure the core.

    Args:
        peer: The Python of an environment with AutoGen, if there is one to measure beside.
        effort: How long.
        enter: Starts the contestants, if they are others than that.
    """
    interpreters = (None,) if peer is None else (None, peer)

    def both(stack: ExitStack) -> list[Contestant]:
        return [stack.enter_context(Contestant(python)) for python in interpreters]

    enter = enter or both
    figures: list[Figure] = []
    for measure in (timed, growth, memory):
        print(f"core: {measure.__name__} …", file=sys.stderr)
        figures += measure(effort, enter)
    beside = None if peer is None else (peer, "import autogen_core")
    statement = "import agentnb.runtimes"
    figures.append(imports(statement, statement, "import pydantic", beside, rounds=effort.rounds))
    return figures
