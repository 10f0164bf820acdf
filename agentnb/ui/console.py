"""Runs in a terminal: a stream printed as it comes, and facts printed as they happen."""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, nullcontext
from dataclasses import dataclass
from typing import Any, TextIO, TypeVar

from agentnb.base import Response, TaskResult
from agentnb.core import monotonic
from agentnb.exceptions import UserError
from agentnb.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    ModelClientStreamingChunkEvent,
    MultiModalMessage,
    RequestUsage,
    UserInputRequestedEvent,
)
from agentnb.runlog import Event, Retracted, RunLog
from agentnb.transcripts.said import own_text
from agentnb.ui.bundle import part_text, plain_header, plain_item
from agentnb.ui.inputs import UserInputManager
from agentnb.ui.items import ItemFold
from agentnb.ui.markup import plain_text
from agentnb.ui.ops import Item, Op, Status

T = TypeVar("T", bound=TaskResult | Response)

RULE = "-" * 10


async def Console(
    stream: AsyncGenerator[BaseAgentEvent | BaseChatMessage | T, None],
    *,
    no_inline_images: bool = False,
    output_stats: bool = False,
    user_input_manager: UserInputManager | None = None,
) -> T:
    """Print what `run_stream` or `on_messages_stream` yields, and return the last result.

    Cancelled, or with a terminal that is gone, it ends the run it prints.

    Args:
        stream: What to print.
        no_inline_images: Name images instead of drawing them; only iTerm2 on a terminal can draw.
        output_stats: Print the tokens of each message, and a summary at the end.
        user_input_manager: Told of each question once what led to it is printed.

    Raises:
        ValueError: If the stream ends without a result, or is none.
    """
    if not hasattr(stream, "__aiter__"):
        if inspect.iscoroutine(stream):
            stream.close()
        raise UserError(f"Console prints a stream, not {stream!r:.80}. Give it run_stream(task=…), without await.")
    printer = _Printer(no_inline_images=no_inline_images, stats=output_stats)
    result: T | None = None
    try:
        # Closed even if this is cancelled while it prints: the run would else go on unseen.
        async with aclosing(stream) if hasattr(stream, "aclose") else nullcontext(stream) as items:
            async for item in items:
                if isinstance(item, TaskResult | Response):
                    result = item
                    await printer.result(item)
                elif isinstance(item, UserInputRequestedEvent):
                    await printer.close_line()
                    if user_input_manager is not None:
                        user_input_manager.notify_event_received(item.request_id)
                else:
                    await printer.message(item)
    except BaseException:
        printer.break_off()
        raise
    if result is None:
        raise UserError("The stream ended without a TaskResult or Response. Give Console the stream of a whole run.")
    return result


@dataclass(slots=True)
class _Stream:
    """A message whose pieces were printed as they came."""

    source: str
    message_id: str | None
    text: str = ""
    broken: bool = False
    """Whether something else was printed between its pieces."""

    def is_of(self, message: BaseChatMessage, *, just_now: bool) -> bool:
        if self.broken or message.source != self.source:
            return False
        if self.message_id is None and just_now:
            return True
        return self.message_id == message.id or self.text.strip() == own_text(message).strip()


