"""What a runtime is: it makes agents, finds them by id, and carries messages to them."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, overload, runtime_checkable

from agentnb.core import AgentId, AgentMetadata, AgentType, CancellationToken, TopicId, new_id

T = TypeVar("T", bound="Agent")
AnswerT = TypeVar("AnswerT", covariant=True)


class Request(Generic[AnswerT]):
    """A base for messages that say what their answer is, so that type checkers know what a send returns.

    ```python
    @dataclass
    class Add(Request[int]):
        a: int
        b: int


    total = await runtime.send_message(Add(1, 2), AgentId("adder", "default"))  # an int
    ```
    """

    __slots__ = ()


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


class Delivery(MessageContext):
    """The context a runtime hands out: token and id are made when somebody asks for them."""

    __slots__ = ("_made_id", "_made_token")

    def __init__(
        self,
        sender: AgentId | None,
        topic_id: TopicId | None,
        is_rpc: bool,
        cancellation_token: CancellationToken | None,
        message_id: str | None,
    ) -> None:
        self.sender = sender
        self.topic_id = topic_id
        self.is_rpc = is_rpc
        self._made_token = cancellation_token
        self._made_id = message_id

    @property
    def cancellation_token(self) -> CancellationToken:  # type: ignore[override]
        if self._made_token is None:
            self._made_token = CancellationToken()
        return self._made_token

    @property
    def message_id(self) -> str:  # type: ignore[override]
        if self._made_id is None:
            self._made_id = new_id()
        return self._made_id

    def answering(self, agent_id: AgentId) -> Delivery:
        """Return the context of the answer an agent gives to this message."""
        return Delivery(agent_id, None, True, self._made_token, self.message_id)


Delivery.__qualname__ = "MessageContext"  # what it is called where it is shown


class _BySight(type(Protocol)):  # type: ignore[misc]
    """Looks at what an object has without asking it, as Python 3.12 does: properties may raise while it has no id."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return all(
            inspect.getattr_static(instance, name, None) is not None or getattr(instance, name, None) is not None
            for name in _AGENT
        )


_AGENT = ("metadata", "id", "bind_id_and_runtime", "on_message", "save_state", "load_state", "close")


@runtime_checkable
class Agent(Protocol, metaclass=_BySight):
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

    @overload
    async def send_message(
        self,
        message: Request[AnswerT],
        recipient: AgentId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> AnswerT: ...
    @overload
    async def send_message(
        self,
        message: Any,
        recipient: AgentId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> Any: ...
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

    async def try_get_underlying_agent_instance(self, id: AgentId, type: type[T] = ...) -> T:
        """Return an agent's object."""

    async def get(
        self, id_or_type: AgentId | AgentType | str, /, key: str = "default", *, lazy: bool = True
    ) -> AgentId:
        """Return the id of an agent; `lazy=False` makes the agent now."""

    async def save_state(self) -> Mapping[str, Any]:
        """Return the state of every agent made so far, by `type/key`."""

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Load the state of every listed agent whose type is registered."""

    async def agent_metadata(self, agent: AgentId) -> AgentMetadata:
        """Return type, key and description of an agent."""

    async def agent_save_state(self, agent: AgentId) -> Mapping[str, Any]:
        """Return the state of one agent."""

    async def agent_load_state(self, agent: AgentId, state: Mapping[str, Any]) -> None:
        """Load the state of one agent."""

    def add_message_serializer(self, serializer: Any | Sequence[Any]) -> None:
        """Add one `MessageSerializer`, or several."""
