"""What OpenAI-compatible servers answer: server-sent pieces, or a whole message, as one growing answer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import from_json

from agentnb.core import well_formed
from agentnb.exceptions import ModelResponseInvalid
from agentnb.messages import (
    ChatCompletionTokenLogprob,
    CreateResult,
    FinishReasons,
    FunctionCall,
    RequestUsage,
    TopLogprob,
)
from agentnb.messages.unchecked import made
from agentnb.models.base import BilledUsage
from agentnb.models.wire import plain_name

__all__ = ["Answer", "EventLines", "read_json"]


def read_json(data: bytes | str) -> Any:
    """Return what JSON says, at half the price of `json.loads`; half a surrogate pair is left as it is.

    Raises:
        ValueError: If it is no JSON.
    """
    try:
        return from_json(data)
    except ValueError:
        return json.loads(data)


class EventLines:
    """The data of server-sent events, from bytes cut anywhere (WHATWG HTML, 9.2.6; lines end with LF or CRLF)."""

    def __init__(self) -> None:
        self._rest = b""

    def add(self, piece: bytes) -> list[bytes]:
        """Take some bytes and return the data of the events that are whole now."""
        read = self._rest + piece
        if b"\r" in read:
            read = read.replace(b"\r\n", b"\n")
        whole = read.rfind(b"\n\n")
        if whole < 0:
            self._rest = read
            return []
        self._rest = read[whole + 2 :]
        events = read[:whole]
        if events.startswith(b"data: "):
            found = events[6:].split(b"\n\ndata: ")
            if b"\n" not in b"".join(found):
                return found  # each event is one line, as nearly everywhere
        return [data for event in events.split(b"\n\n") for data in _data_of(event)]

    def end(self) -> list[bytes]:
        """Return the event that the end of the stream completes."""
        return _data_of(self._rest)


def _data_of(event: bytes) -> list[bytes]:
    data = [line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:")]
    return [b"\n".join(data)] if data else []


_FINISH: dict[str, FinishReasons] = {
    "stop": "stop",
    "end_turn": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "tool_calls": "function_calls",
    "function_call": "function_calls",
    "function_calls": "function_calls",
}

_TEXT = re.compile(rb'"content"\s*:\s*"((?:[^"\\]|\\.)*)"')
_WRITTEN = rb'(?:[^"\\\x00-\x1f]++|\\[^\x00-\x1f])++'
_LINES_WRITTEN = re.compile(_WRITTEN + rb"(?:\n" + _WRITTEN + rb")*+")
"""Lines, each of which is a text as it stands between quotes in JSON."""
_MOST_UNLIKE = 4
"""After so many pieces in a row, each written differently, it is no longer looked for what they share."""


_THINK = re.compile(r"\s*<think>(.*?)</think>\s*", re.DOTALL)


class _Channel:
    """Text that arrives in pieces; half a surrogate pair is held back until its other half comes."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self._held = ""

    @property
    def holds(self) -> bool:
        """Whether half a pair waits for its other half."""
        return bool(self._held)

    def add(self, piece: str) -> str:
        """Take a piece and return what can be shown of it."""
        if self._held:
            piece, self._held = self._held + piece, ""
        if piece and "\ud800" <= piece[-1] <= "\udbff":
            piece, self._held = piece[:-1], piece[-1]
        piece = well_formed(piece)
        if piece:
            self.pieces.append(piece)
        return piece

    def text(self) -> str:
        return "".join(self.pieces) + ("\ufffd" if self._held else "")


