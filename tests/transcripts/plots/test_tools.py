"""How often tools succeed."""

from __future__ import annotations

import pytest

from agentnb.runlog import ToolStarted
from agentnb.transcripts.plots import tool_success, wilson
from tests.transcripts.plots.runs import Told
from tests.transcripts.plots.sight import drawn, words


@pytest.mark.parametrize(
    ("good", "count", "low", "high"), [(8, 10, 0.490, 0.943), (0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0), (0, 0, 0, 1)]
)
def test_intervals_are_those_of_wilson(good: int, count: int, low: float, high: float) -> None:
    found = wilson(good, count)

    assert (round(found.low, 3), round(found.high, 3)) == (low, high)


def test_a_bar_is_the_share_that_succeeded_with_its_interval_and_counts() -> None:
    told = Told()
    turn = told.turn("ana", told.run("ana"))
    for number in range(10):
        told.tool(turn, 0.1, fails=number < 2)

    ax = tool_success(told.log)

    (ok,), (error,), (interval,) = (drawn(ax, f"{part} search") for part in ("ok", "error", "95"))
    assert (ok.get_width(), error.get_x(), error.get_width()) == (80, 80, 20)
    assert [round(float(x), 1) for x in interval.get_xdata()] == [49.0, 94.3]
    assert error.get_hatch()
    assert "8 ok, 2 failed" in words(ax)


def test_calls_that_go_on_are_left_out_and_said() -> None:
    told = Told()
    turn = told.turn("ana", told.run("ana"))
    told.tool(turn, 1)
    told.add(ToolStarted(tool="search"), source="ana", parent=turn.id)

    ax = tool_success(told.log)

    assert "1 ok" in words(ax)
    assert "left out: 1 not over" in ax.get_xlabel()
