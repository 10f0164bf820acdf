"""Agents and topics as a graph: layers in the order of first appearance, ways bundled side by side.

Every way leads on from a node that appeared earlier to one that appeared later, whichever of the two sends: so there
are no cycles to break, and the same log gives the same picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Protocol

from agentnb.ui import strokes
from agentnb.ui.actors import Link, Node
from agentnb.ui.cards import Rect, card, node_size
from agentnb.ui.strokes import DROPPED, FAILED, INK, LINE, SOFT, WAITS, Point, spot

Entry = tuple[Callable[[float, float], str], str]
"""A sign of the legend, drawn from its left middle, and what it means."""

LANE = 21.0
"""Pixels between two ways side by side."""
WIDE = 1040.0
"""A picture wider than this is drawn from top to bottom, if that is narrower."""
MARGIN = 14.0
APART = 22.0


class Contents(Protocol):
    """What is drawn; nodes in the order of their first appearance."""

    @property
    def nodes(self) -> Sequence[Node]: ...
    @property
    def links(self) -> Sequence[Link]: ...
    @property
    def title(self) -> str: ...
    @property
    def remark(self) -> str: ...
    @property
    def hues(self) -> Mapping[str, str]: ...
    def facts(self) -> list[str]: ...


@dataclass(slots=True)
class _Place:
    """A node, or where a long way passes a layer; `along` and `across` are its middle."""

    name: str
    layer: int
    node: Node | None = None
    lanes: int = 1
    size: tuple[float, float] = (0.0, 0.0)
    """Along and across."""
    along: float = 0.0
    across: float = 0.0
    near: list[_Place] = field(default_factory=list)


@dataclass(slots=True)
class _Way:
    """All links between two nodes, through the places on their way."""

    links: list[Link]
    stops: list[_Place]


def graph_svg(contents: Contents, kind: type[Drawing] | None = None) -> str:
    """Return the graph as SVG text; `kind` says how nodes and ways look, by default as of actors."""
    drawings = [(kind or Drawing)(contents, down=down) for down in (False, True)]
    drawing = drawings[0] if drawings[0].width <= max(WIDE, drawings[1].width) else drawings[1]
    return drawing.svg()


class Drawing:
    """The graph laid out from left to right, or from top to bottom."""

    def __init__(self, contents: Contents, *, down: bool) -> None:
        self.contents = contents
        self.down = down
        self.places = {node.name: _Place(node.name, 0, node) for node in contents.nodes}
        self.ways = self._ways()
        self.layers = self._layers()
        self._sizes()
        self._order()
        self._spread()
        along = max((place.along + place.size[0] / 2 for place in self.places.values()), default=0.0)
        across = max((place.across + place.size[1] / 2 for layer in self.layers for place in layer), default=0.0)
        extent = (across, along) if down else (along, across)
        self.width = max(extent[0] + MARGIN, 300.0)
        self.height = extent[1] + MARGIN

    def _ways(self) -> list[_Way]:
        rank = {name: place for place, name in enumerate(self.places)}
        pairs: dict[tuple[str, str], list[Link]] = {}
        for link in self.contents.links:
            first, last = sorted((link.source, link.target), key=rank.__getitem__)
            pairs.setdefault((first, last), []).append(link)
        for first, last in sorted(pairs, key=lambda pair: (rank[pair[0]], rank[pair[1]])):
            if first != last:
                self.places[last].layer = max(self.places[last].layer, self.places[first].layer + 1)
        return [_Way(links, [self.places[first], self.places[last]]) for (first, last), links in pairs.items()]

    def _layers(self) -> list[list[_Place]]:
        layers: list[list[_Place]] = [[] for _ in range(max((p.layer for p in self.places.values()), default=0) + 1)]
        for place in self.places.values():
            layers[place.layer].append(place)
        for way in self.ways:
            first, last = way.stops
            if first is last:
                continue
            passing = [_Place("", layer, lanes=len(way.links)) for layer in range(first.layer + 1, last.layer)]
            for place in passing:
                layers[place.layer].append(place)
            way.stops = [first, *passing, last]
            for one, other in pairwise(way.stops):
                one.near.append(other)
                other.near.append(one)
        return layers

    def _sizes(self) -> None:
        sides: dict[tuple[str, int], int] = {}
        for way in self.ways:
            for end, side in ((way.stops[0], 1), (way.stops[-1], -1)):
                sides[end.name, side] = sides.get((end.name, side), 0) + len(way.links)
        for layer in self.layers:
            for place in layer:
                if place.node is None:
                    place.size = (0.0, LANE * place.lanes)
                    continue
                lanes = max(sides.get((place.name, 1), 0), sides.get((place.name, -1), 0))
                width, height = node_size(place.node)
                along, across = (height, width) if self.down else (width, height)
                place.size = (along, max(across, lanes * LANE + 8))

    def _order(self) -> None:
        for turn in range(4):
            layers = self.layers if turn % 2 == 0 else self.layers[::-1]
            for layer in layers:
                for index, place in enumerate(layer):
                    place.across = float(index)
            for before, layer in pairwise(layers):
                where = {id(place): index for index, place in enumerate(before)}
                means = {}
                for index, place in enumerate(layer):
                    seen = [where[id(other)] / max(len(before), 1) for other in place.near if id(other) in where]
                    means[id(place)] = sum(seen) / len(seen) if seen else index / max(len(layer), 1)
                layer.sort(key=lambda place: means[id(place)])

    def _spread(self) -> None:
        along = MARGIN
        for number_of, layer in enumerate(self.layers):
            size = max((place.size[0] for place in layer), default=0.0)
            for place in layer:
                place.along = along + size / 2
            along += size + self._gap(number_of)
        for layer in self.layers:
            across = 0.0
            for place in layer:
                place.across = across + place.size[1] / 2
                across += place.size[1] + APART
        for turn in range(8):
            for layer in self.layers if turn % 2 == 0 else self.layers[::-1]:
                wish = [
                    sum(other.across for other in place.near) / len(place.near) if place.near else place.across
                    for place in layer
                ]
                _settle(layer, wish)
        top = min((place.across - place.size[1] / 2 for layer in self.layers for place in layer), default=0.0)
        for layer in self.layers:
            for place in layer:
                place.across += MARGIN - top

    def _gap(self, layer: int) -> float:
        crossing = [
            link
            for way in self.ways
            for one, other in pairwise(way.stops)
            if one.layer == layer and other.layer == layer + 1
            for link in way.links
        ]
        if self.down:
            return 64.0 + 14.0 * min(len(crossing), 6)
        return 48.0 + max((strokes.pill_size(self.texts(link))[0] + 32 * _marked(link) for link in crossing), default=0)

    # -- lines ----------------------------------------------------------------------------------------------------

    def svg(self) -> str:
        lines: list[str] = []
        labels: list[str] = []
        taken = [self._rect(place) for place in self.places.values()]
        ports = self._ports()
        for way in self.ways:
            for lane, link in enumerate(way.links):
                self._link(way, lane, link, ports, taken, lines, labels)
        hues = dict(self.contents.hues)
        nodes = []
        for place in self.places.values():
            assert place.node is not None
            nodes.append(self.card(place.node, self._rect(place), hues))
        foot, height = self._foot()
        # Labels and loops may reach over the edge of all nodes.
        left = min([0.0, *(x - 6 for x, _, _, _ in taken)])
        top = min([0.0, *(y - 6 for _, y, _, _ in taken)])
        right = max([self.width, *(x + width + 6 for x, _, width, _ in taken)])
        return strokes.svg(
            right - left,
            self.height + height - top,
            self.contents.title,
            self.contents.facts(),
            [*lines, *nodes, *labels, *foot],
            corner=(left, top),
        )

    def _point(self, along: float, across: float) -> Point:
        return (across, along) if self.down else (along, across)

    def _rect(self, place: _Place) -> tuple[float, float, float, float]:
        x, y = self._point(place.along, place.across)
        width, height = self._point(*place.size)
        return x - width / 2, y - height / 2, width, height

    def _ports(self) -> dict[tuple[int, int, int], float]:
        """Return where each lane meets its nodes, across: by way, lane and end (0 is the earlier node)."""
        sides: dict[tuple[str, int], list[tuple[float, int, int]]] = {}
        for index, way in enumerate(self.ways):
            if len(way.stops) < 2 or way.stops[0] is way.stops[-1]:
                continue
            for end, place, other in ((0, way.stops[0], way.stops[1]), (1, way.stops[-1], way.stops[-2])):
                for lane in range(len(way.links)):
                    sides.setdefault((place.name, end), []).append((other.across, index, lane))
        ports = {}
        for (name, end), lanes in sides.items():
            middle, count = self.places[name].across, len(lanes)
            for order, (_, index, lane) in enumerate(sorted(lanes)):
                ports[index, lane, end] = middle + (order - (count - 1) / 2) * LANE
        return ports

    def _link(
        self,
        way: _Way,
        lane: int,
        link: Link,
        ports: dict[tuple[int, int, int], float],
        taken: list[tuple[float, float, float, float]],
        lines: list[str],
        labels: list[str],
    ) -> None:
        index = self.ways.index(way)
        first, last = way.stops[0], way.stops[-1]
        forward = link.source == first.name
        if first is last:
            pieces = self._loop(first, lane)
        else:
            offset = (lane - (len(way.links) - 1) / 2) * LANE
            points = [(first.along + first.size[0] / 2, ports[index, lane, 0])]
            for place in way.stops[1:-1]:
                reach = max((other.size[0] for other in self.layers[place.layer]), default=0.0) / 2
                points += [(place.along - reach, place.across + offset), (place.along + reach, place.across + offset)]
            points.append((last.along - last.size[0] / 2, ports[index, lane, 1]))
            pieces = [self._piece(one, other) for one, other in pairwise(points)]
            if not forward:
                pieces = [(d, c, b, a) for a, b, c, d in reversed(pieces)]
        colour, thick, dash = self.stroke(link)
        tip, back = pieces[-1][3], pieces[-1][2]
        way_of = _direction(back, tip)
        end = (tip[0] - way_of[0] * 6, tip[1] - way_of[1] * 6)
        d = f"M{spot(pieces[0][0])}" + "".join(f"C{spot(b)} {spot(c)} {spot(e)}" for _, b, c, e in pieces[:-1])
        d += f"C{spot(pieces[-1][1])} {spot(pieces[-1][2])} {spot(end)}"
        lines.append(strokes.line(d, stroke=colour, thick=thick, dash=dash))
        lines.append(strokes.head(tip, way_of, fill=colour, size=9))
        if link.dropped:
            mark = (tip[0] - way_of[0] * 16, tip[1] - way_of[1] * 16)
            labels.append(strokes.bar(mark, way_of))
        if link.failed:
            shift = 30 if link.dropped else 18
            labels.append(strokes.cross((tip[0] - way_of[0] * shift, tip[1] - way_of[1] * shift)))
        texts = self.texts(link)
        if texts:
            labels.append(strokes.pill(self._free(pieces, strokes.pill_size(texts), taken), texts))

    def _piece(self, one: Point, other: Point) -> tuple[Point, Point, Point, Point]:
        reach = (other[0] - one[0]) * 0.5
        return (
            self._point(*one),
            self._point(one[0] + reach, one[1]),
            self._point(other[0] - reach, other[1]),
            self._point(*other),
        )

    def _loop(self, place: _Place, lane: int) -> list[tuple[Point, Point, Point, Point]]:
        """A way from a node to itself, over its far edge."""
        x, y, width, _ = self._rect(place)
        left, right, up = x + width * 0.3, x + width * 0.7, y - 44 - 12 * lane
        return [((left, y), (left, up), (right, up), (right, y))]

    def _free(
        self,
        pieces: list[tuple[Point, Point, Point, Point]],
        size: tuple[float, float],
        taken: list[tuple[float, float, float, float]],
    ) -> Point:
        """Return a place on the way where a label covers nothing; its middle if there is none."""
        width, height = size
        for share in (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82):
            for piece in sorted(range(len(pieces)), key=lambda p: abs(p - (len(pieces) - 1) / 2)):
                x, y = _on(pieces[piece], share)
                rect = (x - width / 2, y - height / 2, width, height)
                if not any(_meet(rect, other) for other in taken):
                    taken.append(rect)
                    return x, y
        x, y = _on(pieces[len(pieces) // 2], 0.5)
        taken.append((x - width / 2, y - height / 2, width, height))
        return x, y

    # -- looks ----------------------------------------------------------------------------------------------------

    def card(self, node: Node, rect: Rect, hues: dict[str, str]) -> str:
        """Return a node."""
        links = self.contents.links
        got = sum(link.count for link in links if link.target == node.name)
        sent = sum(link.count for link in links if link.source == node.name)
        return card(node, rect, hues, f"{got} in, {sent} out")

    def stroke(self, link: Link) -> tuple[str, float, str]:
        """Return the colour, thickness and dashes of a way."""
        colour = FAILED if link.failed else DROPPED if link.dropped else LINE
        return colour, 1.4 + min(link.count, 100) ** 0.5 * 0.14, "5 4" if link.sort == "response" else ""

    def texts(self, link: Link) -> list[tuple[str, str]]:
        """Return a way's label in pieces, each with its colour."""
        return link_texts(link)

    def legend(self) -> list[Entry]:
        """Return the signs that occur."""
        links = self.contents.links
        entries: list[Entry] = []
        if any(link.sort != "response" for link in links):
            entries.append((arrow, "message"))
        if any(link.sort == "response" for link in links):
            entries.append((partial(arrow, dash="5 4"), "answer"))
        if any(link.failed for link in links):
            entries.append((lambda x, y: strokes.cross((x + 13, y), size=4), "handler failed"))
        if any(link.dropped for link in links):
            entries.append((lambda x, y: strokes.bar((x + 13, y)), "dropped"))
        return entries

    def _foot(self) -> tuple[list[str], float]:
        """Return the legend and the remarks, and their height."""
        entries = self.legend()
        width = 24.0 + sum(38 + strokes.text_width(text, 11) for _, text in entries)
        self.width = max(self.width, width + 2 * MARGIN)
        remarks = [part for part in self.contents.remark.split("; ") if part]
        y = self.height + 6
        pieces = [strokes.box(MARGIN, y, width, 24, round=12)] if entries else []
        x = MARGIN + 14
        for draw, text in entries:
            pieces += [draw(x, y + 12), strokes.words(x + 30, y + 16, text, size=11, fill=SOFT)]
            x += 38 + strokes.text_width(text, 11)
        lines, right, bottom = strokes.notes(MARGIN, y + 32 if entries else y, remarks)
        self.width = max(self.width, right + MARGIN)
        return pieces + lines, bottom - self.height


