"""The tool loop: one call after the other, and several at once."""

from __future__ import annotations

import sys
from collections import defaultdict

from tests.perf.bench import Effort, Figure, Target, figure
from tests.perf.core import Enter, rounds
from tests.perf.teams import Row, contestants, timed

LOOPS = (
    Row("looped", 10, "tool call in the loop, 10 calls", 1 / 15),
    Row("looped", 50, "tool call in the loop, 50 calls", 1 / 15),
    Row("looped", 10, "tool call in the loop, 10 calls, log in memory", 1 / 15, log=False),
    Row("looped", 50, "tool call in the loop, 50 calls, log in memory", 1 / 15, log=False),
)
AT_ONCE, SECONDS = 10, 0.05
KINDS = (("async", False, 0.052), ("plain", True, 0.055))
"""Kinds of functions, whether they block, and the most seconds that all calls may take together."""


def parallel(effort: Effort, enter: Enter) -> list[Figure]:
    """Calls of one model answer, each of which waits; in ms of wall time."""
    taken: dict[tuple[str, int], list[float]] = defaultdict(list)
    for present in rounds(effort, enter):
        for kind, blocking, _ in KINDS:
            for who, contestant in present:
                took = contestant.ask(what="parallel", units=AT_ONCE, blocking=blocking, seconds=SECONDS)
                taken[kind, who].append(took * 1e3)
    return [
        figure(
            f"{AT_ONCE} calls at once of {SECONDS * 1e3:.0f} ms, {kind} functions (wall)",
            taken[kind, 0],
            unit="ms",
            baseline=[SECONDS * 1e3] * len(taken[kind, 0]),
            against="one call's wait",
            peer=taken.get((kind, 1), ()),
            target=Target("baseline", most / SECONDS),
        )
        for kind, _, most in KINDS
    ]


async def run(peer: str | None, effort: Effort, enter: Enter | None = None) -> list[Figure]:
    """Measure the loop and parallel calls."""
    print("tools …", file=sys.stderr)
    enter = enter or contestants(peer)
    return [*timed(effort, enter, LOOPS), *parallel(effort, enter)]
