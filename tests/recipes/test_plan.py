"""What is seen of a frame, and the fixed plan."""

from __future__ import annotations

import ast
from collections.abc import Mapping

import pandas as pd
import pytest

from agentnb.recipes.plan import fixed_plan, frames_of, in_code, one_line, profile, spread, words_of


def test_the_penguins_plan_is_their_size_their_measures_and_their_species(penguins: pd.DataFrame) -> None:
    plan = fixed_plan(profile("penguins", penguins))

    assert [step.fact for step in plan] == [
        "number of rows",
        "number of columns",
        "missing values",
        "mean bill_length_mm",
        "mean bill_depth_mm",
        "mean flipper_length_mm",
        "mean body_mass_g",
        "counts of species",
    ]
    assert plan[-1].code == 'penguins["species"].value_counts()'


def test_numbers_that_name_rows_or_years_are_not_averaged() -> None:
    frame = pd.DataFrame(
        {
            "order_id": [7, 3, 9],
            "zip": [1000, 2000, 3000],
            "Year": [1999, 2000, 2001],
            "made": [1950, 1960, 1980],
            "price": [1, 2, 4],
            "humidity": [20, 50, 30],
        }
    )

    assert [column.label for column in profile("f", frame).informative] == ["price", "humidity"]


def test_a_running_number_without_a_telling_name_is_not_averaged() -> None:
    assert profile("f", pd.DataFrame({"k": range(1, 50)})).informative == ()


def test_columns_are_of_their_kind() -> None:
    frame = pd.DataFrame(
        {
            "word": ["a", None],
            "flag": [True, False],
            "when": pd.to_datetime(["2020", "2021"]),
            "list": [[1], [2]],
            "number": [1.5, None],
        }
    )

    assert [column.kind for column in profile("f", frame).columns] == ["text", "flag", "time", "other", "number"]


@pytest.mark.parametrize("name", ['a"b', "new\nline", "é", "😀", "back\\slash", "{x}", "\x85\u2028", "", 0, -1.5, True])
def test_a_columns_name_in_code_is_that_name(name: object) -> None:
    code = in_code(name)

    assert code is not None
    assert ast.literal_eval(code) == name
    assert code.isprintable()


def test_a_lone_surrogate_in_a_name_is_escaped() -> None:
    code = in_code("a\ud800")

    assert code is not None
    code.encode()
    assert ast.literal_eval(code) == "a\ud800"


@pytest.mark.parametrize("name", [("a", 1), pd.Timestamp("2020"), float("nan"), None])
def test_a_name_that_is_no_plain_value_is_not_written(name: object) -> None:
    assert in_code(name) is None


def test_columns_that_cannot_be_named_are_left_out_and_said(awkward: Mapping[str, pd.DataFrame]) -> None:
    assert profile("f", awkward["repeated"]).left_out == ("a",)
    assert profile("f", awkward["names"]).left_out == ("('t', 1)",)
    assert profile("f", awkward["names"]).width == 8


def test_columns_whose_labels_look_alike_are_told_apart() -> None:
    seen = profile("f", pd.DataFrame({"a b": [1.5, 2], "a\nb": [2.5, 3]}))

    assert [column.label for column in seen.columns] == ["a b", "a b (again, 2)"]


def test_every_line_of_every_awkward_plan_runs(awkward: Mapping[str, pd.DataFrame]) -> None:
    for name, frame in awkward.items():
        for step in fixed_plan(profile(name, frame)):
            assert eval(step.code, {name: frame}) is not None, step


def test_of_many_columns_at_most_six_are_averaged(awkward: Mapping[str, pd.DataFrame]) -> None:
    plan = fixed_plan(profile("wide", awkward["wide"]))

    assert sum(step.fact.startswith("mean ") for step in plan) == 6


def test_columns_with_more_to_say_are_preferred() -> None:
    frame = pd.DataFrame({"flat": [1.5, 1.5, 1.5], "gap": [1.5, None, 2.5], "full": [1.5, 2.5, 3.5]})

    assert [column.label for column in spread(profile("f", frame).columns, 1)] == ["full"]


def test_only_data_frames_are_frames(penguins: pd.DataFrame) -> None:
    assert list(frames_of({"n": 3, "p": penguins, "s": penguins["species"], "q": penguins})) == ["p", "q"]
    assert frames_of(None) == {}


def test_words_and_lines() -> None:
    assert words_of("unitPrice per_kg, É!") == ["unit", "price", "per", "kg", "é"]
    assert one_line(" a\n\tb\x00c ") == "a b c"
