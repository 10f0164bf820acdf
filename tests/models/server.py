"""A loopback server that speaks OpenAI's chat dialect, says what a test tells it to, and notes what it was asked."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

__all__ = ["HOLD", "PRACTICE", "OpenAIServer", "Received", "Reply", "calls", "error", "events", "text"]

PRACTICE = b'{"practice": true}'
"""A body that is answered by `{}` and not noted."""
HOLD = object()
"""A piece of a stream: send nothing more until the client leaves."""


@dataclass(frozen=True)
class Received:
    """A request as it came over the wire."""

    method: str
    path: str
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


@dataclass(frozen=True)
class Reply:
    """An answer: `pieces` are written one by one, as a stream of unknown length if `streamed`."""

    pieces: Sequence[Any]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    streamed: bool = False
    drop: bool = False
    """Whether the connection is cut after the last piece, without the end of the body."""


def events(*chunks: Any, done: bool = True, cut: int = 0, drop: bool = False) -> Reply:
    """Make a stream of chunks (dicts, bytes as they are, or HOLD).

    Args:
        chunks: What to send.
        done: Whether `[DONE]` follows.
        cut: Bytes per write; 0 for one chunk per write.
        drop: Whether the connection breaks off after the last chunk.
    """
    pieces: list[Any] = [
        b"data: " + json.dumps(chunk).encode() + b"\n\n" if isinstance(chunk, dict) else chunk for chunk in chunks
    ]
    if done:
        pieces.append(b"data: [DONE]\n\n")
    if cut:
        whole = b"".join(pieces)
        pieces = [whole[i : i + cut] for i in range(0, len(whole), cut)]
    return Reply(pieces, streamed=True, drop=drop, headers={"Content-Type": "text/event-stream"})


def delta(message: Mapping[str, Any], *, finish: str | None = None) -> dict[str, Any]:
    """Make one chunk of a stream."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "model": "m",
        "choices": [{"index": 0, "delta": dict(message), "finish_reason": finish}],
    }


def usage_chunk(prompt: int, completion: int) -> dict[str, Any]:
    """Make the last chunk, which has no choices."""
    usage = {"prompt_tokens": prompt, "completion_tokens": completion}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "m", "choices": [], "usage": usage}


@dataclass(frozen=True)
class Answer:
    """An answer that is streamed if the request asks for a stream."""

    message: Mapping[str, Any]
    finish: str
    usage: tuple[int, int] | None

    def reply(self, request: Received) -> Reply:
        if not request.body.get("stream"):
            body: dict[str, Any] = {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "model": "m",
                "choices": [
                    {"index": 0, "message": {"role": "assistant", **self.message}, "finish_reason": self.finish}
                ],
            }
            if self.usage:
                body["usage"] = {"prompt_tokens": self.usage[0], "completion_tokens": self.usage[1]}
            return Reply([json.dumps(body).encode()], headers={"Content-Type": "application/json"})
        chunks = [delta({"role": "assistant", "content": None})]
        content = self.message.get("content") or ""
        chunks += [delta({"content": word}) for word in content.split(" ")[:1]]
        chunks += [delta({"content": " " + word}) for word in content.split(" ")[1:]]
        for index, call in enumerate(self.message.get("tool_calls") or ()):
            chunks.append(delta({"tool_calls": [{"index": index, **call}]}))
        chunks.append(delta({}, finish=self.finish))
        if self.usage and (request.body.get("stream_options") or {}).get("include_usage"):
            chunks.append(usage_chunk(*self.usage))
        return events(*chunks)


def text(content: str, *, usage: tuple[int, int] | None = (5, 7), finish: str = "stop", **more: Any) -> Answer:
    """Answer with a text; further fields go into the message."""
    return Answer({"content": content, **more}, finish, usage)


def calls(*wanted: tuple[str, str], content: str | None = None, usage: tuple[int, int] | None = (5, 7)) -> Answer:
    """Answer with tool calls, each a name and the JSON text of its arguments."""
    tool_calls = [
        {"id": f"call_{i}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for i, (name, arguments) in enumerate(wanted)
    ]
    return Answer({"content": content, "tool_calls": tool_calls}, "tool_calls", usage)


def error(status: int, message: str, *, code: str | None = None, headers: Mapping[str, str] | None = None) -> Reply:
    """Answer with an error object."""
    body = {"error": {"message": message, "type": "error", "code": code, "param": None}}
    return Reply([json.dumps(body).encode()], status, {"Content-Type": "application/json", **(headers or {})})


class OpenAIServer:
    """The server; runs on an event loop of its own thread, so that blocking clients may ask it, too.

    Attributes:
        requests: All chat requests, oldest first.
        models: What `GET /v1/models` lists; None for 404.
        asked: Set when a chat request came.
        left: Set when a client closed its connection before the answer was complete.
    """

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.listings: list[Received] = []
        self.connections = 0
        self.models: list[str] | None = ["m", "gpt-4o-mini"]
        self.asked = threading.Event()
        self.left = threading.Event()
        self._replies: list[Answer | Reply] = []
        self._loop = asyncio.new_event_loop()
        self._handlers: set[asyncio.Task[Any]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="openai-server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        start = asyncio.start_server(self._connected, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(start, self._loop).result(10)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        for task in self._handlers:
            task.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def request(self) -> Received:
        """The last chat request."""
        return self.requests[-1]

    def say(self, *replies: Answer | Reply | str) -> Self:
        """Queue answers; when none is left, the last one is given again."""
        self._replies += [text(reply) if isinstance(reply, str) else reply for reply in replies]
        return self

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        self.connections += 1
        try:
            while (request := await self._read(reader)) is not None and await self._answer(request, reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left.set()
        except asyncio.CancelledError:
            pass  # the test is over; streams would report the cancellation as an error
        finally:
            self._handlers.discard(task)
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Received | None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.strip().split("\r\n")
        method, path, _ = first.split(" ")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        return Received(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))

    async def _answer(self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        reply = self._reply_to(request)
        size = sum(len(piece) for piece in reply.pieces if piece is not HOLD)
        framing = {"Transfer-Encoding": "chunked"} if reply.streamed else {"Content-Length": str(size)}
        head = "".join(f"{k}: {v}\r\n" for k, v in {**reply.headers, **framing}.items())
        writer.write(f"HTTP/1.1 {reply.status} -\r\n{head}\r\n".encode() if reply.pieces[:1] != [HOLD] else b"")
        for piece in reply.pieces:
            if piece is HOLD:
                await writer.drain()
                if not await reader.read(1):
                    self.left.set()
                return False
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece) if reply.streamed else piece)
            await writer.drain()
        if reply.drop:
            return False
        if reply.streamed:
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    def _reply_to(self, request: Received) -> Reply:
        if request.path.endswith("/models"):
            self.listings.append(request)
            if self.models is None:
                return error(404, "no such route")
            data = {"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]}
            return Reply([json.dumps(data).encode()], headers={"Content-Type": "application/json"})
        if request.raw == PRACTICE:
            return Reply([b"{}"], headers={"Content-Type": "application/json"})
        self.requests.append(request)
        self.asked.set()
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        return reply.reply(request) if isinstance(reply, Answer) else reply
