"""What a model gets to see of a conversation."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentnb.messages import FunctionExecutionResultMessage, LLMMessage, SystemMessage, UserMessage
from agentnb.model_context import (
    BufferedChatCompletionContext,
    ChatCompletionContext,
    UnboundedChatCompletionContext,
)
from tests.strategies import llm_messages

FIRST = SystemMessage(content="first")
contexts = pytest.mark.parametrize(
    "context",
    [
        lambda: UnboundedChatCompletionContext(initial_messages=[FIRST]),
        lambda: BufferedChatCompletionContext(5, initial_messages=[FIRST]),
    ],
    ids=["unbounded", "buffered"],
)


def user(content: str) -> UserMessage:
    return UserMessage(content=content, source="u")


async def filled(context: ChatCompletionContext, messages: list[LLMMessage]) -> ChatCompletionContext:
    for message in messages:
        await context.add_message(message)
    return context


@contexts
async def test_a_context_shows_first_messages_and_added_ones(context: type[ChatCompletionContext]) -> None:
    made = await filled(context(), [user("a"), user("b")])

    assert await made.get_messages() == [FIRST, user("a"), user("b")]


@contexts
async def test_the_list_shown_is_the_callers(context: type[ChatCompletionContext]) -> None:
    made = context()

    (await made.get_messages()).append(user("x"))

    assert await made.get_messages() == [FIRST]


@contexts
async def test_clearing_forgets_the_first_messages_too(context: type[ChatCompletionContext]) -> None:
    made = await filled(context(), [user("a")])

    await made.clear()

    assert await made.get_messages() == []


async def test_the_list_given_at_first_is_not_changed() -> None:
    given_: list[LLMMessage] = [FIRST]

    await filled(UnboundedChatCompletionContext(initial_messages=given_), [user("a")])

    assert given_ == [FIRST]


@given(st.lists(llm_messages, max_size=8))
def test_a_state_comes_back_from_json_into_another_context(messages: list[LLMMessage]) -> None:
    async def check() -> None:
        state = await (await filled(UnboundedChatCompletionContext(), messages)).save_state()
        other = await filled(UnboundedChatCompletionContext(), [user("replaced")])
        await other.load_state(json.loads(json.dumps(state)))
        assert await other.get_messages() == messages

    asyncio.run(check())


@given(st.lists(llm_messages, max_size=12), st.integers(1, 6))
def test_a_buffer_shows_the_end_and_never_begins_with_a_lone_tool_result(messages: list[LLMMessage], size: int) -> None:
    async def check() -> None:
        shown = await (await filled(BufferedChatCompletionContext(size), messages)).get_messages()
        assert shown == messages[len(messages) - len(shown) :]
        assert len(shown) in (min(size, len(messages)), min(size, len(messages)) - 1)
        assert not shown or len(shown) < min(size, len(messages)) or not _is_result(shown[0])

    asyncio.run(check())


def _is_result(message: LLMMessage) -> bool:
    return isinstance(message, FunctionExecutionResultMessage)


async def test_a_buffer_keeps_all_it_was_given_for_its_state() -> None:
    buffer = await filled(BufferedChatCompletionContext(1), [user("a"), user("b")])

    assert len((await buffer.save_state())["messages"]) == 2


@pytest.mark.parametrize("size", [0, -1])
def test_a_buffer_without_room_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"buffer_size is {size}"):
        BufferedChatCompletionContext(size)
