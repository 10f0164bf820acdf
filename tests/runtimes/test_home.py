"""The event loop of a runtime: what other threads and later loops ask of it is handled, and nothing is lost."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from agentnb.core import AgentId, CancellationToken, TopicId
from agentnb.exceptions import RuntimeFault
from agentnb.runtimes import Capacity, MessageContext, SingleThreadedAgentRuntime, TypeSubscription
from tests.runtimes.conftest import ECHO, Actor, Gate, Make, begun, place, settle

NEWS = TopicId("news", "default")


async def in_a_thread(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run a coroutine in a loop of a thread's own."""
    return await asyncio.to_thread(lambda: asyncio.run(work()))


async def where(actor: Actor, message: Any, ctx: MessageContext) -> Any:
    await asyncio.sleep(0)
    return threading.current_thread()


# -- other threads ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [None, Capacity(queue=0)], ids=["free", "bounded"])
async def test_what_a_threads_own_loop_publishes_is_heard_in_order(
    runtime: SingleThreadedAgentRuntime, capacity: Capacity | None
) -> None:
    actor = await place(runtime, "echo", where, hears="news", capacity=capacity)

    async def publish() -> None:
        for number in range(20):
            await runtime.publish_message(number, NEWS)

    await in_a_thread(publish)
    async with asyncio.timeout(5):
        await settle(runtime)

    assert actor.got == list(range(20))
    assert runtime.unprocessed_messages_count == 0


async def test_a_send_from_another_thread_is_handled_in_the_runtimes_own(runtime: SingleThreadedAgentRuntime) -> None:
    await place(runtime, "echo", where)
    token = CancellationToken()

    async def ask() -> list[Any]:
        return [
            await runtime.send_message("x", ECHO),
            await runtime.send_message("x", ECHO, cancellation_token=token),
            await runtime.agent_metadata(ECHO),
        ]

    assert await in_a_thread(ask) == [threading.current_thread()] * 2 + [
        {"type": "echo", "key": "default", "description": "an actor"}
    ]


