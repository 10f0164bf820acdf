"""Agents of a runtime, how they register, and proxies that stand for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from agentnb.core import AgentId, AgentType, CancellationToken, TopicId
from agentnb.runtimes import (
    Agent,
    AgentProxy,
    BaseAgent,
    Capacity,
    DefaultSubscription,
    MessageContext,
    SingleThreadedAgentRuntime,
    TypeSubscription,
    default_subscription,
    handles,
    subscription_factory,
    try_get_known_serializers_for_type,
    type_subscription,
)
from tests.runtimes.conftest import ECHO, Actor, place, settle


class Plain(BaseAgent):
    async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
        return message


# -- agents -----------------------------------------------------------------------------------------------------------


def test_a_description_that_is_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match="is a text, not 3"):
        Plain(3)  # type: ignore[arg-type]


def test_an_actor_without_a_runtime_says_so() -> None:
    for ask in (
        lambda: Plain("x").id,
        lambda: Plain("x").runtime,
        lambda: Plain("x").metadata,
        lambda: Plain("x").type,
    ):
        with pytest.raises(RuntimeError, match="This Plain is on no runtime yet"):
            ask()


async def test_an_actor_knows_where_it_lives(runtime: SingleThreadedAgentRuntime) -> None:
    actor = Plain("does little")
    await runtime.register_agent_instance(actor, AgentId("plain", "k"))
    await actor.bind_id_and_runtime(AgentId("plain", "k"), runtime)  # the same place again is no move

    assert isinstance(actor, Agent)
    assert (actor.id, actor.type, actor.runtime) == (AgentId("plain", "k"), "plain", runtime)
    assert actor.metadata == {"type": "plain", "key": "k", "description": "does little"}


async def test_what_an_actor_sends_and_publishes_comes_from_it(runtime: SingleThreadedAgentRuntime) -> None:
    sender, hearer = Plain("x"), Actor()
    await runtime.register_agent_instance(sender, AgentId("plain", "k"))
    await runtime.register_agent_instance(hearer, AgentId("hearer", "k"))
    await runtime.add_subscription(TypeSubscription("news", "hearer"))
    await runtime.add_subscription(TypeSubscription("news", "plain"))
    token = CancellationToken()

    answer = await sender.send_message("direct", hearer.id, message_id="m1", cancellation_token=token)
    await sender.publish_message("all", TopicId("news", "k"), cancellation_token=token, message_id="m2")
    await settle(runtime)

    assert answer == "hearer/k: direct"
    assert hearer.got == ["direct", "all"]
    assert [(ctx.sender, ctx.message_id) for ctx in hearer.contexts] == [(sender.id, "m1"), (sender.id, "m2")]
    assert all(ctx.cancellation_token is token for ctx in hearer.contexts)


async def test_an_actor_without_state_saves_none_and_an_old_checkpoint_with_some_still_loads() -> None:
    actor = Plain("x")

    with pytest.warns(UserWarning, match="Plain has no save_state"):
        assert await actor.save_state() == {}
    with pytest.warns(UserWarning, match="Plain has no load_state"):
        await actor.load_state({"count": 1})
    assert await actor.close() is None  # type: ignore[func-returns-value]


# -- registering a class ----------------------------------------------------------------------------------------------


@default_subscription
@type_subscription("news")
class Reader(Actor): ...


@default_subscription()
class Listener(Actor): ...


class Heir(Reader): ...


async def heard_by(runtime: SingleThreadedAgentRuntime, name: str, *topics: str) -> list[Any]:
    """Publish to each topic and return what the agents of a type heard."""
    for topic in topics:
        await runtime.publish_message(topic, TopicId(topic, "default"))
    await settle(runtime)
    return (await runtime.try_get_underlying_agent_instance(AgentId(name, "default"), Actor)).got


async def test_a_decorated_class_hears_its_topics_and_those_that_begin_with_its_type(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    assert await Reader.register(runtime, "reader", Reader) == AgentType("reader")

    heard = await heard_by(runtime, "reader", "default", "news", "reader:", "reader:x", "reader", "old")

    assert heard == ["default", "news", "reader:", "reader:x"]


async def test_the_decorator_for_the_default_topic_may_have_parentheses(runtime: SingleThreadedAgentRuntime) -> None:
    await Listener.register(runtime, "listener", Listener)

    assert await heard_by(runtime, "listener", "default", "news") == ["default"]


async def test_a_subclass_of_a_decorated_class_is_not_subscribed(runtime: SingleThreadedAgentRuntime) -> None:
    await Heir.register(runtime, "heir", Heir)

    assert await heard_by(runtime, "heir", "default", "news") == []
    assert len(Reader.internal_unbound_subscriptions_list) == 2  # the base keeps its own


async def test_one_class_may_be_registered_under_several_types(runtime: SingleThreadedAgentRuntime) -> None:
    for name in ("a", "b"):
        await Reader.register(runtime, name, Reader)

    assert await heard_by(runtime, "a", "news", "b:") == ["news"]
    assert await heard_by(runtime, "b") == ["news", "b:"]


async def test_subscriptions_of_class_and_type_can_be_left_out(runtime: SingleThreadedAgentRuntime) -> None:
    await Reader.register(
        runtime, "reader", Reader, skip_class_subscriptions=True, skip_direct_message_subscription=True
    )

    assert await heard_by(runtime, "reader", "default", "news", "reader:") == []


async def test_a_subscription_of_a_class_may_be_made_by_a_coroutine_and_be_several(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    async def made() -> list[Any]:
        return [DefaultSubscription("one"), DefaultSubscription("two")]

    @subscription_factory(made)
    class Several(Actor): ...

    await Several.register(runtime, "several", Several)

    assert await heard_by(runtime, "several", "one", "two", "three") == ["one", "two"]


async def test_what_registers_must_make_that_class(runtime: SingleThreadedAgentRuntime) -> None:
    await Reader.register(runtime, "reader", Actor)  # type: ignore[arg-type]

    with pytest.raises(ValueError, match="'reader' made a Actor, not a Reader"):
        await runtime.send_message("x", AgentId("reader", "k"))


async def test_a_type_can_be_registered_once_only(runtime: SingleThreadedAgentRuntime) -> None:
    await Reader.register(runtime, "reader", Reader)

    with pytest.raises(ValueError, match="'reader' is registered already"):
        await Listener.register(runtime, "reader", Listener)


async def test_a_factory_may_be_a_coroutine_function_and_take_a_capacity(runtime: SingleThreadedAgentRuntime) -> None:
    async def factory() -> Reader:
        return Reader()

    await Reader.register(runtime, "reader", factory, capacity=Capacity(queue=3))

    assert await runtime.send_message("x", AgentId("reader", "k")) == "reader/k: x"


# -- registering an object --------------------------------------------------------------------------------------------


async def test_an_object_hears_the_topic_of_its_key_and_not_those_of_its_class(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    reader = Reader()

    assert await reader.register_instance(runtime, AgentId("reader", "default")) == AgentId("reader", "default")

    assert await heard_by(runtime, "reader", "default", "news", "reader:") == ["default", "reader:"]
    await runtime.publish_message("x", TopicId("reader:", "default"), sender=reader.id)
    await settle(runtime)
    assert reader.got == ["default", "reader:"]


async def test_an_object_may_hear_the_topics_of_its_class(runtime: SingleThreadedAgentRuntime) -> None:
    await Reader().register_instance(
        runtime, AgentId("reader", "default"), skip_class_subscriptions=False, skip_direct_message_subscription=True
    )

    assert await heard_by(runtime, "reader", "default", "news", "reader:") == ["default", "news"]


async def test_several_objects_of_one_class_may_share_a_type(runtime: SingleThreadedAgentRuntime) -> None:
    readers = [Reader(), Reader()]
    for key, reader in zip(("a", "b"), readers, strict=True):
        await reader.register_instance(runtime, AgentId("reader", key), skip_class_subscriptions=False)

    await runtime.publish_message("x", TopicId("news", "b"))
    await settle(runtime)

    assert [reader.got for reader in readers] == [[], ["x"]]
    with pytest.raises(ValueError, match="reader/a is registered already"):
        await Reader().register_instance(runtime, AgentId("reader", "a"))
    with pytest.raises(ValueError, match="holds Readers"):
        await Listener().register_instance(runtime, AgentId("reader", "c"))
    with pytest.raises(RuntimeError, match="bound to reader/a already"):
        await readers[0].register_instance(runtime, AgentId("reader", "d"))


# -- further types ----------------------------------------------------------------------------------------------------


@dataclass
class Parcel:
    content: str


def test_a_class_may_say_that_it_takes_further_types() -> None:
    @handles(Parcel)
    @handles(int, try_get_known_serializers_for_type(Parcel)[0])
    class Takes(Actor): ...

    class Heir(Takes): ...

    assert [kind for kind, _ in Takes.internal_extra_handles_types] == [int, Parcel]
    assert Heir.internal_extra_handles_types == []
    assert Actor.internal_extra_handles_types == []


def test_a_further_type_nobody_can_write_down_is_refused() -> None:
    with pytest.raises(ValueError, match=r"No serializer is known for object; give one: @handles\(object"):
        handles(object)(type("Takes", (Actor,), {}))


# -- proxies ----------------------------------------------------------------------------------------------------------


async def test_a_proxy_asks_the_agent(runtime: SingleThreadedAgentRuntime) -> None:
    actor = await place(runtime, "echo")
    proxy = AgentProxy(ECHO, runtime)
    token = CancellationToken()

    answer = await proxy.send_message("x", sender=AgentId("me", "k"), cancellation_token=token, message_id="m")
    await proxy.load_state({"count": 3})

    assert answer == await runtime.send_message("x", ECHO) == "echo/default: x"
    ctx = actor.contexts[0]
    assert (ctx.sender, ctx.message_id) == (AgentId("me", "k"), "m")
    assert ctx.cancellation_token is token
    assert proxy.id == ECHO
    assert await proxy.metadata == await runtime.agent_metadata(ECHO) == actor.metadata
    assert await proxy.save_state() == await runtime.agent_save_state(ECHO) == {"count": 3}


async def test_a_proxy_raises_what_the_agent_raises(runtime: SingleThreadedAgentRuntime) -> None:
    error = ValueError("no")

    async def fail(actor: Actor, message: Any, ctx: MessageContext) -> None:
        raise error

    await place(runtime, "echo", fail)

    with pytest.raises(ValueError, match="no") as caught:
        await AgentProxy(ECHO, runtime).send_message("x", sender=ECHO)
    assert caught.value is error


# -- mistakes ---------------------------------------------------------------------------------------------------------


def test_an_agent_that_is_on_no_runtime_yet_is_an_agent_and_asking_so_raises_nothing() -> None:
    assert isinstance(Plain("x"), Agent)
    assert not isinstance("x", Agent)
    assert not isinstance(object(), Agent)


async def test_a_type_given_as_an_agent_type_is_not_wrapped_twice(runtime: SingleThreadedAgentRuntime) -> None:
    registered = await Reader.register(runtime, AgentType("reader"), Reader)

    assert registered == AgentType("reader")
    await runtime.publish_message("x", TopicId("reader:", "k"))
    await settle(runtime)
    assert runtime.statistics().delivered == 1


async def test_an_agent_that_forgot_the_constructor_of_its_base_says_so(runtime: SingleThreadedAgentRuntime) -> None:
    class Forgetful(Plain):
        def __init__(self) -> None:
            self.number = 1

    await Forgetful.register(runtime, "forgetful", Forgetful)

    said = (
        r"Forgetful\.__init__ does not call that of its base class; begin it with `super\(\)\.__init__\(description\)`"
    )
    with pytest.raises(ValueError, match=said):
        await runtime.send_message("x", AgentId("forgetful", "k"))
    with pytest.raises(ValueError, match=said):
        await runtime.register_agent_instance(Forgetful(), AgentId("other", "k"))
    with pytest.raises(RuntimeError, match="on no runtime yet"):
        _ = Forgetful().id


@pytest.mark.parametrize("factory", [Plain("x"), 5, None])
async def test_what_makes_no_agents_is_no_factory(runtime: SingleThreadedAgentRuntime, factory: Any) -> None:
    with pytest.raises(ValueError, match=r"The factory of 'plain' is .*, which makes no agents; give a function"):
        await Plain.register(runtime, "plain", factory)

    await Plain.register(runtime, "plain", lambda: Plain("x"))


async def test_what_is_no_agent_or_no_id_cannot_be_registered(runtime: SingleThreadedAgentRuntime) -> None:
    for wrong, named in (("x", "'x'"), (Plain, "the class Plain"), (object(), "a object")):
        with pytest.raises(ValueError, match=f"register_agent_instance needs an agent, made by its class, not {named}"):
            await runtime.register_agent_instance(wrong, ECHO)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"needs an AgentId, not 'a/k'; write AgentId\('type', 'key'\)"):
        await runtime.register_agent_instance(Plain("x"), "a/k")  # type: ignore[arg-type]
    for ask in (runtime.agent_metadata, runtime.agent_save_state, runtime.try_get_underlying_agent_instance):
        with pytest.raises(ValueError, match=r"'a/k' is no AgentId; write .* AgentId\.from_str\('type/key'\)"):
            await ask("a/k")  # type: ignore[arg-type]
