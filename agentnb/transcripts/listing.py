"""Runs and hits as plain lines for a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime

from agentnb.transcripts.search import Hit
from agentnb.transcripts.summary import RunSummary

LEAST = 20
"""Characters that the last column has at least, however narrow the terminal is."""


def list_runs(runs: Iterable[RunSummary], width: int | None = None) -> list[str]:
    """Return a head and a line per run.

    Args:
        runs: In the order wanted.
        width: Characters of a line, at which tasks are cut; None for whole ones.
    """
    heads = ("started", "run", "team", "outcome", "turns", "tokens", "USD", "seconds", "model", "task")
    rows = [
        (
            _time(run.began),
            (run.run_id or "?")[:8],
            _cut(run.team or "", 20),
            run.outcome or "",
            "" if run.turns is None else f"{run.turns:,}",
            _tokens(run),
            "" if run.cost_usd is None else f"{run.cost_usd:.4f}",
            "" if run.seconds is None else f"{run.seconds:,.1f}",
            _cut(run.model or "", 20),
            # What is wrong with a file is more than it can say itself.
            (run.stop_reason if run.outcome == "damaged" or not run.facts else run.task) or "",
        )
        for run in runs
    ]
    return _table(heads, rows, width, numbers=(4, 5, 6, 7))


def list_hits(hits: Iterable[Hit], width: int | None = None) -> list[str]:
    """Return a head and a line per hit.

    Args:
        hits: In the order wanted.
        width: Characters of a line, at which snippets are cut; None for whole ones.
    """
    heads = ("when", "run", "fact", "who", "kind", "text")
    rows = [
        (_time(hit.created_at), hit.run_id[:8], str(hit.seq), _cut(hit.source or "", 16), hit.kind, hit.snippet)
        for hit in hits
    ]
    return _table(heads, rows, width, numbers=(2,))


def _time(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M}"


def _tokens(run: RunSummary) -> str:
    if run.prompt_tokens is None or run.completion_tokens is None:
        return ""
    return f"{run.prompt_tokens + run.completion_tokens:,}"


def _table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], width: int | None, *, numbers: Sequence[int]
) -> list[str]:
    plain = [[_plain(cell) for cell in row] for row in (heads, *rows)]
    shown = [n for n in range(len(heads)) if any(row[n] for row in plain[1:])]  # a column without values says nothing
    widths = {n: max(_width(row[n]) for row in plain) for n in shown[:-1]}
    left = None if width is None else max(LEAST, width - sum(widths.values()) - 2 * len(widths))
    lines = []
    for row in plain:
        cells = [_fill(row[n], widths[n], right=n in numbers) for n in shown[:-1]]
        last = row[shown[-1]] if shown else ""
        cells.append(last if left is None else _cut(last, left))
        lines.append("  ".join(cells).rstrip())
    return lines


def _plain(text: str) -> str:
    """Return a text on one line without what would move or colour a terminal."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(_cells(c) for c in text)


def _cells(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _fill(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - _width(text))
    return space + text if right else text + space


def _cut(text: str, width: int) -> str:
    if _width(text) <= width:
        return text
    kept, used = [], 0
    for char in text:
        used += _cells(char)
        if used > width - 1:
            break
        kept.append(char)
    return "".join(kept) + "…"