async def test_an_error_and_a_cancellation_cross_threads(runtime: SingleThreadedAgentRuntime) -> None:
    gate, ended, came = Gate(), asyncio.Event(), threading.Event()

    async def work(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        if message == "fail":
            raise ZeroDivisionError
        came.set()
        try:
            return await gate(actor, message, ctx)
        finally:
            ended.set()

    await place(runtime, "echo", work)

    async def ask() -> str:
        with pytest.raises(ZeroDivisionError):
            await runtime.send_message("fail", ECHO)
        asking = asyncio.ensure_future(runtime.send_message("x", ECHO))
        await asyncio.to_thread(came.wait, 5)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        return "both"

    assert await in_a_thread(ask) == "both"
    async with asyncio.timeout(5):
        await ended.wait()
    await settle(runtime)


async def test_another_thread_may_stop_the_runtime(runtime: SingleThreadedAgentRuntime) -> None:
    actor = await place(runtime, "echo", where, hears="news")
    await runtime.publish_message("x", NEWS)

    await in_a_thread(runtime.stop_when_idle)

    assert actor.got == ["x"]
    with pytest.raises(RuntimeFault, match="not started"):
        await runtime.stop()


async def test_a_home_whose_thread_is_blocked_is_told_of(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Shorter than in earnest: it is the loop of this test that is blocked."""
    monkeypatch.setattr("agentnb.runtimes.home._PATIENCE", 1.0)
    runtime = make()
    await place(runtime, "echo")
    runtime.start()
    answers: list[Any] = []
    told = threading.Event()

    def tell(record: logging.LogRecord) -> bool:
        told.set()
        return True

    logging.getLogger("autogen_core").addFilter(tell)
    thread = threading.Thread(target=lambda: answers.append(asyncio.run(runtime.send_message("x", ECHO))))

    thread.start()
    told.wait(5)
    logging.getLogger("autogen_core").removeFilter(tell)
    await asyncio.to_thread(thread.join)

    assert answers == ["echo/default: x"]
    assert "Is its own thread blocked" in caplog.text


# -- later loops ------------------------------------------------------------------------------------------------------


async def furnish(runtime: SingleThreadedAgentRuntime, capacity: Capacity | None = None) -> Actor:
    actor = await place(runtime, "echo", where, hears="news", capacity=capacity)
    runtime.start()
    return actor


@pytest.mark.parametrize("capacity", [None, Capacity()], ids=["free", "bounded"])
def test_what_is_published_in_a_loop_that_ends_at_once_is_heard_in_the_next(
    make_outside: Make, capacity: Capacity | None
) -> None:
    """Each step in a loop of its own: the message's task is cancelled by the end of its loop before its first step."""
    runtime = make_outside()
    actor = asyncio.run(furnish(runtime, capacity))
    actor.handler = None  # one that waited for anything would be cut off by the end of its loop
    for number in range(3):
        asyncio.run(runtime.publish_message(number, NEWS))

    async def end() -> None:
        async with asyncio.timeout(5):
            await runtime.stop_when_idle()

    asyncio.run(end())

    assert actor.got == [0, 1, 2]
    assert runtime.statistics()[:5] == (0, 0, 3, 0, 0)


def test_a_runtime_started_in_a_closed_loop_goes_on_in_the_next(make_outside: Make) -> None:
    runtime = make_outside()
    asyncio.run(furnish(runtime))

    async def use() -> list[Any]:
        answers = [await runtime.send_message("x", ECHO)]
        answers += [await runtime.send_message("x", ECHO, cancellation_token=CancellationToken())]
        await runtime.publish_message("x", NEWS)
        await settle(runtime)
        return answers

    for _ in range(2):
        assert asyncio.run(use()) == [threading.current_thread()] * 2
    assert runtime.statistics().delivered == 6


def test_a_runtime_whose_loop_was_closed_at_work_can_be_started_again(make_outside: Make) -> None:
    runtime, gate = make_outside(), Gate()

    async def begin() -> None:
        await place(runtime, "echo", gate, hears="news", capacity=Capacity())
        runtime.start()
        await runtime.publish_message("at work", NEWS)
        await begun(runtime.send_message("asked", ECHO))
        assert gate.came == ["at work"]

    async def go_on() -> None:
        runtime.start()
        answering = await begun(runtime.send_message("new", ECHO))
        await gate.open("new", "done")
        async with asyncio.timeout(5):
            assert await answering == "done"
            await runtime.stop_when_idle()

    asyncio.run(begin())
    asyncio.run(go_on())

    assert gate.came == ["at work", "new"]
    assert runtime.statistics()[:2] == (0, 0)


def test_a_loop_closed_without_a_word_leaves_a_runtime_that_comes_to_rest(make_outside: Make) -> None:
    """The tasks of that loop were never cancelled, as `asyncio.run` does."""
    runtime, loop = make_outside(), asyncio.new_event_loop()
    loop.set_exception_handler(lambda loop, context: None)  # says that tasks were destroyed
    loop.run_until_complete(furnish(runtime, Capacity()))
    for number in range(3):
        loop.run_until_complete(runtime.publish_message(number, NEWS))
    loop.close()
    gc.collect()

    async def end() -> None:
        async with asyncio.timeout(5):
            await runtime.stop_when_idle()

    asyncio.run(end())

    assert runtime.statistics()[:2] == (0, 0)


def test_a_loop_that_only_rests_and_has_messages_is_named_with_the_way_out(make_outside: Make) -> None:
    runtime, loop = make_outside(), asyncio.new_event_loop()

    async def wait(actor: Actor, message: asyncio.Event, ctx: MessageContext) -> Any:
        await message.wait()

    asking: list[Any] = []

    async def ask() -> asyncio.Event:
        await place(runtime, "echo", wait, hears="news")
        runtime.start()
        event = asyncio.Event()
        asking.append(asyncio.ensure_future(runtime.send_message(event, ECHO)))
        await asyncio.sleep(0)
        return event

    event = loop.run_until_complete(ask())
    with pytest.raises(RuntimeFault, match=r"another event loop, which does not run.*stop\(\)` there and start"):
        asyncio.run(runtime.stop_when_idle())
    asyncio.run(runtime.publish_message(event, NEWS))  # waits for that loop
    event.set()
    loop.run_until_complete(runtime.stop_when_idle())
    loop.close()

    assert runtime.statistics().delivered == 2


async def test_a_runtime_at_rest_may_be_started_from_another_loop(make: Make) -> None:
    runtime = make()
    await place(runtime, "echo", where)
    runtime.start()
    await runtime.stop()

    async def use() -> Any:
        runtime.start()
        answer = await runtime.send_message("x", ECHO)
        await runtime.stop()
        return answer

    assert await in_a_thread(use) is not threading.current_thread()


async def test_all_tasks_cancelled_by_somebody_leave_a_runtime_that_comes_to_rest(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    """As programs do that clean up: the tasks of the runtime are among them, some before their first step."""
    actor = await place(runtime, "echo", where, hears="news", capacity=Capacity())
    free = await place(runtime, "free", where, hears="news")
    for turn in range(4):
        for number in range(2):
            await runtime.publish_message((turn, number), NEWS)
        for _ in range(turn):
            await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)

    async with asyncio.timeout(5):
        await settle(runtime)

    assert len(free.got) == len(actor.got) == 8
    assert await runtime.send_message("x", ECHO) is threading.current_thread()


async def test_an_agent_half_made_in_a_closed_loop_is_made_anew(make: Make) -> None:
    runtime = make()
    never = True

    async def factory() -> Actor:
        if never:
            await asyncio.Event().wait()
        return Actor()

    await runtime.register_factory("echo", factory)
    await runtime.add_subscription(TypeSubscription("news", "echo"))

    def forget() -> None:
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda loop, context: None)
        waiting: asyncio.Task[Any] = loop.create_task(runtime.try_get_underlying_agent_instance(AgentId("echo", "k")))
        loop.run_until_complete(asyncio.sleep(0))
        assert not waiting.done()
        loop.close()

    await asyncio.to_thread(forget)
    never = False
    async with asyncio.timeout(5):
        assert isinstance(await runtime.try_get_underlying_agent_instance(AgentId("echo", "k")), Actor)
