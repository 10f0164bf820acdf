"""What messages cost, in counts: no task, no JSON, no fact and no span that nobody asked for."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from agentnb.core import AgentId, CancellationToken, TopicId
from agentnb.runlog import RunLog, observe
from agentnb.runtimes import (
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    TypeSubscription,
    message_handler,
)
from tests.runtimes.conftest import ECHO, Queued, settle, turns, watched

NEWS = TopicId("news", "default")


class Adder(RoutedAgent):
    @message_handler
    async def at_once(self, message: int, ctx: MessageContext) -> int:
        return message + 1

    @message_handler
    async def later(self, message: float, ctx: MessageContext) -> float:
        await asyncio.sleep(0)
        return message + 1

    @message_handler
    async def hear_at_once(self, message: str, ctx: MessageContext) -> None: ...

    @message_handler
    async def hear_later(self, message: bytes, ctx: MessageContext) -> None:
        await asyncio.sleep(0)

    @message_handler
    async def ask_another(self, message: list[int], ctx: MessageContext) -> int:
        return int(await self.send_message(message[0], AgentId("other", "default")))


@contextmanager
def tasks_made() -> Iterator[list[str]]:
    """Note the coroutine of every task that is made in the block."""
    made: list[str] = []
    loop = asyncio.get_running_loop()

    def make(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
        made.append(work.__qualname__)
        return asyncio.Task(work, loop=loop, **options)

    loop.set_task_factory(make)
    try:
        yield made
    finally:
        loop.set_task_factory(None)


@contextmanager
def calls_made() -> Iterator[Counter[str]]:
    """Count the calls of this thread by module and name, builtin ones included."""
    made: Counter[str] = Counter()

    def note(frame: Any, kind: str, function: Any) -> None:
        if kind == "call":
            made[f"{frame.f_globals.get('__name__')}.{frame.f_code.co_name}"] += 1
        elif kind == "c_call":
            made[f"{function.__module__}.{function.__name__}"] += 1

    sys.setprofile(note)
    try:
        yield made
    finally:
        sys.setprofile(None)


async def begin(runtime: SingleThreadedAgentRuntime, *names: str) -> SingleThreadedAgentRuntime:
    """Start a runtime with agents that have handled a message already."""
    for name in names or ("echo",):
        await Adder.register(runtime, name, lambda: Adder("adds"))
        await runtime.add_subscription(TypeSubscription("news", name))
        await runtime.get(name, lazy=False)
    runtime.start()
    await settle(runtime)
    return runtime


def _costs(calls: Counter[str]) -> dict[str, int]:
    """Leave what writes, logs or traces."""
    costly = ("json", "pydantic", "runlog", "trace", "opentelemetry", "serialization", "logging", "uuid")
    names = ("dumps", "to_json", "new_id", "repr")
    return {
        name: count
        for name, count in calls.items()
        if not name.startswith("tests.") and (any(part in name for part in costly) or name.rpartition(".")[2] in names)
    }


# -- sends ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("message", [1, 1.5, [1]], ids=["at once", "waits", "asks another"])
async def test_a_direct_send_makes_no_task(message: Any) -> None:
    runtime = await begin(SingleThreadedAgentRuntime(), "echo", "other")

    with tasks_made() as made:
        for _ in range(10):
            await runtime.send_message(message, ECHO)

    assert made == []
    await runtime.close()


@pytest.mark.parametrize("message", [1, 1.5], ids=["at once", "waits"])
async def test_a_send_through_the_queue_makes_no_task_for_its_handler(message: Any) -> None:
    runtime = await begin(Queued())

    with tasks_made() as made:
        await asyncio.gather(*[asyncio.ensure_future(runtime.send_message(message, ECHO)) for _ in range(10)])

    assert Counter(made) == {"SingleThreadedAgentRuntime.send_message": 10, "Post._pump": 1}
    await runtime.close()


async def test_a_send_with_a_token_makes_a_task_only_for_a_handler_that_waits() -> None:
    runtime = await begin(SingleThreadedAgentRuntime())

    with tasks_made() as made:
        await runtime.send_message(1, ECHO, cancellation_token=CancellationToken())
        assert made == []
        await runtime.send_message(1.5, ECHO, cancellation_token=CancellationToken())

    assert len(made) == 2
    assert made[0] == "Post._pump"
    await runtime.close()


@pytest.mark.parametrize("message", [1, 1.5, [1]], ids=["at once", "waits", "asks another"])
@pytest.mark.parametrize("kind", [SingleThreadedAgentRuntime, Queued])
async def test_a_send_nobody_watches_writes_no_json_no_fact_and_no_span(
    kind: Callable[[], SingleThreadedAgentRuntime], message: Any
) -> None:
    runtime = await begin(kind(), "echo", "other")

    with calls_made() as calls:
        for _ in range(10):
            await runtime.send_message(message, ECHO)

    assert _costs(calls) == {}
    assert sum(calls.values()) > 30  # the counter counts
    await runtime.close()


async def test_the_calls_of_a_direct_send_are_few() -> None:
    """Python functions entered for one send, the handler among them: a guard against creeping."""
    runtime = await begin(SingleThreadedAgentRuntime())

    async def calls_for(sends: int) -> int:
        with calls_made() as calls:
            for _ in range(sends):
                await runtime.send_message(1, ECHO)
        return sum(count for name, count in calls.items() if name.startswith(("agentnb", "tests")))

    assert (await calls_for(20) - await calls_for(10)) / 10 <= 8
    await runtime.close()


# -- publishes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hearers", [1, 5])
async def test_a_burst_of_publishes_to_handlers_that_do_not_wait_makes_one_task(hearers: int) -> None:
    runtime = await begin(SingleThreadedAgentRuntime(), *[f"agent{number}" for number in range(hearers)])

    with tasks_made() as made:
        for _ in range(20):
            await runtime.publish_message("x", NEWS)
        await turns()

    assert made == ["Post._pump"]
    assert runtime.statistics().delivered == 20 * hearers
    await runtime.close()


async def test_handlers_that_wait_get_one_task_for_each_delivery_and_no_more() -> None:
    runtime = await begin(SingleThreadedAgentRuntime(), "ana", "ben", "cleo")

    with tasks_made() as made:
        for _ in range(10):
            await runtime.publish_message(b"x", NEWS)
        await turns()

    assert made.count("Post._pump") == 1
    assert len(made) == 1 + 10 * 3
    assert runtime.statistics().delivered == 10 * 3
    await runtime.close()


@pytest.mark.parametrize("message", ["x", b"x"], ids=["at once", "waits"])
async def test_a_publish_nobody_watches_writes_no_json_no_fact_and_no_span(message: Any) -> None:
    runtime = await begin(SingleThreadedAgentRuntime(), "ana", "ben")

    with calls_made() as calls:
        for _ in range(10):
            await runtime.publish_message(message, NEWS)
        await turns()

    assert _costs(calls) == {}
    assert runtime.statistics().delivered == 20
    await runtime.close()


async def test_a_topic_in_use_is_looked_up_and_mapped_once() -> None:
    runtime = await begin(SingleThreadedAgentRuntime(), "ana", "ben")
    await runtime.publish_message("x", NEWS)
    await settle(runtime)

    with calls_made() as calls:
        for _ in range(10):
            await runtime.publish_message("x", NEWS)
        await turns()

    assert calls["agentnb.runtimes.subscriptions.map_to_agent"] == 0
    assert calls["agentnb.runtimes.routes.recipients"] == 10
    await runtime.close()


# -- who watches ------------------------------------------------------------------------------------------------------


async def _one_of_each(runtime: SingleThreadedAgentRuntime) -> None:
    await runtime.send_message(1, ECHO)
    await runtime.publish_message("x", NEWS)
    await runtime.stop_when_idle()


async def test_the_counters_see_what_a_watched_runtime_writes() -> None:
    log = RunLog()
    runtime = await begin(watched(log=log))
    before = len(log.events)

    with calls_made() as calls:
        await _one_of_each(runtime)

    assert _costs(calls)
    # Sent, delivered, handled; answer sent, delivered; published, delivered, handled; run finished.
    assert len(log.events) - before == 9


async def test_an_observer_that_does_not_want_to_look_costs_nothing() -> None:
    opened = list[Any]()
    end = observe(opened.append, wanted=lambda: False)
    try:
        runtime = await begin(SingleThreadedAgentRuntime())
        with tasks_made() as made:
            await runtime.send_message(1, ECHO)
        assert (made, opened) == ([], [])
        await runtime.close()
    finally:
        end()


def _unused(work: Coroutine[Any, Any, Any]) -> None:
    work.close()


async def test_a_send_that_is_never_awaited_does_nothing() -> None:
    runtime = await begin(SingleThreadedAgentRuntime())

    _unused(runtime.send_message(1, ECHO))
    _unused(runtime.publish_message("x", NEWS))
    await settle(runtime)

    assert runtime.statistics()[:5] == (0, 0, 0, 0, 0)
    await runtime.close()
