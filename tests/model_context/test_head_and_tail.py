"""The context that shows the beginning and the end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentnb.messages import LLMMessage, UserMessage
from agentnb.model_context import HeadAndTailChatCompletionContext
from tests.model_context.conversations import Part, calls, conversations, expected, results, shown, user


@given(conversations(), st.integers(1, 5), st.integers(1, 5))
def test_beginning_and_end_are_shown_where_whole_and_the_rest_is_counted(
    parts: list[Part], head: int, tail: int
) -> None:
    seen = shown(HeadAndTailChatCompletionContext(head, tail), parts)

    if len(parts) <= head + tail:
        assert seen == expected(parts, parts)
        return
    first, last = expected(parts, parts[:head]), expected(parts, parts[-tail:])
    note = seen[len(first)]
    assert isinstance(note, UserMessage)
    assert seen == [*first, note, *last]
    assert note.source == "System"
    assert str(note.content).split()[1] == str(len(parts) - len(first) - len(last))


def test_the_count_includes_a_call_and_a_result_that_were_cut_apart() -> None:
    messages: list[LLMMessage] = [user("a"), calls("1"), results("1"), calls("2"), results("2"), user("b")]

    seen = shown(HeadAndTailChatCompletionContext(2, 2), messages)

    assert seen == [user("a"), UserMessage(content="Skipped 4 messages.", source="System"), user("b")]


def test_one_message_that_is_not_shown_is_counted_as_one() -> None:
    seen = shown(HeadAndTailChatCompletionContext(1, 1), [user("a"), user("b"), user("c")])

    assert seen == [user("a"), UserMessage(content="Skipped 1 message.", source="System"), user("c")]


def test_a_call_at_the_seam_is_shown_if_nothing_is_skipped() -> None:
    messages: list[LLMMessage] = [user("a"), calls("1"), results("1"), user("b")]

    assert shown(HeadAndTailChatCompletionContext(2, 2), messages) == messages


@pytest.mark.parametrize(("head", "tail", "named"), [(0, 1, "head_size is 0"), (1, -2, "tail_size is -2")])
def test_a_head_or_a_tail_without_room_is_refused(head: int, tail: int, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        HeadAndTailChatCompletionContext(head, tail)
