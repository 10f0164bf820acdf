"""Which span is current while the work it stands for goes on, so that spans the program opens itself lie below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentnb.runlog import Event, RunLog
from agentnb.telemetry.spans import api

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

_KEY = "agentnb-current"
_ENDS = {f"{what}.finished" for what in ("run", "turn", "model", "tool", "code", "memory")} | {"envelope.handled"}


class _Mark:
    """What a context was made of; those the program derives from it inherit the mark, but are not its own."""

    __slots__ = ("before", "context", "fact", "over")

    def __init__(self, fact: str, before: Context) -> None:
        self.fact = fact
        self.before = before
        self.context: Context = before
        self.over = False


class Current:
    """Makes the spans of one log's facts current, in OpenTelemetry's sense.

    A watcher is called in the context of who writes the fact. The facts that begin and end a run, a turn, a handler or
    an effect are written by one coroutine, round the work: what is set at the first holds for the work and for the
    tasks it begins, and is taken back at the last. Where a tool's stream is thrown away, or a coroutine with its loop,
    the last fact comes from elsewhere: what was left behind is taken back at the next fact that is written there.

    It goes on watching until everything open has ended, also if nobody draws spans any more.
    """

    def __init__(self, log: RunLog) -> None:
        from opentelemetry import context

        self._contexts = context
        self._trace = api()
        self._open: dict[str, _Mark] = {}
        self._closing = False
        self._end = log.watch(self._look)

    def enter(self, event: Event, span: Span) -> None:
        """Make a span current until the fact that ends what `event` began."""
        before = self._contexts.get_current()
        mark = self._mark(before)
        if mark is not None and mark.fact == event.id:
            return  # of another provider, which came first
        mark = self._open[event.id] = _Mark(event.id, before)
        mark.context = self._contexts.set_value(_KEY, mark, self._trace.set_span_in_context(span, before))
        self._contexts.attach(mark.context)

    def close(self) -> None:
        """Enter nothing more; what is open is over."""
        self._closing = True
        for mark in self._open.values():
            mark.over = True
        self._settle()

    def _mark(self, context: Context) -> _Mark | None:
        mark = self._contexts.get_value(_KEY, context)
        return mark if isinstance(mark, _Mark) and mark.context is context else None

    def _look(self, item: Any) -> None:
        if not isinstance(item, Event):
            return
        if item.parent in self._open and item.kind in _ENDS:
            self._open.pop(item.parent).over = True
        self._settle()

    def _settle(self) -> None:
        here = before = self._contexts.get_current()
        # By value, not by token: those are of one context, and a coroutine may be closed in another one.
        while (mark := self._mark(before)) is not None and mark.over:
            before = mark.before
        if before is not here:
            self._contexts.attach(before)
        if self._closing and not self._open:
            self._end()
