"""How to measure: alternate the contestants, take CPU time, report medians and ratios."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple


class Figure(NamedTuple):
    """One line of the report; µs of CPU time per unit unless `unit` says otherwise."""

    name: str
    unit: str
    ours: float
    baseline: float
    against: str

    @property
    def ratio(self) -> float:
        return self.ours / self.baseline if self.baseline else float("nan")


async def cpu_us(work: Callable[[int], Awaitable[object]], units: int) -> float:
    """Return µs of CPU time per unit of one call of `work(units)`."""
    began = time.process_time()
    await work(units)
    return (time.process_time() - began) / units * 1e6


async def pair(
    name: str,
    ours: Callable[[int], Awaitable[object]],
    baseline: Callable[[int], Awaitable[object]],
    *,
    units: int,
    against: str,
    unit: str = "µs",
    rounds: int = 5,
    measure: Callable[[Callable[[int], Awaitable[object]], int], Awaitable[float]] = cpu_us,
) -> Figure:
    """Measure two contestants in turns; the first round warms both up and does not count."""
    mine, theirs = [], []
    for number in range(rounds + 1):
        a, b = await measure(ours, units), await measure(baseline, units)
        if number:
            mine.append(a)
            theirs.append(b)
    return Figure(name, unit, statistics.median(mine), statistics.median(theirs), against)


def table(figures: list[Figure]) -> str:
    """Return the figures as Markdown."""
    lines = ["| what | agentnb | baseline | ratio | baseline is |", "| --- | ---: | ---: | ---: | --- |"]
    lines += [
        f"| {f.name} | {f.ours:.4g} {f.unit} | {f.baseline:.4g} {f.unit} | {f.ratio:.2f} | {f.against} |"
        for f in figures
    ]
    return "\n".join(lines)
