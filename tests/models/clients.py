"""Clients of a server on the loopback interface, fresh ones and such as have sent before."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import openai
import pytest

from agentnb.messages import CreateResult, LLMMessage, UserMessage
from agentnb.models.base import ModelInfo
from agentnb.models.openai import OpenAIChatCompletionClient
from agentnb.models.reliable import Retry
from agentnb.models.sender import Sender
from tests.models.server import PRACTICE, OpenAIServer

KEY = "sk-a-secret-of-the-tests-0123456789"
HELLO: list[LLMMessage] = [UserMessage(content="Hello", source="user")]
INFO = ModelInfo(
    vision=True,
    function_calling=True,
    json_output=True,
    family="unknown",
    structured_output=True,
    multiple_system_messages=True,
)
TOOL = {
    "name": "weather",
    "description": "Tell the weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": True,
}

Make = Callable[..., OpenAIChatCompletionClient]


class Sleeps(list[float]):
    """A stand-in for `asyncio.sleep` that notes the seconds and does not wait."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


class PractisedClient(OpenAIChatCompletionClient):
    """A client whose every sender knows the head of its requests."""

    async def _sender(self) -> Sender:
        fresh = asyncio.get_running_loop() not in self._senders
        sender = await super()._sender()
        with contextlib.suppress(openai.APIConnectionError):
            for _ in range(2 * fresh):
                answer = await sender.post(PRACTICE, {})
                await answer.read()
                await answer.close()
        return sender


@pytest.fixture(params=[OpenAIChatCompletionClient, PractisedClient], ids=["fresh", "practised"])
async def make(openai_server: OpenAIServer, sleeps: Sleeps, request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    """Make clients of the server whose retries do not wait; all are closed at the end.

    The first requests are made by the SDK, later ones with the head it gave those: clients behave alike with both.
    """
    made: list[OpenAIChatCompletionClient] = []

    def client(**arguments: Any) -> OpenAIChatCompletionClient:
        given = {"model": "gpt-4o-mini", "base_url": openai_server.base_url, "api_key": KEY, **arguments}
        made.append(request.param(**given))
        made[-1].retry = Retry(made[-1].retry.max_retries, sleep=sleeps, chance=lambda: 0.0)
        return made[-1]

    yield client
    for one in made:
        await one.close()


async def collect(client: OpenAIChatCompletionClient, **options: Any) -> tuple[list[str], CreateResult]:
    """Return the pieces of a stream and its result."""
    items = [item async for item in client.create_stream(options.pop("messages", HELLO), **options)]
    *pieces, last = items
    assert isinstance(last, CreateResult)
    assert all(isinstance(piece, str) for piece in pieces)
    return [str(piece) for piece in pieces], last
