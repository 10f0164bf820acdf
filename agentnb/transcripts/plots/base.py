"""What every plot shares: axes without pyplot, titles and remarks, an axis of time, and words for what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from agentnb.transcripts.plots import lettering
from agentnb.transcripts.plots.palette import ink
from agentnb.transcripts.plots.spans import Course

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE = 11.0
"""Points that a line of lettering is high, about."""
LETTERING = "small"
FINE = "x-small"
WIDTH = 6.4
"""Inches, for a screen and a page; a column of print takes 3.3."""
NO_FONT = "letters that no installed font has are written by their numbers"
LISTED = 12
"""How many things the words about a figure list."""


def begin(ax: Axes | None, *, width: float = WIDTH, height: float = 2.6) -> Axes:
    """Return the axes to draw on: those given, or new ones of a figure that pyplot does not know.

    Args:
        ax: The caller's.
        width: Inches, of a new figure.
        height: Inches, of a new figure.
    """
    if ax is not None:
        return ax
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from agentnb.transcripts.plots.shown import ShownAxes

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    made: Axes = figure.add_subplot(axes_class=ShownAxes)
    return made


def finish(
    ax: Axes,
    about: str,
    *,
    title: str | None,
    remarks: Iterable[str | None] = (),
    need: float = 0.0,
    names: Iterable[str] = (),
    last: Callable[[], None] | None = None,
) -> Axes:
    """Write the title, add remarks beneath the name of the x axis, and say what the figure is about.

    Args:
        ax: What was drawn.
        about: The figure in words, without full stop.
        title: Above the axes.
        remarks: Lines beneath the name of the x axis; None is left out.
        need: Points of height that what was drawn takes; a figure of our own grows until the axes have them.
        names: Who is shown besides those that `about` names.
        last: Called at the very end, when nothing moves any more: writes what must keep its distances.
    """
    lines = [
        remark for remark in (*remarks, NO_FONT if lettering.unwritable(about + "".join(names)) else None) if remark
    ]
    name = ax.get_xlabel()
    if lines or name:
        room = _room_below(ax)
        shown = [wrapped(line, room) for line in ([name] if name else []) + lines]
        ax.set_xlabel("\n".join(shown), **lettering.style(*shown, size=LETTERING))
    if title:
        legend = ax.get_legend()
        pad = 6.0
        if legend is not None:
            settle(ax)
            pad += legend.get_window_extent().height * 72 / ax.figure.dpi
        ax.set_title(title, loc="left", pad=pad, **lettering.style(title, size="medium"))
    if hasattr(ax, "about"):
        ax.about = ". ".join([about, *lines]) + "."
        _grow(ax, need)
    if last is not None:
        last()
    return ax


def _room_below(ax: Axes) -> int:
    """Return how many characters a line beneath the axes holds, which is centred below them."""
    settle(ax)
    inside, page = ax.get_window_extent(), ax.figure.bbox
    middle = (inside.x0 + inside.x1) / 2
    width = 2 * min(middle - page.x0, page.x1 - middle) * 72 / ax.figure.dpi
    return max(16, int(width / 4.9))  # points a character, a little more than most take


def _grow(ax: Axes, need: float) -> None:
    figure: Any = ax.figure
    settle(ax)
    lacking = need - ax.get_window_extent().height * 72 / figure.dpi
    if lacking > 0:
        width, height = figure.get_size_inches()
        figure.set_size_inches(width, height + lacking / 72)


def missing(ax: Axes, what: str, *, title: str | None) -> Axes:
    """Say in the axes what is missing, instead of drawing."""
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    width = ax.get_window_extent().width * 72 / ax.figure.dpi
    text = wrapped(what, max(20, int(width / 5))).replace("$", r"\$")
    style = lettering.style(text, size=LETTERING)
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", style="italic", **style)
    return finish(ax, what.rstrip("."), title=title)


def wrapped(text: str, characters: int) -> str:
    """Break a sentence into lines."""
    import textwrap

    return textwrap.fill(text, characters)


def settle(ax: Axes) -> None:
    """Let the layout find its places, so that lengths on paper can be measured."""
    figure: Any = ax.figure
    if figure.get_layout_engine() is not None:
        figure.figure.draw_without_rendering()  # of a subfigure the figure, which lays them all out


def plain_frame(ax: Axes, *, left: bool = True) -> None:
    """Keep only the lines that carry numbers."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines["left"].set_visible(left)
    ax.tick_params(labelsize=LETTERING)
    if not left:
        ax.tick_params(axis="y", length=0)


def clock(seconds: float) -> tuple[float, str]:
    """Return by what to divide seconds for an axis of this length, and the unit."""
    if seconds > 2 * 3600:
        return 3600.0, "h"
    if seconds > 180:
        return 60.0, "min"
    return (1.0, "s") if seconds >= 0.1 or seconds <= 0 else (0.001, "ms")


