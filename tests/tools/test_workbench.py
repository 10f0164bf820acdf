"""What a set of tools is, and what a call of one gives."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest
from PIL import Image as pil

from agentnb.core import CancellationToken
from agentnb.messages import Image
from agentnb.models.base import ToolSchema
from agentnb.runlog import RunLog, ToolFinished, ToolStarted, scope
from agentnb.tools import ImageResultContent, StreamWorkbench, TextResultContent, ToolResult, Workbench


class Echo(Workbench):
    """A workbench as a user of AutoGen's writes it."""

    async def list_tools(self) -> list[ToolSchema]:
        return [{"name": "echo"}]

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> ToolResult:
        return ToolResult(name=name, result=[TextResultContent(content=str(arguments))])

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def reset(self) -> None: ...


class Streaming(Echo, StreamWorkbench):
    """One whose stream is written with the help of its call."""

    async def call_tool_stream(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> AsyncGenerator[Any | ToolResult, None]:
        yield "soon"
        yield await self.call_tool(name, arguments, cancellation_token, call_id)


def facts(log: RunLog) -> list[Any]:
    return [event.body for event in log.events if isinstance(event.body, ToolStarted | ToolFinished)]


async def test_a_workbench_without_state_saves_nothing_and_takes_it_back() -> None:
    bench = Echo()

    await bench.load_state(await bench.save_state())

    assert await bench.save_state() == {}


def test_a_workbench_must_say_what_it_offers() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Workbench()  # type: ignore[abstract]
    with pytest.raises(TypeError, match="abstract"):
        StreamWorkbench()  # type: ignore[abstract]


async def test_a_call_of_any_workbench_is_a_pair_of_facts() -> None:
    log = RunLog()
    with scope(log, None, "me"):
        await Echo().call_tool("echo", {"a": 1}, call_id="7")

    started, finished = facts(log)
    assert (started.tool, started.call_id, started.arguments) == ("echo", "7", {"a": 1})
    assert (finished.tool, finished.result, finished.is_error) == ("echo", "{'a': 1}", False)


async def test_a_stream_that_uses_the_call_is_one_pair_of_facts() -> None:
    log = RunLog()
    with scope(log, None, "me"):
        items = [item async for item in Streaming().call_tool_stream("echo", {"a": 1}, call_id="7")]

    assert items[0] == "soon"
    assert items[1].to_text() == "{'a': 1}"
    assert [type(fact).__name__ for fact in facts(log)] == ["ToolStarted", "ToolFinished"]
    assert facts(log)[1].result == "{'a': 1}"


async def test_a_stream_that_nobody_hears_to_its_end_is_recorded_as_an_error() -> None:
    log = RunLog()
    with scope(log, None, "me"):
        stream = Streaming().call_tool_stream("echo")
        await anext(stream)
        await stream.aclose()

    finished = facts(log)[-1]
    assert (finished.is_error, finished.result) == (True, "GeneratorExit")


def test_a_result_joins_its_parts_and_pictures_are_base64_or_replaced() -> None:
    image = Image(pil.new("RGB", (1, 1)))
    result = ToolResult(name="t", result=[TextResultContent(content="a"), ImageResultContent(content=image)])

    assert result.to_text() == f"a\n[Image: {image.to_base64()}]"
    assert result.to_text(replace_image="<picture>") == "a\n<picture>"
    assert ToolResult.model_validate_json(result.model_dump_json()).to_text() == result.to_text()