class _Printer:
    """Prints the items of one stream."""

    def __init__(self, *, no_inline_images: bool, stats: bool) -> None:
        self._inline = not no_inline_images and sys.stdout.isatty() and os.environ.get("TERM_PROGRAM") == "iTerm.app"
        self._stats = stats
        self._began = monotonic()
        self._total = RequestUsage(prompt_tokens=0, completion_tokens=0)
        self._streams: list[_Stream] = []
        self._open: _Stream | None = None
        """The stream whose line is not ended."""

    async def message(self, message: BaseAgentEvent | BaseChatMessage) -> None:
        if isinstance(message, ModelClientStreamingChunkEvent):
            await self._piece(message)
        else:
            await self._whole(message, f"{type(message).__name__} ({message.source})")

    async def _piece(self, piece: ModelClientStreamingChunkEvent) -> None:
        key = (piece.source, piece.full_message_id)
        stream = next((known for known in self._streams if (known.source, known.message_id) == key), None)
        header = ""
        if stream is None or stream is not self._open:
            header = f"{RULE} {type(piece).__name__} ({piece.source}) {RULE}\n"
            await self.close_line()
        if stream is None:
            stream = _Stream(*key)
            self._streams.append(stream)
        elif stream is not self._open:
            stream.broken = True
        stream.text += piece.content
        self._open = stream
        await self._print(header + piece.to_text())

    async def _whole(self, message: BaseAgentEvent | BaseChatMessage, title: str) -> None:
        streamed = False
        if isinstance(message, BaseChatMessage):
            streamed = any(stream.is_of(message, just_now=stream is self._open) for stream in self._streams)
            self._streams = [stream for stream in self._streams if stream.source != message.source]
        await self.close_line()
        body = "" if streamed else f"{RULE} {title} {RULE}\n{self._text(message)}\n"
        await self._print(body + self._count(message))

    async def result(self, result: TaskResult | Response) -> None:
        if isinstance(result, Response):
            await self._whole(result.chat_message, result.chat_message.source)
            facts = [f"Number of inner messages: {len(result.inner_messages or ())}"]
        else:
            await self.close_line()
            facts = [f"Number of messages: {len(result.messages)}", f"Finish reason: {result.stop_reason}"]
        if self._stats:
            lines = [
                f"{RULE} Summary {RULE}",
                *facts,
                f"Total prompt tokens: {self._total.prompt_tokens}",
                f"Total completion tokens: {self._total.completion_tokens}",
                f"Duration: {monotonic() - self._began:.2f} seconds",
            ]
            await self._print("\n".join(lines) + "\n")

    async def close_line(self) -> None:
        """End the line of a message that is being streamed."""
        if self._open is not None:
            self._open = None
            await self._print("\n")

    def break_off(self) -> None:
        """End the line in which the stream broke off, if that can still be printed."""
        if self._open is not None:
            self._open = None
            try:
                write(sys.stdout, "\n")
            except (OSError, ValueError):
                pass  # the terminal is gone: what went wrong is on its way up already

    def _text(self, message: Any) -> str:
        if isinstance(message, MultiModalMessage):
            return message.to_text(iterm=self._inline)
        return own_text(message)

    def _count(self, message: Any) -> str:
        usage = message.models_usage
        if usage is None:
            return ""
        self._total = RequestUsage(
            prompt_tokens=self._total.prompt_tokens + usage.prompt_tokens,
            completion_tokens=self._total.completion_tokens + usage.completion_tokens,
        )
        if not self._stats:
            return ""
        return f"[Prompt tokens: {usage.prompt_tokens}, Completion tokens: {usage.completion_tokens}]\n"

    async def _print(self, text: str) -> None:
        # A terminal that is slow, or whose reader paused it, must not hold up the run.
        if text:
            await asyncio.to_thread(write, sys.stdout, text)


def write(out: TextIO, text: str) -> None:
    """Print text as it stands, with a `?` for what the terminal's encoding does not know."""
    try:
        out.write(text)
    except UnicodeEncodeError:
        encoding = out.encoding or "ascii"
        out.write(text.encode(encoding, "replace").decode(encoding))
    out.flush()


