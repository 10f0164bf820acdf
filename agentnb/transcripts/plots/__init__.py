"""Figures of runs, for a notebook and for print: `agentnb.plot.timeline(run)`.

Every function takes a log, a run or result that has one, or several of them, draws on `ax` or on axes of a figure of
its own, and returns the axes: `ax.figure.savefig("timeline.pdf")` writes them as vectors. Nothing touches pyplot. Names
keep their colours, as `agentnb.transcripts.plots.palette` says. Of more agents, tools, models or runs than can be read
the most important are shown by name and the rest is put together, as the figure says; `top=40` shows more by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agentnb.exceptions import UnknownName
from agentnb.transcripts.plots.conversation import conversation_graph
from agentnb.transcripts.plots.cost import cost
from agentnb.transcripts.plots.fill import context_fill
from agentnb.transcripts.plots.latency import latency
from agentnb.transcripts.plots.overlay import overlay
from agentnb.transcripts.plots.palette import PALETTE, Look, looks
from agentnb.transcripts.plots.share import turn_share
from agentnb.transcripts.plots.spans import Course, Seam, Span, course
from agentnb.transcripts.plots.timeline import timeline
from agentnb.transcripts.plots.tokens import tokens
from agentnb.transcripts.plots.tools import Interval, tool_success, wilson
from agentnb.transcripts.plots.transitions import transitions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "PALETTE",
    "PLOTS",
    "Course",
    "Interval",
    "Look",
    "Seam",
    "Span",
    "context_fill",
    "conversation_graph",
    "cost",
    "course",
    "draw",
    "latency",
    "looks",
    "overlay",
    "timeline",
    "tokens",
    "tool_success",
    "transitions",
    "turn_share",
    "wilson",
]

PLOTS: dict[str, Callable[..., Axes]] = {
    "timeline": timeline,
    "tokens": tokens,
    "cost": cost,
    "turn_share": turn_share,
    "transitions": transitions,
    "conversation_graph": conversation_graph,
    "latency": latency,
    "context_fill": context_fill,
    "tool_success": tool_success,
    "overlay": overlay,
}


def draw(runs: Any, kind: str = "timeline", **options: Any) -> Axes:
    """Draw a figure by its name.

    Args:
        runs: A log, a run or result that has one, or several.
        kind: One of `PLOTS`.
        options: As the function of that name takes them.

    Raises:
        UnknownName: If there is no such figure.
    """
    drawer = PLOTS.get(kind)
    if drawer is None:
        raise UnknownName(f"No figure named {kind!r} (known: {', '.join(map(repr, PLOTS))}).")
    return drawer(runs, **options)
