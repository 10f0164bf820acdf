"""What executed code showed, as parts a page can draw: cleaned tables, raster images, plain text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from agentnb.core.text import is_class_name
from agentnb.ui.markup import clean_html, has_content, markdown_html, plain_text


class Part(TypedDict):
    """One thing to draw: text/plain, text/html (clean already), or image/png and image/jpeg in base64."""

    mime: str
    data: str


TEXT_CHARACTERS = 200_000
"""Longer text is cut in its middle."""
HTML_CHARACTERS = 2_000_000
"""Longer HTML is shown as its plain text."""
IMAGE_CHARACTERS = 12_000_000
"""Base64 characters of a larger image are not carried along; the log has them."""

_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_RASTERS = ("image/png", "image/jpeg")
_WORDS = ("text/plain", "text/markdown", "text/latex", "application/json")
_ERROR_LINE = re.compile(r"^(?:[\w.]*(?:Error|Exception|Interrupt|Exit|Warning|Iteration)\b.*)$")


def parts_of(outputs: Iterable[Mapping[str, Any]]) -> list[Part]:
    """Return mime bundles as parts, one for each that shows anything; text that follows text is joined."""
    parts: list[Part] = []
    stream = None
    for bundle in outputs:
        part = _part(bundle)
        if part is None:
            continue
        before, stream = stream, bundle.get("stream")
        if part["mime"] == "text/plain" and parts and parts[-1]["mime"] == "text/plain":
            # What goes to one stream may be cut anywhere; anything else begins on a line of its own.
            whole = parts[-1]["data"].endswith("\n") or (stream is not None and stream == before)
            parts[-1] = text_part(f"{parts[-1]['data']}{'' if whole else chr(10)}{part['data']}")
        else:
            parts.append(part)
    return parts


def text_part(text: str) -> Part:
    """Return text as a part, cut in its middle if it is very long."""
    return {"mime": "text/plain", "data": clip(plain_text(text), TEXT_CHARACTERS)}


def _part(bundle: Mapping[str, Any]) -> Part | None:
    error = error_of(bundle)
    if error is not None:
        lines = error.get("traceback") or ()
        stack = lines if isinstance(lines, str) else "\n".join(map(str, lines))
        return text_part(stack or f"{error.get('ename', 'Error')}: {error.get('evalue', '')}")
    markup = _joined(bundle.get("text/html"))
    raster = next((mime for mime in _RASTERS if mime in bundle), None)
    if markup and len(markup) <= HTML_CHARACTERS and (raster is None or "<table" in markup):
        cleaned = clean_html(markup)
        if has_content(cleaned):
            return {"mime": "text/html", "data": cleaned}
    if raster is not None:
        return _image(raster, _joined(bundle[raster]))
    for mime in _WORDS:
        text = _joined(bundle.get(mime))
        if mime == "text/plain" and is_class_name(text) and any(other in bundle for other in _WORDS[1:]):
            continue
        if mime == "text/markdown" and text.strip() and len(text) <= TEXT_CHARACTERS:
            return {"mime": "text/html", "data": clean_html(markdown_html(text))}
        if text:
            return text_part(text) if text.strip() else None
    kinds = sorted(key for key in bundle if "/" in key)
    return text_part(f"[output of type {', '.join(kinds)}, not shown]") if kinds and any(bundle.values()) else None


def _image(mime: str, data: str) -> Part:
    data = "".join(data.split())
    if len(data) > IMAGE_CHARACTERS:
        return text_part(f"[figure of {len(data) * 3 // 4 / 1e6:.1f} MB, not shown]")
    if not _BASE64.fullmatch(data):
        return text_part("[figure whose data is damaged]")
    return {"mime": mime, "data": data}


def _joined(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)  # as notebook files keep it
    return json.dumps(value, ensure_ascii=False, default=str)


def error_of(bundle: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return an error's `ename`, `evalue` and `traceback`, however the bundle carries them; None if it is no error."""
    error = bundle.get("error", bundle.get("application/vnd.jupyter.error", bundle))
    return error if isinstance(error, Mapping) and "ename" in error else None


def error_line(text: str) -> str:
    """Return the last line that names an exception, as in `NameError: name 'x' is not defined`; empty if none does."""
    for line in reversed(plain_text(text[-20_000:]).splitlines()):
        if _ERROR_LINE.match(line):
            return line
    return ""


def clip(text: str, limit: int) -> str:
    """Cut a text in its middle to about `limit` characters, saying how many are missing."""
    if len(text) <= limit:
        return text
    head, tail = text[: limit // 2], text[-(limit // 2) :]
    return f"{head}\n… {len(text) - len(head) - len(tail):,} characters left out …\n{tail}"


def clip_line(text: str, limit: int) -> str:
    """Return the first line of a text, cut to `limit` characters."""
    line = text.strip().partition("\n")[0]
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
