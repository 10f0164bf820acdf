"""HTTP/1.1 on the event loop's own transports, for the SDK's HTTP client.

The SDK's default puts each piece of an answer through three libraries, which costs more than all else that is done with
it. This one reads a body as it comes off the socket; addresses, keys, headers, redirects, decoding and errors stay the
SDK's and its HTTP client's (RFC 9112 for the framing).
"""

from __future__ import annotations

import asyncio
import importlib
import urllib.request
from collections import defaultdict
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Any

__all__ = ["http_client"]

_IDLE_SECONDS = 5.0
"""How long a connection is kept for the next request, as the SDK's HTTP client keeps it."""
_MOST_CONNECTIONS = 1000
_MOST_BYTES = 1 << 18
"""Unread bytes of one answer, from which on the server is not read from until they are taken."""
_LONGEST_HEAD = 1 << 16


def http_client(sdk: Any) -> Any:
    """Return a client for the SDK's `http_client`, None if the SDK is to use its own: proxies are that one's affair.

    Args:
        sdk: The module `openai`.
    """
    if urllib.request.getproxies():
        return None
    base = sdk.DefaultAsyncHttpxClient
    # The SDK moved from httpx to httpx2 between its major versions; responses must be of its own.
    package = next(cls.__module__.partition(".")[0] for cls in base.__mro__ if cls.__name__ == "AsyncClient")
    http: Any = importlib.import_module(package)
    return base(transport=_transport(http)(http))


@lru_cache(maxsize=4)
def _transport(http: Any) -> type[Any]:
    """Return the classes for one version of the HTTP client, which checks what they derive from."""

    class Body(http.AsyncByteStream):  # type: ignore[misc]
        def __init__(self, transport: Transport, connection: _Connection) -> None:
            self._transport, self._connection = transport, connection

        async def __aiter__(self) -> AsyncIterator[bytes]:
            connection = self._connection
            try:
                while (piece := connection.piece()) is not None:
                    yield piece or await connection.more()
            except _Failed as error:
                raise error.of(http) from error.__cause__

        async def aclose(self) -> None:
            self._transport.done(self._connection)

    class Transport(http.AsyncBaseTransport):  # type: ignore[misc]
        def __init__(self, http: Any) -> None:
            self._secure: Any = None
            self._idle: defaultdict[tuple[Any, ...], list[_Connection]] = defaultdict(list)
            self._places = asyncio.Semaphore(_MOST_CONNECTIONS)

        async def handle_async_request(self, request: Any) -> Any:
            try:
                content = request.content
            except http.RequestNotRead:
                content = await request.aread()
            timeouts = request.extensions.get("timeout") or {}
            await self._places.acquire()
            connection: _Connection | None = None
            try:
                connection = await self._connection(request.url, timeouts)
                connection.send(request.method, request.url.raw_path, request.headers.raw, content)
                status, headers = await connection.answer(request.method, timeouts.get("read"))
            except BaseException as error:
                self.done(connection)
                if isinstance(error, _Failed):
                    raise error.of(http) from error.__cause__
                raise
            return http.Response(
                status, headers=headers, stream=Body(self, connection), extensions={"http_version": b"HTTP/1.1"}
            )

        async def _connection(self, url: Any, timeouts: Any) -> _Connection:
            origin = (url.scheme, url.host, url.port)
            loop = asyncio.get_running_loop()
            idle = self._idle[origin]
            while idle:
                known = idle.pop()
                if known.silent() and loop.time() - known.since < _IDLE_SECONDS:
                    known.lent = True
                    return known
                known.close()
            secure = url.scheme == "https"
            if secure and self._secure is None:
                self._secure = http.create_ssl_context()
            port = url.port or (443 if secure else 80)
            try:
                async with asyncio.timeout(timeouts.get("connect")):
                    _, made = await loop.create_connection(
                        lambda: _Connection(origin),
                        url.host,
                        port,
                        ssl=self._secure if secure else None,
                        happy_eyeballs_delay=0.25,
                    )
            except TimeoutError as error:
                raise _Failed("ConnectTimeout", "No connection came about in time.") from error
            except OSError as error:
                raise _Failed("ConnectError", str(error)) from error
            return made

        def done(self, connection: _Connection | None) -> None:
            if connection is not None and not connection.lent:
                return
            self._places.release()
            if connection is None:
                return
            connection.lent = False
            if connection.reusable():
                connection.since = asyncio.get_running_loop().time()
                self._idle[connection.origin].append(connection)
            else:
                connection.close()

        async def aclose(self) -> None:
            for idle in self._idle.values():
                for connection in idle:
                    connection.close()
            self._idle.clear()

    return Transport


