"""Who was at work when, and what they waited for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from agentnb.transcripts.plots import base, labels, lettering, palette
from agentnb.transcripts.plots.fold import Fold, fold
from agentnb.transcripts.plots.palette import Look
from agentnb.transcripts.plots.spans import Course, Path, Span, course

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TURN, CALL = 0.8, 0.46
"""Heights of a turn and of what goes on within it; a lane is 1 high."""
LANE = 0.24
"""Inches."""
MOST = 30
HIGHEST = 10.0
"""Inches of all lanes together; of more rows each is lower."""
THIN = 3.0
"""Points."""
INDENT = "\N{NO-BREAK SPACE}" * 3
NEUTRAL = "#808080"
NAMES = {
    "turn": "turn",
    "model": "model",
    "tool": "tool",
    "code": "code",
    "person": "waiting for a person",
}
MARKS = {"open": (">", "goes on"), "failed": ("x", "failed call")}


def timeline(
    runs: Any,
    *,
    ax: Axes | None = None,
    top: int | None = None,
    title: str | None = None,
    width: float = base.WIDTH,
) -> Axes:
    """Draw who was at work when, and what they waited for: a lane per agent over time.

    ```python
    ax = timeline(log)
    ax.figure.savefig("timeline.pdf")
    ```

    A turn is a pale bar in the agent's colour; within it lie the model's calls (solid), tools (lines), code (black) and
    waiting for a person (dots). Turns that broke off are hatched, calls that failed have a cross, what still goes on
    ends in an arrow at the last fact. The lanes of a team within a team are indented beneath it; turns of one agent
    that overlap lie in rows of their own. Several runs follow one another, and the pauses between them are cut out.

    Args:
        runs: A log, a run or result that has one, or several.
        ax: Where to draw; default: axes of a new figure, which a cell shows if they are its last value.
        top: How many lanes are shown, those at work longest; the rest is one grey lane; default: as many as can be
            read.
        title: Above the axes.
        width: Inches, of a new figure; 3.3 fits a column of print.

    Raises:
        UserError: If `runs` is none of these.
    """
    found = course(runs)
    folded = _folded(found, ax, top)
    lanes, rows = _lanes(found, folded)
    lane = min(LANE, HIGHEST / max(1, rows))
    ax = base.begin(ax, width=width, height=0.85 + lane * max(3, rows))
    if not found.spans:
        return base.missing(ax, "No timeline: nobody has had the word yet.", title=title)
    drawn = palette.looks(found.names)
    rest = _stretches(found, folded)
    _name_lanes(ax, lanes, rows, folded, marked=bool(found.seams))
    factor, _ = base.time_axis(ax, found.seconds)
    base.plain_frame(ax, left=False)
    painter = _Painter(ax, factor)
    for path, (place, stacked) in lanes.items():
        look = drawn[path[-1]]
        painter.lane(found, place, stacked, look)
    if rest:
        painter.rest(rest, rows - 1)
    base.seams(ax, found, factor)
    base.key(ax, painter.entries())
    need = rows * lane * 72 * 0.75
    remarks = [folded.remark, base.cut(found)]
    return base.finish(ax, _about(found, lanes, folded), title=title, remarks=remarks, need=need)


def _folded(found: Course, ax: Axes | None, top: int | None) -> Fold:
    """Choose whose lanes are shown; a team is at work at least as long as anybody within it."""
    seconds: dict[Path, float] = defaultdict(float)
    for span in found.spans:
        outermost = span.within is None or found.spans[span.within].path != span.path
        for end in range(1, len(span.path) + 1):
            seconds[span.path[:end]] += span.seconds if outermost else 0.0
    return fold(seconds, MOST, ax=ax, top=top, what="lane")


def _stretches(found: Course, folded: Fold) -> list[tuple[float, float]]:
    """Return when any of those was at work who have no lane."""
    merged: list[tuple[float, float]] = []
    for span in sorted((span for span in found.spans if span.path in folded.others), key=lambda span: span.start):
        if merged and span.start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], span.end))
        else:
            merged.append((span.start, span.end))
    return merged


def _lanes(found: Course, folded: Fold) -> tuple[dict[Path, tuple[float, list[tuple[int, Span]]]], int]:
    """Return each lane's upper edge and its spans, each with its row in the lane; and how many rows there are."""
    held: dict[Path, list[Span]] = defaultdict(list)
    first: dict[Path, int] = {}
    for number, span in enumerate(found.spans):
        if span.path in folded.others:
            continue
        held[span.path].append(span)
        for end in range(1, len(span.path) + 1):
            first.setdefault(span.path[:end], number)
    # Under its parent, in the order of beginning.
    order = sorted(first, key=lambda path: [first[path[:end]] for end in range(1, len(path) + 1)])
    lanes: dict[Path, tuple[float, list[tuple[int, Span]]]] = {}
    top = 0
    for path in order:
        spans = held[path]
        turns = [span for span in spans if span.kind == "turn"]
        row = {id(turn): level for turn, level in zip(turns, _levels(turns), strict=True)}
        stacked = [(row.get(id(_turn(found, span)), 0), span) for span in spans]
        lanes[path] = (float(top), stacked)
        top += max((level for level, _ in stacked), default=0) + 1
    return lanes, top + (1 if folded.others else 0)


