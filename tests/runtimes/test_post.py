"""What becomes of a message: sent or published, in order, failed, cancelled, discarded."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentnb.core import AgentId, CancellationToken, TopicId
from agentnb.exceptions import UndeliverableException, UnknownAgentType
from agentnb.runtimes import (
    AgentRuntime,
    MessageContext,
    SingleThreadedAgentRuntime,
    TypePrefixSubscription,
    TypeSubscription,
)
from tests.runtimes.conftest import ECHO, KINDS, Actor, Gate, Make, Send, begun, place, settle, turns

NEWS = TopicId("news", "default")


@pytest.mark.parametrize("kind", KINDS)
def test_everything_here_is_so_on_this_kind_of_runtime(kind: str) -> None:
    make = KINDS[kind]
    if isinstance(make, str):
        pytest.skip(make)

    assert isinstance(make(), AgentRuntime)


# -- send -------------------------------------------------------------------------------------------------------------


async def count(actor: Actor, message: Any, ctx: MessageContext) -> Any:
    """Count down by sending oneself messages; return how many it took."""
    return 0 if message == 0 else 1 + await actor.send_message(message - 1, ECHO)


async def test_a_send_returns_what_the_handler_returns(runtime: SingleThreadedAgentRuntime, send: Send) -> None:
    async def increment(actor: Actor, message: int, ctx: MessageContext) -> int:
        return message + 1

    await place(runtime, "echo", increment)

    assert await send(runtime, 41) == 42


@pytest.mark.parametrize("message", [None, 0, "", [], {}], ids=repr)
async def test_empty_messages_and_answers_are_messages_too(runtime: SingleThreadedAgentRuntime, message: Any) -> None:
    async def back(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        return message

    actor = await place(runtime, "echo", back)

    assert await runtime.send_message(message, ECHO) is message
    assert actor.got == [message]


async def test_messages_are_handed_over_as_the_very_objects(runtime: SingleThreadedAgentRuntime, send: Send) -> None:
    async def back(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        return message

    await place(runtime, "echo", back)
    message = object()

    assert await send(runtime, message) is message


async def test_an_error_of_the_handler_is_raised_as_the_very_object(
    runtime: SingleThreadedAgentRuntime, send: Send
) -> None:
    error = KeyError("mine")

    async def fail(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        raise error

    await place(runtime, "echo", fail)

    with pytest.raises(KeyError) as caught:
        await send(runtime, "x")
    assert caught.value is error
    assert runtime.statistics()[:5] == (0, 0, 0, 0, 1)
    await settle(runtime)


async def test_the_handler_knows_sender_id_and_kind(runtime: SingleThreadedAgentRuntime, send: Send) -> None:
    actor = await place(runtime, "echo")

    await send(runtime, "x", sender=AgentId("me", "k"), message_id="m-1")

    (ctx,) = actor.contexts
    assert (ctx.sender, ctx.topic_id, ctx.is_rpc, ctx.message_id) == (AgentId("me", "k"), None, True, "m-1")
    assert not ctx.cancellation_token.is_cancelled()
    assert isinstance(ctx, MessageContext)
    assert repr(ctx).startswith("MessageContext(sender=")


async def test_a_message_without_an_id_is_given_one_that_stays(runtime: SingleThreadedAgentRuntime, send: Send) -> None:
    actor = await place(runtime, "echo")

    await send(runtime, "x")
    await send(runtime, "y")

    first, second = actor.contexts
    assert first.message_id == first.message_id != second.message_id
    assert len(first.message_id) == 36


async def test_a_send_to_an_unknown_type_fails_at_once_with_an_error_old_clauses_catch(
    make: Make, runtime: SingleThreadedAgentRuntime, send: Send
) -> None:
    await runtime.register_factory("echo", Actor)

    for kind in (UnknownAgentType, UndeliverableException, LookupError, RuntimeError, Exception):
        with pytest.raises(kind, match=r"No agent of type 'ecko' on this runtime \(registered: 'echo'\)"):
            await send(runtime, "x", AgentId("ecko", "k"))
    with pytest.raises(UnknownAgentType):
        await make().send_message("x", ECHO)  # before start as well, where a known type would wait
    await settle(runtime)


async def test_a_handler_may_send_to_another_agent_and_to_itself(
    runtime: SingleThreadedAgentRuntime, send: Send
) -> None:
    await place(runtime, "echo", count)

    assert await send(runtime, 5) == 5
    assert runtime.statistics().delivered == 6


async def test_a_chain_of_a_thousand_sends_does_not_exhaust_the_stack(runtime: SingleThreadedAgentRuntime) -> None:
    await place(runtime, "echo", count)

    assert await runtime.send_message(1000, ECHO) == 1000
    await settle(runtime)


async def test_an_error_at_the_end_of_a_long_chain_reaches_its_beginning(runtime: SingleThreadedAgentRuntime) -> None:
    error = ValueError("the end")

    async def go_on(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        if message == 0:
            raise error
        await actor.send_message(message - 1, ECHO)

    await place(runtime, "echo", go_on)

    with pytest.raises(ValueError, match="the end") as caught:
        await runtime.send_message(100, ECHO)
    assert caught.value is error
    assert runtime.statistics().failed == 101
    await settle(runtime)


async def test_a_key_of_its_own_gets_an_agent_of_its_own(runtime: SingleThreadedAgentRuntime, send: Send) -> None:
    await runtime.register_factory("echo", Actor)

    assert await send(runtime, "x", AgentId("echo", "a")) == "echo/a: x"
    assert await send(runtime, "x", AgentId("echo", "b")) == "echo/b: x"


# -- publish ----------------------------------------------------------------------------------------------------------


async def test_everyone_who_hears_a_topic_gets_what_is_published_once_but_its_sender(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    actors = [await place(runtime, name, hears="news") for name in ("ana", "ben", "cleo")]

    await runtime.publish_message("hi", NEWS, sender=AgentId("ana", "default"), message_id="m")
    await settle(runtime)

    assert [actor.got for actor in actors] == [[], ["hi"], ["hi"]]
    ctx = actors[1].contexts[0]
    assert (ctx.sender, ctx.topic_id, ctx.is_rpc, ctx.message_id) == (AgentId("ana", "default"), NEWS, False, "m")


async def test_a_namesake_with_another_key_hears_what_an_agent_publishes(runtime: SingleThreadedAgentRuntime) -> None:
    await runtime.register_factory("ana", Actor)
    await runtime.add_subscription(TypeSubscription("news", "ana"))

    await runtime.publish_message("hi", TopicId("news", "b"), sender=AgentId("ana", "a"))
    await settle(runtime)

    namesake = await runtime.try_get_underlying_agent_instance(AgentId("ana", "b"), Actor)
    assert namesake.got == ["hi"]


async def test_a_prefix_subscription_hears_every_topic_that_begins_so(runtime: SingleThreadedAgentRuntime) -> None:
    actor = await place(runtime, "worker")
    await runtime.add_subscription(TypePrefixSubscription("job:", "worker"))

    for topic in ("job:42", "job:", "job", "nojob:1"):
        await runtime.publish_message(topic, TopicId(topic, "default"))
    await settle(runtime)

    assert actor.got == ["job:42", "job:"]


async def test_an_agent_subscribed_by_several_ways_hears_a_message_once(runtime: SingleThreadedAgentRuntime) -> None:
    actor = await place(runtime, "ana", hears="ana:x")
    await runtime.add_subscription(TypePrefixSubscription("ana:", "ana"))
    await runtime.add_subscription(TypePrefixSubscription("ana", "ana"))

    await runtime.publish_message("hi", TopicId("ana:x", "default"))
    await settle(runtime)

    assert actor.got == ["hi"]


async def test_a_topic_nobody_hears_is_no_error(runtime: SingleThreadedAgentRuntime) -> None:
    await runtime.publish_message("hi", TopicId("silence", "k"))
    await settle(runtime)

    assert runtime.statistics()[:5] == (0, 0, 0, 0, 0)


async def test_a_publish_returns_before_anybody_handles_it(runtime: SingleThreadedAgentRuntime) -> None:
    actor = await place(runtime, "ana", hears="news")

    assert await runtime.publish_message("hi", NEWS) is None  # type: ignore[func-returns-value]
    assert actor.got == []

    await settle(runtime)
    assert actor.got == ["hi"]


async def test_those_who_hear_work_at_the_same_time(runtime: SingleThreadedAgentRuntime) -> None:
    barrier = asyncio.Barrier(3)

    async def meet(actor: Actor, message: Any, ctx: MessageContext) -> None:
        await barrier.wait()

    for name in ("ana", "ben", "cleo"):
        await place(runtime, name, meet, hears="news")

    await runtime.publish_message("hi", NEWS)
    await settle(runtime)

    assert runtime.statistics()[:5] == (0, 0, 3, 0, 0)


async def test_the_source_of_a_topic_is_the_key_of_its_hearers(runtime: SingleThreadedAgentRuntime) -> None:
    made: list[Actor] = []

    def factory() -> Actor:
        made.append(Actor())
        return made[-1]

    await runtime.register_factory("ana", factory)
    await runtime.add_subscription(TypeSubscription("news", "ana"))

    for source in ("tenant-1", "tenant-2", "tenant-3", "tenant-1"):
        await runtime.publish_message(f"for {source}", TopicId("news", source))
    await settle(runtime)

    assert sorted((actor.id.key, actor.got) for actor in made) == [
        ("tenant-1", ["for tenant-1", "for tenant-1"]),
        ("tenant-2", ["for tenant-2"]),
        ("tenant-3", ["for tenant-3"]),
    ]


# -- order ------------------------------------------------------------------------------------------------------------


async def test_messages_are_begun_in_the_order_they_were_sent(runtime: SingleThreadedAgentRuntime) -> None:
    actor = await place(runtime, "echo")

    await asyncio.gather(*(runtime.send_message(n, ECHO, cancellation_token=CancellationToken()) for n in range(50)))

    assert actor.got == list(range(50))


async def test_a_slow_first_message_is_overtaken_by_a_fast_second_one(runtime: SingleThreadedAgentRuntime) -> None:
    gate, ended = Gate(), list[str]()

    async def work(actor: Actor, message: str, ctx: MessageContext) -> None:
        if message == "slow":
            await gate(actor, message, ctx)
        ended.append(message)

    actor = await place(runtime, "echo", work, hears="news")
    slow = await begun(runtime.send_message("slow", ECHO))
    await runtime.publish_message("fast", NEWS)
    await turns()
    assert (actor.got, ended) == (["slow", "fast"], ["fast"])

    await gate.open("slow")
    await slow
    assert ended == ["fast", "slow"]


async def test_what_one_sender_sends_and_publishes_comes_in_that_order(runtime: SingleThreadedAgentRuntime) -> None:
    """The agent is made for the first message by a slow factory, and nothing overtakes it."""
    made = asyncio.Event()

    async def factory() -> Actor:
        await made.wait()
        return Actor()

    await runtime.register_factory("echo", factory)
    await runtime.add_subscription(TypeSubscription("news", "echo"))
    await runtime.publish_message(0, NEWS)
    first = await begun(runtime.send_message(1, ECHO))
    await runtime.publish_message(2, NEWS)
    second = await begun(runtime.send_message(3, ECHO, cancellation_token=CancellationToken()))
    made.set()
    await first
    await runtime.publish_message(4, NEWS)
    await runtime.send_message(5, ECHO)
    await second
    await settle(runtime)

    actor = await runtime.try_get_underlying_agent_instance(ECHO, Actor)
    assert actor.got == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("waits", [False, True], ids=["handlers that do not wait", "handlers that wait"])
async def test_publishes_to_a_mixed_audience_begin_in_order_for_each(
    runtime: SingleThreadedAgentRuntime, waits: bool
) -> None:
    heard: dict[str, list[int]] = {"ana": [], "ben": []}

    async def wait(actor: Actor, message: int, ctx: MessageContext) -> None:
        heard[actor.type].append(message)
        await asyncio.sleep(0)

    await place(runtime, "ana", wait, hears="news")
    await place(runtime, "ben", wait if waits else None, hears="news")
    for number in range(20):
        await runtime.publish_message(number, NEWS)
    await settle(runtime)

    assert heard["ana"] == list(range(20))
    ben = await runtime.try_get_underlying_agent_instance(AgentId("ben", "default"), Actor)
    assert ben.got == list(range(20))
