"""The context that shows the end."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentnb.messages import LLMMessage, UserMessage
from agentnb.model_context import BufferedChatCompletionContext
from tests.model_context.conversations import Part, calls, conversations, expected, filled, results, shown, user


@given(conversations(), st.integers(1, 8))
def test_a_buffer_shows_of_the_end_what_is_whole(parts: list[Part], size: int) -> None:
    seen = shown(BufferedChatCompletionContext(size), parts)

    assert seen == expected(parts, parts[-size:])
    assert len(seen) <= size


def test_results_whose_call_is_cut_off_are_left_out_though_they_are_several() -> None:
    messages: list[LLMMessage] = [calls("1", "2"), results("1"), results("2"), user("a")]

    assert shown(BufferedChatCompletionContext(3), messages) == [user("a")]
    assert shown(BufferedChatCompletionContext(4), messages) == messages


async def test_a_buffer_keeps_all_it_was_given_for_its_state() -> None:
    buffer = await filled(BufferedChatCompletionContext(1), [user("a"), user("b")])

    assert len((await buffer.save_state())["messages"]) == 2


async def test_of_what_was_loaded_a_buffer_makes_messages_of_what_it_shows_only() -> None:
    buffer = BufferedChatCompletionContext(3)
    state = {"messages": [user(f"{number}").model_dump() for number in range(100)]}
    before = _alive()

    await buffer.load_state(state)
    await buffer.add_message(user("new"))
    shown = await buffer.get_messages()

    assert [message.content for message in shown] == ["98", "99", "new"]
    assert _alive() == before + 3
    assert [message["content"] for message in (await buffer.save_state())["messages"]][-3:] == ["98", "99", "new"]


def _alive() -> int:
    gc.collect()
    return sum(type(one) is UserMessage for one in gc.get_objects())


class Untouched(list[LLMMessage]):
    """A list that may be cut but not walked through."""

    def __iter__(self) -> Any:
        raise AssertionError("the whole conversation was read")


async def test_a_long_conversation_costs_no_more_than_the_buffer() -> None:
    buffer = BufferedChatCompletionContext(2)
    buffer._messages = Untouched([user(str(number)) for number in range(100)])

    assert await buffer.get_messages() == [user("98"), user("99")]


@pytest.mark.parametrize("size", [0, -1, "3", 2.5])
def test_a_buffer_without_room_is_refused(size: Any) -> None:
    with pytest.raises(ValueError, match=f"buffer_size is {size!r}"):
        BufferedChatCompletionContext(size)
