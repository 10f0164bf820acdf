"""A model as one agent asks it: what is shown of its answers while they are written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

import pytest
from pydantic import BaseModel

from agentnb.agents import AssistantAgent
from agentnb.base import ChatAgent, TaskResult
from agentnb.core import CancellationToken
from agentnb.messages import BaseChatMessage, CreateResult, ModelClientStreamingChunkEvent, RequestUsage, TextMessage
from agentnb.models.scripted import ScriptedChatCompletionClient
from agentnb.runlog import ModelFinished, RunLog
from agentnb.teams import RoundRobinGroupChat
from tests.agents.conftest import answer, call, turn, unable


class Number(BaseModel):
    """An answer of a form."""

    number: int


def work() -> str:
    """Work."""
    return "worked"


class Thinking(ScriptedChatCompletionClient):
    """Streams a thought between its marks, then the answer."""

    async def create_stream(self, messages: Any, **options: Any) -> AsyncGenerator[str | CreateResult, None]:
        for piece in ("<think>", "hm ", "\ud83d", "</think>", "yes ", "sir"):
            yield piece
        yield answer("yes sir", "hm \ufffd")


class Ready(ScriptedChatCompletionClient):
    """Has a thousand pieces and never waits."""

    given = 0

    async def create_stream(self, messages: Any, **options: Any) -> AsyncGenerator[str | CreateResult, None]:
        for number in range(1000):
            self.given += 1
            yield f" {number}"
        yield answer("numbers")


def plain(**options: Any) -> AssistantAgent:
    return AssistantAgent("ana", ScriptedChatCompletionClient(["one two three"]), model_client_stream=True, **options)


def reflecting() -> AssistantAgent:
    client = ScriptedChatCompletionClient([[call("work", "{}")], answer("it worked", "brr")])
    return AssistantAgent("ana", client, tools=[work], reflect_on_tool_use=True, model_client_stream=True)


def of_a_form(*says: str) -> AssistantAgent:
    client = ScriptedChatCompletionClient(says)
    return AssistantAgent("ana", client, tools=[work], output_content_type=Number, model_client_stream=True)


@pytest.mark.parametrize(
    "make",
    [
        plain,
        reflecting,
        lambda: AssistantAgent("ana", Thinking(["x"]), model_client_stream=True),
        lambda: of_a_form('{"number": 4}'),
        lambda: of_a_form("four", '{"number": 4}'),
    ],
    ids=["words", "reflection", "thought", "draft that fits", "draft that does not"],
)
async def test_a_run_shows_the_pieces_that_the_agent_itself_yields(make: Callable[[], AssistantAgent]) -> None:
    def told(items: Sequence[Any]) -> list[Any]:
        said = [getattr(item, "chat_message", item) for item in items]
        ids = list(dict.fromkeys(item.id for item in said if not isinstance(item, ModelClientStreamingChunkEvent)))
        whole = [getattr(item, "full_message_id", None) for item in said]
        return [
            (type(item).__name__, item.to_text(), one and ids.index(one)) for item, one in zip(said, whole, strict=True)
        ]

    yielded = await turn(make(), "go")
    shown = [item async for item in make().run_stream(task="go", output_task_messages=False)]

    assert told(shown[:-1]) == told(yielded)


async def test_a_subclass_that_changes_the_pieces_is_asked_for_them() -> None:
    class Loud(AssistantAgent):
        async def on_messages_stream(self, messages: Any, cancellation_token: Any) -> AsyncGenerator[Any, None]:
            async for item in super().on_messages_stream(messages, cancellation_token):
                if isinstance(item, ModelClientStreamingChunkEvent):
                    item.content = item.content.upper()
                yield item

    agent = Loud("ana", ScriptedChatCompletionClient(["one two"]), model_client_stream=True)
    pieces = await pieces_of(agent)

    assert pieces == ["ONE ", "TWO"]


async def pieces_of(agent: ChatAgent) -> list[str]:
    stream = RoundRobinGroupChat([agent], max_turns=1).run_stream(task="go")
    return [item.content async for item in stream if isinstance(item, ModelClientStreamingChunkEvent)]


async def test_an_agent_whose_stream_was_replaced_is_asked_by_what_took_its_place() -> None:
    agent: Any = plain()
    stream = agent.on_messages_stream

    async def quiet(messages: Sequence[BaseChatMessage], token: CancellationToken) -> AsyncGenerator[Any, None]:
        async for item in stream(messages, token):
            if not isinstance(item, ModelClientStreamingChunkEvent):
                yield item

    agent.on_messages_stream = quiet

    assert await pieces_of(agent) == []


async def test_what_only_looks_like_a_client_is_shown_in_pieces_too() -> None:
    class Looks:
        model_info = unable()

        async def create(self, messages: Any, **options: Any) -> CreateResult:
            raise NotImplementedError

        async def create_stream(self, messages: Any, **options: Any) -> AsyncGenerator[str | CreateResult, None]:
            yield "a "
            yield "b"
            yield CreateResult(finish_reason="stop", content="a b", usage=RequestUsage(1, 1), cached=False)

    looks: Any = Looks()

    assert await pieces_of(AssistantAgent("ana", looks, model_client_stream=True)) == ["a ", "b"]


async def test_the_pieces_of_a_model_that_never_waits_are_seen_before_the_last_one_is_there() -> None:
    client = Ready(["x"])
    agent = AssistantAgent("ana", client, model_client_stream=True)

    async with aclosing(RoundRobinGroupChat([agent], max_turns=1).run_stream(task="go")) as items:
        async for item in items:
            if isinstance(item, ModelClientStreamingChunkEvent):
                break

    assert client.given < 1000


async def test_a_token_ends_the_stream_of_a_model_that_never_waits_at_its_next_piece() -> None:
    client, token, log = Ready(["x"]), CancellationToken(), RunLog()
    agent = AssistantAgent("ana", client, model_client_stream=True)

    def look(item: Any) -> None:
        if getattr(item, "content", "") == " 4":
            token.cancel()

    log.watch(look)
    with pytest.raises(asyncio.CancelledError):
        await agent.run(task="go", cancellation_token=token, log=log)

    assert client.given == 5
    assert [event.body.partial for event in log if isinstance(event.body, ModelFinished)] == [" 0 1 2 3 4"]


async def test_every_piece_has_an_id_of_its_own_and_the_values_of_a_checked_one() -> None:
    pieces = [item for item in await turn(plain(), "go") if isinstance(item, ModelClientStreamingChunkEvent)]
    checked = [ModelClientStreamingChunkEvent(**piece.model_dump()) for piece in pieces]

    assert len({piece.id for piece in pieces}) == 3
    assert pieces == checked
    assert [piece.model_fields_set for piece in pieces] == [piece.model_fields_set for piece in checked]


async def test_a_run_that_is_not_read_is_no_different() -> None:
    result: TaskResult = await plain().run(task="go")

    assert [type(message) for message in result.messages] == [TextMessage, TextMessage]
