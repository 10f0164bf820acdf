"""What differs between two texts."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentnb.transcripts.words import LONG, Piece, differences, similarity, words
from tests.steps import steps
from tests.strategies import texts

few = st.text(st.sampled_from("ab ,.\n"), max_size=30)


def changed(pieces: list[Piece]) -> list[str]:
    return [piece.text for piece in pieces if piece.changed]


@given(few | texts, few | texts, st.booleans())
def test_the_pieces_put_together_are_the_texts(left: str, right: str, lines: bool) -> None:
    pieces, others = differences(left, right, lines=lines)

    assert "".join(piece.text for piece in pieces) == left
    assert "".join(piece.text for piece in others) == right


@given(few)
def test_equal_texts_have_no_change(text: str) -> None:
    assert not any(changed(pieces) for pieces in differences(text, text))


@pytest.mark.parametrize(
    ("left", "right", "gone", "new"),
    [
        ("the red cat", "the blue cat", ["red"], ["blue"]),
        ("one two", "one", ["two"], []),
        ("", "one", [], ["one"]),
        ("mass 5076.02 g", "mass 5076.50 g", ["5076.02"], ["5076.50"]),
        ("it is. So", "it is! So", ["."], ["!"]),
        ("a\nb", "a b", [], []),
    ],
)
def test_words_are_marked_without_the_space_before_them(left: str, right: str, gone: list[str], new: list[str]) -> None:
    pieces, others = differences(left, right)

    assert (changed(pieces), changed(others)) == (gone, new)


def test_code_is_compared_line_by_line_with_its_indentation() -> None:
    pieces, others = differences("if x:\n    y\nz\n", "if x:\n  y\nz\n", lines=True)

    assert (changed(pieces), changed(others)) == (["    y\n"], ["  y\n"])


def test_a_long_text_is_compared_word_by_word_in_the_lines_that_changed() -> None:
    rows = [f"line {number} of a long report\n" for number in range(LONG)]
    left = "".join(rows)
    right = left.replace("line 700 of a long report", "line 700 of a short report")

    pieces, others = differences(left, right)

    assert (changed(pieces), changed(others)) == (["long"], ["short"])


@pytest.mark.parametrize(
    ("left", "right", "alike"),
    [("", "", 1.0), ("a b c d", "a b c d", 1.0), ("a b c d", "a b x d", 0.75), ("a b", "x y", 0.0), ("a", "", 0.0)],
)
def test_similarity_is_the_share_of_words_in_common(left: str, right: str, alike: float) -> None:
    assert similarity(words(left), words(right)) == alike


def test_one_changed_word_hardly_counts_in_a_text_that_repeats_itself() -> None:
    sentence = "the penguins of the islands are heavy . " * 50

    assert similarity(words(sentence + "good" + sentence), words(sentence + "bad" + sentence)) > 0.99


def letters(many: int) -> tuple[list[str], list[str]]:
    some = random.Random(1)
    return some.choices("abcdefgh", k=many), some.choices("abcdefgh", k=many)


def test_comparing_texts_twice_as_long_takes_about_twice_the_steps() -> None:
    few, many = (steps(similarity, *letters(length)) for length in (4_000, 8_000))

    assert many < 2.6 * few


def test_very_long_texts_are_compared() -> None:
    assert 0.9 < similarity(*letters(20_000)) <= 1.0
