"""Where agents stand in a conversation graph, and how arrows run between them; all lengths are in points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

Point = tuple[float, float]
NODE = 10.0
"""Radius."""
SMALLEST = 2.2
GAP = 5.0
LOOP = 17.0
"""How far a loop reaches out of its circle."""
BEND = 0.16
PULL = 0.35
"""How far an arrow between two of many bends towards the middle, so that it passes by those who stand between."""


class Node(NamedTuple):
    """An agent on the figure: its middle, the direction (radians) of its name and its loop, and its size."""

    x: float
    y: float
    out: float
    radius: float = NODE
    loop: float = LOOP

    @property
    def upright(self) -> bool:
        """Whether the name stands above or below the circle instead of beside it."""
        return abs(math.cos(self.out)) < 0.3

    def beside(self, *, loops: bool) -> Point:
        """Return where the name begins."""
        far = self.radius + min(GAP, self.radius + 1) + (self.loop if loops else 0.0)
        return self.x + far * math.cos(self.out), self.y + far * math.sin(self.out)


class Ring(NamedTuple):
    """All agents, and the middle to which arrows are pulled; None where nobody could stand in their way."""

    nodes: dict[str, Node]
    middle: Point | None
    crowded: bool = False


def few(sizes: Mapping[str, Point], loops: set[str], wide: float, high: float) -> Ring:
    """Put agents on an ellipse that leaves room for their names, the first on top, then clockwise."""
    count = len(sizes)
    start = math.pi if count == 2 else math.pi / 2
    nodes = {name: Node(0, 0, (start - 2 * math.pi * n / count) % (2 * math.pi)) for n, name in enumerate(sizes)}
    far = {name: NODE + GAP + (LOOP if name in loops else 0.0) for name in sizes}
    left = [sizes[n][0] + far[n] for n, node in nodes.items() if not node.upright and math.cos(node.out) < 0]
    right = [sizes[n][0] + far[n] for n, node in nodes.items() if not node.upright and math.cos(node.out) > 0]
    tall = [sizes[n][1] + far[n] for n, node in nodes.items() if node.upright]
    low, end = max(left, default=NODE), wide - max(right, default=NODE)
    across = max(wide * 0.15, (end - low) / 2)
    up = max(high * 0.15, high / 2 - max([*tall, NODE + 9.0]))
    if count == 1:
        across = up = 0.0
    placed = {
        name: Node((low + end) / 2 + across * math.cos(node.out), high / 2 + up * math.sin(node.out), node.out)
        for name, node in nodes.items()
    }
    return Ring(placed, ((low + end) / 2, high / 2) if count > 5 else None)


def many(sizes: Mapping[str, Point], weights: Mapping[str, float], loops: set[str], wide: float, high: float) -> Ring:
    """Put agents on an ellipse at even heights, so that each has a line for its name beside it, clockwise."""
    names = list(sizes)
    right, left = names[: (len(names) + 1) // 2], names[(len(names) + 1) // 2 :][::-1]
    pitch = high / len(right)
    largest, loop = min(NODE, pitch * 0.42), min(LOOP, pitch * 0.65)
    most = max(weights.values())
    radius = {name: max(SMALLEST, largest * math.sqrt(weights[name] / most)) for name in names}
    reach = {name: sizes[name][0] + 2 * largest + 1 + (loop if name in loops else 0.0) for name in names}
    low, end = max(reach[name] for name in left), wide - max(reach[name] for name in right)
    middle = ((low + end) / 2, high / 2)
    across = max(wide * 0.1, (end - low) / 2)
    nodes = {}
    for side, out in ((right, 0.0), (left, math.pi)):
        for place, name in enumerate(side):
            up = 1 - 2 * (place + 0.5) / len(side)
            x = middle[0] + math.cos(out) * across * math.sqrt(1 - up * up)
            nodes[name] = Node(x, middle[1] + up * high / 2, out, radius[name], loop)
    return Ring({name: nodes[name] for name in names}, middle, crowded=True)


def curve(ring: Ring, one: str, two: str) -> list[Point]:
    """Return an arrow's points: three of a quadratic curve, or the four of a loop."""
    start, end = ring.nodes[one], ring.nodes[two]
    if one == two:
        return _loop(start, flat=ring.crowded)
    across, up = end.x - start.x, end.y - start.y
    # To the right of its way, so that both ways between two are seen.
    bend = BEND
    x, y = (start.x + end.x) / 2, (start.y + end.y) / 2
    if ring.middle is not None:
        inward = PULL * (ring.middle[0] - x), PULL * (ring.middle[1] - y)
        x, y = x + inward[0], y + inward[1]
        if _angle(start, end, ring.middle) < math.radians(110):
            bend = min(bend, 0.6 * math.hypot(*inward) / math.hypot(across, up))
    control = (x + bend * up, y - bend * across)
    return [_towards(start, control, 1.5), control, _towards(end, control, 1.5)]


def _angle(one: Node, two: Node, middle: Point) -> float:
    """Return the angle between two, seen from the middle."""
    turn = math.atan2(one.y - middle[1], one.x - middle[0]) - math.atan2(two.y - middle[1], two.x - middle[0])
    return abs((turn + math.pi) % (2 * math.pi) - math.pi)


def _towards(node: Node, point: Point, gap: float) -> Point:
    angle = math.atan2(point[1] - node.y, point[0] - node.x)
    return node.x + (node.radius + gap) * math.cos(angle), node.y + (node.radius + gap) * math.sin(angle)


def _loop(node: Node, *, flat: bool) -> list[Point]:
    near, wide = (0.6, 0.45) if flat else (0.6, 0.75)

    def at(turn: float, far: float) -> Point:
        return node.x + far * math.cos(node.out + turn), node.y + far * math.sin(node.out + turn)

    far = node.radius + node.loop * 1.25
    return [at(near, node.radius + 1), at(wide, far), at(-wide, far), at(-near, node.radius + 1.5)]


def along(points: Sequence[Point], part: float) -> Point:
    """Return the point of a curve at a part of its way (0 to 1)."""
    while len(points) > 1:
        points = [(x0 * (1 - part) + x1 * part, y0 * (1 - part) + y1 * part) for (x0, y0), (x1, y1) in pairwise(points)]
    return points[0]
