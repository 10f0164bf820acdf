"""What differs between two texts, word by word."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

LONG = 1500
"""Texts of more words are compared line by line first."""

_TOKEN = r"\d+(?:[.,]\d+)+|\w+|[^\w\s]"
_WORD = re.compile(rf"\s*(?:{_TOKEN})|\s+\Z")
_BARE = re.compile(_TOKEN)
_LINE = re.compile(r"[^\n]*\n?")


class Piece(NamedTuple):
    """A piece of a text; `changed` where the other text has something else, or nothing."""

    text: str
    changed: bool


def differences(left: str, right: str, *, lines: bool = False) -> tuple[list[Piece], list[Piece]]:
    """Return two texts in pieces that are common to both, or changed.

    Args:
        left: A text.
        right: Another.
        lines: Compare whole lines with their indentation, as of code.

    Words are compared without the space before them (`difflib.SequenceMatcher`). Long texts are compared line by line,
    and their changed lines word by word.
    """
    if left == right:
        whole = [Piece(left, False)] if left else []
        return whole, list(whole)
    parts, others = _WORD.findall(left), _WORD.findall(right)
    if not lines and max(len(parts), len(others)) <= LONG:
        return _compared(parts, others)
    parts, others = _lines(left), _lines(right)
    pieces: tuple[list[Piece], list[Piece]] = ([], [])
    for tag, i, j, k, m in SequenceMatcher(None, parts, others, autojunk=False).get_opcodes():
        one, other = "".join(parts[i:j]), "".join(others[k:m])
        some, more = _WORD.findall(one), _WORD.findall(other)
        if tag == "replace" and not lines and max(len(some), len(more)) <= LONG:
            for made, added in zip(pieces, _compared(some, more), strict=True):
                made += added
        else:
            for made, text in zip(pieces, (one, other), strict=True):
                made += [Piece(text, tag != "equal")] if text else []
    return pieces


def _lines(text: str) -> list[str]:
    return [line for line in _LINE.findall(text) if line]


def _compared(parts: list[str], others: list[str]) -> tuple[list[Piece], list[Piece]]:
    # A word is the same at the beginning of a line.
    keys, more = [part.lstrip() for part in parts], [part.lstrip() for part in others]
    head, tail = common_ends(keys, more)
    left = _pieces("".join(parts[:head]), False)
    right = _pieces("".join(others[:head]), False)
    inner = SequenceMatcher(None, keys[head : len(keys) - tail], more[head : len(more) - tail])
    for tag, i, j, k, m in inner.get_opcodes():
        left += _pieces("".join(parts[head + i : head + j]), tag != "equal")
        right += _pieces("".join(others[head + k : head + m]), tag != "equal")
    left += _pieces("".join(parts[len(parts) - tail :]), False)
    right += _pieces("".join(others[len(others) - tail :]), False)
    return left, right


def _pieces(text: str, changed: bool) -> list[Piece]:
    bare = text.lstrip()
    if not changed or not bare or len(bare) == len(text):
        return [Piece(text, changed)] if text else []
    return [Piece(text[: len(text) - len(bare)], False), Piece(bare, True)]


def words(text: str) -> list[str]:
    """Return a text's words, without spaces."""
    return _BARE.findall(text)


def similarity(left: list[str], right: list[str]) -> float:
    """Return how alike two lists of words are: twice the words in common, in order, by the words of both; 0 to 1.

    For long lists the order is left out of it.
    """
    if not left and not right:
        return 1.0
    head, tail = common_ends(left, right)
    one, other = left[head : len(left) - tail], right[head : len(right) - tail]
    matcher = SequenceMatcher(None, one, other)
    between = len(one) + len(other)
    share = matcher.ratio() if between <= 2 * LONG else matcher.quick_ratio()
    return (2 * (head + tail) + share * between) / (len(left) + len(right))


def common_ends(left: Sequence[Any], right: Sequence[Any]) -> tuple[int, int]:
    """Return how many items two lists have in common at their beginning, and at the end of what remains."""
    most = min(len(left), len(right))
    head = next((at for at in range(most) if left[at] != right[at]), most)
    most -= head
    return head, next((at for at in range(most) if left[-1 - at] != right[-1 - at]), most)
