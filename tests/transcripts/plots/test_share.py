"""Who had how much of the conversation."""

from __future__ import annotations

from agentnb.transcripts.plots import turn_share
from tests.transcripts.plots.runs import Told, large, resumed, small
from tests.transcripts.plots.sight import drawn, words


def share(ax: object, name: str) -> float:
    (bar,) = drawn(ax, f"bar {name}")  # type: ignore[arg-type]
    return round(float(bar.get_width()), 2)


def test_bars_are_shares_of_all_turns() -> None:
    ax = turn_share(resumed())

    assert [share(ax, name) for name in ("ana", "ben", "cara")] == [50, 25, 25]
    assert "2 (50 %)" in words(ax)
    assert ax.get_xlabel() == "Share of 4 turns (%)"


def test_the_largest_share_is_on_top() -> None:
    ax = turn_share(large())

    assert ax.get_yticklabels()[0].get_text() == "coder"
    assert ax.yaxis_inverted()


def test_seconds_and_tokens_are_shared_too() -> None:
    told = Told()
    run = told.run("ana", "ben")
    for name, seconds, tokens in (("ana", 3, 10), ("ben", 1, 90)):
        turn = told.turn(name, run)
        told.model(turn, seconds, usage=(5, tokens))
        told.done(turn)

    assert share(turn_share(told.log, of="seconds"), "ana") == 75
    assert share(turn_share(told.log, of="tokens"), "ana") == 10


def test_of_several_runs_each_is_marked() -> None:
    ax = turn_share([small(), resumed()])

    (marks,) = drawn(ax, "runs writer")
    assert list(marks.get_xdata()) == [50, 0]
    assert share(ax, "writer") == 25
    assert ax.get_xlabel().endswith("circles: each of 2 runs")
