"""Who had how much of the conversation."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

from agentnb.exceptions import UnknownName
from agentnb.transcripts.plots import base, labels, palette
from agentnb.transcripts.plots.spans import Course, course
from agentnb.transcripts.plots.tokens import spent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Of = Literal["turns", "seconds", "tokens"]
UNITS = {"turns": "turns", "seconds": "seconds of turns", "tokens": "tokens written"}


def turn_share(
    runs: Any,
    *,
    ax: Axes | None = None,
    of: Of = "turns",
    title: str | None = None,
    width: float = base.WIDTH,
) -> Axes:
    """Draw who had how many of the turns, as a bar per agent, the largest share on top.

    Of several runs the bars are all turns together, and a mark on each bar's line is the share in one run. Turns in a
    team within a team count beside the turn of that team, so shares of nested teams are of all turns on all levels. A
    turn that broke off and was taken up again counts once.

    Args:
        runs: A log, a run or result that has one, or several.
        ax: Where to draw; default: axes of a new figure, which a cell shows if they are its last value.
        of: What is shared: "turns", "seconds" of turns, or "tokens" written.
        title: Above the axes.
        width: Inches, of a new figure; 3.3 fits a column of print.

    Raises:
        UserError: If `runs` is none of these, or `of` is not known.
    """
    if of not in UNITS:
        raise UnknownName(f"Shares of {of!r} are not known (known: {', '.join(map(repr, UNITS))}).")
    found = course(runs)
    each = [_amounts(found, of, place) for place in range(len(found.logs))]
    whole = sum(each, Counter[str]())
    total = sum(whole.values())
    ax = base.begin(ax, width=width, height=0.75 + 0.28 * max(2, len(whole)))
    if not total:
        what = "tokens are known" if of == "tokens" else "turn has begun" if of == "turns" else "time has passed"
        return base.missing(ax, f"No shares: no {what}.", title=title)
    drawn = palette.looks(found.names)
    order = sorted(whole, key=lambda name: (-whole[name], found.names.index(name)))
    reach = []
    for row, name in enumerate(order):
        look, share = drawn[name], whole[name] / total * 100
        pale = palette.mixed(look.color, palette.paper(ax), 0.25)
        ax.barh(row, share, 0.62, color=pale, edgecolor=look.color, linewidth=0.6, hatch=look.hatch, gid=f"bar {name}")
        marks = [amounts[name] / sum(amounts.values()) * 100 for amounts in each if sum(amounts.values())]
        if len(each) > 1:
            edge = {"markeredgecolor": palette.ink(ax), "markerfacecolor": palette.paper(ax), "markeredgewidth": 0.7}
            ax.plot(marks, [row] * len(marks), "o", markersize=3.5, gid=f"runs {name}", zorder=4, **edge)
        reach.append(max([share, *(marks if len(each) > 1 else [])]))
        ax.annotate(
            f"{base.thousands(whole[name])} ({share:.0f} %)",
            (reach[-1], row),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize=base.LETTERING,
        )
    ax.set_yticks(range(len(order)), [base.short(name) for name in order], fontsize=base.LETTERING)
    labels.rows(ax, len(order))
    labels.room_beside(ax, max(reach))
    base.plain_frame(ax, left=False)
    ax.set_xlabel(f"Share of {base.thousands(total)} {UNITS[of]} (%)", fontsize=base.LETTERING)
    said = ", ".join(f"{name} {whole[name] / total:.0%}" for name in order)
    runs_said = f"circles: each of {len(each)} runs" if len(each) > 1 else None
    return base.finish(
        ax,
        f"Share of {base.thousands(total)} {UNITS[of]}: {said}",
        title=title,
        remarks=[runs_said],
        need=base.LINE * 1.1 * len(order),
    )


def _amounts(found: Course, of: Of, place: int) -> Counter[str]:
    counts: Counter[str] = Counter()
    turns = [turn for turn in found.turns() if turn.log == place]
    if of == "tokens":
        for call in found.of("model"):
            if call.log == place:
                counts[call.agent] += int(spent(call, "completion") or 0)
        return +counts
    for turn in turns:
        counts[turn.agent] += 1 if of == "turns" else turn.seconds  # type: ignore[assignment]
    return counts
