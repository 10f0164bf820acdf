"""Names beside what they belong to."""

from __future__ import annotations

from agentnb.transcripts.plots.labels import spread


def test_names_move_apart_as_little_as_it_takes() -> None:
    placed = spread([10.0, 11.0, 50.0], 8.0, 100.0)

    assert placed == [6.5, 14.5, 50.0]


def test_names_stay_within_the_axes() -> None:
    placed = spread([97.0, 98.0, 99.0], 10.0, 100.0)

    assert placed == [75.0, 85.0, 95.0]
