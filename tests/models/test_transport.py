"""The SDK's HTTP client over the loop's own transports, against servers that say exactly these bytes."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from agentnb.models.transport import http_client

HTTP: Any = sys.modules[next(c.__module__.partition(".")[0] for c in openai.DefaultAsyncHttpxClient.__mro__[1:])]
CERTIFICATES = Path(__file__).parent / "certificates"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Served:
    """What a server saw."""

    def __init__(self) -> None:
        self.url = ""
        self.connections = 0
        self.requests: list[bytes] = []
        self.asked = asyncio.Event()
        self.hung_up = asyncio.Event()


@asynccontextmanager
async def serving(
    *answers: Sequence[bytes] | bytes, hang_up: bool = False, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Served]:
    """Serve one answer a request, the last one again and again; a sequence is written piece by piece.

    Args:
        answers: Heads and bodies as they are.
        hang_up: Whether each connection is closed behind its answer.
        tls: The server's certificate.
    """
    served = Served()
    left = list(answers)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
                served.requests.append(head + await reader.readexactly(size))
                served.asked.set()
                answer = left.pop(0) if len(left) > 1 else left[0]
                for piece in (answer,) if isinstance(answer, bytes) else answer:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                if hang_up:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            served.hung_up.set()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    scheme = "http" if tls is None else "https"
    served.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/x?a=1"
    try:
        yield served
    finally:
        server.close()


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """Give the client, with no proxies in the environment."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    async with http_client(openai) as made:
        yield made


BODY = b"5;note=1\r\nHello\r\n7\r\n, world\r\n0\r\nTrailer: x\r\n\r\n"


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 100])
async def test_a_body_in_chunks_may_come_cut_anywhere(client: Any, cut: int) -> None:
    whole = CHUNKED + BODY
    async with serving([whole[i : i + cut] for i in range(0, len(whole), cut)]) as served:
        first = await client.post(served.url, content=b"abc")
        second = await client.post(served.url, content=b"abc")

    assert first.text == second.text == "Hello, world"
    assert served.connections == 1


@pytest.mark.parametrize("cut", [1, 10, 1000])
async def test_a_body_of_known_length_leaves_the_connection_for_the_next_request(client: Any, cut: int) -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nHello, world"
    async with serving([whole[i : i + cut] for i in range(0, len(whole), cut)]) as served:
        texts = [(await client.post(served.url, content=b"a" * number)).text for number in range(3)]

    assert texts == ["Hello, world"] * 3
    assert served.connections == 1
    assert served.requests[2].startswith(b"POST /x?a=1 HTTP/1.1\r\n")
    assert served.requests[2].endswith(b"\r\n\r\naa")


async def test_a_body_without_a_length_ends_with_the_connection(client: Any) -> None:
    async with serving([b"HTTP/1.1 200 OK\r\n\r\nHel", b"lo"], hang_up=True) as served:
        texts = [(await client.get(served.url)).text for _ in range(2)]

    assert texts == ["Hello"] * 2
    assert served.connections == 2


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nConnection: close\r\n", b"HTTP/1.0 200 OK\r\n"], ids=["asked to close", "HTTP/1.0"]
)
async def test_a_connection_that_does_not_stay_is_not_used_again(client: Any, head: bytes) -> None:
    async with serving(head + b"Content-Length: 2\r\n\r\nok") as served:
        for _ in range(2):
            await client.get(served.url)

    assert served.connections == 2


async def test_an_answer_without_a_body_and_one_that_comes_ahead_are_understood(client: Any) -> None:
    ahead = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    async with serving(ahead + b"HTTP/1.1 204 No Content\r\n\r\n") as served:
        answers = [await client.post(served.url, content=b"a") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 204]
    assert served.connections == 1


async def test_redirects_and_compressed_bodies_are_still_the_http_clients_affair(client: Any) -> None:
    import gzip

    packed = gzip.compress(b"Hello")
    moved = b"HTTP/1.1 307 Moved\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n"
    there = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    async with serving(moved, there + packed) as served:
        answer = await client.post(served.url, content=b"abc")

    assert answer.text == "Hello"
    assert [request.split(b" ")[1] for request in served.requests] == [b"/x?a=1", b"/y"]


