"""The runtime of one process and one event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import pytest

from agentnb.core import AgentId, AgentType, CancellationToken, TopicId
from agentnb.runtimes import AgentRuntime, MessageContext, SingleThreadedAgentRuntime, TypeSubscription
from tests.runtimes.conftest import ECHO, Actor

colour: ContextVar[str] = ContextVar("colour", default="none")

Send = Callable[..., Awaitable[Any]]


@pytest.fixture(params=["fast path", "queue", "before start"])
def send(request: pytest.FixtureRequest) -> Send:
    """Send a message each way there is: awaited directly, as a task of the queue, and before the runtime starts."""

    async def send(runtime: SingleThreadedAgentRuntime, message: Any, to: AgentId = ECHO, **options: Any) -> Any:
        match request.param:
            case "fast path":
                return await runtime.send_message(message, to, **options)
            case "queue":
                return await runtime.send_message(message, to, cancellation_token=CancellationToken(), **options)
        await runtime.stop()
        waiting = asyncio.ensure_future(runtime.send_message(message, to, **options))
        await asyncio.sleep(0)  # its first step puts the message into the queue
        runtime.start()
        return await waiting

    return send


def test_it_is_a_runtime() -> None:
    assert isinstance(SingleThreadedAgentRuntime(), AgentRuntime)


# -- send: each way is like the others --------------------------------------------------------------------------------


async def test_a_send_returns_what_the_handler_returns(runtime: SingleThreadedAgentRuntime, send: Send) -> None:
    await runtime.register_factory("echo", Actor)

    assert await send(runtime, "hi") == "echo/default: hi"


async def test_messages_are_handed_over_as_the_very_objects(runtime: SingleThreadedAgentRuntime, send: Send) -> None:
    async def back(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        return message

    await runtime.register_agent_instance(Actor(back), ECHO)
    message = object()

    assert await send(runtime, message) is message


async def test_an_error_of_the_handler_is_raised_as_the_very_object(
    runtime: SingleThreadedAgentRuntime, send: Send
) -> None:
    error = KeyError("mine")

    async def fail(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        raise error

    await runtime.register_agent_instance(Actor(fail), ECHO)

    with pytest.raises(KeyError) as caught:
        await send(runtime, "x")
    assert caught.value is error
    assert runtime.statistics()[2:] == (0, 1)


async def test_the_handler_knows_sender_id_and_kind(runtime: SingleThreadedAgentRuntime, send: Send) -> None:
    actor = Actor()
    await runtime.register_agent_instance(actor, ECHO)

    await send(runtime, "x", sender=AgentId("me", "k"), message_id="m-1")

    (ctx,) = actor.contexts
    assert (ctx.sender, ctx.topic_id, ctx.is_rpc, ctx.message_id) == (AgentId("me", "k"), None, True, "m-1")
    assert not ctx.cancellation_token.is_cancelled()


async def test_the_handler_runs_with_the_senders_context_variables(
    runtime: SingleThreadedAgentRuntime, send: Send
) -> None:
    async def look(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        return colour.get()

    await runtime.register_agent_instance(Actor(look), ECHO)
    token = colour.set("red")

    assert await send(runtime, "x") == "red"
    colour.reset(token)


async def test_a_send_to_nobody_fails_at_once_and_names_who_is_there(
    runtime: SingleThreadedAgentRuntime, send: Send
) -> None:
    await runtime.register_factory("echo", Actor)

    with pytest.raises(RuntimeError, match=r"No agent of type 'ecko' on this runtime \(registered: 'echo'\)"):
        await send(runtime, "x", AgentId("ecko", "k"))


async def test_a_handler_may_send_to_another_agent_and_to_itself(
    runtime: SingleThreadedAgentRuntime, send: Send
) -> None:
    async def count(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        return 0 if message == 0 else 1 + await actor.send_message(message - 1, ECHO)

    await runtime.register_agent_instance(Actor(count), ECHO)

    assert await send(runtime, 5) == 5
    assert runtime.statistics().delivered == 6


async def test_a_key_of_its_own_gets_an_agent_of_its_own(runtime: SingleThreadedAgentRuntime, send: Send) -> None:
    await runtime.register_factory("echo", Actor)

    assert await send(runtime, "x", AgentId("echo", "a")) == "echo/a: x"
    assert await send(runtime, "x", AgentId("echo", "b")) == "echo/b: x"


# -- making agents ----------------------------------------------------------------------------------------------------


async def test_an_agent_is_made_when_its_first_message_comes_and_once(runtime: SingleThreadedAgentRuntime) -> None:
    made: list[Actor] = []

    def factory() -> Actor:
        made.append(Actor())
        return made[-1]

    await runtime.register_factory("echo", factory)
    await runtime.get(ECHO)
    assert made == []

    await runtime.send_message("1", ECHO)
    await runtime.send_message("2", ECHO)

    assert [actor.got for actor in made] == [["1", "2"]]


async def test_two_first_messages_at_once_make_one_agent(runtime: SingleThreadedAgentRuntime) -> None:
    made: list[Actor] = []
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def factory() -> Actor:
        made.append(Actor())
        begun.set()
        await go_on.wait()
        return made[-1]

    await runtime.register_factory("echo", factory)
    sends = [asyncio.ensure_future(runtime.send_message(n, ECHO)) for n in range(3)]
    queued = asyncio.ensure_future(runtime.send_message(3, ECHO, cancellation_token=CancellationToken()))
    await begun.wait()
    go_on.set()
    await asyncio.gather(*sends, queued)

    assert len(made) == 1
    assert sorted(made[0].got) == [0, 1, 2, 3]


async def test_a_factory_that_fails_is_tried_again_for_the_next_message(
    runtime: SingleThreadedAgentRuntime, send: Send
) -> None:
    errors = [OSError("not yet")]

    def factory() -> Actor:
        if errors:
            raise errors.pop()
        return Actor()

    await runtime.register_factory("echo", factory)

    with pytest.raises(OSError, match="not yet"):
        await send(runtime, "x")
    assert await send(runtime, "y") == "echo/default: y"


async def test_a_sender_that_leaves_while_the_agent_is_made_does_not_unmake_it(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def factory() -> Actor:
        begun.set()
        await go_on.wait()
        return Actor()

    await runtime.register_factory("echo", factory)
    first = asyncio.ensure_future(runtime.send_message("1", ECHO))
    await begun.wait()
    second = asyncio.ensure_future(runtime.send_message("2", ECHO))
    first.cancel()
    go_on.set()

    assert await second == "echo/default: 2"
    assert first.cancelled()


async def test_a_factory_that_makes_something_else_than_promised_is_an_error(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    class Other(Actor): ...

    await runtime.register_factory("echo", Actor, expected_class=Other)  # type: ignore[arg-type]

    with pytest.raises(ValueError, match=r"'echo' made a Actor, not a Other"):
        await runtime.send_message("x", ECHO)


async def test_a_type_is_registered_once(runtime: SingleThreadedAgentRuntime) -> None:
    assert await runtime.register_factory("echo", Actor) == AgentType("echo")

    with pytest.raises(ValueError, match="'echo' is registered already"):
        await runtime.register_factory(AgentType("echo"), Actor)
    with pytest.raises(ValueError, match="has a factory"):
        await runtime.register_agent_instance(Actor(), ECHO)


async def test_instances_of_one_type_are_of_one_class_and_have_keys_of_their_own(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    class Other(Actor): ...

    await runtime.register_agent_instance(Actor(), ECHO)
    await runtime.register_agent_instance(Actor(), AgentId("echo", "2"))

    with pytest.raises(ValueError, match="echo/default is registered already"):
        await runtime.register_agent_instance(Actor(), ECHO)
    with pytest.raises(ValueError, match="holds Actors; a Other needs a type of its own"):
        await runtime.register_agent_instance(Other(), AgentId("echo", "3"))
    with pytest.raises(RuntimeError, match="echo/4 was never registered"):
        await runtime.agent_metadata(AgentId("echo", "4"))


async def test_an_object_lives_in_one_place(runtime: SingleThreadedAgentRuntime) -> None:
    actor = Actor()
    await runtime.register_agent_instance(actor, ECHO)

    with pytest.raises(RuntimeError, match="bound to echo/default already"):
        await runtime.register_agent_instance(actor, AgentId("echo", "2"))
    with pytest.raises(RuntimeError, match="bound to echo/default already"):
        await SingleThreadedAgentRuntime().register_agent_instance(actor, ECHO)


async def test_an_agents_object_and_metadata_can_be_had(runtime: SingleThreadedAgentRuntime) -> None:
    await runtime.register_factory("echo", Actor)

    agent_id = await runtime.get("echo", lazy=False)

    assert isinstance(await runtime.try_get_underlying_agent_instance(agent_id, Actor), Actor)
    assert await runtime.agent_metadata(agent_id) == {"type": "echo", "key": "default", "description": "an actor"}
    with pytest.raises(LookupError, match="No agent of type 'nobody'"):
        await runtime.try_get_underlying_agent_instance(AgentId("nobody", "k"))
    with pytest.raises(TypeError, match="echo/default is a Actor, not a TypeSubscription"):
        await runtime.try_get_underlying_agent_instance(agent_id, TypeSubscription)  # type: ignore[type-var]


# -- publish ----------------------------------------------------------------------------------------------------------


async def heard(runtime: SingleThreadedAgentRuntime, *types: str, topic: str = "news") -> dict[str, Actor]:
    actors = {}
    for type_ in types:
        actor = actors[type_] = Actor()
        await runtime.register_agent_instance(actor, AgentId(type_, "k"))
        await runtime.add_subscription(TypeSubscription(topic, type_))
    return actors


async def test_everyone_who_hears_a_topic_gets_what_is_published_but_its_sender(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    actors = await heard(runtime, "ana", "ben", "cleo")

    await runtime.publish_message("hi", TopicId("news", "k"), sender=AgentId("ana", "k"), message_id="m")
    await runtime.stop_when_idle()
    runtime.start()

    assert [actor.got for actor in actors.values()] == [[], ["hi"], ["hi"]]
    ctx = actors["ben"].contexts[0]
    assert (ctx.topic_id, ctx.is_rpc, ctx.message_id) == (TopicId("news", "k"), False, "m")


async def test_a_topic_nobody_hears_is_no_error(runtime: SingleThreadedAgentRuntime) -> None:
    await runtime.publish_message("hi", TopicId("silence", "k"))

    assert runtime.statistics() == (0, 0, 0, 0)


async def test_those_who_hear_work_at_the_same_time(runtime: SingleThreadedAgentRuntime) -> None:
    gate = asyncio.Barrier(3)

    async def meet(actor: Actor, message: Any, ctx: MessageContext) -> None:
        await gate.wait()

    for type_ in ("ana", "ben", "cleo"):
        await runtime.register_agent_instance(Actor(meet), AgentId(type_, "k"))
        await runtime.add_subscription(TypeSubscription("news", type_))

    await runtime.publish_message("hi", TopicId("news", "k"))
    await runtime.stop_when_idle()

    assert runtime.statistics() == (0, 0, 3, 0)
    runtime.start()


async def test_the_source_of_a_topic_is_the_key_of_its_hearers(runtime: SingleThreadedAgentRuntime) -> None:
    made: list[Actor] = []

    def factory() -> Actor:
        made.append(Actor())
        return made[-1]

    await runtime.register_factory("ana", factory)
    await runtime.add_subscription(TypeSubscription("news", "ana"))

    await runtime.publish_message("a", TopicId("news", "tenant-1"))
    await runtime.publish_message("b", TopicId("news", "tenant-2"))
    await runtime.stop_when_idle()
    runtime.start()

    assert sorted((actor.id.key, actor.got[0]) for actor in made) == [("tenant-1", "a"), ("tenant-2", "b")]


async def test_a_failing_hearer_is_logged_and_the_others_hear(
    runtime: SingleThreadedAgentRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(actor: Actor, message: Any, ctx: MessageContext) -> None:
        raise LookupError("deaf")

    await runtime.register_agent_instance(Actor(fail), AgentId("deaf", "k"))
    await runtime.add_subscription(TypeSubscription("news", "deaf"))
    actors = await heard(runtime, "ben")

    with caplog.at_level(logging.ERROR, logger="agentnb.runtimes"):
        await runtime.publish_message("hi", TopicId("news", "k"))
        await runtime.stop_when_idle()
    runtime.start()

    assert actors["ben"].got == ["hi"]
    assert "deaf/k failed on a published message" in caplog.text
    assert runtime.statistics().failed == 1


@pytest.mark.parametrize("end", ["stop_when_idle", "stop"])
async def test_unless_ignored_a_hearers_error_is_raised_once_where_the_runtime_ends(end: str) -> None:
    error = LookupError("deaf")
    failed = asyncio.Event()

    async def fail(actor: Actor, message: Any, ctx: MessageContext) -> None:
        failed.set()
        raise error

    runtime = SingleThreadedAgentRuntime(ignore_unhandled_exceptions=False)
    await runtime.register_agent_instance(Actor(fail), AgentId("deaf", "k"))
    await runtime.add_subscription(TypeSubscription("news", "deaf"))
    runtime.start()
    await runtime.publish_message("hi", TopicId("news", "k"))
    await failed.wait()

    with pytest.raises(LookupError) as caught:
        await getattr(runtime, end)()
    assert caught.value is error

    runtime.start()
    await runtime.stop_when_idle()


# -- life -------------------------------------------------------------------------------------------------------------


async def test_a_cascade_of_publishes_is_over_when_the_runtime_is_idle(runtime: SingleThreadedAgentRuntime) -> None:
    async def pass_on(actor: Actor, message: Any, ctx: MessageContext) -> None:
        await asyncio.sleep(0)
        if message:
            await actor.publish_message(message - 1, TopicId("pong" if actor.type == "ping" else "ping", "k"))

    for type_ in ("ping", "pong"):
        await runtime.register_agent_instance(Actor(pass_on), AgentId(type_, "k"))
        await runtime.add_subscription(TypeSubscription(type_, type_))

    await runtime.publish_message(20, TopicId("ping", "k"))
    await runtime.stop_when_idle()

    assert runtime.statistics() == (0, 0, 21, 0)
    runtime.start()


async def test_a_runtime_that_makes_an_agent_for_a_message_is_not_idle(runtime: SingleThreadedAgentRuntime) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def factory() -> Actor:
        begun.set()
        await go_on.wait()
        return Actor()

    await runtime.register_factory("echo", factory)
    sending = asyncio.ensure_future(runtime.send_message("x", ECHO))
    await begun.wait()
    idle = asyncio.ensure_future(runtime.stop_when_idle())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not idle.done()

    go_on.set()
    await idle
    assert await sending == "echo/default: x"
    runtime.start()


async def test_closing_tells_the_senders_of_messages_that_still_wait() -> None:
    runtime = SingleThreadedAgentRuntime()
    await runtime.register_factory("echo", Actor)
    waiting = asyncio.ensure_future(runtime.send_message("x", ECHO))
    await asyncio.sleep(0)
    assert runtime.unprocessed_messages_count == 1

    await runtime.close()

    with pytest.raises(RuntimeError, match="stopped before the message was delivered"):
        await waiting
    assert runtime.unprocessed_messages_count == 0


async def test_stopping_cancels_handlers_at_work_and_their_senders_know(runtime: SingleThreadedAgentRuntime) -> None:
    begun, cleaned = asyncio.Event(), asyncio.Event()

    async def work(actor: Actor, message: Any, ctx: MessageContext) -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    await runtime.register_agent_instance(Actor(work), ECHO)
    sending = asyncio.ensure_future(runtime.send_message("x", ECHO, cancellation_token=CancellationToken()))
    await begun.wait()

    await runtime.stop()

    assert cleaned.is_set()
    with pytest.raises(asyncio.CancelledError):
        await sending
    runtime.start()


async def test_a_token_frees_the_sender_and_leaves_the_handler_at_work(runtime: SingleThreadedAgentRuntime) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def work(actor: Actor, message: Any, ctx: MessageContext) -> None:
        begun.set()
        await go_on.wait()

    await runtime.register_agent_instance(Actor(work), ECHO)
    token = CancellationToken()
    sending = asyncio.ensure_future(runtime.send_message("x", ECHO, cancellation_token=token))
    await begun.wait()

    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert runtime.statistics().in_flight == 1
    go_on.set()
    await runtime.stop_when_idle()

    assert runtime.statistics() == (0, 0, 1, 0)
    runtime.start()


async def test_a_runtime_may_be_started_again_and_keeps_its_agents(runtime: SingleThreadedAgentRuntime) -> None:
    actor = Actor()
    await runtime.register_agent_instance(actor, ECHO)
    await runtime.send_message("1", ECHO)
    await runtime.stop_when_idle()
    runtime.start()
    await runtime.send_message("2", ECHO)

    assert actor.got == ["1", "2"]


async def test_starting_twice_and_stopping_what_is_stopped_are_errors(runtime: SingleThreadedAgentRuntime) -> None:
    with pytest.raises(RuntimeError, match="started already"):
        runtime.start()
    await runtime.stop()
    for end in (runtime.stop, runtime.stop_when_idle):
        with pytest.raises(RuntimeError, match=r"not started; call start\(\)"):
            await end()


async def test_closing_ends_the_runtime_and_closes_every_agent(runtime: SingleThreadedAgentRuntime) -> None:
    actor = Actor()
    await runtime.register_agent_instance(actor, ECHO)

    await runtime.close()

    assert actor.closed
    with pytest.raises(RuntimeError, match="not started"):
        await runtime.stop()


async def test_messages_are_begun_in_the_order_they_were_sent(runtime: SingleThreadedAgentRuntime) -> None:
    actor = Actor()
    await runtime.register_agent_instance(actor, ECHO)

    await asyncio.gather(*(runtime.send_message(n, ECHO, cancellation_token=CancellationToken()) for n in range(50)))

    assert actor.got == list(range(50))


async def test_state_is_kept_by_type_and_key_and_goes_to_another_runtime(runtime: SingleThreadedAgentRuntime) -> None:
    actor = Actor()
    actor.state = {"count": 3}
    await runtime.register_agent_instance(actor, ECHO)

    state = await runtime.save_state()
    other = SingleThreadedAgentRuntime()
    await other.register_factory("echo", Actor)
    await other.load_state({**state, "unknown/k": {"x": 1}})

    assert state == {"echo/default": {"count": 3}}
    assert (await other.try_get_underlying_agent_instance(ECHO, Actor)).state == {"count": 3}


async def test_what_is_sent_and_done_is_counted(runtime: SingleThreadedAgentRuntime) -> None:
    seen: list[tuple[int, ...]] = []

    async def look(actor: Actor, message: Any, ctx: MessageContext) -> None:
        seen.append(tuple(runtime.statistics()))

    await runtime.register_agent_instance(Actor(look), ECHO)
    await runtime.send_message("x", ECHO)

    assert seen == [(0, 1, 0, 0)]
    assert runtime.statistics() == (0, 0, 1, 0)
