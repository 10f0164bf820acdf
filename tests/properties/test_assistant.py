"""Whatever a model answers, a tool does and whoever stops it: an assistant's turn ends, and the next one works."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import event as note
from hypothesis import given, settings
from hypothesis import strategies as st

from agentnb.agents import AssistantAgent
from agentnb.base import Response
from agentnb.core import CancellationToken
from agentnb.exceptions import ModelError, ModelResponseInvalid, ModelUnreachable
from agentnb.memory import ListMemory
from agentnb.messages import (
    BaseChatMessage,
    CreateResult,
    FunctionCall,
    LLMMessage,
    MemoryContent,
    ModelClientStreamingChunkEvent,
    RequestUsage,
    TextMessage,
)
from agentnb.models.scripted import ScriptedChatCompletionClient
from agentnb.runlog import RunLog, said
from agentnb.tools import AgentTool
from tests.teams.conftest import Speaker

TOOLS = ("ok", "slow", "deaf", "bad", "inner", "unknown", "transfer_to_ben")


def ok(n: int = 0) -> str:
    """Work."""
    return str(n)


async def slow() -> str:
    """Take three turns of the loop."""
    for _ in range(3):
        await asyncio.sleep(0)
    return "late"


async def deaf() -> str:
    """Take its time when it is told to end."""
    try:
        await slow()
    finally:
        await asyncio.sleep(0)
    return "deaf"


def bad() -> str:
    """Fail."""
    raise OSError("no")


calls = st.lists(
    st.tuples(st.sampled_from(TOOLS), st.sampled_from(["{}", "", "{", "[1]", '{"task": "t"}', '{"n": 1}'])), max_size=4
)
lines = st.one_of(st.text(max_size=12), calls, st.just(ModelUnreachable("gone")))


def _result(number: int, line: str | Sequence[tuple[str, str]], thought: str | None) -> CreateResult:
    wanted: Any = line
    if not isinstance(line, str):
        wanted = [FunctionCall(id=f"{number}.{n}", name=name, arguments=text) for n, (name, text) in enumerate(line)]
    return CreateResult(finish_reason="stop", content=wanted, usage=RequestUsage(1, 1), cached=False, thought=thought)


def _whole(messages: Sequence[LLMMessage]) -> bool:
    """Whether each message with calls is followed by the results of just these."""
    for place, message in enumerate(messages):
        if message.type == "AssistantMessage" and isinstance(message.content, list):
            after = messages[place + 1] if place + 1 < len(messages) else None
            given_ = [r.call_id for r in after.content] if after and after.type.startswith("Function") else None  # type: ignore[union-attr]
            if given_ != [call.id for call in message.content]:
                return False
    return True


@pytest.mark.filterwarnings("ignore:The agent 'ana' would hand over")
@settings(deadline=None, max_examples=60)
@given(
    script=st.lists(st.tuples(lines, st.sampled_from([None, "hm"])), min_size=1, max_size=6),
    iterations=st.integers(1, 4),
    reflect=st.booleans(),
    stream=st.booleans(),
    remembers=st.booleans(),
    stop=st.sampled_from([None, "token", "task", "reader"]),
    after=st.integers(0, 25),
)
def test_every_turn_ends_and_leaves_a_conversation_that_goes_on(
    script: Any, iterations: int, reflect: bool, stream: bool, remembers: bool, stop: str | None, after: int
) -> None:
    answers = [
        _result(n, line, thought) if not isinstance(line, Exception) else line
        for n, (line, thought) in enumerate(script)
    ]
    client = ScriptedChatCompletionClient([*answers, *["the end"] * 30])
    agent = AssistantAgent(
        "ana",
        client,
        tools=[ok, slow, deaf, bad, AgentTool(Speaker("inner"))],
        handoffs=["ben"],
        max_tool_iterations=iterations,
        reflect_on_tool_use=reflect,
        model_client_stream=stream,
        memory=[ListMemory(memory_contents=[MemoryContent(content="m", mime_type="text/plain")])]
        if remembers
        else None,
    )
    asyncio.run(asyncio.wait_for(_program(agent, stop, after, note), 20))

    kept: Sequence[LLMMessage] = agent.model_context._messages
    assert _whole(kept)
    assert all(_whole(asked) for asked in client.asked)
    assert all(message.type != "SystemMessage" for message in kept)
    json.dumps(asyncio.run(agent.save_state()))


async def _program(agent: AssistantAgent, stop: str | None, after: int, tell: Any) -> None:
    token, log = CancellationToken(), RunLog()
    items: list[Any] = []

    async def read() -> None:
        async for item in agent.run_stream(task="go", cancellation_token=token, log=log):
            items.append(item)
            if stop == "reader" and len(items) > after % 7:
                return

    running = asyncio.ensure_future(read())
    for _ in range(after):
        await asyncio.sleep(0)
    if stop == "token":
        token.cancel()
    elif stop == "task":
        running.cancel()
    await asyncio.wait([running])
    tell("cancelled" if running.cancelled() else "failed" if running.exception() else "done")
    if not running.cancelled() and running.exception() is not None:
        assert isinstance(running.exception(), ModelError)
    stored = [item for item in items if not isinstance(item, ModelClientStreamingChunkEvent)]
    whole = bool(stored) and type(stored[-1]).__name__ == "TaskResult"
    if whole:
        assert [m.id for m in stored[-1].messages] == [item.id for item in stored[:-1]]
        assert [m.id for m in said(log)] == [item.id for item in stored[:-1]]  # type: ignore[attr-defined]
    await _settled()

    ended = False
    while not ended:
        try:
            response = await agent.on_messages([TextMessage(content="again", source="user")], CancellationToken())
        except ModelUnreachable:
            continue  # the script says so
        except ModelResponseInvalid:
            continue  # calls where words were asked for
        ended = True
        assert isinstance(response, Response)
        assert isinstance(response.chat_message, BaseChatMessage)


async def _settled() -> None:
    # What was stopped may take some turns of the loop to clean up.
    for _ in range(10):
        await asyncio.sleep(0)
