"""What the SDK's HTTP client sends its requests through: connections of our own, kept for the next request.

The SDK's default puts each piece of an answer through three libraries, which costs more than all else that is done with
it. Here a body is read as it comes off the socket; addresses, keys, headers, redirects, decoding and errors stay the
SDK's and its HTTP client's.
"""

from __future__ import annotations

import asyncio
import importlib
import urllib.request
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, NamedTuple, Self

from agentnb.models.connection import Connection, Failed, Head

__all__ = ["Pool", "RequestHead", "answered", "http_client", "http_package"]

_IDLE_SECONDS = 5.0
"""How long a connection is kept for the next request, as the SDK's HTTP client keeps it."""
_MOST_CONNECTIONS = 1000


def http_client(sdk: Any, pool: Pool | None = None) -> Any:
    """Return a client for the SDK's `http_client`, None if the SDK is to use its own: proxies are that one's affair.

    Args:
        sdk: The module `openai`.
        pool: Its connections.
    """
    if urllib.request.getproxies():
        return None
    return sdk.DefaultAsyncHttpxClient(transport=_transport(http_package(sdk))(pool or Pool()))


def http_package(sdk: Any) -> Any:
    """Return the HTTP client's package: the SDK moved from httpx to httpx2 between its major versions."""
    classes = sdk.DefaultAsyncHttpxClient.__mro__
    return importlib.import_module(next(c.__module__.partition(".")[0] for c in classes if c.__name__ == "AsyncClient"))


@lru_cache(maxsize=4)
def _transport(http: Any) -> type[Any]:
    """Return the classes for one version of the HTTP client, which checks what they derive from."""

    class Body(http.AsyncByteStream):  # type: ignore[misc]
        def __init__(self, pool: Pool, connection: Connection) -> None:
            self._pool, self._connection = pool, connection

        async def __aiter__(self) -> AsyncIterator[bytes]:
            connection = self._connection
            try:
                while (piece := await connection.more()) is not None:
                    yield piece
            except Failed as error:
                raise error.of(http) from error.__cause__

        async def aclose(self) -> None:
            self._pool.done(self._connection)

    class Transport(http.AsyncBaseTransport):  # type: ignore[misc]
        def __init__(self, pool: Pool) -> None:
            self.pool = pool
            pool.tls, pool.response = http.create_ssl_context, self.response

        async def handle_async_request(self, request: Any) -> Any:
            head = answered.get()
            if head is not None:
                answered.set(None)  # only the first request is answered: what follows, such as a redirect, is sent
            else:
                try:
                    content = request.content
                except http.RequestNotRead:
                    content = await request.aread()
                try:
                    head = await self.pool.exchange(RequestHead.of(request), content)
                except Failed as error:
                    raise error.of(http) from error.__cause__
            return self.response(head)

        def response(self, head: Head) -> Any:
            stream, version = Body(self.pool, head.connection), {"http_version": b"HTTP/1.1"}
            return http.Response(head.status, headers=head.headers, stream=stream, extensions=version)

        async def aclose(self) -> None:
            self.pool.close()

    return Transport


class RequestHead(NamedTuple):
    """A request but for its body."""

    origin: tuple[str, str, int | None]
    """Scheme, host and port."""
    method: str
    head: bytes
    """Its first line and headers, but for the length of the body, and without the empty line behind them."""
    timeouts: Mapping[str, float | None]
    """Seconds: `connect` and `read`."""

    @classmethod
    def of(cls, request: Any) -> Self:
        """Return that of the HTTP client's request."""
        url = request.url
        lines = [b"%b %b HTTP/1.1" % (request.method.encode(), url.raw_path)]
        lines += [b"%b: %b" % (name, value) for name, value in request.headers.raw if name.lower() != b"content-length"]
        timeouts = request.extensions.get("timeout") or {}
        return cls((url.scheme, url.host, url.port), request.method, b"\r\n".join(lines), timeouts)


answered: ContextVar[Head | None] = ContextVar("agentnb_answered", default=None)
"""The answer that the next request of the HTTP client already has."""


class Pool:
    """The connections of one client.

    Attributes:
        tls: Makes what checks certificates.
        response: Makes the HTTP client's response of the head of an answer.
    """

    tls: Callable[[], Any]
    response: Callable[[Head], Any]

    def __init__(self) -> None:
        self._secure: Any = None
        self._idle: defaultdict[tuple[Any, ...], list[Connection]] = defaultdict(list)
        self._places = asyncio.Semaphore(_MOST_CONNECTIONS)

    async def exchange(self, request: RequestHead, content: bytes) -> Head:
        """Send a request and wait for the head of the answer.

        Raises:
            Failed: If there is no connection, or no answer.
        """
        await self._places.acquire()
        connection: Connection | None = None
        try:
            connection = self._known(request.origin) or await self._new(request.origin, request.timeouts)
            connection.send(request.head, content)
            return await connection.answer(request.method, request.timeouts.get("read"))
        except BaseException:
            self.done(connection)
            raise

    def _known(self, origin: tuple[str, str, int | None]) -> Connection | None:
        idle = self._idle[origin]
        while idle:
            known = idle.pop()
            if known.silent() and asyncio.get_running_loop().time() - known.since < _IDLE_SECONDS:
                known.lent = True
                return known
            known.close()
        return None

    async def _new(self, origin: tuple[str, str, int | None], timeouts: Mapping[str, float | None]) -> Connection:
        scheme, host, port = origin
        secure = scheme == "https"
        if secure and self._secure is None:
            self._secure = self.tls()
        try:
            async with asyncio.timeout(timeouts.get("connect")):
                _, made = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(origin),
                    host,
                    port or (443 if secure else 80),
                    ssl=self._secure if secure else None,
                    happy_eyeballs_delay=0.25,
                )
        except TimeoutError as error:
            raise Failed("ConnectTimeout", "No connection came about in time.") from error
        except OSError as error:
            raise Failed("ConnectError", str(error)) from error
        return made

    def done(self, connection: Connection | None) -> None:
        """Take a connection back."""
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

    def close(self) -> None:
        """Close the connections that nobody uses."""
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
        self._idle.clear()
