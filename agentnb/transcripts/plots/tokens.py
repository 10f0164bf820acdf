"""Tokens over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from agentnb.exceptions import UnknownName
from agentnb.transcripts.plots import base
from agentnb.transcripts.plots.cumulative import By, draw, over
from agentnb.transcripts.plots.spans import Course, Span, course

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Count = Literal["both", "prompt", "completion"]
COUNTS = {"both": "Tokens, added up", "prompt": "Tokens read, added up", "completion": "Tokens written, added up"}


def tokens(
    runs: Any,
    *,
    ax: Axes | None = None,
    by: By = "agent",
    count: Count = "both",
    top: int | None = None,
    title: str | None = None,
    width: float = base.WIDTH,
) -> Axes:
    """Draw how many tokens models read and wrote, added up over time, as a line per agent.

    Args:
        runs: A log, a run or result that has one, or several, which follow one another.
        ax: Where to draw; default: axes of a new figure, which a cell shows if they are its last value.
        by: "agent" or "model".
        count: "both", "prompt" for those read, "completion" for those written.
        top: How many agents or models are shown by name, the rest put together; default: as many as can be read.
        title: Above the axes.
        width: Inches, of a new figure; 3.3 fits a column of print.

    Raises:
        UserError: If `runs` is none of these, or `by` or `count` is not known.

    Calls that reported no tokens are missing from the lines, and counted beneath them.
    """
    if count not in COUNTS:
        raise UnknownName(f"Tokens of kind {count!r} are not known (known: {', '.join(map(repr, COUNTS))}).")
    found = course(runs)
    lines = over(found.of("model"), lambda span: spent(span, count), by, ax=ax, top=top)
    held = lines.steps
    ax = base.begin(ax, width=width, height=2.0 + 0.1 * len(held))
    if not held:
        return base.missing(ax, f"No tokens: {_why(found)}.", title=title)
    names = draw(ax, found, lines, by=by, unit=COUNTS[count], text=base.thousands)
    said = ", ".join(f"{name} {base.thousands(line.total)}" for name, line in held.items())
    about = f"Tokens over {base.lasting(found.seconds)}: {said}"
    return base.finish(
        ax,
        about,
        title=title,
        remarks=[lines.fold.remark, unreported(found), base.cut(found)],
        need=base.LINE * (len(held) + 1),
        last=names,
    )


def spent(span: Span, count: Count = "both") -> float | None:
    """Return the tokens of a call; None where they are not known."""
    if span.prompt_tokens is None and span.completion_tokens is None:
        return None
    prompt, completion = span.prompt_tokens or 0, span.completion_tokens or 0
    return {"both": prompt + completion, "prompt": prompt, "completion": completion}[count]


def unreported(found: Course) -> str | None:
    """Say how many calls that are over reported no tokens; None if all did."""
    calls = [call for call in found.calls() if call.outcome != "open"]
    inner = {span.within for span in found.of("model") if spent(span) is not None}
    places = {id(span): place for place, span in enumerate(found.spans)}
    silent = [call for call in calls if spent(call) is None and places[id(call)] not in inner]
    return f"{len(silent)} of {base.many(len(calls), 'model call')} reported no tokens" if silent else None


def _why(found: Course) -> str:
    return unreported(found) or ("no model has answered yet" if found.calls() else "no model was asked")
