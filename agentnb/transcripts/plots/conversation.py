"""Who speaks to whom."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from agentnb.transcripts.plots import base, palette
from agentnb.transcripts.plots.palette import Look
from agentnb.transcripts.plots.spans import Course, Span, course, rounds
from agentnb.transcripts.plots.transitions import Ways, followed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Point = tuple[float, float]
NODE = 10.0
"""Radius, in points, as are all lengths here: the axes are made to count them."""
GAP = 5.0
LOOP = 17.0
"""How far a loop reaches out of its circle."""
BEND = 0.16
THIN, THICK = 0.7, 4.5
PLACES = (0.5, 0.4, 0.6, 0.3, 0.7, 0.22, 0.78)
"""Where along an arrow its count is tried first, second, …"""


class Node(NamedTuple):
    """An agent on the figure: its middle, and the direction (radians) in which its name and its loop lie."""

    x: float
    y: float
    out: float


def conversation_graph(runs: Any, *, ax: Axes | None = None, title: str | None = None, width: float = 4.6) -> Axes:
    """Draw who speaks to whom: agents in a ring, an arrow from each to those who had the word right after.

    The wider an arrow, the oftener; its count stands beside it where there is room. A dotted arrow leads from a team
    or an agent to those who had the first word in a run within its turn. Names carry their number of turns.

    Args:
        runs: A log, a run or result that has one, or several, whose counts are added.
        ax: Where to draw; default: axes of a new figure, which a cell shows if they are its last value.
        title: Above the axes.
        width: Inches, of a new figure; 3.3 fits a column of print.

    Raises:
        UserError: If `runs` is none of these.
    """
    found = course(runs)
    turns = Counter(turn.agent for turn in found.turns())
    height = width * (0.42 if len(turns) < 3 else 0.86) + (0.5 if len(turns) > 5 else 0.0)
    ax = base.begin(ax, width=width, height=height)
    if not turns:
        return base.missing(ax, "No conversation: nobody has had the word yet.", title=title)
    ways, opened = followed(found), _opened(found)
    drawn = palette.looks(found.names)
    ax.set_axis_off()
    said = ", ".join(f"{one} to {two} {count}" for (one, two), count in ways.most_common())
    base.finish(ax, f"Conversation of {base.many(len(turns), 'agent')}" + (f": {said}" if said else ""), title=title)
    base.settle(ax)
    inside, scale = ax.get_window_extent(), 72 / ax.figure.dpi
    wide, high = inside.width * scale, inside.height * scale
    ax.set_xlim(0, wide)
    ax.set_ylim(0, high)
    ax.set_aspect("equal", adjustable="box")
    names = {name: f"{base.short(name)}\n{base.many(count, 'turn')}" for name, count in turns.items()}
    loops = {one for one, two in ways if one == two}
    sizes = _sizes(ax, names)
    nodes = _ring(names, sizes, loops, wide, high)
    boxes = _draw_nodes(ax, nodes, names, sizes, loops, drawn)
    most = max([*ways.values(), *opened.values()], default=1)
    thick = min(THICK, max(2.0, wide / 70))
    for counted, dotted in ((ways, False), (opened, True)):
        for (one, two), count in counted.items():
            most_wide = 1.8 if dotted or one == two else thick
            line = THIN + (most_wide - THIN) * (count - 1) / max(1, most - 1)
            _draw_way(ax, nodes, one, two, line, drawn[one], dotted=dotted)
    _draw_counts(ax, nodes, ways + opened, boxes)
    return ax


def _opened(found: Course) -> Ways:
    """Count who had the first word in runs within the turns of others."""
    within: dict[tuple[int, int], list[Span]] = defaultdict(list)
    for turn in found.turns():
        if turn.within is not None:
            within[turn.log, turn.within].append(turn)
    firsts = [turn for turns in within.values() for several in rounds(turns) for turn in several[0]]
    return Counter((turn.path[-2], turn.agent) for turn in firsts)


def _sizes(ax: Axes, names: Mapping[str, str]) -> dict[str, Point]:
    """Measure names as they will be written."""
    scale = 72 / ax.figure.dpi
    sizes = {}
    for name, text in names.items():
        written = ax.text(0, 0, text, fontsize=base.LETTERING, linespacing=1.05)
        box = written.get_window_extent()
        sizes[name] = (box.width * scale, box.height * scale)
        written.remove()
    return sizes


def _ring(
    names: Mapping[str, str], sizes: Mapping[str, Point], loops: set[str], wide: float, high: float
) -> dict[str, Node]:
    """Put agents on an ellipse that leaves room for their names, the first on top, then clockwise."""
    count = len(names)
    start = math.pi if count == 2 else math.pi / 2
    outs = {name: (start - 2 * math.pi * n / count) % (2 * math.pi) for n, name in enumerate(names)}
    far = {name: NODE + GAP + (LOOP if name in loops else 0.0) for name in names}
    left = [sizes[n][0] + far[n] for n in names if not _upright(outs[n]) and math.cos(outs[n]) < 0]
    right = [sizes[n][0] + far[n] for n in names if not _upright(outs[n]) and math.cos(outs[n]) > 0]
    tall = [sizes[name][1] + far[name] for name in names if _upright(outs[name])]
    low, end = max(left, default=NODE), wide - max(right, default=NODE)
    across = max(wide * 0.15, (end - low) / 2)
    up = max(high * 0.15, high / 2 - max([*tall, NODE + 9.0]))
    if count == 1:
        across = up = 0.0
    return {
        name: Node((low + end) / 2 + across * math.cos(out), high / 2 + up * math.sin(out), out)
        for name, out in outs.items()
    }


def _upright(out: float) -> bool:
    """Tell whether a name stands above or below its circle instead of beside it."""
    return abs(math.cos(out)) < 0.3


def _draw_nodes(
    ax: Axes,
    nodes: Mapping[str, Node],
    names: Mapping[str, str],
    sizes: Mapping[str, Point],
    loops: set[str],
    drawn: Mapping[str, Look],
) -> list[Any]:
    from matplotlib.patches import Circle

    boxes = []
    for name, node in nodes.items():
        look = drawn[name]
        circle = Circle((node.x, node.y), NODE, edgecolor=look.color, hatch=look.hatch, zorder=3, gid=f"node {name}")
        circle.set_facecolor(palette.mixed(look.color, palette.paper(ax), 0.25))
        ax.add_patch(circle)
        far = NODE + GAP + (LOOP if name in loops else 0.0)
        x, y = node.x + far * math.cos(node.out), node.y + far * math.sin(node.out)
        side = "center" if _upright(node.out) else "left" if math.cos(node.out) > 0 else "right"
        if not _upright(node.out):
            y += 0.4 * sizes[name][1] * math.sin(node.out)  # a name beside its circle, not over its edge
        level = "center" if not _upright(node.out) else "bottom" if math.sin(node.out) > 0 else "top"
        style: dict[str, Any] = {"ha": side, "va": level, "fontsize": base.LETTERING, "linespacing": 1.05}
        text = ax.text(x, y, names[name], gid=f"name {name}", **style)
        boxes += [text.get_window_extent(), circle.get_window_extent()]
    return boxes


def _draw_way(
    ax: Axes, nodes: Mapping[str, Node], one: str, two: str, line: float, look: Look, *, dotted: bool
) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    style: dict[str, Any] = {
        "arrowstyle": f"-|>,head_length={0.3 + line / 14:.2f},head_width={0.14 + line / 22:.2f}",
        "mutation_scale": 14,
        "shrinkA": 0,
        "shrinkB": 0,
        "color": look.color,
        "linewidth": line,
        "linestyle": (0, (1, 1.3)) if dotted else "-",
        "joinstyle": "miter",
        "gid": f"{'within' if dotted else 'way'} {one} {two}",
        "zorder": 2,
    }
    if one == two:
        path = Path(_loop(nodes[one]), [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
        ax.add_patch(FancyArrowPatch(path=path, **style))
        return
    start, end = _ends(nodes[one], nodes[two])
    ax.add_patch(FancyArrowPatch(start, end, connectionstyle=f"arc3,rad={BEND}", **style))


def _ends(one: Node, two: Node) -> tuple[Point, Point]:
    """Return where an arrow leaves and reaches the circles, a little to the side it bends to."""
    angle = math.atan2(two.y - one.y, two.x - one.x)
    lean = math.atan(2 * BEND)
    leave, reach, away = angle - lean, angle + math.pi + lean, NODE + 1.5
    return (
        (one.x + away * math.cos(leave), one.y + away * math.sin(leave)),
        (two.x + away * math.cos(reach), two.y + away * math.sin(reach)),
    )


def _loop(node: Node) -> list[Point]:
    """Return the four points of a loop at the outer side of a circle."""

    def at(turn: float, far: float) -> Point:
        return node.x + far * math.cos(node.out + turn), node.y + far * math.sin(node.out + turn)

    return [at(0.6, NODE + 1), at(0.75, NODE + LOOP * 1.25), at(-0.75, NODE + LOOP * 1.25), at(-0.6, NODE + 1.5)]


def _draw_counts(ax: Axes, nodes: Mapping[str, Node], ways: Ways, boxes: list[Any]) -> None:
    """Write the counts beside their arrows, the greatest first, each where it touches nothing written before."""
    for (one, two), count in ways.most_common():
        text = ax.text(0, 0, str(count), ha="center", va="center", fontsize=base.FINE, gid=f"count {one} {two}")
        text.set_bbox({"facecolor": palette.paper(ax), "edgecolor": "none", "boxstyle": "round,pad=0.1"})
        text.set_zorder(5)
        for part in PLACES if one != two else PLACES[:1]:
            text.set_position(_along(nodes, one, two, part))
            box = text.get_window_extent().padded(1.0)
            if not any(box.overlaps(other) for other in boxes):
                boxes.append(box)
                break
        else:
            text.remove()


def _along(nodes: Mapping[str, Node], one: str, two: str, part: float) -> Point:
    if one == two:
        weights = [(1 - part) ** 3, 3 * part * (1 - part) ** 2, 3 * part**2 * (1 - part), part**3]
        points = _loop(nodes[one])
        return (
            sum(weight * x for weight, (x, _) in zip(weights, points, strict=True)),
            sum(weight * y for weight, (_, y) in zip(weights, points, strict=True)),
        )
    (x0, y0), (x2, y2) = _ends(nodes[one], nodes[two])
    # The middle point of matplotlib's arc3: half way, moved to the side by `rad` times the distance.
    x1, y1 = (x0 + x2) / 2 + BEND * (y2 - y0), (y0 + y2) / 2 - BEND * (x2 - x0)
    a, b, c = (1 - part) ** 2, 2 * part * (1 - part), part**2
    return a * x0 + b * x1 + c * x2, a * y0 + b * y1 + c * y2
