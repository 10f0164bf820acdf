"""A set of tools."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from PIL import Image as pil

from agentnb.core import CancellationToken
from agentnb.messages import Image
from agentnb.tools import FunctionTool, ImageResultContent, StaticWorkbench, TextResultContent, ToolResult


def add(a: int, b: int) -> int:
    return a + b


def leave() -> None:
    sys.exit("usage: leave")


def group() -> None:
    raise ExceptionGroup("several", [ValueError("one"), ExceptionGroup("inner", [KeyError("two")])])


def halves() -> str:
    return "half \ud83d"


@pytest.fixture
def bench() -> StaticWorkbench:
    return StaticWorkbench([FunctionTool(f, description=f.__name__) for f in (add, leave, group, halves)])


async def call(bench: StaticWorkbench, name: str, **arguments: Any) -> tuple[str, bool]:
    result = await bench.call_tool(name, arguments)
    assert result.name == name
    return result.to_text(), result.is_error


async def test_a_call_gives_the_result_as_text(bench: StaticWorkbench) -> None:
    assert await call(bench, "add", a=1, b=2) == ("3", False)


async def test_tools_are_listed_in_their_order(bench: StaticWorkbench) -> None:
    assert [schema["name"] for schema in await bench.list_tools()] == ["add", "leave", "group", "halves"]


async def test_an_unknown_tool_is_a_result_that_lists_the_known_ones(bench: StaticWorkbench) -> None:
    text, is_error = await call(bench, "ad")

    assert is_error
    assert "No tool is named 'ad' (known: 'add', 'leave', 'group', 'halves')" in text


async def test_arguments_that_do_not_fit_are_a_result_that_names_them(bench: StaticWorkbench) -> None:
    text, is_error = await call(bench, "add", a="one", b=2)

    assert is_error
    assert text.startswith("ValidationError: ")
    assert "valid integer" in text


async def test_a_group_of_errors_is_a_line_for_each(bench: StaticWorkbench) -> None:
    assert await call(bench, "group") == ("ValueError: one\nKeyError: 'two'", True)


async def test_a_tool_that_exits_does_not_end_the_program(bench: StaticWorkbench) -> None:
    assert await call(bench, "leave") == ("SystemExit: usage: leave", True)


async def test_text_that_cannot_be_written_is_mended(bench: StaticWorkbench) -> None:
    assert await call(bench, "halves") == ("half \ufffd", False)


async def test_cancelling_is_no_result(bench: StaticWorkbench) -> None:
    async def wait() -> None:
        await asyncio.Event().wait()

    task = asyncio.ensure_future(StaticWorkbench([FunctionTool(wait, description="")]).call_tool("wait"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_token_reaches_the_tool() -> None:
    seen: list[CancellationToken] = []

    def look(cancellation_token: CancellationToken) -> None:
        seen.append(cancellation_token)

    token = CancellationToken()
    await StaticWorkbench([FunctionTool(look, description="")]).call_tool("look", {}, token)

    assert seen == [token]


def test_two_tools_of_one_name_are_refused() -> None:
    tools = [FunctionTool(add, description=""), FunctionTool(leave, description="", name="add")]

    with pytest.raises(ValueError, match="Two tools are named 'add'"):
        StaticWorkbench(tools)


async def test_a_workbench_is_started_and_stopped_by_its_block(bench: StaticWorkbench) -> None:
    async with bench as started:
        assert started is bench
        await bench.reset()
        assert await call(bench, "add", a=1, b=1) == ("2", False)


def test_a_result_joins_its_parts_and_pictures_are_base64_or_replaced() -> None:
    image = Image(pil.new("RGB", (1, 1)))
    result = ToolResult(name="t", result=[TextResultContent(content="a"), ImageResultContent(content=image)])

    assert result.to_text() == f"a\n[Image: {image.to_base64()}]"
    assert result.to_text(replace_image="<picture>") == "a\n<picture>"
    assert ToolResult.model_validate_json(result.model_dump_json()).to_text() == result.to_text()
