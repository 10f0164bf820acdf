"""What adds up while runs go on, as a line per agent; `tokens` and `cost` are drawn with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from agentnb.exceptions import UnknownName
from agentnb.transcripts.plots import base, labels, lettering, palette
from agentnb.transcripts.plots.fold import Fold, fold
from agentnb.transcripts.plots.labels import End
from agentnb.transcripts.plots.spans import Course, Span

if TYPE_CHECKING:
    from matplotlib.axes import Axes

By = Literal["agent", "model"]
BYS = ("agent", "model")
MOST = 10
"""Lines that are told apart."""


@dataclass(frozen=True, slots=True)
class Steps:
    """A line that rises at each of its points: seconds, and the sum from then on."""

    x: list[float]
    y: list[float]

    @property
    def total(self) -> float:
        return self.y[-1] if self.y else 0.0


class Lines(NamedTuple):
    """A line per name, and who has none of their own."""

    steps: dict[str, Steps]
    fold: Fold


def steps(points: Iterable[tuple[float, float]]) -> Steps:
    """Add amounts up in order of time."""
    x, y, total = [0.0], [0.0], 0.0
    for at, amount in sorted(points):
        total += amount
        x.append(at)
        y.append(total)
    return Steps(x, y)


def over(
    spans: Iterable[Span], amount: Callable[[Span], float | None], by: By, *, ax: Axes | None, top: int | None
) -> Lines:
    """Add up what model calls took, by agent or model, where it is known."""
    if by not in BYS:
        raise UnknownName(f"Lines by {by!r} are not known (known: {', '.join(map(repr, BYS))}).")
    points: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for span in spans:
        value = amount(span)
        if value is not None:
            points[span.agent if by == "agent" else span.name].append((span.end, value))
    totals = {name: sum(value for _, value in held) for name, held in points.items()}
    folded = fold(totals, MOST, ax=ax, top=top, what=by)
    return Lines({name: steps(held) for name, held in folded.gathered(points).items()}, folded)


def draw(
    ax: Axes,
    found: Course,
    lines: Lines,
    *,
    by: By,
    unit: str,
    text: Callable[[float], str],
) -> Callable[[], None]:
    """Draw a line per name, and the sum of all where there are several; return what names them at the end."""
    drawn = lines.fold.looks(found.names if by == "agent" else _models(found))
    shown = lettering.shorts(lines.steps, labels.longest(ax))
    factor, _ = base.time_axis(ax, found.seconds)
    end = found.seconds / factor or 1.0
    ends = []
    for name, line in lines.steps.items():
        look = drawn[name]
        _step(ax, line, factor, end, color=look.color, linestyle=look.dash, gid=f"line {name}")
        ends.append(End(line.total, f"{shown[name]} {text(line.total)}", look))
    if len(lines.steps) > 1:
        whole = steps((x, y - before) for line in lines.steps.values() for x, y, before in _rises(line))
        _step(ax, whole, factor, end, color=palette.ink(ax), linestyle="-", gid="line total", linewidth=0.9)
        ends.append(End(whole.total, f"all {text(whole.total)}"))
    ax.set_ylim(0, ax.get_ylim()[1] * (1.1 if found.seams else 1.0))
    ax.set_ylabel(unit, fontsize=base.LETTERING)
    base.plain_frame(ax)
    ax.yaxis.set_major_formatter(lambda value, _: text(value) if value else "0")

    def names() -> None:
        labels.name_ends(ax, ends, end)
        base.seams(ax, found, factor)

    return names


def _models(found: Course) -> Iterable[str]:
    return (span.name for span in found.of("model"))


def _rises(line: Steps) -> Iterable[tuple[float, float, float]]:
    return zip(line.x[1:], line.y[1:], line.y, strict=False)


def _step(ax: Axes, line: Steps, factor: float, end: float, **style: Any) -> None:
    x = [*(at / factor for at in line.x), end]
    ax.plot(x, [*line.y, line.total], drawstyle="steps-post", **{"linewidth": 1.4, **style})
