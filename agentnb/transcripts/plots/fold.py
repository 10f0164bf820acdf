"""The most important of many by name, and the rest put together: the same way in every figure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from agentnb.exceptions import UserError
from agentnb.transcripts.plots import base, palette
from agentnb.transcripts.plots.palette import Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes


Held = TypeVar("Held")


@dataclass(frozen=True, slots=True)
class Fold:
    """Who is shown by name, and who is put together as others."""

    shown: tuple[Any, ...]
    """In the order they came; the others, if there are any, come last by their label."""
    others: frozenset[Any]
    what: str
    """What they are, in the singular."""

    @property
    def label(self) -> str:
        """What the others are called, as in "12 others"."""
        return f"{len(self.others)} others"

    @property
    def remark(self) -> str | None:
        """What a figure says of those it puts together; None if it shows all."""
        if not self.others:
            return None
        count = len(self.others) + len(self.shown) - 1
        return f"{len(self.others)} of {base.many(count, self.what)} are put together as others"

    def name(self, name: str) -> str:
        """Return under which name something is shown."""
        return self.label if name in self.others else name

    def gathered(self, held: Mapping[str, Iterable[Held]]) -> dict[str, list[Held]]:
        """Return what each holds, those of the others together."""
        found: dict[str, list[Held]] = {name: [] for name in self.shown}
        for name, several in held.items():
            found[self.name(name)] += several
        return found

    def looks(self, names: Iterable[str]) -> dict[str, Look]:
        """Return how each name is drawn; folding changes no colour."""
        return palette.looks(names) | {self.label: palette.OTHERS}


def fold(
    weights: Mapping[Any, float],
    most: int,
    *,
    ax: Axes | None,
    top: int | None,
    what: str = "agent",
    columns: int = 1,
) -> Fold:
    """Choose who is shown by name.

    Args:
        weights: What each counts, in the order in which they are to be shown.
        most: How many a figure of our own can show.
        ax: Axes that were given, whose height may hold fewer.
        top: How many the caller wants; None for as many as can be read.
        what: What they are, in the singular.
        columns: In how many columns their names stand.

    Raises:
        UserError: If `top` is no whole number above 0.
    """
    if top is not None and (isinstance(top, bool) or not isinstance(top, int) or top < 1):
        raise UserError(f"top is {top!r}; give how many {what}s are shown by name, as in top=20.")
    limit = top or (most if ax is None else min(most, columns * _held(ax)))
    if len(weights) <= limit:
        return Fold(tuple(weights), frozenset(), what)
    # Of equals the first; one line is for the others.
    named = sorted(weights, key=lambda name: -weights[name])[: limit if top else max(1, limit - 1)]
    others = frozenset(weights) - set(named)
    if len(others) == 1:
        return Fold(tuple(weights), frozenset(), what)  # its own name takes no more room
    return Fold((*(name for name in weights if name not in others), f"{len(others)} others"), others, what)


def _held(ax: Axes) -> int:
    """Return how many lines of lettering axes hold one above the other."""
    base.settle(ax)
    return max(2, int(ax.get_window_extent().height * 72 / ax.figure.dpi / (base.LINE * 1.1)))
