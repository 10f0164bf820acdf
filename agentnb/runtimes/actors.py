"""Agents of a runtime."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from agentnb.core import AgentId, AgentMetadata, CancellationToken, TopicId
from agentnb.exceptions import RuntimeFault, UserError
from agentnb.runtimes.base import AgentRuntime, MessageContext


class BaseAgent(ABC):
    """One who lives on a runtime; subclasses write `on_message_impl`."""

    def __init__(self, description: str) -> None:
        if not isinstance(description, str):
            raise UserError(f"The description of an agent is a text, not {description!r}.")
        self._description = description
        self._id: AgentId | None = None
        self._runtime: AgentRuntime | None = None

    async def bind_id_and_runtime(self, id: AgentId, runtime: AgentRuntime) -> None:
        """Tell the agent where it lives.

        Raises:
            RuntimeError: If it lives elsewhere already.
        """
        if self._id is not None and (self._id != id or self._runtime is not runtime):
            raise RuntimeFault(f"The agent is bound to {self._id} already; make another object for {id}.")
        self._id, self._runtime = id, runtime

    @property
    def id(self) -> AgentId:
        if self._id is None:
            raise RuntimeFault(f"This {type(self).__name__} is on no runtime yet; register it first.")
        return self._id

    @property
    def type(self) -> str:
        return self.id.type

    @property
    def runtime(self) -> AgentRuntime:
        if self._runtime is None:
            raise RuntimeFault(f"This {type(self).__name__} is on no runtime yet; register it first.")
        return self._runtime

    @property
    def metadata(self) -> AgentMetadata:
        return {"type": self.id.type, "key": self.id.key, "description": self._description}

    async def on_message(self, message: Any, ctx: MessageContext) -> Any:
        """Handle a message."""
        return await self.on_message_impl(message, ctx)

    @abstractmethod
    async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
        """Handle a message; the return value answers a send."""

    async def send_message(
        self,
        message: Any,
        recipient: AgentId,
        *,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> Any:
        """Send a message from this agent and return the answer."""
        return await self.runtime.send_message(
            message, recipient, sender=self.id, cancellation_token=cancellation_token, message_id=message_id
        )

    async def publish_message(
        self, message: Any, topic_id: TopicId, *, cancellation_token: CancellationToken | None = None
    ) -> None:
        """Publish a message from this agent."""
        await self.runtime.publish_message(message, topic_id, sender=self.id, cancellation_token=cancellation_token)

    async def save_state(self) -> Mapping[str, Any]:
        """Return the state; none by default."""
        return {}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Take back a saved state; nothing to take by default.

        Raises:
            ValueError: If there is something in `state` that this agent would lose.
        """
        if state:
            raise UserError(f"{type(self).__name__} keeps no state but was given {sorted(state)}; override load_state.")

    async def close(self) -> None:
        """Release what the agent holds; nothing by default."""
