"""Text of models and code outputs, made safe to show: nothing of it can run, load or leave its place.

A cell that has just run is shown without any sanitising by the notebook, so what leaves this file must be harmless by
itself.
"""

from __future__ import annotations

import html
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from agentnb.core import well_formed
from agentnb.core.text import code_in_order
from agentnb.ui.formulas import FORMULA_CLASS, formulas

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

# OSC (titles, links, inline images) up to BEL or ST, then CSI, then the short two-byte escapes (ECMA-48).
_ANSI = re.compile(r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-~]?")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_MAYBE_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_LINK = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
_RASTER = re.compile(r"data:image/(?:png|jpeg);base64,[A-Za-z0-9+/=\s]+", re.IGNORECASE)
_ALIGN = re.compile(r"\s*text-align:\s*(?:left|right|center)\s*;?\s*")
_EMPTY_IMAGE = re.compile(r"<img(?![^>]* src=)[^>]*>")
_SIZE = re.compile(r"\d{1,4}")
_ALIGNED = {f"text-align:{side}" for side in ("left", "center", "right", "start")}

CODE_STYLE = (
    "margin:4px 0; padding:6px 10px; border-radius:4px; background-color:rgba(128,128,128,0.12); "
    "font-family:monospace; font-size:0.92em; line-height:1.4; white-space:pre-wrap; overflow-wrap:anywhere"
)
_CELL_STYLE = "padding:2px 10px; border-bottom:1px solid rgba(128,128,128,0.35)"
_TABLE_LOOK = {
    "table": {"style": "border-collapse:collapse; margin:4px 0; font-size:1em"},
    "th": {"style": f"{_CELL_STYLE}; text-align:right; font-weight:600"},
    "td": {"style": f"{_CELL_STYLE}; text-align:right"},
}
_LOOKS = {look["style"] for look in _TABLE_LOOK.values()}
_OUR_STYLES = {
    CODE_STYLE,
    _CELL_STYLE,
    *(f"{_CELL_STYLE}; {aligned}" for aligned in _ALIGNED),
    "border-collapse:collapse; margin:6px 0; font-size:0.95em",
    "margin:4px 0",
    "margin:4px 0; padding:0 24px",
    "margin:4px 0; overflow-x:auto",
    "margin:8px 0 4px 0; font-size:1.05em; font-weight:600",
    "margin:4px 0; padding-left:10px; border-left:3px solid rgba(128,128,128,0.4)",
}
_STYLES = {
    "p": "margin:4px 0",
    "ul": "margin:4px 0; padding:0 24px",
    "ol": "margin:4px 0; padding:0 24px",
    "table": "border-collapse:collapse; margin:6px 0; font-size:0.95em",
    "blockquote": "margin:4px 0; padding-left:10px; border-left:3px solid rgba(128,128,128,0.4)",
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), "margin:8px 0 4px 0; font-size:1.05em; font-weight:600"),
}

_TABLE_TAGS = {"table", "caption", "colgroup", "col", "thead", "tbody", "tfoot", "tr", "th", "td"}
_TEXT_TAGS = {"div", "span", "p", "pre", "code", "b", "i", "em", "strong", "ul", "ol", "li", "br", "hr"}
_HEADINGS = {f"h{level}" for level in range(1, 7)}
_WIDE = '<div style="margin:4px 0; overflow-x:auto">'
_OUTPUT_TAGS = {*_TABLE_TAGS, *_TEXT_TAGS, *_HEADINGS, "img", "sub", "sup", "small"}
_MARKDOWN_TAGS = {*_TABLE_TAGS, *_TEXT_TAGS, *_HEADINGS, "a", "blockquote", "s"}
# Arabic and Hebrew are read from the right: each block by its own first letter.
_DIRECTED = ("p", "ul", "ol", "li", "blockquote", "th", "td", *_HEADINGS)
# Their text is a program, a style or a form's, never something to read.
_UNREADABLE = {"script", "style", "svg", "math", "iframe", "object", "embed", "template", "noscript", "title"}
_SPANS = {"colspan", "rowspan", "align", "style"}
_OUTPUT_ATTRIBUTES = {
    "img": {"src", "alt", "width", "height"},
    "th": {*_SPANS, "scope"},
    "td": _SPANS,
    "tr": {"align", "style"},
    "ol": {"start"},
}


def plain_text(text: str) -> str:
    """Return text as a terminal would leave it on paper: no escape sequences, no control characters.

    A line that was overwritten with carriage returns, as progress bars do, keeps what was written last. Lone
    surrogates become U+FFFD.
    """
    if _MAYBE_CONTROL.search(text) is None:
        return text
    text = _ANSI.sub("", well_formed(text)).replace("\r\n", "\n")
    if "\r" in text:
        text = "\n".join(_overwritten(line) for line in text.split("\n"))
    return _CONTROL.sub("", text)


def code_text(code: str) -> str:
    """Return code as it is run: a carriage return ends a line, and what would show it in another order is named."""
    return plain_text(code_in_order(code))


def _overwritten(line: str) -> str:
    pieces = [piece for piece in line.split("\r") if piece]
    return pieces[-1] if pieces else ""


def escape_html(text: str) -> str:
    """Return text for use between tags or in a quoted attribute."""
    return html.escape(plain_text(text))


def markdown_html(text: str) -> str:
    """Return a model's Markdown as HTML.

    Raw HTML in it stays text, images shrink to their alternative text, and links lead to http, https and mailto only.
    """
    import nh3

    rendered = _markdown().render(plain_text(text))
    attributes: dict[str, set[str]] = {tag: {"style"} for tag in (*_STYLES, "th", "td", "pre")}
    for tag in _DIRECTED:
        attributes.setdefault(tag, set()).add("dir")
    attributes["ol"].add("start")
    return nh3.clean(
        rendered,
        tags=_MARKDOWN_TAGS,
        attributes={**attributes, "a": {"href"}, "div": {"style", "class"}, "span": {"class"}},
        attribute_filter=_keep_of_markdown,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer",
    )