def _settle(layer: list[_Place], wish: list[float]) -> None:
    """Bring the places of a layer near to where they wish to be, in their order, without touching."""
    blocks: list[list[float]] = []
    # Each block: the sum of its members' wishes for its beginning, their number, its length; as in isotonic regression.
    for place, wanted in zip(layer, wish, strict=True):
        blocks.append([wanted - place.size[1] / 2, 1.0, place.size[1] + APART])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] + blocks[-2][2] > blocks[-1][0] / blocks[-1][1]:
            total, count, length = blocks.pop()
            blocks[-1][0] += total - count * blocks[-1][2]
            blocks[-1][1] += count
            blocks[-1][2] += length
    places: Iterator[_Place] = iter(layer)
    for total, count, _ in blocks:
        at = total / count
        for _ in range(int(count)):
            place = next(places)
            place.across = at + place.size[1] / 2
            at += place.size[1] + APART


def _on(piece: tuple[Point, Point, Point, Point], share: float) -> Point:
    a, b, c, d = piece
    left = 1 - share
    weights = (left**3, 3 * left**2 * share, 3 * left * share**2, share**3)
    x, y = (sum(w * point[axis] for w, point in zip(weights, (a, b, c, d), strict=True)) for axis in (0, 1))
    return x, y


def _direction(one: Point, other: Point) -> Point:
    dx, dy = other[0] - one[0], other[1] - one[1]
    length = (dx * dx + dy * dy) ** 0.5 or 1.0
    return dx / length, dy / length


