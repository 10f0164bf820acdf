"""Several runs in one figure."""

from __future__ import annotations

import pytest

from agentnb.exceptions import UserError
from agentnb.transcripts.plots import looks, overlay
from tests.transcripts.plots.runs import large, resumed, small
from tests.transcripts.plots.sight import bars, drawn, words


def test_every_run_begins_at_zero() -> None:
    ax = overlay([small(), resumed()])

    for name, total in (("run 1", 960), ("run 2", 360)):
        (line,) = drawn(ax, f"line {name}")
        assert (line.get_xdata()[0], line.get_ydata()[-1]) == (0, total)
    assert {"run 1 960", "run 2 360"} <= set(words(ax))


def test_a_mapping_gives_the_runs_names_and_they_differ_by_more_than_colour() -> None:
    ax = overlay({"before": small(), "after": small()}, what="turns")

    (before,), (after,) = drawn(ax, "line before"), drawn(ax, "line after")
    assert before.get_linestyle() != after.get_linestyle()
    assert {"before 4", "after 4"} <= set(words(ax))


def test_timelines_lie_below_each_other_in_the_agents_colours() -> None:
    ax = overlay({"a": small(), "b": small()}, what="timeline")

    assert bars(ax, "a writer") == bars(ax, "b writer") == [(0.0, 1.6), (3.5, 5.7)]
    red, green, blue = (round(part * 255) for part in drawn(ax, "a writer")[0].get_facecolor()[0][:3])
    assert f"#{red:02X}{green:02X}{blue:02X}" == looks(["writer", "critic"])["writer"].color
    assert "writer" in [text.get_text() for text in drawn(ax, "turn name")]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]


def test_bars_that_are_too_short_for_a_name_have_what_tells_it_apart() -> None:
    ax = overlay([large()], what="timeline")

    written = {text.get_text() for text in drawn(ax, "turn name")}
    assert "c" in written
    assert not {"r", "re"} & written


def test_runs_without_known_prices_are_named() -> None:
    ax = overlay({"small": small(), "large": large()}, what="cost", prices={"m-large": (1, 1)})

    assert "nothing known of small" in ax.get_xlabel()
    assert "prices unknown for some calls of large" in ax.get_xlabel()


def test_no_run_at_all_is_an_error() -> None:
    with pytest.raises(UserError, match="There is no run to draw"):
        overlay([])
