"""A fixed list of tools as a workbench."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, ClassVar, Literal, cast

from pydantic import BaseModel

from agentnb.base import TaskRunner
from agentnb.core import CancellationToken, well_formed
from agentnb.core.cancellation import Abort
from agentnb.exceptions import ToolError, ToolNotFound, UserError
from agentnb.messages.unchecked import unchecked
from agentnb.models.base import ToolSchema
from agentnb.runlog.recorded import error_text
from agentnb.tools.base import BaseStreamTool, BaseTool, StreamTool, Tool, ToolOverride
from agentnb.tools.workbench import StreamWorkbench, TextResultContent, ToolResult, Workbench


class StaticWorkbenchState(BaseModel, defer_build=True):
    """The states of a workbench's tools, by the tools' own names."""

    type: Literal["StaticWorkbenchState"] = "StaticWorkbenchState"
    tools: dict[str, dict[str, Any]] = {}


def error_lines(error: BaseException) -> str:
    """Return an exception as the model reads it; the parts of a group each on a line."""
    if isinstance(error, BaseExceptionGroup):
        return "\n".join(error_lines(part) for part in error.exceptions)
    return error_text(error)


class StaticWorkbench(Workbench):
    """A fixed list of tools.

    ```python
    StaticWorkbench([search, fetch], tool_overrides={"fetch": ToolOverride(name="read_page")})
    ```

    Args:
        tools: The tools.
        tool_overrides: Other names and descriptions, by the tools' own names. A renamed tool is called by its new
            name, and still by its own.

    Raises:
        ValueError: If something else is given than tools and overrides, two tools have one name, or an override gives
            a name that is taken.
    """

    component_defaults: ClassVar[Mapping[str, Any]] = {"tool_overrides": {}}

    def __init__(self, tools: Sequence[Tool], tool_overrides: Mapping[str, ToolOverride] | None = None) -> None:
        _check_tools(tools)
        _check_overrides(tool_overrides)
        self._tools = {tool.name: tool for tool in tools}
        if len(self._tools) != len(tools):
            names = [tool.name for tool in tools]
            twice = sorted({name for name in names if names.count(name) > 1})
            raise UserError(f"Two tools are named {', '.join(map(repr, twice))}; every tool needs a name of its own.")
        self._overrides = dict(tool_overrides or {})
        self._by_name = dict(self._tools)
        for own, override in self._overrides.items():
            if own not in self._tools:
                warnings.warn(
                    f"No tool is named {own!r} (known: {self._known()}): its override changes nothing.",
                    UserWarning,
                    stacklevel=3,
                )
            elif override.name and override.name != own:
                if override.name in self._by_name:
                    taken = self._by_name[override.name].name
                    raise UserError(
                        f"The tool {own!r} cannot be called {override.name!r}: the tool {taken!r} has that name. "
                        "Give it another one."
                    )
                self._by_name[override.name] = self._tools[own]
        self._at_start: Mapping[str, Any] | None = None

    async def list_tools(self) -> list[ToolSchema]:
        return [self._shown(name, tool.schema) for name, tool in self._tools.items()]

    def _lists_the_same(self) -> bool:
        if self._overrides or type(self).list_tools is not StaticWorkbench.list_tools:
            return False
        # A tool of the user's may describe itself anew each time.
        return all(getattr(type(tool), "schema", None) is BaseTool.schema for tool in self._tools.values())

    def _shown(self, own: str, schema: ToolSchema) -> ToolSchema:
        override = self._overrides.get(own)
        if override is None:
            return schema
        changes = {"name": override.name or schema["name"]}
        if override.description is not None:
            changes["description"] = override.description
        return cast(ToolSchema, {**schema, **changes})

    def _known(self) -> str:
        override = self._overrides.get
        names = ((found.name if (found := override(name)) else None) or name for name in self._tools)
        return ", ".join(map(repr, names)) or "none"

    def _find(self, name: str) -> Tool:
        tool = self._by_name.get(name)
        if tool is None:
            raise ToolNotFound(f"No tool is named {name!r} (known: {self._known()}).")
        return tool

    def _inside(self) -> Iterable[TaskRunner]:
        called = (getattr(tool, "runner", None) for tool in self._tools.values())
        return [runner for runner in called if isinstance(runner, TaskRunner)]

    def is_idempotent(self, name: str) -> bool:
        return bool(getattr(self._by_name.get(name), "idempotent", False))

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> ToolResult:
        try:
            tool = self._find(name)
            value = await _run(tool, arguments, cancellation_token, call_id)
            return _result(name, tool.return_value_as_string(value))
        except BaseException as error:
            return _failed(name, error, cancellation_token)

    async def start(self) -> None:
        """Note the state of the tools, so that `reset` finds it again."""
        self._at_start = await self.save_state() if self._stateful() else None

    async def stop(self) -> None:
        """Nothing to release."""

    async def reset(self) -> None:
        """Give the tools the state they had when the workbench was started."""
        if self._at_start is not None:
            await self.load_state(self._at_start)

    def _stateful(self) -> bool:
        # A tool of another library may lack the question; it is then one without state.
        return any(getattr(tool, "state_type", lambda: None)() is not None for tool in self._tools.values())

    async def save_state(self) -> Mapping[str, Any]:
        states = {name: dict(await tool.save_state_json()) for name, tool in self._tools.items()}
        return StaticWorkbenchState(tools=states).model_dump()

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state; a state of a tool that is not here is passed over, with a warning.

        Raises:
            pydantic.ValidationError: If it is no state of such a workbench.
        """
        states = StaticWorkbenchState.model_validate(state).tools
        for name, saved in states.items():
            if name in self._tools:
                await self._tools[name].load_state_json(saved)
            elif saved:
                warnings.warn(
                    f"The state holds one of the tool {name!r}, which is not here.", UserWarning, stacklevel=2
                )


