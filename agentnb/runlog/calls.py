"""Facts about calls of tools: wraps the methods of workbenches and of tools that make them, once.

A call that a workbench makes is recorded there, and the tool that it calls is part of it. A tool that is called by
itself is recorded where somebody looks: in a run, or while a reader has asked to see the logs of this process.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, nullcontext
from contextvars import ContextVar
from typing import Any

from agentnb.core import EventId, monotonic, well_formed
from agentnb.exceptions import ActRefused
from agentnb.runlog.events import Event, ToolFinished, ToolStarted
from agentnb.runlog.guards import Act, guarded, judged
from agentnb.runlog.light import tool_finished, tool_started
from agentnb.runlog.log import RunLog
from agentnb.runlog.observers import announce, observed
from agentnb.runlog.recorded import error_text
from agentnb.runlog.replaying import INTERRUPTED, Recording, replayed
from agentnb.runlog.scopes import Scope, _scope, as_scope, current, leave


class _Running:
    """A method of a workbench or a tool that runs as part of a call; may be entered again."""

    __slots__ = ("_token", "call", "call_id", "name", "owner", "way")

    def __init__(self, call: EventId, owner: int, way: str, name: str, call_id: str | None) -> None:
        self.call = call
        """The fact of the call."""
        self.owner = owner
        """The workbench, or the tool, by identity."""
        self.way = way
        """The method's name: a workbench and a tool have two, and may write one with the help of the other."""
        self.name = name
        self.call_id = call_id

    def __enter__(self) -> None:
        self._token = _running.set(self)

    def __exit__(self, *error: object) -> None:
        self._leave()

    def _leave(self) -> None:
        try:
            _running.reset(self._token)
        except ValueError:
            pass  # a coroutine that is thrown away is closed in whatever context collects it

    def returned(self, tool: Any, value: Any) -> None:
        """Take note of what the tool gave: whoever began the call does."""

    def failed(self, error: BaseException) -> None:
        """Likewise of an error."""


_running: ContextVar[_Running | None] = ContextVar("agentnb_running", default=None)


class _Call(_Running):
    """One call, as two facts; the block is its work."""

    __slots__ = ("_began", "_here", "_outer")

    def __init__(
        self,
        here: Scope,
        name: str,
        arguments: Mapping[str, Any] | None,
        call_id: str | None,
        owner: Any,
        way: str,
    ) -> None:
        fact = tool_started(tool=name, call_id=call_id, arguments=dict(arguments or {}))
        self.call = here.log.id_of(here.log.add(fact, parent=here.parent, source=here.source))
        self.owner, self.way = id(owner), way
        self.name, self.call_id = name, call_id
        self._here = here
        self._began = monotonic()

    def __enter__(self) -> None:
        self._token = _running.set(self)
        self._outer = _scope.set(as_scope((self._here.log, self.call, self._here.source, ())))

    def __exit__(self, *error: object) -> None:
        leave(self._outer)
        self._leave()

    def returned(self, tool: Any, value: Any) -> None:
        try:
            text = tool.return_value_as_string(value)
        except Exception as error:  # a method of the user's; who looks must not stop who acts
            self.failed(error)
        else:
            self.finished(text, is_error=False)

    def failed(self, error: BaseException) -> None:
        self.finished(error_text(error), is_error=True)

    def gave(self, result: Any) -> None:
        """Take note of a workbench's result."""
        to_text = getattr(result, "to_text", lambda: str(result))
        self.finished(to_text(), is_error=getattr(result, "is_error", False), parts=_parts(result))

    def finished(self, text: str, *, is_error: bool, parts: Sequence[Any] = ()) -> None:
        # A workbench of the user's may give anything for a text.
        if not (type(text) is str and type(is_error) is bool):
            checked = ToolFinished(tool=self.name, result=text, is_error=is_error)
            text, is_error = checked.result, checked.is_error
        self._here.log.add(
            tool_finished(
                tool=self.name,
                call_id=self.call_id,
                result=well_formed(text),
                is_error=is_error,
                parts=tuple([part.model_dump(mode="json") for part in parts]) if parts else None,
            ),
            parent=self.call,
            source=self._here.source,
            took=monotonic() - self._began,
        )


