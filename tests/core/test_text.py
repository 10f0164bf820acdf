"""Text that can be written."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from agentnb.core import Text, well_formed

any_text = st.text(st.characters(), max_size=100)


class Held(BaseModel):
    text: Text


@given(any_text)
def test_whatever_comes_in_can_be_written(text: str) -> None:
    assert well_formed(text).encode().decode() == well_formed(text)


@given(st.text(max_size=100))
def test_text_that_can_be_written_stays_as_it_is(text: str) -> None:
    assert well_formed(text) == text


@given(any_text)
def test_mending_twice_changes_nothing_more(text: str) -> None:
    assert well_formed(well_formed(text)) == well_formed(text)


@given(st.text(max_size=20), st.text(max_size=20))
def test_an_emoji_cut_in_two_by_json_is_joined(before: str, after: str) -> None:
    halves = json.loads('"\\ud83d"') + json.loads('"\\ude00"')

    assert well_formed(before + halves + after) == before + "😀" + after


@pytest.mark.parametrize("halves", [[0xD83D], [0xDE00], [0xDE00, 0xD83D]], ids=["high", "low", "wrong order"])
def test_a_lone_half_becomes_the_replacement_character_and_its_neighbours_stay(halves: list[int]) -> None:
    lone = "".join(map(chr, halves))

    assert well_formed(f"a{lone}b") == "a" + "\ufffd" * len(lone) + "b"


def test_a_text_field_mends_and_still_refuses_what_is_no_text() -> None:
    assert Held(text="x\ud83d").text == "x\ufffd"
    with pytest.raises(ValidationError):
        Held.model_validate({"text": 3})
