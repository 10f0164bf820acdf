"""What a person looks for in texts: words whatever their capitals and accents, phrases, beginnings of words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import NamedTuple

AROUND = 80
"""Characters of a snippet on either side of the hit."""
_PIECE = 4_000
"""Characters that are looked through at a time to place a hit."""

# Scripts without spaces between words: each character is a word, and words of several are found as phrases.
_LONE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_LONE}]|[^\W_{_LONE}]+")


# What is no part of a word in ASCII as a blank: a fifth of the price of looking for what is.
_BETWEEN = bytes(code if chr(code).isalnum() else 0x20 for code in range(256))


def _plain(text: str) -> str:
    if text.isascii():
        return text.lower()
    bare = unicodedata.normalize("NFKD", text.casefold())
    # Asking for each character takes longer than all the rest: few are different.
    marks = "".join(c for c in set(bare) if unicodedata.combining(c))
    return re.sub(f"[{re.escape(marks)}]+", "", bare) if marks else bare


def words(text: str) -> list[str]:
    """Return a text's words without capitals and accents."""
    plain = _plain(text)
    return plain.encode().translate(_BETWEEN).decode().split() if plain.isascii() else _WORD.findall(plain)


class Term(NamedTuple):
    """Words that stand side by side."""

    words: tuple[str, ...]
    beginning: bool = False
    """Whether the last one is only the beginning of a word."""

    def pattern(self) -> str:
        """Return the term as a regular expression for a text without capitals and accents."""
        joined = r"[\W_]*" if any(re.match(f"[{_LONE}]", word) for word in self.words) else r"[\W_]+"
        first, last = (re.match(f"[{_LONE}]", self.words[n]) for n in (0, -1))
        before = "" if first else r"(?<![^\W_])"
        after = r"[^\W_]*" if self.beginning else "" if last else r"(?![^\W_])"
        return before + joined.join(self.words) + after


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for: all of the terms, or a text that has no words."""

    text: str
    terms: tuple[Term, ...]

    @classmethod
    def of(cls, text: str) -> Query:
        """Read what a person typed; there is no text that is wrong."""
        terms = []
        for phrase, word in re.findall(r'"([^"]*)"|(\S+)', text):
            found = tuple(words(phrase or word))
            if found:
                terms.append(Term(found, beginning=word.endswith("*")))
        return cls(text.strip(), tuple(terms))

    def snippet(self, whole: str, marks: tuple[str, str]) -> str:
        """Return the text round the first hit on one line, with hits marked."""
        spans = self._spans(whole) or [(0, 0)]
        begin = max(0, spans[0][0] - AROUND)
        end = min(len(whole), spans[0][1] + AROUND)
        pieces, at = ["…" if begin else ""], begin
        for start, stop in spans:
            if stop and start >= at and stop <= end:
                pieces += [whole[at:start], marks[0], whole[start:stop], marks[1]]
                at = stop
        pieces += [whole[at:end], "…" if end < len(whole) else ""]
        return " ".join("".join(pieces).split())

    def _spans(self, whole: str) -> list[tuple[int, int]]:
        """Return where the first hits are in a text, and those soon after."""
        pattern = "|".join(term.pattern() for term in self.terms) if self.terms else re.escape(_plain(self.text))
        for at in range(0, len(whole), _PIECE):
            # With what goes before, so that no word begins in the middle, and a phrase may stand across the border.
            first = max(0, at - 10 * AROUND - len(self.text))
            plain, places = _with_places(whole[first : at + _PIECE])
            found = [match.span() for match in re.finditer(pattern, plain)]
            if found:
                return [(first + places[start], first + places[end - 1] + 1) for start, end in found[:50]]
        return []


def _with_places(whole: str) -> tuple[str, Sequence[int]]:
    """Return the text without capitals and accents, and where in it each character stood."""
    if whole.isascii():
        return whole.lower(), range(len(whole) + 1)
    # There are far fewer characters than places.
    plain = {char: _plain(char) for char in set(whole)}
    pieces = list(map(plain.__getitem__, whole))
    if all(len(piece) == 1 for piece in plain.values()):
        return "".join(pieces), range(len(whole) + 1)
    places = chain.from_iterable(map(repeat, range(len(whole)), map(len, pieces)))
    return "".join(pieces), [*places, len(whole)]
