"""Agents of a runtime, and those who stand for them."""

from __future__ import annotations

import inspect
import warnings
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, ClassVar, Self, TypeVar, final, overload

from agentnb.core import AgentId, AgentMetadata, AgentType, CancellationToken, TopicId
from agentnb.exceptions import RuntimeFault, UserError
from agentnb.runtimes.base import AgentRuntime, AnswerT, MessageContext, Request, Subscription
from agentnb.runtimes.contexts import AgentInstantiationContext, SubscriptionInstantiationContext
from agentnb.runtimes.serialization import MessageSerializer, try_get_known_serializers_for_type
from agentnb.runtimes.subscriptions import TypePrefixSubscription, TypeSubscription, UnboundSubscription, type_name

C = TypeVar("C", bound=type[Any])

HandledTypes = list[tuple[type[Any], list[MessageSerializer[Any]]]]
"""Message types, each with its serializers."""


class BaseAgent(ABC):
    """One who lives on a runtime; subclasses write `on_message_impl`.

    Made by a factory of a runtime, it knows its id and runtime from the start.
    """

    internal_unbound_subscriptions_list: ClassVar[list[UnboundSubscription]] = []
    internal_extra_handles_types: ClassVar[HandledTypes] = []

    _id: AgentId | None = None
    _runtime: AgentRuntime | None = None
    _bound = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # Lists of its own: decorating a class does not subscribe its subclasses.
        cls.internal_unbound_subscriptions_list = []
        cls.internal_extra_handles_types = []

    def __init__(self, description: str) -> None:
        if not isinstance(description, str):
            raise UserError(f"The description of an agent is a text, not {description!r}.")
        self._description = description
        if AgentInstantiationContext.is_in_factory_call():
            self._id = AgentInstantiationContext.current_agent_id()
            self._runtime = AgentInstantiationContext.current_runtime()

    async def bind_id_and_runtime(self, id: AgentId, runtime: AgentRuntime) -> None:
        """Tell the agent where it lives.

        Raises:
            RuntimeError: If it lives elsewhere already.
            ValueError: If its constructor forgot that of its base class.
        """
        if not hasattr(self, "_description"):
            raise UserError(
                f"{type(self).__name__}.__init__ does not call that of its base class; begin it with "
                "`super().__init__(description)`."
            )
        # An id from a factory call is a guess until here: the factory may make helpers that live elsewhere.
        if self._bound and (self._id != id or self._runtime is not runtime):
            raise RuntimeFault(f"The agent is bound to {self._id} already; make another object for {id}.")
        self._id, self._runtime, self._bound = id, runtime, True

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

    @final
    async def on_message(self, message: Any, ctx: MessageContext) -> Any:
        """Handle a message."""
        return await self.on_message_impl(message, ctx)

    @abstractmethod
    async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
        """Handle a message; the return value answers a send."""

    @overload
    async def send_message(
        self,
        message: Request[AnswerT],
        recipient: AgentId,
        *,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> AnswerT: ...
    @overload
    async def send_message(
        self,
        message: Any,
        recipient: AgentId,
        *,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> Any: ...
    async def send_message(
        self,
        message: Any,
        recipient: AgentId,
        *,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> Any:
        """Send a message from this agent and return the answer."""
        runtime = self.runtime if self._runtime is None else self._runtime
        return await runtime.send_message(
            message, recipient, sender=self._id, cancellation_token=cancellation_token, message_id=message_id
        )

    async def publish_message(
        self,
        message: Any,
        topic_id: TopicId,
        *,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> None:
        """Publish a message from this agent."""
        await self.runtime.publish_message(
            message, topic_id, sender=self.id, cancellation_token=cancellation_token, message_id=message_id
        )

    async def save_state(self) -> Mapping[str, Any]:
        """Return the state; none by default, with a warning."""
        warnings.warn(f"{type(self).__name__} has no save_state; an empty state is saved.", stacklevel=2)
        return {}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Take back a saved state; by default it is left alone, with a warning."""
        warnings.warn(f"{type(self).__name__} has no load_state; nothing is loaded.", stacklevel=2)

    async def close(self) -> None:
        """Release what the agent holds; nothing by default."""

    # -- registration ---------------------------------------------------------------------------------------------

    @classmethod
    def _handled_types(cls) -> HandledTypes:
        """Return the message types the class says it handles, each with its serializers."""
        return cls.internal_extra_handles_types

    @classmethod
    async def _made_for(cls, type: AgentType, *makers: UnboundSubscription) -> list[Subscription]:
        """Make subscriptions for an agent type."""
        subscriptions: list[Subscription] = []
        with SubscriptionInstantiationContext.populate_context(type):
            for make in makers:
                made = make()
                made = await made if inspect.isawaitable(made) else made
                subscriptions += made if isinstance(made, list) else [made]
        return subscriptions

    @classmethod
    async def register(
        cls,
        runtime: AgentRuntime,
        type: str | AgentType,
        factory: Callable[[], Self | Awaitable[Self]],
        *,
        skip_class_subscriptions: bool = False,
        skip_direct_message_subscription: bool = False,
        **options: Any,
    ) -> AgentType:
        """Register agents of this class under a type, with the subscriptions of the class.

        Args:
            runtime: Where they will live.
            type: Their type, as in `"writer"`.
            factory: Makes one, for each key that is sent to.
            skip_class_subscriptions: Leave out what decorators subscribe the class to.
            skip_direct_message_subscription: Do not hear topics that begin with `"<type>:"`.
            **options: Handed to the runtime's `register_factory`, as `capacity` of the local runtime.

        Raises:
            ValueError: If the type is registered already.
        """
        agent_type = await runtime.register_factory(AgentType(type_name(type)), factory, expected_class=cls, **options)
        if not skip_class_subscriptions:
            for subscription in await cls._made_for(agent_type, *cls.internal_unbound_subscriptions_list):
                await runtime.add_subscription(subscription)
        if not skip_direct_message_subscription:
            await runtime.add_subscription(TypePrefixSubscription(f"{agent_type.type}:", agent_type))
        for _, serializers in cls._handled_types():
            runtime.add_message_serializer(serializers)
        return agent_type

    async def register_instance(
        self,
        runtime: AgentRuntime,
        agent_id: AgentId,
        *,
        skip_class_subscriptions: bool = True,
        skip_direct_message_subscription: bool = False,
    ) -> AgentId:
        """Register this object as the agent of an id; it hears the topics that have its key as their type.

        Raises:
            ValueError: If the id is taken, or its type has a factory or instances of another class.
        """
        agent_id = await runtime.register_agent_instance(self, agent_id)
        agent_type = AgentType(agent_id.type)
        subscriptions: list[Subscription] = [TypeSubscription(agent_id.key, agent_type)]
        if not skip_direct_message_subscription:
            subscriptions.append(TypePrefixSubscription(f"{agent_id.type}:", agent_type))
        if not skip_class_subscriptions:
            subscriptions += await self._made_for(agent_type, *self.internal_unbound_subscriptions_list)
        for subscription in subscriptions:
            with suppress(UserError):  # another object of the type has subscribed it already
                await runtime.add_subscription(subscription)
        for _, serializers in self._handled_types():
            runtime.add_message_serializer(serializers)
        return agent_id


def handles(
    type: type[Any], serializer: MessageSerializer[Any] | list[MessageSerializer[Any]] | None = None
) -> Callable[[C], C]:
    """Say that agents of a class take messages of a type beyond those its handlers name.

    Raises:
        ValueError: If no serializer is given and none is known for the type.
    """

    def decorate(cls: C) -> C:
        known = serializer if serializer is not None else try_get_known_serializers_for_type(type)
        serializers = list(known) if isinstance(known, (list, tuple)) else [known]
        if not serializers:
            raise UserError(f"No serializer is known for {type.__name__}; give one: @handles({type.__name__}, …).")
        cls.internal_extra_handles_types = [*cls.__dict__.get("internal_extra_handles_types", ()), (type, serializers)]
        return cls

    return decorate


class AgentProxy:
    """Stands for an agent of a runtime: what is asked of it is asked of the agent."""

    def __init__(self, agent: AgentId, runtime: AgentRuntime) -> None:
        self._agent = agent
        self._runtime = runtime

    @property
    def id(self) -> AgentId:
        return self._agent

    @property
    def metadata(self) -> Awaitable[AgentMetadata]:
        """To be awaited: type, key and description."""
        return self._runtime.agent_metadata(self._agent)

    @overload
    async def send_message(
        self,
        message: Request[AnswerT],
        *,
        sender: AgentId,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> AnswerT: ...
    @overload
    async def send_message(
        self,
        message: Any,
        *,
        sender: AgentId,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> Any: ...
    async def send_message(
        self,
        message: Any,
        *,
        sender: AgentId,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> Any:
        """Send the agent a message and return the answer."""
        return await self._runtime.send_message(
            message, self._agent, sender=sender, cancellation_token=cancellation_token, message_id=message_id
        )

    async def save_state(self) -> Mapping[str, Any]:
        """Return the agent's state."""
        return await self._runtime.agent_save_state(self._agent)

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Load the agent's state."""
        await self._runtime.agent_load_state(self._agent, state)
