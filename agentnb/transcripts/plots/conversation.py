"""Who speaks to whom."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from agentnb.transcripts.plots import base, lettering, palette, ring
from agentnb.transcripts.plots.fold import Fold, fold
from agentnb.transcripts.plots.palette import Look
from agentnb.transcripts.plots.ring import Node, Point, Ring
from agentnb.transcripts.plots.spans import Course, Path, Span, course, rounds
from agentnb.transcripts.plots.transitions import Ways, followed, together

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEW = 12
"""Agents up to whom each has its number of turns on a line of its own."""
MOST, NARROW = 48, 30
"""Agents on a new figure, and on one narrower than five inches."""
CLEAR = 48
"""Arrows that are told apart."""
THIN, THICK = 0.7, 4.5
PITCH = 12.5
"""Points from one name to the next."""
PLACES = (0.5, 0.4, 0.6, 0.3, 0.7, 0.22, 0.78)
"""Where along an arrow its count is tried first, second, …"""


class Shown(NamedTuple):
    """What is drawn of a conversation."""

    turns: dict[str, int]
    ways: Ways
    pale: Ways
    """Ways taken too seldom to be told apart from each other."""
    opened: Ways
    fold: Fold


def conversation_graph(
    runs: Any,
    *,
    ax: Axes | None = None,
    top: int | None = None,
    title: str | None = None,
    width: float | None = None,
) -> Axes:
    """Draw who speaks to whom: agents in a ring, an arrow from each to those who had the word right after.

    The wider an arrow, the oftener; its count stands beside it where there is room. A dotted arrow leads from a team
    or an agent to those who had the first word in a run within its turn. Names carry their number of turns; of more
    than twelve agents a circle is the larger, the more turns, and the names stand left and right. Where arrows would
    hide each other, those taken least are pale lines, and what they are is written beneath.

    Args:
        runs: A log, a run or result that has one, or several, whose counts are added.
        ax: Where to draw; default: axes of a new figure, which a cell shows if they are its last value.
        top: How many agents are shown by name, those with the most turns, the rest as one; default: as many as can be
            read.
        title: Above the axes.
        width: Inches, of a new figure; default: as many as the agents take; 3.3 fits a column of print.

    Raises:
        UserError: If `runs` is none of these.
    """
    found = course(runs)
    most = NARROW if width is not None and width < 5 else MOST
    shown = _shown(found, ax, most, top)
    count = len(shown.turns)
    width = width or (4.6 if count <= FEW else 6.4)
    ax = base.begin(ax, width=width, height=_height(count, width))
    if not count:
        return base.missing(ax, "No conversation: nobody has had the word yet.", title=title)
    _finish(ax, shown, title)
    base.settle(ax)
    inside, scale = ax.get_window_extent(), 72 / ax.figure.dpi
    wide, high = inside.width * scale, inside.height * scale
    ax.set_xlim(0, wide)
    ax.set_ylim(0, high)
    ax.set_aspect("equal", adjustable="box")
    crowded = count > FEW
    names, size = _names(shown.turns, wide, high)
    sizes = {name: _size(ax, text, size) for name, text in names.items()}
    loops = {one for one, two in shown.ways + shown.pale if one == two}
    placed = ring.many(sizes, shown.turns, loops, wide, high) if crowded else ring.few(sizes, loops, wide, high)
    drawn = shown.fold.looks(found.names)
    boxes = [
        box for name in names for box in _draw_node(ax, placed.nodes[name], name, names[name], size, loops, drawn[name])
    ]
    _draw_pale(ax, placed, shown.pale)
    most = max([*shown.ways.values(), *shown.opened.values()], default=1)
    thick = min(THICK, max(2.0, wide / 70)) * (0.7 if crowded else 1.0)
    for counted, dotted in ((shown.ways, False), (shown.opened, True)):
        for (one, two), taken in counted.items():
            most_wide = 1.8 if dotted or one == two else thick
            line = THIN + (most_wide - THIN) * (taken - 1) / max(1, most - 1)
            _draw_way(ax, placed, one, two, line, drawn[one], dotted=dotted)
    _draw_counts(ax, placed, shown.ways + shown.opened, boxes)
    return ax


def _shown(found: Course, ax: Axes | None, most: int, top: int | None) -> Shown:
    """Choose who and which ways are told apart."""
    turns = Counter(turn.agent for turn in found.turns())
    folded = fold({name: turns[name] for name in _by_team(found)}, most, ax=ax, top=top, columns=2)
    counts = {name: turns[name] for name in folded.shown}
    if folded.others:
        counts[folded.label] = sum(turns[name] for name in folded.others)
    ways = together(followed(found), folded)
    least = _least(ways)
    pale = Counter({way: count for way, count in ways.items() if count < least})
    return Shown(counts, ways - pale, pale, together(_opened(found), folded), folded)


def _least(ways: Ways) -> int:
    """Return how often a way is taken at least to be told apart: all, if they are few."""
    if len(ways) <= CLEAR:
        return 0
    # More than those that come after the last clear one, so that equals are drawn alike.
    return sorted(ways.values(), reverse=True)[CLEAR] + 1


def _by_team(found: Course) -> list[str]:
    """Return who had the word in the order of beginning, those of a team within a team right after it."""
    first: dict[Path, int] = {}
    paths: dict[str, Path] = {}
    for number, turn in enumerate(found.turns()):
        paths.setdefault(turn.agent, turn.path)
        for end in range(1, len(turn.path) + 1):
            first.setdefault(turn.path[:end], number)
    return sorted(paths, key=lambda name: [first[paths[name][:end]] for end in range(1, len(paths[name]) + 1)])


def _height(count: int, width: float) -> float:
    if count <= FEW:
        return width * (0.42 if count < 3 else 0.86) + (0.5 if count > 5 else 0.0)
    return max(width * 0.75, (count + 1) // 2 * PITCH / 72 + 0.9)


def _finish(ax: Axes, shown: Shown, title: str | None) -> None:
    """Write what is beside the axes; all of it before anything is placed by length."""
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    ways = shown.ways + shown.pale
    said = base.listed([f"{one} to {two} {count}" for (one, two), count in ways.most_common()])
    about = f"Conversation of {base.many(len(shown.turns), 'agent')}" + (f": {said}" if said else "")
    remarks = ["in brackets: turns" if len(shown.turns) > FEW else None, _pale_said(shown), shown.fold.remark]
    base.finish(ax, about, title=title, remarks=remarks, names=shown.turns)


def _pale_said(shown: Shown) -> str | None:
    if not shown.pale:
        return None
    count, most = len(shown.pale), max(shown.pale.values())
    often = "once" if most == 1 else f"at most {most:,} times"
    return f"pale lines: {'all ' if not shown.ways else ''}{count:,} arrows taken {often} each"


def _opened(found: Course) -> Ways:
    """Count who had the first word in runs within the turns of others."""
    within: dict[tuple[int, int], list[Span]] = defaultdict(list)
    for turn in found.turns():
        if turn.within is not None:
            within[turn.log, turn.within].append(turn)
    firsts = [turn for turns in within.values() for several in rounds(turns) for turn in several[0]]
    return Counter((turn.path[-2], turn.agent) for turn in firsts)


def _names(turns: Mapping[str, int], wide: float, high: float) -> tuple[dict[str, str], str]:
    """Return what is written beside each circle, and in which size."""
    if len(turns) <= FEW:
        shown = lettering.shorts(turns)
        return {name: f"{shown[name]}\n{base.many(count, 'turn')}" for name, count in turns.items()}, base.LETTERING
    size = base.LETTERING if len(turns) <= 2 * FEW and high / ((len(turns) + 1) // 2) > PITCH else base.FINE
    # On each side a quarter of the width, at five points a character.
    longest = max(10, min(lettering.LONGEST, int(wide / 20) - 5))
    shown = lettering.shorts(turns, longest)
    return {name: f"{shown[name]} ({count:,})" for name, count in turns.items()}, size


def _size(ax: Axes, text: str, size: str) -> Point:
    """Measure a name as it will be written."""
    written = ax.text(0, 0, text, linespacing=1.05, **lettering.style(text, size=size))
    box, scale = written.get_window_extent(), 72 / ax.figure.dpi
    written.remove()
    return box.width * scale, box.height * scale


def _draw_node(ax: Axes, node: Node, name: str, text: str, size: str, loops: set[str], look: Look) -> Sequence[Any]:
    from matplotlib.patches import Circle

    hatch = look.hatch if node.radius > ring.NODE * 0.7 else ""
    circle = Circle((node.x, node.y), node.radius, edgecolor=look.color, hatch=hatch, zorder=3, gid=f"node {name}")
    circle.set_facecolor(palette.mixed(look.color, palette.paper(ax), 0.25))
    ax.add_patch(circle)
    x, y = node.beside(loops=name in loops)
    side = "center" if node.upright else "left" if math.cos(node.out) > 0 else "right"
    level = "center" if not node.upright else "bottom" if math.sin(node.out) > 0 else "top"
    style: dict[str, Any] = {"ha": side, "va": level, "linespacing": 1.05, **lettering.style(text, size=size)}
    written = ax.text(x, y, text, gid=f"name {name}", **style)
    if not node.upright:
        # A name beside its circle, not over its edge.
        written.set_y(y + 0.4 * written.get_window_extent().height * 72 / ax.figure.dpi * math.sin(node.out))
    return written.get_window_extent(), circle.get_window_extent()


def _draw_pale(ax: Axes, placed: Ring, pale: Ways) -> None:
    from matplotlib.collections import PathCollection

    if not pale:
        return
    paths = [_path(ring.curve(placed, one, two)) for one, two in pale]
    color = palette.mixed(palette.ink(ax), palette.paper(ax), 0.85)
    ax.add_collection(PathCollection(paths, facecolor="none", edgecolor=color, linewidth=0.4, gid="pale", zorder=1))


def _draw_way(ax: Axes, placed: Ring, one: str, two: str, line: float, look: Look, *, dotted: bool) -> None:
    from matplotlib.patches import FancyArrowPatch

    ax.add_patch(
        FancyArrowPatch(
            path=_path(ring.curve(placed, one, two)),
            arrowstyle=f"-|>,head_length={0.3 + line / 14:.2f},head_width={0.14 + line / 22:.2f}",
            mutation_scale=10 if placed.crowded else 14,
            shrinkA=0,
            shrinkB=0,
            color=look.color,
            linewidth=line,
            linestyle=(0, (1, 1.3)) if dotted else "-",
            joinstyle="miter",
            gid=f"{'within' if dotted else 'way'} {one} {two}",
            zorder=2,
        )
    )


def _path(points: Sequence[Point]) -> Any:
    from matplotlib.path import Path

    curved = Path.CURVE3 if len(points) == 3 else Path.CURVE4
    return Path(points, [Path.MOVETO, *[curved] * (len(points) - 1)])


def _draw_counts(ax: Axes, placed: Ring, ways: Ways, boxes: list[Any]) -> None:
    """Write the counts beside their arrows, the greatest first, each where it touches nothing written before."""
    for (one, two), count in ways.most_common():
        text = ax.text(0, 0, f"{count}", ha="center", va="center", fontsize=base.FINE, gid=f"count {one} {two}")
        text.set_bbox({"facecolor": palette.paper(ax), "edgecolor": "none", "boxstyle": "round,pad=0.1"})
        text.set_zorder(5)
        points = ring.curve(placed, one, two)
        for part in PLACES if one != two else PLACES[:1]:
            text.set_position(ring.along(points, part))
            box = text.get_window_extent().padded(1.0)
            if not any(box.overlaps(other) for other in boxes):
                boxes.append(box)
                break
        else:
            text.remove()
