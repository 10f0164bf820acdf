"""The tools of an agent: which there are, and how the calls of one answer are carried out."""

from __future__ import annotations

import asyncio
import warnings
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple, cast

from agentnb.agents.model import Turn
from agentnb.core import CancellationToken, well_formed
from agentnb.core.cancellation import Abort
from agentnb.exceptions import ToolError
from agentnb.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    FunctionCall,
    FunctionExecutionResult,
    ModelClientStreamingChunkEvent,
)
from agentnb.messages.unchecked import unchecked
from agentnb.models.answers import read_json
from agentnb.models.base import ToolSchema
from agentnb.runlog.calls import tool_refused
from agentnb.tools import StaticWorkbench, StreamWorkbench, ToolResult, Workbench
from agentnb.tools.static import error_lines

Shown = BaseAgentEvent | BaseChatMessage


class Offer(NamedTuple):
    """What a model may call during one turn."""

    schemas: Sequence[ToolSchema]
    home: Mapping[str, Workbench]
    """The workbench of each tool, by the tool's name."""
    shows: frozenset[str]
    """Names of tools that may show something on their way."""

    def is_quiet(self, calls: Sequence[FunctionCall]) -> bool:
        """Tell whether it is one call, of a tool that shows nothing on its way."""
        return len(calls) == 1 and calls[0].name not in self.shows


def _nothing(item: Shown) -> None:
    """Take what is never shown."""


class ToolCalls:
    """Carries out what a model asks of one agent's tools.

    Args:
        agent: The agent's name.
        workbenches: Its tools; of two with one name the first counts.
        handoffs: Tools that hand over; they come before all others.
        still: Names of tools of which it is known that they show nothing on their way.
    """

    def __init__(
        self, agent: str, workbenches: Sequence[Workbench], handoffs: StaticWorkbench | None, still: Collection[str]
    ) -> None:
        self._agent = agent
        self._workbenches = [*workbenches, *([handoffs] if handoffs else [])]
        self._handoffs = handoffs
        self._still = frozenset(still)
        self.known: Offer | None = None
        """What is offered each time, where it is always the same."""

    async def offer(self, abort: Abort) -> Offer:
        """List the tools there are now.

        Raises:
            ToolError: If a workbench cannot list its own.
        """
        schemas: dict[str, ToolSchema] = {}
        home: dict[str, Workbench] = {}
        for workbench in self._workbenches:
            try:
                listed = await abort.wait(workbench.list_tools())
            except Exception as error:
                raise ToolError(
                    f"The agent {self._agent!r} cannot list the tools of its {type(workbench).__name__}: "
                    f"{error_lines(error)}. Was it started?"
                ) from error
            for schema in listed:
                if schema["name"] not in home or workbench is self._handoffs:
                    schemas[schema["name"]], home[schema["name"]] = schema, workbench
        shows = [name for name, workbench in home.items() if isinstance(workbench, StreamWorkbench)]
        offer = Offer(list(schemas.values()), home, frozenset(shows) - self._still)
        if all(workbench._lists_the_same() for workbench in self._workbenches):
            self.known = offer
        return offer

    async def answer(
        self,
        call: FunctionCall,
        offer: Offer,
        abort: Abort,
        token: CancellationToken,
        show: Callable[[Shown], None] = _nothing,
    ) -> FunctionExecutionResult:
        """Carry out a call, and return what the model is to know of it, also where it failed.

        Args:
            call: The call.
            offer: What may be called.
            abort: Ends the waiting.
            token: Is handed to the tool.
            show: Takes what the tool shows on its way.
        """
        try:
            arguments = _arguments(call, offer)
            if isinstance(arguments, str):
                _note_refused(call, arguments)
                return _failed(call, arguments)
            workbench = offer.home[call.name]
            if call.name in offer.shows:
                stream = cast(StreamWorkbench, workbench).call_tool_stream(call.name, arguments, token, call.id)
                result = await abort.wait(_result(call, stream, show))
            else:
                result = await abort.wait(workbench.call_tool(call.name, arguments, token, call.id))
            return _gave(call, result.to_text(), is_error=result.is_error)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if token.is_cancelled() or (task is not None and task.cancelling()):
                raise
            # Something the tool itself had cancelled: its own affair, and no end of the run.
            return _failed(call, "CancelledError: something the tool waited for was cancelled.")
        except (Exception, SystemExit) as error:
            # What a tool did wrong is an answer to the model: it may try otherwise.
            return _failed(call, error_lines(error))

    async def carry_out(
        self, calls: Sequence[FunctionCall], offer: Offer, results: dict[int, FunctionExecutionResult], turn: Turn
    ) -> None:
        """Carry out the calls of one answer at the same time, and show what tools show as they show it.

        Args:
            calls: The calls.
            offer: What may be called.
            results: Takes the results by the place of their call, each when it is there.
            turn: The turn they belong to.
        """
        shown: deque[Shown] = deque()
        arrived = asyncio.Event()

        def show(item: Shown) -> None:
            shown.append(item)
            arrived.set()

        async def work(place: int) -> None:
            try:
                results[place] = await self.answer(calls[place], offer, Abort(None), turn.token, show)
            except BaseException:
                arrived.set()  # it ends the others
                raise
            if len(results) == len(calls):
                arrived.set()

        working = [asyncio.ensure_future(work(place)) for place in range(len(calls))]
        try:
            while shown or not all(task.done() for task in working):
                while shown:
                    item = shown.popleft()
                    is_piece = isinstance(item, ModelClientStreamingChunkEvent)
                    await (turn.show(item) if is_piece else turn.shows(item))
                for task in working:
                    if task.done():
                        task.result()
                arrived.clear()
                if len(results) == len(calls):
                    await asyncio.wait(working)
                else:
                    await turn.abort.wait(arrived.wait())
        finally:
            ended = [task for task in working if not task.done() and task.cancel()]
            if ended:
                await asyncio.wait(ended)
            for task in working:
                if not task.cancelled():
                    task.exception()  # seen: one that fails while others end must not warn


