"""Several runs in one figure, aligned at their starts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from agentnb.exceptions import UnknownName, UserError
from agentnb.runlog import logs_of
from agentnb.transcripts.plots import base, labels, palette
from agentnb.transcripts.plots.cost import Prices, checked, dollars, price_of
from agentnb.transcripts.plots.cumulative import Steps, steps
from agentnb.transcripts.plots.labels import End
from agentnb.transcripts.plots.palette import Look
from agentnb.transcripts.plots.spans import Course, course
from agentnb.transcripts.plots.tokens import spent, unreported

if TYPE_CHECKING:
    from matplotlib.axes import Axes

What = Literal["tokens", "cost", "turns", "timeline"]
UNITS = {"tokens": "Tokens, added up", "cost": "US dollars, added up", "turns": "Turns finished", "timeline": ""}


def overlay(
    runs: Any,
    *,
    ax: Axes | None = None,
    what: What = "tokens",
    prices: Prices | None = None,
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
    ax = base.begin(ax, width=width, height=(0.9 + 0.3 * max(2, rows)) if what == "timeline" else 2.2 + 0.1 * rows)
    longest = max((one.seconds for one in courses.values()), default=0.0)
    if what == "timeline":
        return _timelines(ax, courses, longest, title)
    lines = {name: line for name, one in courses.items() if (line := _line(one, what, prices)) is not None}
    if not lines:
        missing = {"tokens": "tokens are known", "cost": "prices are known", "turns": "turn is over"}[what]
        return base.missing(ax, f"Nothing to compare: no {missing}.", title=title)
    factor, _ = base.time_axis(ax, longest)
    text = {"tokens": base.thousands, "cost": dollars, "turns": base.thousands}[what]
    ends = []
    for number, (name, line) in enumerate(lines.items()):
        look = _look(number)
        end = courses[name].seconds / factor
        x, y = [*(at / factor for at in line.x), end], [*line.y, line.total]
        style: dict[str, Any] = {"color": look.color, "linestyle": look.dash, "linewidth": 1.5}
        ax.plot(x, y, drawstyle="steps-post", gid=f"line {name}", **style)
        rest = [end, longest / factor or 1.0]
        ax.plot(rest, [line.total] * 2, color=look.color, linewidth=0.6, linestyle=":", gid="rest")
        ends.append(End(line.total, f"{base.short(name)} {text(line.total)}", look))
    ax.set_ylim(bottom=0)
    ax.set_ylabel(UNITS[what], fontsize=base.LETTERING)
    ax.yaxis.set_major_formatter(lambda value, _: text(value) if value else "0")
    base.plain_frame(ax)
    said = ", ".join(
        f"{name} {line.total:g} after {base.lasting(courses[name].seconds)}" for name, line in lines.items()
    )
    return base.finish(
        ax,
        f"{UNITS[what]}: {said}",
        title=title,
        remarks=_remarks(courses, lines, what, prices),
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
    remarks = [f"nothing known of {', '.join(map(base.short, silent))}"] if silent else []
    if what == "tokens":
        remarks += [f"{base.short(name)}: {said}" for name in lines if (said := unreported(courses[name]))]
    if what == "cost":
        calls = {name: courses[name].of("model") for name in lines}
        partly = [n for n, held in calls.items() if any(spent(c) and price_of(c, prices) is None for c in held)]
        remarks += [f"prices unknown for some calls of {', '.join(map(base.short, partly))}"] if partly else []
    return remarks


def _timelines(ax: Axes, courses: Mapping[str, Course], longest: float, title: str | None) -> Axes:
    from matplotlib.patches import Patch

    if not any(one.of("turn") for one in courses.values()):
        return base.missing(ax, "Nothing to compare: nobody has had the word yet.", title=title)
    drawn = palette.looks(name for one in courses.values() for name in one.names)
    ticks: list[float] = []
    top = 0.0
    base.plain_frame(ax, left=False)
    factor, _ = base.time_axis(ax, longest)
    seen: dict[str, None] = {}
    brief = _prefixes({turn.agent for one in courses.values() for turn in one.of("turn") if len(turn.path) == 1})
    for name, one in courses.items():
        turns = [span for span in one.of("turn") if len(span.path) == 1]
        rows = base.levels([(turn.start, turn.end) for turn in turns])
        high = max(rows, default=0) + 1
        ticks.append(top + high / 2)
        bars: dict[tuple[str, int, bool], list[tuple[float, float]]] = defaultdict(list)
        for turn, row in zip(turns, rows, strict=True):
            broken = turn.outcome in ("stopped", "failed")
            stretch = (turn.start / factor, turn.seconds / factor)
            bars[turn.agent, row, broken].append(stretch)
            _name_turn(ax, stretch, top + row + 0.5, turn.agent, brief[turn.agent], drawn[turn.agent])
        for (agent, row, broken), stretches in bars.items():
            look = drawn[agent]
            seen[agent] = None
            style: dict[str, Any] = {"facecolor": look.color, "edgecolor": palette.paper(ax), "linewidth": 0.3}
            if broken or look.hatch:
                style |= {"hatch": "/////" if broken else look.hatch}
            ax.broken_barh(stretches, (top + row + 0.08, 0.84), gid=f"{name} {agent}", clip_on=False, **style)
        ax.plot([one.seconds / factor] * 2, [top, top + high], color=palette.ink(ax), linewidth=0.8, gid=f"end {name}")
        top += high + 0.35
    ax.set_ylim(top, -0.1)
    ax.set_yticks(ticks, [base.short(name) for name in courses], fontsize=base.LETTERING)
    entries: list[tuple[Any, str]] = [
        (Patch(facecolor=drawn[name].color, hatch=drawn[name].hatch, edgecolor=palette.paper(ax)), base.short(name))
        for name in seen
    ]
    base.key(ax, entries)
    said = ", ".join(f"{name} {base.lasting(one.seconds)}" for name, one in courses.items())
    about = f"Turns of {base.many(len(courses), 'run')}: {said}"
    return base.finish(ax, about, title=title, need=top * 16)


def _prefixes(names: set[str]) -> dict[str, str]:
    """Return the shortest beginning of each name that no other one has."""
    return {
        name: next(
            (name[:n] for n in range(1, len(name)) if sum(other.startswith(name[:n]) for other in names) == 1), name
        )
        for name in names
    }


def _name_turn(ax: Axes, stretch: tuple[float, float], middle: float, name: str, brief: str, look: Look) -> None:
    """Write who has the word into the bar: whole, else what tells it apart, else nothing where there is no room."""
    (left, _), (right, _) = ax.transData.transform([(stretch[0], 0), (sum(stretch), 0)])
    room = (right - left) * 72 / ax.figure.dpi
    # About 4.6 points a character of the fine lettering.
    text = next((one for one in (base.short(name), base.short(brief)) if len(one) * 4.6 + 3 < room), None)
    if text:
        color = "black" if palette.brightness(look.color) > 0.18 else "white"
        x = stretch[0] + stretch[1] / 2
        ax.text(x, middle, text, ha="center", va="center", fontsize=base.FINE, color=color, gid="turn name")
