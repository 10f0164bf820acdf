"""What every plot shares."""

from __future__ import annotations

import pytest

from agentnb.transcripts.plots.base import lasting, levels, listed, many, thousands


def test_what_goes_on_at_once_lies_on_levels_of_its_own() -> None:
    assert levels([(0, 2), (1, 3), (2, 4), (2.5, 2.6), (5, 6)]) == [0, 1, 0, 2, 0]


@pytest.mark.parametrize(
    ("value", "text"), [(7, "7"), (999, "999"), (12_345, "12.3k"), (999_900, "1M"), (1_234_567, "1.23M")]
)
def test_counts_are_short(value: int, text: str) -> None:
    assert thousands(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0123, "12 ms"), (1.44, "1.4 s"), (300, "5 min"), (50_000, "14 h"), (200_000, "2 days")]
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert lasting(seconds) == text


def test_one_is_no_plural_and_long_lists_say_how_much_more_there_is() -> None:
    assert (many(1, "turn"), many(2, "turn")) == ("1 turn", "2 turns")
    assert listed(["a", "b"]) == "a, b"
    assert listed([str(n) for n in range(15)]).endswith("10, 11, and 3 more")
