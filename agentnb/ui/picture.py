"""Pictures of actors in a cell: drawn from a log, once or again and again while a runtime works."""

from __future__ import annotations

import base64
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from contextvars import copy_context
from itertools import islice
from os import PathLike
from typing import Any, Literal

from agentnb.core import monotonic
from agentnb.exceptions import UnknownName, UserError
from agentnb.runlog import Event, RunLog, log_of
from agentnb.runlog.given import Given
from agentnb.runlog.questions import in_loop
from agentnb.transcripts import DeliveryFold, fold_deliveries
from agentnb.ui.actors import actors, plain_table
from agentnb.ui.formulas import PLAIN_CLASS
from agentnb.ui.graph import graph_svg
from agentnb.ui.markup import escape_html, plain_text
from agentnb.ui.sequence import LAST, sequence_facts, sequence_svg

View = Literal["graph", "sequence"]

_WIDTH = re.compile(r'<svg [^>]*?width="([\d.]+)"')

EVERY = 0.4
"""Seconds from one drawing to the next, at least."""
SHARE = 10.0
"""How many times longer than it takes to draw passes between two drawings."""
MOST = 200
"""A sequence of more deliveries is too long to be a picture."""


def actors_svg(log: RunLog, view: View = "graph", *, last: int = LAST) -> str:
    """Return a picture of what a runtime's agents sent each other, as SVG text.

    Args:
        log: A runtime's log, as in `SingleThreadedAgentRuntime(log=log)`.
        view: `"graph"`: agents and topics, an arrow for all messages that went one way. `"sequence"`: time runs
            downwards, an arrow for each of the last deliveries.
        last: How many deliveries a sequence shows, 1 to 200.

    Raises:
        UnknownName: If there is no such view.
        UserError: If `last` is out of range.
    """
    _check(view, last)
    return _svg(fold_deliveries(log), view, last)


def actors_bundle(log: RunLog, view: View = "graph", *, last: int = LAST) -> dict[str, Any]:
    """Return a picture of actors in three forms; arguments as for `actors_svg`.

    Returns:
        `text/html` shows the drawing as an image that carries its own data, which a notebook shows trusted or not,
        with the same facts as a table beneath; `image/svg+xml` is the drawing itself, `text/plain` the facts.
    """
    _check(view, last)
    return _bundle(fold_deliveries(log), view, last)


def is_of_actors(log: RunLog) -> bool:
    """Tell whether a log holds a runtime's messages and nothing that was said in a team."""
    kinds = {event.kind for event in log}
    return "envelope.sent" in kinds and "message" not in kinds


def show_actors(log: Given, view: View = "graph", *, last: int = LAST, live: bool | None = None) -> None:
    """Show a picture of a runtime's actors in the cell; without a notebook print the facts.

    ```python
    log = RunLog()
    runtime = SingleThreadedAgentRuntime(log=log)
    show_actors(log)  # now empty; fills while the runtime works
    ```

    Args:
        log: The log, what has one as its `log`, the path of its file, or its id.
        view: `"graph"` or `"sequence"`.
        last: How many deliveries a sequence shows.
        live: Whether the picture is drawn again as facts come, until the runtime ends. Default: if the runtime runs
            now, or nothing has happened yet.

    Raises:
        UnknownName: If there is no such view.
        UserError: If there is no log, or `last` is out of range.
    """
    _check(view, last)
    found = log_of(log, "show_actors") if isinstance(log, str | PathLike) else getattr(log, "log", log)
    if not isinstance(found, RunLog):
        raise UserError(
            f"show_actors draws a RunLog, not a {type(log).__name__}. Give the runtime one with "
            "SingleThreadedAgentRuntime(log=log), and draw that: show_actors(log)."
        )
    picture = _Picture(found, view, last)
    if picture.at_work if live is None else live:
        picture.follow()


def _check(view: str, last: int) -> None:
    if view not in ("graph", "sequence"):
        raise UnknownName(f"No view named {view!r} (known: 'graph', 'sequence').")
    if not 1 <= last <= MOST:
        raise UserError(f"last is {last}; a sequence shows 1 to {MOST} deliveries.")


def _svg(fold: DeliveryFold, view: View, last: int) -> str:
    return sequence_svg(fold, last=last) if view == "sequence" else graph_svg(actors(fold))


def _bundle(fold: DeliveryFold, view: View, last: int) -> dict[str, Any]:
    drawing = _svg(fold, view, last)
    return {
        "text/html": _html(fold, view, last, drawing),
        "image/svg+xml": drawing,
        "text/plain": _plain(fold, view, last),
    }


def _html(fold: DeliveryFold, view: View, last: int, drawing: str) -> str:
    content = actors(fold)
    if view == "sequence":
        rows = "".join(f'<li style="margin:0">{escape_html(fact)}</li>' for fact in sequence_facts(fold, last=last))
        listing = f'<ol style="margin:4px 0 4px 24px; padding:0">{rows}</ol>'
    else:
        remarks = "".join(f"<div>{escape_html(remark)}</div>" for remark in content.asides())
        listing = rows_html(content.rows()) + remarks
    return picture_html("Sequence" if view == "sequence" else "Actors", content.title, drawing, listing)


