"""Who was at work when."""

from __future__ import annotations

from datetime import timedelta

from agentnb.runlog import Branched, ToolFinished, ToolStarted
from agentnb.transcripts.plots import looks, timeline
from tests.transcripts.plots.runs import Told, large, resumed, small
from tests.transcripts.plots.sight import bars, drawn, words


def test_bars_begin_and_end_with_their_facts() -> None:
    ax = timeline(small())

    assert bars(ax, "turn writer") == [(0.0, 1.6), (3.5, 5.7)]
    assert bars(ax, "model critic") == [(1.7, 3.5), (5.8, 8.2)]
    assert ax.get_xlabel() == "Time (s)"


def test_lanes_of_a_team_within_a_team_are_indented_beneath_it() -> None:
    ax = timeline(large())

    names = [label.get_text().replace("\N{NO-BREAK SPACE}", ".") for label in ax.get_yticklabels()]
    place = names.index("reviewers")
    assert names[place : place + 3] == ["reviewers", "...style", "...facts"]
    assert {label.get_horizontalalignment() for label in ax.get_yticklabels()} == {"left"}


def test_turns_of_one_agent_that_overlap_lie_in_rows_of_their_own() -> None:
    told = Told()
    run = told.run("ana")
    one, two = told.turn("ana", run, 1), told.turn("ana", run, 2)
    told.wait(1)
    told.done(one)
    told.done(two)

    ax = timeline(told.log)

    tops = {round(float(bar.get_paths()[0].get_extents().y0), 2) for bar in drawn(ax, "turn ana")}
    assert len(tops) == 2


def test_calls_at_the_same_time_lie_side_by_side() -> None:
    told = Told()
    turn = told.turn("ana", told.run("ana"))
    calls = [told.add(ToolStarted(tool=tool), source="ana", parent=turn.id) for tool in ("search", "fetch")]
    for call in calls:
        told.add(ToolFinished(tool="any"), after=1, source="ana", parent=call.id, took=1)
    told.done(turn)

    ax = timeline(told.log)

    boxes = [bar.get_paths()[0].get_extents() for bar in drawn(ax, "tool ana")]
    assert boxes[0].y1 <= boxes[1].y0 + 1e-9


def test_what_broke_off_is_hatched_and_what_goes_on_has_an_arrow() -> None:
    ax = timeline(resumed())

    assert bars(ax, "stopped ben") == [(2.0, 4.0)]
    assert bars(ax, "stopped cara") == [(6.5, 7.5)]
    assert drawn(ax, "stopped cara")[0].get_hatch()
    assert [list(mark.get_xdata()) for mark in drawn(ax, "open")] == [[10.0]]
    assert len(drawn(ax, "failed")) == 1


def test_the_key_explains_what_occurs_and_nothing_else() -> None:
    legend = timeline(small()).get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["turn", "model"]

    legend = timeline(resumed()).get_legend()
    assert legend is not None
    assert {"broken off", "goes on", "failed call", "waiting for a person"} <= {
        t.get_text() for t in legend.get_texts()
    }


def test_a_cut_out_pause_is_marked_and_said() -> None:
    ax = timeline(resumed())

    assert [list(line.get_xdata()) for line in drawn(ax, "seam")] == [[4.0, 4.0]]
    assert "resumed, 14 h later" in words(ax)
    assert ax.get_xlabel().endswith("pauses between runs are cut out")


def test_a_branch_without_facts_of_its_own_is_named_before_its_line() -> None:
    told = Told(small())
    told.time = told.log.events[-1].at + timedelta(hours=1)
    told.add(Branched(origin="other", at=len(told.log)))

    ax = timeline(told.log)

    (label,) = drawn(ax, "seam label")
    assert label.get_text().startswith("branch at")
    assert label.get_window_extent().x1 <= ax.get_window_extent().x1


def test_turns_have_the_agents_colours() -> None:
    log = small()
    ax = timeline(log)

    for name, look in looks(["writer", "critic"]).items():
        (model,) = {tuple(bar.get_facecolor()[0]) for bar in drawn(ax, f"model {name}")}
        red, green, blue = (round(part * 255) for part in model[:3])
        assert f"#{red:02X}{green:02X}{blue:02X}" == look.color


def test_minutes_and_hours_are_named() -> None:
    told = Told()
    turn = told.turn("ana", told.run("ana"))
    told.wait(600)
    told.done(turn)

    ax = timeline(told.log)

    assert ax.get_xlabel() == "Time (min)"
    assert bars(ax, "turn ana") == [(0.0, 10.0)]
