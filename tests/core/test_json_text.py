"""JSON objects out of what a model wrote."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentnb.core import extract_json_from_str

FENCES = ["```", "```json\n{}\n```", "```\n", "````", "\n```json\n", '"', "\\"]
TEXTS = st.lists(st.sampled_from(FENCES) | st.text(max_size=5), max_size=4).map("".join)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=3)
PROSE = st.text(st.characters(exclude_characters="`"), max_size=20)
INDENTS = st.sampled_from([None, 0, 2])


def test_a_text_that_is_json_is_one_object() -> None:
    assert extract_json_from_str(' {"a": [1, 2]}\n') == [{"a": [1, 2]}]


def test_every_fenced_block_is_an_object() -> None:
    text = 'First:\n```json\n{"a": 1}\n```\nthen\n```\n{"b": 2}\n```  \nand that is all.'

    assert extract_json_from_str(text) == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize(
    "text", ['```json\r\n{"a": 1}\r\n```\r\n', '```{"a": 1}```', '```JSON {"a": 1} ```', '  ```json\n  {"a": 1}\n  ```']
)
def test_a_fence_may_be_written_in_many_ways(text: str) -> None:
    assert extract_json_from_str(text) == [{"a": 1}]


def test_backticks_within_a_string_close_no_fence() -> None:
    text = '```json\n{"code": "```python\\nx\\n``` is how", "b": 1}\n```'

    assert extract_json_from_str(text) == [{"code": "```python\nx\n``` is how", "b": 1}]


@pytest.mark.parametrize(
    ("text", "objects"),
    [
        ('```json\n{"a":1}\n``` trailing', [{"a": 1}]),
        ('before\n```json\n{"a":1}\n```, and so on', [{"a": 1}]),
        ('```\n{"a":1}\n``` and ```json\n{"b":2}\n```', [{"a": 1}, {"b": 2}]),
        ('x ```json\n{"a":1}\n``` y ```\n{"b":2}\n```', [{"a": 1}, {"b": 2}]),
    ],
)
def test_text_on_the_line_of_a_closing_fence_hides_no_block(text: str, objects: list[dict[str, object]]) -> None:
    assert extract_json_from_str(text) == objects


def test_a_text_that_is_json_keeps_the_fences_in_its_strings() -> None:
    text = json.dumps({"code": "```json\n{}\n```\n"}, indent=2)

    assert extract_json_from_str(text) == [{"code": "```json\n{}\n```\n"}]


def test_code_in_a_line_of_prose_is_no_block() -> None:
    text = 'Use ```json``` or ``` fences; ```x = 1``` is none.\n```json\n{"a": 1}\n```'

    assert extract_json_from_str(text) == [{"a": 1}]


def test_a_longer_fence_is_closed_by_one_as_long() -> None:
    assert extract_json_from_str('````json\n{"a": 1}\n````') == [{"a": 1}]


@given(
    st.lists(st.tuples(PROSE, st.sampled_from(["", "json", "JSON "]), OBJECTS, INDENTS), min_size=1, max_size=3), PROSE
)
def test_every_fenced_object_is_found_whatever_its_strings_hold(
    blocks: list[tuple[str, str, dict[str, object], int | None]], after: str
) -> None:
    texts = [f"{before}```{tag}\n{json.dumps(value, indent=n)}\n```" for before, tag, value, n in blocks]

    assert extract_json_from_str(" ".join(texts) + " " + after) == [value for _, _, value, _ in blocks]


@given(OBJECTS, INDENTS)
def test_an_object_without_a_fence_is_found_whatever_its_strings_hold(value: dict[str, object], n: int | None) -> None:
    assert extract_json_from_str(json.dumps(value, indent=n)) == [value]


@pytest.mark.parametrize("tail", ["", " and so on", "\n```json\n{}\n```"])
def test_a_block_with_more_than_one_value_is_an_error(tail: str) -> None:
    with pytest.raises(json.JSONDecodeError, match="Extra data"):
        extract_json_from_str('```json\n{"a": 1} {"b": 2}\n```' + tail)


def test_a_block_of_another_language_is_refused() -> None:
    with pytest.raises(ValueError, match="a block of 'python'"):
        extract_json_from_str("```json\n{}\n```\n```python\nx = 1\n```")


@pytest.mark.parametrize("text", ["", "I cannot do that.", '{"a": 1', '```json\n{"a": }\n```'])
def test_what_is_no_json_raises_as_the_json_module_does(text: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        extract_json_from_str(text)


def test_json_that_is_no_object_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the JSON '\[1, 2\]'; it must be an object"):
        extract_json_from_str("[1, 2]")
