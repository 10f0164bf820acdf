"""How often tools succeed."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from agentnb.transcripts.plots import base, labels, lettering, palette
from agentnb.transcripts.plots.fold import fold
from agentnb.transcripts.plots.spans import course

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 20
Z95 = 1.959963984540054


class Interval(NamedTuple):
    """Bounds of a share, each from 0 to 1."""

    low: float
    high: float


def tool_success(
    runs: Any,
    *,
    ax: Axes | None = None,
    top: int | None = None,
    title: str | None = None,
    width: float = base.WIDTH,
) -> Axes:
    """Draw which share of each tool's calls succeeded, with Wilson's 95 % interval and the counts.

    The bar is the share, hatched beyond it where calls failed; the line with its two ends is the interval, which is
    wide for few calls. It takes calls as independent of each other, which calls of one run may not be.

    Args:
        runs: A log, a run or result that has one, or several, whose calls are put together.
        ax: Where to draw; default: axes of a new figure, which a cell shows if they are its last value.
        top: How many tools are shown by name, the rest put together; default: as many as can be read.
        title: Above the axes.
        width: Inches, of a new figure; 3.3 fits a column of print.

    Raises:
        UserError: If `runs` is none of these.
    """
    found = course(runs)
    calls = found.of("tool")
    over = [call for call in calls if call.took is not None]
    counts = Counter(call.name for call in over)
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    folded = fold({name: counts[name] for name in ranked}, MOST, ax=ax, top=top, what="tool")
    done = Counter(folded.name(call.name) for call in over)
    good = Counter(folded.name(call.name) for call in over if call.outcome == "done")
    ax = base.begin(ax, width=width, height=0.75 + 0.32 * max(2, len(done)))
    if not done:
        why = "no call of a tool is over yet" if calls else "no tool was called"
        return base.missing(ax, f"No tool success: {why}.", title=title)
    drawn, names = folded.looks(counts), folded.shown
    for row, name in enumerate(names):
        share, color = good[name] / done[name], drawn[name].color
        pale = palette.mixed(color, palette.paper(ax), 0.45)
        ax.barh(row, share * 100, 0.56, color=pale, edgecolor=color, linewidth=0.6, gid=f"ok {name}")
        if share < 1:
            style: dict[str, Any] = {
                "facecolor": palette.paper(ax),
                "edgecolor": color,
                "linewidth": 0.6,
                "hatch": "////",
            }
            ax.barh(row, 100 - share * 100, 0.56, left=share * 100, gid=f"error {name}", **style)
        low, high = (100 * bound for bound in wilson(good[name], done[name]))
        ax.plot(
            [low, high], [row, row], color=palette.ink(ax), linewidth=1.3, marker="|", markersize=6, gid=f"95 {name}"
        )
        failed = done[name] - good[name]
        said = f"{good[name]} ok" + (f", {failed} failed" if failed else "")
        ax.annotate(said, (100, row), (6, 0), textcoords="offset points", va="center", fontsize=base.LETTERING)
    labels.name_rows(ax, range(len(names)), list(lettering.shorts(names).values()))
    labels.rows(ax, len(names))
    labels.room_beside(ax, 100.0)
    base.plain_frame(ax, left=False)
    ax.set_xlabel("Calls that succeeded (%), with 95 % interval", fontsize=base.LETTERING)
    running = len(calls) - len(over)
    remark = f"left out: {running} not over" if running else None
    said = ", ".join(f"{name} {good[name]} of {done[name]}" for name in names)
    return base.finish(
        ax,
        f"Calls of tools that succeeded: {said}",
        title=title,
        remarks=[remark, folded.remark],
        need=base.LINE * 1.2 * len(names),
    )


def wilson(good: int, count: int, z: float = Z95) -> Interval:
    """Return Wilson's score interval (1927) of a share, by default at 95 %; of no calls at all it is from 0 to 1."""
    if not count:
        return Interval(0.0, 1.0)
    share = good / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return Interval(max(0.0, middle - half), min(1.0, middle + half))
