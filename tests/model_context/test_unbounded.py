"""The context that shows everything."""

from __future__ import annotations

from hypothesis import given

from agentnb.messages import LLMMessage
from agentnb.model_context import UnboundedChatCompletionContext
from tests.model_context.conversations import Part, conversations, expected, run, shown, user


@given(conversations())
def test_everything_that_is_whole_is_shown(parts: list[Part]) -> None:
    assert shown(UnboundedChatCompletionContext(), parts) == expected(parts, parts)


@given(conversations())
def test_what_is_shown_does_not_depend_on_how_often_one_looked(parts: list[Part]) -> None:
    messages = [part.message for part in parts]

    async def looked() -> None:
        context = UnboundedChatCompletionContext()
        for number, message in enumerate(messages, 1):
            await context.add_message(message)
            assert (
                await context.get_messages() == await UnboundedChatCompletionContext(messages[:number]).get_messages()
            )

    run(looked())


def test_n_messages_in_give_n_messages_out() -> None:
    messages: list[LLMMessage] = [user(str(number)) for number in range(1_000)]

    assert shown(UnboundedChatCompletionContext(), messages) == messages
