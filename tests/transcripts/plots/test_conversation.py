"""Who speaks to whom."""

from __future__ import annotations

import math
from typing import Any

import pytest
from matplotlib.patches import Circle, FancyArrowPatch

from agentnb.transcripts.plots import conversation_graph, course
from agentnb.transcripts.plots.transitions import followed
from tests.transcripts.plots.runs import Told, at_once, crowd, large, named, nested, plain, small
from tests.transcripts.plots.sight import collisions, drawn, words


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


@pytest.mark.parametrize("count", [5, 9, 12, 13, 30, 60])
def test_arrows_pass_by_all_whom_they_do_not_join(count: int) -> None:
    ax = conversation_graph(crowd(named(count), 400))

    circles = {name: circle for name in named(count) for circle in drawn(ax, f"node {name}")}
    arrows: list[Any] = [artist for artist in ax.patches if isinstance(artist, FancyArrowPatch)]
    through = [
        (arrow.get_gid(), name)
        for arrow in arrows
        for point in arrow.get_path().to_polygons(closed_only=False)[0]
        for name, circle in circles.items()
        if name not in arrow.get_gid() and math.dist(point, circle.center) < circle.radius
    ]
    assert len(arrows) > count / 2
    assert through == []


@pytest.mark.parametrize("count", [12, 30, 48])
def test_circles_and_names_do_not_touch(count: int) -> None:
    ax = conversation_graph(crowd(named(count), 400))

    assert collisions(ax) == []
    circles = [artist for artist in ax.patches if isinstance(artist, Circle)]
    names = [text for text in ax.texts if (text.get_gid() or "").startswith("name")]
    assert len(circles) == len(names) == count
    boxes = [circle.get_window_extent() for circle in circles]
    assert not [1 for n, one in enumerate(boxes) for other in boxes[n + 1 :] if one.overlaps(other)]
    assert not [1 for text in names for box in boxes if text.get_window_extent().padded(-1).overlaps(box)]


def test_a_circle_among_many_is_the_larger_the_more_turns() -> None:
    ax = conversation_graph(crowd(plain(30), 400))

    sizes = {name: drawn(ax, f"node {name}")[0].radius for name in ("agent_00", "agent_16")}
    assert sizes["agent_00"] > 2 * sizes["agent_16"]


def test_arrows_that_would_hide_each_other_are_pale_and_counted() -> None:
    log = crowd(plain(30), 400)
    ax = conversation_graph(log)

    ways = followed(course(log))
    clear = [artist for artist in ax.patches if (artist.get_gid() or "").startswith("way")]
    (pale,) = drawn(ax, "pale")
    assert 0 < len(clear) <= 48
    assert len(clear) + len(pale.get_paths()) == len(ways)
    rare = [count for (one, two), count in ways.items() if not drawn(ax, f"way {one} {two}")]
    assert f"pale lines: {len(rare)} arrows taken at most {max(rare)} times each" in ax.get_xlabel()
    assert max(rare) < min(count for (one, two), count in ways.items() if drawn(ax, f"way {one} {two}"))


def test_arrows_taken_equally_often_are_all_pale() -> None:
    ax = conversation_graph(at_once(plain(30), 3))

    assert len(drawn(ax, "pale")[0].get_paths()) == 900
    assert "pale lines: all 900 arrows taken at most 2 times each" in ax.get_xlabel()


def test_a_team_within_a_team_stands_together() -> None:
    ax = conversation_graph(nested(3, 3))

    order = [(artist.get_gid() or "")[5:] for artist in ax.patches if isinstance(artist, Circle)]
    assert order == ["0", "1", "1.0", "1.1", "1.1.0", "1.1.1", "1.1.2", "1.2", "2"]
