"""Who hears which topic."""

from __future__ import annotations

from collections import OrderedDict

from agentnb.core import AgentId, AgentType, TopicId, new_id
from agentnb.exceptions import CantHandleException, UserError
from agentnb.runtimes.base import Subscription

_ROUTES = 4096


class TypeSubscription:
    """Everything of one topic type goes to the agents of one type; the topic's source is the agent's key."""

    def __init__(self, topic_type: str, agent_type: str | AgentType, id: str | None = None) -> None:
        self._topic_type = topic_type
        self._agent_type = agent_type.type if isinstance(agent_type, AgentType) else agent_type
        self._id = id or new_id()

    @property
    def id(self) -> str:
        return self._id

    @property
    def topic_type(self) -> str:
        return self._topic_type

    @property
    def agent_type(self) -> str:
        return self._agent_type

    def is_match(self, topic_id: TopicId) -> bool:
        return topic_id.type == self._topic_type

    def map_to_agent(self, topic_id: TopicId) -> AgentId:
        if not self.is_match(topic_id):
            raise CantHandleException(f"The topic {topic_id} is not of the type {self._topic_type!r}.")
        return AgentId(self._agent_type, topic_id.source)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TypeSubscription):
            return False
        same = (self._agent_type, self._topic_type) == (other._agent_type, other._topic_type)
        return self._id == other._id or same

    def __hash__(self) -> int:
        return hash((self._topic_type, self._agent_type))


class Routes:
    """The recipients of each topic, found by index and kept for the topics used last."""

    def __init__(self) -> None:
        self._by_type: dict[str, list[TypeSubscription]] = {}
        self._others: list[Subscription] = []
        self._ids: dict[str, Subscription] = {}
        self._known: OrderedDict[TopicId, tuple[AgentId, ...]] = OrderedDict()

    def add(self, subscription: Subscription) -> None:
        """Add a subscription.

        Raises:
            ValueError: If an equal one is there already.
        """
        alike: list[Subscription] = (
            list(self._by_type.get(subscription.topic_type, []))
            if isinstance(subscription, TypeSubscription)
            else self._others
        )
        if subscription.id in self._ids or any(subscription == other for other in alike):
            raise UserError(f"The subscription {subscription.id!r} exists already.")
        self._ids[subscription.id] = subscription
        if isinstance(subscription, TypeSubscription):
            self._by_type.setdefault(subscription.topic_type, []).append(subscription)
        else:
            self._others.append(subscription)
        self._known.clear()

    def remove(self, id: str) -> None:
        """Remove a subscription.

        Raises:
            ValueError: If there is none of that id.
        """
        subscription = self._ids.pop(id, None)
        if subscription is None:
            raise UserError(f"No subscription has the id {id!r}.")
        if isinstance(subscription, TypeSubscription):
            self._by_type[subscription.topic_type].remove(subscription)
        else:
            self._others.remove(subscription)
        self._known.clear()

    def recipients(self, topic_id: TopicId) -> tuple[AgentId, ...]:
        """Return who hears a topic, each once."""
        known = self._known.get(topic_id)
        if known is None:
            matching: list[Subscription] = [*self._by_type.get(topic_id.type, [])]
            matching += [subscription for subscription in self._others if subscription.is_match(topic_id)]
            known = tuple(dict.fromkeys(subscription.map_to_agent(topic_id) for subscription in matching))
            self._known[topic_id] = known
            if len(self._known) > _ROUTES:
                self._known.popitem(last=False)
        return known
