"""What can be seen in axes, as numbers and words."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.text import Text


def seen(ax: Axes) -> list[Text]:
    """Return all that is written and visible."""
    figure: Any = ax.figure
    figure.canvas.draw()
    written: list[Text] = [*ax.texts, ax.title, ax.xaxis.label, ax.yaxis.label]
    written += [ax._left_title]  # type: ignore[attr-defined]
    legend = ax.get_legend()
    written += legend.get_texts() if legend else []
    for axis, limits in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
        low, high = sorted(limits)
        ticks = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=False)
        written += [label for place, label in ticks if low <= place <= high and axis.get_visible() and ax.axison]
    return [text for text in written if text.get_visible() and text.get_text().strip()]


def words(ax: Axes) -> list[str]:
    """Return what is written, as its reader sees it."""
    return [text.get_text().replace("\\$", "$") for text in seen(ax)]


def collisions(ax: Axes) -> list[tuple[str, str]]:
    """Return pairs of texts that lie over each other."""
    boxes = [(text.get_text(), text.get_window_extent()) for text in seen(ax)]
    found = []
    for n, (one, a) in enumerate(boxes):
        for other, b in boxes[n + 1 :]:
            wide, high = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
            if wide > 1 and high > 2:
                found.append((one, other))
    return found


def cut_off(ax: Axes) -> list[str]:
    """Return texts that reach beyond the figure."""
    page = ax.figure.bbox
    return [
        text.get_text()
        for text in seen(ax)
        for box in [text.get_window_extent()]
        if box.x0 < page.x0 - 2 or box.x1 > page.x1 + 2 or box.y0 < page.y0 - 2 or box.y1 > page.y1 + 2
    ]


def drawn(ax: Axes, gid: str) -> list[Any]:
    """Return what was drawn under a name."""
    return [artist for artist in ax.get_children() if artist.get_gid() == gid]


def bars(ax: Axes, gid: str) -> list[tuple[float, float]]:
    """Return where the bars of a lane begin and end."""
    found = []
    for collection in drawn(ax, gid):
        for path in collection.get_paths():
            box = path.get_extents()
            found.append((round(float(box.x0), 3), round(float(box.x1), 3)))
    return sorted(found)
