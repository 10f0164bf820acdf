"""What a kernel sends while code runs, as mime bundles and as the text other agents read.

A bundle is a dict of mime types: `{"text/plain": …, "text/html": …, "image/png": <base64>}`. Printed text carries the
name of its stream beside it, `{"text/plain": …, "stream": "stdout"}`; an error its parts,
`{"error": {"ename", "evalue", "traceback"}, "text/plain": <traceback>}`, all without escape sequences.
"""

from __future__ import annotations

import html
import json
import re
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from agentnb.core import well_formed
from agentnb.core.text import is_class_name

Bundle = dict[str, Any]

TEXT_CHARACTERS = 1_000_000
"""Text kept of one block: half from its beginning, half from its end."""
DATA_CHARACTERS = 64_000_000
"""Pictures, HTML and JSON kept of one block, in characters."""
IMAGE_BYTES = 8_000_000
"""Larger pictures are replaced by a note."""
BUNDLES = 1_000
"""Outputs kept of one block."""
ERROR_CHARACTERS = 100_000
AGENT_CHARACTERS = 20_000
"""Text other agents are given to read."""

_WORDS = ("text/html", "text/markdown", "text/latex")
_SAYING = {*_WORDS, "application/json"}
_PICTURES = ("image/png", "image/jpeg")
_CHARTS = re.compile(r"application/vnd\.(?:plotly|vega|vegalite)\.v\d+(?:\.\d+)*\+json")
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_ROWS = re.compile(r"(?i)<(?:br|hr|/?(?:p|div|li|tr|table|h[1-6]|pre|ul|ol))\b[^>]*>")
_CELLS = re.compile(r"(?i)</t[dh]>\s*")
_HEADS = re.compile(r"(?is)<(script|style|title)\b.*?</\1\s*>")
_TAGS = re.compile(r"(?s)<!--.*?-->|<[/!?A-Za-z][^>]*>")
_MOVES = re.compile(r"([\r\n\b])")
_OPEN_LINE = 65_536


@dataclass(frozen=True, slots=True)
class Output:
    """One thing a kernel sent.

    `clear` takes away what was shown before, with `wait` only when the next output comes; `update` replaces the
    display of the same `display_id`.
    """

    kind: Literal["stream", "display", "update", "error", "clear"]
    bundle: Bundle
    display_id: str | None = None
    wait: bool = False


def read_output(message_type: str, content: Mapping[str, Any]) -> Output | None:
    """Read a message of the kernel's output channel; None if it shows nothing."""
    match message_type:
        case "stream":
            text = well_formed(content["text"])
            return Output("stream", {"text/plain": text, "stream": content["name"]}) if text else None
        case "execute_result" | "display_data" | "update_display_data":
            bundle = clean_bundle(content["data"])
            shown = (content.get("transient") or {}).get("display_id")
            kind: Literal["display", "update"] = "update" if message_type.startswith("update") else "display"
            return Output(kind, bundle, display_id=shown) if bundle or shown else None
        case "error":
            return Output("error", error_bundle(content["ename"], content["evalue"], content["traceback"]))
        case "clear_output":
            return Output("clear", {"clear_output": True}, wait=bool(content.get("wait")))
    return None


