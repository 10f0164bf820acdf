"""Who speaks to whom."""

from __future__ import annotations

import math

from agentnb.transcripts.plots import conversation_graph
from tests.transcripts.plots.runs import Told, large, small
from tests.transcripts.plots.sight import drawn, words


def test_an_arrow_is_the_wider_the_oftener_it_was_taken() -> None:
    ax = conversation_graph(small())

    (there,), (back,) = drawn(ax, "way writer critic"), drawn(ax, "way critic writer")
    assert there.get_linewidth() > back.get_linewidth()
    assert {"writer\n2 turns", "critic\n2 turns", "2", "1"} == set(words(ax))


def test_an_arrow_ends_at_the_circle_it_points_to() -> None:
    ax = conversation_graph(small())

    (arrow,) = drawn(ax, "way writer critic")
    (circle,) = drawn(ax, "node critic")
    tip = arrow.get_path().vertices[2]
    assert circle.radius < math.dist(tip, circle.center) < circle.radius * 1.6


def test_both_ways_between_two_are_arrows_of_their_own() -> None:
    ax = conversation_graph(small())

    there = drawn(ax, "way writer critic")[0].get_path().vertices[1]
    back = drawn(ax, "way critic writer")[0].get_path().vertices[1]
    assert math.dist(there, back) > 20


def test_a_team_within_a_team_is_led_to_by_dotted_arrows() -> None:
    ax = conversation_graph(large())

    assert drawn(ax, "within reviewers style")[0].get_linestyle() != "-"
    assert drawn(ax, "within reviewers facts")
    assert not drawn(ax, "way reviewers style")


def test_a_team_that_goes_on_each_turn_is_led_to_as_often() -> None:
    told = Told()
    run = told.run("inner")
    before = None
    for number in (1, 2):
        turn = told.turn("inner", run, number)
        before = told.run("ana", "ben", within=turn, runner="inner", continues=before.id if before else None)
        for name in ("ana", "ben"):
            told.done(told.turn(name, before))
        told.done(turn)

    ax = conversation_graph(told.log)

    assert [text.get_text() for text in drawn(ax, "count inner ana")] == ["2"]


def test_who_goes_on_speaking_has_a_loop_that_misses_the_name() -> None:
    told = Told()
    run = told.run("ana", "ben")
    for name in ("ana", "ana", "ben"):
        told.done(told.turn(name, run))

    ax = conversation_graph(told.log)

    (loop,), (name,) = drawn(ax, "way ana ana"), drawn(ax, "name ana")
    assert not loop.get_window_extent().overlaps(name.get_window_extent().padded(-1))


def test_one_agent_alone_stands_in_the_middle() -> None:
    told = Told()
    told.done(told.turn("ana", told.run("ana")))

    ax = conversation_graph(told.log)

    (circle,) = drawn(ax, "node ana")
    low, high = ax.get_ylim()
    assert low < circle.center[1] < high
    assert words(ax) == ["ana\n1 turn"]
