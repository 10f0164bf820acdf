"""Who hears which topic."""

from __future__ import annotations

import pytest

from agentnb.core import AgentId, AgentType, TopicId
from agentnb.exceptions import CantHandleException
from agentnb.runtimes import (
    DefaultSubscription,
    SingleThreadedAgentRuntime,
    Subscription,
    SubscriptionInstantiationContext,
    TypePrefixSubscription,
    TypeSubscription,
)
from agentnb.runtimes import routes as module
from agentnb.runtimes.routes import Routes
from tests.runtimes.conftest import place, settle


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
    with pytest.raises(CantHandleException, match=r"old/k is not one of TypeSubscription\('news', 'ana'\)"):
        subscription.map_to_agent(TopicId("old", "k"))


def test_subscriptions_are_equal_by_id_or_by_what_they_say() -> None:
    assert TypeSubscription("news", "ana") == TypeSubscription("news", "ana")
    assert hash(TypeSubscription("news", "ana")) == hash(TypeSubscription("news", "ana"))
    assert TypeSubscription("news", "ana", id="1") == TypeSubscription("old", "ben", id="1")
    assert TypeSubscription("news", "ana") != TypeSubscription("news", "ben")
    assert TypeSubscription("news", "ana") != "news"


def test_a_prefix_subscription_maps_the_source_to_the_key_too() -> None:
    subscription = TypePrefixSubscription("job:", AgentType("ana"), id="1")

    assert isinstance(subscription, Subscription)
    assert (subscription.id, subscription.topic_type_prefix, subscription.agent_type) == ("1", "job:", "ana")
    assert subscription.is_match(TopicId("job:", "k"))
    assert subscription.map_to_agent(TopicId("job:42", "k")) == AgentId("ana", "k")
    with pytest.raises(CantHandleException, match=r"job/k is not one of TypePrefixSubscription\('job:', 'ana'\)"):
        subscription.map_to_agent(TopicId("job", "k"))


def test_subscriptions_of_different_kinds_are_not_equal_unless_they_say_the_same() -> None:
    assert TypePrefixSubscription("job", "ana") == TypePrefixSubscription("job", "ana")
    assert TypePrefixSubscription("job", "ana", id="1") == TypePrefixSubscription("old", "ben", id="1")
    assert TypePrefixSubscription("job", "ana") != TypeSubscription("job", "ana")
    assert DefaultSubscription(agent_type="ana") == TypeSubscription("default", "ana")
    assert len({TypeSubscription("a", "b"), DefaultSubscription("a", "b"), TypePrefixSubscription("a", "b")}) == 2


def test_subscriptions_have_ids_of_their_own() -> None:
    first, second = TypeSubscription("news", "ana"), TypeSubscription("news", "ana")

    assert first.id != second.id
    assert len(first.id) == 36


def test_a_default_subscription_is_for_the_agent_that_registers() -> None:
    with SubscriptionInstantiationContext.populate_context(AgentType("ana")):
        subscription = DefaultSubscription()

    assert (subscription.topic_type, subscription.agent_type) == ("default", "ana")
    assert DefaultSubscription("news", AgentType("ben")) == TypeSubscription("news", "ben")
    with pytest.raises(CantHandleException, match="needs its agent_type"):
        DefaultSubscription()


def test_a_subscription_for_a_type_no_agent_can_have_is_refused() -> None:
    with pytest.raises(ValueError, match="Agent type 'ana:' may hold"):
        TypeSubscription("news", "ana:")


def test_prefixes_of_every_length_are_found_and_forgotten() -> None:
    routes = Routes()
    for prefix in ("", "a", "ab", "abc", "b"):
        routes.add(TypePrefixSubscription(prefix, f"hears-{prefix}", id=prefix or "all"))

    def hear(topic_type: str) -> list[str]:
        return [agent_id.type for agent_id in routes.recipients(TopicId(topic_type, "k"))]

    assert hear("ab") == ["hears-", "hears-a", "hears-ab"]
    assert hear("b") == ["hears-", "hears-b"]
    for id in ("a", "all"):
        routes.remove(id)
    assert hear("abcd") == ["hears-ab", "hears-abc"]


