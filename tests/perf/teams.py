"""Turns, crowds and memory of a team, beside a peer's."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

from tests.perf.bench import Effort, Figure, Target, figure
from tests.perf.core import Enter, rounds
from tests.perf.peer import TALKER, Contestant


class Row(NamedTuple):
    """A benchmark of the talker."""

    name: str
    units: int
    label: str
    at_most: float | None = None
    """The target, as a part of the peer's figure."""
    log: bool = True
    """Whether our facts are written to a file."""


TURNS = (
    Row("said", 50, "team turn, 50 turns, no model", 1 / 10),
    Row("said", 500, "team turn, 500 turns, no model", 1 / 10),
    Row("asked", 50, "team turn, 50 turns, instant model", 1 / 10),
    Row("asked", 500, "team turn, 500 turns, instant model", 1 / 10),
    Row("asked", 500, "team turn, 500 turns, instant model, log in memory", log=False),
)

LONG = (
    Row("said", 50, "team turn, {:,} turns, no model"),
    Row("asked_bounded", 50, "team turn, {:,} turns, instant model shown 10 messages"),
    Row("asked", 50, "team turn, {:,} turns, instant model shown everything"),
)
"""What a turn of a long conversation costs, beside one of a conversation of so many turns."""
FLAT = Target("baseline", 1.1)

TEAMS, ROUND, SECONDS = 100, 6, 0.05
"""So many teams at once, turns of each, and how long their model takes."""


def contestants(peer: str | None) -> Enter:
    """Return what starts a talker of ours and, if there is one, the peer's."""

    def enter(stack: ExitStack) -> list[Contestant]:
        return [
            stack.enter_context(Contestant(python, TALKER)) for python in ((None,) if peer is None else (None, peer))
        ]

    return enter


def timed(effort: Effort, enter: Enter, rows: Sequence[Row], **more: Any) -> list[Figure]:
    """Measure rows beside the peer, in µs per unit."""
    taken: dict[tuple[Row, int], list[float]] = defaultdict(list)
    for present in rounds(effort, enter):
        for row in rows:
            units = min(row.units, effort.crowd)
            for who, contestant in present:
                us = contestant.ask(what="timed", name=row.name, units=units, log=row.log, **more)
                taken[row, who].append(us)
    return [
        figure(
            row.label,
            taken[row, 0],
            peer=taken.get((row, 1), ()),
            target=None if row.at_most is None else Target("peer", row.at_most),
        )
        for row in rows
    ]


def long(effort: Effort, enter: Enter) -> list[Figure]:
    """Measure whether a turn costs the same late in a conversation; ours alone."""
    turns = effort.crowd // 2
    figures = []
    for row in LONG:
        few, many = [], []
        for present in rounds(effort, enter):
            ours = next(contestant for who, contestant in present if not who)
            # As many turns either way: short conversations one after the other.
            few.append(ours.ask(what="timed", name=row.name, units=row.units, times=max(1, turns // row.units)))
            many.append(ours.ask(what="timed", name=row.name, units=turns))
        figures.append(figure(row.label.format(turns), many, baseline=few, against=f"{row.units} turns", target=FLAT))
    return figures


def crowd(effort: Effort, enter: Enter) -> list[Figure]:
    """Many teams at once, in seconds of wall time; ideal is what their models take."""
    taken: dict[int, list[float]] = defaultdict(list)
    teams = min(TEAMS, effort.crowd // 100)
    for present in rounds(effort, enter):
        for who, contestant in present:
            taken[who].append(contestant.ask(what="crowd", units=teams, turns=ROUND, seconds=SECONDS))
    return [
        figure(
            f"{teams} teams at once, {ROUND} turns of {SECONDS * 1e3:.0f} ms (wall)",
            taken[0],
            unit="s",
            baseline=[ROUND * SECONDS] * len(taken[0]),
            against="the models' time",
            peer=taken.get(1, ()),
            target=Target("baseline", 1.2),
        )
    ]


def memory(effort: Effort, enter: Enter) -> list[Figure]:
    """Bytes that a turn of a long conversation leaves behind: result, thread, three contexts and, ours, the log."""
    taken: dict[int, list[float]] = defaultdict(list)
    turns = max(20, effort.crowd // 5)
    for present in rounds(effort._replace(rounds=min(effort.rounds, 3)), enter):
        for who, contestant in present:
            for part, length in enumerate((turns // 2, turns)):
                held = contestant.ask(what="held", units=length)
                taken[2 * who + part].append(held["allocated"])
    return [
        figure(
            f"memory of a turn, {turns:,} turns, instant model",
            taken[1],
            unit="bytes",
            baseline=taken[0],
            against=f"{turns // 2:,} turns",
            peer=taken.get(3, ()),
            target=FLAT,
        )
    ]


async def run(peer: str | None, effort: Effort, enter: Enter | None = None) -> list[Figure]:
    """Measure short and long conversations, and many at once."""
    enter = enter or contestants(peer)
    print("teams …", file=sys.stderr)
    return [*timed(effort, enter, TURNS), *long(effort, enter), *crowd(effort, enter), *memory(effort, enter)]