class Answer:
    """An answer that grows: from the pieces of a stream, or from a whole message at once.

    Args:
        model: The model in one short text, for errors.
        thinks_in_text: Whether reasoning comes as `<think>…</think>` at the head of the text (family `r1`).
    """

    def __init__(self, model: str, *, thinks_in_text: bool = False) -> None:
        self.model = model
        self.thinks_in_text = thinks_in_text
        self.finish_reason: str | None = None
        self.usage = RequestUsage(0, 0)
        self._content = _Channel()
        self._thought = _Channel()
        self._thinking = False
        self._calls: dict[int, dict[str, str]] = {}
        self._logprobs: list[ChatCompletionTokenLogprob] = []
        # What stands round the text of a piece, where the next one may be alike.
        self._frame: tuple[bytes, bytes] | None = None
        self._unlike = 0

    @property
    def partial(self) -> str:
        """The text so far."""
        return self._content.text()

    def take_alike(self, events: Sequence[bytes]) -> list[str] | None:
        """Take pieces that all differ from an earlier one in their texts alone, and return these; None if it is not so.

        Nearly all pieces of a stream are such, and reading the JSON of each is most of their price: their texts are
        read together.
        """
        if self._frame is None:
            return None
        begin, end = self._frame
        first, last = len(begin), -len(end)
        written = [event[first:last] for event in events]
        if begin + (end + b"\n" + begin).join(written) + end != b"\n".join(events):
            return None
        lines = b"\n".join(written)
        if _LINES_WRITTEN.fullmatch(lines) is None:
            return None
        try:
            texts = from_json(b'["' + b'","'.join(written) + b'"]') if b"\\" in lines else lines.decode().split("\n")
        except ValueError:
            return None  # half a surrogate pair, or no JSON
        if len(texts) != len(events):
            return None
        self._unlike = 0
        self._content.pieces += texts
        return texts

    def _note_frame(self, data: bytes) -> None:
        known = self._frame
        if known is not None and data.startswith(known[0]) and data.endswith(known[1]):
            return  # its text alone has to be read
        self._unlike += 1
        found = _TEXT.search(data) if self._unlike <= _MOST_UNLIKE and data.count(b'"content"') == 1 else None
        self._frame = (data[: found.start(1)], data[found.end(1) :]) if found else None

    def add(self, chunk: Mapping[str, Any], data: bytes = b"") -> list[str]:
        """Take a chunk, or a whole completion, and return the texts to show.

        Reasoning is shown between `<think>` and `</think>`.

        Args:
            chunk: What it says.
            data: Its JSON, where others like it may follow.
        """
        usage = chunk.get("usage")
        if usage:
            self.usage = _usage(usage, chunk)
        choices = chunk.get("choices")
        if not choices:
            return []
        choice = choices[0]
        plain = self._plain_text(choice)
        if plain:
            if data and not usage:
                self._note_frame(data)
            return [plain]
        # A whole message is complete however it ended; only a stream can be cut off unnoticed.
        self.finish_reason = choice.get("finish_reason") or ("unknown" if "message" in choice else self.finish_reason)
        message = choice.get("delta") or choice.get("message") or {}
        if message.get("function_call"):
            raise ModelResponseInvalid(
                f"{self.model} answered with the withdrawn 'function_call'; ask a server that sends 'tool_calls'.",
                partial=self.partial,
            )
        logprobs = choice.get("logprobs")
        if logprobs:
            self._logprobs += [_logprob(item) for item in logprobs.get("content") or ()]
        for position, call in enumerate(message.get("tool_calls") or ()):
            self._add_call(call, position)
        return self._texts(message)

    def _plain_text(self, choice: Mapping[str, Any]) -> str | None:
        """Take a piece that is text and nothing else, as nearly all are."""
        delta = choice.get("delta")
        if not delta or self._thinking or choice.get("finish_reason") or choice.get("logprobs"):
            return None
        if len(delta) > 1 and (len(delta) > 2 or "role" not in delta):  # some servers name the role each time
            return None
        text = delta.get("content")
        if type(text) is not str or not (text.isascii() or text.isprintable()) or self._content.holds:
            return None
        self._content.pieces.append(text)
        return text

    def _texts(self, message: Mapping[str, Any]) -> list[str]:
        shown: list[str] = []
        reasoning = message.get("reasoning_content") or message.get("reasoning")
        if isinstance(reasoning, str) and reasoning:
            if not self._thinking:
                self._thinking = True
                shown.append("<think>")
            shown.append(self._thought.add(reasoning))
        content = message.get("content")
        if content:
            if self._thinking:
                self._thinking = False
                shown.append("</think>")
            shown.append(self._content.add(content))
        if self._thinking or self._content.holds:
            self._frame = None  # the next text is more than that
        return [text for text in shown if text]

    def _add_call(self, delta: Mapping[str, Any], position: int) -> None:
        index = delta.get("index")
        call = self._calls.setdefault(position if index is None else index, {"id": "", "name": "", "arguments": ""})
        function = delta.get("function") or delta.get("custom") or {}
        call["id"] = call["id"] or delta.get("id") or ""
        call["name"] = call["name"] or function.get("name") or ""
        call["arguments"] += function.get("arguments") or function.get("input") or ""

    def result(self) -> CreateResult:
        """Return the whole answer.

        Raises:
            ModelResponseInvalid: If it was cut off: no finish reason came.
        """
        if self.finish_reason is None:
            raise ModelResponseInvalid(
                f"The answer of {self.model} was cut off: it ended without a finish reason after "
                f"{len(self.partial)} characters.",
                partial=self.partial,
            )
        text, thought = self._content.text(), self._thought.text()
        if self.thinks_in_text and not thought and (match := _THINK.match(text)):
            text, thought = text[match.end() :], match[1].strip()
        content: str | list[FunctionCall] = text
        finish = _FINISH.get(self.finish_reason, "unknown")
        if self._calls:
            content, finish = self._function_calls(), "function_calls"
            thought = "\n".join(part for part in (thought, text) if part)
        return made(
            CreateResult,
            finish_reason=finish,
            content=content,
            usage=self.usage,
            cached=False,
            logprobs=self._logprobs or None,
            thought=thought or None,
        )

    def _function_calls(self) -> list[FunctionCall]:
        return [
            FunctionCall(
                # A server that numbers nothing still gets answers it can match.
                id=call["id"] or f"call_{index}",
                name=plain_name(call["name"]),
                arguments=well_formed(call["arguments"]),
            )
            for index, call in sorted(self._calls.items())
        ]


def _usage(counted: Mapping[str, Any], chunk: Mapping[str, Any]) -> RequestUsage:
    prompt, completion = counted.get("prompt_tokens") or 0, counted.get("completion_tokens") or 0
    details = counted.get("prompt_tokens_details") or {}
    cached = details.get("cached_tokens") or counted.get("prompt_cache_hit_tokens") or 0
    tier, served_by, fingerprint = chunk.get("service_tier"), chunk.get("model"), chunk.get("system_fingerprint")
    special = tier if isinstance(tier, str) and tier not in ("auto", "default", "standard") else ""
    return BilledUsage(prompt, completion, cached, special, served_by or None, fingerprint or None)


def _logprob(item: Mapping[str, Any]) -> ChatCompletionTokenLogprob:
    top = item.get("top_logprobs")
    return ChatCompletionTokenLogprob(
        token=well_formed(item.get("token") or ""),
        logprob=item["logprob"],
        top_logprobs=[TopLogprob(logprob=t["logprob"], bytes=t.get("bytes")) for t in top] if top else None,
        bytes=item.get("bytes"),
    )
