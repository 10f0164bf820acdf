"""Finished bodies on their way to a server: the first by the SDK, the others with the head that it gave the first."""

from __future__ import annotations

import inspect
import logging
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from functools import lru_cache
from typing import Any

from agentnb.core import monotonic
from agentnb.models.connection import Connection, Failed
from agentnb.models.transport import Pool, RequestHead, answered, http_client, http_package

__all__ = ["Sender", "Sent"]

_PATH = "/chat/completions"
_FRESH_SECONDS = 60.0
"""How long a head is used before the SDK makes it anew."""
_STATIC = frozenset(("default_headers", "default_query", "organization", "project", "timeout"))
"""Arguments of the SDK with which all its requests have one head; others may sign each, or choose an address."""

# Asks the SDK for the raw response: it neither parses nor validates what comes.
_RAW = {"X-Stainless-Raw-Response": "stream"}


class Sent(ABC):
    """An answer, its body unread."""

    @abstractmethod
    async def more(self) -> bytes | None:
        """Return the next piece of the body, None at its end."""

    async def read(self) -> bytes:
        """Return all of the body that was not read yet."""
        pieces = []
        while (piece := await self.more()) is not None:
            pieces.append(piece)
        return b"".join(pieces)

    @abstractmethod
    async def close(self) -> None:
        """Let the connection go."""


class _Decoded(Sent):
    """An answer that the HTTP client reads and decodes."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self._pieces: AsyncGenerator[bytes, None] = response.aiter_bytes()

    async def more(self) -> bytes | None:
        return await anext(self._pieces, None)

    async def close(self) -> None:
        await self._pieces.aclose()
        await self._response.aclose()


class _Plain(Sent):
    """An answer that needs nothing of the SDK."""

    def __init__(self, pool: Pool, connection: Connection, http: Any) -> None:
        self._pool, self._connection, self._http = pool, connection, http

    async def more(self) -> bytes | None:
        try:
            return await self._connection.more()
        except Failed as error:
            raise error.of(self._http) from error.__cause__

    async def read(self) -> bytes:
        try:
            return await self._connection.read()
        except Failed as error:
            raise error.of(self._http) from error.__cause__

    async def close(self) -> None:
        self._pool.done(self._connection)


class Sender:
    """Sends bodies to one server, from one event loop.

    The SDK makes the first requests: address, headers, key. When it has made two whose heads are alike, the next ones
    are sent with that head for a minute, over the same connections, at a fifth of the price. What is no plain answer (a
    refusal, a redirect, a cookie) is given to the SDK as if it had asked itself. It makes all
    requests where it may do more: where it signs them, where an HTTP client was given or a proxy is named in the
    environment, and where somebody reads its log or that of its HTTP client.

    Args:
        key: The key for the server.
        url: The server's address.
        arguments: Further arguments of the SDK's client.
    """

    def __init__(self, key: str, url: str, arguments: Mapping[str, Any]) -> None:
        package: Any = sys.modules["openai"]
        pool = Pool()
        own = None if "http_client" in arguments else http_client(package, pool)
        self._sdk: Any = package.AsyncOpenAI(
            **{**arguments, "http_client": arguments.get("http_client", own)}, api_key=key, base_url=url, max_retries=0
        )
        self._pool = pool if own is not None and _STATIC.issuperset(arguments) else None
        self._http = http_package(package)
        self._log, self._http_log = logging.getLogger("openai"), logging.getLogger(self._http.__name__)
        self._carrier = _carrier(package.AsyncOpenAI)
        self._request: RequestHead | None = None
        self._ready = False
        self._made = 0.0

    async def post(self, body: bytes, options: Mapping[str, Any]) -> Sent:
        """Ask for a completion and return the answer.

        Args:
            body: The request as JSON.
            options: The SDK's for this request: `headers`, `params`, `timeout`.

        Raises:
            openai.OpenAIError: If the server refuses, or cannot be reached by the SDK.
            httpx.TransportError: If it cannot be reached otherwise.
        """
        pool, request = self._pool, self._request
        if pool is None or options:
            return _Decoded(await self._by_sdk(body, options))
        if request is None or not self._ready or self._watched() or monotonic() - self._made > _FRESH_SECONDS:
            return _Decoded(self._learn(await self._by_sdk(body, options)))
        try:
            head = await pool.exchange(request, body)
        except Failed as error:
            raise error.of(self._http) from error.__cause__
        if head.status == 200 and b"set-cookie" not in head.fields:
            if b"content-encoding" in head.fields:
                return _Decoded(pool.response(head))
            return _Plain(pool, head.connection, self._http)
        self._ready = False
        answered.set(head)
        try:
            return _Decoded(await self._by_sdk(body, options))
        finally:
            if answered.get() is not None:  # the SDK did not come so far as to ask
                answered.set(None)
                pool.done(head.connection)

    async def _by_sdk(self, body: bytes, options: Mapping[str, Any]) -> Any:
        given = {**options, "headers": {**(options.get("headers") or {}), **_RAW}}
        answer = await self._sdk.post(_PATH, cast_to=object, options=given, **{self._carrier: body})
        return answer.http_response

    def _learn(self, response: Any) -> Any:
        """Take note of the request that led to an answer."""
        before = self._request
        self._request = RequestHead.of(response.request)
        self._ready = self._request == before and not response.history and "set-cookie" not in response.headers
        self._made = monotonic()
        return response

    def _watched(self) -> bool:
        return self._log.isEnabledFor(logging.DEBUG) or self._http_log.isEnabledFor(logging.INFO)

    async def models(self, timeout: float) -> list[str]:
        """Return the names of the models that the server lists.

        Args:
            timeout: Seconds it may take.
        """
        listed = await self._sdk.get("/models", cast_to=object, options={"timeout": timeout, "max_retries": 0})
        return [str(item["id"]) for item in listed["data"]]

    async def close(self) -> None:
        """Close the connections."""
        await self._sdk.close()


@lru_cache(maxsize=8)
def _carrier(sdk: Any) -> str:
    """Return how the SDK takes finished bytes: newer ones as `content`, older ones as `body`."""
    return "content" if "content" in inspect.signature(sdk.post).parameters else "body"
