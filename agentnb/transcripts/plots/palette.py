"""Colours by name, and how the page behind them is met.

A name has the same colour wherever it can: its place in the palette is drawn from the name alone, so it is the same in
every figure, process and run. Where two names of one figure would share a place, the one that takes part later (in the
order of the logs) takes the next free place; all plots of the same runs therefore agree. From the eighth name on
colours occur again with another marker, dash and hatch. Nothing is told by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#A0336F")
"""Okabe and Ito's colours (2008) without black and yellow, which vanish on a dark and on a white page; plum instead."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*", "d", "8")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
HATCHES = ("", "//", "..", "xx")


@dataclass(frozen=True, slots=True)
class Look:
    """How one agent, model or run is drawn."""

    color: str
    marker: str
    dash: Any
    hatch: str


OTHERS = Look("#B8B8AC", ".", "-", "")
"""How those are drawn that are put together: a grey that those who see fewer colours take for none of the palette's."""


def looks(names: Iterable[str]) -> dict[str, Look]:
    """Return how each name is drawn."""
    found: dict[str, Look] = {}
    taken: set[int] = set()
    for name in dict.fromkeys(names):
        home = _place(name)
        turn = len(found) // len(PALETTE)
        if len(found) % len(PALETTE) == 0:
            taken.clear()
        place = next(n % len(PALETTE) for n in range(home, home + len(PALETTE)) if n % len(PALETTE) not in taken)
        taken.add(place)
        marker = MARKERS[(place + turn * len(PALETTE)) % len(MARKERS)]
        found[name] = Look(PALETTE[place], marker, DASHES[turn % len(DASHES)], HATCHES[turn % len(HATCHES)])
    return found


def _place(name: str) -> int:
    value = 0x811C9DC5  # FNV-1a, which unlike `hash` is the same in every process
    for byte in name.encode("utf-8", "surrogatepass"):
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return (value ^ (value >> 15)) % len(PALETTE)


def ink(ax: Axes) -> Any:
    """Return the colour of writing, which a dark style makes light."""
    return ax.xaxis.label.get_color()


def paper(ax: Axes) -> tuple[float, float, float]:
    """Return the colour behind what is drawn, without transparency."""
    from matplotlib.colors import to_rgba

    red, green, blue, alpha = to_rgba(ax.get_facecolor())
    if alpha < 0.5:
        # Nothing is behind it that we know of: what fits the writing.
        return (0.1, 0.1, 0.1) if brightness(ink(ax)) > 0.5 else (1.0, 1.0, 1.0)
    return red, green, blue


def mixed(color: Any, other: Any, share: float) -> tuple[float, float, float]:
    """Return a colour with a share (0 to 1) of another: pale without being transparent, as print wants it."""
    from matplotlib.colors import to_rgb

    one, two = to_rgb(color), to_rgb(other)
    red, green, blue = (a * (1 - share) + b * share for a, b in zip(one, two, strict=True))
    return red, green, blue


def brightness(color: Any) -> float:
    """Return how light a colour is, from 0 to 1 (relative luminance of WCAG 2)."""
    from matplotlib.colors import to_rgb

    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
