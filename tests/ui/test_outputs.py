"""Mime bundles as parts."""

from __future__ import annotations

from agentnb.ui.outputs import TEXT_CHARACTERS, clip, error_line, parts_of
from tests.ui.sample import PIXEL, TABLE, TRACE


def test_a_table_is_preferred_to_its_text_and_a_figure_to_its_name() -> None:
    parts = parts_of([{"text/html": TABLE, "text/plain": "x"}, {"image/png": f"{PIXEL}\n", "text/plain": "<Figure>"}])

    assert [part["mime"] for part in parts] == ["text/html", "image/png"]
    assert parts[1]["data"] == PIXEL


def test_what_only_a_script_would_draw_is_shown_as_text() -> None:
    chart = {"text/html": "<div id=v></div><script>draw()</script>", "text/plain": "alt.Chart(...)"}

    assert parts_of([chart]) == [{"mime": "text/plain", "data": "alt.Chart(...)"}]
    assert parts_of([{"application/vnd.plotly.v1+json": {"data": []}}])[0]["data"] == (
        "[output of type application/vnd.plotly.v1+json, not shown]"
    )


def test_text_that_follows_text_is_joined_and_cleaned() -> None:
    parts = parts_of([{"text/plain": "\x1b[31ma\x1b[0m\n"}, {"text/plain": ["b", "c"]}, {"text/plain": "\n"}, {}])

    assert parts == [{"mime": "text/plain", "data": "a\nbc"}]


def test_pieces_of_one_stream_are_put_together_as_written() -> None:
    pieces = [("a", "stdout"), ("b", "stdout"), ("c", "stderr")]

    parts = parts_of({"text/plain": text, "stream": name} for text, name in pieces)
    assert parts == [{"mime": "text/plain", "data": "ab\nc"}]


def test_an_error_is_its_traceback_without_colours() -> None:
    error = {"ename": "E", "evalue": "v", "traceback": ["\x1b[31mline\x1b[0m", "E: v"]}
    text = {**error, "traceback": "line\nE: v"}

    for bundle in (error, {"application/vnd.jupyter.error": error}, {"error": text, "text/plain": "line\nE: v"}):
        assert parts_of([bundle]) == [{"mime": "text/plain", "data": "line\nE: v"}]


def test_the_line_that_names_an_error_is_found() -> None:
    assert error_line(TRACE) == "NameError: name 'x' is not defined"
    assert error_line("all well") == ""


def test_a_damaged_or_huge_image_is_named() -> None:
    assert parts_of([{"image/png": '"><script>'}])[0]["data"] == "[figure whose data is damaged]"
    assert parts_of([{"image/png": "A" * 13_000_000}])[0]["data"] == "[figure of 9.8 MB, not shown]"


def test_very_long_text_is_cut_in_its_middle() -> None:
    (part,) = parts_of([{"text/plain": "a" * TEXT_CHARACTERS + "z" * 1000}])

    assert len(part["data"]) < TEXT_CHARACTERS + 100
    assert part["data"].endswith("z")
    assert clip("abcdef", 4) == "ab\n… 2 characters left out …\nef"


def test_what_is_displayed_is_shown_and_not_the_name_of_its_class() -> None:
    name = {"text/plain": "<IPython.core.display.Markdown object>"}
    shown = [{**name, "text/markdown": "**b** <b>c</b>"}, {**name, "text/latex": "$x$"}, name]

    parts = parts_of(shown)

    assert parts[0] == {"mime": "text/html", "data": "<p><strong>b</strong> &lt;b&gt;c&lt;/b&gt;</p>"}
    assert parts[1] == {"mime": "text/plain", "data": f"$x$\n{name['text/plain']}"}