def listed(parts: Sequence[str]) -> str:
    """Return the first of many parts, and how many more there are."""
    more = [f"and {len(parts) - LISTED:,} more"] if len(parts) > LISTED else []
    return ", ".join([*parts[:LISTED], *more])


def lasting(seconds: float) -> str:
    """Return a duration in a few characters, as in "1.4 s", "12 min" or "3 days"."""
    if seconds >= 2 * 86400:
        return f"{seconds / 86400:.0f} days"
    factor, unit = clock(seconds)
    value = seconds / factor
    return f"{value:.0f} {unit}" if value >= 10 else f"{value:.2g} {unit}"


def many(count: int, one: str) -> str:
    """Return "1 turn" or "2 turns"."""
    return f"{count:,} {one}" + ("" if count == 1 else "s")


def thousands(value: float) -> str:
    """Return a count in a few characters, as in "840", "12.3k" or "1.2M"."""
    if value < 1000:
        return f"{value:.0f}"
    number, unit = (value / 1000, "k") if value < 999_500 else (value / 1_000_000, "M")
    return f"{number:.3g}{unit}"


def time_axis(ax: Axes, seconds: float) -> tuple[float, str]:
    """Name the x axis and set its limits and ticks for so many seconds; return the divisor and the unit."""
    from matplotlib.ticker import MaxNLocator

    factor, unit = clock(seconds)
    end = seconds / factor or 1.0
    width = ax.get_window_extent().width / ax.figure.dpi
    ticks = MaxNLocator(max(4, min(8, int(width * 1.4))), steps=[1, 2, 5, 10]).tick_values(0, end)
    ax.set_xlim(0, end)
    ax.set_xticks([tick for tick in ticks if -1e-9 <= tick <= end * 1.0001])
    ax.set_xlabel(f"Time ({unit})", fontsize=LETTERING)
    return factor, unit


def cut(found: Course) -> str | None:
    """Return a remark on pauses that were cut out; None if there are none."""
    return "pauses between runs are cut out" if any(seam.pause for seam in found.seams) else None


def seams(ax: Axes, found: Course, factor: float) -> None:
    """Mark where pauses were cut out."""
    if not found.seams:
        return
    marks = [0.0, *(seam.at / factor for seam in found.seams), found.seconds / factor]
    places = [x for x, _ in ax.transData.transform([(mark, 0) for mark in marks])]
    rooms = [(right - left) * 72 / ax.figure.dpi for left, right in pairwise(places)]
    left_full = 0.0
    # At the right of its line; where the next one, or the last fact, comes too soon, at its left.
    for number, (seam, mark) in enumerate(zip(found.seams, marks[1:-1], strict=True)):
        ax.axvline(mark, color=ink(ax), linewidth=0.7, linestyle=(0, (3, 2)), gid="seam", zorder=5)
        later = f", {lasting(seam.pause)} later" if seam.pause and seam.pause >= 1 else ""
        for text in (seam.what + later, seam.what):
            # About 4.2 points a character of the fine lettering.
            width = len(text) * 4.2 + 8
            side = "left" if width < rooms[number + 1] else "right" if width < rooms[number] - left_full else None
            if side is not None:
                ax.annotate(
                    text,
                    (mark, 1),
                    (3 if side == "left" else -3, -1),
                    xycoords=("data", "axes fraction"),
                    textcoords="offset points",
                    va="top",
                    ha=side,
                    fontsize=FINE,
                    gid="seam label",
                )
                left_full = width if side == "left" else 0.0
                break
        else:
            left_full = 0.0


def key(ax: Axes, entries: Sequence[tuple[Any, str]]) -> None:
    """Explain above the axes what is drawn how; entries are pairs of something drawn and its name."""
    if not entries:
        return
    settle(ax)
    inside = ax.get_window_extent()
    around = ax.get_tightbbox() or inside
    # From the left edge of the names beside the axis to the end of the axis, for in a column of print room is scarce.
    room = inside.x1 - around.x0
    style = lettering.style(*(name for _, name in entries), size=FINE)
    for columns in range(len(entries), 0, -1):
        legend = ax.legend(
            [artist for artist, _ in entries],
            [name for _, name in entries],
            loc="lower left",
            bbox_to_anchor=((around.x0 - inside.x0) / inside.width, 1),
            ncols=columns,
            frameon=False,
            prop={"size": style["fontsize"], "family": style.get("fontfamily")},
            borderaxespad=0.2,
            borderpad=0.1,
            columnspacing=1.0,
            handlelength=1.5,
            handletextpad=0.5,
            labelspacing=0.3,
        )
        if columns == 1 or legend.get_window_extent().width <= room:
            break
    ax.figure.canvas.draw_idle()


def levels(stretches: Sequence[tuple[float, float]]) -> list[int]:
    """Return for each stretch the lowest level on which nothing else goes on at the same time; they come in order."""
    ends: list[float] = []
    found = []
    for start, end in stretches:
        level = next((n for n, busy in enumerate(ends) if busy <= start), len(ends))
        if level == len(ends):
            ends.append(end)
        else:
            ends[level] = end
        found.append(level)
    return found
