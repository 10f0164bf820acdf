"""Saving and loading the state of a team, beside a peer's."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.perf.bench import Effort, Figure, Target, figure
from tests.perf.core import Enter, rounds
from tests.perf.peer import Contestant

SAVER = Path(__file__).with_name("saver.py")
SIZES = (1_000, 10_000)
NEW = 10
"""Messages said since the last save."""
ROWS = {
    "first": "first save of {:,} messages, per message",
    "again": "next save of {:,} messages, per message",
    "load": "load of {:,} messages, per message",
    "both": "first save and load of {:,} messages, together, per message",
    "back": "load of {:,} messages and a save at once, per message",
    "looked": "load of {:,} messages and a look at the end of each context, per message",
    "whole": "load of {:,} messages and a look at all of each context, per message",
}


def contestants(peer: str | None) -> Enter:
    """Return what starts a saver of ours and, if there is one, the peer's."""

    def enter(stack: ExitStack) -> list[Contestant]:
        pythons: Sequence[str | None] = (None,) if peer is None else (None, peer)
        return [stack.enter_context(Contestant(python, SAVER)) for python in pythons]

    return enter


async def run(peer: str | None, effort: Effort, enter: Enter | None = None) -> list[Figure]:
    """Measure states of short and long conversations, and what a save costs by what is new."""
    print("state …", file=sys.stderr)
    sizes = [min(size, effort.crowd) for size in SIZES]
    taken: dict[tuple[str, int, int], list[float]] = defaultdict(list)
    for present in rounds(effort, enter or contestants(peer)):
        for size, measured in zip(SIZES, sizes, strict=True):
            for who, contestant in present:
                for what, us in contestant.ask(messages=measured, new=NEW).items():
                    taken[what, size, who].append(us / (NEW if what == "more" else measured))
    tenth = Target("peer", 1 / 10)
    figures = [
        figure(label.format(size), taken[what, size, 0], peer=taken.get((what, size, 1), ()), target=tenth)
        for what, label in ROWS.items()
        for size in SIZES
    ]
    few, many = SIZES
    return [
        *figures,
        figure(
            f"save after {NEW} new messages of {many:,}, per new message",
            taken["more", many, 0],
            baseline=taken["more", few, 0],
            against=f"the same of {few:,}",
            peer=taken.get(("more", many, 1), ()),
            target=Target("baseline", 2),
        ),
    ]