def _levels(spans: Sequence[Span]) -> list[int]:
    return base.levels([(span.start, span.end) for span in spans])


def _turn(found: Course, span: Span) -> Span:
    """Return the turn in the span's own lane that it belongs to; itself outside of turns."""
    while span.kind != "turn" and span.within is not None and found.spans[span.within].path == span.path:
        span = found.spans[span.within]
    return span


def _name_lanes(ax: Axes, lanes: dict[Path, Any], rows: int, folded: Fold, *, marked: bool) -> None:
    shown = lettering.shorts(path[-1] for path in lanes)
    places = [lanes[path][0] for path in lanes]
    names = [INDENT * (len(path) - 1) + shown[path[-1]] for path in lanes]
    if folded.others:
        places.append(rows - 1.0)
        names.append(folded.label)
    ax.set_ylim(rows - 0.4, -1.0 if marked else -0.6)
    labels.name_rows(ax, places, names)
    written = ax.get_yticklabels()
    scale = 72 / ax.figure.dpi
    widest = max(label.get_window_extent().width for label in written) * scale
    ax.tick_params(axis="y", length=0, pad=widest + 4, labelsize=base.LETTERING)
    for label in written:
        label.set_horizontalalignment("left")


class _Painter:
    """Draws lanes, and remembers what it drew for the key."""

    def __init__(self, ax: Axes, factor: float) -> None:
        self._ax, self._factor = ax, factor
        self._ink, self._paper = palette.ink(ax), palette.paper(ax)
        self._drawn: dict[str, None] = {}
        self._points = ax.get_window_extent().width * 72 / ax.figure.dpi / (ax.get_xlim()[1] or 1.0)

    def lane(self, found: Course, place: float, stacked: Iterable[tuple[int, Span]], look: Look) -> None:
        """Draw one agent's turns, then what goes on within them; what looks alike in one go, for there may be a lot."""
        bars: dict[tuple[str, float, float], list[Span]] = defaultdict(list)
        marks: dict[str, list[tuple[float, float]]] = defaultdict(list)
        within: dict[int, list[tuple[Span, float]]] = defaultdict(list)
        for row, span in stacked:
            middle = place + row
            if span.kind == "turn":
                bars["stopped" if span.outcome in ("stopped", "failed") else "turn", middle, TURN].append(span)
            else:
                within[id(_turn(found, span))].append((span, middle))
            if span.outcome == "open" and span.kind == "turn":
                marks["open"].append((span.end / self._factor, middle))
            elif span.outcome == "failed" and span.kind != "turn":
                marks["failed"].append((span.end / self._factor, middle - CALL / 2 - 0.08))
        for calls in within.values():
            for what, middle, height, call in _calls(found, calls):
                bars[what, middle, height].append(call)
        order = list(NAMES)
        for (what, middle, height), spans in sorted(bars.items(), key=lambda bar: (bar[0][0] in order[1:], -bar[0][2])):
            self._bars(what, spans, middle, height, look)
        for what, points in marks.items():
            self._mark(what, points)

    def rest(self, stretches: Sequence[tuple[float, float]], middle: float) -> None:
        """Draw when anybody was at work who has no lane of their own."""
        self._drawn["turn"] = None
        held = [(start / self._factor, (end - start) / self._factor) for start, end in stretches]
        style = self._style("turn", palette.OTHERS.color) | {"facecolor": palette.OTHERS.color}
        self._thin(style, held)
        self._ax.broken_barh(held, (middle - TURN / 2, TURN), gid="turn others", clip_on=False, **style)

    def _bars(self, what: str, spans: Sequence[Span], middle: float, height: float, look: Look) -> None:
        self._drawn[what] = None
        stretches = [(span.start / self._factor, max(0.0, span.seconds) / self._factor) for span in spans]
        style = self._style(what, look.color)
        self._thin(style, stretches)
        self._ax.broken_barh(
            stretches, (middle - height / 2, height), gid=f"{what} {spans[0].agent}", clip_on=False, **style
        )

    def _thin(self, style: dict[str, Any], stretches: Sequence[tuple[float, float]]) -> None:
        if median(length for _, length in stretches) * self._points < THIN:
            style["linewidth"] = 0.15  # an edge as wide as its bar would show more time than there was

    def _mark(self, what: str, points: Sequence[tuple[float, float]]) -> None:
        self._drawn[what] = None
        marker, size = MARKS[what][0], 4.5 if what == "open" else 3.5
        x, y = zip(*points, strict=True)
        self._ax.plot(
            x, y, marker=marker, color=self._ink, markersize=size, linestyle="", clip_on=False, gid=what, zorder=6
        )

    def _style(self, what: str, color: str) -> dict[str, Any]:
        pale = palette.mixed(color, self._paper, 0.68)
        match what:
            case "turn":
                return {"facecolor": pale, "edgecolor": color, "linewidth": 0.5}
            case "stopped":
                return {"facecolor": pale, "edgecolor": color, "linewidth": 0.5, "hatch": "/////"}
            case "model":
                return {"facecolor": color, "edgecolor": color, "linewidth": 0.2}
            case "tool":
                return {"facecolor": self._paper, "edgecolor": color, "linewidth": 0.5, "hatch": "-----"}
            case "code":
                return {"facecolor": self._ink, "edgecolor": self._ink, "linewidth": 0.2}
        return {"facecolor": self._paper, "edgecolor": self._ink, "linewidth": 0.5, "hatch": "....."}

    def entries(self) -> list[tuple[Any, str]]:
        """Return what the key explains: only what occurs."""
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        entries: list[tuple[Any, str]] = [
            (Patch(**self._style(what, NEUTRAL)), name) for what, name in NAMES.items() if what in self._drawn
        ]
        if "stopped" in self._drawn:
            entries.append((Patch(**self._style("stopped", NEUTRAL)), "broken off"))
        for what, (marker, name) in MARKS.items():
            if what in self._drawn:
                line = Line2D([], [], marker=marker, color=self._ink, markersize=4.5, linestyle="")
                entries.append((line, name))
        return entries


