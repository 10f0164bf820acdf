"""How long answers took."""

from __future__ import annotations

from agentnb.transcripts.plots import latency
from tests.transcripts.plots.runs import Told, large, resumed, small
from tests.transcripts.plots.sight import drawn


def called(*seconds: float) -> Told:
    told = Told()
    turn = told.turn("ana", told.run("ana"))
    for each in seconds:
        told.model(turn, each)
    return told


def test_one_call_is_a_point_and_nothing_else() -> None:
    ax = latency(called(2).log)

    (points,) = drawn(ax, "points m-small")
    assert (list(points.get_xdata()), list(points.get_ydata())) == ([2.0], [0.0])
    assert not drawn(ax, "median m-small")
    assert not drawn(ax, "box m-small")
    assert ax.get_yticklabels()[0].get_text() == "m-small (n = 1)"


def test_few_calls_are_points_with_their_median() -> None:
    ax = latency(called(1, 2, 3, 5).log)

    (line,) = drawn(ax, "median m-small")
    assert list(line.get_xdata()) == [2.5, 2.5]
    assert not drawn(ax, "box m-small")


def test_from_five_calls_on_the_middle_half_is_boxed_and_every_call_still_a_point() -> None:
    ax = latency(called(1, 2, 3, 4, 5).log)

    (box,) = drawn(ax, "box m-small")
    assert (box.get_x(), box.get_width()) == (2, 2)
    assert len(drawn(ax, "points m-small")[0].get_xdata()) == 5


def test_a_wide_range_is_drawn_on_a_logarithmic_axis() -> None:
    assert latency(called(0.1, 20).log).get_xscale() == "log"
    assert latency(called(1, 20).log).get_xscale() == "linear"


def test_failed_calls_are_crosses_and_those_not_over_are_left_out() -> None:
    ax = latency(resumed())

    assert drawn(ax, "failed m-small")[0].get_marker() == "x"
    assert ax.get_xlabel().endswith("left out: 1 not over; crosses: 1 failed")


def test_cached_answers_are_left_out() -> None:
    told = called(1)
    turn = next(event for event in told.log if event.kind == "turn.started")
    told.model(turn, 0.001, cached=True)

    ax = latency(told.log)

    assert "(n = 1)" in ax.get_yticklabels()[0].get_text()
    assert "left out: 1 cached" in ax.get_xlabel()


def test_rows_by_agent_and_by_tool() -> None:
    log = large()

    by_agent = [label.get_text().split(" (")[0] for label in latency(log, by="agent").get_yticklabels()]
    by_tool = [label.get_text().split(" (")[0] for label in latency(log, by="tool").get_yticklabels()]
    assert set(by_agent) == {"chooser", "planner", "coder", "researcher", "editor", "style", "facts"}
    assert set(by_tool) == {"search", "fetch", "read_table"}
    assert latency(small(), by="tool").texts[0].get_text() == "No latencies: no tool was called."
