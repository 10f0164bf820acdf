"""The code cells of a notebook file, read and put back without touching the rest of its JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import NamedTuple

__all__ = ["Cell", "code_cells", "replaced"]

_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder(strict=False)


class Cell(NamedTuple):
    """One code cell."""

    number: int
    """Among all cells of the notebook, from 1."""
    text: str
    start: int
    end: int
    """Where its `source` stands in the file's text."""


def code_cells(notebook: str) -> list[Cell]:
    """List the code cells of a notebook's JSON text, none if its language is not Python.

    Raises:
        ValueError: If the text is no notebook of nbformat 4.
    """
    content = json.loads(notebook, strict=False)
    if not (isinstance(content, dict) and isinstance(content.get("cells"), list)):
        raise ValueError("it has no cells; a notebook older than nbformat 4 must be opened and saved in Jupyter first")
    metadata = content.get("metadata") or {}
    language = (metadata.get("language_info") or {}).get("name") or (metadata.get("kernelspec") or {}).get("language")
    if language not in (None, "python", "ipython"):
        return []
    start = next(start for key, start, _ in _members(notebook, _blank(notebook, 0)) if key == "cells")
    found = []
    for number, (place, _) in enumerate(_items(notebook, start), 1):
        spans = {key: (begin, end) for key, begin, end in _members(notebook, place)}
        cell = json.loads(notebook[place : _after(notebook, place)], strict=False)
        if cell.get("cell_type") == "code" and "source" in spans:
            text = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
            found.append(Cell(number, text, *spans["source"]))
    return found


def replaced(notebook: str, texts: Mapping[Cell, str]) -> str:
    """Return a notebook's JSON text with other sources for some cells; lines that stay keep their very letters."""
    for cell in sorted(texts, key=lambda cell: cell.start, reverse=True):
        if texts[cell] != cell.text:
            notebook = notebook[: cell.start] + _source(notebook, cell, texts[cell]) + notebook[cell.end :]
    return notebook


def _source(notebook: str, cell: Cell, text: str) -> str:
    escaped = notebook.isascii()
    if notebook[cell.start] == '"':
        return json.dumps(text, ensure_ascii=escaped)
    spans = list(_items(notebook, cell.start))
    written = [notebook[start:end] for start, end in spans]
    old = [json.loads(each, strict=False) for each in written]
    new = text.splitlines(keepends=True)
    lines: list[str] = []
    for kind, first, last, begin, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        lines += (
            written[first:last] if kind == "equal" else [json.dumps(n, ensure_ascii=escaped) for n in new[begin:end]]
        )
    opening = notebook[cell.start : spans[0][0]]
    between = notebook[spans[0][1] : spans[1][0]] if len(spans) > 1 else "," + (opening[1:] or " ")
    return opening + between.join(lines) + notebook[spans[-1][1] : cell.end]


def _blank(text: str, position: int) -> int:
    found = _BLANK.match(text, position)
    assert found is not None
    return found.end()


def _after(text: str, position: int) -> int:
    end: int = _DECODER.raw_decode(text, position)[1]
    return end


def _members(text: str, start: int) -> Iterator[tuple[str, int, int]]:
    """Yield key, start and end of each value of the object that starts here."""
    position = _blank(text, start + 1)
    while text[position] == '"':
        key, position = _DECODER.raw_decode(text, position)
        value = _blank(text, _blank(text, position) + 1)
        end = _after(text, value)
        yield key, value, end
        position = _next(text, end)


def _items(text: str, start: int) -> Iterator[tuple[int, int]]:
    position = _blank(text, start + 1)
    while text[position] != "]":
        end = _after(text, position)
        yield position, end
        position = _next(text, end)


def _next(text: str, end: int) -> int:
    position = _blank(text, end)
    return _blank(text, position + 1) if text[position] == "," else position
