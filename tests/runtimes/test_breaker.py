"""Breakers: an agent that fails again and again is left in peace for a while."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentnb.core import TopicId
from agentnb.exceptions import BreakerOpen, MessageDroppedException
from agentnb.runtimes import Breaker, Capacity, MessageContext, SingleThreadedAgentRuntime
from tests.runtimes.conftest import ECHO, Actor, Gate, Hands, begun, place, turns

NEWS = TopicId("news", "default")


@pytest.fixture
def gate() -> Gate:
    return Gate()


async def fails(actor: Actor, message: Any, ctx: MessageContext) -> Any:
    if message == "bad":
        raise ValueError("bad")
    return "good"


async def test_a_breaker_opens_after_failures_in_a_row_tries_once_and_closes(
    runtime: SingleThreadedAgentRuntime, clock: Hands
) -> None:
    await place(runtime, "echo", fails, capacity=Capacity(breaker=Breaker(failures=2, reset_after=10)))

    def state() -> str:
        return runtime.statistics().by_type["echo"].breaker

    async def fail() -> None:
        with pytest.raises(ValueError, match="bad"):
            await runtime.send_message("bad", ECHO)

    async def refused(left: float) -> None:
        with pytest.raises(BreakerOpen, match=r"echo/default failed \d times in a row") as caught:
            await runtime.send_message("good", ECHO)
        assert caught.value.retry_after == left

    await fail()
    assert await runtime.send_message("good", ECHO) == "good"  # not in a row
    await fail()
    assert state() == "closed"
    await fail()
    assert state() == "open"
    await refused(10)
    clock.time = 9
    await refused(1)
    clock.time = 10
    assert state() == "half-open"
    await fail()
    assert state() == "open"
    await refused(10)
    clock.time = 20
    assert await runtime.send_message("good", ECHO) == "good"
    assert state() == "closed"
    assert await runtime.send_message("good", ECHO) == "good"


async def test_a_half_open_breaker_lets_one_message_try(
    runtime: SingleThreadedAgentRuntime, clock: Hands, gate: Gate
) -> None:
    breaker = Breaker(failures=1, reset_after=10)
    await place(runtime, "echo", gate, capacity=Capacity(concurrency=None, breaker=breaker))
    first = await begun(runtime.send_message("first", ECHO))
    await gate.fail("first", ValueError("no"))
    assert isinstance(first.exception(), ValueError)
    clock.time = 10

    trying = await begun(runtime.send_message("trying", ECHO))
    with pytest.raises(BreakerOpen):
        await runtime.send_message("another", ECHO)
    trying.cancel()  # nobody knows whether it would have worked
    await asyncio.wait([trying])
    second = await begun(runtime.send_message("second", ECHO))
    await gate.open("second", "fine")

    assert await second == "fine"
    assert runtime.statistics().by_type["echo"].breaker == "closed"


async def test_an_open_breaker_refuses_published_messages_too_and_others_hear(
    runtime: SingleThreadedAgentRuntime, clock: Hands
) -> None:
    breaker = Breaker(failures=1)
    await place(runtime, "echo", fails, hears="news", capacity=Capacity(on_full="drop", breaker=breaker))
    ben = await place(runtime, "ben", hears="news")

    for message in ("bad", "dropped"):
        await runtime.publish_message(message, NEWS)
        await turns()
    with pytest.raises(MessageDroppedException, match="takes nothing at present"):
        await runtime.send_message("good", ECHO)

    assert ben.got == ["bad", "dropped"]
    assert runtime.statistics().by_type["echo"].dropped == 2
