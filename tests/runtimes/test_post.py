"""What becomes of a message: sent or published, in order, failed, cancelled, discarded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
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
from tests.runtimes.conftest import ECHO, KINDS, Actor, Gate, Make, begun, place, settle, turns

Send = Callable[..., Awaitable[Any]]
NEWS = TopicId("news", "default")


@pytest.fixture(params=["plain", "with a token", "before start"])
def send(request: pytest.FixtureRequest) -> Send:
    """Send a message each way there is."""

    async def send(runtime: SingleThreadedAgentRuntime, message: Any, to: AgentId = ECHO, **options: Any) -> Any:
        match request.param:
            case "plain":
                return await runtime.send_message(message, to, **options)
            case "with a token":
                return await runtime.send_message(message, to, cancellation_token=CancellationToken(), **options)
        await runtime.stop()
        waiting = await begun(runtime.send_message(message, to, **options))
        runtime.start()
        return await waiting

    return send


@pytest.mark.parametrize("kind", KINDS)
def test_everything_here_is_so_on_this_kind_of_runtime(kind: str) -> None:
    make = KINDS[kind]
    if isinstance(make, str):
        pytest.skip(make)

    assert isinstance(make(), AgentRuntime)


# -- send -------------------------------------------------------------------------------------------------------------


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
    async def count(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        return 0 if message == 0 else 1 + await actor.send_message(message - 1, ECHO)

    await place(runtime, "echo", count)

    assert await send(runtime, 5) == 5
    assert runtime.statistics().delivered == 6


async def test_a_chain_of_a_thousand_sends_does_not_exhaust_the_stack(runtime: SingleThreadedAgentRuntime) -> None:
    async def count(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        return 0 if message == 0 else 1 + await actor.send_message(message - 1, ECHO)

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


# -- errors in published messages -------------------------------------------------------------------------------------


async def test_failing_hearers_are_logged_and_hide_nothing_from_the_others(
    runtime: SingleThreadedAgentRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail_at_once(actor: Actor, message: Any, ctx: MessageContext) -> None:
        raise LookupError("deaf")

    async def fail_late(actor: Actor, message: Any, ctx: MessageContext) -> None:
        await asyncio.sleep(0)
        raise ValueError("tired")

    await place(runtime, "deaf", fail_at_once, hears="news")
    await place(runtime, "tired", fail_late, hears="news")
    ben = await place(runtime, "ben", hears="news")

    await runtime.publish_message("hi", NEWS)
    await runtime.publish_message("again", NEWS)
    await settle(runtime)

    assert ben.got == ["hi", "again"]
    assert caplog.text.count("deaf/default failed on a published message") == 2
    assert caplog.text.count("ValueError: tired") == 2
    assert runtime.statistics()[:5] == (0, 0, 2, 0, 4)


async def test_a_hearer_that_raises_no_exception_but_worse_does_not_stop_the_runtime(
    runtime: SingleThreadedAgentRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    class Worse(BaseException): ...

    async def fail(actor: Actor, message: Any, ctx: MessageContext) -> None:
        raise Worse("much")

    await place(runtime, "worse", fail, hears="news")
    ben = await place(runtime, "ben", hears="news")

    await runtime.publish_message("hi", NEWS)
    await runtime.publish_message("again", NEWS)
    await settle(runtime)

    assert ben.got == ["hi", "again"]
    assert "worse/default failed on a published message" in caplog.text


async def test_a_subscription_of_a_type_nobody_registered_hides_nothing_from_the_others(
    runtime: SingleThreadedAgentRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    await runtime.add_subscription(TypeSubscription("news", "ghost"))
    ben = await place(runtime, "ben", hears="news")

    await runtime.publish_message("hi", NEWS)
    await settle(runtime)

    assert ben.got == ["hi"]
    assert "No agent of type 'ghost' on this runtime" in caplog.text


@pytest.mark.parametrize("end", ["stop_when_idle", "stop", "process_next", "close"])
async def test_unless_ignored_a_hearers_error_is_raised_once_where_the_runtime_ends_or_steps(
    make: Make, end: str
) -> None:
    error = LookupError("deaf")

    async def fail(actor: Actor, message: Any, ctx: MessageContext) -> None:
        raise error

    runtime = make(ignore_unhandled_exceptions=False)
    await place(runtime, "deaf", fail, hears="news")
    if end != "process_next":
        runtime.start()
    await runtime.publish_message("hi", NEWS)
    if end != "process_next":
        await turns()

    with pytest.raises(LookupError) as caught:
        await getattr(runtime, end)()
    assert caught.value is error

    runtime.start()
    await runtime.stop_when_idle()


async def test_of_several_errors_the_first_is_raised_and_names_the_others(make: Make) -> None:
    errors = [LookupError("first"), ValueError("second"), OSError("third")]

    async def fail(actor: Actor, message: int, ctx: MessageContext) -> None:
        raise errors[message]

    runtime = make(ignore_unhandled_exceptions=False)
    await place(runtime, "deaf", fail, hears="news")
    runtime.start()
    for number in range(3):
        await runtime.publish_message(number, NEWS)

    with pytest.raises(LookupError, match="first") as caught:
        await runtime.stop_when_idle()
    assert caught.value.__notes__ == [
        "Another agent failed too: ValueError: second",
        "Another agent failed too: OSError: third",
    ]


async def test_an_error_of_a_send_is_the_senders_alone(make: Make) -> None:
    async def fail(actor: Actor, message: Any, ctx: MessageContext) -> None:
        raise LookupError("deaf")

    runtime = make(ignore_unhandled_exceptions=False)
    await place(runtime, "echo", fail)
    runtime.start()

    with pytest.raises(LookupError):
        await runtime.send_message("x", ECHO)
    await runtime.stop_when_idle()


# -- cancellation -----------------------------------------------------------------------------------------------------


async def test_a_token_frees_the_sender_and_leaves_the_handler_at_work(
    runtime: SingleThreadedAgentRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()
    await place(runtime, "echo", gate)
    token = CancellationToken()
    sending = await begun(runtime.send_message("x", ECHO, cancellation_token=token))

    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert runtime.statistics().in_flight == 1
    await gate.open("x", "an answer for nobody")
    await settle(runtime)

    assert runtime.statistics()[:5] == (0, 0, 1, 0, 0)
    assert caplog.text == ""


async def test_an_error_for_a_sender_that_has_left_is_logged(
    runtime: SingleThreadedAgentRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()
    await place(runtime, "echo", gate)
    token = CancellationToken()
    sending = await begun(runtime.send_message("x", ECHO, cancellation_token=token))
    token.cancel()
    await turns()

    await gate.fail("x", ValueError("late"))

    assert sending.cancelled()
    assert "failed on a message whose sender had left" in caplog.text
    assert "ValueError: late" in caplog.text


async def test_the_handler_is_given_the_senders_token_and_stops_what_it_links_to_it(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    stopped = list[str]()

    async def work(actor: Actor, message: Any, ctx: MessageContext) -> None:
        waiting = asyncio.ensure_future(asyncio.Event().wait())
        ctx.cancellation_token.link_future(waiting)
        try:
            await waiting
        except asyncio.CancelledError:
            stopped.append(message)
            raise

    actor = await place(runtime, "echo", work, hears="news")
    token = CancellationToken()
    sending = await begun(runtime.send_message("sent", ECHO, cancellation_token=token))
    await runtime.publish_message("published", NEWS, cancellation_token=token)
    await turns()
    assert [ctx.cancellation_token for ctx in actor.contexts] == [token, token]

    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await settle(runtime)
    assert sorted(stopped) == ["published", "sent"]


async def test_a_token_stays_with_the_message_it_came_with_unless_passed_on(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    async def forward(actor: Actor, message: str, ctx: MessageContext) -> None:
        passed = ctx.cancellation_token if message == "pass it on" else None
        await actor.send_message(message, AgentId("ben", "default"), cancellation_token=passed)

    await place(runtime, "echo", forward)
    ben = await place(runtime, "ben")
    token = CancellationToken()

    await runtime.send_message("keep it", ECHO, cancellation_token=token)
    await runtime.send_message("pass it on", ECHO, cancellation_token=token)

    assert [ctx.cancellation_token is token for ctx in ben.contexts] == [False, True]


async def test_a_send_whose_token_is_cancelled_already_is_cancelled_and_not_delivered(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    actor = await place(runtime, "echo")
    token = CancellationToken()
    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await runtime.send_message("x", ECHO, cancellation_token=token)
    await settle(runtime)

    assert actor.got == []
    assert runtime.unprocessed_messages_count == 0


async def test_a_send_cancelled_before_its_turn_is_not_delivered(runtime: SingleThreadedAgentRuntime) -> None:
    actor = await place(runtime, "echo")
    await runtime.stop()
    token = CancellationToken()
    by_token = await begun(runtime.send_message("token", ECHO, cancellation_token=token))
    by_task = await begun(runtime.send_message("task", ECHO))
    kept = await begun(runtime.send_message("kept", ECHO))
    token.cancel()
    by_task.cancel()
    await asyncio.wait([by_token, by_task])
    runtime.start()
    await kept
    await settle(runtime)

    assert by_token.cancelled()
    assert by_task.cancelled()
    assert actor.got == ["kept"]


async def test_a_token_cancelled_in_another_thread_frees_the_sender(runtime: SingleThreadedAgentRuntime) -> None:
    gate = Gate()
    await place(runtime, "echo", gate)
    token = CancellationToken()
    sending = await begun(runtime.send_message("x", ECHO, cancellation_token=token))

    thread = threading.Thread(target=token.cancel)
    thread.start()
    with pytest.raises(asyncio.CancelledError):
        await sending
    thread.join()

    await gate.open("x")
    await settle(runtime)


async def test_cancelling_the_senders_task_cancels_the_handler(runtime: SingleThreadedAgentRuntime, send: Send) -> None:
    gate, cleaned = Gate(), asyncio.Event()

    async def work(actor: Actor, message: Any, ctx: MessageContext) -> None:
        try:
            await gate(actor, message, ctx)
        finally:
            await asyncio.sleep(0)
            cleaned.set()

    await place(runtime, "echo", work)
    sending = asyncio.ensure_future(send(runtime, "x"))
    await gate.reached.wait()

    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending

    assert cleaned.is_set()
    assert runtime.statistics()[:5] == (0, 0, 0, 0, 1)
    await settle(runtime)


async def test_a_handler_that_is_cancelled_at_the_end_of_a_long_chain_leaves_nothing_behind(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    gate = Gate()

    async def go_on(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        return await (actor.send_message(message - 1, ECHO) if message else gate(actor, message, ctx))

    await place(runtime, "echo", go_on)
    sending = asyncio.ensure_future(runtime.send_message(100, ECHO))
    await gate.reached.wait()

    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending

    await settle(runtime)
    assert runtime.statistics()[:5] == (0, 0, 0, 0, 101)


# -- stop -------------------------------------------------------------------------------------------------------------


async def test_senders_of_messages_discarded_by_stop_are_told(
    runtime: SingleThreadedAgentRuntime, send: Send, caplog: pytest.LogCaptureFixture
) -> None:
    actor = await place(runtime, "echo")
    await runtime.stop()
    sends = [await begun(runtime.send_message(n, ECHO)) for n in range(3)]
    with_token = await begun(runtime.send_message(3, ECHO, cancellation_token=CancellationToken()))
    runtime.start()
    await runtime.stop()

    for sending in (*sends, with_token):
        with pytest.raises(UndeliverableException, match="stopped before the message was delivered"):
            await sending
    assert actor.got == []
    assert runtime.statistics().by_type["echo"].dropped == 4
    runtime.start()
    assert await send(runtime, "after") == "echo/default: after"


async def test_what_is_published_and_stopped_at_once_is_discarded_and_the_next_start_is_sound(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    actor = await place(runtime, "echo", hears="news")

    await runtime.publish_message("lost", NEWS)
    await runtime.stop()
    runtime.start()
    await runtime.publish_message("heard", NEWS)
    await settle(runtime)

    assert actor.got == ["heard"]
    assert runtime.unprocessed_messages_count == 0


@pytest.mark.parametrize("after", range(5))
async def test_a_stop_at_any_turn_of_the_loop_leaves_a_runtime_that_comes_to_rest(
    runtime: SingleThreadedAgentRuntime, after: int
) -> None:
    async def wait(actor: Actor, message: Any, ctx: MessageContext) -> None:
        await asyncio.sleep(0)

    await place(runtime, "ana", wait, hears="news")
    await place(runtime, "ben", hears="news")
    await runtime.register_factory("cleo", Actor)
    await runtime.add_subscription(TypeSubscription("news", "cleo"))
    sends = []
    for number in range(3):
        await runtime.publish_message(number, NEWS)
        sends.append(asyncio.ensure_future(runtime.send_message(number, AgentId("ana", "default"))))
    await turns(after)

    await runtime.stop()
    await asyncio.gather(*sends, return_exceptions=True)
    runtime.start()
    await settle(runtime)

    assert runtime.statistics()[:2] == (0, 0)


async def test_stopping_cancels_handlers_nobody_waits_for_and_lets_senders_have_their_answer(
    runtime: SingleThreadedAgentRuntime, send: Send
) -> None:
    came, cleaned, go_on = asyncio.Semaphore(0), asyncio.Event(), asyncio.Event()

    async def work(actor: Actor, message: Any, ctx: MessageContext) -> str:
        try:
            came.release()
            await go_on.wait()
            return "done"
        except asyncio.CancelledError:
            cleaned.set()
            raise

    await runtime.register_factory("echo", lambda: Actor(work))
    await runtime.add_subscription(TypeSubscription("news", "echo"))
    sending = asyncio.ensure_future(send(runtime, "x"))
    await came.acquire()
    await runtime.publish_message("y", TopicId("news", "hears"))
    await came.acquire()

    await runtime.stop()

    assert cleaned.is_set()
    go_on.set()
    assert await sending == "done"
    runtime.start()
