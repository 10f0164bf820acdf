"""Bodies sent with the head of the SDK's own requests: nothing that the SDK does for a request is lost."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import openai
import pytest

from agentnb.core.clock import Clock, set_clock
from agentnb.models.sender import Sender
from agentnb.models.transport import http_package
from tests.models.server import HOLD, OpenAIServer, Reply, error, events

HTTP: Any = http_package(openai)
OK = Reply([b"{}"], headers={"Content-Type": "application/json"})
Make = Callable[..., Sender]


@pytest.fixture
async def make(openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    """Make senders to the server, with no proxies in the environment; all are closed at the end."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    made: list[Sender] = []

    def sender(**arguments: Any) -> Sender:
        made.append(Sender("sk-a-key", openai_server.base_url, arguments))
        return made[-1]

    yield sender
    for one in made:
        await one.close()


async def send(sender: Sender, body: object = None, **options: Any) -> bytes:
    """Send a body and return what came back."""
    answer = await sender.post(json.dumps(body).encode(), options)
    try:
        return await answer.read()
    finally:
        await answer.close()


@pytest.fixture
def by_sdk(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Give a function that tells how many requests the SDK made."""
    made: list[object] = []

    class Counting(openai.AsyncOpenAI):
        async def _prepare_request(self, request: Any) -> None:
            made.append(request)

    monkeypatch.setattr(openai, "AsyncOpenAI", Counting)
    return lambda: len(made)


async def test_after_two_requests_of_the_sdk_the_same_head_carries_other_bodies(
    make: Make, openai_server: OpenAIServer, by_sdk: Callable[[], int]
) -> None:
    openai_server.say(OK)
    sender = make(default_headers={"X-Team": "a"}, default_query={"v": "1"}, organization="org", timeout=7.0)

    for number in range(4):
        assert await send(sender, {"n": number}) == b"{}"

    first, *_, last = openai_server.requests
    assert by_sdk() == 2
    assert {**last.headers, "content-length": ""} == {**first.headers, "content-length": ""}
    assert (last.path, last.headers["x-team"]) == ("/v1/chat/completions?v=1", "a")
    assert [request.body for request in openai_server.requests] == [{"n": number} for number in range(4)]
    assert openai_server.connections == 1


async def test_a_request_with_options_of_its_own_is_the_sdks_and_leaves_no_trace(
    make: Make, openai_server: OpenAIServer
) -> None:
    openai_server.say(OK)
    sender = make()
    for _ in range(3):
        await send(sender)

    await send(sender, headers={"X-Once": "1"}, params={"q": "2"})
    await send(sender)

    *_, own, after = openai_server.requests
    assert (own.headers["x-once"], own.path) == ("1", "/v1/chat/completions?q=2")
    assert ("x-once" in after.headers, after.path) == (False, "/v1/chat/completions")


@pytest.mark.parametrize(
    ("status", "kind"), [(401, "AuthenticationError"), (404, "NotFoundError"), (429, "RateLimitError"), (503, None)]
)
async def test_a_refusal_is_the_sdks_error_and_the_server_is_asked_once(
    make: Make, openai_server: OpenAIServer, status: int, kind: str | None
) -> None:
    openai_server.say(OK, OK, OK, error(status, "no", headers={"Retry-After": "3"}), OK)
    sender = make()
    for _ in range(3):
        await send(sender)

    with pytest.raises(openai.APIStatusError, match="no") as raised:
        await send(sender)
    again = await send(sender)

    assert kind is None or type(raised.value).__name__ == kind
    assert raised.value.response.headers["retry-after"] == "3"
    assert again == b"{}"
    assert len(openai_server.requests) == 5


async def test_a_redirect_is_followed(make: Make, openai_server: OpenAIServer) -> None:
    elsewhere = Reply([], 307, {"Location": "/v1/other/completions"})
    openai_server.say(OK, OK, OK, elsewhere, OK)
    sender = make()
    for _ in range(3):
        await send(sender)

    assert await send(sender, {"n": 1}) == b"{}"
    assert openai_server.request.path == "/v1/other/completions"
    assert openai_server.request.body == {"n": 1}


async def test_a_compressed_answer_is_decoded(
    make: Make, openai_server: OpenAIServer, by_sdk: Callable[[], int]
) -> None:
    openai_server.say(Reply([gzip.compress(b'{"a": 1}')], headers={"Content-Encoding": "gzip"}))
    sender = make()

    said = [await send(sender) for _ in range(4)]

    assert said == [b'{"a": 1}'] * 4
    assert by_sdk() == 2


async def test_a_cookie_is_sent_back(make: Make, openai_server: OpenAIServer) -> None:
    openai_server.say(OK, OK, OK, Reply([b"{}"], headers={"Set-Cookie": "lane=7; Path=/"}), OK)
    sender = make()

    for _ in range(9):
        await send(sender)

    assert [request.headers.get("cookie") for request in openai_server.requests] == [None] * 4 + ["lane=7"] * 5


class Hand(Clock):
    """A clock that is set by hand."""

    seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.seconds


async def test_the_sdk_makes_the_head_anew_each_minute(
    make: Make, openai_server: OpenAIServer, by_sdk: Callable[[], int]
) -> None:
    openai_server.say(OK)
    sender = make()
    with set_clock(Hand()) as clock:
        for _ in range(5):
            await send(sender)
        before = by_sdk()
        clock.seconds = 61.0  # type: ignore[attr-defined]
        for _ in range(5):
            await send(sender)

    assert (before, by_sdk()) == (2, 3)


async def test_heads_that_differ_each_time_are_never_used_again(
    make: Make, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    openai_server.say(OK)

    class Signing(openai.AsyncOpenAI):
        signed = 0

        async def _prepare_request(self, request: Any) -> None:
            self.signed += 1
            request.headers["X-Signature"] = str(self.signed)

    monkeypatch.setattr(openai, "AsyncOpenAI", Signing)
    sender = make()

    for _ in range(5):
        await send(sender)

    assert [request.headers["x-signature"] for request in openai_server.requests] == list("12345")


async def test_a_users_own_http_client_makes_every_request(make: Make, openai_server: OpenAIServer) -> None:
    openai_server.say(OK)
    seen: list[str] = []

    async def see(request: Any) -> None:
        seen.append(request.method)

    sender = make(http_client=openai.DefaultAsyncHttpxClient(event_hooks={"request": [see]}))

    for _ in range(5):
        await send(sender)

    assert seen == ["POST"] * 5


async def test_who_reads_the_http_clients_log_sees_every_request(
    make: Make, openai_server: OpenAIServer, caplog: pytest.LogCaptureFixture
) -> None:
    openai_server.say(OK)
    sender = make()

    with caplog.at_level(logging.INFO, HTTP.__name__):
        for _ in range(5):
            await send(sender)

    assert sum("/chat/completions" in record.getMessage() for record in caplog.records) == 5


async def test_a_request_given_up_takes_its_connection_along(make: Make, openai_server: OpenAIServer) -> None:
    """What the server answers too late must not be taken for the answer to the next request."""
    openai_server.say(OK, OK, OK, events(HOLD, done=False), OK)
    sender = make()
    for _ in range(3):
        await send(sender)
    openai_server.asked.clear()

    task = asyncio.create_task(send(sender))
    await asyncio.to_thread(openai_server.asked.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await send(sender) == b"{}"
    assert await asyncio.to_thread(openai_server.left.wait, 5)
    assert openai_server.connections == 2


async def test_a_server_that_is_gone_is_told_as_the_http_client_tells_it(make: Make) -> None:
    with OpenAIServer() as server:
        server.say(OK)
        sender = Sender("k", server.base_url, {})
        for _ in range(3):
            await send(sender)
    await asyncio.sleep(0)

    with pytest.raises(HTTP.TransportError):
        await send(sender)
    await sender.close()