def error_bundle(name: str, value: str, traceback: Iterable[str]) -> Bundle:
    """Return an exception as a bundle, its stack without escape sequences."""
    message = clip(strip_ansi(well_formed(value)), ERROR_CHARACTERS // 10)
    stack = clip(strip_ansi(well_formed("\n".join(traceback))), ERROR_CHARACTERS)
    stack = stack or f"{name}: {message}"
    return {"error": {"ename": name, "evalue": message, "traceback": stack}, "text/plain": stack}


def clean_bundle(data: Mapping[str, Any]) -> Bundle:
    """Keep what can be shown later and elsewhere: text, HTML, Markdown, LaTeX, JSON, charts, PNG and JPEG.

    Widgets are left out, because nobody but the kernel can draw them. Nothing is escaped here: whoever draws a bundle
    must clean it.
    """
    bundle: Bundle = {}
    notes = []
    for mime, value in data.items():
        if mime in _PICTURES:
            picture = "".join(_joined(value).split())
            size = len(picture) * 3 // 4
            if size > IMAGE_BYTES:
                notes.append(f"[{mime} of {size / 1e6:.1f} MB left out; save it to a file instead]")
            else:
                bundle[mime] = picture
        elif mime in _WORDS:
            text = well_formed(_joined(value))
            if len(text) <= TEXT_CHARACTERS:
                bundle[mime] = text
            else:
                notes.append(f"[{mime} of {len(text):,} characters left out]")
        elif mime == "application/json" or _CHARTS.fullmatch(mime):
            bundle[mime] = _mended(value)
        elif mime == "text/plain":
            bundle[mime] = well_formed(_joined(value))
    if bundle.keys() & _SAYING and is_class_name(bundle.get("text/plain", "")):
        del bundle["text/plain"]
    if notes and not bundle.keys() - {"text/plain"}:
        plain = bundle.get("text/plain", "")
        bundle["text/plain"] = "\n".join([plain, *notes] if plain else notes)
    if not bundle:
        others = [mime for mime in data if "widget" not in mime]
        return {"text/plain": f"[{', '.join(sorted(others))}, not kept]"} if others else {}
    return bundle


def to_text(outputs: Iterable[Mapping[str, Any]], limit: int = AGENT_CHARACTERS) -> str:
    """Return bundles as an agent reads them: printed text, the plain form of values, `[image/png]`, stacks.

    Args:
        outputs: Mime bundles in order.
        limit: Longer text is cut in its middle to about this many characters.
    """
    text = ""
    for bundle in outputs:
        words = strip_ansi(_plain(bundle))
        if words and text and not text.endswith("\n"):
            text += "\n"
        text += words
    return clip(text, limit)


def clip(text: str, limit: int) -> str:
    """Cut a text in its middle to about `limit` characters, saying how many are left out."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}{_missing(len(text) - 2 * half)}{text[-half:]}"


def strip_ansi(text: str) -> str:
    """Return text without terminal escape sequences."""
    return _ANSI.sub("", text) if "\x1b" in text else text


def _plain(bundle: Mapping[str, Any]) -> str:
    if "error" in bundle:
        return str(bundle["error"]["traceback"])
    for mime in _PICTURES:
        if mime in bundle:
            return f"[{mime}]"
    for mime in ("text/plain", "text/markdown", "text/latex"):
        if mime in bundle:
            return str(bundle[mime])
    if "application/json" in bundle:
        return json.dumps(bundle["application/json"], ensure_ascii=False)
    if "text/html" in bundle:
        return _html_words(str(bundle["text/html"])) or "[text/html]"
    return next((f"[{mime}]" for mime in bundle if "/" in mime), "")


def _html_words(markup: str) -> str:
    """Return the words of HTML, the rows of a table on lines of their own."""
    text = _ROWS.sub("\n", _HEADS.sub("", " ".join(markup.split())))
    lines = (html.unescape(_TAGS.sub("", _CELLS.sub("  ", line))).strip() for line in text.split("\n"))
    return "\n".join(filter(None, lines))


def _missing(count: int) -> str:
    return f"\n… {count:,} characters left out …\n"


def _joined(value: Any) -> str:
    return "".join(value) if isinstance(value, list) else str(value)


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, Mapping):
        return {well_formed(str(key)): _mended(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_mended(item) for item in value]
    return value


def _size(bundle: Bundle) -> int:
    return sum(
        len(value) if isinstance(value, str) else len(json.dumps(value, ensure_ascii=False))
        for mime, value in bundle.items()
        if mime not in ("text/plain", "stream", "error")
    )


class _Piece:
    """One bundle in the making: what is kept of its text, and the line a terminal's cursor would stand on."""

    __slots__ = ("bundle", "column", "head", "line", "missing", "stream", "tail")

    def __init__(self, bundle: Bundle, stream: str | None = None) -> None:
        self.bundle = bundle
        self.stream = stream
        self.head: list[str] = []
        self.tail: deque[str] = deque()
        self.missing = 0
        self.line = ""
        self.column = 0

    def write(self, text: str) -> str:
        """Move the cursor as a terminal does; return the text that can change no more."""
        done: list[str] = []
        plain = self.column == len(self.line) and "\r" not in text and "\b" not in text
        for token in (text,) if plain else _MOVES.split(text):
            match token:
                case "\n":
                    done.append(self.line + "\n")
                    self.line, self.column = "", 0
                case "\r":
                    self.column = 0
                case "\b":
                    self.column = max(0, self.column - 1)
                case _:
                    end = self.column + len(token)
                    self.line = self.line[: self.column] + token + self.line[end:]
                    self.column = end
        if self.column == len(self.line):
            whole = self.line.rfind("\n") + 1 if len(self.line) < _OPEN_LINE else len(self.line)
            done.append(self.line[:whole])
            self.line = self.line[whole:]
            self.column = len(self.line)
        return "".join(done)

    def text(self, missing: int) -> str:
        missing += self.missing
        return "".join([*self.head, _missing(missing) if missing else "", *self.tail, self.line])


class OutputFold:
    """What one block showed so far, within bounds however much it shows.

    ```python
    fold = OutputFold()
    fold.add(Output("stream", {"text/plain": "10 %\\r20 %", "stream": "stdout"}))
    fold.bundles()
    ```
    """

    def __init__(self, *, text_limit: int = TEXT_CHARACTERS, data_limit: int = DATA_CHARACTERS) -> None:
        self._half = text_limit // 2
        self._data_limit = data_limit
        # The kernels' thread adds while the caller's may already read, when a run is stopped.
        self._lock = threading.Lock()
        self._live_text = text_limit
        self._live_data = data_limit
        self._clear_next = False
        self._reset()

    def _reset(self) -> None:
        self._pieces: list[_Piece] = []
        self._displays: dict[str, list[int]] = {}
        self._order: deque[_Piece] = deque()
        self._in_head = 0
        self._in_tail = 0
        self._data = 0
        self._skipped = 0

    def add(self, output: Output) -> Output | None:
        """Take in one output; return it if it should be shown at once, None if enough was shown already."""
        with self._lock:
            if output.kind == "clear" and output.wait:
                self._clear_next = True
            elif output.kind == "clear":
                self._reset()
            else:
                if self._clear_next and output.kind != "update":
                    self._clear_next = False
                    self._reset()
                self._add(output)
            return self._live(output)

    def _live(self, output: Output) -> Output | None:
        if self._live_text <= 0 or self._live_data <= 0:
            return None
        self._live_text -= len(output.bundle.get("text/plain", ""))
        self._live_data -= _size(output.bundle)
        if self._live_text > 0 and self._live_data > 0:
            return output
        return Output("stream", {"text/plain": "\n… more is shown when the block has ended …\n", "stream": "stdout"})

    def _add(self, output: Output) -> None:
        full = len(self._pieces) >= BUNDLES
        if output.kind == "stream":
            name = output.bundle["stream"]
            last = self._pieces[-1] if self._pieces else None
            if last is None or (last.stream != name and not (full and last.stream)):
                last = _Piece({"stream": name}, name)
                self._pieces.append(last)
            self._keep(last, last.write(output.bundle["text/plain"]))
        elif output.kind == "update":
            for index in self._displays.get(output.display_id or "", ()):
                self._forget(self._pieces[index])
                self._pieces[index] = self._piece(output.bundle)
        elif full and output.kind != "error":
            self._skipped += 1
        else:
            if output.display_id:
                self._displays.setdefault(output.display_id, []).append(len(self._pieces))
            self._pieces.append(self._piece(output.bundle))

    def _piece(self, bundle: Bundle) -> _Piece:
        size = _size(bundle)
        rich = [mime for mime in bundle if mime not in ("text/plain", "error")]
        text = bundle.get("text/plain", "")
        if self._data + size > self._data_limit:
            bundle = {mime: value for mime, value in bundle.items() if mime not in rich}
            text = f"{text}\n[{', '.join(rich)} left out: this block has shown too much]".lstrip("\n")
        else:
            self._data += size
        piece = _Piece({mime: value for mime, value in bundle.items() if mime != "text/plain"})
        self._keep(piece, text)
        return piece

    def _keep(self, piece: _Piece, text: str) -> None:
        room = self._half - self._in_head
        if room > 0 and text:
            piece.head.append(text[:room])
            self._in_head += len(piece.head[-1])
            text = text[room:]
        if not text:
            return
        piece.tail.append(text)
        self._order.append(piece)
        self._in_tail += len(text)
        while self._in_tail > self._half:
            self._shorten(self._order[0], self._in_tail - self._half)

    def _shorten(self, piece: _Piece, excess: int) -> None:
        if not piece.tail:
            self._order.popleft()
            return
        cut = min(excess, len(piece.tail[0]))
        piece.tail[0] = piece.tail[0][cut:]
        piece.missing += cut
        self._in_tail -= cut
        if not piece.tail[0]:
            piece.tail.popleft()
            self._order.popleft()

    def _forget(self, piece: _Piece) -> None:
        self._in_head -= sum(map(len, piece.head))
        self._in_tail -= sum(map(len, piece.tail))
        self._data -= _size(piece.bundle)
        piece.tail.clear()

    def bundles(self) -> list[Bundle]:
        """Return what is shown now, in order."""
        with self._lock:
            bundles: list[Bundle] = []
            missing = 0
            for piece in self._pieces:
                if piece.missing and not (piece.head or piece.tail or piece.line or piece.bundle.keys() - {"stream"}):
                    missing += piece.missing
                    continue
                text = piece.text(missing)
                missing = 0
                if text or piece.bundle.keys() - {"stream"}:
                    bundles.append({**({"text/plain": text} if text else {}), **piece.bundle})
            if missing or self._skipped:
                note = _missing(missing) if missing else ""
                note += f"\n… {self._skipped:,} further outputs left out …\n" if self._skipped else ""
                bundles.append({"text/plain": note, "stream": "stdout"})
            return bundles
