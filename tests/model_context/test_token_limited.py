"""The context that shows what fits."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentnb.messages import LLMMessage, SystemMessage
from agentnb.model_context import TokenLimitedChatCompletionContext
from agentnb.models import ScriptedChatCompletionClient
from agentnb.models.base import ToolSchema
from tests.model_context.conversations import (
    WINDOW,
    Part,
    WordCounter,
    calls,
    conversations,
    expected,
    filled,
    results,
    shown,
    user,
    words,
)


def cost(messages: list[LLMMessage]) -> int:
    return sum(map(words, messages))


def one_by_one(parts: list[Part], limit: int) -> list[LLMMessage]:
    """Take the middle away until the rest fits, as slowly as it is said."""
    left = [part for part in parts if part.unit is not None]
    while cost([p.message for p in left]) > limit:
        order = list(dict.fromkeys(part.unit for part in left))
        system = {part.unit for part in left if part.message.type == "SystemMessage"}
        order = [unit for unit in order if unit not in system] or order
        gone = order[len(order) // 2 if len(order) > 2 else 0]
        left = [part for part in left if part.unit != gone]
    return [part.message for part in left]


@given(conversations(), st.integers(1, 40))
def test_the_middle_is_left_out_until_the_rest_fits(parts: list[Part], limit: int) -> None:
    seen = shown(TokenLimitedChatCompletionContext(WordCounter(), token_limit=limit), parts)

    assert seen == one_by_one(parts, limit)
    assert cost(seen) <= limit


@given(conversations())
def test_without_a_limit_the_models_window_is_the_limit(parts: list[Part]) -> None:
    assert shown(TokenLimitedChatCompletionContext(WordCounter()), parts) == one_by_one(parts, WINDOW)


def test_what_fits_is_shown_whole_after_one_count() -> None:
    client, messages = WordCounter(), [user("a"), calls("1"), results("1")]
    context = TokenLimitedChatCompletionContext(client, token_limit=cost(messages))

    assert shown(context, messages) == expected([Part(0, m) for m in messages], [Part(0, m) for m in messages])
    assert client.counted == 2  # read twice


@pytest.mark.parametrize("count", [2, 3, 100, 5_000])
async def test_a_long_conversation_is_counted_as_often_as_it_can_be_halved(count: int) -> None:
    client = WordCounter()
    context = TokenLimitedChatCompletionContext(client, token_limit=2)
    await filled(context, [user("word") for _ in range(count)])

    assert len(await context.get_messages()) == 1
    assert client.counted <= math.ceil(math.log2(count)) + 1


def test_the_system_message_outlasts_the_conversation() -> None:
    messages: list[LLMMessage] = [SystemMessage(content="be kind"), user("a long question"), user("another one")]

    def seen(limit: int) -> list[LLMMessage]:
        return shown(TokenLimitedChatCompletionContext(WordCounter(), token_limit=limit), messages)

    assert seen(6) == [messages[0], messages[2]]
    assert seen(5) == [messages[0]]
    assert seen(2) == []


def test_of_the_last_two_the_question_asked_now_stays() -> None:
    messages: list[LLMMessage] = [user("what was asked before"), user("now")]

    assert shown(TokenLimitedChatCompletionContext(WordCounter(), token_limit=4), messages) == [user("now")]


def test_tools_are_counted_with_the_messages() -> None:
    client, tools = WordCounter(), [ToolSchema(name="f"), ToolSchema(name="g")]
    context = TokenLimitedChatCompletionContext(client, token_limit=5, tool_schema=tools)

    assert shown(context, [user("a"), user("b")]) == [user("b")]
    assert client.tools == tools


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_leaves_no_room_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match=f"token_limit is {limit}"):
        TokenLimitedChatCompletionContext(WordCounter(), token_limit=limit)


def test_tools_and_limit_come_back_from_json() -> None:
    tools = [ToolSchema(name="f", description="d", parameters={"type": "object", "properties": {}})]
    context = TokenLimitedChatCompletionContext(
        ScriptedChatCompletionClient(["x"], name="counter"), token_limit=7, tool_schema=tools
    )

    written = context.dump_component()
    again = TokenLimitedChatCompletionContext.load_component(written.model_dump(exclude_none=True))

    assert set(written.config) == {"model_client", "token_limit", "tool_schema"}
    assert again.dump_component() == written
