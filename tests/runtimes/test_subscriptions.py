"""Who hears which topic."""

from __future__ import annotations

import pytest

from agentnb.core import AgentId, AgentType, TopicId
from agentnb.exceptions import CantHandleException
from agentnb.runtimes import SingleThreadedAgentRuntime, Subscription, TypeSubscription
from agentnb.runtimes import subscriptions as module
from agentnb.runtimes.subscriptions import Routes


class Prefix:
    """Hears every topic whose type begins in a certain way."""

    def __init__(self, prefix: str, agent_type: str) -> None:
        self.prefix, self.agent_type = prefix, agent_type
        self.asked = 0

    @property
    def id(self) -> str:
        return f"{self.prefix}->{self.agent_type}"

    def is_match(self, topic_id: TopicId) -> bool:
        self.asked += 1
        return topic_id.type.startswith(self.prefix)

    def map_to_agent(self, topic_id: TopicId) -> AgentId:
        return AgentId(self.agent_type, topic_id.source)


def test_a_type_subscription_maps_the_source_to_the_key() -> None:
    subscription = TypeSubscription("news", AgentType("ana"))

    assert isinstance(subscription, Subscription)
    assert subscription.map_to_agent(TopicId("news", "k")) == AgentId("ana", "k")
    assert not subscription.is_match(TopicId("new", "k"))
    with pytest.raises(CantHandleException, match=r"old/k is not of the type 'news'"):
        subscription.map_to_agent(TopicId("old", "k"))


def test_subscriptions_are_equal_by_id_or_by_what_they_say() -> None:
    assert TypeSubscription("news", "ana") == TypeSubscription("news", "ana")
    assert hash(TypeSubscription("news", "ana")) == hash(TypeSubscription("news", "ana"))
    assert TypeSubscription("news", "ana", id="1") == TypeSubscription("old", "ben", id="1")
    assert TypeSubscription("news", "ana") != TypeSubscription("news", "ben")
    assert TypeSubscription("news", "ana") != "news"


def test_those_who_hear_a_topic_by_several_ways_hear_it_once() -> None:
    routes = Routes()
    routes.add(TypeSubscription("news:today", "ana"))
    routes.add(Prefix("news:", "ana"))
    routes.add(Prefix("news:", "ben"))

    assert routes.recipients(TopicId("news:today", "k")) == (AgentId("ana", "k"), AgentId("ben", "k"))


def test_an_equal_subscription_is_refused() -> None:
    routes = Routes()
    routes.add(TypeSubscription("news", "ana", id="1"))
    routes.add(Prefix("a", "b"))

    for equal in (TypeSubscription("news", "ana"), TypeSubscription("old", "ben", id="1"), Prefix("a", "b")):
        with pytest.raises(ValueError, match="exists already"):
            routes.add(equal)


def test_who_hears_changes_at_once_when_subscriptions_come_and_go() -> None:
    routes = Routes()
    topic = TopicId("news", "k")
    assert routes.recipients(topic) == ()

    routes.add(TypeSubscription("news", "ana", id="1"))
    routes.add(Prefix("new", "ben"))
    assert routes.recipients(topic) == (AgentId("ana", "k"), AgentId("ben", "k"))
    routes.remove("1")
    assert routes.recipients(topic) == (AgentId("ben", "k"),)
    routes.remove("new->ben")
    assert routes.recipients(topic) == ()

    routes.add(TypeSubscription("news", "ana", id="1"))
    assert routes.recipients(topic) == (AgentId("ana", "k"),)


def test_removing_what_is_not_there_is_an_error() -> None:
    with pytest.raises(ValueError, match="No subscription has the id 'x'"):
        Routes().remove("x")


def test_a_topic_is_looked_up_once_while_it_is_in_use() -> None:
    routes, prefix = Routes(), Prefix("news", "ana")
    routes.add(prefix)

    for _ in range(10):
        routes.recipients(TopicId("news", "k"))

    assert prefix.asked == 1


def test_what_is_kept_about_topics_is_bounded() -> None:
    routes = Routes()
    routes.add(TypeSubscription("news", "ana"))

    for number in range(module._ROUTES + 500):
        assert routes.recipients(TopicId("news", str(number))) == (AgentId("ana", str(number)),)

    assert len(routes._known) == module._ROUTES


async def test_a_runtime_takes_and_drops_subscriptions() -> None:
    runtime = SingleThreadedAgentRuntime()
    await runtime.add_subscription(TypeSubscription("news", "ana", id="1"))

    with pytest.raises(ValueError, match="exists already"):
        await runtime.add_subscription(TypeSubscription("news", "ana"))
    await runtime.remove_subscription("1")
    with pytest.raises(ValueError, match="No subscription"):
        await runtime.remove_subscription("1")