def _meet(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return (
        one[0] < other[0] + other[2] + 2
        and other[0] < one[0] + one[2] + 2
        and one[1] < other[1] + other[3] + 2
        and other[1] < one[1] + one[3] + 2
    )


def arrow(x: float, y: float, *, stroke: str = LINE, dash: str = "") -> str:
    """Return a short arrow for the legend."""
    shaft = strokes.line(f"M{spot((x, y))}L{spot((x + 20, y))}", stroke=stroke, dash=dash)
    return shaft + strokes.head((x + 26, y), (1.0, 0.0), fill=stroke)


def _marked(link: Link) -> bool:
    """Tell whether a way carries a sign besides its label."""
    return bool(link.failed or link.dropped)


def link_texts(link: Link) -> list[tuple[str, str]]:
    """Return a way's label in pieces, each with its colour."""
    what = "" if link.sort == "hear" and not link.troubles else strokes.clipped(link.what, 11, 110)
    many = f"×{link.count}" if link.count > 1 or link.sort == "hear" else ""
    texts = [(what, INK)] if what else []
    texts += [(many, SOFT)] if many else []
    texts += [(f"{link.open} under way", WAITS)] if link.open else []
    texts += [(f"{link.failed} failed", FAILED)] if link.failed else []
    texts += [(f"{link.dropped} dropped", DROPPED)] if link.dropped else []
    texts += [(f"{link.stopped} stopped", DROPPED)] if link.stopped else []
    texts += [(f"{link.unheard} unheard", DROPPED)] if link.unheard else []
    return texts
