"""Python text as the migration sees it: bytes with positions, a tree, and the edits to be made."""

from __future__ import annotations

import ast
import bisect
import io
import re
import tokenize
import warnings
from collections.abc import Iterator
from typing import Literal, NamedTuple

__all__ = ["Edit", "Finding", "Kind", "Source", "is_foreign", "masked"]

Kind = Literal["maps", "renamed", "missing", "by hand", "differs", "note"]

_PYTHON_CELLS = ("time", "timeit", "capture", "prun", "debug")
_LINE_BREAK = re.compile(rb"\r\n|\r|\n")
_MAGIC = re.compile(r"(?P<before>[ \t]*)(?:[%!].*|[\w.]+\?{1,2}[ \t]*|\?{1,2}[\w.]+[ \t]*)")
_ASSIGNED_MAGIC = re.compile(r"(?P<before>[ \t]*[\w., \[\]'\"]+=[ \t]*)[%!].*")


class Finding(NamedTuple):
    """One thing the migration has to say about one place."""

    line: int
    """From 1, in the file or the cell."""
    column: int
    """From 1, in characters."""
    kind: Kind
    old: str
    new: str | None = None
    text: str = ""
    cell: int | None = None
    """Which code or text cell of a notebook, from 1; None in a file."""

    @property
    def order(self) -> tuple[int, int, int, str, str]:
        """What findings are sorted by."""
        return self.cell or 0, self.line, self.column, self.kind, self.old

    @property
    def needs_a_hand(self) -> bool:
        """Whether it cannot be migrated as it stands."""
        return self.kind in ("missing", "by hand")


class Edit(NamedTuple):
    """Bytes to be replaced."""

    start: int
    end: int
    text: str


class Source:
    """One file or cell.

    Raises:
        SyntaxError: If it is no Python, IPython's magics apart in a cell.
    """

    def __init__(self, text: str, *, is_cell: bool = False) -> None:
        self.text = text
        self.data = text.encode("utf-8", "surrogatepass")
        self._starts = [0, *(found.end() for found in _LINE_BREAK.finditer(self.data))]
        self.newline = "\r\n" if b"\r\n" in self.data else "\n"
        try:
            self.tree = _parsed(text, is_cell=is_cell)
            self.parsed = text
        except SyntaxError:
            if not is_cell:
                raise
            self.parsed = masked(text)
            self.tree = _parsed(self.parsed, is_cell=True)

    def span(self, first: ast.expr | ast.stmt, last: ast.expr | None = None) -> tuple[int, int]:
        """Return the bytes from the start of one node to the end of another, or of itself."""
        end = last or first
        assert end.end_lineno is not None
        assert end.end_col_offset is not None
        return self._at(first.lineno) + first.col_offset, self._at(end.end_lineno) + end.end_col_offset

    def place(self, line: int, offset: int) -> tuple[int, int]:
        """Return line and column, both from 1, for a node's line and byte offset."""
        start = self._at(line)
        return line, len(self.data[start : start + offset].decode("utf-8", "replace")) + 1

    def _at(self, line: int) -> int:
        # Python 3.11 puts what stands in an f-string on lines that need not exist.
        return self._starts[min(line, len(self._starts)) - 1]

    def around(self, start: int, end: int) -> tuple[bytes, bytes]:
        """Return what stands on the same line before a span, and on its last line after it."""
        line = self._starts[bisect.bisect_right(self._starts, start) - 1]
        after = _LINE_BREAK.search(self.data, end)
        return self.data[line:start], self.data[end : after.start() if after else len(self.data)]

    def comments(self, start: int, end: int) -> list[str]:
        """List the comments inside a statement, in order."""
        text = self.data[start:end].decode()
        if "#" not in text:
            return []
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        return [token.string for token in tokens if token.type == tokenize.COMMENT]

    def edited(self, edits: list[Edit]) -> str:
        """Return the text with the edits made."""
        data = self.data
        for edit in sorted(set(edits), reverse=True):
            data = data[: edit.start] + edit.text.encode() + data[edit.end :]
        return data.decode("utf-8", "surrogatepass")


def _parsed(text: str, *, is_cell: bool) -> ast.Module:
    flags = ast.PyCF_ONLY_AST | (ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if is_cell else 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its escapes and its `is` with literals are not our business
        try:
            tree = compile(text, "<text>", "exec", flags, dont_inherit=True)
        except (ValueError, RecursionError, MemoryError) as error:  # null bytes; nested too deeply
            raise SyntaxError(str(error) or type(error).__name__) from error
    assert isinstance(tree, ast.Module)
    return tree


def is_foreign(cell: str) -> bool:
    """Whether a cell stands under a magic for something else than Python, such as `%%bash`."""
    head = re.match(r"\s*%%(\w+)\s*(.*)", cell)
    return head is not None and not (
        head[1] in _PYTHON_CELLS or (head[1] == "writefile" and head[2].strip().endswith(".py"))
    )


def masked(cell: str) -> str:
    """Return a cell with IPython's lines replaced by Python that does nothing; every line stays on its number.

    A cell under a magic for another language, such as `%%bash`, becomes empty.
    """
    return "".join(_masked_lines(cell))


def _masked_lines(cell: str) -> Iterator[str]:
    lines = re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", cell)
    foreign = is_foreign(cell)
    continued = False
    for line in lines:
        body = line.rstrip("\r\n")
        end = line[len(body) :]
        magic = _MAGIC.fullmatch(body)
        assigned = _ASSIGNED_MAGIC.fullmatch(body)
        if foreign or continued:
            yield end
        elif magic:
            yield magic["before"] + "pass" + end
        elif assigned:
            yield assigned["before"] + "0" + end
        else:
            yield line
            continue
        continued = body.endswith("\\")
