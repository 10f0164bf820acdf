"""What a runtime is: it makes agents, finds them by id, and carries messages to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from agentnb.core import AgentId, AgentMetadata, AgentType, CancellationToken, TopicId

T = TypeVar("T", bound="Agent")


@dataclass(slots=True)
class MessageContext:
    """What a handler knows about the message it is given."""

    sender: AgentId | None
    topic_id: TopicId | None
    """None for a direct send."""
    is_rpc: bool
    """True for a send, whose answer is awaited; False for a publish."""
    cancellation_token: CancellationToken
    message_id: str


@runtime_checkable
class Agent(Protocol):
    """One who lives on a runtime and handles messages."""

    @property
    def metadata(self) -> AgentMetadata:
        """Type, key and description."""

    @property
    def id(self) -> AgentId:
        """Its id on its runtime."""

    async def bind_id_and_runtime(self, id: AgentId, runtime: AgentRuntime) -> None:
        """Tell the agent where it lives."""

    async def on_message(self, message: Any, ctx: MessageContext) -> Any:
        """Handle a message; the return value answers a send."""

    async def save_state(self) -> Mapping[str, Any]:
        """Return its state, JSON-ready."""

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""

    async def close(self) -> None:
        """Release what it holds."""


@runtime_checkable
class Subscription(Protocol):
    """Says which agent hears a topic."""

    @property
    def id(self) -> str:
        """Its id, to remove it by."""

    def is_match(self, topic_id: TopicId) -> bool:
        """Tell whether the topic is meant."""

    def map_to_agent(self, topic_id: TopicId) -> AgentId:
        """Return who hears it."""


@runtime_checkable
class AgentRuntime(Protocol):
    """Makes agents and carries messages."""

    async def send_message(
        self,
        message: Any,
        recipient: AgentId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> Any:
        """Send a message to one agent and return what its handler returns; errors of the handler are raised here."""

    async def publish_message(
        self,
        message: Any,
        topic_id: TopicId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> None:
        """Give a message to everyone who hears the topic but its sender; returns before they handle it."""

    async def register_factory(
        self,
        type: str | AgentType,
        agent_factory: Callable[[], T | Awaitable[T]],
        *,
        expected_class: type[T] | None = None,
    ) -> AgentType:
        """Say how agents of a type are made; each is made when its first message comes."""

    async def register_agent_instance(self, agent_instance: Agent, agent_id: AgentId) -> AgentId:
        """Register an agent that exists already."""

    async def add_subscription(self, subscription: Subscription) -> None:
        """Add a subscription."""

    async def remove_subscription(self, id: str) -> None:
        """Remove a subscription."""
