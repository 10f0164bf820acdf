"""Kernel messages become bundles, bundles become text, and nothing grows without bounds."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from agentnb.code_executors.outputs import (
    BUNDLES,
    IMAGE_BYTES,
    Output,
    OutputFold,
    clean_bundle,
    clip,
    read_output,
    to_text,
)


def stream(text: str, name: str = "stdout") -> Output:
    output = read_output("stream", {"name": name, "text": text})
    assert output is not None
    return output


def display(data: dict[str, Any], display_id: str | None = None, *, update: bool = False) -> Output:
    kind = "update_display_data" if update else "display_data"
    output = read_output(kind, {"data": data, "metadata": {}, "transient": {"display_id": display_id}})
    assert output is not None
    return output


def folded(*outputs: Output, **limits: int) -> list[dict[str, Any]]:
    fold = OutputFold(**limits)
    for output in outputs:
        fold.add(output)
    return fold.bundles()


def test_adjacent_prints_are_one_bundle_and_another_stream_begins_a_new_one() -> None:
    bundles = folded(stream("a"), stream("b\n"), stream("oh\n", "stderr"), stream("c\n"))

    assert bundles == [
        {"text/plain": "ab\n", "stream": "stdout"},
        {"text/plain": "oh\n", "stream": "stderr"},
        {"text/plain": "c\n", "stream": "stdout"},
    ]


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        (["10 %\r", "20 %\r", "100 %\n", "done\n"], "100 %\ndone\n"),
        (["abc\rX"], "Xbc"),
        (["abc\r", "X", "Y"], "XYc"),
        (["windows\r\n", "lines\r\n"], "windows\nlines\n"),
        (["a\b", "b"], "b"),
        (["50 %\r"], "50 %"),
    ],
)
def test_a_progress_bar_is_kept_as_a_terminal_shows_it(pieces: list[str], shown: str) -> None:
    (bundle,) = folded(*map(stream, pieces))

    assert bundle["text/plain"] == shown


def test_thousands_of_steps_of_a_progress_bar_leave_one_line() -> None:
    (bundle,) = folded(*(stream(f"\r{step:>60}") for step in range(30_000)), text_limit=1_000)

    assert bundle["text/plain"] == f"{29_999:>60}"


def test_long_output_keeps_its_beginning_and_its_end_and_says_what_is_missing() -> None:
    bundles = folded(*(stream(f"{line:09d}\n") for line in range(1_000)), text_limit=100)

    assert bundles == [
        {
            "text/plain": "".join(f"{line:09d}\n" for line in range(5))
            + "\n… 9,900 characters left out …\n"
            + "".join(f"{line:09d}\n" for line in range(995, 1_000)),
            "stream": "stdout",
        }
    ]


def test_the_bound_holds_over_all_outputs_of_a_block() -> None:
    bundles = folded(*(display({"text/plain": "v" * 40}) for _ in range(50)), stream("end\n"), text_limit=1_000)

    kept = sum(bundle["text/plain"].count("v") for bundle in bundles)
    assert 900 <= kept <= 1_000
    assert "characters left out" in to_text(bundles)
    assert bundles[-1]["text/plain"].endswith("end\n")


def test_too_many_outputs_are_counted_instead_of_kept_but_errors_stay() -> None:
    error = read_output("error", {"ename": "KeyError", "evalue": "'x'", "traceback": []})
    assert error is not None
    bundles = folded(*(display({"text/plain": str(i)}) for i in range(BUNDLES + 7)), error)

    assert bundles[-2]["error"]["ename"] == "KeyError"
    assert "7 further outputs left out" in bundles[-1]["text/plain"]


def test_what_is_shown_live_is_bounded_too() -> None:
    fold = OutputFold(text_limit=100)
    shown = [output for _ in range(50) if (output := fold.add(stream("0123456789"))) is not None]

    assert len(shown) == 10
    assert "more is shown when the block has ended" in shown[-1].bundle["text/plain"]


def test_clear_output_takes_away_what_was_there() -> None:
    now = read_output("clear_output", {"wait": False})
    later = read_output("clear_output", {"wait": True})
    assert now is not None
    assert later is not None

    assert folded(stream("old"), now) == []
    assert folded(stream("old"), later) == [{"text/plain": "old", "stream": "stdout"}]
    assert folded(stream("old"), later, stream("new")) == [{"text/plain": "new", "stream": "stdout"}]


def test_an_updated_display_is_replaced_where_it_stands() -> None:
    bundles = folded(
        display({"text/plain": "0 of 3"}, "bar"),
        stream("between\n"),
        display({"text/plain": "3 of 3"}, "bar", update=True),
        display({"text/plain": "nobody"}, "unknown", update=True),
    )

    assert [bundle["text/plain"] for bundle in bundles] == ["3 of 3", "between\n"]


def test_updates_free_the_room_of_what_they_replace() -> None:
    updates = [display({"text/plain": str(i) * 60}, "bar", update=True) for i in range(9)]
    bundles = folded(display({"text/plain": "first"}, "bar"), *updates, text_limit=200)

    assert bundles == [{"text/plain": "8" * 60}]


def test_widgets_are_left_out_and_markup_is_left_alone() -> None:
    page = "<b>x</b><script>alert(1)</script>"

    assert clean_bundle({"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}) == {}
    assert clean_bundle({"text/html": page, "text/plain": "x"}) == {"text/html": page, "text/plain": "x"}
    assert clean_bundle({"image/svg+xml": "<svg/>"}) == {"text/plain": "[image/svg+xml, not kept]"}


@pytest.mark.parametrize("mime", ["application/vnd.plotly.v1+json", "application/vnd.vegalite.v5.20.1+json"])
def test_charts_are_kept_with_their_data(mime: str) -> None:
    assert clean_bundle({mime: {"data": [{"name": "\ud83d"}]}}) == {mime: {"data": [{"name": "\ufffd"}]}}


def test_a_huge_picture_becomes_a_note() -> None:
    big = base64.b64encode(b"\0" * (IMAGE_BYTES + 100)).decode()

    assert clean_bundle({"image/png": big}) == {
        "text/plain": "[image/png of 8.0 MB left out; save it to a file instead]"
    }


def test_many_pictures_in_one_block_end_in_notes() -> None:
    picture = {"image/png": "A" * 400, "text/plain": "<Figure>"}
    bundles = folded(*(display(picture) for _ in range(4)), data_limit=1_000)

    assert [("image/png" in bundle) for bundle in bundles] == [True, True, False, False]
    assert "this block has shown too much" in bundles[-1]["text/plain"]


def test_errors_lose_their_colours_and_their_lone_surrogates() -> None:
    output = read_output(
        "error",
        {
            "ename": "ValueError",
            "evalue": "bad \ud83d",
            "traceback": ["\x1b[31mValueError\x1b[0m: \x1b[1;32mbad\x1b[0m"],
        },
    )

    assert output is not None
    assert output.bundle["error"] == {"ename": "ValueError", "evalue": "bad \ufffd", "traceback": "ValueError: bad"}


def test_text_for_agents_names_pictures_and_quotes_the_rest() -> None:
    text = to_text(
        [
            {"text/plain": "printed", "stream": "stdout"},
            {"text/plain": "\x1b[31mred\x1b[0m", "stream": "stderr"},
            {"text/plain": "<Figure size 640x480 with 1 Axes>", "image/png": "AAAA"},
            {"text/plain": "   a\n0  1", "text/html": "<table></table>"},
            {"text/html": "<p>only</p>"},
            {"application/json": {"ä": 1}},
        ]
    )

    assert text == 'printed\nred\n[image/png]\n   a\n0  1\nonly\n{"ä": 1}'


def test_text_for_agents_is_cut_in_its_middle() -> None:
    text = to_text([{"text/plain": "a" * 600 + "b" * 600, "stream": "stdout"}], limit=100)

    assert text == "a" * 50 + "\n… 1,100 characters left out …\n" + "b" * 50
    assert clip("short", 100) == "short"


def test_other_messages_show_nothing() -> None:
    assert read_output("status", {"execution_state": "busy"}) is None
    assert read_output("comm_open", {"comm_id": "1"}) is None


@pytest.mark.parametrize(
    ("shown", "read"),
    [
        ({"text/markdown": "## R\n**b**"}, "## R\n**b**"),
        ({"text/latex": "$x$"}, "$x$"),
        ({"application/json": {"a": [1]}}, '{"a": [1]}'),
        ({"text/html": "<b>1 &lt; 2</b>\n<i>so</i>"}, "1 < 2 so"),
        ({"text/html": "<table><tr><th>a</th>\n<th>b</th></tr><tr><td>1</td><td>2</td></tr></table>"}, "a  b\n1  2"),
        ({"text/html": "<style>p {}</style><div id=v></div><script>draw()</script>"}, "[text/html]"),
    ],
)
@pytest.mark.parametrize("name", ["<IPython.core.display.HTML object>", "<pandas.io.formats.style.Styler at 0x7f3a>"])
def test_what_is_displayed_is_read_and_not_the_name_of_its_class(shown: dict[str, Any], read: str, name: str) -> None:
    """`display(Markdown(...))` told the model that there is a Markdown object."""
    bundle = clean_bundle({"text/plain": name, **shown})

    assert bundle == shown
    assert to_text([bundle]) == read


def test_the_name_of_a_class_stays_where_there_is_nothing_else() -> None:
    name = {"text/plain": "<__main__.Model object at 0x7f3a>"}

    assert clean_bundle(name) == name
    assert clean_bundle({**name, "image/png": "iVBORw0KGgo="}) == {**name, "image/png": "iVBORw0KGgo="}
