"""GBNF as text, and as the engine reads it."""

from __future__ import annotations

import json
import re

import pytest

from agentnb.exceptions import UserError
from agentnb.messages import UserMessage
from agentnb.models.grammar import (
    alternatives,
    choices_grammar,
    column_line_grammar,
    json_object_grammar,
    literal,
    locked_numbers_grammar,
    tokens_grammar,
)
from agentnb.models.local import LocalChatCompletionClient
from tests.models.local_models import needs_weights

AWKWARD = ['a"b', "back\\slash", "new\nline", "é", "😀", "[x] {y} | ::= #", "\t\x01\x7f", "'", "<|im_end|>", "%%"]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain", '"plain"'),
        ('a"b', '"a\\"b"'),
        ("a\\b", '"a\\\\b"'),
        ("a\nb\r\t", '"a\\nb\\r\\t"'),
        ("é😀", '"é😀"'),
        ("\x01\x7f", '"\\x01\\x7F"'),
    ],
)
def test_a_literal_is_escaped_as_the_engine_reads_it(text: str, written: str) -> None:
    assert literal(text) == written


@pytest.mark.parametrize("text", ["", "a\0b"])
def test_a_text_the_engine_cannot_match_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="empty or holds a NUL"):
        literal(text)


def test_a_lone_surrogate_becomes_a_replacement_character() -> None:
    assert literal("a\ud800") == '"a\ufffd"'


def test_alternatives_hold_each_text_once() -> None:
    assert alternatives(["a", "b", "a"]) == '("a" | "b")'


def test_no_alternatives_are_refused() -> None:
    with pytest.raises(UserError, match="given none"):
        choices_grammar([])


def test_tokens_are_written_by_their_numbers() -> None:
    assert tokens_grammar([5210, 47]) == "root ::= <[5210]> <[47]>"


def test_a_report_without_numbers_has_no_rule_for_them() -> None:
    assert "n ::=" not in locked_numbers_grammar([])


def answered(grammar: str, question: str = "Say something.", max_tokens: int = 120) -> str:
    """Let the embedded model answer under a grammar."""

    async def ask() -> str:
        client = LocalChatCompletionClient()
        messages = [UserMessage(content=question, source="user")]
        result = await client.create(messages, extra_create_args={"grammar": grammar, "max_tokens": max_tokens})
        return str(result.content)

    import asyncio

    return asyncio.run(ask())


class TestEngine:
    """What the engine makes of the grammars."""

    pytestmark = needs_weights

    @pytest.mark.parametrize("text", AWKWARD)
    def test_an_awkward_text_is_answered_letter_by_letter(self, text: str) -> None:
        assert answered(choices_grammar([text])) == text

    def test_a_column_among_three_hundred_is_found(self) -> None:
        columns = [json.dumps(f"column {number}") for number in range(300)] + ['"a\\"b"', '"x\\ny"']

        line = answered(
            column_line_grammar("df", columns, ["mean", "max"]), "Write pandas code: the mean of column 17 of df."
        )

        assert line == 'df["column 17"].mean()'

    def test_columns_named_by_numbers_are_written_as_numbers(self) -> None:
        assert re.fullmatch(r"df\[[01]\]\.mean\(\)", answered(column_line_grammar("df", ["0", "1"], ["mean"])))

    def test_a_locked_report_holds_no_other_number(self) -> None:
        text = answered(
            locked_numbers_grammar(["344", "43.92"], ["q1_sales é"], sentences=2),
            "Invent five sentences full of numbers, dates and percentages.",
        )

        rest = text.replace("q1_sales é", "")
        assert set(re.findall(r"\d+(?:\.\d+)?", rest)) <= {"344", "43.92"}
        assert text.endswith(".")

    def test_an_object_is_json_and_not_nested_forever(self) -> None:
        text = answered(json_object_grammar(2), 'Repeat this JSON: {"a":1}', max_tokens=200)

        assert isinstance(json.loads(text), dict)