def _parts(result: Any) -> Sequence[Any]:
    """Return the parts of a tool's result where its text does not say it all."""
    parts: Sequence[Any] = getattr(result, "result", ())
    return () if len(parts) == 1 and isinstance(parts[0].content, str) else parts


# -- workbenches -------------------------------------------------------------------------------------------------------


_OTHER = {"call_tool": "call_tool_stream", "call_tool_stream": "call_tool"}


def _scope_of(owner: Any, way: str, method: Any, name: str, call_id: str | None) -> Scope | None:
    """Return where a call belongs; None outside of a run, and where it is part of one."""
    # Unlike a model's, a workbench's methods come back to it: a tool may call its neighbour. Only super() is no
    # call of its own.
    here = current()
    if here is None or getattr(type(owner), way) is not method:
        return None
    running = _running.get()
    if running is None or running.call != here.parent or running.owner != id(owner) or running.way != _OTHER[way]:
        return here
    return None if (running.name, running.call_id) == (name, call_id) else here


async def _done_before(
    owner: Any,
    here: Scope,
    recording: Recording,
    name: str,
    arguments: Mapping[str, Any] | None,
    call_id: str | None,
) -> ToolFinished | None:
    """Return what became of a call before the turn was broken off; None where it is to be made now."""
    effect = recording.tool(here.source, name, arguments or {}, call_id)
    if effect is None:
        return None
    idempotent = owner.is_idempotent(name)
    if effect.finished is not None and not _broken_off(effect.finished) and not (idempotent and effect.runs):
        await recording.gave(effect)
        return effect.finished.body  # type: ignore[return-value]
    if idempotent:
        # What an agent did that was called as a tool is shown again, from what it was answered.
        recording.enter(effect)
        return None
    await recording.gave(effect)
    return ToolFinished(tool=name, call_id=call_id, result=INTERRUPTED.format(what="call", done="made"), is_error=True)


def _broken_off(finished: Event) -> bool:
    body: Any = finished.body
    return bool(getattr(body, "is_error", True)) and str(body.result).startswith("CancelledError")


async def _may_call(here: Scope, name: str, arguments: Mapping[str, Any] | None) -> None:
    given = dict(arguments or {})
    text = f"{name}({', '.join(f'{key}={value!r}' for key, value in given.items())})"
    refusal = await judged(Act("tool", here.source, text, given))
    if refusal is not None:
        raise ActRefused(f"{refusal.by} refuses the call {text:.200}: {refusal.reason}")


def tool_refused(name: str, arguments: Mapping[str, Any], call_id: str | None, why: str) -> None:
    """Log a call that no workbench was given, as one that failed."""
    here, recording = current(), replayed()
    known = here is not None and recording is not None and recording.tool(here.source, name, arguments, call_id)
    if here is not None and not known:
        _Call(here, name, arguments, call_id, None, "call_tool").finished(why, is_error=True)


