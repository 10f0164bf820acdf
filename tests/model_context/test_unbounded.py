"""The context that shows everything."""

from __future__ import annotations

from hypothesis import given

from agentnb.messages import LLMMessage
from agentnb.model_context import UnboundedChatCompletionContext
from tests.model_context.conversations import Part, conversations, expected, shown, user


@given(conversations())
def test_everything_that_is_whole_is_shown(parts: list[Part]) -> None:
    assert shown(UnboundedChatCompletionContext(), parts) == expected(parts, parts)


def test_n_messages_in_give_n_messages_out() -> None:
    messages: list[LLMMessage] = [user(str(number)) for number in range(1_000)]

    assert shown(UnboundedChatCompletionContext(), messages) == messages