class StaticStreamWorkbench(StaticWorkbench, StreamWorkbench):
    """A fixed list of tools that shows what its stream tools do on the way."""

    async def call_tool_stream(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> AsyncGenerator[Any | ToolResult, None]:
        items = self._items(name, arguments, cancellation_token, call_id)
        last: Any = _NOTHING
        failed: ToolResult | None = None
        async with aclosing(items):
            while True:
                try:
                    item, may_be_last = await anext(items)
                except StopAsyncIteration:
                    break
                except BaseException as error:
                    failed = _failed(name, error, cancellation_token)
                    break
                if last is not _NOTHING:
                    yield last
                last = item
                if not may_be_last:
                    yield item
                    last = _NOTHING
        result = failed or self._in_words(name, last)
        if result.is_error and last is not _NOTHING:
            yield last
        yield result

    async def _items(
        self, name: str, arguments: Mapping[str, Any] | None, token: CancellationToken | None, call_id: str | None
    ) -> AsyncGenerator[tuple[Any, bool], None]:
        """Yield what a tool yields, and whether it may be the result, which has to be kept back."""
        tool = self._find(name)
        if not hasattr(tool, "run_json_stream"):
            yield await _run(tool, arguments, token, call_id), True
            return
        token = token or CancellationToken()
        may_be_last = tool.is_result if isinstance(tool, BaseStreamTool) else lambda item: True
        stream = cast(StreamTool, tool).run_json_stream(arguments or {}, token, call_id)
        async with aclosing(_in_a_task(stream, token)) as items:
            async for item in items:
                yield item, may_be_last(item)

    def _in_words(self, name: str, value: Any) -> ToolResult:
        try:
            if value is _NOTHING:
                raise ToolError(f"The tool {name!r} ended its stream without a result; its last item is that.")
            return _result(name, self._find(name).return_value_as_string(value))
        except Exception as error:
            return _failed(name, error, None)


_NOTHING: Any = object()


def _check_tools(tools: Any) -> None:
    if isinstance(tools, str | bytes | Mapping) or not isinstance(tools, Sequence):
        raise UserError(f"A workbench takes a list of tools, not {tools!r:.80}; put what is one into a list: [tool].")
    for tool in tools:
        # By what is called, not by class: a tool of another library may lack what is of no use here.
        if isinstance(getattr(tool, "name", None), str) and callable(getattr(tool, "run_json", None)):
            continue
        called = getattr(tool, "__name__", None)
        way_out = "Give a Tool." if called is None else f"Wrap it: FunctionTool({called}, description='...')."
        raise UserError(f"A workbench takes tools, and {tool!r:.80} is none. {way_out}")


def _check_overrides(overrides: Any) -> None:
    if overrides is None:
        return
    if not isinstance(overrides, Mapping):
        raise UserError(
            f"tool_overrides is {overrides!r:.80}; it must be a dict: {{'fetch': ToolOverride(name='read_page')}}."
        )
    for own, override in overrides.items():
        if not isinstance(override, ToolOverride):
            meant = f"ToolOverride(**{override!r:.80})" if isinstance(override, dict) else "ToolOverride(name='...')"
            raise UserError(f"tool_overrides[{own!r}] is {override!r:.80}; it must be a ToolOverride: write {meant}.")


def _run(
    tool: Tool, arguments: Mapping[str, Any] | None, token: CancellationToken | None, call_id: str | None
) -> Awaitable[Any]:
    # A tool that never looks at its token shall end with it all the same.
    return Abort(token).wait(tool.run_json(arguments or {}, token or CancellationToken(), call_id))


async def _contained(work: Callable[..., Awaitable[Any]], *args: Any) -> tuple[Any, SystemExit | None]:
    # A task that ends with SystemExit ends the event loop with it.
    try:
        return await work(*args), None
    except SystemExit as error:
        return None, error


async def _in_a_task(stream: AsyncGenerator[Any, None], token: CancellationToken) -> AsyncGenerator[Any, None]:
    """Yield the items of a stream that runs in one task, in step; the task ends with the token, or unheard."""
    arrived, wanted = asyncio.Event(), asyncio.Event()
    items: list[Any] = []

    async def work() -> None:
        async with aclosing(stream):
            async for item in stream:
                items.append(item)
                arrived.set()
                await wanted.wait()
                wanted.clear()

    working = asyncio.ensure_future(_contained(work))
    working.add_done_callback(lambda _: arrived.set())
    token.link_future(working)
    try:
        while items or not working.done():
            if items:
                yield items.pop()
                wanted.set()
            else:
                await arrived.wait()
                arrived.clear()
        exited = working.result()[1]
        if exited is not None:
            raise exited
    finally:
        if not working.done():
            working.cancel()
            await asyncio.wait([working])
        if not working.cancelled():
            working.exception()  # seen: a tool that fails while its reader leaves must not warn


def _result(name: str, text: str, *, is_error: bool = False) -> ToolResult:
    # A tool of the user's may give anything for a text, and may be called by anything that equals its name.
    if type(name) is type(text) is str:
        part = unchecked(TextResultContent, {"content": well_formed(text), "type": "TextResultContent"})
        values = {"name": name, "result": [part], "is_error": is_error, "type": "ToolResult"}
        return unchecked(ToolResult, values)
    return ToolResult(name=name, result=[TextResultContent(content=text)], is_error=is_error)


def _failed(name: str, error: BaseException, token: CancellationToken | None) -> ToolResult:
    """Return an error of a tool as its result; what concerns the caller is raised."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        # Neither the token nor the caller's task was cancelled: something within the tool was, which is its own affair.
        meant = (token is not None and token.is_cancelled()) or (task is not None and task.cancelling() > 0)
        if not meant:
            return _result(name, "CancelledError: something the tool waited for was cancelled.", is_error=True)
    # SystemExit: functions written for the command line end with it; it is not the end of this program.
    if isinstance(error, Exception | SystemExit):
        return _result(name, error_lines(error), is_error=True)
    raise error
