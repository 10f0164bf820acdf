"""A model server as cheap as can be, in a process of its own: `python server.py CHUNKS` prints its port and serves.

It says one text, at once or, where the request asks for a stream, in so many pieces, each written alone.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

SAYS = "a message of ordinary length " * 5
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\n%s\r\n\r\n"
USAGE = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}


def _answer(kind: str, choices: list[dict[str, Any]], usage: dict[str, int] | None) -> bytes:
    answer = {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "m", "choices": choices, "usage": usage}
    return json.dumps(answer).encode()


def _whole() -> bytes:
    message = {"role": "assistant", "content": SAYS}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    body = _answer("chat.completion", choices, USAGE)
    return HEAD % (b"application/json", b"Content-Length: %d" % len(body)) + body


def _pieces(count: int) -> list[bytes]:
    def chunk(choices: list[dict[str, Any]], usage: dict[str, int] | None = None) -> bytes:
        return _answer("chat.completion.chunk", choices, usage)

    def delta(message: dict[str, Any], finish: str | None = None) -> bytes:
        return chunk([{"index": 0, "delta": message, "finish_reason": finish}])

    said = [delta({"content": f" word{number}"}) for number in range(count)]
    data = [delta({"role": "assistant", "content": ""}), *said, delta({}, "stop"), chunk([], USAGE), b"[DONE]"]
    lines = [b"data: " + line + b"\n\n" for line in data]
    return [b"%x\r\n%s\r\n" % (len(line), line) for line in lines] + [b"0\r\n\r\n"]


class _Connection(asyncio.Protocol):
    def __init__(self, chunks: int, delay: float) -> None:
        self._whole = _whole()
        self._pieces = _pieces(chunks)
        self._delay = delay
        self._read = bytearray()
        self._streams: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        head_ends = self._read.find(b"\r\n\r\n")
        if head_ends < 0:
            return
        head = bytes(self._read[:head_ends]).lower()
        size = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        body_begins = head_ends + 4
        if len(self._read) < body_begins + size:
            return
        tail = bytes(self._read[-400:]).replace(b" ", b"")
        self._read.clear()
        if b'"stream":true' in tail or b'"stream":true' in head:
            stream = asyncio.get_running_loop().create_task(self._stream())
            self._streams.add(stream)
            stream.add_done_callback(self._streams.discard)
        elif self._delay:
            asyncio.get_running_loop().call_later(self._delay, self._transport.write, self._whole)
        else:
            self._transport.write(self._whole)

    async def _stream(self) -> None:
        self._transport.write(HEAD % (b"text/event-stream", b"Transfer-Encoding: chunked"))
        for piece in self._pieces:
            self._transport.write(piece)
            await asyncio.sleep(0)


async def _serve(chunks: int, delay: float) -> None:
    made = await asyncio.get_running_loop().create_server(lambda: _Connection(chunks, delay), "127.0.0.1", 0)
    print(made.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # until who started it is gone


class Server:
    """The server as who measures sees it.

    Args:
        chunks: Pieces of a streamed text.
        delay: Seconds before a whole answer.
    """

    def __init__(self, chunks: int = 200, delay: float = 0.0) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__)), str(chunks), str(delay)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}/v1"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
