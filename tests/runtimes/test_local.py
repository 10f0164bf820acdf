"""The life of a runtime: start, step, rest, stop, close, start again."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from agentnb.core import AgentId, CancellationToken, TopicId
from agentnb.exceptions import UndeliverableException
from agentnb.runtimes import DefaultInterventionHandler, MessageContext, SingleThreadedAgentRuntime, TypeSubscription
from tests.runtimes.conftest import ECHO, Actor, Gate, Make, begun, place, settle, turns

NEWS = TopicId("news", "default")


# -- rest -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("waits", [False, True], ids=["handlers that do not wait", "handlers that wait"])
async def test_a_cascade_of_publishes_is_over_when_the_runtime_is_idle(
    runtime: SingleThreadedAgentRuntime, waits: bool
) -> None:
    async def pass_on(actor: Actor, message: Any, ctx: MessageContext) -> None:
        if waits:
            await asyncio.sleep(0)
        if message:
            await actor.publish_message(message - 1, TopicId("pong" if actor.type == "ping" else "ping", "default"))

    await place(runtime, "ping", pass_on, hears="ping")
    await place(runtime, "pong", pass_on, hears="pong")

    await runtime.publish_message(20, TopicId("ping", "default"))
    await settle(runtime)

    assert runtime.statistics()[:5] == (0, 0, 21, 0, 0)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.11 has no eager tasks")
async def test_where_tasks_are_eager_messages_come_in_order_and_none_is_lost(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    heard: list[str] = []

    async def hear(actor: Actor, message: Any, ctx: MessageContext) -> None:
        heard.append(message)
        await asyncio.sleep(0)

    await place(runtime, "ana", hear, hears="news")
    asyncio.get_running_loop().set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009
    for message in ("one", "two"):
        await runtime.publish_message(message, NEWS)
        await settle(runtime)
        await runtime.publish_message(message + " more", NEWS)
    await settle(runtime)

    assert heard == ["one", "one more", "two", "two more"]
    assert runtime.statistics()[:2] == (0, 0)


async def test_a_runtime_at_work_is_not_idle(runtime: SingleThreadedAgentRuntime) -> None:
    gate = Gate()
    await place(runtime, "echo", gate, hears="news")
    sending = await begun(runtime.send_message("sent", ECHO))
    await runtime.publish_message("published", NEWS)
    idle = await begun(runtime.stop_when_idle())
    assert not idle.done()

    await gate.open("sent")
    assert not idle.done()
    await gate.open("published")

    await idle
    await sending
    runtime.start()


async def test_a_runtime_that_makes_an_agent_for_a_message_is_not_idle(runtime: SingleThreadedAgentRuntime) -> None:
    go_on = asyncio.Event()

    async def factory() -> Actor:
        await go_on.wait()
        return Actor()

    await runtime.register_factory("echo", factory)
    sending = await begun(runtime.send_message("x", ECHO))
    idle = await begun(runtime.stop_when_idle())
    assert not idle.done()

    go_on.set()
    await idle
    assert await sending == "echo/default: x"
    runtime.start()


async def test_an_idle_runtime_stops_without_waiting(runtime: SingleThreadedAgentRuntime) -> None:
    stopping = asyncio.ensure_future(runtime.stop_when_idle())
    await asyncio.sleep(0)

    assert stopping.done()
    runtime.start()


async def test_two_may_wait_for_the_runtime_to_be_idle(runtime: SingleThreadedAgentRuntime) -> None:
    gate = Gate()
    await place(runtime, "echo", gate, hears="news")
    await runtime.publish_message("x", NEWS)
    idle = [await begun(runtime.stop_when_idle()) for _ in range(2)]

    await gate.open("x")

    await asyncio.gather(*idle)


# -- stop when --------------------------------------------------------------------------------------------------------


async def test_stop_when_asks_whenever_a_message_is_over_and_not_by_the_second(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    """Time is not looked at: the runtime has stopped a few turns of the loop after the condition holds."""
    actor = await place(runtime, "echo", hears="news")
    stopping = await begun(runtime.stop_when(lambda: len(actor.got) >= 3))

    for number in range(2):
        await runtime.publish_message(number, NEWS)
        await turns()
        assert not stopping.done()
    await runtime.publish_message(2, NEWS)
    await turns()

    assert stopping.done()
    await stopping
    with pytest.raises(RuntimeError, match="not started"):
        await runtime.stop()


async def test_stop_when_asks_after_direct_sends_too(runtime: SingleThreadedAgentRuntime) -> None:
    actor = await place(runtime, "echo")
    stopping = await begun(runtime.stop_when(lambda: bool(actor.got)))

    await runtime.send_message("x", ECHO)
    await turns()

    assert stopping.done()


async def test_stop_when_the_condition_holds_already_stops_at_once_and_discards(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    actor = await place(runtime, "echo", hears="news")
    await runtime.publish_message("x", NEWS)

    await runtime.stop_when(lambda: True)

    assert actor.got == []
    assert runtime.unprocessed_messages_count == 0


async def test_an_error_of_the_condition_is_raised_and_the_runtime_goes_on(runtime: SingleThreadedAgentRuntime) -> None:
    def condition() -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await runtime.stop_when(condition)
    await settle(runtime)


async def test_stop_when_ends_with_a_runtime_somebody_else_stopped(runtime: SingleThreadedAgentRuntime) -> None:
    await place(runtime, "echo", hears="news")
    stopping = await begun(runtime.stop_when(lambda: False))
    await runtime.publish_message("x", NEWS)

    await runtime.stop()

    await stopping
    runtime.start()


# -- step -------------------------------------------------------------------------------------------------------------


async def test_a_step_takes_one_message_from_the_queue(make: Make) -> None:
    runtime = make()
    actor = await place(runtime, "echo", hears="news")
    for number in range(3):
        await runtime.publish_message(number, NEWS)
    assert runtime.unprocessed_messages_count == 3

    for number in range(3):
        await runtime.process_next()
        assert runtime.unprocessed_messages_count == 2 - number
        assert actor.got == list(range(number + 1))


async def test_a_step_delivers_a_send_and_its_answer(make: Make) -> None:
    runtime = make()
    await place(runtime, "echo")
    sending = await begun(runtime.send_message("x", ECHO))
    assert not sending.done()

    await runtime.process_next()

    assert await sending == "echo/default: x"


async def test_a_step_waits_for_a_message_if_there_is_none(make: Make) -> None:
    runtime = make()
    actor = await place(runtime, "echo", hears="news")
    step = await begun(runtime.process_next())
    assert not step.done()

    await runtime.publish_message("x", NEWS)
    await step

    assert actor.got == ["x"]


async def test_a_chain_of_sends_can_be_stepped_through(make: Make) -> None:
    async def ask(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        return f"asked: {await actor.send_message(message, AgentId('ben', 'default'))}"

    runtime = make()
    await place(runtime, "ana", ask)
    await place(runtime, "ben")
    sending = await begun(runtime.send_message("x", AgentId("ana", "default")))

    await runtime.process_next()
    assert not sending.done()
    await runtime.process_next()

    assert await sending == "asked: ben/default: x"


# -- start ------------------------------------------------------------------------------------------------------------


async def test_messages_wait_for_the_start(make: Make) -> None:
    runtime = make()
    actor = await place(runtime, "echo", hears="news")
    await runtime.publish_message("published", NEWS)
    sending = await begun(runtime.send_message("sent", ECHO))
    assert (runtime.unprocessed_messages_count, actor.got, sending.done()) == (2, [], False)

    runtime.start()
    await sending
    await settle(runtime)

    assert actor.got == ["published", "sent"]


async def test_a_runtime_may_be_started_again_and_keeps_agents_and_subscriptions(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    actor = await place(runtime, "echo", hears="news")
    for end in (runtime.stop, runtime.stop_when_idle, runtime.close):
        await runtime.send_message("sent", ECHO)
        await runtime.publish_message("published", NEWS)
        await turns()
        await end()
        runtime.start()

    assert actor.got == ["sent", "published"] * 3


async def test_starting_twice_and_stopping_what_is_stopped_are_errors(runtime: SingleThreadedAgentRuntime) -> None:
    with pytest.raises(RuntimeError, match="started already"):
        runtime.start()
    await runtime.stop()
    for end in (runtime.stop, runtime.stop_when_idle, lambda: runtime.stop_when(lambda: True)):
        with pytest.raises(RuntimeError, match=r"not started; call start\(\)"):
            await end()


def test_starting_outside_of_an_event_loop_with_messages_is_no_silent_death(make_outside: Make) -> None:
    runtime = make_outside()

    async def put() -> None:
        await place(runtime, "echo", hears="news")
        await runtime.publish_message("x", NEWS)

    asyncio.run(put())
    with pytest.raises(RuntimeError, match="event loop"):
        runtime.start()


# -- close ------------------------------------------------------------------------------------------------------------


async def test_closing_ends_the_runtime_and_closes_every_agent(runtime: SingleThreadedAgentRuntime) -> None:
    placed = await place(runtime, "echo")
    await runtime.register_factory("made", Actor)
    made = await runtime.try_get_underlying_agent_instance(AgentId("made", "k"), Actor)

    await runtime.close()

    assert (placed.closed, made.closed) == (True, True)
    with pytest.raises(RuntimeError, match="not started"):
        await runtime.stop()
    await runtime.close()  # again is no error


async def test_closing_a_runtime_that_was_never_started_makes_no_agents(make: Make) -> None:
    runtime = make()
    made = list[Actor]()

    def factory() -> Actor:
        made.append(Actor())
        return made[-1]

    await runtime.register_factory("echo", factory)
    await runtime.close()

    assert made == []


async def test_closing_tells_the_senders_of_messages_that_still_wait(make: Make) -> None:
    runtime = make()
    await place(runtime, "echo")
    waiting = await begun(runtime.send_message("x", ECHO))
    assert runtime.unprocessed_messages_count == 1

    await runtime.close()

    with pytest.raises(UndeliverableException, match="stopped before the message was delivered"):
        await waiting
    assert runtime.unprocessed_messages_count == 0


async def test_an_agent_whose_close_fails_does_not_keep_the_others_open(make: Make) -> None:
    class Stuck(Actor):
        async def close(self) -> None:
            await super().close()
            if self.state:
                raise OSError(f"{self.id} is stuck")

    runtime = make()
    await runtime.register_factory("stuck", Stuck)
    agents = [await runtime.try_get_underlying_agent_instance(AgentId("stuck", key), Stuck) for key in "abc"]
    agents[0].state = agents[1].state = {"stuck": True}

    with pytest.raises(OSError, match="stuck/a is stuck") as caught:
        await runtime.close()

    assert [agent.closed for agent in agents] == [True, True, True]
    assert caught.value.__notes__ == ["Another agent failed too: OSError: stuck/b is stuck"]
    agents[0].state = agents[1].state = {}  # so that the test's end closes it


# -- statistics -------------------------------------------------------------------------------------------------------


async def test_what_waits_works_and_is_done_is_counted_in_all_and_for_each_type(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    gate = Gate()
    await place(runtime, "ana", gate, hears="news")
    await runtime.register_factory("ben", Actor)
    await runtime.add_subscription(TypeSubscription("news", "ben"))
    assert runtime.statistics()[:5] == (0, 0, 0, 0, 0)

    await runtime.publish_message("one", NEWS)
    assert runtime.statistics()[:5] == (1, 0, 0, 0, 0)
    assert [row.waiting for row in runtime.statistics().by_type.values()] == [1, 1]
    await turns()
    assert runtime.statistics()[:5] == (0, 1, 1, 0, 0)
    await gate.fail("one", ValueError("no"))
    assert runtime.statistics()[:5] == (0, 0, 1, 0, 1)

    rows = runtime.statistics().rows()
    assert [(row["type"], row["agents"], row["delivered"], row["failed"]) for row in rows] == [
        ("ana", 1, 0, 1),
        ("ben", 1, 1, 0),
    ]


async def test_a_handler_sees_itself_at_work(runtime: SingleThreadedAgentRuntime) -> None:
    seen: list[tuple[int, ...]] = []

    async def look(actor: Actor, message: Any, ctx: MessageContext) -> None:
        seen.append(runtime.statistics()[:5])

    await place(runtime, "echo", look)
    await runtime.send_message("x", ECHO)

    assert seen == [(0, 1, 0, 0, 0)]
    assert runtime.statistics()[:5] == (0, 0, 1, 0, 0)


# -- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["sent", "sent with a token", "published", "intercepted"])
async def test_waiting_for_the_end_within_a_handler_is_an_error_and_no_deadlock(make: Make, way: str) -> None:
    errors: list[Exception] = []

    async def end() -> None:
        try:
            await runtime.stop_when_idle()
        except RuntimeError as error:
            errors.append(error)

    async def work(actor: Actor, message: Any, ctx: MessageContext) -> None:
        await end()

    class Ends(DefaultInterventionHandler):
        async def on_publish(self, message: Any, *, message_context: MessageContext) -> Any:
            await end()
            return message

    runtime = make(intervention_handlers=[Ends()] if way == "intercepted" else [])
    await place(runtime, "echo", None if way == "intercepted" else work, hears="news")
    runtime.start()
    async with asyncio.timeout(5):
        if way.startswith("sent"):
            token = CancellationToken() if "token" in way else None
            await runtime.send_message("x", ECHO, cancellation_token=token)
        else:
            await runtime.publish_message("x", NEWS)
        await runtime.stop_when_idle()

    assert [str(error)[:55] for error in errors] == ["stop_when_idle() was awaited within a handler, for whos"]


async def test_a_task_a_handler_leaves_behind_may_wait_for_the_end(runtime: SingleThreadedAgentRuntime) -> None:
    ends: list[asyncio.Task[None]] = []

    async def work(actor: Actor, message: Any, ctx: MessageContext) -> None:
        ends.append(asyncio.ensure_future(runtime.stop_when_idle()))

    await place(runtime, "echo", work)
    await runtime.send_message("x", ECHO)

    await ends[0]


async def test_a_token_that_is_none_is_refused(runtime: SingleThreadedAgentRuntime) -> None:
    await place(runtime, "echo")
    wrong: Any = "x"

    for attempt in (
        runtime.send_message("x", ECHO, cancellation_token=wrong),
        runtime.publish_message("x", NEWS, cancellation_token=wrong),
    ):
        with pytest.raises(ValueError, match=r"cancellation_token is 'x'; give a CancellationToken\(\)"):
            await attempt
