"""How an agent, a topic and the code outside look, in the graph and at the head of a sequence."""

from __future__ import annotations

from agentnb.ui import strokes
from agentnb.ui.actors import Node, label
from agentnb.ui.page import hue_of
from agentnb.ui.strokes import FAILED, LINE, SOFT, number

WIDEST = 170.0
"""Pixels of a line of text."""

Rect = tuple[float, float, float, float]
"""Left, top, width, height."""


def card(node: Node, rect: Rect, hues: dict[str, str], numbers: str = "") -> str:
    """Return a node; `hues` remembers which type has which colour, `numbers` are told to who points at it."""
    x, y, width, height = rect
    told = ", ".join(filter(None, [label(node), numbers, *node.signs]))
    pieces = [f"<g><title>{strokes.safe(told)}</title>"]
    inner = x + 14
    match node.kind:
        case "topic":
            pieces.append(strokes.box(x, y, width, height, round=min(height / 2, 22), stroke=LINE, dash="4 3"))
            inner = x + 18
        case "agent":
            colour = hue_of(node.type, hues)
            for back in range(min(len(node.keys), 3) - 1, 0, -1):
                pieces.append(strokes.box(x + back * 4, y - back * 4, width, height, stroke=colour))
            pieces.append(strokes.box(x, y, width, height, stroke=colour, thick=1.4))
            pieces.append(
                f'<rect x="{number(x)}" y="{number(y + 7)}" width="5" height="{number(height - 14)}" '
                f'rx="2.5" fill="{colour}"/>'
            )
        case _:
            pieces.append(strokes.box(x, y, width, height, round=4, stroke=SOFT, dash="1 3"))
    head, below = node_texts(node)
    top = y + height / 2 - (9 if node.signs else 1)
    pieces.append(strokes.words(inner, top - 2, head, size=13, bold=True))
    pieces.append(strokes.words(inner, top + 13, below, size=11, fill=SOFT))
    if node.signs:
        pieces.append(strokes.words(inner, top + 28, "! " + node.signs[0], size=11, fill=FAILED, bold=True))
    return "".join([*pieces, "</g>"])


def node_texts(node: Node) -> tuple[str, str]:
    """Return the two lines of a node, cut to its widest size."""
    above = {"outside": "outside", "others": "others"}.get(node.kind, node.type)
    below = f"topic · {node.below}" if node.kind == "topic" and len(node.keys) == 1 else node.below
    return strokes.clipped(above, 13, WIDEST, bold=True), strokes.clipped(below, 11, WIDEST)


def node_size(node: Node) -> tuple[float, float]:
    """Return a node's least width and height."""
    head, below = node_texts(node)
    width = max(strokes.text_width(head, 13, bold=True), strokes.text_width(below, 11))
    if node.signs:
        width = max(width, strokes.text_width("! " + node.signs[0], 11, bold=True))
    return max(width + 32, 92.0), 60.0 if node.signs else 46.0
