"""A run's accepted code, block by block, with the talk between: what a notebook or a script is made of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from agentnb.transcripts.export import entries

PYTHON = frozenset(("", "python", "python3", "py", "ipython", "ipython3"))
SHELL = frozenset(("sh", "bash", "shell"))
Failures = Literal["none", "text"]

_FENCED = re.compile(r"(?ms)^[ \t]*(?P<fence>`{3,}|~{3,})[^\n]*\n(?P<code>.*?)^[ \t]*(?P=fence)[`~]*[ \t]*$\n?")


@dataclass(frozen=True, slots=True)
class Opening:
    """A run begins."""

    episode: entries.Episode


@dataclass(frozen=True, slots=True)
class Talk:
    """Something said, asked, or noted; `text` is a message without the code that follows as a cell."""

    entry: entries.Entry
    turn: int | None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """A block that ran to its end, or, where `accepted` is False, one that failed."""

    run: entries.CodeRun
    number: int
    """Counted from 0 within what was run at once."""
    code: str
    language: Literal["python", "shell", "other"]
    name: str
    """The language as it was written."""
    accepted: bool
    outputs: tuple[dict[str, Any], ...] = ()
    """On the last block of what was run at once."""


Cell = Opening | Talk | Code


def cells(story: entries.Story, *, failures: Failures = "none") -> list[Cell]:
    """Return a story's accepted code in the order it ran, and the talk around it.

    Accepted is what ran to its end with exit code 0: as it ran, so with a person's changes.

    Args:
        story: As `tell` gives it.
        failures: "text" keeps code that failed, marked as such; "none" leaves it out.
    """
    accepted = {
        block.code.strip()
        for entry in story.entries
        if isinstance(entry, entries.CodeRun) and entry.accepted
        for block in entry.blocks
    }
    made: list[Cell] = []
    for episode in story.episodes:
        made.append(Opening(episode))
        for part in episode.parts:
            for entry in part.entries:
                made += _cells(entry, part.turn, accepted, failures)
    return made


def _cells(entry: entries.Entry, turn: int | None, accepted: set[str], failures: Failures) -> Iterable[Cell]:
    match entry:
        case entries.CodeRun() if entry.accepted or failures == "text":
            last = len(entry.blocks) - 1
            outputs = entry.outputs or (({"text/plain": entry.output, "stream": "stdout"},) if entry.output else ())
            for number, block in enumerate(entry.blocks):
                shown = outputs if number == last else ()
                language = block.language.strip().lower()
                sort: Literal["python", "shell", "other"] = (
                    "python" if language in PYTHON else "shell" if language in SHELL else "other"
                )
                yield Code(entry, number, block.code.strip("\n"), sort, language, entry.accepted, shown)
        case entries.Speech() if not entry.echo and not entry.retracted:
            text = without_blocks(entry.text, accepted)
            if text.strip() or entry.images:
                yield Talk(entry, turn, text)
        case entries.Asked() | entries.Remark() | entries.Fault() | entries.Verdict(allowed=False):
            yield Talk(entry, turn)
        case entries.Aside() if entry.label.startswith("hands over"):
            yield Talk(entry, turn)


def without_blocks(text: str, codes: set[str]) -> str:
    """Return a message without the fenced blocks whose code is among `codes`."""
    return _FENCED.sub(lambda match: "" if match["code"].strip() in codes else match[0], text)
