"""JSON objects out of what a model wrote."""

from __future__ import annotations

import json

import pytest

from agentnb.core import extract_json_from_str


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
