"""Calls of tools are facts, whoever makes them: once each, and only where somebody looks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from typing import Any

import pytest
from pydantic import BaseModel

from agentnb.core import AgentId, CancellationToken
from agentnb.runlog import Event, RunLog, ToolFinished, ToolStarted, current, observe, scope
from agentnb.runtimes import MessageContext, RoutedAgent, SingleThreadedAgentRuntime, message_handler
from agentnb.tools import (
    BaseStreamTool,
    BaseTool,
    FunctionTool,
    StaticStreamWorkbench,
    StaticWorkbench,
    ToolOverride,
    ToolResult,
)
from tests.runlog.clients import Bench, SubBench


class Number(BaseModel):
    n: int


def double(n: int) -> int:
    if n < 0:
        raise ValueError("negative")
    return 2 * n


class Quadruple(BaseTool[Number, int]):
    """Calls its neighbour."""

    def __init__(self) -> None:
        super().__init__(Number, int, "quadruple", "Four times.")
        self.doubling = FunctionTool(double, "Twice.")

    async def run(self, args: Number, cancellation_token: CancellationToken) -> int:
        twice = await self.doubling.run_json({"n": args.n}, cancellation_token)
        return int(await self.doubling.run_json({"n": twice}, cancellation_token))


class Careful(FunctionTool):
    """Goes through super()."""

    async def run_json(
        self, args: Mapping[str, Any], cancellation_token: CancellationToken, call_id: str | None = None
    ) -> Any:
        return await super().run_json({"n": abs(args["n"])}, cancellation_token, call_id)


class Countdown(BaseStreamTool[Number, str, int]):
    """Does with its stream what it is asked to do at once."""

    def __init__(self) -> None:
        super().__init__(Number, int, "countdown", "Count.")

    async def run_stream(self, args: Number, cancellation_token: CancellationToken) -> AsyncGenerator[str | int, None]:
        yield "soon"
        yield 0

    async def run_json(
        self, args: Mapping[str, Any], cancellation_token: CancellationToken, call_id: str | None = None
    ) -> Any:
        return [item async for item in self.run_json_stream(args, cancellation_token, call_id)][-1]


@pytest.fixture
def seen() -> Iterator[list[Event]]:
    """What a reader of this process sees."""
    events: list[Event] = []
    end = observe(lambda log: log.watch(lambda item: events.append(item) if isinstance(item, Event) else None))
    yield events
    end()


def calls(events: list[Event]) -> list[tuple[str, str, str]]:
    """Return tool, result and what caused it of each call, in the order of their ends."""
    by_id: dict[str, Event] = {event.id: event for event in events}
    found = []
    for event in events:
        if isinstance(event.body, ToolFinished):
            cause = by_id.get(by_id[event.parent or ""].parent or "")
            within = cause.body.tool if cause and isinstance(cause.body, ToolStarted) else cause.kind if cause else ""
            found.append((event.body.tool, event.body.result, within))
    return found


async def test_a_tool_that_is_called_outside_of_a_run_is_seen_by_readers(seen: list[Event]) -> None:
    await FunctionTool(double, "Twice.").run_json({"n": 1}, CancellationToken(), "c1")

    started, finished = seen
    assert started.body == ToolStarted(tool="double", call_id="c1", arguments={"n": 1})
    assert finished.body == ToolFinished(tool="double", call_id="c1", result="2")
    assert finished.parent == started.id
    assert finished.took is not None


@pytest.mark.parametrize("bench", [StaticWorkbench, StaticStreamWorkbench])
async def test_a_workbench_that_is_used_outside_of_a_run_shows_each_call_once(
    seen: list[Event], bench: Callable[..., StaticWorkbench]
) -> None:
    await bench([FunctionTool(double, "Twice.")]).call_tool("double", {"n": 1})

    assert calls(seen) == [("double", "2", "")]


async def test_a_tool_that_is_called_in_a_handler_is_a_fact_of_that_handler(seen: list[Event]) -> None:
    class Adder(RoutedAgent):
        @message_handler
        async def add(self, message: int, ctx: MessageContext) -> int:
            return int(await FunctionTool(double, "Twice.").run_json({"n": message}, ctx.cancellation_token))

    runtime = SingleThreadedAgentRuntime()
    await Adder.register(runtime, "adder", lambda: Adder("adds"))
    runtime.start()

    assert await runtime.send_message(1, AgentId("adder", "k")) == 2
    await runtime.stop_when_idle()
    assert calls(seen) == [("double", "2", "envelope.delivered")]


@pytest.mark.parametrize("call_id", ["c1", None])
async def test_a_call_through_a_workbench_is_recorded_once_and_what_the_tool_calls_is_within(
    call_id: str | None,
) -> None:
    log = RunLog()
    bench = StaticWorkbench([Quadruple()], tool_overrides={"quadruple": ToolOverride(name="four_times")})

    with scope(log, None, "ana"):
        await bench.call_tool("four_times", {"n": 1}, CancellationToken(), call_id)

    inner = [("double", "2", "four_times"), ("double", "4", "four_times")]
    assert calls(list(log)) == [*inner, ("four_times", "4", "")]
    assert {event.source for event in log} == {"ana"}


async def test_a_tool_that_calls_another_one_by_itself_has_it_within(seen: list[Event]) -> None:
    await Quadruple().run_json({"n": 1}, CancellationToken())

    assert calls(seen) == [("double", "2", "quadruple"), ("double", "4", "quadruple"), ("quadruple", "4", "")]


async def test_a_tool_that_goes_through_super_or_its_stream_is_one_call(seen: list[Event]) -> None:
    await Careful(double, "Twice.").run_json({"n": -1}, CancellationToken())
    await Countdown().run_json({"n": 1}, CancellationToken())
    await StaticStreamWorkbench([Countdown()]).call_tool("countdown", {"n": 1})

    assert calls(seen) == [("double", "2", ""), ("countdown", "0", ""), ("countdown", "0", "")]


async def test_a_stream_is_a_call_whose_last_item_is_the_result(seen: list[Event]) -> None:
    items = [item async for item in Countdown().run_json_stream({"n": 1}, CancellationToken())]
    bench = StaticStreamWorkbench([Countdown()])
    shown = [item async for item in bench.call_tool_stream("countdown", {"n": 1})]

    assert items == ["soon", 0]
    assert shown[0] == "soon"
    assert calls(seen) == [("countdown", "0", "")] * 2


async def test_a_call_that_fails_is_recorded_as_an_error(seen: list[Event]) -> None:
    tool = FunctionTool(double, "Twice.")
    with pytest.raises(ValueError, match="negative"):
        await tool.run_json({"n": -1}, CancellationToken())
    with pytest.raises(ValueError, match="Field required"):
        await tool.run_json({"m": 1}, CancellationToken())

    assert [event.body.is_error for event in seen if isinstance(event.body, ToolFinished)] == [True, True]
    assert calls(seen)[0] == ("double", "ValueError: negative", "")


async def test_a_result_that_cannot_be_written_down_is_still_returned(seen: list[Event]) -> None:
    class Unspeakable(FunctionTool):
        def return_value_as_string(self, value: Any) -> str:
            raise TypeError("no words")

    assert await Unspeakable(double, "Twice.").run_json({"n": 1}, CancellationToken()) == 2
    assert calls(seen) == [("double", "TypeError: no words", "")]


async def test_a_call_that_nobody_looks_at_makes_no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    monkeypatch.setattr("agentnb.runlog.calls.RunLog", lambda: made.append(1))

    await FunctionTool(double, "Twice.").run_json({"n": 1}, CancellationToken())
    await StaticWorkbench([FunctionTool(double, "Twice.")]).call_tool("double", {"n": 1})

    assert made == []


async def test_a_tool_call_leaves_its_arguments_and_its_result(log: RunLog) -> None:
    with scope(log, None, "ana"):
        await Bench().call_tool("add", {"a": 1, "b": 2}, call_id="c1")

    started, finished = log
    assert started.body == ToolStarted(tool="add", call_id="c1", arguments={"a": 1, "b": 2})
    assert finished.body == ToolFinished(tool="add", call_id="c1", result="3")
    assert finished.parent == started.id
    assert finished.took is not None


async def test_a_tool_call_that_raises_leaves_the_error(log: RunLog) -> None:
    with pytest.raises(ConnectionError), scope(log, None, "ana"):
        await Bench().call_tool("fail")

    assert calls(list(log)) == [("fail", "ConnectionError: the server is gone", "")]


async def test_a_tool_that_calls_its_neighbour_leaves_both_calls_one_within_the_other(log: RunLog) -> None:
    with scope(log, None, "ana"):
        await SubBench().call_tool("twice", {"a": 2})

    assert [(tool, within) for tool, _, within in calls(list(log))] == [("add", "twice"), ("twice", "")]


async def test_a_workbench_that_calls_its_base_class_is_one_call(log: RunLog) -> None:
    with scope(log, None, "ana"):
        await SubBench().call_tool("add", {"a": 1, "b": 2})

    assert [event.kind for event in log] == ["tool.started", "tool.finished"]


@pytest.mark.parametrize("together", [False, True])
async def test_the_tools_that_a_workbench_itself_makes_use_of_are_part_of_its_call(together: bool) -> None:
    class Both(StaticWorkbench):
        async def call_tool(
            self,
            name: str,
            arguments: Mapping[str, Any] | None = None,
            cancellation_token: CancellationToken | None = None,
            call_id: str | None = None,
        ) -> ToolResult:
            tool = FunctionTool(double, "Twice.")
            if together:
                await asyncio.gather(*[tool.run_json({"n": n}, CancellationToken()) for n in (1, 2)])
            else:
                await tool.run_json({"n": 1}, CancellationToken())
            return await super().call_tool(name, arguments, cancellation_token, call_id)

    log = RunLog()
    with scope(log, None, "ana"):
        await Both([FunctionTool(double, "Twice.")]).call_tool("double", {"n": 4})

    assert calls(list(log)) == [("double", "8", "")]


async def test_a_stream_written_with_the_help_of_the_plain_call_is_one_call_and_its_neighbour_another() -> None:
    class Both(StaticStreamWorkbench):
        async def call_tool_stream(
            self,
            name: str,
            arguments: Mapping[str, Any] | None = None,
            cancellation_token: CancellationToken | None = None,
            call_id: str | None = None,
        ) -> AsyncGenerator[Any, None]:
            yield (await self.call_tool("quadruple", arguments)).to_text()
            yield await self.call_tool(name, arguments, cancellation_token, call_id)

    log, bench = RunLog(), Both([FunctionTool(double, "Twice."), Quadruple()])
    with scope(log, None, "ana"):
        shown = [item async for item in bench.call_tool_stream("double", {"n": 4}, None, "c1")]

    assert shown[0] == "16"
    inner = [("double", "8", "quadruple"), ("double", "16", "quadruple"), ("quadruple", "16", "double")]
    assert calls(list(log)) == [*inner, ("double", "8", "")]


async def test_a_stream_that_is_closed_early_is_a_fact_at_once(log: RunLog) -> None:
    with scope(log, None, "ana"):
        stream = StaticStreamWorkbench([Countdown()]).call_tool_stream("countdown", {"n": 1})
        assert await anext(stream) == "soon"
        here = current()
        await stream.aclose()

    assert here is not None
    assert here.parent is None
    assert calls(list(log)) == [("countdown", "GeneratorExit", "")]
