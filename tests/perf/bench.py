"""How to measure: alternate the contestants, take CPU time, report medians and ratios."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, NamedTuple


class Effort(NamedTuple):
    """How long to measure."""

    rounds: int
    seconds: float
    """CPU time of one measurement in one round."""
    crowd: int
    """Foreign subscriptions, and things held in memory."""


FULL = Effort(rounds=5, seconds=0.2, crowd=10_000)
QUICK = Effort(rounds=1, seconds=0.002, crowd=200)


class Target(NamedTuple):
    """What a ratio may be at most."""

    of: Literal["baseline", "peer"]
    at_most: float

    def __str__(self) -> str:
        return f"≤ {ratio_text(self.at_most)} of the {self.of}"


class Figure(NamedTuple):
    """One line of the report; µs of CPU time per unit unless `unit` says otherwise."""

    name: str
    unit: str
    ours: float
    baseline: float = math.nan
    against: str = ""
    """What the baseline is."""
    peer: float = math.nan
    of_peer: float = math.nan
    """Ours as a part of the peer's: the median of the rounds' ratios, since neighbours in time share their noise."""
    target: Target | None = None

    @property
    def ratio(self) -> float:
        return self.ours / self.baseline if self.baseline else math.nan

    @property
    def met(self) -> str:
        """Whether the target is met, in words; nothing without a target."""
        if self.target is None:
            return ""
        ratio = self.of_peer if self.target.of == "peer" else self.ratio
        return "no peer" if math.isnan(ratio) else "met" if ratio <= self.target.at_most else "missed"


def figure(
    name: str,
    ours: Sequence[float],
    *,
    unit: str = "µs",
    baseline: Sequence[float] = (),
    against: str = "",
    peer: Sequence[float] = (),
    target: Target | None = None,
) -> Figure:
    """Return the medians over the rounds."""
    return Figure(
        name,
        unit,
        statistics.median(ours),
        statistics.median(baseline) if baseline else math.nan,
        against,
        statistics.median(peer) if peer else math.nan,
        statistics.median(a / b if b else math.nan for a, b in zip(ours, peer, strict=True)) if peer else math.nan,
        target,
    )


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
    rounds: int,
    measure: Callable[[Callable[[int], Awaitable[object]], int], Awaitable[float]] = cpu_us,
) -> Figure:
    """Measure two contestants in turns; the first round warms both up and does not count."""
    mine, theirs = [], []
    for number in range(rounds + 1):
        a, b = await measure(ours, units), await measure(baseline, units)
        if number:
            mine.append(a)
            theirs.append(b)
    return figure(name, mine, baseline=theirs, against=against)


def ratio_text(ratio: float) -> str:
    """Return `1/50` for 0.02, `1.25` for 1.25, and nothing for what was not measured."""
    if math.isnan(ratio):
        return ""
    return f"1/{1 / ratio:.3g}" if 0 < ratio <= 0.5 else f"{ratio:.2f}"


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as Markdown."""

    def amount(value: float, unit: str) -> str:
        return "" if math.isnan(value) else f"{value:,.4g} {unit}"

    lines = [
        "| what | agentnb | baseline | ratio | baseline is | peer | of the peer | target | |",
        "| --- | ---: | ---: | ---: | --- | ---: | ---: | --- | --- |",
    ]
    for f in figures:
        cells = (
            f.name,
            amount(f.ours, f.unit),
            amount(f.baseline, f.unit),
            "" if math.isnan(f.ratio) else f"{f.ratio:.2f}",
            f.against,
            amount(f.peer, f.unit),
            ratio_text(f.of_peer),
            str(f.target or ""),
            f.met,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