def rows_html(rows: Iterable[Sequence[object]]) -> str:
    """Return what a picture shows as a table."""
    cell = "padding:1px 12px 1px 0; text-align:left; vertical-align:top"
    lines = "".join(
        "<tr>" + "".join(f'<td style="{cell}">{escape_html(str(item))}</td>' for item in row) + "</tr>" for row in rows
    )
    return f'<table style="border-collapse:collapse; margin:4px 0">{lines}</table>'


def picture_html(what: str, title: str, drawing: str, listing: str) -> str:
    """Return a drawing as an image that carries its own data, with `listing`, safe markup, folded beneath it."""
    data = base64.b64encode(drawing.encode()).decode()
    wide = _WIDTH.match(drawing)
    # A narrow page scrolls rather than shrink the words until nobody can read them.
    least = f"; min-width:{int(float(wide[1]) * 0.7)}px" if wide else ""
    return (
        f'<div class="{PLAIN_CLASS}" style="line-height:1.4; overflow-x:auto">'
        f'<img alt="{what}: {escape_html(title)}; the same in words below" '
        f'style="max-width:100%; height:auto{least}" src="data:image/svg+xml;base64,{data}">'
        f'<details style="font-size:0.88em"><summary style="cursor:pointer; color:#808080">{escape_html(title)}'
        f"</summary>{listing}</details></div>"
    )


def _plain(fold: DeliveryFold, view: View, last: int) -> str:
    content = actors(fold)
    if view == "sequence":
        lines = sequence_facts(fold, last=last)
    else:
        rows = [("from", "", "to", "message", "count", ""), *content.rows()]
        lines = [plain_table(rows), *content.asides()] if len(rows) > 1 else content.asides()
    return "\n".join(map(plain_text, [content.title, *lines]))


class _Picture:
    """A drawing in one output, and what it shows."""

    def __init__(self, log: RunLog, view: View, last: int) -> None:
        self._log = log
        self._view: View = view
        self._last = last
        self._fold = DeliveryFold()
        self._seen = 0
        self._open = 0
        self._ended = False
        self._drawn = 0
        self._next = 0.0
        self._pending = False
        self._end: Callable[[], None] | None = None
        ipython = sys.modules.get("IPython")
        self._ip: Any = ipython.get_ipython() if ipython is not None else None
        self._handle: Any = None
        self._take()
        if not self.at_work or self._in_page:
            self._show()

    @property
    def at_work(self) -> bool:
        """Whether a run goes on in the log, or nothing has begun."""
        return self._open > 0 or not len(self._log)

    @property
    def _in_page(self) -> bool:
        return getattr(self._ip, "kernel", None) is not None

    def _take(self) -> None:
        for event in islice(self._log, self._seen, None):
            self._seen += 1
            self._fold.add(event)
            if event.parent is None and event.kind == "run.started":
                self._open += 1
            elif event.kind == "run.finished" and self._open:
                self._open -= 1
                self._ended = self._open == 0

    def _show(self) -> None:
        began = monotonic()
        self._take()
        self._drawn = self._seen
        if not self._in_page:
            print(_plain(self._fold, self._view, self._last))
            return
        bundle = _bundle(self._fold, self._view, self._last)
        if self._handle is None:
            from IPython.display import display

            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)
        took = monotonic() - began
        self._next = monotonic() + max(EVERY, took * SHARE)

    def follow(self) -> None:
        """Draw again as facts come, until no run goes on."""
        import asyncio

        self._ended = False
        loop: asyncio.AbstractEventLoop | None
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        context = copy_context()

        def soon() -> None:
            if loop is not None and not loop.is_closed():
                loop.call_later(max(self._next - monotonic(), 0.0), self._redraw, context=context)

        def heard(item: Any) -> None:
            if not isinstance(item, Event):
                return
            if item.kind == "run.finished":
                self._next = 0.0  # the last one waits for nothing
            elif self._pending:
                return
            self._pending = True
            if loop is None or loop.is_closed():
                if item.kind == "run.finished":
                    self._redraw()
            elif in_loop(loop):
                soon()
            else:
                loop.call_soon_threadsafe(soon)

        unwatch = self._log.watch(heard)
        events = self._ip.events if self._in_page else None
        # A kernel that ends with its last cell gives no later chance.
        if events is not None:
            events.register("post_run_cell", self._cell_over)

        def end() -> None:
            unwatch()
            if events is not None:
                events.unregister("post_run_cell", self._cell_over)

        self._end = end

    def _cell_over(self, result: Any) -> None:
        self._redraw()

    def _redraw(self) -> None:
        self._pending = False
        if self._end is None or self._drawn == len(self._log):
            return
        self._take()
        over = self._ended and self._open == 0
        if over:
            self._end()
            self._end = None
        if over or self._in_page:
            self._show()
