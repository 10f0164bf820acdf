"""Who had the word after whom."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from agentnb.transcripts.plots import base, palette
from agentnb.transcripts.plots.spans import Course, course, rounds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Ways = Counter[tuple[str, str]]
DEEP = "#0B4F8A"


def transitions(
    runs: Any,
    *,
    ax: Axes | None = None,
    shares: bool = False,
    title: str | None = None,
    width: float | None = None,
) -> Axes:
    """Draw how often each agent had the word after each other, as a matrix of counts.

    Rows are who spoke before, columns who spoke next. Of turns that go on at once, each follows each of the turns
    before. Every team within a team has its own order of turns. A run that goes on from another follows its last turn.

    Args:
        runs: A log, a run or result that has one, or several, whose counts are added.
        ax: Where to draw; default: axes of a new figure, which a cell shows if they are its last value.
        shares: Write shares of each row (in percent, with the row's count) instead of counts.
        title: Above the axes.
        width: Inches, of a new figure; default: as many as the names take.

    Raises:
        UserError: If `runs` is none of these.
    """
    found = course(runs)
    ways = followed(found)
    moved = {name for way in ways for name in way}
    names = [name for name in dict.fromkeys(turn.agent for turn in found.turns()) if name in moved]
    side = 1.3 + 0.36 * max(3, len(names))
    ax = base.begin(ax, width=width or side + 0.5, height=min(side, (width or side) * 1.05))
    if not ways:
        turns = len(found.turns())
        why = "nobody has had the word yet" if not turns else f"there has been only {base.many(turns, 'turn')}"
        return base.missing(ax, f"No transitions: {why}.", title=title)
    sums = {name: sum(count for (one, _), count in ways.items() if one == name) for name in names}
    cells = [[_cell(ways[one, two], sums[one], shares) for two in names] for one in names]
    _matrix(ax, cells, names, [f"{base.short(name)} ({sums[name]})" if shares else base.short(name) for name in names])
    ax.set_xlabel("Next", fontsize=base.LETTERING)
    ax.set_ylabel("Before", fontsize=base.LETTERING)
    said = ", ".join(f"{one} to {two} {count}" for (one, two), count in ways.most_common())
    remark = "share of each row (%)" if shares else None
    return base.finish(ax, f"{base.many(ways.total(), 'transition')}: {said}", title=title, remarks=[remark])


def followed(found: Course) -> Ways:
    """Count who had the word right after whom."""
    ways: Ways = Counter()
    for several in rounds(found.turns()):
        for before, after in pairwise(several):
            ways.update((one.agent, two.agent) for one in before for two in after)
    return ways


def _cell(count: int, of: int, shares: bool) -> float:
    return (100 * count / of if of else 0.0) if shares else float(count)


def _matrix(ax: Axes, cells: list[list[float]], names: list[str], rows: list[str]) -> None:
    from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgb

    page = palette.paper(ax)
    deep = DEEP if palette.brightness(page) > 0.3 else "#9CCBF2"
    shades = LinearSegmentedColormap.from_list("counts", [to_rgb(page), to_rgb(deep)])
    norm = Normalize(0, max(max(row) for row in cells))
    ax.imshow(cells, cmap=shades, norm=norm, aspect="auto", interpolation="nearest", gid="counts")
    columns = [base.short(name) for name in names]
    # Names that would touch each other stand upright.
    base.settle(ax)
    room = ax.get_window_extent().width * 72 / ax.figure.dpi / len(names)
    upright = max(map(len, columns)) * 4.8 > room
    ax.set_xticks(range(len(names)), columns, fontsize=base.LETTERING, rotation=90 if upright else 0)
    ax.set_yticks(range(len(names)), rows, fontsize=base.LETTERING)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    for edge in range(len(names) + 1):
        ax.axhline(edge - 0.5, color=palette.mixed(palette.ink(ax), page, 0.8), linewidth=0.5)
        ax.axvline(edge - 0.5, color=palette.mixed(palette.ink(ax), page, 0.8), linewidth=0.5)
    dark, light = "#000000", "#FFFFFF"
    for row, held in enumerate(cells):
        for column, value in enumerate(held):
            behind = palette.brightness(shades(norm(value))[:3])
            color = dark if (behind + 0.05) ** 2 > 0.05 * 1.05 else light
            if value:
                ax.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=base.LETTERING, color=color)
