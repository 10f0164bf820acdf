"""Names beside what they belong to, where they touch nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentnb.transcripts.plots import lettering
from agentnb.transcripts.plots.base import LETTERING, settle
from agentnb.transcripts.plots.palette import Look, ink

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BESIDE = 11.0
"""Points from the end of a line to its name."""


@dataclass(frozen=True, slots=True)
class End:
    """The end of a line, and what is written beside it."""

    y: float
    text: str
    look: Look | None = None


def name_ends(ax: Axes, ends: Sequence[End], x: float) -> None:
    """Write names beside the ends of lines, moved apart where they would touch, with room made within the axes."""
    from matplotlib.transforms import offset_copy

    if not ends:
        return
    settle(ax)
    figure: Any = ax.figure
    scale = 72 / figure.dpi
    height = ax.get_window_extent().height * scale
    # Their heights are parts of the axes' height, so that they keep apart when the figure changes its size.
    beside_axis = ax.get_xaxis_transform()
    texts = [
        ax.annotate(
            end.text,
            (x, 0),
            (BESIDE, 0),
            xycoords=beside_axis,
            textcoords="offset points",
            va="center",
            **lettering.style(end.text, size=LETTERING),
        )
        for end in ends
    ]
    boxes = [text.get_window_extent() for text in texts]
    tight = max(box.height for box in boxes) * scale * 1.02
    # Axes that share a figure may become lower when the others are drawn.
    step = tight if hasattr(ax, "about") else max(tight, min(tight * 1.4, height / len(ends)))
    fits = max(1, int(height / step))
    order = sorted(range(len(ends)), key=lambda n: ends[n].y)
    for n in order[: max(0, len(order) - fits)]:
        texts[n].set_visible(False)  # the smallest, where there are too many for the height
    order = order[max(0, len(order) - fits) :]
    bottom = ax.get_window_extent().y0
    wanted = [(ax.transData.transform((x, ends[n].y))[1] - bottom) * scale for n in order]
    placed = spread(wanted, step, height)
    # Lines from names moved far need a slope to be told apart.
    width = ax.get_window_extent().width * scale
    out = 6.0 + min(18.0, width / 20, max(abs(place - want) for want, place in zip(wanted, placed, strict=True)) / 5)
    beside = out + BESIDE - 6
    room = max(boxes[n].width for n in order) * scale + beside + 4
    share = min(0.6, room / width)
    low, high = ax.get_xlim()
    ax.spines["bottom"].set_bounds(low, high)
    ax.set_xlim(low, low + (high - low) / (1 - share))
    for n, want, place in zip(order, wanted, placed, strict=True):
        texts[n].xy = (x, place / height)
        texts[n].set_position((beside, 0))
        look = ends[n].look
        shift = offset_copy(beside_axis, figure, x=out, units="points")
        if look is not None:
            style: dict[str, Any] = {"color": look.color, "marker": look.marker, "markersize": 3.8}
            ax.plot([x], [place / height], transform=shift, clip_on=False, gid="end", **style)
        if abs(place - want) > 1 or out > 8:
            ax.annotate(
                "",
                (x, ends[n].y),
                (x, place / height),
                textcoords=shift,
                arrowprops={
                    "arrowstyle": "-",
                    "linewidth": 0.6,
                    "color": look.color if look else ink(ax),
                    "shrinkA": 0,
                    "shrinkB": 0,
                },
            )


def longest(ax: Axes) -> int:
    """Return how many characters of a name fit beside the end of a line."""
    room = ax.get_window_extent().width * 72 / ax.figure.dpi
    return lettering.LONGEST if room > 260 else 11


def rows(ax: Axes, count: int) -> None:
    """Set the y axis for so many rows, the first on top; of a single one no bar fills the figure."""
    rest = max(0.0, (2 - count) / 2)
    ax.set_ylim(count - 0.45 + rest, -0.55 - rest)


def name_rows(ax: Axes, places: Sequence[float], names: Sequence[str]) -> None:
    """Write names beside the rows of the y axis."""
    ax.set_yticks(places, names, **lettering.style(*names, size=LETTERING))


def room_beside(ax: Axes, high: float) -> None:
    """Widen the x axis beyond `high` until what is written to the right of the bars lies within the axes."""
    ax.set_xlim(0, high)
    settle(ax)
    room = max((text.get_window_extent().width for text in ax.texts), default=0.0) + 9 * ax.figure.dpi / 72
    share = min(0.6, room / ax.get_window_extent().width)
    ax.spines["bottom"].set_bounds(0, high)
    ax.set_xticks([tick for tick in ax.get_xticks() if 0 <= tick <= high + 1e-9])
    ax.set_xlim(0, high / (1 - share))


def spread(wanted: Sequence[float], step: float, top: float) -> list[float]:
    """Move ascending places apart by at least `step`, as little as it takes, within 0 and `top`."""
    groups: list[tuple[float, int]] = []  # the middle of each group and how many are in it
    for place in wanted:
        middle, count = place, 1
        while groups and groups[-1][0] + (groups[-1][1] + count) * step / 2 > middle:
            before, others = groups.pop()
            middle = (before * others + middle * count) / (others + count)
            count += others
        half = count * step / 2
        groups.append((min(max(middle, half), max(top - half, half)), count))
    placed = [middle + (n - (count - 1) / 2) * step for middle, count in groups for n in range(count)]
    # Pushed back from the upper edge, a group may reach into the one below it.
    for n in range(len(placed) - 2, -1, -1):
        placed[n] = min(placed[n], placed[n + 1] - step)
    return placed