def test_hearers_come_in_the_order_they_subscribed_whatever_the_kind() -> None:
    routes = Routes()
    routes.add(Prefix("n", "own"))
    routes.add(TypePrefixSubscription("ne", "prefix"))
    routes.add(TypeSubscription("news", "type"))
    routes.add(TypePrefixSubscription("n", "short"))

    assert [agent_id.type for agent_id in routes.recipients(TopicId("news", "k"))] == ["own", "prefix", "type", "short"]


def test_foreign_subscriptions_are_not_asked_about_a_topic() -> None:
    """Recipients are found by index: the work for one topic does not grow with what others subscribe to."""
    asked = list[str]()

    class Counts(TypeSubscription):
        def map_to_agent(self, topic_id: TopicId) -> AgentId:
            asked.append(self.agent_type)
            return super().map_to_agent(topic_id)

    routes = Routes()
    for number in range(1000):
        routes.add(Counts(f"topic-{number}", f"agent-{number}"))
        routes.add(TypePrefixSubscription(f"agent-{number}:", f"agent-{number}"))

    assert routes.recipients(TopicId("topic-7", "k")) == (AgentId("agent-7", "k"),)
    assert asked == ["agent-7"]


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

    for number in range(module._KNOWN + 500):
        assert routes.recipients(TopicId("news", str(number))) == (AgentId("ana", str(number)),)

    assert len(routes._known) == module._KNOWN


async def test_nothing_is_heard_any_more_after_a_subscription_is_removed(runtime: SingleThreadedAgentRuntime) -> None:
    actor = await place(runtime, "ana")
    topic = TopicId("news", "default")
    for subscription in (TypeSubscription("news", "ana"), TypePrefixSubscription("ne", "ana"), Prefix("new", "ana")):
        await runtime.add_subscription(subscription)
        await runtime.publish_message("heard", topic)
        await settle(runtime)
        await runtime.remove_subscription(subscription.id)
        await runtime.publish_message("not heard", topic)
        await settle(runtime)

    assert actor.got == ["heard"] * 3


async def test_a_subscription_that_fails_costs_its_message_and_no_other(
    runtime: SingleThreadedAgentRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Prefix):
        def map_to_agent(self, topic_id: TopicId) -> AgentId:
            raise KeyError("broken")

    actor = await place(runtime, "ana", hears="news")
    await runtime.add_subscription(Broken("bad", "ana"))

    for topic in ("bad", "news"):
        await runtime.publish_message(topic, TopicId(topic, "default"))
    await settle(runtime)

    assert actor.got == ["news"]
    assert "A message published to bad/default could not be delivered" in caplog.text


async def test_a_runtime_takes_and_drops_subscriptions(runtime: SingleThreadedAgentRuntime) -> None:
    await runtime.add_subscription(TypeSubscription("news", "ana", id="1"))

    with pytest.raises(ValueError, match="exists already"):
        await runtime.add_subscription(TypeSubscription("news", "ana"))
    await runtime.remove_subscription("1")
    with pytest.raises(ValueError, match="No subscription"):
        await runtime.remove_subscription("1")


async def test_what_is_no_subscription_is_refused_where_it_is_added(runtime: SingleThreadedAgentRuntime) -> None:
    for wrong in ("x", TypeSubscription):
        with pytest.raises(
            ValueError, match=r"add_subscription needs a subscription, not .*; write TypeSubscription\("
        ):
            await runtime.add_subscription(wrong)  # type: ignore[arg-type]


async def test_a_subscription_that_maps_to_a_text_is_named(
    runtime: SingleThreadedAgentRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    class Texts(TypeSubscription):
        def is_match(self, topic_id: TopicId) -> bool:
            return True

        def map_to_agent(self, topic_id: TopicId) -> AgentId:
            return "echo/default"  # type: ignore[return-value]

    await runtime.add_subscription(Texts("news", "echo"))
    await runtime.publish_message("x", TopicId("news", "default"))
    await runtime.stop_when_idle()

    assert "maps the topic news/default to 'echo/default', which is no AgentId" in caplog.text
    assert runtime.statistics().dropped == 1
    runtime.start()
