"""How long answers took."""

from __future__ import annotations

from collections import defaultdict
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, Literal

from agentnb.exceptions import UnknownName
from agentnb.transcripts.plots import base, labels, lettering, palette
from agentnb.transcripts.plots.fold import fold
from agentnb.transcripts.plots.palette import Look
from agentnb.transcripts.plots.spans import Span, course

if TYPE_CHECKING:
    from matplotlib.axes import Axes

By = Literal["model", "agent", "tool"]
BYS = ("model", "agent", "tool")
MOST = 20
BOX = 5
"""Calls from which on quartiles are drawn; of fewer there are only points, and from two on their median."""
DECADES = 30.0
"""From this ratio of the slowest to the fastest on, the axis is logarithmic."""


def latency(
    runs: Any,
    *,
    ax: Axes | None = None,
    by: By = "model",
    top: int | None = None,
    title: str | None = None,
    width: float = base.WIDTH,
) -> Axes:
    """Draw how long calls took, a point each, in a row per model, agent or tool.

    The line through a row is its median, the box the middle half (from five calls on). Failed calls are crosses and
    count too; cached answers and calls that still go on are left out and said beneath. The number of calls stands
    beside each name. The axis is logarithmic if the slowest took over thirty times as long as the fastest.

    Args:
        runs: A log, a run or result that has one, or several, whose calls are put together.
        ax: Where to draw; default: axes of a new figure, which a cell shows if they are its last value.
        by: "model" or "agent" for the calls of models, "tool" for those of tools.
        top: How many rows are shown by name, the rest put together; default: as many as can be read.
        title: Above the axes.
        width: Inches, of a new figure; 3.3 fits a column of print.

    Raises:
        UserError: If `runs` is none of these, or `by` is not known.
    """
    if by not in BYS:
        raise UnknownName(f"Latencies by {by!r} are not known (known: {', '.join(map(repr, BYS))}).")
    found = course(runs)
    calls = found.of("tool") if by == "tool" else found.calls()
    each: dict[str, list[Span]] = defaultdict(list)
    for call in calls:
        if call.took is not None and not call.cached:
            each[call.agent if by == "agent" else call.name].append(call)
    folded = fold({name: len(several) for name, several in each.items()}, MOST, ax=ax, top=top, what=by)
    drawn = folded.looks(found.names if by == "agent" else each)
    held = folded.gathered(each)
    ax = base.begin(ax, width=width, height=0.75 + 0.36 * max(2, len(held)))
    if not held:
        what = "tool was called" if by == "tool" else "model was asked"
        why = "no call is over yet" if calls else f"no {what}"
        return base.missing(ax, f"No latencies: {why}.", title=title)
    times = [call.took for several in held.values() for call in several if call.took]
    slow, fast = max(times, default=0.0), min(times, default=0.0)
    factor, unit = (0.001, "ms") if slow < 1 else (1.0, "s")
    if fast and slow / fast > DECADES:
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.set_xlim(fast / factor / 1.4, slow / factor * 1.4)
    else:
        ax.set_xlim(0, slow / factor * 1.06 or 1.0)
    for row, (name, several) in enumerate(held.items()):
        _row(ax, row, name, several, factor, drawn[name])
    shown = lettering.shorts(held)
    labels.name_rows(ax, range(len(held)), [f"{shown[name]} (n = {len(held[name])})" for name in held])
    labels.rows(ax, len(held))
    base.plain_frame(ax, left=False)
    what = "tool call" if by == "tool" else "model call"
    ax.set_xlabel(f"Time of a {what} ({unit})", fontsize=base.LETTERING)
    remarks = [folded.remark, _left_out(calls)]
    said = ", ".join(
        f"{name} {base.lasting(median(call.took or 0.0 for call in several))} (n = {len(several)})"
        for name, several in held.items()
    )
    return base.finish(
        ax, f"Median time of a {what}: {said}", title=title, remarks=remarks, need=base.LINE * 1.4 * len(held)
    )


def _row(ax: Axes, row: int, name: str, calls: list[Span], factor: float, look: Look) -> None:
    from matplotlib.patches import Rectangle

    values = [(call.took or 0.0) / factor for call in calls]
    ink, page = palette.ink(ax), palette.paper(ax)
    if len(values) >= BOX:
        low, _, high = quantiles(values, n=4, method="inclusive")
        box = Rectangle((low, row - 0.3), high - low, 0.6, gid=f"box {name}", zorder=1)
        box.set(facecolor=palette.mixed(look.color, page, 0.75), edgecolor=look.color, linewidth=0.7, hatch=look.hatch)
        ax.add_patch(box)
    for failed in (False, True):
        points = [(v, row + _offset(n, len(values))) for n, v in enumerate(values) if _failed(calls[n]) is failed]
        if not points:
            continue
        ax.plot(
            *zip(*points, strict=True),
            linestyle="",
            marker="x" if failed else "o",
            markersize=4.5 if failed else 3.2,
            markeredgewidth=1.0 if failed else 0.3,
            markeredgecolor=ink if failed else page,
            markerfacecolor=look.color,
            gid=f"{'failed' if failed else 'points'} {name}",
            zorder=3,
        )
    if len(values) > 1:
        middle = median(values)
        ax.plot([middle, middle], [row - 0.34, row + 0.34], color=ink, linewidth=1.5, gid=f"median {name}", zorder=4)


def _failed(call: Span) -> bool:
    return call.outcome == "failed"


def _offset(number: int, count: int) -> float:
    """Spread points over the height of a row, evenly and the same each time; few lie on its line."""
    if count < 8:
        return 0.0
    golden = 0.6180339887
    return ((number * golden) % 1.0 - 0.5) * 0.46


def _left_out(calls: list[Span]) -> str | None:
    cached = sum(call.cached for call in calls)
    running = sum(call.took is None for call in calls)
    parts = [f"{cached} cached"] if cached else []
    parts += [f"{running} not over"] if running else []
    failed = sum(_failed(call) and call.took is not None for call in calls)
    crosses = [f"crosses: {failed} failed"] if failed else []
    return "; ".join([*([f"left out: {', '.join(parts)}"] if parts else []), *crosses]) or None
