"""An assistant whose tools show something on their way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest
from pydantic import BaseModel

from agentnb.agents import AssistantAgent
from agentnb.core import CancellationToken
from agentnb.messages import FunctionCall, TextMessage, ThoughtEvent
from agentnb.models.base import ToolSchema
from agentnb.models.scripted import ScriptedChatCompletionClient
from agentnb.runlog import RunLog, ToolFinished, ToolStarted
from agentnb.tools import (
    BaseStreamTool,
    FunctionTool,
    StaticStreamWorkbench,
    StaticWorkbench,
    StreamWorkbench,
    ToolResult,
)
from tests.agents.conftest import Watched, answer, call, names, turn
from tests.runlog.clients import Bench


class Steps(BaseModel):
    shown: list[str]


class Counter(BaseStreamTool[Steps, Any, int]):
    """Shows texts, and ends with how many."""

    def __init__(self, name: str = "count", gate: asyncio.Event | None = None) -> None:
        super().__init__(Steps, int, name, "Counts.")
        self.gate = gate

    async def run_stream(self, args: Steps, cancellation_token: CancellationToken) -> AsyncGenerator[Any, None]:
        for text in args.shown:
            yield TextMessage(content=text, source=self.name)
        if self.gate is not None:
            await self.gate.wait()
        yield len(args.shown)


class Strange(BaseStreamTool[Steps, Any, int]):
    """Shows what is no message."""

    def __init__(self) -> None:
        super().__init__(Steps, int, "count", "Counts.")

    async def run_stream(self, args: Steps, cancellation_token: CancellationToken) -> AsyncGenerator[Any, None]:
        yield "half way"
        yield 2


class Streaming(Bench, StreamWorkbench):
    """A workbench of one's own that shows something."""

    async def call_tool_stream(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> AsyncGenerator[Any, None]:
        yield ThoughtEvent(content=f"calling {name}", source="bench")
        if name != "fail":
            yield await self.call_tool(name, arguments, cancellation_token, call_id)


def plain() -> str:
    """Return a text."""
    return "plain"


TWO = call("count", '{"shown": ["a", "b"]}')


async def test_what_a_tool_shows_comes_between_request_and_result() -> None:
    items = await turn(AssistantAgent("ana", Watched([answer([TWO])]), tools=[Counter()]), "hi")

    assert names(items) == [
        "ToolCallRequestEvent",
        "TextMessage",
        "TextMessage",
        "ToolCallExecutionEvent",
        "Response(ToolCallSummaryMessage)",
    ]
    assert [item.content for item in items[1:3]] == ["a", "b"]
    assert items[-1].chat_message.content == "2"


async def test_what_tools_show_at_the_same_time_comes_as_it_is_shown() -> None:
    slow, quick = asyncio.Event(), asyncio.Event()
    calls = [call("slow", '{"shown": ["s"]}', "1"), call("quick", '{"shown": ["q"]}', "2"), call("plain", "{}", "3")]
    tools: list[Any] = [Counter("slow", slow), Counter("quick", quick), FunctionTool(plain, description="")]
    agent = AssistantAgent("ana", Watched([answer(calls)]), tools=tools)
    stream = agent.on_messages_stream([TextMessage(content="hi", source="user")], CancellationToken())

    assert names([await anext(stream)]) == ["ToolCallRequestEvent"]
    assert {(await anext(stream)).content, (await anext(stream)).content} == {"s", "q"}  # type: ignore[union-attr]
    quick.set()
    slow.set()
    execution, response = [item async for item in stream]
    assert [result.content for result in execution.content] == ["1", "1", "plain"]  # type: ignore[union-attr]
    assert names([response]) == ["Response(ToolCallSummaryMessage)"]


async def test_any_workbench_that_streams_is_heard() -> None:
    agent = AssistantAgent("ana", Watched([answer([call("add", '{"a": 1, "b": 2}')])]), workbench=Streaming())
    items = await turn(agent, "hi")

    assert names(items) == [
        "ToolCallRequestEvent",
        "ThoughtEvent",
        "ToolCallExecutionEvent",
        "Response(ToolCallSummaryMessage)",
    ]
    assert items[-1].chat_message.content == "3"


async def test_a_stream_without_a_result_is_an_error_result() -> None:
    agent = AssistantAgent("ana", Watched([answer([call("fail")])]), workbench=Streaming())
    items = await turn(agent, "hi")

    assert items[2].content[0].is_error
    assert "'fail' ended without a result; call_tool_stream must yield a ToolResult last" in items[2].content[0].content


async def test_what_is_no_message_is_left_out_with_a_warning() -> None:
    agent = AssistantAgent("ana", Watched([answer([call("count", '{"shown": []}')])]), tools=[Strange()])

    with pytest.warns(UserWarning, match="The tool 'count' shows 'half way', a str; only messages and events"):
        items = await turn(agent, "hi")
    assert names(items)[1] == "ToolCallExecutionEvent"
    assert items[-1].chat_message.content == "2"


async def test_tools_of_several_workbenches_are_offered_and_each_is_called_where_it_is() -> None:
    calls = [call("add", '{"a": 1, "b": 2}', "1"), call("plain", "{}", "2"), TWO]
    client = Watched([answer(calls)])
    benches = [Bench(), StaticStreamWorkbench([FunctionTool(plain, description=""), Counter()])]
    items = await turn(AssistantAgent("ana", client, workbench=benches), "hi")

    assert client.tools_offered == [["add", "twice", "fail", "plain", "count"]]
    execution = next(item for item in items if type(item).__name__ == "ToolCallExecutionEvent")
    assert [result.content for result in execution.content] == ["3", "plain", "2"]


async def test_two_slow_tools_take_the_time_of_one() -> None:
    both = asyncio.Barrier(2)

    async def meet() -> ToolResult | str:
        """Wait for the other one."""
        await asyncio.wait_for(both.wait(), 10)
        return "met"

    calls = [call("meet", "{}", "1"), call("meet", "{}", "2")]
    agent = AssistantAgent("ana", Watched([answer(calls)]), tools=[FunctionTool(meet, description="")])

    assert (await turn(agent, "hi"))[-1].chat_message.content == "met\nmet"


@pytest.mark.parametrize(
    ("name", "arguments", "given"),
    [("nothing", '{"a": 1}', {"a": 1}), ("plain", "no JSON", {"arguments": "no JSON"})],
)
async def test_a_call_that_no_tool_was_given_is_logged_as_one_that_failed(
    name: str, arguments: str, given: dict[str, str]
) -> None:
    log = RunLog()
    model = ScriptedChatCompletionClient([[FunctionCall(id="1", name=name, arguments=arguments)], "sorry"])
    agent = AssistantAgent("ana", model, tools=[plain], max_tool_iterations=2)

    await agent.run(task="go", log=log)

    (started,) = [event.body for event in log if isinstance(event.body, ToolStarted)]
    (finished,) = [event.body for event in log if isinstance(event.body, ToolFinished)]
    assert (started.tool, started.call_id, started.arguments) == (name, "1", given)
    assert (finished.tool, finished.call_id, finished.is_error) == (name, "1", True)


async def test_a_call_that_no_tool_was_given_is_logged_once_where_its_turn_is_taken_up_again() -> None:
    def made() -> AssistantAgent:
        calls = [FunctionCall(id="1", name="nothing", arguments="{}")]
        again = [FunctionCall(id="2", name="nobody", arguments="{}")]

        def answer(messages: Any) -> Any:
            return (calls, again, "sorry")[sum(message.type == "AssistantMessage" for message in messages)]

        model = ScriptedChatCompletionClient([answer], repeats=True)
        return AssistantAgent("ana", model, tools=[plain], max_tool_iterations=3)

    whole = RunLog()
    await made().run(task="go", log=whole)
    broken = RunLog(run_id=whole.id)
    broken._events = list(whole.events[: [event.kind for event in whole].index("tool.finished") + 1])

    await made().resume(broken)

    assert [event.body.tool for event in broken if isinstance(event.body, ToolStarted)] == ["nothing", "nobody"]


class Renamed(FunctionTool):
    """A tool that describes itself anew whenever it is listed."""

    listed = 0

    @property
    def schema(self) -> ToolSchema:
        self.listed += 1
        return {**super().schema, "description": f"Listed {self.listed} times."}


class Listed(StaticWorkbench):
    """Counts how often its tools are listed."""

    listed = 0

    async def list_tools(self) -> list[ToolSchema]:
        self.listed += 1
        return await super().list_tools()


async def test_what_may_list_other_tools_is_asked_each_turn() -> None:
    tool, bench = Renamed(plain, "Plain."), Listed([])
    model = Watched(["one", "two"])
    agent = AssistantAgent("ana", model, workbench=[StaticWorkbench([tool]), bench])

    await turn(agent, "go")
    await turn(agent, "go on")

    offered = [options["tools"][0]["description"] for options in model.options]
    assert offered == ["Listed 1 times.", "Listed 2 times."]
    assert bench.listed == 2


async def test_tools_that_stay_the_same_are_offered_in_a_list_of_the_clients_own() -> None:
    model = Watched(["one", "two"])
    agent = AssistantAgent("ana", model, tools=[plain])

    await turn(agent, "go")
    model.options[0]["tools"].clear()
    await turn(agent, "go on")

    assert [schema["name"] for schema in model.options[1]["tools"]] == ["plain"]
