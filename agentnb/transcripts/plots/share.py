"""Who had how much of the conversation."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

from agentnb.exceptions import UnknownName
from agentnb.transcripts.plots import base, labels, lettering, palette
from agentnb.transcripts.plots.fold import Fold, fold
from agentnb.transcripts.plots.spans import Course, course
from agentnb.transcripts.plots.tokens import spent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Of = Literal["turns", "seconds", "tokens"]
MOST = 20
UNITS = {"turns": "turns", "seconds": "seconds of turns", "tokens": "tokens written"}


def turn_share(
    runs: Any,
    *,
    ax: Axes | None = None,
    of: Of = "turns",
    top: int | None = None,
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
        top: How many agents are shown by name, the rest put together; default: as many as can be read.
        title: Above the axes.
        width: Inches, of a new figure; 3.3 fits a column of print.

    Raises:
        UserError: If `runs` is none of these, or `of` is not known.
    """
    if of not in UNITS:
        raise UnknownName(f"Shares of {of!r} are not known (known: {', '.join(map(repr, UNITS))}).")
    found = course(runs)
    each = [_amounts(found, of, place) for place in range(len(found.logs))]
    amounts = sum(each, Counter[str]())
    total = sum(amounts.values())
    ranked = sorted(amounts, key=lambda name: (-amounts[name], found.names.index(name)))
    folded = fold({name: amounts[name] for name in ranked}, MOST, ax=ax, top=top)
    each, whole = [_together(one, folded) for one in each], _together(amounts, folded)
    ax = base.begin(ax, width=width, height=0.75 + 0.28 * max(2, len(whole)))
    if not total:
        what = "tokens are known" if of == "tokens" else "turn has begun" if of == "turns" else "time has passed"
        return base.missing(ax, f"No shares: no {what}.", title=title)
    drawn, order = folded.looks(found.names), folded.shown
    reach = []
    for row, name in enumerate(order):
        look, share = drawn[name], whole[name] / total * 100
        pale = palette.mixed(look.color, palette.paper(ax), 0.25)
        ax.barh(row, share, 0.62, color=pale, edgecolor=look.color, linewidth=0.6, hatch=look.hatch, gid=f"bar {name}")
        marks = [one[name] / sum(one.values()) * 100 for one in each if sum(one.values())]
        if len(each) > 1:
            edge = {"markeredgecolor": palette.ink(ax), "markerfacecolor": palette.paper(ax), "markeredgewidth": 0.7}
            ax.plot(marks, [row] * len(marks), "o", markersize=3.5, gid=f"runs {name}", zorder=4, **edge)
        reach.append(max([share, *(marks if len(each) > 1 else [])]))
        ax.annotate(
            f"{base.thousands(whole[name])} ({_percent(share)} %)",
            (reach[-1], row),
            (7 if len(each) > 1 else 5, 0),
            textcoords="offset points",
            va="center",
            fontsize=base.LETTERING,
        )
    labels.name_rows(ax, range(len(order)), list(lettering.shorts(order).values()))
    labels.rows(ax, len(order))
    labels.room_beside(ax, max(reach))
    base.plain_frame(ax, left=False)
    unit = "turn" if of == "turns" and total == 1 else UNITS[of]
    ax.set_xlabel(f"Share of {base.thousands(total)} {unit} (%)", fontsize=base.LETTERING)
    said = ", ".join(f"{name} {whole[name] / total:.0%}" for name in order)
    runs_said = f"circles: each of {len(each)} runs" if len(each) > 1 else None
    return base.finish(
        ax,
        f"Share of {base.thousands(total)} {unit}: {said}",
        title=title,
        remarks=[runs_said, folded.remark],
        need=base.LINE * 1.1 * len(order),
    )


def _percent(share: float) -> str:
    return "< 1" if 0 < share < 0.5 else f"{share:.0f}"


def _together(amounts: Counter[str], folded: Fold) -> Counter[str]:
    counts: Counter[str] = Counter()
    for name, amount in amounts.items():
        counts[folded.name(name)] += amount
    return counts


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
