"""Who had the word after whom."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from agentnb.transcripts.plots import base, lettering, palette
from agentnb.transcripts.plots.fold import Fold, fold
from agentnb.transcripts.plots.spans import Course, course, rounds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Ways = Counter[tuple[str, str]]
MOST = 24
FEW = 12
"""Agents up to whom cells are wide."""
DIGIT = 5.0
"""Points that a digit is wide, about."""
DEEP = "#0B4F8A"


def transitions(
    runs: Any,
    *,
    ax: Axes | None = None,
    shares: bool = False,
    top: int | None = None,
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
        top: How many agents are shown by name, those most often before or after another, the rest in one row and
            column; default: as many as can be read.
        title: Above the axes.
        width: Inches, of a new figure; default: as many as the names take.

    Raises:
        UserError: If `runs` is none of these.
    """
    found = course(runs)
    every = followed(found)
    folded = fold(_met(found, every), _most(ax, width), ax=ax, top=top)
    names = list(folded.shown)
    ways = together(every, folded)
    cell = 0.36 if len(names) <= FEW else max(0.24, (len(str(max(ways.values(), default=0))) * DIGIT + 4) / 72)
    side = 1.3 + cell * max(3, len(names))
    ax = base.begin(ax, width=width or side + 0.5, height=min(side, (width or side) * 1.05))
    if not ways:
        turns = len(found.turns())
        why = "nobody has had the word yet" if not turns else f"there has been only {base.many(turns, 'turn')}"
        return base.missing(ax, f"No transitions: {why}.", title=title)
    sums = {name: sum(count for (one, _), count in ways.items() if one == name) for name in names}
    shown = lettering.shorts(names)
    cells = [[_cell(ways[one, two], sums[one], shares) for two in names] for one in names]
    rows = [f"{shown[name]} ({sums[name]})" if shares else shown[name] for name in names]
    # Many together have the word so often that they would pale those who are shown by name.
    own = [value for row in cells[:-1] for value in row[:-1]] if folded.others else []
    whole = _matrix(ax, cells, list(shown.values()), rows, deepest=max(own, default=0.0))
    ax.set_xlabel("Next", fontsize=base.LETTERING)
    ax.set_ylabel("Before", fontsize=base.LETTERING)
    said = base.listed([f"{one} to {two} {count}" for (one, two), count in ways.most_common()])
    remarks = [
        "share of each row (%)" if shares else None,
        folded.remark,
        None if whole else "numbers that have no room are left out",
    ]
    about = f"{base.many(ways.total(), 'transition')}: {said}"
    return base.finish(ax, about, title=title, remarks=remarks, need=base.LINE * len(names), names=names)


def together(ways: Ways, folded: Fold) -> Ways:
    """Add the ways of those who are put together."""
    found: Ways = Counter()
    for (one, two), count in ways.items():
        found[folded.name(one), folded.name(two)] += count
    return found


def _most(ax: Axes | None, width: float | None) -> int:
    """Return how many rows and columns have room, at ten points each beside their names."""
    if ax is not None:
        base.settle(ax)
        inside = ax.get_window_extent()
        width = min(inside.width, inside.height) / ax.figure.dpi
    return MOST if width is None else max(2, min(MOST, int((width * 72 - 105) / 10)))


def _met(found: Course, ways: Ways) -> dict[str, int]:
    """Count how often each had the word before or after another, in the order in which they first had it."""
    met: Counter[str] = Counter()
    for (one, two), count in ways.items():
        met.update({one: count})
        met.update({two: count})
    return {name: met[name] for name in dict.fromkeys(turn.agent for turn in found.turns()) if name in met}


def followed(found: Course) -> Ways:
    """Count who had the word right after whom."""
    ways: Ways = Counter()
    for several in rounds(found.turns()):
        for before, after in pairwise(several):
            ways.update((one.agent, two.agent) for one in before for two in after)
    return ways


def _cell(count: int, of: int, shares: bool) -> float:
    return (100 * count / of if of else 0.0) if shares else float(count)


def _matrix(ax: Axes, cells: list[list[float]], columns: list[str], rows: list[str], *, deepest: float) -> bool:
    """Draw the cells, and the numbers in them where they have room; return whether all have."""
    from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgb

    page = palette.paper(ax)
    deep = DEEP if palette.brightness(page) > 0.3 else "#9CCBF2"
    shades = LinearSegmentedColormap.from_list("counts", [to_rgb(page), to_rgb(deep)])
    norm = Normalize(0, deepest or max(max(row) for row in cells), clip=True)
    ax.imshow(cells, cmap=shades, norm=norm, aspect="auto", interpolation="nearest", gid="counts")
    # Names that would touch each other stand upright.
    base.settle(ax)
    room = ax.get_window_extent().width * 72 / ax.figure.dpi / len(columns)
    upright = max(map(lettering.cells, columns)) * 4.8 > room
    size = base.LETTERING if len(columns) <= FEW else base.FINE
    style = lettering.style(*columns, size=size)
    ax.set_xticks(range(len(columns)), columns, rotation=90 if upright else 0, **style)
    ax.set_yticks(range(len(columns)), rows, **style)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    for edge in range(len(columns) + 1):
        ax.axhline(edge - 0.5, color=palette.mixed(palette.ink(ax), page, 0.8), linewidth=0.5)
        ax.axvline(edge - 0.5, color=palette.mixed(palette.ink(ax), page, 0.8), linewidth=0.5)
    dark, light = "#000000", "#FFFFFF"
    base.settle(ax)
    room = ax.get_window_extent().width * 72 / ax.figure.dpi / len(columns)
    whole = True
    for row, held in enumerate(cells):
        for column, value in enumerate(held):
            behind = palette.brightness(shades(norm(value))[:3])
            color = dark if (behind + 0.05) ** 2 > 0.05 * 1.05 else light
            text = f"{value:.0f}"
            if value and len(text) * DIGIT + 2 > room:
                whole = False
            elif value:
                ax.text(column, row, text, ha="center", va="center", fontsize=size, color=color)
    return whole
