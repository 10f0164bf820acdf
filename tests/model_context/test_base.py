"""What all contexts have in common."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentnb.messages import AssistantMessage, LLMMessage, SystemMessage, TextMessage
from agentnb.model_context import (
    BufferedChatCompletionContext,
    ChatCompletionContext,
    ChatCompletionContextState,
    HeadAndTailChatCompletionContext,
    TokenLimitedChatCompletionContext,
    UnboundedChatCompletionContext,
)
from agentnb.model_context.base import require_context
from agentnb.models import ScriptedChatCompletionClient
from tests.model_context.conversations import Part, calls, conversations, filled, orphans, results, run, shown, user
from tests.strategies import llm_messages

FIRST = SystemMessage(content="first")
Make = Callable[[list[LLMMessage] | None], ChatCompletionContext]
MAKERS: list[Make] = [
    UnboundedChatCompletionContext,
    lambda first: BufferedChatCompletionContext(5, first),
    lambda first: HeadAndTailChatCompletionContext(3, 4, first),
    lambda first: TokenLimitedChatCompletionContext(
        ScriptedChatCompletionClient(["unused"]), token_limit=9, initial_messages=first
    ),
]
each_context = pytest.mark.parametrize("make", MAKERS, ids=["unbounded", "buffered", "head-and-tail", "token-limited"])


@each_context
async def test_a_context_shows_first_messages_and_added_ones(make: Make) -> None:
    context = await filled(make([FIRST]), [user("a"), user("b")])

    assert await context.get_messages() == [FIRST, user("a"), user("b")]


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("x", r"such as UserMessage, not 'x'; write UserMessage\(content='x', source='user'\)"),
        ({"role": "user"}, r"not {'role': 'user'}; write UserMessage\(content='\.\.\.'"),
        (TextMessage(content="x", source="user"), r"not TextMessage\(.*; add `message.to_model_message\(\)`"),
    ],
)
async def test_something_that_is_no_message_is_refused_where_it_is_given(message: Any, says: str) -> None:
    context = UnboundedChatCompletionContext([FIRST])
    with pytest.raises(ValueError, match=says):
        await context.add_message(message)
    with pytest.raises(ValueError, match=says):
        await context.replace_message(FIRST, message)
    with pytest.raises(ValueError, match=says):
        BufferedChatCompletionContext(2, [message])

    assert await context.get_messages() == [FIRST]
    with pytest.raises(ValueError, match="initial_messages is 'x'; it must be a list of messages"):
        UnboundedChatCompletionContext("x")  # type: ignore[arg-type]


@each_context
async def test_the_list_shown_is_no_live_alias_of_the_context(make: Make) -> None:
    context = make([FIRST])

    (await context.get_messages()).append(user("x"))

    assert await context.get_messages() == [FIRST]


@each_context
async def test_clearing_forgets_the_first_messages_too(make: Make) -> None:
    context = await filled(make([FIRST]), [user("a")])

    await context.clear()

    assert await context.get_messages() == []


@each_context
async def test_the_list_given_at_first_is_not_changed(make: Make) -> None:
    given_: list[LLMMessage] = [FIRST]

    await filled(make(given_), [user("a")])

    assert given_ == [FIRST]


@each_context
async def test_a_context_is_written_with_its_first_messages_and_not_those_added(make: Make) -> None:
    context = await filled(make([FIRST]), [user("a")])

    data = json.loads(context.dump_component().model_dump_json(exclude_none=True))
    again = ChatCompletionContext.load_component(data)

    assert data["component_type"] == "chat_completion_context"
    assert type(again) is type(context)
    assert await again.get_messages() == [FIRST]


@each_context
@given(messages=st.lists(llm_messages, max_size=8))
def test_a_state_comes_back_from_json_into_another_context(make: Make, messages: list[LLMMessage]) -> None:
    async def check() -> None:
        context = await filled(make(None), messages)
        state = json.loads(json.dumps(await context.save_state()))
        other = await filled(make(None), [user("replaced")])
        await other.load_state(state)
        assert ChatCompletionContextState.model_validate(state).messages == messages
        assert await other.save_state() == state
        assert await other.get_messages() == await context.get_messages()

    run(check())


@each_context
@given(parts=conversations())
def test_no_call_is_shown_without_its_results_and_no_result_without_its_call(make: Make, parts: list[Part]) -> None:
    seen = shown(make(None), parts)

    assert orphans(seen) == []
    whole = {part.unit for part in parts if any(part.message is message for message in seen)}
    assert all(any(p.message is m for m in seen) for p in parts if p.unit in whole)


@each_context
@given(parts=conversations())
def test_what_is_shown_is_in_order_and_was_said(make: Make, parts: list[Part]) -> None:
    places = {id(part.message): place for place, part in enumerate(parts)}

    seen = [m for m in shown(make(None), parts) if getattr(m, "source", None) != "System"]

    assert [places[id(m)] for m in seen] == sorted({places[id(m)] for m in seen})


async def test_a_users_context_filters_its_messages_as_autogens_do() -> None:
    class WithoutThoughts(UnboundedChatCompletionContext):
        async def get_messages(self) -> list[LLMMessage]:
            return [
                AssistantMessage(content=m.content, source=m.source) if isinstance(m, AssistantMessage) else m
                for m in self._messages
            ]

    context = await filled(WithoutThoughts(), [AssistantMessage(content="a", thought="hm", source="s")])

    assert await context.get_messages() == [AssistantMessage(content="a", source="s")]


async def test_a_users_context_of_its_own_needs_get_messages_only() -> None:
    class Last(ChatCompletionContext):
        def __init__(self, count: int) -> None:
            super().__init__(initial_messages=[FIRST])
            self.count = count

        async def get_messages(self) -> list[LLMMessage]:
            return self._initial_messages + self._messages[-self.count :]  # type: ignore[operator]

    context = await filled(Last(1), [user("a"), user("b")])

    assert await context.get_messages() == [FIRST, user("b")]


async def test_a_message_is_replaced_where_it_stands_by_what_it_is_then_by_what_it_says() -> None:
    old, twin = user("x"), user("x")
    context = await filled(UnboundedChatCompletionContext(), [twin, user("m"), old])

    assert await context.replace_message(old, user("new"))
    assert await context.get_messages() == [twin, user("m"), user("new")]
    assert await context.replace_message(user("x"), None)
    assert await context.get_messages() == [user("m"), user("new")]
    assert not await context.replace_message(user("x"), user("y"))
    assert await context.get_messages() == [user("m"), user("new")]


async def test_a_turn_stopped_in_the_midst_of_its_tools_leaves_a_conversation_a_model_can_read() -> None:
    stopped = [user("go"), calls("1", "2"), results("1")]
    context = await filled(UnboundedChatCompletionContext(), [*stopped, user("again"), calls("1"), results("1")])

    assert await context.get_messages() == [user("go"), user("again"), calls("1"), results("1")]
    assert len((await context.save_state())["messages"]) == 6


@pytest.mark.parametrize("wrong", ["x", [], UnboundedChatCompletionContext])
def test_what_is_no_context_is_refused_with_one_that_is(wrong: Any) -> None:
    with pytest.raises(
        TypeError, match=r"The model_context of ana is .*; give one such as BufferedChatCompletionContext"
    ):
        require_context(wrong, "ana")


@pytest.mark.parametrize("right", [None, UnboundedChatCompletionContext()], ids=["none", "context"])
def test_a_context_or_none_passes(right: Any) -> None:
    require_context(right, "ana")