def tool_call(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Record `Workbench.call_tool`."""

    @functools.wraps(method)
    async def call_tool(
        self: Any,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: Any = None,
        call_id: str | None = None,
    ) -> Any:
        here = _scope_of(self, "call_tool", call_tool, name, call_id)
        if here is None:
            return await method(self, name, arguments, cancellation_token, call_id)
        recording = replayed()
        before = None if recording is None else await _done_before(self, here, recording, name, arguments, call_id)
        if before is not None:
            return self._given_again(before)
        if guarded():
            await _may_call(here, name, arguments)
        call = _Call(here, name, arguments, call_id, self, "call_tool")
        try:
            with call:
                result = await method(self, name, arguments, cancellation_token, call_id)
        except BaseException as error:
            call.failed(error)
            raise
        call.finished(result.to_text(), is_error=result.is_error, parts=_parts(result))
        return result

    return call_tool


def tool_stream(method: Callable[..., AsyncGenerator[Any, None]]) -> Callable[..., AsyncGenerator[Any, None]]:
    """Record `StreamWorkbench.call_tool_stream`; its last item is the result."""

    @functools.wraps(method)
    async def call_tool_stream(
        self: Any,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: Any = None,
        call_id: str | None = None,
    ) -> AsyncGenerator[Any, None]:
        here = _scope_of(self, "call_tool_stream", call_tool_stream, name, call_id)
        recording = replayed()
        if here is not None and recording is not None:
            before = await _done_before(self, here, recording, name, arguments, call_id)
            if before is not None:
                yield self._given_again(before)
                return
        if here is not None and guarded():
            await _may_call(here, name, arguments)
        call = None if here is None else _Call(here, name, arguments, call_id, self, "call_tool_stream")
        stream = method(self, name, arguments, cancellation_token, call_id)
        last: Any = None
        async with aclosing(_worked(stream, call)) as items:
            async for last in items:
                yield last
        if call is not None:
            call.gave(last)

    return call_tool_stream


async def _worked(stream: AsyncGenerator[Any, None], call: _Running | None) -> AsyncGenerator[Any, None]:
    """Yield what a call yields."""
    try:
        while True:
            # The scope holds only while the tool works: what a generator sets would else leak to its consumer.
            with call or nullcontext():
                try:
                    item = await anext(stream)
                except StopAsyncIteration:
                    break
            yield item
    except BaseException as error:
        if call is not None:
            call.failed(error)
        raise
    finally:
        await stream.aclose()


# -- tools -------------------------------------------------------------------------------------------------------------


def _call_of(
    tool: Any, way: str, method: Any, args: Any, rest: tuple[Any, ...], named: dict[str, Any]
) -> _Running | None:
    """Return the call that a tool's method is, or is part of; None where nobody looks, and for `super()`."""
    if getattr(type(tool), way) is not method:
        return None
    here, running = current(), _running.get()
    if here is None:
        if not observed():
            return None
        here = _unkept()
    elif running is not None and running.call == here.parent:
        # What a tool does by way of its other method is one call, what its neighbour does another.
        other = running.owner == id(tool) and running.way != way
        if other or running.way in _OTHER:
            return _Running(running.call, id(tool), way, running.name, running.call_id)
    call_id = named.get("call_id", rest[1] if len(rest) > 1 else None)
    given = {str(key): value for key, value in args.items()} if isinstance(args, Mapping) else {}
    fact = ToolStarted(tool=tool.name, call_id=call_id, arguments=given)  # which says what is wrong with a tool
    return _Call(here, fact.tool, fact.arguments, fact.call_id, tool, way)


def _unkept() -> Scope:
    log = RunLog()
    log.kept = False
    announce(log)
    return Scope(log, None, "")


def tool_run(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Record `Tool.run_json`."""

    @functools.wraps(method)
    async def run_json(self: Any, args: Mapping[str, Any], *rest: Any, **named: Any) -> Any:
        call = _call_of(self, "run_json", run_json, args, rest, named)
        if call is None:
            return await method(self, args, *rest, **named)
        try:
            with call:
                value = await method(self, args, *rest, **named)
        except BaseException as error:
            call.failed(error)
            raise
        call.returned(self, value)
        return value

    return run_json


def tool_run_stream(method: Callable[..., AsyncGenerator[Any, None]]) -> Callable[..., AsyncGenerator[Any, None]]:
    """Record `StreamTool.run_json_stream`; its last item is the result."""

    @functools.wraps(method)
    async def run_json_stream(
        self: Any, args: Mapping[str, Any], *rest: Any, **named: Any
    ) -> AsyncGenerator[Any, None]:
        call = _call_of(self, "run_json_stream", run_json_stream, args, rest, named)
        last: Any = None
        async with aclosing(_worked(method(self, args, *rest, **named), call)) as items:
            async for last in items:
                yield last
        if call is not None:
            call.returned(self, last)

    return run_json_stream
