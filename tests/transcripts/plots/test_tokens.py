"""Tokens over time."""

from __future__ import annotations

from agentnb.transcripts.plots import tokens
from tests.transcripts.plots.runs import Told, large, resumed, small
from tests.transcripts.plots.sight import drawn, words


def test_lines_rise_when_a_call_is_over() -> None:
    ax = tokens(small())

    (writer,) = drawn(ax, "line writer")
    assert [round(float(x), 3) for x in writer.get_xdata()] == [0.0, 1.6, 5.7, 8.2]
    assert list(writer.get_ydata()) == [0, 120, 400, 400]
    assert writer.get_drawstyle() == "steps-post"


def test_the_sum_of_all_is_drawn_beside_its_parts() -> None:
    ax = tokens(small())

    (whole,) = drawn(ax, "line total")
    assert whole.get_ydata()[-1] == 960
    assert {"writer 400", "critic 560", "all 960"} <= set(words(ax))


def test_tokens_read_and_written_are_told_apart() -> None:
    read, wrote = (tokens(small(), count=count) for count in ("prompt", "completion"))

    assert "writer 320" in words(read)
    assert "writer 80" in words(wrote)


def test_lines_by_model() -> None:
    ax = tokens(large(), by="model")

    assert drawn(ax, "line m-large")
    assert drawn(ax, "line m-mini")
    assert not drawn(ax, "line coder")


def test_calls_without_tokens_are_counted_and_never_estimated() -> None:
    ax = tokens(resumed())

    assert "1 of 4 model calls reported no tokens" in ax.get_xlabel()


def test_a_run_whose_models_report_nothing_says_so() -> None:
    told = Told()
    told.model(told.turn("ana", told.run("ana")), 1, usage=None)

    assert words(tokens(told.log)) == ["No tokens: 1 of 1 model call reported no tokens."]


def test_a_colour_is_the_same_in_every_figure_of_a_run() -> None:
    log = large()
    by_tokens, written = tokens(log), tokens(log, count="completion")

    for agent in ("coder", "style"):
        assert drawn(by_tokens, f"line {agent}")[0].get_color() == drawn(written, f"line {agent}")[0].get_color()
