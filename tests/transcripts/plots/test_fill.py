"""How full the models' windows are."""

from __future__ import annotations

import math
from typing import Any

import pytest

from agentnb.exceptions import UserError
from agentnb.transcripts.plots import context_fill
from tests.transcripts.plots.runs import small
from tests.transcripts.plots.sight import drawn, words


def test_a_point_is_what_one_call_was_shown() -> None:
    ax = context_fill(small())

    (line,) = drawn(ax, "line writer")
    assert [round(float(x), 2) for x in line.get_xdata()] == [0.1, 3.6]
    assert list(line.get_ydata()) == [80, 240]
    assert "windows unknown: give window=" in ax.get_xlabel()


def test_a_window_that_is_nearly_full_is_drawn() -> None:
    ax = context_fill(small(), window=400)

    (line,) = drawn(ax, "window")
    assert list(line.get_ydata()) == [400, 400]
    assert "window of m-small: 400" in words(ax)
    assert "m-small: at most 80 % of 400" in ax.get_xlabel()


def test_a_window_that_is_hardly_filled_is_only_told() -> None:
    ax = context_fill(small(), window={"m-small": 128_000})

    assert not drawn(ax, "window")
    assert ax.get_ylim()[1] < 500
    assert "m-small: at most 0.25 % of 128,000" in ax.get_xlabel()


def test_a_model_whose_window_was_not_given_is_named() -> None:
    ax = context_fill(small(), window={"other": 100})

    assert "window of m-small unknown" in ax.get_xlabel()


def test_lines_do_not_lead_from_one_run_to_another() -> None:
    (line,) = drawn(context_fill([small(), small()]), "line writer")

    assert [float(y) for y in line.get_ydata() if y == y] == [80, 240, 80, 240]
    assert math.isnan(line.get_ydata()[2])


@pytest.mark.parametrize("window", [0, -5, "many", True, {"m": 1.5}])
def test_a_window_that_is_none_is_named(window: Any) -> None:
    with pytest.raises(UserError, match=r"The window of .* give a number of tokens"):
        context_fill(small(), window=window)
