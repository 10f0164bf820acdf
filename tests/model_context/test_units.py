"""What stands or falls together."""

from __future__ import annotations

import pytest

from agentnb.messages import AssistantMessage, LLMMessage
from agentnb.model_context.units import units, whole
from tests.model_context.conversations import calls, results, user


def test_results_in_several_messages_belong_to_their_calls() -> None:
    messages = [user("a"), calls("1", "2"), results("2"), results("1"), user("b")]

    assert units(messages) == [[0], [1, 2, 3], [4]]
    assert whole(messages) == messages


def test_a_remark_between_a_call_and_its_result_stands_for_itself() -> None:
    messages = [calls("1"), user("hurry"), results("1")]

    assert units(messages) == [[0, 2], [1]]
    assert whole(messages) == messages


def test_a_message_with_the_results_of_two_answers_holds_both_together() -> None:
    messages = [calls("1"), calls("2"), results("1", "2"), user("a")]

    assert units(messages) == [[0, 1, 2], [3]]
    assert whole(messages[1:]) == [user("a")]
    assert whole([calls("1", "3"), calls("2"), results("1", "2")]) == []


def test_ids_that_are_used_again_belong_to_the_latest_call() -> None:
    messages = [calls("0"), results("0"), calls("0"), user("a"), calls("0"), results("0")]

    assert whole(messages) == [*messages[:2], user("a"), *messages[4:]]


def test_two_calls_of_one_id_want_two_results() -> None:
    assert len(whole([calls("", ""), results("", "")])) == 2
    assert whole([calls("", ""), results("")]) == []


@pytest.mark.parametrize(
    "messages",
    [
        [calls("1")],
        [results("1")],
        [results("1"), calls("1")],
        [calls("1"), results("2")],
        [calls("1", "2"), results("1")],
        [calls("1"), results("1", "2")],
        [results()],
    ],
    ids=["call", "result", "reversed", "other id", "half", "one too many", "no results"],
)
def test_what_lacks_a_part_is_hidden_with_all_it_has(messages: list[LLMMessage]) -> None:
    assert whole([user("a"), *messages, user("b")]) == [user("a"), user("b")]


def test_a_second_result_of_one_call_is_hidden_and_the_first_is_not() -> None:
    assert whole([calls("1"), results("1"), results("1")]) == [calls("1"), results("1")]


def test_an_answer_with_an_empty_list_of_calls_waits_for_nothing() -> None:
    empty = AssistantMessage(content=[], source="a")

    assert whole([empty, user("a")]) == [empty, user("a")]
