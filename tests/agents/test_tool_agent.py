"""Tools as an actor, and the loop of a model that calls it."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agentnb.agents import ToolAgent, tool_agent_caller_loop
from agentnb.core import AgentId, CancellationToken
from agentnb.exceptions import (
    InvalidToolArgumentsException,
    ToolException,
    ToolExecutionException,
    ToolNotFoundException,
)
from agentnb.messages import AssistantMessage, CreateResult, FunctionCall, RequestUsage, UserMessage
from agentnb.models import ModelInfo, ReplayChatCompletionClient
from agentnb.runlog import RunLog
from agentnb.runtimes import SingleThreadedAgentRuntime
from agentnb.tools import FunctionTool

TOOLS = AgentId("tools", "default")
INFO: ModelInfo = {
    "vision": False,
    "function_calling": True,
    "json_output": False,
    "structured_output": False,
    "family": "unknown",
}


def divide(a: float, b: float) -> float:
    return a / b


async def wait(seconds: float, cancellation_token: CancellationToken) -> str:
    waiting = asyncio.ensure_future(asyncio.Event().wait())
    cancellation_token.link_future(waiting)
    await waiting
    return "waited"


TOOL_LIST = [FunctionTool(divide, "Divides."), FunctionTool(wait, "Waits.")]


@pytest.fixture(params=["plain", "watched"])
async def runtime(request: pytest.FixtureRequest) -> AsyncIterator[SingleThreadedAgentRuntime]:
    runtime = SingleThreadedAgentRuntime(log=RunLog() if request.param == "watched" else None)
    await ToolAgent.register(runtime, "tools", lambda: ToolAgent("Calculates.", TOOL_LIST))
    runtime.start()
    yield runtime
    await runtime.close()


def call(name: str, arguments: Any, id: str = "c1") -> FunctionCall:
    return FunctionCall(id=id, arguments=arguments if isinstance(arguments, str) else json.dumps(arguments), name=name)


def wants(*calls: FunctionCall) -> CreateResult:
    return CreateResult(
        finish_reason="function_calls", content=list(calls), usage=RequestUsage(1, 1), cached=False, thought="hm"
    )


async def test_a_call_is_answered_with_its_result(runtime: SingleThreadedAgentRuntime) -> None:
    result = await runtime.send_message(call("divide", {"a": 1, "b": 4}), TOOLS)

    assert (result.content, result.name, result.call_id, result.is_error) == ("0.25", "divide", "c1", False)


@pytest.mark.parametrize(
    ("wanted", "error", "says"),
    [
        (call("add", {}), ToolNotFoundException, r"No tool is named 'add' \(known: 'divide', 'wait'\)"),
        (call("divide", "{"), InvalidToolArgumentsException, "arguments of divide are not JSON"),
        (call("divide", "[1]"), InvalidToolArgumentsException, "must be a JSON object, not list"),
        (call("divide", {"a": 1}), ToolExecutionException, "(?s)validation error.*Field required"),
        (call("divide", {"a": 1, "b": 0}), ToolExecutionException, "ZeroDivisionError: float division by zero"),
    ],
)
async def test_what_goes_wrong_is_raised_where_the_call_was_sent(
    runtime: SingleThreadedAgentRuntime, wanted: FunctionCall, error: type[ToolException], says: str
) -> None:
    with pytest.raises(error, match=says) as caught:
        await runtime.send_message(wanted, TOOLS)

    assert (caught.value.call_id, caught.value.name, caught.value.content) == ("c1", wanted.name, str(caught.value))
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (type(copy), copy.call_id, str(copy)) == (error, "c1", str(caught.value))


async def test_a_token_given_with_the_call_reaches_the_tool(runtime: SingleThreadedAgentRuntime) -> None:
    token = CancellationToken()
    sending = asyncio.ensure_future(runtime.send_message(call("wait", {"seconds": 1}), TOOLS, cancellation_token=token))
    for _ in range(5):
        await asyncio.sleep(0)

    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await sending
    await runtime.stop_when_idle()  # the tool ended too
    runtime.start()


async def test_the_loop_sends_calls_until_the_model_answers_in_words(runtime: SingleThreadedAgentRuntime) -> None:
    client = ReplayChatCompletionClient(
        [
            wants(call("divide", {"a": 1, "b": 2}, "x"), call("divide", {"a": 1, "b": 0}, "y")),
            wants(call("divide", {"a": 9, "b": 3}, "z")),
            "It is 3.",
        ],
        model_info=INFO,
    )
    question = [UserMessage(content="How much?", source="user")]

    messages: list[Any] = await tool_agent_caller_loop(runtime, TOOLS, client, question, TOOL_LIST)

    assert [message.type for message in messages] == [
        "AssistantMessage",
        "FunctionExecutionResultMessage",
        "AssistantMessage",
        "FunctionExecutionResultMessage",
        "AssistantMessage",
    ]
    assert [(r.call_id, r.is_error, r.content) for r in messages[1].content] == [
        ("x", False, "0.5"),
        ("y", True, "Error: ZeroDivisionError: float division by zero"),
    ]
    assert messages[-1] == AssistantMessage(content="It is 3.", source="assistant")
    assert messages[0].thought == "hm"


async def test_the_loop_ends_after_the_rounds_it_was_given(runtime: SingleThreadedAgentRuntime) -> None:
    wanted = [wants(call("divide", {"a": 1, "b": 2}, str(number))) for number in range(5)]
    client = ReplayChatCompletionClient(wanted, model_info=INFO)
    question = [UserMessage(content="How much?", source="user")]

    messages = await tool_agent_caller_loop(
        runtime, TOOLS, client, question, TOOL_LIST, caller_source="ana", max_rounds=2
    )

    assert [getattr(message, "source", None) for message in messages] == ["ana", None, "ana", None, "ana"]
    with pytest.raises(ValueError, match="max_rounds is 0"):
        await tool_agent_caller_loop(runtime, TOOLS, client, question, TOOL_LIST, max_rounds=0)


async def test_a_watched_runtime_has_the_tool_calls_in_its_log() -> None:
    log = RunLog()
    runtime = SingleThreadedAgentRuntime(log=log)
    await ToolAgent.register(runtime, "tools", lambda: ToolAgent("Calculates.", TOOL_LIST))
    runtime.start()

    await runtime.send_message(call("divide", {"a": 1, "b": 4}), TOOLS)
    with pytest.raises(ToolExecutionException):
        await runtime.send_message(call("divide", {"a": 1, "b": 0}), TOOLS)
    await runtime.stop_when_idle()

    finished = [event.body for event in log if event.kind == "tool.finished"]
    assert [(body.result, body.is_error) for body in finished] == [  # type: ignore[attr-defined]
        ("0.25", False),
        ("ZeroDivisionError: float division by zero", True),
    ]
    started = [event for event in log if event.kind == "tool.started"]
    assert [event.source for event in started] == ["tools/default", "tools/default"]
