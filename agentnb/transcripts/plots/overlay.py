"""Several runs in one figure, aligned at their starts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

from agentnb.exceptions import UnknownName, UserError
from agentnb.runlog import logs_of
from agentnb.transcripts.plots import base, labels, lettering, palette
from agentnb.transcripts.plots.cost import Prices, checked, dollars, price_of
from agentnb.transcripts.plots.cumulative import Steps, steps
from agentnb.transcripts.plots.fold import Fold, fold
from agentnb.transcripts.plots.labels import End
from agentnb.transcripts.plots.palette import Look
from agentnb.transcripts.plots.spans import Course, course
from agentnb.transcripts.plots.tokens import spent, unreported

if TYPE_CHECKING:
    from matplotlib.axes import Axes

What = Literal["tokens", "cost", "turns", "timeline"]
MOST = 12
"""Lines that are told apart."""
AGENTS = 8
"""Agents that are told apart by colour."""
NAMED = 7.6
"""Points that a bar has at least in which something is written."""
HIGHEST = 500.0
"""Points of all rows together."""
THIN = 3.0
"""Points; edges as wide as their bars would pale them."""
UNITS = {"tokens": "Tokens, added up", "cost": "US dollars, added up", "turns": "Turns finished", "timeline": ""}


def overlay(
    runs: Any,
    *,
    ax: Axes | None = None,
    what: What = "tokens",
    prices: Prices | None = None,
    top: int | None = None,
    title: str | None = None,
    width: float = base.WIDTH,
) -> Axes:
    """Draw several runs over each other, each beginning at 0: a line per run, or their turns one below the other.

    ```python
    overlay({"before": log, "after": log}, what="timeline")
    ```

    Args:
        runs: Several logs, runs or results; a mapping gives them names, else they are "run 1", "run 2", …
        ax: Where to draw; default: axes of a new figure, which a cell shows if they are its last value.
        what: "tokens", "cost" or "turns" added up over time, or "timeline": a row per run with its turns in the
            colours of the agents, without those of teams within teams; turns at the same time lie in rows of their own.
        prices: For "cost": as for `cost`.
        top: How many lines are shown by name, or agents of a timeline; the rest is grey; default: as many as can be
            read.
        title: Above the axes.
        width: Inches, of a new figure; 3.3 fits a column of print.

    Raises:
        UserError: If `runs` is none of these, or `what` is not known.

    A branch shows the facts of its origin first, so both lines are one until it begins; later lines are dashed.
    """
    if what not in UNITS:
        raise UnknownName(f"Runs cannot be laid over each other by {what!r} (known: {', '.join(map(repr, UNITS))}).")
    prices = checked(prices)
    courses = {name: course(run) for name, run in _named(runs).items()}
    rows = len(courses) * 2 if what == "timeline" else len(courses)
    given = ax
    ax = base.begin(ax, width=width, height=(0.9 + 0.3 * max(2, rows)) if what == "timeline" else 2.2 + 0.1 * rows)
    longest = max((one.seconds for one in courses.values()), default=0.0)
    if what == "timeline":
        return _timelines(ax, courses, longest, fold(_turns(courses), AGENTS, ax=None, top=top), title)
    lines = {name: line for name, one in courses.items() if (line := _line(one, what, prices)) is not None}
    if not lines:
        missing = {"tokens": "tokens are known", "cost": "prices are known", "turns": "turn is over"}[what]
        return base.missing(ax, f"Nothing to compare: no {missing}.", title=title)
    folded = fold({name: line.total for name, line in lines.items()}, MOST, ax=given, top=top, what="run")
    shown = lettering.shorts(lines, labels.longest(ax))
    factor, _ = base.time_axis(ax, longest)
    text = {"tokens": base.thousands, "cost": dollars, "turns": base.thousands}[what]
    ends = []
    for number, (name, line) in enumerate(lines.items()):
        grey = name in folded.others
        look = palette.OTHERS if grey else _look(number)
        end = courses[name].seconds / factor
        x, y = [*(at / factor for at in line.x), end], [*line.y, line.total]
        style: dict[str, Any] = {"color": look.color, "linestyle": look.dash, "linewidth": 0.7 if grey else 1.5}
        ax.plot(x, y, drawstyle="steps-post", gid=f"line {name}", **style)
        if grey:
            continue
        rest = [end, longest / factor or 1.0]
        ax.plot(rest, [line.total] * 2, color=look.color, linewidth=0.6, linestyle=":", gid="rest")
        ends.append(End(line.total, f"{shown[name]} {text(line.total)}", look))
    ax.set_ylim(bottom=0)
    ax.set_ylabel(UNITS[what], fontsize=base.LETTERING)
    ax.yaxis.set_major_formatter(lambda value, _: text(value) if value else "0")
    base.plain_frame(ax)
    said = base.listed(
        [f"{name} {line.total:g} after {base.lasting(courses[name].seconds)}" for name, line in lines.items()]
    )
    grey_said = f"grey: {folded.label} of {base.many(len(lines), 'run')}" if folded.others else None
    return base.finish(
        ax,
        f"{UNITS[what]}: {said}",
        title=title,
        remarks=[grey_said, *_remarks(courses, lines, what, prices)],
        need=base.LINE * len(ends),
        last=lambda: labels.name_ends(ax, ends, longest / factor or 1.0),
    )


def _named(runs: Any) -> dict[str, Any]:
    if isinstance(runs, Mapping):
        named = {str(name): run for name, run in runs.items()}
    else:
        named = {f"run {number}": log for number, log in enumerate(logs_of(runs, "A plot"), start=1)}
    if not named:
        raise UserError("There is no run to draw: give two or more, as in agentnb.plot.overlay([run, other]).")
    return named


def _look(number: int) -> Look:
    # By order: the runs of a comparison are named by whoever draws it, and told apart best by the first colours.
    places = (0, 5, 2, 3, 1, 4, 6)
    place = places[number % len(places)]
    return Look(palette.PALETTE[place], palette.MARKERS[number % len(palette.MARKERS)], palette.DASHES[number % 4], "")


def _line(found: Course, what: What, prices: Prices) -> Steps | None:
    if what == "turns":
        return steps([(turn.end, 1) for turn in found.turns() if turn.outcome != "open"])
    points = []
    for call in found.of("model"):
        value = spent(call) if what == "tokens" else price_of(call, prices)
        if value is not None:
            points.append((call.end, value))
    return steps(points) if points else None


def _remarks(courses: Mapping[str, Course], lines: Mapping[str, Any], what: What, prices: Prices) -> list[str]:
    silent = [name for name in courses if name not in lines]
    remarks = [f"nothing known of {_all(silent)}"] if silent else []
    if what == "tokens":
        remarks += [f"{lettering.short(name)}: {said}" for name in lines if (said := unreported(courses[name]))]
    if what == "cost":
        calls = {name: courses[name].of("model") for name in lines}
        partly = [n for n, held in calls.items() if any(spent(c) and price_of(c, prices) is None for c in held)]
        remarks += [f"prices unknown for some calls of {_all(partly)}"] if partly else []
    return remarks


def _all(names: list[str]) -> str:
    return base.listed(list(map(lettering.short, names)))


def _turns(courses: Mapping[str, Course]) -> dict[str, int]:
    """Count the turns of each agent that is in no team within a team."""
    counts: dict[str, int] = {}
    for one in courses.values():
        for turn in one.of("turn"):
            if len(turn.path) == 1:
                counts[turn.agent] = counts.get(turn.agent, 0) + 1
    return counts


def _timelines(ax: Axes, courses: Mapping[str, Course], longest: float, folded: Fold, title: str | None) -> Axes:
    from matplotlib.patches import Patch

    if not any(one.of("turn") for one in courses.values()):
        return base.missing(ax, "Nothing to compare: nobody has had the word yet.", title=title)
    drawn = folded.looks(name for one in courses.values() for name in one.names)
    shown = lettering.shorts(folded.shown)
    ticks: list[float] = []
    top = 0.0
    base.plain_frame(ax, left=False)
    factor, _ = base.time_axis(ax, longest)
    points = ax.get_window_extent().width * 72 / ax.figure.dpi / (ax.get_xlim()[1] or 1.0)
    brief = _prefixes(set(folded.shown))
    for name, one in courses.items():
        turns = [span for span in one.of("turn") if len(span.path) == 1]
        rows = base.levels([(turn.start, turn.end) for turn in turns])
        high = max(rows, default=0) + 1
        ticks.append(top + high / 2)
        bars: dict[tuple[str, int, bool], list[tuple[float, float]]] = defaultdict(list)
        for turn, row in zip(turns, rows, strict=True):
            broken = turn.outcome in ("stopped", "failed")
            stretch = (turn.start / factor, turn.seconds / factor)
            agent = folded.name(turn.agent)
            bars[agent, row, broken].append(stretch)
            if agent != folded.label and stretch[1] * points > NAMED:
                _name_turn(ax, stretch, top + row + 0.5, (shown[agent], lettering.short(brief[agent])), drawn[agent])
        for (agent, row, broken), stretches in bars.items():
            look = drawn[agent]
            style: dict[str, Any] = {"facecolor": look.color, "edgecolor": palette.paper(ax), "linewidth": 0.3}
            if median(length for _, length in stretches) * points < THIN:
                style |= {"edgecolor": look.color, "linewidth": 0.15}
            elif broken or look.hatch:
                style |= {"hatch": "/////" if broken else look.hatch}
            ax.broken_barh(stretches, (top + row + 0.08, 0.84), gid=f"{name} {agent}", clip_on=False, **style)
        ax.plot([one.seconds / factor] * 2, [top, top + high], color=palette.ink(ax), linewidth=0.8, gid=f"end {name}")
        top += high + 0.35
    ax.set_ylim(top, -0.1)
    labels.name_rows(ax, ticks, list(lettering.shorts(courses).values()))
    entries: list[tuple[Any, str]] = [
        (Patch(facecolor=drawn[name].color, hatch=drawn[name].hatch, edgecolor=palette.paper(ax)), shown[name])
        for name in folded.shown
    ]
    base.key(ax, entries)
    said = ", ".join(f"{name} {base.lasting(one.seconds)}" for name, one in courses.items())
    about = f"Turns of {base.many(len(courses), 'run')}: {said}"
    return base.finish(ax, about, title=title, remarks=[folded.remark], need=min(HIGHEST, top * 16), names=folded.shown)


def _prefixes(names: set[str]) -> dict[str, str]:
    """Return the shortest beginning of each name that no other one has."""
    return {
        name: next(
            (name[:n] for n in range(1, len(name)) if sum(other.startswith(name[:n]) for other in names) == 1), name
        )
        for name in names
    }


def _name_turn(ax: Axes, stretch: tuple[float, float], middle: float, names: tuple[str, str], look: Look) -> None:
    """Write who has the word into the bar: whole, else what tells it apart, else nothing where there is no room."""
    (left, _), (right, _) = ax.transData.transform([(stretch[0], 0), (sum(stretch), 0)])
    room = (right - left) * 72 / ax.figure.dpi
    # About 4.6 points a character of the fine lettering.
    text = next((one for one in names if lettering.cells(one) * 4.6 + 3 < room), None)
    if text:
        color = "black" if palette.brightness(look.color) > 0.18 else "white"
        x = stretch[0] + stretch[1] / 2
        ax.text(
            x,
            middle,
            text,
            ha="center",
            va="center",
            color=color,
            gid="turn name",
            **lettering.style(text, size=base.FINE),
        )
