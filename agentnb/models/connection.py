"""One connection that speaks HTTP/1.1 (RFC 9112), on the event loop's own transports."""

from __future__ import annotations

import asyncio
from itertools import repeat
from typing import Any, NamedTuple

__all__ = ["Connection", "Failed", "Head"]

_MOST_BYTES = 1 << 18
"""Unread bytes of one answer, from which on the server is not read from until they are taken."""
_LONGEST_HEAD = 1 << 16


class Head(NamedTuple):
    """The head of an answer, and the connection that its body comes on."""

    status: int
    text: bytes
    """Its headers as they came."""
    fields: dict[bytes, bytes]
    """The headers in lower case; values with the space around them; of several of one name, the last."""
    connection: Connection

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Names, in lower case, and values."""
        named = [line.split(b":", 1) for line in self.text.split(b"\r\n") if line]
        return [(name.strip().lower(), value.strip()) for name, value in named]


class Failed(Exception):
    """Something went wrong below HTTP; the HTTP client's exception of the same name says so to the SDK."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name

    def of(self, http: Any) -> Exception:
        made: Exception = getattr(http, self.name)(str(self))
        return made


class Connection(asyncio.Protocol):
    """One connection, and the answer that comes on it.

    Attributes:
        origin: Scheme, host and port.
        over: Whether it was closed, by either side.
        lent: Whether a request uses it.
        since: When it became idle, on the loop's clock.
    """

    def __init__(self, origin: tuple[Any, ...]) -> None:
        self.origin = origin
        self.over = False
        self.lent = True
        self.since = 0.0
        self._loop = asyncio.get_running_loop()
        self._read = bytearray()
        self._lost: Exception | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._patience: float | None = None
        self._paused = False
        self._ended = False
        self._stays = False

    # -- what the event loop calls ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        if len(self._read) > _MOST_BYTES and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self.over = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.over = True
        self._lost = exc
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    # -- waiting ------------------------------------------------------------------------------------------------------

    async def _arrival(self) -> None:
        """Wait until more has come, or the other side has closed."""
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        waiting = self._waiting = self._loop.create_future()
        if self._patience is not None:
            # One timer for many waits: a stream waits for each of its pieces.
            self._deadline = self._loop.time() + self._patience
            if self._timer is None:
                self._timer = self._loop.call_at(self._deadline, self._look)
        try:
            await waiting
        finally:
            self._waiting = None

    def _look(self) -> None:
        self._timer = None
        if self._waiting is None or self._waiting.done():
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._look)
        else:
            self._waiting.set_exception(Failed("ReadTimeout", "Nothing came in time."))

    def _broken(self, text: str) -> Failed:
        failed = Failed("ReadError" if self._lost else "RemoteProtocolError", str(self._lost or "") or text)
        failed.__cause__ = self._lost
        return failed

    # -- one request --------------------------------------------------------------------------------------------------

    def send(self, head: bytes, content: bytes) -> None:
        """Write a request."""
        self._ended = False  # given up before its answer began, the connection must not serve another request
        if b"\r\ntransfer-encoding:" in head.lower():
            content = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content) if content else b"0\r\n\r\n"
            self._transport.write(b"%b\r\n\r\n%b" % (head, content))
        elif content or not head.startswith((b"GET ", b"HEAD ")):
            self._transport.writelines((head, b"\r\nContent-Length: %d\r\n\r\n" % len(content), content))
        else:
            self._transport.write(head + b"\r\n\r\n")

    async def answer(self, method: str, patience: float | None) -> Head:
        """Wait for the head of the answer."""
        self._patience = patience
        read = self._read
        while True:
            while (ends := read.find(b"\r\n\r\n")) < 0:
                if self.over:
                    raise self._broken("Server disconnected without sending a response.")
                if len(read) > _LONGEST_HEAD:
                    raise Failed("RemoteProtocolError", "The head of the answer does not end.")
                await self._arrival()
            first, _, text = bytes(read[:ends]).partition(b"\r\n")
            del read[: ends + 4]
            try:
                version, status = first.split(b" ", 2)[:2]
                code = int(status)
                lines = text.lower().replace(b" :", b":").split(b"\r\n") if text else ()
                fields = dict([line.split(b":", 1) for line in lines])
            except ValueError:
                raise Failed("RemoteProtocolError", f"The server does not speak HTTP: {first[:80]!r}.") from None
            if code >= 200:
                break
        if not version.startswith(b"HTTP/1."):
            raise Failed("RemoteProtocolError", f"The server does not speak HTTP/1.1: {first[:80]!r}.")
        self._frame(method, version, code, fields)
        return Head(code, text, fields, self)

    def _frame(self, method: str, version: bytes, code: int, fields: dict[bytes, bytes]) -> None:
        """Learn how the body ends: `_left` bytes of it, or of the chunk at hand, are still to come."""
        said = fields.get(b"connection", b"")
        self._stays = b"close" not in said and (version != b"HTTP/1.0" or b"keep-alive" in said)
        self._chunked = b"chunked" in fields.get(b"transfer-encoding", b"")
        self._left: int | None = 0
        self._first = True
        self._ended = method == "HEAD" or code in (204, 304)
        if self._chunked or self._ended:
            return
        length = fields.get(b"content-length", b"").strip()
        if length.isdigit():
            self._left = int(length)
            self._ended = self._left == 0
        else:
            self._left = None
            self._stays = False

    def piece(self) -> bytes | None:
        """Return what has come of the body; nothing if more must come first, None at its end."""
        if self._ended:
            return None
        if self._chunked:
            return self._chunks()
        piece = self._take(len(self._read) if self._left is None else self._left)
        if self._left is not None:
            self._left -= len(piece)
            self._ended = self._left == 0
        if not piece and self.over:
            if self._left is not None or self._lost is not None:
                raise self._broken("The connection was closed before the answer was complete.")
            self._ended = True
            return None
        return piece

    def _take(self, count: int) -> bytes:
        piece = bytes(self._read[:count])
        del self._read[: len(piece)]
        return piece

    def _chunks(self) -> bytes | None:
        """Return the data of all chunks that have come, whole or in part."""
        read, pieces, at, plain = self._read, [], 0, True
        while not self._ended:
            if self._left:
                piece = read[at : at + self._left]
                if not piece:
                    break
                at += len(piece)
                self._left -= len(piece)
                pieces.append(piece)
                continue
            if plain:
                plain = False
                whole, at = self._whole_chunks(at)
                pieces += whole
            # Behind a chunk's data stands a line end, then comes the size of the next one.
            begins = at if self._first else at + 2
            ends = read.find(b"\r\n", begins)
            if ends < 0:
                break
            try:
                line = read[begins:ends]
                size = int(line.partition(b";")[0] if b";" in line else line, 16)
            except ValueError:
                raise Failed("RemoteProtocolError", "The server sent a chunk without its size.") from None
            if size == 0:
                trailer = read.find(b"\r\n\r\n", ends)
                if trailer < 0:
                    break
                at = trailer + 4
                self._ended = True
            else:
                at, self._left, self._first = ends + 2, size, False
        del read[:at]
        if not pieces and not self._ended and self.over:
            raise self._broken("The connection was closed before the answer was complete.")
        return b"".join(pieces) if pieces or not self._ended else None

    def _whole_chunks(self, at: int) -> tuple[list[bytearray], int]:
        """Return the data of the chunks that have come whole behind `at`, and where it ends.

        A stream has a chunk for each piece, so they are not looked at one by one, unless one of them holds line ends.
        """
        lines = (self._read[at:] if at else self._read).split(b"\r\n")
        if not self._first and lines.pop(0):
            return [], at
        pairs = (len(lines) - 1) // 2
        if pairs > 0 and not lines[2 * pairs - 1]:
            pairs -= 1  # the end
        sizes, data = lines[: 2 * pairs : 2], lines[1 : 2 * pairs : 2]
        try:
            if pairs < 1 or not all(data) or [*map(int, sizes, repeat(16))] != [*map(len, data)]:
                return [], at
        except ValueError:
            return [], at
        at += sum(map(len, sizes)) + sum(map(len, data)) + 4 * pairs - (2 if self._first else 0)
        self._first = False
        return data, at

    async def more(self) -> bytes | None:
        """Return the next piece of the body, once there is one; None at its end."""
        while (piece := self.piece()) == b"":
            await self._arrival()
        return piece

    async def read(self) -> bytes:
        """Return all of the body that was not read yet."""
        pieces = []
        while (piece := self.piece()) is not None:
            if piece:
                pieces.append(piece)
            else:
                await self._arrival()
        return b"".join(pieces)

    # -- afterwards ---------------------------------------------------------------------------------------------------

    def reusable(self) -> bool:
        """Tell whether the answer was read to its end and the next request may follow."""
        return self._ended and self._stays and self.silent()

    def silent(self) -> bool:
        """Tell whether it is open and nothing came unasked."""
        return not (self.over or self._read or self._paused)

    def close(self) -> None:
        """Let the connection go at once."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.over = True
        self._transport.abort()
