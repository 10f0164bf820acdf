"""What an agent is, and how it has its turn."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Literal

from agentnb.base.runner import TaskRunner
from agentnb.core import CancellationToken, Component
from agentnb.exceptions import AgentFailed
from agentnb.messages import BaseAgentEvent, BaseChatMessage, ModelClientStreamingChunkEvent
from agentnb.runlog import Run


@dataclass(kw_only=True)
class Response:
    """What an agent answers to messages."""

    chat_message: BaseChatMessage
    inner_messages: Sequence[BaseAgentEvent | BaseChatMessage] | None = None


class ChatAgent(Component, TaskRunner):
    """One who answers messages; stateful, so it is given only what is new."""

    component_type: ClassVar[str] = "agent"

    @property
    @abstractmethod
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        """The classes of its answers."""

    @abstractmethod
    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        """Answer new messages."""

    @abstractmethod
    def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | Response, None]:
        """Yield what happens on the way to the answer, then the `Response`."""

    @abstractmethod
    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        """Forget the conversation."""

    @abstractmethod
    async def on_pause(self, cancellation_token: CancellationToken) -> None:
        """Hold on, if the agent can."""

    @abstractmethod
    async def on_resume(self, cancellation_token: CancellationToken) -> None:
        """Go on after a pause."""

    async def _told_to_pause(self) -> None:
        await self.on_pause(CancellationToken())

    async def _told_to_resume(self) -> None:
        await self.on_resume(CancellationToken())

    @abstractmethod
    async def save_state(self) -> Mapping[str, Any]:
        """Return what is needed to go on elsewhere, JSON-ready."""

    @abstractmethod
    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""

    @abstractmethod
    async def close(self) -> None:
        """Release what the agent holds."""


@lru_cache(maxsize=256)
def _sort(cls: type[object]) -> Literal["chunk", "message", "neither"]:
    # Asked for every piece of a stream, and `issubclass` of pydantic models takes longer than the rest of its way.
    if issubclass(cls, ModelClientStreamingChunkEvent):
        return "chunk"
    return "message" if issubclass(cls, BaseAgentEvent | BaseChatMessage) else "neither"


async def take_turn(
    agent: ChatAgent, messages: Sequence[BaseChatMessage], run: Run, cancellation_token: CancellationToken
) -> list[BaseAgentEvent | BaseChatMessage]:
    """Let an agent answer new messages, and say through `run` what it yields.

    Returns:
        What it said, its answer last.

    Raises:
        AgentFailed: If it yields no `Response`, or something that is no message.
    """
    said: list[BaseAgentEvent | BaseChatMessage] = []
    answered = False
    async with run.turn(agent.name), aclosing(agent.on_messages_stream(messages, cancellation_token)) as items:
        async for item in items:
            if isinstance(item, Response):
                item, answered = item.chat_message, True
            match _sort(type(item)):
                case "chunk":
                    run.chunk(item)
                case "message":
                    run.say(item)
                    said.append(item)
                case _:
                    raise AgentFailed(
                        f"The agent {agent.name!r} yielded {item!r}; it may yield messages and a Response."
                    )
    if not answered:
        raise AgentFailed(f"The agent {agent.name!r} ended its turn without a Response.")
    return said