def _calls(found: Course, placed: Sequence[tuple[Span, float]]) -> Iterator[tuple[str, float, float, Span]]:
    """Yield where the calls of one turn lie: side by side if at once, narrower what is part of another call."""
    outer = [call for call, _ in placed if not _within_call(found, call)]
    level = dict(zip(map(id, outer), _levels(outer), strict=True))
    share = CALL / (max(level.values(), default=0) + 1)
    for call, row in placed:
        around, depth = call, 0
        while _within_call(found, around) and around.within is not None:
            around, depth = found.spans[around.within], depth + 1
        if depth and call.kind == around.kind == "model":
            continue  # a client that wraps another: one call for those who wait
        middle = row - CALL / 2 + (level.get(id(around), 0) + 0.5) * share
        yield call.kind, middle, share * 0.6**depth, call


def _within_call(found: Course, call: Span) -> bool:
    around = found.spans[call.within] if call.within is not None else None
    return around is not None and around.kind != "turn" and around.path == call.path


def _about(found: Course, lanes: Iterable[Path], folded: Fold) -> str:
    turns = found.turns()
    counts: dict[str, int] = defaultdict(int)
    for turn in turns:
        counts[folded.label if turn.path in folded.others else turn.agent] += 1
    said = ", ".join(f"{name} {count}" for name, count in counts.items())
    whole = f"Timeline of {base.many(len(turns), 'turn')} in {base.lasting(found.seconds)}"
    return f"{whole} ({said})" if said else f"Timeline of {base.many(len(list(lanes)), 'lane')}"
