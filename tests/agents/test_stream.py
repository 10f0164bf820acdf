"""What is shown while work goes on can be iterated as if a generator yielded it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import wraps
from typing import Any

import pytest

from agentnb.agents import AssistantAgent
from agentnb.agents.stream import streamed
from agentnb.base import Response
from agentnb.core import CancellationToken
from agentnb.messages import BaseAgentEvent, BaseChatMessage, FunctionCall, TextMessage, ThoughtEvent
from agentnb.models import ScriptedChatCompletionClient
from agentnb.teams import RoundRobinGroupChat

Show = Callable[[Any], Awaitable[None]]


async def test_work_goes_on_when_the_next_item_is_asked_for() -> None:
    done: list[Any] = []

    async def work(show: Show) -> None:
        for number in (1, 2):
            done.append(number)
            await show(number)
            done.append(f"{number} was seen")

    async with aclosing(streamed(work)) as items:
        first = await anext(items)
        before = list(done)
        rest = [item async for item in items]

    assert (first, rest) == (1, [2])
    assert before == [1]
    assert done == [1, "1 was seen", 2, "2 was seen"]


async def test_it_waits_in_the_task_of_who_asks() -> None:
    tasks: list[Any] = []
    arrived = asyncio.Event()

    async def work(show: Show) -> None:
        tasks.append(asyncio.current_task())
        asyncio.get_running_loop().call_soon(arrived.set)
        await arrived.wait()
        await show("arrived")
        tasks.append(asyncio.current_task())

    assert [item async for item in streamed(work)] == ["arrived"]
    assert tasks == [asyncio.current_task()] * 2


async def test_its_error_comes_after_what_it_showed() -> None:
    async def work(show: Show) -> None:
        await show(1)
        raise ValueError("too far")

    items = streamed(work)

    assert await anext(items) == 1
    with pytest.raises(ValueError, match="too far"):
        await anext(items)


async def test_work_that_is_closed_cleans_up_where_it_stands() -> None:
    cleaned: list[str] = []

    async def work(show: Show) -> None:
        try:
            await show(1)
            cleaned.append("never")
        finally:
            await asyncio.sleep(0)
            cleaned.append("cleaned")

    items = streamed(work)
    await anext(items)
    await items.aclose()

    assert cleaned == ["cleaned"]


async def test_an_error_thrown_in_reaches_the_work() -> None:
    async def work(show: Show) -> None:
        try:
            await show("asked")
        except LookupError:
            await show("answered")

    items = streamed(work)
    await anext(items)

    assert await items.athrow(LookupError("nobody")) == "answered"
    assert [item async for item in items] == []


async def test_who_is_cancelled_while_the_work_waits_ends_it() -> None:
    ended = asyncio.Event()
    waiting = asyncio.Event()

    async def work(show: Show) -> None:
        try:
            waiting.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def read() -> None:
        async for _ in streamed(work):
            pass

    reading = asyncio.create_task(read())
    await waiting.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    assert ended.is_set()


# -- agents whose stream is theirs ------------------------------------------------------------------------------------


def caller() -> ScriptedChatCompletionClient:
    return ScriptedChatCompletionClient([[FunctionCall("1", "{}", "look")], "seen"])


async def look() -> str:
    """Look."""
    looked.append("looked")
    return "there"


looked: list[str] = []


async def test_a_tool_is_not_called_before_its_call_was_seen() -> None:
    looked.clear()
    agent = AssistantAgent("ana", caller(), tools=[look])

    async with aclosing(
        agent.on_messages_stream([TextMessage(content="go", source="user")], CancellationToken())
    ) as items:
        first: Any = await anext(items)
        before = list(looked)
        second: Any = await anext(items)

    assert (first.type, before) == ("ToolCallRequestEvent", [])
    assert (second.type, looked) == ("ToolCallExecutionEvent", ["looked"])


class Muses(AssistantAgent):
    """Shows a thought before its turn."""

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | Response, None]:
        yield ThoughtEvent(content="hm", source=self.name)
        async with aclosing(super().on_messages_stream(messages, cancellation_token)) as items:
            async for item in items:
                yield item


async def test_a_stream_that_a_subclass_writes_is_the_one_a_team_hears() -> None:
    team = RoundRobinGroupChat([Muses("ana", ScriptedChatCompletionClient(["fine"]))], max_turns=1)

    result = await team.run(task="go")

    assert [type(message).__name__ for message in result.messages] == ["TextMessage", "ThoughtEvent", "TextMessage"]


async def test_so_is_one_that_is_put_in_its_place_on_the_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def other(
        messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[Response, None]:
        yield Response(chat_message=TextMessage(content="other", source="ana"))

    agent = AssistantAgent("ana", ScriptedChatCompletionClient(["fine"]))
    monkeypatch.setattr(agent, "on_messages_stream", other)

    result = await agent.run(task="go")

    assert [message.to_text() for message in result.messages] == ["go", "other"]


async def test_so_is_one_that_says_it_wraps_that_of_the_class() -> None:
    stream: Any = AssistantAgent.on_messages_stream

    @wraps(stream)
    async def doubting(self: AssistantAgent, *given: Any) -> AsyncGenerator[Any, None]:
        yield ThoughtEvent(content="Is it?", source=self.name)
        async for item in stream(self, *given):
            yield item

    doubts: Any = type("Doubts", (AssistantAgent,), {"on_messages_stream": doubting})
    result = await doubts("ana", ScriptedChatCompletionClient(["It is."])).run(task="go")

    assert [message.to_text() for message in result.messages] == ["go", "Is it?", "It is."]
