"""Figures of a run: numbered, and described in words for those who do not see them."""

from __future__ import annotations

import ast
from typing import NamedTuple

from agentnb.runlog.scopes import name_of
from agentnb.transcripts.export import CodeRun, Entry
from agentnb.ui.markup import plain_text
from agentnb.ui.outputs import clip_line

_CALLS = {
    "title": "title",
    "set_title": "title",
    "suptitle": "title",
    "xlabel": "x axis",
    "set_xlabel": "x axis",
    "ylabel": "y axis",
    "set_ylabel": "y axis",
}
_WORDS = {"title": "title", "xlabel": "x axis", "ylabel": "y axis"}


class Figure(NamedTuple):
    """A picture in a document."""

    number: int
    entry: Entry
    alt: str
    """What it shows, as far as the code that drew it says so."""


class Figures:
    """Counts the figures of a document."""

    def __init__(self) -> None:
        self.all: list[Figure] = []

    def add(self, entry: Entry, *, single: bool = True) -> Figure:
        """Number a figure; `single` says whether its code showed no other."""
        number = len(self.all) + 1
        who = name_of(plain_text(entry.source))
        verb = "drawn by code of" if isinstance(entry, CodeRun) else "sent by"
        said = (
            described("\n".join(block.code for block in entry.blocks)) if isinstance(entry, CodeRun) and single else ""
        )
        alt = f"Figure {number}, {verb} {who or 'the run'}" + (f": {said}" if said else "")
        self.all.append(Figure(number, entry, alt))
        return self.all[-1]


def described(code: str) -> str:
    """Return the title and the axes that code gives to a figure, empty if it names none in plain text."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError):
        return ""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        given = [(_CALLS[name], node.args[0])] if name in _CALLS and node.args else []
        given += [(_WORDS[word.arg], word.value) for word in node.keywords if word.arg in _WORDS]
        for what, value in given:
            if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value.strip():
                found.setdefault(what, clip_line(plain_text(value.value), 120))
    return "; ".join(f"{what} “{found[what]}”" for what in ("title", "x axis", "y axis") if what in found)
