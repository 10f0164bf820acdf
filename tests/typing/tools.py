"""What somebody writes who has tools; checked by mypy --strict and pyright, strict too, and run by the tests."""
# pyright: strict

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Annotated, Any, assert_type

from pydantic import BaseModel

from agentnb.agents import AssistantAgent, ToolAgent, tool_agent_caller_loop
from agentnb.core import AgentId, CancellationToken
from agentnb.messages import FunctionCall, FunctionExecutionResult, UserMessage
from agentnb.model_context import BufferedChatCompletionContext
from agentnb.models import ChatCompletionClient, CreateResult, LLMMessage, ScriptedChatCompletionClient
from agentnb.runtimes import SingleThreadedAgentRuntime
from agentnb.tools import (
    BaseStreamTool,
    BaseTool,
    BaseToolWithState,
    FunctionTool,
    StaticStreamWorkbench,
    StaticWorkbench,
    StreamTool,
    Tool,
    ToolOverride,
    ToolResult,
    ToolSchema,
    Workbench,
)


class Place(BaseModel):
    city: str


class Forecast(BaseModel):
    degrees: float


class Count(BaseModel):
    asked: int


async def population(city: Annotated[str, "a city"], cancellation_token: CancellationToken) -> int:
    return len(city)


def capital(country: str) -> str:
    return country[::-1]


class Weather(BaseTool[Place, Forecast]):
    def __init__(self) -> None:
        super().__init__(Place, Forecast, "weather", "Tell the weather of a place.")

    async def run(self, args: Place, cancellation_token: CancellationToken) -> Forecast:
        return Forecast(degrees=len(args.city))


class Counter(BaseToolWithState[Place, int, Count]):
    def __init__(self) -> None:
        super().__init__(Place, int, Count, "counter", "Count the questions.")
        self.asked = 0

    async def run(self, args: Place, cancellation_token: CancellationToken) -> int:
        self.asked += 1
        return self.asked

    def save_state(self) -> Count:
        return Count(asked=self.asked)

    def load_state(self, state: Count) -> None:
        self.asked = state.asked


class Walk(BaseStreamTool[Place, str, int]):
    def __init__(self) -> None:
        super().__init__(Place, int, "walk", "Go there.")

    async def run_stream(self, args: Place, cancellation_token: CancellationToken) -> AsyncGenerator[str | int, None]:
        yield f"to {args.city}"
        yield 3


async def ask(client: ChatCompletionClient, tool: FunctionTool) -> LLMMessage:
    context = BufferedChatCompletionContext(3)
    await context.add_message(UserMessage(content="Where?", source="user"))
    result = await client.create(await context.get_messages(), tools=[tool, Weather()], tool_choice=tool)
    assert_type(result, CreateResult)
    await client.create(await context.get_messages(), tools=[tool.schema])
    async for piece in client.create_stream(await context.get_messages(), tools=[Weather().schema]):
        assert_type(piece, str | CreateResult)
    return (await context.get_messages())[0]


async def main() -> list[str]:
    function = FunctionTool(population, description="Count the people.", strict=True)
    tools: list[Tool] = [function, Weather(), Counter(), Walk()]
    streams: Sequence[StreamTool] = [Walk()]
    anything: Tool = function
    assert_type(anything.schema, ToolSchema)
    assert_type(function.schema["name"], str)
    arguments: Mapping[str, Any] = {"city": "Oslo"}
    forecast = await Weather().run(Place(city="Oslo"), CancellationToken())
    assert_type(forecast, Forecast)

    overrides = {"weather": ToolOverride(name="forecast")}
    async with StaticWorkbench([function, Weather()], tool_overrides=overrides) as bench:
        shared: Workbench = bench
        listed = await shared.list_tools()
        assert_type(listed, list[ToolSchema])
        result = await shared.call_tool("forecast", arguments, CancellationToken(), call_id="1")
        assert_type(result, ToolResult)
    async with StaticStreamWorkbench(streams) as streaming:
        shown = [str(item) async for item in streaming.call_tool_stream("walk", arguments) if isinstance(item, str)]

    client = ScriptedChatCompletionClient([[FunctionCall("1", '{"city": "Oslo"}', "population")], "4 people"])
    runtime = SingleThreadedAgentRuntime()
    await ToolAgent.register(runtime, "tools", lambda: ToolAgent("Knows places.", tools))
    await ToolAgent.register(runtime, "one", lambda: ToolAgent("Knows one thing.", [function]))
    runtime.start()
    said = await tool_agent_caller_loop(
        runtime, AgentId("tools", "k"), client, [UserMessage(content="How many?", source="user")], [function]
    )
    await runtime.stop_when_idle()
    results = [part for message in said if not isinstance(message.content, str) for part in message.content]
    texts = [part.content for part in results if isinstance(part, FunctionExecutionResult)]

    agent = AssistantAgent("guide", client, tools=[function, Weather(), capital])
    assert_type(agent.name, str)
    return [result.to_text(), *shown, *texts, *(schema["name"] for schema in listed)]
