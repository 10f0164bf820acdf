"""Pieces of SVG that need nothing: no style sheet, no id, no script, no address; all text is escaped.

A notebook shows a picture beside light ground or dark and tells it not which, so lines are of a lightness that reads on
either, and every text stands on a ground of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from agentnb.ui.markup import escape_html

INK = "#1f2430"
SOFT = "#59616e"
LINE = "#7a828e"
PAPER = "#f7f8fa"
EDGE = "#c9ced6"
FAILED = "#c5332f"
DROPPED = "#a85a00"
WAITS = "#6a5bb5"

FONT = "font-family=\"Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif\""
# XML has no character for these, however they are written.
_NOT_XML = re.compile("[\ufffe\uffff]")
# Shares of the font size in a wide font, so that what fits here fits in a narrow one too.
_NARROW, _WIDE = set("iljtfrI.,:;|!'()[]{}/ "), set("mwMW@%—…")

CHARACTERS = 300
"""More of a text is never looked at: no line is as long."""

Point = tuple[float, float]


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return about how wide a text is, in pixels, rather too much than too little."""
    return sum(map(_share, text)) * size * (1.08 if bold else 1.0)


def _share(character: str) -> float:
    if character in _NARROW:
        return 0.38
    if character in _WIDE or ord(character) > 0x2E7F:
        return 1.0
    return 0.69 if character.isupper() else 0.62


def clipped(text: str, size: float, width: float, *, bold: bool = False) -> str:
    """Return a text, cut with an ellipsis where it is wider than `width` pixels."""
    text = " ".join(text[:CHARACTERS].split()) + ("…" if len(text) > CHARACTERS else "")
    left = width / (size * (1.08 if bold else 1.0))
    if sum(map(_share, text)) <= left:
        return text
    left -= 1.0  # the ellipsis
    for length, character in enumerate(text):
        left -= _share(character)
        if left < 0:
            return text[:length].rstrip() + "…"
    return text


def safe(text: str) -> str:
    """Return text for use in an element or attribute of XML."""
    return _NOT_XML.sub("\ufffd", escape_html(text))


def number(value: float) -> str:
    """Return a coordinate, short."""
    return f"{value:.1f}".removesuffix(".0")


def words(
    x: float,
    y: float,
    text: str,
    *,
    size: float = 12,
    fill: str = INK,
    bold: bool = False,
    anchor: str = "start",
) -> str:
    """Return a line of text; `y` is its base line."""
    weight = ' font-weight="600"' if bold else ""
    place = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return (
        f'<text x="{number(x)}" y="{number(y)}" font-size="{number(size)}" fill="{fill}"{weight}{place}>'
        f"{safe(text)}</text>"
    )


def box(
    x: float,
    y: float,
    width: float,
    height: float,
    *,
    fill: str = PAPER,
    stroke: str = EDGE,
    round: float = 8,
    thick: float = 1,
    dash: str = "",
) -> str:
    """Return a rectangle."""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<rect x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}" '
        f'rx="{number(round)}" fill="{fill}" stroke="{stroke}" stroke-width="{number(thick)}"{dashed}/>'
    )


def line(d: str, *, stroke: str = LINE, thick: float = 1.5, dash: str = "") -> str:
    """Return a path that is not filled; `d` is its data."""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<path d="{d}" fill="none" stroke="{stroke}" stroke-width="{number(thick)}"{dashed}/>'


def head(tip: Point, way: Point, *, fill: str = LINE, size: float = 8, open: bool = False) -> str:
    """Return an arrow's head; `way` is the direction it points to, of length 1."""
    (x, y), (dx, dy) = tip, way
    left = (x - dx * size + dy * size * 0.5, y - dy * size - dx * size * 0.5)
    right = (x - dx * size - dy * size * 0.5, y - dy * size + dx * size * 0.5)
    d = f"M{spot(left)}L{spot(tip)}L{spot(right)}"
    return line(d, stroke=fill) if open else f'<path d="{d}Z" fill="{fill}"/>'


def cross(at: Point, *, size: float = 4.5) -> str:
    """Return the sign of a failure: a cross on a light disc."""
    x, y = at
    d = "".join(f"M{spot((x - s, y - size))}L{spot((x + s, y + size))}" for s in (size, -size))
    return _disc(at, size + 3.5, FAILED) + line(d, stroke=FAILED, thick=2.2)


def bar(at: Point, way: Point = (1.0, 0.0)) -> str:
    """Return the sign of a drop: a bar across the way, with a light edge."""
    (x, y), (dx, dy) = at, (7 * step for step in way)
    d = f"M{spot((x - dy, y + dx))}L{spot((x + dy, y - dx))}"
    return line(d, stroke=PAPER, thick=7) + line(d, stroke=DROPPED, thick=4)


def _disc(at: Point, radius: float, stroke: str) -> str:
    return f'<circle cx="{number(at[0])}" cy="{number(at[1])}" r="{number(radius)}" fill="{PAPER}" stroke="{stroke}"/>'


_PILL = 11
"""The size of a pill's letters."""


def pill(centre: Point, texts: Sequence[tuple[str, str]]) -> str:
    """Return texts with their colours on one light ground."""
    width, height = pill_size(texts)
    x, y = centre[0] - width / 2, centre[1] - height / 2
    pieces = [box(x, y, width, height, round=height / 2)]
    x += 8
    for text, fill in texts:
        bold = fill in (FAILED, DROPPED)
        pieces.append(words(x, centre[1] + _PILL * 0.36, text, size=_PILL, fill=fill, bold=bold))
        x += text_width(text, _PILL, bold=bold) + 7
    return "".join(pieces)


def pill_size(texts: Sequence[tuple[str, str]]) -> tuple[float, float]:
    """Return a pill's width and height."""
    widths = [text_width(text, _PILL, bold=fill in (FAILED, DROPPED)) + 7 for text, fill in texts]
    return sum(widths) + 9, _PILL + 7


def notes(x: float, y: float, texts: Iterable[str]) -> tuple[list[str], float, float]:
    """Return lines of text one below the other, and the right and lower edge of them all."""
    pieces, right = [], x
    for text in texts:
        width = text_width(text, 11) + 20
        pieces += [box(x, y, width, 20, round=10), words(x + 10, y + 14, text, size=11, fill=SOFT)]
        right = max(right, x + width)
        y += 26
    return pieces, right, y


def svg(
    width: float,
    height: float,
    title: str,
    facts: Iterable[str],
    pieces: Iterable[str],
    *,
    corner: Point = (0.0, 0.0),
) -> str:
    """Return a whole picture; `facts` say in words what it shows, `corner` is its upper left."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{number(width)}" height="{number(height)}" '
        f'viewBox="{spot(corner)} {number(width)} {number(height)}" {FONT}><title>{safe(title)}</title>'
        f"<desc>{safe('. '.join(facts))}</desc>{''.join(pieces)}</svg>"
    )


def spot(point: Point) -> str:
    """Return a point as path data."""
    return f"{number(point[0])} {number(point[1])}"
