"""What may be said of computed facts."""

from __future__ import annotations

import pytest

from agentnb.recipes.facts import answer, checked, names_in, read_facts, spoken_number, told
from agentnb.recipes.guesses import Guess

SHOWN = {
    "number of rows": "344",
    "number of columns": "8",
    "missing values": "19",
    "mean bill_length_mm": "43.92",
    "mean q1 (é)": "7.10",
    "most common species": "Adelie",
    "count of Adelie": "152",
}


@pytest.mark.parametrize(
    "sentence",
    [
        "The data set has 344 rows and 8 columns, with 19 missing values.",
        "The mean bill_length_mm is 43.92 and the mean q1 (é) is 7.10.",
        "The most common species is Adelie with a count of 152.",
        "The average bill_length_mm is 43.92, and the most common species is Adelie.",
        "The number of rows is 344.",
        "There are 19 missing values.",
    ],
)
def test_a_sentence_of_computed_facts_passes(sentence: str) -> None:
    assert checked(sentence, SHOWN) == ([sentence], [])


@pytest.mark.parametrize(
    "sentence",
    [
        "The data set has 345 rows.",
        "The data set has 8 rows and 344 columns.",
        "The mean bill_length_mm is 344.",
        "The mean bill_length_mm is 43.9.",
        "The mean bill_length_mm is 143.92.",
        "The mean bill_length_mm and 43.92 rows.",
        "The mean body_mass_g is 43.92.",
        "The most common species is Gentoo with a count of 152.",
        "The most common species is Adelie with a count of 344.",
        "The data set has 344 rows, each representing a single customer.",
        "The data set has rows and columns.",
        "There are no missing values.",
    ],
)
def test_a_sentence_that_says_anything_else_does_not(sentence: str) -> None:
    assert checked(sentence, SHOWN) == ([], [sentence])


def test_good_sentences_are_kept_beside_bad_ones() -> None:
    text = "The data set has 344 rows. The data set has 8 rows. The mean q1 (é) is 7.10."

    assert checked(text, SHOWN) == (
        ["The data set has 344 rows.", "The mean q1 (é) is 7.10."],
        ["The data set has 8 rows."],
    )


def test_a_fact_counts_the_first_time_it_is_printed() -> None:
    output = 'Warning: x\n"n": 3\n"t": [["a", 2]]\nx\n"n": 999\n"broken: 1'

    assert read_facts(output) == {"n": 3, "t": [["a", 2]]}


def test_a_report_may_use_numbers_and_the_first_of_counts_but_not_the_guess() -> None:
    shown = told(
        {
            "number of rows": 5,
            "mean x": 2.0,
            "mean y": None,
            "counts of g": [["two\nlines", 3], ["b", 2]],
            "counts of even": [["a", 2], ["b", 2]],
            "guess": 7,
            "difference of the first two": 1,
        }
    )

    assert shown == {"number of rows": "5", "mean x": "2.00", "most common g": "two lines", "count of two lines": "3"}
    assert names_in(shown) == ["rows", "x", "g", "two lines"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (344, "344"),
        (43.9219, "43.92"),
        (5076.016, "5076.0"),
        (5000.0, "5000"),
        (0.01234567, "0.01235"),
        (0.0, "0.0"),
        (-3.14159, "-3.14"),
        (float("inf"), "inf"),
        (True, "True"),
    ],
)
def test_numbers_are_written_for_readers(value: float, text: str) -> None:
    assert spoken_number(value) == text


def guess(form: str, **more: object) -> Guess:
    """Make a reading of a form."""
    return Guess(form=form, words="?", code="?", **more)  # type: ignore[arg-type]


MEANS = guess("by group", group="species", number="mass", aggregate="mean")
FEWEST = guess("counts", group="species", lowest=True)


@pytest.mark.parametrize(
    ("reading", "facts", "says"),
    [
        (
            MEANS,
            {"guess": [["Gentoo", 5076.02], ["Adelie", 3700.66]], "difference of the first two": 1375.36},
            "Gentoo has the highest mean mass, 5076.0; Adelie follows with 3700.7, 1375.4 less.",
        ),
        (
            MEANS,
            {"guess": [["a", 2.5], ["b", 2.5]], "difference of the first two": 0.0},
            "a has the highest mean mass, 2.50, and so has b with 2.50.",
        ),
        (MEANS, {"guess": [["a", 2.5], ["b", None]]}, "a has the highest mean mass, 2.50; there is no other species."),
        (MEANS, {"guess": []}, "nothing could be computed for it."),
        (MEANS, {}, "nothing could be computed for it."),
        (
            FEWEST,
            {"guess": [["a", 2], ["b", 5]], "difference of the first two": 3},
            "a has the fewest rows, 2; b follows with 5, 3 more.",
        ),
        (guess("rows"), {"guess": 344}, "there are 344 rows."),
        (guess("rows", group="sex", number="male"), {"guess": 8}, "there are 8 rows with sex male."),
        (guess("distinct", group="sex"), {"guess": 2}, "there are 2 different values of sex."),
        (guess("missing", number="sex"), {"guess": 11}, "11 values of sex are missing."),
        (
            guess("correlation", group="a", number="b"),
            {"guess": 0.8712},
            "the correlation of a and b is 0.8712 (Pearson's, from -1 to 1).",
        ),
        (
            guess("single", number="mass", aggregate="max", group="sex male"),
            {"guess": 6300.0},
            "the max of mass where sex male is 6300.",
        ),
    ],
)
def test_a_guess_is_answered_with_what_was_computed(reading: Guess, facts: dict[str, object], says: str) -> None:
    assert answer(reading, facts) == says
