"""A transcript as static HTML that needs nothing: inline styles with plain colours, `<details>` for what is folded.

It holds no script, style sheet, svg, variable, position or remote address, so a notebook shows it the same before and
after it sanitises the output, on light ground and on dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agentnb.ui.formulas import PLAIN_CLASS
from agentnb.ui.markup import CODE_STYLE, clean_html, escape_html, markdown_html
from agentnb.ui.ops import Item, Status
from agentnb.ui.outputs import Part, clip

ITEMS = 400
"""A longer transcript shows its beginning and its end."""
UNFOLDED = 60
"""Of a longer one the items between the first and the last third of so many are folded."""
TEXT = 20_000
"""Characters of one text that are shown."""
IMAGES = 8_000_000
"""Base64 characters of all figures together that are shown."""

_GREY = "color:#808080"
_LINE = "1px solid rgba(128,128,128,0.35)"
# The live view's colours, of a lightness that reads on white ground and on black: about 4:1 on either.
_HUES = ("#2f7fd0", "#c4601f", "#258a61", "#b8689a", "#2f8fb8", "#a67a12", "#a8507a", "#80801f")
_STATES = {"done": "#2e8b57", "failed": "#d0433f", "stopped": "#b8651b"}
_PRE = f'<pre style="{CODE_STYLE}">'
_OUTPUT = CODE_STYLE.replace("background-color:rgba(128,128,128,0.12)", "border-left:3px solid rgba(128,128,128,0.35)")
_IMAGE_STYLE = "max-width:100%; margin:4px 0; border-radius:4px; background-color:#ffffff"


def page(items: Sequence[Item], status: Status, *, ways: str = "") -> str:
    """Return a whole transcript.

    Args:
        items: As `ItemFold.items`.
        status: As `ItemFold.status`.
        ways: How to see what a long transcript leaves out, as plain text.
    """
    hues: dict[str, str] = {}
    budget = _Budget()
    rows = [row(item, hues, budget) for item in shortened(items, ways)]
    reason = status.get("reason")
    if status["state"] == "failed" and any(item["kind"] == "error" for item in items):
        reason = None  # said already
    foot = (
        f'<div style="margin-top:8px; font-size:0.9em; {_GREY}">{escape_html(clip(reason, 2000))}</div>'
        if reason
        else ""
    )
    body = "".join(_folded(rows)) or f'<div style="{_GREY}">no messages</div>'
    return (
        f'<div class="{PLAIN_CLASS}" style="border:{_LINE}; border-radius:6px; padding:8px 14px; margin:2px; '
        f'max-width:960px; line-height:1.5; overflow-wrap:break-word; text-align:start">'
        f"{header(status)}{body}{foot}</div>"
    )


def _folded(rows: Sequence[str]) -> Sequence[str]:
    if len(rows) <= UNFOLDED:
        return rows
    ends = UNFOLDED // 3
    between = rows[ends:-ends]
    summary = f'<summary style="cursor:pointer; {_GREY}">{len(between):,} more in between</summary>'
    return [*rows[:ends], f'<details style="margin:10px 0">{summary}', *between, "</details>", *rows[-ends:]]


def header(status: Status) -> str:
    """Return the line that says who worked, how it ended and what it took."""
    state = status["state"]
    word = {"done": "Done", "failed": "Failed", "stopped": "Stopped"}.get(state, "Not finished")
    who = [
        f'<span style="color:{_STATES.get(state, "#808080")}; font-weight:600">● {word}</span>',
        f'<span style="font-weight:600">{escape_html(status["team"])}</span>' if status.get("team") else "",
        f'<span style="{_GREY}">{escape_html(status["model"])}</span>' if status.get("model") else "",
        f'<span style="{_GREY}">{" · ".join(measures(status))}</span>',
    ]
    return (
        f'<div style="border-bottom:{_LINE}; padding-bottom:6px; margin-bottom:8px; font-size:0.93em">'
        f"{' &nbsp; '.join(filter(None, who))}</div>"
    )


def measures(status: Status) -> list[str]:
    """Return turns, tokens and seconds as texts, leaving out what is not known."""
    turns, tokens = status.get("turns") or 0, status.get("tokens")
    return [
        *([f"{turns:,} turn{'s' if turns != 1 else ''}"] if turns else []),
        *([f"{tokens:,} tokens"] if tokens else []),
        f"{status.get('seconds', 0.0):.1f} s",
    ]


def shortened(items: Sequence[Item], ways: str = "") -> Iterable[Item]:
    """Return the items, of a long transcript those at its beginning and end with a note between."""
    if len(items) <= ITEMS:
        return items
    half = ITEMS // 2
    text = f"{len(items) - 2 * half:,} items are not shown here." + (f" {ways}" if ways else "")
    note: Item = {"id": "left-out", "kind": "note", "text": text}
    return [*items[:half], note, *items[-half:]]


class _Budget:
    """Characters of figures that may still be shown."""

    def __init__(self) -> None:
        self.left = IMAGES

    def take(self, size: int) -> bool:
        if size > self.left:
            return False
        self.left -= size
        return True


def row(item: Item, hues: dict[str, str], budget: _Budget | None = None) -> str:
    """Return one item; `hues` remembers which source has which colour."""
    kind = item["kind"]
    if kind == "note":
        who = f"{escape_html(item['source'])}: " if item.get("source") else ""
        return f'<div style="margin:4px 0; font-size:0.88em; {_GREY}">{who}{_lines(item.get("text", ""))}</div>'
    source = item.get("source", "")
    hue = "#d0433f" if kind == "error" else hue_of(source, hues) if source else "#808080"
    head = _head(item, hue)
    inside = _text(item) + "".join(_part(part, budget or _Budget()) for part in item.get("parts", ()))
    if item.get("open", True):
        edge = hue if kind in ("message", "task", "error") else "rgba(128,128,128,0.35)"
        weight = "margin:10px 0 4px 0" if kind in ("message", "task", "error") else "margin:2px 0 4px 0"
        return f'<div style="{weight}; padding-left:10px; border-left:3px solid {edge}">{head}{inside}</div>'
    return (
        f'<details style="margin:2px 0; padding-left:10px; border-left:3px solid rgba(128,128,128,0.35)">'
        f'<summary style="cursor:pointer; font-size:0.93em">{head or kind}</summary>{inside}</details>'
    )


def hue_of(name: str, hues: dict[str, str]) -> str:
    """Give a name the colour that the live view gives it (widgets/src/shared/hues.ts)."""
    if name not in hues:
        value = 0x811C9DC5  # FNV-1a
        for character in name:
            value = ((value ^ ord(character)) * 0x01000193) & 0xFFFFFFFF
        place = (value ^ (value >> 15)) % len(_HUES)
        while _HUES[place] in hues.values() and len(hues) < len(_HUES):
            place = (place + 1) % len(_HUES)
        hues[name] = _HUES[place]
    return hues[name]


def _head(item: Item, hue: str) -> str:
    source, label, kind = item.get("source", ""), item.get("label", ""), item["kind"]
    if kind == "code" and not label:
        label = f"runs {item.get('language') or 'code'}"
    pieces = [
        f'<span style="font-weight:600; color:{hue}">{escape_html(source)}</span>' if source else "",
        f'<span style="font-size:0.86em; {_GREY}">{escape_html(clip(label, 400))}</span>' if label else "",
    ]
    head = " &nbsp;".join(filter(None, pieces))
    return f"<div>{head}</div>" if head and item.get("open", True) else head


def _text(item: Item) -> str:
    text = item.get("text", "")
    if not text:
        return ""
    left_out = f" (the whole has {len(text):,} characters)" if len(text) > TEXT else ""
    shown = clip(text, TEXT)
    style = item.get("format", "plain")
    if left_out:
        style = "plain" if style == "markdown" else style  # cut Markdown may have lost the end of a fence
    if style == "markdown":
        return markdown_html(shown)
    if style == "code" or item["kind"] == "code":
        return f"{_PRE}{escape_html(shown)}</pre>"
    weight = "; font-weight:600" if item["kind"] == "error" else ""
    style = f"margin:4px 0; white-space:pre-wrap; overflow-wrap:anywhere{weight}"
    return f'<div style="{style}" dir="auto">{_lines(shown)}{left_out}</div>'


def _part(part: Part, budget: _Budget) -> str:
    match part["mime"]:
        case "text/html":
            # Cleaned when it became a part; a log or a notebook's file may have been edited since.
            markup = clean_html(part["data"], styled=True)
            return f'<div style="margin:4px 0; overflow-x:auto; font-size:0.92em">{markup}</div>'
        case "image/png" | "image/jpeg" as mime:
            data = escape_html(part["data"])
            if budget.take(len(data)):
                return f'<div><img alt="figure" style="{_IMAGE_STYLE}" src="data:{mime};base64,{data}"></div>'
            return f'<div style="{_GREY}">[figure not shown here; the log has it]</div>'
    return f'<pre style="{_OUTPUT}">{escape_html(clip(part["data"], TEXT))}</pre>'


def _lines(text: str) -> str:
    return escape_html(text).replace("\n", "<br>")
