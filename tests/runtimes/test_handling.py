"""What becomes of a message that fails, is cancelled or discarded."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from typing import Any

import pytest

from agentnb.core import AgentId, CancellationToken, TopicId
from agentnb.exceptions import UndeliverableException
from agentnb.runlog import RunLog
from agentnb.runtimes import Capacity, MessageContext, SingleThreadedAgentRuntime, TypeSubscription
from tests.runtimes.conftest import ECHO, Actor, Gate, Make, Send, begun, place, settle, turns

NEWS = TopicId("news", "default")


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


@pytest.mark.parametrize("watched", [False, True])
def test_a_runtime_thrown_away_with_its_loop_says_nothing(caplog: pytest.LogCaptureFixture, watched: bool) -> None:
    loop = asyncio.new_event_loop()

    async def forget() -> None:
        async def wait(actor: Actor, message: Any, ctx: MessageContext) -> None:
            await asyncio.Event().wait()

        runtime = SingleThreadedAgentRuntime(log=RunLog() if watched else None)
        await runtime.register_factory("echo", lambda: Actor(wait), capacity=Capacity(concurrency=1))
        await runtime.add_subscription(TypeSubscription("news", "echo"))
        runtime.start()
        for _ in range(3):
            await runtime.publish_message("x", TopicId("news", "default"))
        for _ in range(10):
            await asyncio.sleep(0)

    loop.run_until_complete(forget())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        for task in asyncio.all_tasks(loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio's own complaint is not ours
        loop.close()
        del loop
        gc.collect()

    assert caplog.text == ""


# -- before the first step ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", range(6))
@pytest.mark.parametrize("capacity", [None, Capacity(concurrency=1)], ids=["free", "bounded"])
async def test_a_token_cancelled_right_before_a_stop_does_not_kill_the_agent(
    runtime: SingleThreadedAgentRuntime, capacity: Capacity | None, turn: int
) -> None:
    """Its handler's task is cancelled before its first step, in which it could say that it is over."""
    await place(runtime, "echo", capacity=capacity)
    token = CancellationToken()
    sends = [asyncio.ensure_future(runtime.send_message(0, ECHO))]
    await asyncio.sleep(0)
    sends.append(asyncio.ensure_future(runtime.send_message(1, ECHO, cancellation_token=token)))
    await turns(turn)

    token.cancel()
    await runtime.stop()
    runtime.start()

    async with asyncio.timeout(5):
        assert await runtime.send_message(2, ECHO) == "echo/default: 2"
        await asyncio.wait(sends)
        await settle(runtime)


async def test_what_is_published_and_discarded_by_stop_is_counted_as_dropped(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    for name in ("ana", "ben"):
        await place(runtime, name, hears="news")
    for _ in range(3):
        await runtime.publish_message("x", TopicId("news", "default"))

    await runtime.stop()

    statistics = runtime.statistics()
    assert [row.dropped + row.delivered for row in statistics.by_type.values()] == [3, 3]
    assert statistics.dropped == 6
    runtime.start()
