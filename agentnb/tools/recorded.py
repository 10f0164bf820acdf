"""Facts about tools that are called by themselves; what a workbench calls, it has recorded already.

Nothing is recorded where nobody looks: outside of a run, while no reader has asked to see the logs of this process.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import nullcontext
from contextvars import ContextVar
from typing import Any, NamedTuple

from agentnb.core import EventId, monotonic
from agentnb.runlog import Event, RunLog, Scope, ToolFinished, ToolStarted, announce, current, observed, scope
from agentnb.runlog.recorded import error_text


class _Running(NamedTuple):
    """The tool at work: what it does by way of its other method is one call, what its neighbour does another."""

    call: EventId
    tool: int
    way: str


_running: ContextVar[_Running | None] = ContextVar("agentnb_tool_running", default=None)


def _here() -> Scope | None:
    here = current()
    if here is not None or not observed():
        return here
    log = RunLog()
    log.kept = False
    announce(log)
    return Scope(log, None, "")


def _call_of(here: Scope) -> EventId | None:
    """Return the fact of the call whose code runs here, if it is one of a tool."""
    if here.parent is None:
        return None
    number = here.parent.rpartition(":")[2]
    begun = here.log.since(int(number) - 1)[:1] if number.isdecimal() else []
    return here.parent if begun and begun[0].kind == "tool.started" and begun[0].id == here.parent else None


class _Call:
    """One call of a tool: two facts, or none of its own if a workbench began it."""

    __slots__ = ("_began", "_here", "_running", "_scope", "_started", "_token", "_tool")

    def __init__(self, here: Scope, begun: EventId | None, tool: Any, way: str, args: Any, call_id: str | None) -> None:
        self._here, self._tool = here, tool
        self._started: Event | None = None
        if begun is None:
            given = {str(key): value for key, value in args.items()} if isinstance(args, Mapping) else {}
            fact = ToolStarted(tool=tool.name, call_id=call_id, arguments=given)
            self._started = here.log.append(fact, parent=here.parent, source=here.source)
            begun = self._started.id
        self._running = _Running(begun, id(tool), way)
        self._scope = scope(here.log, begun, here.source)
        self._began = monotonic()

    def __enter__(self) -> None:
        self._token = _running.set(self._running)
        self._scope.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._scope.__exit__(*error)
        _running.reset(self._token)

    def returned(self, value: Any) -> None:
        if self._started is None:
            return
        try:
            text = self._tool.return_value_as_string(value)
        except Exception as error:  # a method of the user's; who looks must not stop who acts
            self.failed(error)
        else:
            self._finished(text, is_error=False)

    def failed(self, error: BaseException) -> None:
        if self._started is not None:
            self._finished(error_text(error), is_error=True)

    def _finished(self, text: str, *, is_error: bool) -> None:
        assert self._started is not None
        body: Any = self._started.body
        self._here.log.append(
            ToolFinished(tool=body.tool, call_id=body.call_id, result=text, is_error=is_error),
            source=self._here.source,
            parent=self._started.id,
            took=monotonic() - self._began,
        )


def _call(tool: Any, way: str, method: Any, args: Any, rest: tuple[Any, ...], named: dict[str, Any]) -> _Call | None:
    if getattr(type(tool), way) is not method:
        return None  # super() is no call of its own
    here = _here()
    if here is None:
        return None
    begun, running = _call_of(here), _running.get()
    if begun is not None and running is not None and running.call == begun:
        other = running.tool == id(tool) and running.way != way
        begun = begun if other else None
    return _Call(here, begun, tool, way, args, named.get("call_id", rest[1] if len(rest) > 1 else None))


def tool_run(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Record `Tool.run_json`."""

    @functools.wraps(method)
    async def run_json(self: Any, args: Mapping[str, Any], *rest: Any, **named: Any) -> Any:
        call = _call(self, "run_json", run_json, args, rest, named)
        if call is None:
            return await method(self, args, *rest, **named)
        try:
            with call:
                value = await method(self, args, *rest, **named)
        except BaseException as error:
            call.failed(error)
            raise
        call.returned(value)
        return value

    return run_json


def tool_run_stream(method: Callable[..., AsyncGenerator[Any, None]]) -> Callable[..., AsyncGenerator[Any, None]]:
    """Record `StreamTool.run_json_stream`; its last item is the result."""

    @functools.wraps(method)
    async def run_json_stream(
        self: Any, args: Mapping[str, Any], *rest: Any, **named: Any
    ) -> AsyncGenerator[Any, None]:
        call = _call(self, "run_json_stream", run_json_stream, args, rest, named)
        stream = method(self, args, *rest, **named)
        last: Any = None
        try:
            while True:
                # The scope holds only while the tool works: what a generator sets would else leak to its consumer.
                with call or nullcontext():
                    try:
                        last = await anext(stream)
                    except StopAsyncIteration:
                        break
                yield last
        except BaseException as error:
            if call:
                call.failed(error)
            raise
        finally:
            await stream.aclose()
        if call:
            call.returned(last)

    return run_json_stream
