"""Who hears which topic: subscriptions, and the decorators that give a class its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

from agentnb.core import AgentId, AgentType, TopicId, new_id
from agentnb.exceptions import CantHandleException, RuntimeFault
from agentnb.runtimes.contexts import SubscriptionInstantiationContext, here

C = TypeVar("C", bound=type[Any])


def type_name(agent_type: str | AgentType) -> str:
    """Return an agent type as text."""
    return agent_type.type if isinstance(agent_type, AgentType) else agent_type


class _ByType:
    """A text about the topic's type, and the agents that hear; the topic's source is the agent's key."""

    def __init__(self, text: str, agent_type: str | AgentType, id: str | None = None) -> None:
        self._text = text
        self._agent_type = type_name(agent_type)
        self._id = id or new_id()
        AgentId(self._agent_type, "")  # a type that no agent can have is refused here, not at the first message

    @property
    def id(self) -> str:
        return self._id

    @property
    def agent_type(self) -> str:
        return self._agent_type

    def is_match(self, topic_id: TopicId) -> bool:
        """Tell whether the topic is meant."""
        raise NotImplementedError

    def map_to_agent(self, topic_id: TopicId) -> AgentId:
        """Return who hears the topic.

        Raises:
            CantHandleException: If it is not meant.
        """
        if not self.is_match(topic_id):
            raise CantHandleException(f"The topic {topic_id} is not one of {self!r}.")
        return AgentId.of(self._agent_type, topic_id.source)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._text!r}, {self._agent_type!r})"

    @property
    def says(self) -> tuple[str, str]:
        """What it says, whatever its id: two that say the same are equal."""
        return self._text, self._agent_type


class TypeSubscription(_ByType):
    """Everything of one topic type goes to the agents of one type; the topic's source is the agent's key."""

    def __init__(self, topic_type: str, agent_type: str | AgentType, id: str | None = None) -> None:
        super().__init__(topic_type, agent_type, id)

    @property
    def topic_type(self) -> str:
        return self._text

    def is_match(self, topic_id: TopicId) -> bool:
        return topic_id.type == self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypeSubscription) and (self._id == other._id or self.says == other.says)

    def __hash__(self) -> int:
        return hash(self.says)


class TypePrefixSubscription(_ByType):
    """Everything whose topic type begins with a text goes to the agents of one type."""

    def __init__(self, topic_type_prefix: str, agent_type: str | AgentType, id: str | None = None) -> None:
        super().__init__(topic_type_prefix, agent_type, id)

    @property
    def topic_type_prefix(self) -> str:
        return self._text

    def is_match(self, topic_id: TopicId) -> bool:
        return topic_id.type.startswith(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypePrefixSubscription) and (self._id == other._id or self.says == other.says)

    def __hash__(self) -> int:
        return hash(self.says)


class DefaultSubscription(TypeSubscription):
    """The topic most programs need: type `"default"`, and the type of the agent that registers.

    Raises:
        CantHandleException: If no `agent_type` is given and no agent registers here.
    """

    def __init__(self, topic_type: str = "default", agent_type: str | AgentType | None = None) -> None:
        if agent_type is None:
            try:
                agent_type = SubscriptionInstantiationContext.agent_type()
            except RuntimeFault as error:
                raise CantHandleException(
                    "A DefaultSubscription outside of a registration needs its agent_type: "
                    "DefaultSubscription(agent_type='…')."
                ) from error
        super().__init__(topic_type, agent_type)


class DefaultTopicId(TopicId):
    """The topic of the agent whose handler publishes: its key is the source, so that tenants stay apart."""

    __slots__ = ()

    def __init__(self, type: str = "default", source: str | None = None) -> None:
        if source is None:
            at_work = here.get()
            source = "default" if at_work is None else at_work.agent_id.key
        super().__init__(type, source)

    def __eq__(self, other: object) -> bool:
        # Python asks a subclass first, so this holds from either side.
        return isinstance(other, TopicId) and (self.type, self.source) == (other.type, other.source)

    __hash__ = TopicId.__hash__


UnboundSubscription = Callable[[], Any]
"""Makes the subscriptions of a class once its agent type is known; may be a coroutine function."""


def subscription_factory(subscription: UnboundSubscription) -> Callable[[C], C]:
    """Give a class a subscription of its own, made anew for every type it is registered under."""

    def decorate(cls: C) -> C:
        cls.internal_unbound_subscriptions_list = [
            *cls.__dict__.get("internal_unbound_subscriptions_list", ()),
            subscription,
        ]
        return cls

    return decorate


@overload
def default_subscription(cls: C) -> C: ...
@overload
def default_subscription(cls: None = None) -> Callable[[C], C]: ...
def default_subscription(cls: C | None = None) -> C | Callable[[C], C]:
    """Subscribe the agents of a class to the default topic; its subclasses are not subscribed."""
    decorate = subscription_factory(DefaultSubscription)
    return decorate if cls is None else decorate(cls)


def type_subscription(topic_type: str) -> Callable[[C], C]:
    """Subscribe the agents of a class to a topic type; its subclasses are not subscribed."""
    return subscription_factory(lambda: DefaultSubscription(topic_type))
