"""Actors, and a runtime that is stopped at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from agentnb.core import AgentId
from agentnb.runtimes import BaseAgent, MessageContext, SingleThreadedAgentRuntime

Handler = Callable[["Actor", Any, MessageContext], Awaitable[Any]]


class Actor(BaseAgent):
    """Does what a function does with each message, and keeps what came."""

    def __init__(self, handler: Handler | None = None) -> None:
        super().__init__("an actor")
        self.handler = handler
        self.got: list[Any] = []
        self.contexts: list[MessageContext] = []
        self.state: dict[str, Any] = {}
        self.closed = False

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
        self.got.append(message)
        self.contexts.append(ctx)
        return await self.handler(self, message, ctx) if self.handler else f"{self.id}: {message}"

    async def save_state(self) -> dict[str, Any]:
        return self.state

    async def load_state(self, state: Any) -> None:
        self.state = dict(state)

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
async def runtime() -> AsyncIterator[SingleThreadedAgentRuntime]:
    runtime = SingleThreadedAgentRuntime()
    runtime.start()
    yield runtime
    await runtime.close()
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


ECHO = AgentId("echo", "default")
