"""What agents are told about variables."""

from __future__ import annotations

import pandas as pd

from agentnb.notebook.variables import LIMIT, describe, summarize


def test_a_frame_is_described_by_shape_types_missing_values_and_three_rows() -> None:
    frame = pd.DataFrame({"species": ["Adelie"] * 5, "mass": [1.5, None, 2.5, 3.5, 4.5]})

    told = describe({"penguins": frame})

    assert "`penguins` is a pandas DataFrame with 5 rows and 2 columns" in told
    assert f"- species: {frame['species'].dtype}, 0 missing" in told
    assert "- mass: float64, 1 missing" in told
    assert "First 3 rows:\nspecies | mass\nAdelie | 1.5\nAdelie | nan\nAdelie | 2.5" in told
    assert "3.5" not in told


def test_wide_and_long_winded_frames_are_cut() -> None:
    frame = pd.DataFrame({f"a rather long column name {n}": ["word " * 500] * 10 for n in range(400)})

    told = describe({"wide": frame})

    assert len(told) <= LIMIT
    assert "more columns" in told
    assert "First 3 rows:" in told
    assert "word word word" in told
    assert "word " * 20 not in told


def test_odd_frames_are_described_too() -> None:
    doubled = pd.DataFrame([[1, 2]], columns=["a", "a"])
    levels = pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("x", "y")]))
    lines = pd.DataFrame({"text": ["one\ntwo"]})

    assert "- a: int64" in describe({"doubled": doubled})
    assert "('x', 'y')" in describe({"levels": levels})
    assert "one two" in describe({"lines": lines})
    assert "0 rows" in describe({"empty": pd.DataFrame({"a": []})})
    assert "pandas Series with 2 rows" in describe({"series": pd.Series([1, 2], name="s")})
    assert "\ud800" not in describe({"broken": pd.DataFrame({"a": pd.Series(["\ud800"], dtype=object)})})


def test_other_values_are_described_by_type_length_and_a_short_repr() -> None:
    class Rude:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    told = describe({"names": ["ana"] * 1000, "year": 2007, "rude": Rude()})

    assert "`names` (list, length 1000)" in told
    assert "`year` (int):\n2007" in told
    assert "`rude` (Rude)" in told
    assert len(told) < 1000


def test_a_person_reads_one_line() -> None:
    assert summarize({"a": pd.DataFrame({"x": [1, 2]}), "b": 1}) == "a: DataFrame, 2 × 1; b: int"
