"""Names as they are written in a figure: short, each its own, in letters that a font has."""

from __future__ import annotations

import functools
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

LONGEST = 18
"""Characters of a name that are shown; those of East Asia are two wide."""
MARK = "\N{LEFT-TO-RIGHT MARK}"
KNOWN = (
    "Noto Sans",
    "Source Han Sans",
    "PingFang",
    "Hiragino",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "WenQuanYi",
    "Nirmala UI",
    "Segoe UI",
    "Arial Unicode MS",
)
"""Families that are looked into first where the style's own font lacks a letter."""


def short(name: str, longest: int = LONGEST) -> str:
    """Return a name that fits beside a line."""
    return _written(_cut(_plain(name), longest))


def shorts(names: Iterable[str], longest: int = LONGEST) -> dict[str, str]:
    """Return names that fit beside a line, and differ where the names do."""
    found: dict[str, str] = {}
    alike: dict[str, list[str]] = defaultdict(list)
    for name in dict.fromkeys(names):
        found[name] = short(name, longest)
        alike[found[name]].append(name)
    for same in alike.values():
        if len(same) > 1:
            cut = _apart(list(map(_plain, same)), longest)
            found |= {name: _written(cut[_plain(name)]) for name in same}
    return found


def _written(name: str) -> str:
    # A dollar sign would begin mathematics, and a name from right to left would turn round the number after it.
    turned = any(unicodedata.bidirectional(char) in ("R", "AL") for char in name)
    return (f"{MARK}{name}{MARK}" if turned else name).replace("$", r"\$")


def _plain(name: str) -> str:
    """Return a name on one line, with the numbers of letters that no font has, as Python writes them."""
    joined = " ".join(name.split())
    return "".join(char if char.isascii() or _family(char) is not None else _number(char) for char in joined)


def _apart(names: list[str], longest: int) -> dict[str, str]:
    """Cut names that look alike when cut in their middle so that where they differ is seen."""
    begin = len(_common(names))
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[name[begin : begin + 1]].append(name)
    found: dict[str, str] = {}
    for several in groups.values():
        if len(several) > 1:
            found |= _apart(several, longest)
            continue
        found[several[0]] = _first(several[0], 4) + "…" + _first(several[0][max(0, begin - 3) :], longest - 5)
    return found


def _common(names: list[str]) -> str:
    low, high = min(names), max(names)
    return next((low[:n] for n, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), low)


def cells(text: str) -> int:
    """Return how many characters wide a text is."""
    return sum(map(_wide, text))


def _wide(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _cut(name: str, longest: int) -> str:
    if cells(name) <= longest:
        return name
    # In its middle: names that begin alike end differently.
    end = max(2, round(longest * 0.4))
    tail = _first(name[::-1], end)[::-1]
    while tail and unicodedata.category(tail[0]).startswith("M"):
        tail = tail[1:]  # a mark without its letter
    return f"{_first(name, longest - 1 - end)}…{tail}"


def _first(text: str, wide: int) -> str:
    """Return as much of a text's beginning as is so wide."""
    used = 0
    for place, char in enumerate(text):
        used += _wide(char)
        if used > wide:
            return text[:place]
    return text


def _number(char: str) -> str:
    return char.encode("ascii", "backslashreplace").decode()


def unwritable(text: str) -> bool:
    """Tell whether a text has letters that no font has."""
    return any(not char.isascii() and not char.isspace() and _family(char) is None for char in text)


def style(*texts: str, size: str) -> dict[str, Any]:
    """Return size and fonts for texts: those of the style, then those that have what it lacks."""
    lacking = (_family(char) for text in texts for char in text if not char.isascii())
    more = list(dict.fromkeys(family for family in lacking if family))
    if not more:
        return {"fontsize": size}
    return {"fontsize": size, "fontfamily": [*_own(), *more]}


def _own() -> tuple[str, ...]:
    import matplotlib

    return tuple(matplotlib.rcParams["font.family"])


def _family(char: str) -> str | None:
    """Return the family that has a letter: "" for the style's own fonts, None if there is none."""
    if unicodedata.category(char) in ("Cf", "Zs"):
        return ""  # nothing is drawn of it
    from matplotlib.font_manager import FontProperties, fontManager

    own = (str(fontManager.findfont(FontProperties(family=[family]))) for family in _own())
    if any(ord(char) in _letters(path) for path in own):
        return ""
    return _search(char, len(fontManager.ttflist))


@functools.cache
def _search(char: str, fonts: int) -> str | None:
    return next((name for name, path in _others(fonts).items() if ord(char) in _letters(path)), None)


@functools.cache
def _letters(path: str) -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(path).get_charmap())


@functools.cache
def _others(fonts: int) -> dict[str, str]:
    """Return the files of the families there are, those known to have many letters first; `fonts` is how many."""
    from matplotlib.font_manager import fontManager

    def order(entry: Any) -> tuple[int, str, float]:
        known = next((n for n, one in enumerate(KNOWN) if entry.name.startswith(one)), len(KNOWN))
        return known, entry.name, abs(400 - entry.weight) if isinstance(entry.weight, int) else 0.0

    # Pictures of emoji cannot be drawn, and a font of last resort has a box for every letter.
    entries = [
        entry
        for entry in fontManager.ttflist
        if entry.style == "normal"
        and not entry.name.startswith((".", "Last", "Apple Color"))
        and "Emoji" not in entry.name
    ]
    found: dict[str, str] = {}
    for entry in sorted(entries, key=order):
        found.setdefault(entry.name, entry.fname)
    return found
