"""The model that follows a script."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from agentnb.core import CancellationToken
from agentnb.exceptions import ModelRateLimited, ModelUnreachable
from agentnb.messages import CreateResult, FunctionCall, LLMMessage, RequestUsage, UserMessage
from agentnb.models import ScriptedChatCompletionClient
from agentnb.models.base import ModelInfo
from agentnb.runlog import ModelFinished, RunLog, scope

ASK: list[LLMMessage] = [UserMessage(content="one two three", source="user")]


async def test_it_says_each_kind_of_line_in_order() -> None:
    whole = CreateResult(finish_reason="length", content="cut", usage=RequestUsage(9, 9), cached=False)
    call = FunctionCall(id="1", name="f", arguments="{}")
    client = ScriptedChatCompletionClient(
        ["a b", whole, [call], lambda messages: f"{len(messages)} asked", ModelRateLimited("slow", retry_after=1)]
    )

    results = [await client.create(ASK) for _ in range(4)]

    assert [result.content for result in results] == ["a b", "cut", [call], "1 asked"]
    assert [result.finish_reason for result in results] == ["stop", "length", "function_calls", "stop"]
    assert results[0].usage == RequestUsage(3, 2)
    assert client.total_usage() == RequestUsage(3 + 9 + 3 + 3, 2 + 9 + 1 + 2)
    with pytest.raises(ModelRateLimited):
        await client.create(ASK)
    assert client.asked == [ASK] * 5


async def test_it_streams_word_by_word_and_the_pieces_are_the_text() -> None:
    text = "  A line.\n\n\tAnother  one. "
    items = [item async for item in ScriptedChatCompletionClient([text]).create_stream(ASK)]

    assert "".join(items[:-1]) == text  # type: ignore[arg-type]
    assert len(items) == 5
    assert isinstance(items[-1], CreateResult)


async def test_an_error_with_a_partial_text_breaks_off_in_the_middle() -> None:
    client = ScriptedChatCompletionClient([ModelUnreachable("lost", partial="half a")])
    log = RunLog()
    pieces: list[Any] = []

    async def listen() -> None:
        async for piece in client.create_stream(ASK):
            pieces.append(piece)

    with scope(log, None, "ana"), pytest.raises(ModelUnreachable):
        await listen()

    assert pieces == ["half ", "a"]
    assert [event.body.partial for event in log if isinstance(event.body, ModelFinished)] == ["half a"]


async def test_a_script_that_is_used_up_says_so_unless_it_repeats() -> None:
    once = ScriptedChatCompletionClient(["a"])
    always = ScriptedChatCompletionClient(["a", "b"], repeats=True)
    await once.create(ASK)

    with pytest.raises(ValueError, match=r"asked 2 times and its script has 1"):
        await once.create(ASK)
    assert [(await always.create(ASK)).content for _ in range(5)] == ["a", "b", "a", "b", "a"]
    with pytest.raises(ValueError, match="empty"):
        ScriptedChatCompletionClient([])


async def test_a_delay_can_be_stopped() -> None:
    client, token = ScriptedChatCompletionClient(["a b"], delay=3600), CancellationToken()
    task = asyncio.create_task(client.create(ASK, cancellation_token=token))
    await asyncio.sleep(0)

    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_it_refuses_what_it_says_it_cannot_do() -> None:
    info = ModelInfo(vision=False, function_calling=False, json_output=False, family="unknown", structured_output=False)
    client = ScriptedChatCompletionClient(["a"], model_info=info)

    with pytest.raises(ValueError, match="cannot call tools"):
        await client.create(ASK, tools=[{"name": "t"}])
    assert client.asked == []


async def test_it_notes_which_tools_it_was_offered() -> None:
    client = ScriptedChatCompletionClient(["a"])

    await client.create(ASK, tools=[{"name": "t"}, {"name": "u"}])

    assert client.tools_offered == [["t", "u"]]


def test_a_script_of_plain_texts_is_a_component() -> None:
    dumped = ScriptedChatCompletionClient(["a", "b"], repeats=True).dump_component()

    loaded = ScriptedChatCompletionClient.load_component(dumped)

    assert loaded.dump_component() == dumped


def test_a_script_has_a_hash_that_tells_it_from_others() -> None:
    def shouts(messages: Sequence[LLMMessage]) -> str:
        return str(messages[-1].content).upper()

    def whispers(messages: Sequence[LLMMessage]) -> str:
        return str(messages[-1].content).lower()

    call = [FunctionCall(id="1", name="f", arguments="{}")]
    scripts: list[list[Any]] = [["a"], ["b"], ["a", "b"], [ValueError("a")], [call], [shouts], [whispers], [print]]
    hashes = [ScriptedChatCompletionClient(script).cassette for script in scripts]

    assert len(set(hashes)) == len(scripts)
    assert ScriptedChatCompletionClient(["a", "b"], repeats=True, name="other").cassette == hashes[2]
    assert ScriptedChatCompletionClient([shouts]).cassette == hashes[5]
