"""A message's Markdown, made to sit in a larger document: it cannot break out of its place, nor load anything."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from agentnb.ui.formulas import block_in_dollars, formulas, in_dollars
from agentnb.ui.markup import DOLLAR, plain_text

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_SPAN = re.compile(r"(?s)(`+)(?!`).+?(?<!`)\1(?!`)")
_TAG = re.compile(r"<(?!(?:https?://|mailto:)[^<>\s]*>)(?=[A-Za-z/!?])")


def settled(text: str, *, below: int = 3) -> str:
    """Return a message's Markdown with raw HTML as text, pictures as links, and fences closed.

    Args:
        text: What a model wrote.
        below: The level of the heading it stands under; its own headings become smaller ones.
    """
    text = plain_text(text).strip("\n")
    lines = text.split("\n")
    kept: set[int] = set()
    open_fence = ""
    for token in _markdown().parse(text):
        begin, end = token.map or (0, 0)
        match token.type:
            case "fence" | "code_block":
                kept.update(range(begin, end))
                last = lines[end - 1].strip() if end - 1 > begin else ""
                if (
                    token.type == "fence"
                    and token.level == 0
                    and not (last.startswith(token.markup) and not last.strip(token.markup[0]))
                ):
                    open_fence = token.markup
            case "heading_open" if token.level == 0:
                words = " ".join(line.strip() for line in lines[begin : end if token.markup[0] == "#" else end - 1])
                depth = min(6, int(token.tag[1]) + below)
                lines[begin] = f"{'#' * depth} {words.lstrip('#').strip()}"
                for number in range(begin + 1, end):
                    lines[number] = ""
            case "formula_block":
                shown_lines = block_in_dollars(lines[begin:end])
                if shown_lines is not None:
                    lines[begin:end] = shown_lines
                    kept.update(range(begin, end))
            case "hr":
                lines[begin] = "* * *"  # three hyphens begin what some readers take for a block of settings
    shown = [line if number in kept else _harmless(line) for number, line in enumerate(lines)]
    if sum(line.count("&#36;") for number, line in enumerate(shown) if number not in kept) > 1:
        shown = [line if number in kept else line.replace("&#36;", DOLLAR) for number, line in enumerate(shown)]
    return "\n".join([*shown, open_fence] if open_fence else shown)


def _harmless(line: str) -> str:
    pieces = []
    end = 0
    for match in _SPAN.finditer(line):
        pieces += [_outside(line[end : match.start()]), match[0]]
        end = match.end()
    return "".join([*pieces, _outside(line[end:])])


def _outside(text: str) -> str:
    return in_dollars(text, lambda words: _TAG.sub("&lt;", words).replace("![", "&#33;["))


@cache
def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    formulas(markdown)
    return markdown