class _Failed(Exception):
    """Something went wrong below HTTP; the HTTP client's exception of the same name says so to the SDK."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name

    def of(self, http: Any) -> Exception:
        made: Exception = getattr(http, self.name)(str(self))
        return made


class _Connection(asyncio.Protocol):
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
            self._waiting.set_exception(_Failed("ReadTimeout", "Nothing came in time."))

    def _broken(self, text: str) -> _Failed:
        failed = _Failed("ReadError" if self._lost else "RemoteProtocolError", str(self._lost or "") or text)
        failed.__cause__ = self._lost
        return failed

    # -- one request --------------------------------------------------------------------------------------------------

    def send(self, method: str, target: bytes, headers: list[tuple[bytes, bytes]], content: bytes) -> None:
        """Write a request."""
        lines = [b"%b %b HTTP/1.1" % (method.encode(), target)]
        chunked = False
        for name, value in headers:
            lines.append(b"%b: %b" % (name, value))
            chunked = chunked or name.lower() == b"transfer-encoding"
        if chunked:
            content = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content) if content else b"0\r\n\r\n"
        self._transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + content)

    async def answer(self, method: str, patience: float | None) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Wait for the head of the answer, and return its status and headers."""
        self._patience = patience
        while True:
            while (ends := self._read.find(b"\r\n\r\n")) < 0:
                if self.over:
                    raise self._broken("Server disconnected without sending a response.")
                if len(self._read) > _LONGEST_HEAD:
                    raise _Failed("RemoteProtocolError", "The head of the answer does not end.")
                await self._arrival()
            first, *lines = bytes(self._read[:ends]).split(b"\r\n")
            del self._read[: ends + 4]
            try:
                version, status = first.split(b" ", 2)[:2]
                code = int(status)
                headers = [(name.strip(), value.strip()) for name, value in (line.split(b":", 1) for line in lines)]
            except ValueError:
                raise _Failed("RemoteProtocolError", f"The server does not speak HTTP: {first[:80]!r}.") from None
            if code >= 200:
                break
        if not version.startswith(b"HTTP/1."):
            raise _Failed("RemoteProtocolError", f"The server does not speak HTTP/1.1: {first[:80]!r}.")
        self._frame(method, version, code, {name.lower(): value.lower() for name, value in headers})
        return code, headers

    def _frame(self, method: str, version: bytes, code: int, headers: dict[bytes, bytes]) -> None:
        """Learn how the body ends: `_left` bytes of it, or of the chunk at hand, are still to come."""
        self._chunked = b"chunked" in headers.get(b"transfer-encoding", b"")
        self._ended = False
        self._left: int | None = 0 if self._chunked else None
        self._first = True
        said = headers.get(b"connection", b"")
        self._stays = b"close" not in said and (version != b"HTTP/1.0" or b"keep-alive" in said)
        if method == "HEAD" or code in (204, 304):
            self._ended = True
        elif not self._chunked:
            length = headers.get(b"content-length")
            self._left = int(length) if length is not None and length.isdigit() else None
            self._ended = self._left == 0
            self._stays = self._stays and self._left is not None

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
        read, pieces, at = self._read, [], 0
        while not self._ended:
            if self._left:
                piece = bytes(read[at : at + self._left])
                if not piece:
                    break
                at += len(piece)
                self._left -= len(piece)
                pieces.append(piece)
                continue
            # Behind a chunk's data stands a line end, then comes the size of the next one.
            begins = at if self._first else at + 2
            ends = read.find(b"\r\n", begins)
            if ends < 0:
                break
            try:
                size = int(bytes(read[begins:ends]).partition(b";")[0], 16)
            except ValueError:
                raise _Failed("RemoteProtocolError", "The server sent a chunk without its size.") from None
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

    async def more(self) -> bytes:
        """Wait for the next piece of the body; nothing at its end."""
        while True:
            await self._arrival()
            piece = self.piece()
            if piece is None or piece:
                return piece or b""

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
