"""Readings of a question."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import pytest

from agentnb.recipes.guesses import guesses, named
from agentnb.recipes.plan import profile
from tests.recipes.questions import CASES, FRESH, frames


def codes(frame: pd.DataFrame, question: str, variable: str = "penguins") -> list[str]:
    """Write the readings of a question as code."""
    return [guess.code for guess in guesses(profile(variable, frame), question)]


@pytest.mark.parametrize(
    ("question", "labels"),
    [
        ("How long are the flippers?", ["flipper_length_mm"]),
        ("bill length by species", ["species", "bill_length_mm"]),
        ("Tell me about bills", ["bill_length_mm", "bill_depth_mm"]),
        ("What about speciation?", []),
    ],
)
def test_columns_are_named_by_their_words_in_singular_or_plural(
    penguins: pd.DataFrame, question: str, labels: list[str]
) -> None:
    assert [column.label for column in named(profile("penguins", penguins).columns, question)] == labels


def test_which_is_heaviest_compares_the_means_of_each_measure(penguins: pd.DataFrame) -> None:
    found = codes(penguins, "Describe the penguins: which species is heaviest, and by how much?")

    assert found == [
        f'penguins.groupby("species")["{measure}"].mean().sort_values(ascending=False)'
        for measure in ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
    ]


@pytest.mark.parametrize(
    ("question", "code"),
    [
        ("What is the average bill length?", 'penguins["bill_length_mm"].mean()'),
        ("What is the median body mass?", 'penguins["body_mass_g"].median()'),
        ("What is the smallest flipper length?", 'penguins["flipper_length_mm"].min()'),
        ("How many penguins live on each island?", 'penguins["island"].value_counts()'),
        ("Which species is the least common?", 'penguins["species"].value_counts(ascending=True)'),
        ("How many different species are there?", 'penguins["species"].nunique()'),
        ("How many Gentoos are there?", '(penguins["species"] == "Gentoo").sum()'),
        ("How many values of sex are missing?", 'penguins["sex"].isna().sum()'),
        (
            "Is body mass related to flipper length?",
            'penguins["flipper_length_mm"].corr(penguins["body_mass_g"])',
        ),
        (
            "Who has the higher body mass, Adelie or Gentoo?",
            'penguins[penguins["species"].isin(["Adelie", "Gentoo"])].groupby("species")["body_mass_g"].mean()'
            ".sort_values(ascending=False)",
        ),
        (
            "What is the mean body mass of the Gentoo penguins?",
            'penguins[penguins["species"] == "Gentoo"]["body_mass_g"].mean()',
        ),
        (
            "Which island has the lowest average body mass?",
            'penguins.groupby("island")["body_mass_g"].mean().sort_values(ascending=True)',
        ),
    ],
)
def test_a_question_that_names_its_columns_has_one_reading(penguins: pd.DataFrame, question: str, code: str) -> None:
    assert codes(penguins, question) == [code]


def test_a_row_number_is_not_taken_for_the_thing_it_numbers() -> None:
    frame = pd.DataFrame({"car_id": [4, 9, 2], "brand": ["a", "b", "a"], "price": [1.5, 2, 3]})

    found = codes(frame, "What does a car cost?", "cars")

    assert found
    assert not any("car_id" in code for code in found)


def test_there_are_never_more_than_twelve_readings_and_each_runs(awkward: Mapping[str, pd.DataFrame]) -> None:
    questions = ("Which is largest?", "How many are missing?", "How are they related?", "How many g are there?", "Why?")

    for name, frame in awkward.items():
        seen = profile(name, frame)
        for question in questions if seen.rows else ():
            found = guesses(seen, question)
            assert len(found) <= 12
            assert len(set(found)) == len(found)
            for guess in found:
                eval(guess.code, {name: frame})


def test_the_right_reading_is_among_those_ranked_in_the_measurement() -> None:
    known = {name: profile(name, frame) for name, frame in frames().items()}
    cases = [*CASES, *FRESH]

    listed = [any(case.fits(guess) for guess in guesses(known[case.frame], case.question)) for case in cases]

    assert sum(listed) >= 0.9 * len(cases)
