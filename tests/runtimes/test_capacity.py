"""Agents that take only so much: one at a time, bounded queues, breakers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentnb.core import AgentId, CancellationToken, TopicId
from agentnb.exceptions import AgentBusy, BreakerOpen, MailboxFull, MessageDroppedException, UndeliverableException
from agentnb.runlog import RunLog
from agentnb.runtimes import Breaker, Capacity, SingleThreadedAgentRuntime, TypeSubscription
from tests.runtimes.conftest import ECHO, Actor, Gate, Hands, begun, place, settle, turns, watched

NEWS = TopicId("news", "default")


@pytest.fixture
def gate() -> Gate:
    return Gate()


# -- one at a time ----------------------------------------------------------------------------------------------------


async def test_an_agent_of_concurrency_one_handles_one_message_at_a_time_in_order(
    runtime: SingleThreadedAgentRuntime, gate: Gate
) -> None:
    await place(runtime, "echo", gate, hears="news", capacity=Capacity())
    sends = [await begun(runtime.send_message(0, ECHO))]
    await runtime.publish_message(1, NEWS)
    sends.append(await begun(runtime.send_message(2, ECHO, cancellation_token=CancellationToken())))
    await runtime.publish_message(3, NEWS)
    await turns()

    for number in range(4):
        assert (list(gate.here), gate.came) == ([number], list(range(number + 1)))
        await gate.open(number, f"answer {number}")

    assert [await sending for sending in sends] == ["answer 0", "answer 2"]
    await settle(runtime)
    assert runtime.statistics()[:5] == (0, 0, 4, 0, 0)


async def test_an_agent_of_concurrency_two_handles_two_at_once(runtime: SingleThreadedAgentRuntime, gate: Gate) -> None:
    await place(runtime, "echo", gate, capacity=Capacity(concurrency=2))
    sends = [await begun(runtime.send_message(number, ECHO)) for number in range(4)]
    assert list(gate.here) == [0, 1]

    await gate.open(1)
    assert list(gate.here) == [0, 2]
    for number in (0, 2, 3):
        await gate.open(number)
    await asyncio.gather(*sends)


async def test_each_key_has_a_mailbox_of_its_own(runtime: SingleThreadedAgentRuntime, gate: Gate) -> None:
    await runtime.register_factory("echo", lambda: Actor(gate), capacity=Capacity(queue=0, on_full="fail"))

    sends = [await begun(runtime.send_message(key, AgentId("echo", key))) for key in ("a", "b")]
    assert sorted(gate.here) == ["a", "b"]
    with pytest.raises(MailboxFull, match="echo/a is full: 1 at work, 0 waiting"):
        await runtime.send_message("more", AgentId("echo", "a"))

    for key in ("a", "b"):
        await gate.open(key)
    await asyncio.gather(*sends)


async def test_a_handler_that_is_cancelled_or_fails_makes_place_for_the_next(
    runtime: SingleThreadedAgentRuntime, gate: Gate
) -> None:
    await place(runtime, "echo", gate, capacity=Capacity())
    cancelled = await begun(runtime.send_message("cancelled", ECHO))
    failed = await begun(runtime.send_message("failed", ECHO))
    handled = await begun(runtime.send_message("handled", ECHO))

    cancelled.cancel()
    await turns()
    assert list(gate.here) == ["failed"]
    await gate.fail("failed", ValueError("no"))
    assert list(gate.here) == ["handled"]
    await gate.open("handled", "done")

    assert await handled == "done"
    with pytest.raises(ValueError, match="no"):
        await failed
    await settle(runtime)


async def test_a_send_cancelled_before_its_turn_gives_its_room_back(
    runtime: SingleThreadedAgentRuntime, gate: Gate
) -> None:
    await place(runtime, "echo", gate, capacity=Capacity(queue=2, on_full="fail"))
    at_work = await begun(runtime.send_message(0, ECHO))
    token = CancellationToken()
    by_token = await begun(runtime.send_message(1, ECHO, cancellation_token=token))
    by_task = await begun(runtime.send_message(2, ECHO))
    with pytest.raises(MailboxFull):
        await runtime.send_message(3, ECHO)

    token.cancel()
    by_task.cancel()
    await asyncio.wait([by_token, by_task])
    later = [await begun(runtime.send_message(number, ECHO)) for number in (4, 5)]
    with pytest.raises(MailboxFull):
        await runtime.send_message(6, ECHO)

    for number in (0, 4, 5):
        await gate.open(number)
    await asyncio.gather(at_work, *later)
    assert gate.came == [0, 4, 5]
    assert runtime.statistics().by_type["echo"].waiting == 0


async def test_a_token_frees_the_sender_but_the_place_is_free_when_the_handler_ends(
    runtime: SingleThreadedAgentRuntime, gate: Gate
) -> None:
    await place(runtime, "echo", gate, capacity=Capacity(queue=0, on_full="fail"))
    token = CancellationToken()
    sending = await begun(runtime.send_message(0, ECHO, cancellation_token=token))
    token.cancel()
    await asyncio.wait([sending])
    with pytest.raises(MailboxFull):
        await runtime.send_message(1, ECHO)

    await gate.open(0)

    next_one = await begun(runtime.send_message(2, ECHO))
    await gate.open(2)
    await next_one


async def test_a_factory_that_fails_makes_place_too(runtime: SingleThreadedAgentRuntime) -> None:
    errors = [OSError("not yet")]

    def factory() -> Actor:
        if errors:
            raise errors.pop()
        return Actor()

    await runtime.register_factory("echo", factory, capacity=Capacity(queue=0, on_full="fail"))

    with pytest.raises(OSError, match="not yet"):
        await runtime.send_message("x", ECHO)
    assert await runtime.send_message("y", ECHO) == "echo/default: y"


# -- full: wait -------------------------------------------------------------------------------------------------------


async def test_senders_and_publishers_wait_for_room_and_get_it_in_order(
    runtime: SingleThreadedAgentRuntime, gate: Gate
) -> None:
    await place(runtime, "echo", gate, hears="news", capacity=Capacity(queue=1))
    sends = [await begun(runtime.send_message(number, ECHO)) for number in range(3)]
    publishing = await begun(runtime.publish_message(3, NEWS))
    sends.append(await begun(runtime.send_message(4, ECHO)))
    assert runtime.statistics().by_type["echo"].waiting == 4
    assert not publishing.done()

    await gate.open(0)
    assert not publishing.done()
    await gate.open(1)
    assert publishing.done()  # it has room; its turn comes after 2
    for number in (2, 3, 4):
        await gate.open(number)

    await asyncio.gather(*sends)
    assert gate.came == [0, 1, 2, 3, 4]
    await settle(runtime)


async def test_who_waits_for_room_can_be_cancelled(runtime: SingleThreadedAgentRuntime, gate: Gate) -> None:
    await place(runtime, "echo", gate, hears="news", capacity=Capacity(queue=0))
    at_work = await begun(runtime.send_message("at work", ECHO))
    token = CancellationToken()
    by_token = await begun(runtime.send_message("token", ECHO, cancellation_token=token))
    by_task = await begun(runtime.publish_message("task", NEWS))
    kept = await begun(runtime.send_message("kept", ECHO))

    token.cancel()
    by_task.cancel()
    await asyncio.wait([by_token, by_task])
    assert (by_token.cancelled(), by_task.cancelled()) == (True, True)
    await gate.open("at work")
    await gate.open("kept")

    await asyncio.gather(at_work, kept)
    assert gate.came == ["at work", "kept"]
    await settle(runtime)


async def test_a_sender_that_leaves_as_its_room_is_given_hands_it_on(
    runtime: SingleThreadedAgentRuntime, gate: Gate
) -> None:
    await place(runtime, "echo", gate, capacity=Capacity(queue=0))
    at_work = await begun(runtime.send_message("at work", ECHO))
    leaving = await begun(runtime.send_message("leaving", ECHO))
    kept = await begun(runtime.send_message("kept", ECHO))

    gate.here["at work"].set_result(None)
    await at_work
    leaving.cancel()
    await turns()
    assert list(gate.here) == ["kept"]
    await gate.open("kept")

    await kept
    await settle(runtime)


async def test_stopping_tells_everybody_who_waits_for_a_bounded_agent(
    runtime: SingleThreadedAgentRuntime, gate: Gate
) -> None:
    """Those with room, those without, and those whose message is still in the queue: nobody is left in silence."""
    await place(runtime, "echo", gate, hears="news", capacity=Capacity(queue=2))
    await runtime.publish_message("at work", NEWS)
    await runtime.publish_message("has room", NEWS)
    inside = await begun(runtime.send_message("inside", ECHO))
    outside = await begun(runtime.send_message("outside", ECHO))
    publishing = await begun(runtime.publish_message("outside", NEWS))

    await runtime.stop()
    await turns()

    for waiting in (inside, outside, publishing):
        with pytest.raises(UndeliverableException, match="stopped"):
            await waiting
    assert runtime.unprocessed_messages_count == 0
    runtime.start()
    after = await begun(runtime.send_message("after", ECHO))
    await gate.open("after", "fine")
    assert await after == "fine"
    await settle(runtime)


# -- full: drop, fail -------------------------------------------------------------------------------------------------


async def test_a_full_agent_that_drops_tells_senders_and_is_silent_to_publishers(
    runtime: SingleThreadedAgentRuntime, gate: Gate
) -> None:
    await place(runtime, "echo", gate, hears="news", capacity=Capacity(queue=1, on_full="drop"))
    ben = await place(runtime, "ben", hears="news")
    sends = [await begun(runtime.send_message(number, ECHO)) for number in range(2)]

    with pytest.raises(MessageDroppedException, match="echo/default is full: 1 at work, 1 waiting"):
        await runtime.send_message(2, ECHO)
    await runtime.publish_message(3, NEWS)
    await turns()
    assert ben.got == [3]
    assert runtime.statistics().by_type["echo"].dropped == 2

    for number in range(2):
        await gate.open(number)
    await asyncio.gather(*sends)
    await settle(runtime)
    assert gate.came == [0, 1]


async def test_a_full_agent_that_fails_says_when_to_try_again(runtime: SingleThreadedAgentRuntime, gate: Gate) -> None:
    capacity = Capacity(queue=0, on_full="fail", retry_after=2.5)
    await place(runtime, "echo", gate, hears="news", capacity=capacity)
    ben = await place(runtime, "ben", hears="news")
    at_work = await begun(runtime.send_message(0, ECHO))

    for attempt in (runtime.send_message(1, ECHO), runtime.publish_message(1, NEWS)):
        with pytest.raises(MailboxFull, match="is full") as caught:
            await attempt
        assert isinstance(caught.value, AgentBusy)
        assert caught.value.retry_after == 2.5
    await turns()
    assert ben.got == [1]  # a full agent keeps nothing from the others

    await gate.open(0)
    await at_work
    again = await begun(runtime.send_message(2, ECHO))
    await gate.open(2)
    await again
    assert gate.came == [0, 2]


async def test_an_unbounded_queue_is_never_full(runtime: SingleThreadedAgentRuntime, gate: Gate) -> None:
    await place(runtime, "echo", gate, capacity=Capacity(on_full="fail"))
    sends = [await begun(runtime.send_message(number, ECHO)) for number in range(30)]

    assert runtime.statistics().by_type["echo"][1:8] == (1, 29, 1, 0, 0, 0, 0)
    for number in range(30):
        await gate.open(number)
    await asyncio.gather(*sends)


async def test_an_agent_that_unsubscribes_before_a_message_is_begun_has_its_room_back(
    runtime: SingleThreadedAgentRuntime, gate: Gate
) -> None:
    await place(runtime, "echo", gate, capacity=Capacity(queue=0, on_full="fail"))
    subscription = TypeSubscription("news", "echo")
    await runtime.add_subscription(subscription)

    await runtime.publish_message("nobody hears", NEWS)
    await runtime.remove_subscription(subscription.id)
    await turns()

    sending = await begun(runtime.send_message("x", ECHO))
    await gate.open("x")
    await sending
    assert gate.came == ["x"]


async def test_an_agent_that_subscribes_after_the_publish_hears_it_and_counts_it(
    runtime: SingleThreadedAgentRuntime, gate: Gate
) -> None:
    await place(runtime, "echo", gate, capacity=Capacity(queue=0, on_full="fail"))
    await runtime.publish_message("early", NEWS)
    await runtime.add_subscription(TypeSubscription("news", "echo"))
    await turns()
    assert gate.came == ["early"]

    with pytest.raises(MailboxFull):
        await runtime.send_message("x", ECHO)
    await gate.open("early")
    await settle(runtime)


# -- what is said about it --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        lambda: Capacity(concurrency=0),
        lambda: Capacity(queue=-1),
        lambda: Capacity(on_full="explode"),  # type: ignore[arg-type]
        lambda: Capacity(retry_after=-1),
        lambda: Breaker(failures=0),
        lambda: Breaker(reset_after=0),
    ],
)
def test_a_capacity_out_of_range_is_refused_and_names_the_value(bad: Any) -> None:
    with pytest.raises(ValueError, match=r"0|-1|explode"):
        bad()


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"breaker": 3}, r"Capacity\.breaker is 3; give a Breaker, as in Breaker\(failures=3\)"),
        ({"queue": 1.5}, r"Capacity\.queue is 1\.5; it must be a whole number"),
        ({"concurrency": True}, r"Capacity\.concurrency is True; it must be a whole number"),
        ({"concurrency": "2"}, r"Capacity\.concurrency is '2'; it must be a whole number, or None"),
        ({"retry_after": "soon"}, r"Capacity\.retry_after is 'soon'; it must be a number of seconds"),
        ({"on_full": ["wait"]}, r"Capacity\.on_full is \['wait'\]; it may be 'wait', 'drop' or 'fail'"),
    ],
)
def test_a_capacity_of_the_wrong_kind_is_refused_where_it_is_made(bad: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Capacity(**bad)
    with pytest.raises(ValueError, match=r"Breaker\.failures is '3'; it must be a whole number"):
        Breaker(failures="3")  # type: ignore[arg-type]


async def test_what_is_no_capacity_is_refused_at_registration(runtime: SingleThreadedAgentRuntime) -> None:
    said = r"The capacity of 'echo' is 5; give a Capacity, as in Capacity\(concurrency=1\)"
    with pytest.raises(ValueError, match=said):
        await runtime.register_factory("echo", Actor, capacity=5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=said):
        await runtime.register_agent_instance(Actor(), ECHO, capacity=5)  # type: ignore[arg-type]


async def test_statistics_tell_what_is_full_and_which_breaker_is_worst(
    runtime: SingleThreadedAgentRuntime, gate: Gate
) -> None:
    capacity = Capacity(queue=1, on_full="fail", breaker=Breaker(failures=1))
    await runtime.register_factory("echo", lambda: Actor(gate), capacity=capacity)
    await place(runtime, "free")
    sends = [
        await begun(runtime.send_message(message, AgentId("echo", key)))
        for message, key in (("a1", "a"), ("a2", "a"), ("b", "b"))
    ]

    row = runtime.statistics().by_type["echo"]
    assert (row.agents, row.waiting, row.in_flight, row.full, row.breaker) == (2, 1, 2, 1, "closed")
    assert runtime.statistics().by_type["free"][-2:] == (0, "")
    await gate.fail("b", ValueError("no"))
    assert runtime.statistics().by_type["echo"].breaker == "open"

    for message in ("a1", "a2"):
        await gate.open(message)
    await asyncio.gather(*sends, return_exceptions=True)


async def test_what_waits_in_queue_and_mailboxes_is_counted_once_in_all(
    runtime: SingleThreadedAgentRuntime, gate: Gate
) -> None:
    await place(runtime, "bounded", gate, hears="news", capacity=Capacity(queue=1))
    await place(runtime, "free", hears="news")
    sends = [await begun(runtime.send_message(number, AgentId("bounded", "default"))) for number in range(4)]
    assert runtime.statistics().waiting == 3  # one has room, two wait outside

    await runtime.publish_message("free only", TopicId("free", "default"))
    assert runtime.statistics().waiting == 4
    await turns()
    assert runtime.statistics().waiting == 3

    for number in range(4):
        await gate.open(number)
    await asyncio.gather(*sends)
    assert runtime.statistics().waiting == 0


async def test_what_a_mailbox_does_is_in_the_log(clock: Hands, gate: Gate) -> None:
    log = RunLog()
    runtime = watched(log=log)
    capacity = Capacity(queue=0, on_full="fail", retry_after=3.0, breaker=Breaker(failures=1, reset_after=10))
    await place(runtime, "echo", gate, capacity=capacity)
    runtime.start()

    failing = await begun(runtime.send_message("bad", ECHO))
    with pytest.raises(MailboxFull):
        await runtime.send_message("too much", ECHO)
    await gate.fail("bad", ValueError("no"))
    await asyncio.wait([failing])
    assert failing.exception() is not None
    with pytest.raises(BreakerOpen):
        await runtime.send_message("too early", ECHO)
    clock.time = 10
    trying = await begun(runtime.send_message("good", ECHO))
    await gate.open("good")
    await trying
    await runtime.stop_when_idle()

    bodies: list[Any] = [event.body for event in log.events]
    facts = [body for body in bodies if body.kind == "capacity"]
    assert [(fact.agent, fact.state, fact.failures, fact.retry_after) for fact in facts] == [
        ("echo/default", "full", 0, 3.0),
        ("echo/default", "open", 1, 10.0),
        ("echo/default", "room", 1, None),
        ("echo/default", "half-open", 1, None),
        ("echo/default", "closed", 0, None),
    ]
    dropped = [body for body in bodies if body.kind == "envelope.dropped"]
    assert [(fact.recipient, fact.by, fact.sort) for fact in dropped] == [("echo/default", "capacity", "send")] * 2


async def test_agents_without_a_capacity_are_as_free_as_ever_beside_those_with_one(
    runtime: SingleThreadedAgentRuntime, gate: Gate
) -> None:
    free = Gate()
    await place(runtime, "bounded", gate, hears="news", capacity=Capacity())
    await place(runtime, "free", free, hears="news")

    for number in range(3):
        await runtime.publish_message(number, NEWS)
    await turns()
    assert (list(gate.here), list(free.here)) == ([0], [0, 1, 2])

    for number in range(3):
        await gate.open(number)
        await free.open(number)
    await settle(runtime)