class ConsoleFollower:
    """Prints a run's facts as they happen, readable in a terminal.

    ```python
    follower = ConsoleFollower()
    stop = log.watch(follower.feed)
    ```

    Args:
        file: Where to print; default: standard output. Remarks are dimmed if it is a terminal.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file
        self._fold = ItemFold()
        self._items: dict[str, Item] = {}
        self._printed: dict[str, int] = {}
        """Characters printed of each text that is being streamed."""
        self._open: str | None = None
        self._answer: Item | None = None
        """A person's answer, until it is known whether it is said as a message too."""

    @property
    def status(self) -> Status:
        """The run's state, turns, tokens, seconds, model, team, and why it ended, so far."""
        return self._fold.status

    def feed(self, item: Any) -> None:
        """Take a fact, or a piece that a log fans out."""
        for op in self._fold.feed(item):
            self._apply(op)
        if isinstance(item, Event) and item.kind == "run.finished" and self._fold.status["state"] not in _LIVE:
            self._write(f"\n{plain_header(self._fold.status)}\n")

    def follow(self, log: RunLog) -> Callable[[], None]:
        """Print what a log holds, then what comes; return the way to end that.

        What was taken back because it is said anew further down is left out.
        """
        anew = {event.body.said for event in log if isinstance(event.body, Retracted) and event.body.anew}
        for event in log:
            if event.seq not in anew:
                self.feed(event)
        self._settle()
        return log.watch(self.feed)

    def _apply(self, op: Op) -> None:
        match op["op"]:
            case "add":
                item = op["item"]
                self._items[item["id"]] = item
                if item.get("streaming"):
                    self._stream(item["id"], item.get("text", ""), item)
                elif item["kind"] == "event" and item.get("label", "").endswith("answered"):
                    self._settle()
                    self._answer = item
                elif not _waits(item):
                    self._print(item)
            case "text":
                item = self._items[op["id"]]
                item["text"] = item.get("text", "") + op["text"]
                self._stream(op["id"], op["text"], item)
            case "set":
                item = self._items[op["id"]]
                item.update({key: value for key, value in op.items() if key not in ("op", "id")})
                if not item.get("streaming"):
                    self._finish(item)
            case "drop":
                item = self._items.pop(op["id"], None)
                if item is not None and item is self._answer:
                    self._answer = None
            case "ask":
                question = op["question"]
                choices = f" [{' / '.join(question['choices'])}]" if question.get("choices") else ""
                self._write(f"\n── {question.get('source') or 'question'} asks ──\n{question['prompt']}{choices}\n")

    def _stream(self, key: str, text: str, item: Item) -> None:
        if item["kind"] != "message":
            return  # the output of code is printed as a whole, between its header and the next
        if self._open != key:
            self._write(f"\n{plain_item({**item, 'text': ''})}\n")
            self._open = key
        self._printed[key] = self._printed.get(key, 0) + len(text)
        self._write(text)

    def _finish(self, item: Item) -> None:
        text = item.get("text", "")
        if self._open == item["id"] and self._printed.get(item["id"]) == len(text):
            self._open = None
            parts = "".join(f"\n{part_text(part)}" for part in item.get("parts", ()))
            self._write(f"{parts}\n" + (self._dim(f"({item['label']})\n") if item.get("label") else ""))
            return
        self._print(item)

    def _settle(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            self._print(answer)

    def _print(self, item: Item) -> None:
        self._open = None
        text = plain_item(item)
        if item["kind"] in ("note", "event"):
            self._write(f"{self._dim(text)}\n")
        else:
            self._write(f"\n{text}\n")

    def _dim(self, text: str) -> str:
        return f"\x1b[2m{text}\x1b[22m" if self._out.isatty() else text

    @property
    def _out(self) -> TextIO:
        # Looked up late: a notebook gives each cell its own standard output.
        return self._file if self._file is not None else sys.stdout

    def _write(self, text: str) -> None:
        self._settle()
        write(self._out, text)


_LIVE = ("running", "waiting", "stopping")


def _waits(item: Item) -> bool:
    """Tell whether an item is printed only when it is complete: a call under way, or "asking …"."""
    asking = item["kind"] == "note" and str(item.get("text", "")).startswith("asking ")
    calling = item["kind"] == "event" and str(item.get("label", "")).endswith(" …")
    return asking or calling


def print_event(event: Event, file: TextIO | None = None) -> None:
    """Print one fact by itself; those that a transcript does not show print nothing."""
    fold = ItemFold()
    for op in fold.feed(event):
        if op["op"] == "add":
            print(plain_text(plain_item(op["item"])), file=file)