async def _result(call: FunctionCall, stream: AsyncGenerator[Any, None], show: Callable[[Shown], None]) -> ToolResult:
    result: ToolResult | None = None
    async with aclosing(stream) as items:
        async for item in items:
            if isinstance(item, ToolResult):
                result = item
            elif isinstance(item, BaseAgentEvent | BaseChatMessage):
                show(item)
            else:
                warnings.warn(
                    f"The tool {call.name!r} shows {item!r:.80}, a {type(item).__name__}; only messages and events "
                    "can be shown.",
                    UserWarning,
                    stacklevel=2,
                )
    if result is None:
        raise ToolError(
            f"The tool {call.name!r} ended without a result; call_tool_stream must yield a ToolResult last."
        )
    return result


def _arguments(call: FunctionCall, offer: Offer) -> dict[str, Any] | str:
    """Return the arguments of a call, or what is wrong with it."""
    if call.name not in offer.home:
        return f"No tool is named {call.name!r} (known: {', '.join(map(repr, offer.home)) or 'none'})."
    try:
        arguments = read_json(call.arguments) if call.arguments else {}
    except ValueError as error:
        return f"The arguments of {call.name} are not JSON: {error}."
    if not isinstance(arguments, dict):
        return f"The arguments of {call.name} must be a JSON object, not {type(arguments).__name__}."
    return arguments


def _note_refused(call: FunctionCall, why: str) -> None:
    """Log a call that no tool was found for, or whose arguments cannot be read, like one that failed."""
    try:
        given = read_json(call.arguments) if call.arguments else {}
    except ValueError:
        given = None
    tool_refused(call.name, given if isinstance(given, dict) else {"arguments": call.arguments}, call.id, why)


def _failed(call: FunctionCall, text: str) -> FunctionExecutionResult:
    return _gave(call, text, is_error=True)


def _gave(call: FunctionCall, text: str, *, is_error: bool) -> FunctionExecutionResult:
    name, call_id = call.name, call.id
    # A call is as a client of the user's made it: its fields may be anything.
    if type(name) is type(call_id) is type(text) is str and type(is_error) is bool:
        values = {"content": well_formed(text), "name": name, "call_id": call_id, "is_error": is_error}
        return unchecked(FunctionExecutionResult, values)
    return FunctionExecutionResult(content=text, name=name, call_id=call_id, is_error=is_error)


def stopped(call: FunctionCall) -> FunctionExecutionResult:
    """Return what a model is to know of a call that had no result when its turn was stopped."""
    return _failed(call, "The call was stopped before it had a result.")
