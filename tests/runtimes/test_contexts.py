"""Which agent the code that runs now belongs to, and whose context variables it sees."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from typing import Any

import pytest

from agentnb.core import AgentId, AgentType, CancellationToken, TopicId
from agentnb.runtimes import (
    AgentInstantiationContext,
    ClosureAgent,
    DefaultSubscription,
    DefaultTopicId,
    MessageContext,
    MessageHandlerContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    SubscriptionInstantiationContext,
    TypeSubscription,
    event,
)
from tests.runtimes.conftest import ECHO, Actor, Make, begun, place, settle, turns

colour: ContextVar[str] = ContextVar("colour", default="none")

Send = Callable[..., Awaitable[Any]]
NEWS = TopicId("news", "default")


@pytest.fixture(params=["plain", "with a token", "first"])
def send(request: pytest.FixtureRequest) -> Send:
    """Send a message each way there is; `first` has its agent made for it."""

    async def send(runtime: SingleThreadedAgentRuntime, message: Any, handler: Any) -> Any:
        await runtime.register_factory("echo", lambda: Actor(handler))
        if request.param != "first":
            await runtime.get(ECHO, lazy=False)
        token = CancellationToken() if request.param == "with a token" else None
        return await runtime.send_message(message, ECHO, cancellation_token=token)

    return send


# -- look-ups ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ask",
    [
        AgentInstantiationContext.current_runtime,
        AgentInstantiationContext.current_agent_id,
        SubscriptionInstantiationContext.agent_type,
        MessageHandlerContext.agent_id,
        AgentInstantiationContext,
        SubscriptionInstantiationContext,
        MessageHandlerContext,
    ],
)
def test_what_is_not_known_here_is_an_error(ask: Callable[[], Any]) -> None:
    with pytest.raises(RuntimeError):
        ask()
    assert not AgentInstantiationContext.is_in_factory_call()


def test_contexts_can_be_set_for_a_block(make_outside: Make) -> None:
    runtime = make_outside()
    with AgentInstantiationContext.populate_context((runtime, ECHO)):
        assert AgentInstantiationContext.is_in_factory_call()
        assert AgentInstantiationContext.current_runtime() is runtime
        assert AgentInstantiationContext.current_agent_id() == ECHO
    with SubscriptionInstantiationContext.populate_context(AgentType("echo")):
        assert SubscriptionInstantiationContext.agent_type() == AgentType("echo")
        assert DefaultSubscription() == TypeSubscription("default", "echo")
    with MessageHandlerContext.populate_context(AgentId("echo", "k")):
        assert MessageHandlerContext.agent_id() == AgentId("echo", "k")
        assert DefaultTopicId() == TopicId("default", "k")

    assert not AgentInstantiationContext.is_in_factory_call()
    assert DefaultTopicId() == TopicId("default", "default")


@pytest.mark.parametrize("waits", [False, True], ids=["", "factory waits"])
async def test_a_factory_knows_what_it_makes_and_where(runtime: SingleThreadedAgentRuntime, waits: bool) -> None:
    seen = list[Any]()

    def look() -> Actor:
        seen.append((AgentInstantiationContext.current_runtime(), AgentInstantiationContext.current_agent_id()))
        agent = Actor()
        seen.append((agent.runtime, agent.id))
        return agent

    async def look_later() -> Actor:
        await asyncio.sleep(0)
        return look()

    await runtime.register_factory("echo", look_later if waits else look)
    await runtime.send_message("x", AgentId("echo", "k"))

    assert seen == [(runtime, AgentId("echo", "k"))] * 2


async def test_a_handler_and_its_child_tasks_know_whose_they_are(
    runtime: SingleThreadedAgentRuntime, send: Send
) -> None:
    async def look(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        async def child() -> AgentId:
            return MessageHandlerContext.agent_id()

        in_thread = await asyncio.to_thread(MessageHandlerContext.agent_id)
        return MessageHandlerContext.agent_id(), await asyncio.create_task(child()), in_thread

    assert await send(runtime, "x", look) == (ECHO, ECHO, ECHO)
    with pytest.raises(RuntimeError):
        MessageHandlerContext.agent_id()


async def test_after_asking_another_agent_a_handler_is_itself_again(runtime: SingleThreadedAgentRuntime) -> None:
    async def ask(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        before = MessageHandlerContext.agent_id()
        between = await actor.send_message("who?", AgentId("ben", "k"))
        return before, between, MessageHandlerContext.agent_id()

    async def tell(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        await asyncio.sleep(0)
        return MessageHandlerContext.agent_id()

    await place(runtime, "echo", ask)
    ben = AgentId("ben", "k")
    await place(runtime, ben, tell)

    assert await runtime.send_message("x", ECHO) == (ECHO, ben, ECHO)


# -- the default topic ------------------------------------------------------------------------------------------------


async def test_the_default_topic_stays_within_the_key_of_its_publisher(runtime: SingleThreadedAgentRuntime) -> None:
    """Tenants stay apart: what an agent of key u1 publishes comes to agents of key u1 only."""

    async def tell(actor: Actor, message: Any, ctx: MessageContext) -> None:
        await actor.publish_message(message, DefaultTopicId())

    await runtime.register_factory("teller", lambda: Actor(tell))
    await runtime.register_factory("hearer", Actor)
    await runtime.add_subscription(DefaultSubscription(agent_type="hearer"))
    for key in ("u1", "u2", "u1"):
        await runtime.send_message(f"from {key}", AgentId("teller", key))
    await runtime.publish_message("from outside", DefaultTopicId())
    await settle(runtime)

    heard = {
        key: (await runtime.try_get_underlying_agent_instance(AgentId("hearer", key), Actor)).got
        for key in ("u1", "u2", "default")
    }
    assert heard == {"u1": ["from u1", "from u1"], "u2": ["from u2"], "default": ["from outside"]}


@pytest.mark.parametrize("waits", [False, True], ids=["", "handler waits"])
async def test_the_default_topic_is_that_of_the_hearer_of_a_published_message(
    runtime: SingleThreadedAgentRuntime, waits: bool
) -> None:
    seen = list[TopicId]()

    class Plain(RoutedAgent):
        @event
        async def hear(self, message: str, ctx: MessageContext) -> None:
            seen.append(DefaultTopicId())

    class Waits(RoutedAgent):
        @event
        async def hear(self, message: str, ctx: MessageContext) -> None:
            await asyncio.sleep(0)
            seen.append(DefaultTopicId("other"))

    kind: Any = Waits if waits else Plain
    await kind.register(runtime, "agent", lambda: kind("x"))
    for key in ("k1", "k2"):
        await runtime.publish_message("x", TopicId("agent:", key))
    await settle(runtime)

    assert seen == [TopicId("other" if waits else "default", key) for key in ("k1", "k2")]


def test_a_default_topic_is_a_topic() -> None:
    assert DefaultTopicId("news", "k") == TopicId("news", "k")
    assert hash(DefaultTopicId("news", "k")) == hash(TopicId("news", "k"))
    assert str(DefaultTopicId()) == "default/default"
    with pytest.raises(ValueError, match="Topic type"):
        DefaultTopicId("no topic")


# -- context variables ------------------------------------------------------------------------------------------------


async def test_the_handler_runs_with_the_senders_context_variables(
    runtime: SingleThreadedAgentRuntime, send: Send
) -> None:
    async def look(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        return colour.get()

    token = colour.set("red")

    assert await send(runtime, "x", look) == "red"
    colour.reset(token)


@pytest.mark.parametrize("waits", [False, True], ids=["", "handler waits"])
async def test_what_a_handler_sets_never_reaches_its_sender(
    runtime: SingleThreadedAgentRuntime, send: Send, waits: bool
) -> None:
    async def paint(actor: Actor, message: str, ctx: MessageContext) -> str:
        colour.set(message)
        if waits:
            await asyncio.sleep(0)
        return colour.get()

    assert await send(runtime, "red", paint) == "red"
    assert colour.get() == "none"
    assert await runtime.send_message("blue", ECHO) == "blue"
    assert colour.get() == "none"


async def test_what_a_failing_handler_sets_never_reaches_its_sender(
    runtime: SingleThreadedAgentRuntime, send: Send
) -> None:
    async def paint(actor: Actor, message: str, ctx: MessageContext) -> None:
        colour.set(message)
        raise ValueError(message)

    with pytest.raises(ValueError, match="red"):
        await send(runtime, "red", paint)
    assert colour.get() == "none"


async def test_a_variable_reset_after_a_nested_send_is_still_the_handlers_own(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    """A token of `ContextVar.set` is only good in the context it was made in."""

    async def ask(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        token = colour.set("mine")
        theirs = await actor.send_message("x", AgentId("ben", "k"))
        mine = colour.get()
        colour.reset(token)
        return theirs, mine, colour.get()

    async def paint(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        before = colour.get()
        colour.set("theirs")
        await asyncio.sleep(0)
        return before

    await place(runtime, "echo", ask)
    await place(runtime, AgentId("ben", "k"), paint)

    assert await runtime.send_message("x", ECHO) == ("mine", "mine", "none")


@pytest.mark.parametrize("waits", [False, True], ids=["", "handlers wait"])
async def test_hearers_of_one_message_do_not_see_what_the_others_set(
    runtime: SingleThreadedAgentRuntime, waits: bool
) -> None:
    seen = list[str]()

    class Painter(RoutedAgent):
        @event
        async def hear(self, message: str, ctx: MessageContext) -> None:
            seen.append(colour.get())
            colour.set(self.type)

    class SlowPainter(RoutedAgent):
        @event
        async def hear(self, message: str, ctx: MessageContext) -> None:
            seen.append(colour.get())
            colour.set(self.type)
            await asyncio.sleep(0)
            seen.append(colour.get())

    kind: Any = SlowPainter if waits else Painter
    for name in ("ana", "ben"):
        await kind.register(runtime, name, lambda: kind("paints"))
        await runtime.add_subscription(TypeSubscription("news", name))
        await runtime.get(name, lazy=False)
    token = colour.set("red")
    await runtime.publish_message("x", NEWS)
    colour.reset(token)
    await runtime.publish_message("y", NEWS)
    await settle(runtime)

    expected = ["red", "red", "none", "none", *(["ana", "ben"] * 2 if waits else [])]
    assert sorted(seen) == sorted(expected)
    assert colour.get() == "none"


async def test_a_message_brings_the_variables_of_the_time_it_was_sent(make: Make) -> None:
    runtime, seen = make(), list[str]()

    async def look(actor: Actor, message: Any, ctx: MessageContext) -> None:
        seen.append(colour.get())

    await place(runtime, "echo", look, hears="news")
    for name in ("red", "blue"):
        token = colour.set(name)
        await runtime.publish_message(name, NEWS)
        colour.reset(token)
    runtime.start()
    await settle(runtime)

    assert seen == ["red", "blue"]


async def test_what_a_factory_sets_stays_in_the_factory(runtime: SingleThreadedAgentRuntime) -> None:
    async def look(actor: Actor, message: Any, ctx: MessageContext) -> str:
        return colour.get()

    def factory() -> Actor:
        colour.set("factory")
        return Actor(look)

    await runtime.register_factory("echo", factory)

    assert await runtime.send_message("x", ECHO) == "none"
    assert colour.get() == "none"


async def test_task_local_things_of_asyncio_work_within_a_handler(runtime: SingleThreadedAgentRuntime) -> None:
    """Time-outs and task groups belong to the task a handler runs in, whosever it is."""

    async def work(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        async def part(number: int) -> int:
            await asyncio.sleep(0)
            return number

        async with asyncio.TaskGroup() as group:
            parts = [group.create_task(part(number)) for number in range(3)]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        return [task.result() for task in parts]

    await place(runtime, "echo", work)

    async with asyncio.timeout(5):
        assert await runtime.send_message("x", ECHO) == [0, 1, 2]


async def test_async_generators_may_be_used_across_a_send(runtime: SingleThreadedAgentRuntime) -> None:
    async def numbers() -> Any:
        for number in range(3):
            yield await runtime.send_message(number, AgentId("ben", "k"))

    async def collect(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        return [number async for number in numbers()]

    await place(runtime, "echo", collect)
    await place(runtime, AgentId("ben", "k"))

    assert await runtime.send_message("x", ECHO) == [f"ben/k: {number}" for number in range(3)]


async def test_a_handler_abandoned_with_its_loop_closes_cleanly(make: Make) -> None:
    """A coroutine that is closed in the middle of a handler runs the handler's `finally`, in its own context."""
    runtime, seen = make(), list[str]()

    async def work(actor: Actor, message: Any, ctx: MessageContext) -> None:
        colour.set("mine")
        try:
            await asyncio.Event().wait()
        finally:
            seen.append(colour.get())

    await place(runtime, "echo", work)
    runtime.start()
    task = await begun(runtime.send_message("x", ECHO))
    await turns()
    task.cancel()
    await asyncio.wait([task])

    assert seen == ["mine"]


def _closed(sending: Coroutine[Any, Any, Any]) -> None:
    sending.send(None)
    sending.close()


async def test_a_send_whose_coroutine_is_closed_gives_back_what_it_had(make: Make) -> None:
    runtime, seen = make(), list[str]()

    async def work(actor: Actor, message: Any, ctx: MessageContext) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            seen.append(MessageHandlerContext.agent_id().type)

    await place(runtime, "echo", work)
    runtime.start()
    _closed(runtime.send_message("x", ECHO))
    await settle(runtime)

    assert seen in ([], ["echo"])  # a message still in the queue never reached the handler
    assert runtime.statistics()[:2] == (0, 0)


async def test_subscriptions_made_for_a_closure_know_its_type(runtime: SingleThreadedAgentRuntime) -> None:
    heard = list[str]()

    async def hear(agent: Any, message: str, ctx: MessageContext) -> None:
        heard.append(message)

    await ClosureAgent.register_closure(runtime, "ear", hear, subscriptions=lambda: [DefaultSubscription("news")])
    await runtime.publish_message("x", NEWS)
    await settle(runtime)

    assert heard == ["x"]
