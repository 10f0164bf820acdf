"""Who had the word after whom."""

from __future__ import annotations

from agentnb.transcripts.plots import transitions
from tests.transcripts.plots.runs import Told, large, resumed, small
from tests.transcripts.plots.sight import words


def matrix(ax: object) -> list[list[float]]:
    (image,) = ax.images  # type: ignore[attr-defined]
    return [[float(cell) for cell in row] for row in image.get_array()]


def test_rows_are_before_and_columns_next() -> None:
    ax = transitions(small())

    assert [label.get_text() for label in ax.get_yticklabels()] == ["writer", "critic"]
    assert matrix(ax) == [[0, 2], [1, 0]]
    assert sorted(text.get_text() for text in ax.texts) == ["1", "2"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Next", "Before")


def test_shares_add_up_to_a_hundred_in_a_row() -> None:
    ax = transitions(large(), shares=True)

    assert {round(sum(row)) for row in matrix(ax)} == {100}
    assert "share of each row (%)" in ax.get_xlabel()


def test_turns_at_the_same_time_all_follow_the_turn_before() -> None:
    told = Told()
    run = told.run("ana", "ben", "cara")
    told.done(told.turn("ana", run))
    both = [told.turn("ben", run), told.turn("cara", run)]
    for turn in both:
        told.done(turn)
    told.done(told.turn("ana", run))

    assert matrix(transitions(told.log)) == [[0, 1, 1], [1, 0, 0], [1, 0, 0]]


def test_a_resumed_run_follows_the_last_turn_that_was_over() -> None:
    ax = transitions(resumed())

    assert matrix(ax) == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]


def test_two_runs_do_not_follow_each_other() -> None:
    assert matrix(transitions([small(), small()])) == [[0, 4], [2, 0]]


def test_one_turn_has_no_transition() -> None:
    told = Told()
    told.done(told.turn("ana", told.run("ana")))

    assert " ".join(words(transitions(told.log))[0].split()) == "No transitions: there has been only 1 turn."
