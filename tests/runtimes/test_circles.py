"""Handlers that wait for each other: an error where they would do so for ever, and only there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentnb.core import AgentId, CancellationToken, TopicId
from agentnb.exceptions import RuntimeFault
from agentnb.runtimes import Capacity, MessageContext, SingleThreadedAgentRuntime, TypeSubscription
from tests.runtimes.conftest import ECHO, Actor, Gate, begun, place, settle, turns

NEWS = TopicId("news", "default")


def named(name: str) -> AgentId:
    return AgentId(name, "default")


async def ask(actor: Actor, message: Any, ctx: MessageContext) -> Any:
    """Ask those a message lists, each the next; the last one answers."""
    await asyncio.sleep(0)
    return await actor.send_message(message[1:], named(message[0])) if message else actor.id.type


async def test_a_circle_of_sends_to_one_at_a_time_agents_is_an_error_and_no_deadlock(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    await place(runtime, "ana", ask, capacity=Capacity())
    await place(runtime, "ben", ask)

    async with asyncio.timeout(5):
        with pytest.raises(
            RuntimeFault, match=r"ana/default → ben/default → ana/default .*handles 1 at once.*Allow more"
        ):
            await runtime.send_message(["ben", "ana"], named("ana"))
        with pytest.raises(RuntimeFault, match="ana/default → ben/default → ana/default"):
            await runtime.send_message(["ana", "ben", "ana"], named("ben"))
    await settle(runtime)
    assert runtime.statistics()[:2] == (0, 0)


async def test_two_chains_that_wait_for_each_other_do_not_hang_but_name_the_whole_circle(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    for name in ("ana", "ben"):
        await place(runtime, name, ask, capacity=Capacity())

    async with asyncio.timeout(5):
        outcomes = await asyncio.gather(
            runtime.send_message(["ben"], named("ana")),
            runtime.send_message(["ana"], named("ben")),
            return_exceptions=True,
        )

    (fault,) = [outcome for outcome in outcomes if isinstance(outcome, RuntimeFault)]
    assert "ana/default → ben/default" in str(fault)
    assert "ben/default → ana/default" in str(fault)
    assert {outcome for outcome in outcomes if outcome is not fault} < {"ana", "ben"}
    await settle(runtime)


async def test_two_hands_that_both_ask_their_own_agent_again_do_not_hang(runtime: SingleThreadedAgentRuntime) -> None:
    await place(runtime, "echo", ask, capacity=Capacity(concurrency=2))

    async with asyncio.timeout(5):
        outcomes = await asyncio.gather(
            *(runtime.send_message(["echo"], ECHO) for _ in range(2)), return_exceptions=True
        )

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["RuntimeFault", "str"]
    assert "echo/default → echo/default (echo/default handles 2 at once)" in str(outcomes)


async def test_a_circle_with_tokens_and_one_deeper_than_a_stack_are_found_too(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    async def ask_with_token(actor: Actor, message: int, ctx: MessageContext) -> Any:
        to = named("free" if message else "ana")
        return await actor.send_message(message - 1, to, cancellation_token=ctx.cancellation_token)

    await place(runtime, "ana", ask_with_token, capacity=Capacity())
    await place(runtime, "free", ask_with_token)

    async with asyncio.timeout(5):
        for depth in (0, 3, 50):
            with pytest.raises(RuntimeFault, match=r"ana/default → (free/default → )*ana/default"):
                await runtime.send_message(depth, named("ana"), cancellation_token=CancellationToken())
    await settle(runtime)


async def test_an_agent_with_hands_left_may_ask_itself(runtime: SingleThreadedAgentRuntime) -> None:
    await place(runtime, "echo", ask, capacity=Capacity(concurrency=3))

    assert await runtime.send_message(["echo"] * 2, ECHO) == "echo"
    with pytest.raises(RuntimeFault, match="handles 3 at once"):
        await runtime.send_message(["echo"] * 3, ECHO)
    await settle(runtime)


async def test_a_chain_that_waits_for_a_hand_which_will_be_free_is_no_circle(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    gate = Gate()

    async def work(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        return await (gate if message == "stay" else ask)(actor, message, ctx)

    await place(runtime, "echo", work, capacity=Capacity(concurrency=2))
    staying = await begun(runtime.send_message("stay", ECHO))
    again = await begun(runtime.send_message(["echo"], ECHO))
    assert not again.done()

    await gate.open("stay")

    await staying
    assert await again == "echo"


async def test_a_handler_whose_sender_was_freed_by_its_token_is_in_no_circle_with_it(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    """The sender's agent works on something else by now, which ends."""
    gates = {name: Gate() for name in ("ana", "ben")}
    token = CancellationToken()

    async def ana(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        if message == "ask ben":
            return await actor.send_message("ask ana", named("ben"), cancellation_token=token)
        return await gates["ana"](actor, message, ctx) if message == "else" else "at last"

    async def ben(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        await gates["ben"](actor, message, ctx)
        return await actor.send_message("from ben", named("ana"))

    await place(runtime, "ana", ana, capacity=Capacity())
    bens = await place(runtime, "ben", ben, capacity=Capacity())
    first = await begun(runtime.send_message("ask ben", named("ana")))
    token.cancel()
    await asyncio.wait([first])
    other = await begun(runtime.send_message("else", named("ana")))
    await gates["ben"].open("ask ana")
    await gates["ana"].open("else", "done")

    assert await other == "done"
    assert bens.got == ["ask ana"]
    await settle(runtime)
    assert runtime.statistics().by_type["ben"][4:7] == (1, 0, 0)


async def test_a_publish_that_would_wait_for_its_own_handler_is_an_error_and_no_deadlock(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    async def tell_all(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        await actor.publish_message(message, NEWS)

    await place(runtime, "ana", ask, hears="news", capacity=Capacity(queue=0))
    await place(runtime, "ben", tell_all)

    async with asyncio.timeout(5):
        with pytest.raises(RuntimeFault, match=r"ana/default → ben/default → ana/default.*Capacity\(queue=None\)"):
            await runtime.send_message(["ben"], named("ana"))
    await settle(runtime)


async def test_two_publishes_that_need_each_others_room_do_not_wait_for_ever(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    gate = Gate()
    for name in ("ana", "ben"):
        await place(runtime, name, gate if name == "ana" else None, capacity=Capacity(queue=0))
    for topic, names in (("first", ("ana", "ben")), ("second", ("ben", "ana"))):
        for name in names:
            await runtime.add_subscription(TypeSubscription(topic, name))
    busy = await begun(runtime.send_message("busy", named("ana")))

    publishing = [
        await begun(runtime.publish_message(topic, TopicId(topic, "default"))) for topic in ("second", "first")
    ]
    await gate.open("busy")
    for topic in ("second", "first"):
        await turns()
        await gate.open(topic)

    async with asyncio.timeout(5):
        await asyncio.gather(busy, *publishing)
        await settle(runtime)
    assert runtime.statistics().delivered == 5


async def test_a_task_of_its_own_that_a_handler_does_not_await_is_no_circle(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    answers: list[asyncio.Task[Any]] = []

    async def ask_later(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        if message:
            answers.append(asyncio.ensure_future(actor.send_message("", ECHO)))
            await asyncio.sleep(0)
        return "answered"

    await place(runtime, "echo", ask_later, capacity=Capacity())

    assert await runtime.send_message("x", ECHO) == "answered"
    assert await answers[0] == "answered"