BROKEN = {
    "nothing": (b"", "RemoteProtocolError"),
    "no HTTP": (b"220 mail.example ESMTP\r\n\r\n", "RemoteProtocolError"),
    "another HTTP": (b"HTTP/2 200\r\n\r\n", "RemoteProtocolError"),
    "half a head": (b"HTTP/1.1 200 OK\r\nA", "RemoteProtocolError"),
    "half a body": (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHello", "RemoteProtocolError"),
    "half a chunk": (CHUNKED + b"9\r\nHello", "RemoteProtocolError"),
    "no size": (CHUNKED + b"zz\r\nHello", "RemoteProtocolError"),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_what_is_no_answer_raises_the_http_clients_own_error(client: Any, what: str) -> None:
    answer, name = BROKEN[what]
    async with serving(answer, hang_up=True) as served:
        with pytest.raises(getattr(HTTP, name)):
            await client.post(served.url, content=b"a")


async def test_a_server_that_is_not_there_raises_a_connect_error(client: Any) -> None:
    async with serving(b"") as served:
        pass

    with pytest.raises(HTTP.ConnectError):
        await client.get(served.url)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHello", CHUNKED + b"9\r\nHe"])
async def test_a_server_that_falls_silent_is_waited_for_as_long_as_was_said(client: Any, answer: bytes) -> None:
    async with serving(answer) as served:
        with pytest.raises(HTTP.ReadTimeout):
            await client.get(served.url, timeout=0.05)


async def _left_early(client: Any, served: Served) -> None:
    async with client.stream("GET", served.url) as answer:
        async for _ in answer.aiter_bytes():
            return


async def _cancelled(client: Any, served: Served) -> None:
    task = asyncio.ensure_future(client.get(served.url))
    await served.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("leave", [_left_early, _cancelled])
async def test_an_answer_that_was_left_does_not_mix_with_the_next_one(
    client: Any, leave: Callable[[Any, Served], Awaitable[None]]
) -> None:
    async with serving(CHUNKED + b"5\r\nHello\r\n", CHUNKED + BODY) as served:
        await leave(client, served)
        answer = await client.get(served.url)

    assert answer.text == "Hello, world"
    assert served.connections == 2


async def test_a_connection_that_the_server_closed_meanwhile_is_not_used_again(client: Any) -> None:
    async with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", hang_up=True) as served:
        await client.get(served.url)
        await served.hung_up.wait()
        await asyncio.sleep(0.02)
        await client.get(served.url)

    assert served.connections == 2


async def test_a_long_answer_that_nobody_reads_waits_at_the_server(client: Any) -> None:
    piece = b"x" * 100_000
    sent = []

    def pieces() -> Sequence[bytes]:
        return [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (200 * len(piece)), *[piece] * 200]

    async with serving(pieces()) as served, client.stream("GET", served.url) as answer:
        await asyncio.sleep(0.05)
        held = len(answer.stream._stream._connection._read)
        async for part in answer.aiter_bytes():
            sent.append(len(part))

    assert sum(sent) == 200 * len(piece)
    assert 0 < held < 2_000_000


async def test_many_requests_at_once_have_a_connection_each_and_share_them_afterwards(client: Any) -> None:
    async with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as served:
        for _ in range(3):
            await asyncio.gather(*(client.get(served.url) for _ in range(8)))

    assert served.connections == 8
    assert len(served.requests) == 24


async def test_a_body_that_is_made_on_the_way_is_sent_in_chunks(client: Any) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"ab"
        yield b"c"

    async with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok") as served:
        answer = await client.post(served.url, content=parts())

    assert answer.text == "ok"
    assert b"transfer-encoding: chunked" in served.requests[0].lower()


def test_behind_a_proxy_the_sdk_uses_its_own_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")

    assert http_client(openai) is None


def certificate() -> ssl.SSLContext:
    """Return a server's side of a connection; its key is in the repository and guards nothing."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATES / "localhost.crt", CERTIFICATES / "localhost.key")
    return context


@pytest.mark.parametrize("cut", [1, 1000])
async def test_an_encrypted_answer_is_read_and_its_connection_used_again(
    client: Any, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATES / "localhost.crt"))
    whole = CHUNKED + BODY
    async with serving([whole[i : i + cut] for i in range(0, len(whole), cut)], tls=certificate()) as served:
        texts = [(await client.post(served.url, content=b"abc")).text for _ in range(2)]

    assert texts == ["Hello, world"] * 2
    assert served.connections == 1


async def test_a_certificate_nobody_vouches_for_is_refused(client: Any) -> None:
    async with serving(CHUNKED + BODY, tls=certificate()) as served:
        with pytest.raises(HTTP.ConnectError, match="certificate verify failed"):
            await client.post(served.url, content=b"abc")

    assert served.requests == []


async def test_a_certificate_of_another_name_is_refused(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATES / "localhost.crt"))
    async with serving(CHUNKED + BODY, tls=certificate()) as served:
        elsewhere = served.url.replace("127.0.0.1", "127.0.0.2")
        with pytest.raises(HTTP.ConnectError):
            await client.post(elsewhere, content=b"abc")

    assert served.requests == []
