"""Runs in a terminal: a stream printed as it comes, and facts printed as they happen."""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, TextIO, TypeVar, cast

from agentnb.base import Response, TaskResult
from agentnb.core import CancellationToken, monotonic
from agentnb.exceptions import UserError
from agentnb.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    ModelClientStreamingChunkEvent,
    MultiModalMessage,
    RequestUsage,
    UserInputRequestedEvent,
)
from agentnb.runlog import Event, RunLog
from agentnb.transcripts import message_text
from agentnb.ui.bundle import part_text, plain_header, plain_item
from agentnb.ui.items import ItemFold
from agentnb.ui.markup import plain_text
from agentnb.ui.ops import Item, Op

T = TypeVar("T", bound=TaskResult | Response)

RULE = "-" * 10

InputFunc = Callable[[str], str] | Callable[[str, CancellationToken | None], Awaitable[str]]


class UserInputManager:
    """Lets a question wait until the Console has shown what led to it.

    ```python
    inputs = UserInputManager(input)
    agent = UserProxyAgent("user", input_func=inputs.get_wrapped_callback())
    await Console(agent.run_stream(task="hello"), user_input_manager=inputs)
    ```

    A notification that comes before its question is remembered, so it works for an agent alone as for a team.

    Args:
        callback: Asks the person: a function of the prompt, or a coroutine function of the prompt and the
            cancellation token.
    """

    def __init__(self, callback: InputFunc) -> None:
        self._callback = callback
        self._shown: deque[str] = deque()
        self._waiting: deque[asyncio.Future[None]] = deque()

    def get_wrapped_callback(self) -> Callable[[str, CancellationToken | None], Awaitable[str]]:
        """Return the input function to give to the agent that asks."""

        async def ask(prompt: str, cancellation_token: CancellationToken | None = None) -> str:
            await self._next_shown()
            if inspect.iscoroutinefunction(self._callback):
                return cast(str, await self._callback(prompt, cancellation_token))
            return cast(str, await asyncio.to_thread(cast(Callable[[str], str], self._callback), prompt))

        return ask

    async def _next_shown(self) -> None:
        if self._shown:
            self._shown.popleft()
            return
        shown: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(shown)
        try:
            await shown
        finally:
            if shown in self._waiting:
                self._waiting.remove(shown)

    def notify_event_received(self, request_id: str) -> None:
        """Say that everything before this request has been shown; the Console does."""
        while self._waiting:
            shown = self._waiting.popleft()
            if not shown.done():
                shown.set_result(None)
                return
        self._shown.append(request_id)


async def Console(
    stream: AsyncGenerator[BaseAgentEvent | BaseChatMessage | T, None],
    *,
    no_inline_images: bool = False,
    output_stats: bool = False,
    user_input_manager: UserInputManager | None = None,
) -> T:
    """Print what `run_stream` or `on_messages_stream` yields, and return the last result.

    Args:
        stream: What to print.
        no_inline_images: Name images instead of drawing them; only iTerm2 on a terminal can draw.
        output_stats: Print the tokens of each message, and a summary at the end.
        user_input_manager: Told of each question once what led to it is printed.

    Raises:
        ValueError: If the stream ends without a result.
    """
    printer = _Printer(no_inline_images=no_inline_images, stats=output_stats)
    result: T | None = None
    async for item in stream:
        if isinstance(item, TaskResult | Response):
            result = item
            await printer.result(item)
        elif isinstance(item, UserInputRequestedEvent):
            if user_input_manager is not None:
                user_input_manager.notify_event_received(item.request_id)
        else:
            await printer.message(item)
    if result is None:
        raise UserError("The stream ended without a TaskResult or Response. Give Console the stream of a whole run.")
    return result


class _Printer:
    """Prints the items of one stream."""

    def __init__(self, *, no_inline_images: bool, stats: bool) -> None:
        self._inline = not no_inline_images and sys.stdout.isatty() and os.environ.get("TERM_PROGRAM") == "iTerm.app"
        self._stats = stats
        self._began = monotonic()
        self._total = RequestUsage(prompt_tokens=0, completion_tokens=0)
        self._streaming: str | None = None

    async def message(self, message: BaseAgentEvent | BaseChatMessage) -> None:
        if isinstance(message, ModelClientStreamingChunkEvent):
            header = "" if self._streaming is not None else self._header(message)
            self._streaming = message.source
            await self._print(header + message.to_text(), end="")
            return
        if self._streaming is not None:
            streamed, self._streaming = self._streaming, None
            if isinstance(message, BaseChatMessage) and message.source == streamed:
                await self._print("\n" + self._count(message), end="")
                return
            await self._print("")
        await self._print(f"{self._header(message)}{self._text(message)}\n{self._count(message)}", end="")

    async def result(self, result: TaskResult | Response) -> None:
        if isinstance(result, Response):
            message = result.chat_message
            if self._streaming is not None:
                self._streaming = None
                await self._print("\n" + self._count(message), end="")
            else:
                text = f"{RULE} {message.source} {RULE}\n{self._text(message)}\n{self._count(message)}"
                await self._print(text, end="")
            said = ("inner messages", len(result.inner_messages or ()))
            reason = None
        else:
            if self._streaming is not None:
                self._streaming = None
                await self._print("")
            said = ("messages", len(result.messages))
            reason = result.stop_reason
        if self._stats:
            lines = [
                f"{RULE} Summary {RULE}",
                f"Number of {said[0]}: {said[1]}",
                *([f"Finish reason: {reason}"] if isinstance(result, TaskResult) else []),
                f"Total prompt tokens: {self._total.prompt_tokens}",
                f"Total completion tokens: {self._total.completion_tokens}",
                f"Duration: {monotonic() - self._began:.2f} seconds",
            ]
            await self._print("\n".join(lines))

    def _header(self, message: Any) -> str:
        return f"{RULE} {type(message).__name__} ({message.source}) {RULE}\n"

    def _text(self, message: Any) -> str:
        if isinstance(message, MultiModalMessage):
            return message.to_text(iterm=self._inline)
        return message_text(message)

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

    async def _print(self, text: str, end: str = "\n") -> None:
        # A terminal that is slow, or whose reader paused it, must not hold up the run.
        await asyncio.to_thread(print, text, end=end, flush=True)


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

    def feed(self, item: Any) -> None:
        """Take a fact, or a piece that a log fans out."""
        for op in self._fold.feed(item):
            self._apply(op)
        if isinstance(item, Event) and item.kind == "run.finished" and self._fold.status["state"] not in _LIVE:
            self._write(f"\n{plain_header(self._fold.status)}\n")

    def follow(self, log: RunLog) -> Callable[[], None]:
        """Print what a log holds, then what comes; return the way to end that."""
        for event in log:
            self.feed(event)
        return log.watch(self.feed)

    def _apply(self, op: Op) -> None:
        match op["op"]:
            case "add":
                item = op["item"]
                self._items[item["id"]] = item
                if item.get("streaming"):
                    self._stream(item["id"], item.get("text", ""), item)
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
                self._items.pop(op["id"], None)
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
        out = self._out
        try:
            out.write(text)
        except UnicodeEncodeError:  # a terminal that is not UTF-8
            encoding = out.encoding or "ascii"
            out.write(text.encode(encoding, "replace").decode(encoding))
        out.flush()


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