def _keep_of_markdown(tag: str, attribute: str, value: str) -> str | None:
    if attribute == "style":
        return value if value in _OUR_STYLES else None
    if attribute == "href":
        return value if _LINK.match(value) else None
    if attribute == "class":
        return value if value == FORMULA_CLASS else None
    return value


@cache
def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt
    from markdown_it.common.utils import escapeHtml

    markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
    # Set beside the instance's class on purpose: the parser asks the instance before it makes a link.
    markdown.validateLink = lambda url: _LINK.match(url) is not None  # type: ignore[method-assign]

    def image(tokens: Any, index: int, options: Any, env: Any) -> str:
        return escapeHtml(markdown.renderer.renderInlineAsText(tokens[index].children or [], options, env))  # type: ignore[attr-defined]

    def opening(tokens: Any, index: int, options: Any, env: Any) -> str:
        token = tokens[index]
        style = _CELL_STYLE if token.tag in ("th", "td") else _STYLES.get(token.tag)
        aligned = token.attrGet("style")
        if style is not None:
            if token.tag in ("th", "td") and aligned not in _ALIGNED:
                aligned = "text-align:start"  # a notebook's own style puts cells to the right
            token.attrSet("style", f"{style}; {aligned}" if aligned in _ALIGNED else style)
        if token.tag in _DIRECTED:
            token.attrSet("dir", "auto")
        drawn: str = markdown.renderer.renderToken(tokens, index, options, env)  # type: ignore[attr-defined]
        return _WIDE + drawn if token.tag == "table" else drawn

    def block(tokens: Any, index: int, options: Any, env: Any) -> str:
        return f'<pre style="{CODE_STYLE}">{escapeHtml(tokens[index].content)}</pre>\n'

    rules = markdown.renderer.rules  # type: ignore[attr-defined]
    rules["image"] = image
    blocks = ("paragraph", "bullet_list", "ordered_list", "list_item", "table", "blockquote", "heading", "th", "td")
    for name in blocks:
        rules[f"{name}_open"] = opening
    rules["table_close"] = lambda tokens, index, options, env: "</table></div>\n"
    formulas(markdown)
    rules["fence"] = rules["code_block"] = block
    return markdown


def clean_html(markup: str, *, styled: bool = False) -> str:
    """Return the HTML output of executed code, such as a data frame's, with nothing left but a table's means.

    Images stay only if they carry their own PNG or JPEG data. Styles, classes, links, scripts and whatever loads or
    covers something are dropped; text is kept.

    Args:
        markup: What the code showed.
        styled: Give tables a plain look of their own, for a page without a style sheet.
    """
    import nh3

    cleaned = nh3.clean(
        plain_text(markup.replace("\r", "\n")),
        tags=_OUTPUT_TAGS,
        clean_content_tags=_UNREADABLE,
        attributes=_OUTPUT_ATTRIBUTES,
        attribute_filter=_keep_of_output,
        set_tag_attribute_values=_TABLE_LOOK if styled else {},
        url_schemes={"data"},
        link_rel=None,
    )
    return _EMPTY_IMAGE.sub("", cleaned).strip()


def _keep_of_output(tag: str, attribute: str, value: str) -> str | None:
    match attribute:
        case "src":
            return value if _RASTER.fullmatch(value) else None
        case "style":
            return value if _ALIGN.fullmatch(value) or value in _LOOKS else None
        case "width" | "height" | "colspan" | "rowspan" | "start":
            return value if _SIZE.fullmatch(value) else None
    return value


def has_content(cleaned: str) -> bool:
    """Tell whether cleaned HTML shows anything."""
    return "<img src=" in cleaned or "<hr" in cleaned or bool(re.sub(r"<[^>]*>|&nbsp;|\s", "", cleaned))


DOLLAR = "<span>&#36;</span>"
"""A dollar, in Markdown, that begins and ends no formula."""
# A reader may take these for structure anywhere, those of the second expression only where a line begins.
_MARKDOWN_SPECIAL = re.compile(r"[\\`*_{}\[\]<>#!|~$&@]")
_LINE_START = re.compile(r"(?m)^[ \t]*[-+=:]|^[ \t]+|(?<=\d)[.)](?=\s|$)")


def escape_markdown(text: str) -> str:
    """Return text as Markdown that shows exactly this text, on one line or several.

    Everything that could begin markup, a link, a formula or raw HTML is written as a numeric character reference,
    which no reader of Markdown takes for structure; dollars that could be a pair stand in elements of their own.
    """
    text = _MARKDOWN_SPECIAL.sub(_reference, plain_text(text))
    return lone_dollars(_LINE_START.sub(_reference, text))


def lone_dollars(markdown: str) -> str:
    """Keep dollars that are written as references from being taken for a formula.

    A notebook typesets what stands between two of them in what the Markdown has become, but not beyond an element.
    """
    return markdown.replace("&#36;", DOLLAR) if markdown.count("&#36;") > 1 else markdown


def _reference(match: re.Match[str]) -> str:
    return "".join(f"&#{ord(character)};" for character in match[0])


def fenced(text: str, language: str = "") -> str:
    """Return text as a fenced block of Markdown that it cannot break out of."""
    text = plain_text(text)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    tag = language if re.fullmatch(r"[A-Za-z0-9_+#.-]{1,20}", language) else ""
    return f"{fence}{tag}\n{text}\n{fence}"
