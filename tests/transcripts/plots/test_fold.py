"""The most important by name, the rest together."""

from __future__ import annotations

from typing import Any

import pytest
from matplotlib.figure import Figure

from agentnb.exceptions import UserError
from agentnb.transcripts.plots import PLOTS, draw, looks, timeline, tokens, transitions, turn_share
from agentnb.transcripts.plots.fold import fold
from tests.transcripts.plots.runs import crowd, plain, small
from tests.transcripts.plots.sight import bars, drawn, words

CROWD = crowd(plain(40), 200)


def test_the_heaviest_are_shown_in_the_order_they_came() -> None:
    found = fold({"a": 1, "b": 9, "c": 2, "d": 8}, 3, ax=None, top=None)

    assert found.shown == ("b", "d", "2 others")
    assert [found.name(name) for name in "abcd"] == ["2 others", "b", "2 others", "d"]
    assert found.remark == "2 of 4 agents are put together as others"


def test_those_who_have_room_are_all_shown() -> None:
    found = fold({"a": 1, "b": 9}, 2, ax=None, top=None)

    assert (found.shown, found.remark) == (("a", "b"), None)


def test_nobody_is_put_together_alone() -> None:
    assert fold({"a": 1, "b": 2, "c": 3}, 9, ax=None, top=2).shown == ("a", "b", "c")


def test_given_axes_hold_as_many_as_their_height() -> None:
    ax = Figure(figsize=(4, 1)).subplots()

    assert len(fold({str(n): n for n in range(40)}, 30, ax=ax, top=None).shown) < 8


@pytest.mark.parametrize("kind", [kind for kind in PLOTS if kind != "tool_success"])
def test_top_says_how_many_are_shown_by_name(kind: str) -> None:
    options: dict[str, Any] = {"by": "agent"} if kind in ("latency", "cost") else {}
    run = {f"run {n}": small() for n in range(5)} if kind == "overlay" else CROWD

    ax = draw(run, kind, top=3, **options)

    others = 2 if kind == "overlay" else 37
    assert any(f"{others} o" in text for text in words(ax))
    assert any(f"{others} of {others + 3} " in text or f"{others} others of" in text for text in words(ax))


@pytest.mark.parametrize("kind", PLOTS)
@pytest.mark.parametrize("top", [0, -1, True, 2.5])
def test_a_top_that_is_none_is_named(kind: str, top: Any) -> None:
    with pytest.raises(UserError, match=r"top is .*; give how many .*, as in top=20"):
        draw(CROWD, kind, top=top)


def test_colours_are_the_same_whoever_is_put_together() -> None:
    (few,), (many,) = (drawn(tokens(CROWD, top=top), "line agent_17") for top in (3, 40))

    assert few.get_color() == many.get_color() == looks(plain(40))["agent_17"].color


def test_lines_of_all_add_up_to_the_total() -> None:
    ax = tokens(CROWD)

    (whole,) = drawn(ax, "line total")
    parts = [line for label in (*plain(40), "31 others") for line in drawn(ax, f"line {label}")]
    assert len(parts) == 10
    assert sum(line.get_ydata()[-1] for line in parts) == whole.get_ydata()[-1]


def test_shares_of_all_add_up_to_a_hundred() -> None:
    ax = turn_share(CROWD)

    widths = [bar.get_width() for label in (*plain(40), "21 others") for bar in drawn(ax, f"bar {label}")]
    assert (len(widths), round(sum(widths), 6)) == (20, 100)


def test_transitions_of_all_are_counted() -> None:
    (image,) = transitions(CROWD).images

    cells = image.get_array()
    assert cells is not None
    assert (cells.shape, int(cells.sum())) == ((24, 24), 199)
    assert image.norm.vmax == cells[:-1, :-1].max() < cells[-1, -1]


def test_the_lane_of_the_others_shows_when_any_of_them_was_at_work() -> None:
    ax = timeline(CROWD, top=1)

    name, others = (label.get_text() for label in ax.get_yticklabels())
    (own,), (other,) = drawn(ax, f"turn {name}"), drawn(ax, "turn others")
    assert others == "39 others"
    assert len(own.get_paths()) == len(drawn(timeline(CROWD, top=40), f"turn {name}")[0].get_paths())
    # One after the other, they fill the whole run.
    at_work = sum(end - start for gid in (f"turn {name}", "turn others") for start, end in bars(ax, gid))
    assert abs(at_work - ax.get_xlim()[1]) < 0.2
    assert len(other.get_paths()) <= len(own.get_paths()) + 1
