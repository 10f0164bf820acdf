"""Markdown that is read the same everywhere: fences hold, HTML is text, figures have words."""

from __future__ import annotations

from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from agentnb.runlog import RunLog
from agentnb.transcripts.export import tell
from agentnb.ui import export
from agentnb.ui.documents.markdown import markdown_document
from agentnb.ui.documents.prose import settled
from agentnb.ui.markup import escape_markdown
from tests.ui.documents.runs import Told
from tests.ui.sample import PIXEL, sample_log


def _text(log: RunLog, images: str = "none") -> str:
    return markdown_document(tell(log), images=images, folder="run_files")[0]


def _headings(text: str) -> list[str]:
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return [tokens[n + 1].content for n, token in enumerate(tokens) if token.type == "heading_open"]


@pytest.mark.parametrize(
    "said",
    [
        "```python\nprint(1)",
        "~~~~\nnever closed\n```",
        "- a list\n  ```\n  with a fence",
        "````\n```\ninner\n```\n````",
        "<details>",
        "<!-- never closed",
        "<script>",
        "Setext\n===",
        "# one\n---\nx: y\n---",
        "| a |\n|---|\n| `|` |",
    ],
)
def test_nothing_in_a_message_swallows_what_follows_or_becomes_a_heading_of_the_document(said: str) -> None:
    log = Told("ana", "ben").task("Go.").turn("ana").says(said).turn("ben").says("after").over()

    text = _text(log)

    assert [name for name in _headings(text) if name.startswith("Turn")] == ["Turn 1 · ana", "Turn 2 · ben"]
    shallow = [t for t in MarkdownIt("commonmark").parse(text) if t.type == "heading_open" and t.tag in ("h1", "h2")]
    assert len(shallow) == 4  # title, task, two turns
    assert "<script" not in MarkdownIt("commonmark").render(text)
    assert "<p>after</p>" in MarkdownIt("commonmark").render(text)


def test_code_in_a_message_stays_as_it_is() -> None:
    said = "Use `a<b>c` and\n\n```html\n<b>![x](y)</b>\n```\n\nnot <b> nor ![x](http://x/y.png) but <https://x.org>"

    text = settled(said)

    assert "`a<b>c`" in text
    assert "<b>![x](y)</b>" in text
    assert "not &lt;b> nor &#33;[x](http://x/y.png) but <https://x.org>" in text


def test_figures_lie_beside_the_text_and_a_table_says_what_they_show(tmp_path: Path) -> None:
    path = export(sample_log(), tmp_path / "my run.md")

    text = path.read_text()
    assert "![Figure 1, drawn by code of kernel](<my run_files/figure-1.png>)" in text
    assert (tmp_path / "my run_files" / "figure-1.png").read_bytes()[:4] == b"\x89PNG"
    assert "| 1 | fact " in text.partition("## Figures")[2]


def test_figures_may_stand_in_the_text_or_be_left_out_with_a_note() -> None:
    assert f"](data:image/png;base64,{PIXEL})" in _text(sample_log(), "inline")
    assert "drawn by code of kernel; the picture is left out" in _text(sample_log(), "none")


def test_code_that_a_message_above_shows_is_not_shown_twice() -> None:
    text = _text(sample_log())

    assert text.count("mass.plot.bar()") == 1
    assert "**kernel** runs the code above" in text


def test_a_failure_folds_its_traceback_and_says_what_went_wrong() -> None:
    text = _text(sample_log())

    assert "**NameError&#58; name 'x' is not defined**" in text or "**NameError: name 'x' is not defined**" in text
    assert "<summary><strong>kernel</strong> output</summary>" in text


def test_names_and_labels_cannot_be_markup() -> None:
    log = Told("a*b*<i>|", runner="x|y").task("# no heading\n- no list").turn("a*b*<i>|").says("hi").over()

    rendered = MarkdownIt("commonmark").enable("table").render(_text(log))

    assert "<em>b</em>" not in rendered
    assert "<i>" not in rendered
    assert "<td>x|y (RoundRobinGroupChat)</td>" in rendered
    assert "no heading</h1>" not in rendered.partition("Task</h2>")[2]


@pytest.mark.parametrize(
    ("said", "written"),
    [
        (r"so \(a_1*b*\) and \[c\].", "so $a_1*b*$ and $$c$$."),
        ("It is:\n\\[\n  a\\,b\n\\]\nyes", "It is:\n$$\n  a\\,b\n$$\nyes"),
        ("> \\[\n> a\n> \\]", "> $$\n> a\n> $$"),
        (r"$x$ costs $5", "$x$ costs &#36;5"),
        (r"$5 and \$10, `$x$`", "<span>&#36;</span>5 and <span>&#36;</span>10, `$x$`"),
        ("```\necho $a $b\n```", "```\necho $a $b\n```"),
        (r"$\href{javascript:x}{y}$", r"<span>&#36;</span>&#92;href{javascript:x}{y}<span>&#36;</span>"),
        (
            "$$\n\\def\\x{}\n$$",
            r"<span>&#36;</span><span>&#36;</span>" + "\n&#92;def\\x{}\n" + "<span>&#36;</span>" * 2,
        ),
        ("$a<b ![c](https://x)$", "$a< b ! [c](https://x)$"),
        ("$$\n<script>\n$$", "$$\n< script>\n$$"),
    ],
)
def test_formulas_stand_between_dollars_and_no_other_dollars_make_one(said: str, written: str) -> None:
    assert settled(said) == written


def test_two_dollars_of_a_title_are_no_formula() -> None:
    assert escape_markdown("$5 or $6") == "<span>&#36;</span>5 or <span>&#36;</span>6"
    assert escape_markdown("$5") == "&#36;5"
