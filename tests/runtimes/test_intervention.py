"""Handlers that watch, change and drop messages on their way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentnb.core import AgentId, TopicId
from agentnb.exceptions import MessageDroppedException, UndeliverableException
from agentnb.runtimes import (
    DefaultInterventionHandler,
    DropMessage,
    InterventionHandler,
    MessageContext,
    MessageHandlerContext,
    SingleThreadedAgentRuntime,
)
from tests.runtimes.conftest import ECHO, Actor, Gate, Make, begun, place, settle

NEWS = TopicId("news", "default")


class Does(DefaultInterventionHandler):
    """Does one thing to the messages of some of the three ways."""

    def __init__(self, thing: Any, *ways: str) -> None:
        self.thing = thing
        self.ways = ways or ("send", "publish", "response")
        self.saw: list[tuple[Any, ...]] = []

    def do(self, way: str, message: Any, *about: Any) -> Any:
        self.saw.append((way, message, *about))
        return self.thing(message) if way in self.ways else message

    async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
        return self.do("send", message, message_context.sender, recipient)

    async def on_publish(self, message: Any, *, message_context: MessageContext) -> Any:
        return self.do("publish", message, message_context.sender, message_context.topic_id)

    async def on_response(self, message: Any, *, sender: AgentId, recipient: AgentId | None) -> Any:
        return self.do("response", message, sender, recipient)


def same(message: Any) -> Any:
    return message


async def begin(make: Make, *handlers: InterventionHandler) -> tuple[SingleThreadedAgentRuntime, Actor]:
    """Start a runtime with handlers and one agent that answers with the message."""

    async def back(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        return message

    runtime = make(intervention_handlers=list(handlers))
    actor = await place(runtime, "echo", back, hears="news")
    runtime.start()
    return runtime, actor


async def test_a_handler_sees_every_message_and_who_it_is_from_and_for(make: Make) -> None:
    watcher = Does(same)
    runtime, actor = await begin(make, watcher)
    me = AgentId("me", "k")

    assert await runtime.send_message("sent", ECHO, sender=me) == "sent"
    await runtime.publish_message("published", NEWS, sender=me)
    await settle(runtime)

    assert watcher.saw == [
        ("send", "sent", me, ECHO),
        ("response", "sent", ECHO, me),
        ("publish", "published", me, NEWS),
    ]
    assert actor.got == ["sent", "published"]


async def test_messages_and_answers_can_be_rewritten(make: Make) -> None:
    runtime, actor = await begin(
        make,
        Does(lambda m: f"sent {m}", "send"),
        Does(lambda m: f"published {m}", "publish"),
        Does(lambda m: f"answered {m}", "response"),
    )

    assert await runtime.send_message("x", ECHO) == "answered sent x"
    await runtime.publish_message("y", NEWS)
    await settle(runtime)

    assert actor.got == ["sent x", "published y"]


async def test_of_several_handlers_each_is_given_what_the_one_before_it_made(make: Make) -> None:
    runtime, actor = await begin(make, Does(lambda m: m + 1, "send"), Does(lambda m: m * 10), Does(lambda m: m + 5))

    assert await runtime.send_message(1, ECHO) == ((1 + 1) * 10 + 5) * 10 + 5
    assert actor.got == [25]


async def test_handlers_may_wait_and_keep_the_order_of_messages(make: Make) -> None:
    class Slow(DefaultInterventionHandler):
        async def on_publish(self, message: Any, *, message_context: MessageContext) -> Any:
            for _ in range(3 - message):
                await asyncio.sleep(0)
            return message

    runtime, actor = await begin(make, Slow())

    for number in range(4):
        await runtime.publish_message(number, NEWS)
    await settle(runtime)

    assert actor.got == [0, 1, 2, 3]


# -- drop -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("drop", [DropMessage, DropMessage()], ids=["class", "instance"])
@pytest.mark.parametrize("way", ["send", "response"])
async def test_the_sender_of_a_dropped_message_or_answer_is_told(make: Make, way: str, drop: Any) -> None:
    after = Does(same)
    runtime, actor = await begin(make, Does(lambda m: drop, way), after)

    with pytest.raises(MessageDroppedException, match=rf"Does\.on_{way} dropped the str"):
        await runtime.send_message("x", ECHO)

    assert actor.got == ([] if way == "send" else ["x"])
    assert [seen[0] for seen in after.saw] == ([] if way == "send" else ["send"])
    await settle(runtime)


@pytest.mark.parametrize("drop", [DropMessage, DropMessage()], ids=["class", "instance"])
async def test_a_dropped_publish_never_arrives(make: Make, drop: Any, caplog: pytest.LogCaptureFixture) -> None:
    runtime, actor = await begin(make, Does(lambda m: drop if m == "x" else m, "publish"))

    await runtime.publish_message("x", NEWS)
    await runtime.publish_message("y", NEWS)
    await settle(runtime)

    assert actor.got == ["y"]
    assert caplog.text == ""


@pytest.mark.parametrize("way", ["send", "publish", "response"])
@pytest.mark.parametrize("what", ["drops", "raises"])
async def test_stop_when_idle_does_not_hang_after_a_handler_drops_or_raises(make: Make, what: str, way: str) -> None:
    def thing(message: Any) -> Any:
        if what == "raises":
            raise ValueError("no")
        return DropMessage

    runtime, _ = await begin(make, Does(thing, way))
    for number in range(3):
        if way == "publish":
            await runtime.publish_message(number, NEWS)
        else:
            with pytest.raises((ValueError, MessageDroppedException)):
                await runtime.send_message(number, ECHO)

    async with asyncio.timeout(5):
        await runtime.stop_when_idle()

    assert runtime.unprocessed_messages_count == 0


# -- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["send", "response"])
async def test_the_sender_gets_the_very_error_of_a_handler(make: Make, way: str) -> None:
    error = KeyError("mine")

    def fail(message: Any) -> Any:
        raise error

    runtime, _ = await begin(make, Does(fail, way))

    with pytest.raises(KeyError) as caught:
        await runtime.send_message("x", ECHO)
    assert caught.value is error


async def test_an_error_on_a_publish_is_logged_and_the_message_dropped(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(message: Any) -> Any:
        if message == "x":
            raise KeyError("mine")
        return message

    runtime, actor = await begin(make, Does(fail, "publish"))

    await runtime.publish_message("x", NEWS)
    await runtime.publish_message("y", NEWS)
    await settle(runtime)

    assert actor.got == ["y"]
    assert "A message published to news/default could not be delivered" in caplog.text
    assert "KeyError: 'mine'" in caplog.text


@pytest.mark.parametrize("way", ["send", "publish", "response"])
async def test_a_handler_that_forgets_to_return_the_message_is_warned_of(make: Make, way: str) -> None:
    runtime, actor = await begin(make, Does(lambda m: None, way))

    async def pass_through() -> Any:
        if way != "publish":
            return await runtime.send_message("x", ECHO)
        await runtime.publish_message("x", NEWS)
        return await settle(runtime)

    with pytest.warns(RuntimeWarning, match=rf"Does\.on_{way} returned None"):
        assert await pass_through() is None

    assert actor.got == ["x" if way == "response" else None]


async def test_messages_and_answers_that_are_none_pass_without_a_warning(make: Make) -> None:
    runtime, actor = await begin(make, DefaultInterventionHandler())

    assert await runtime.send_message(None, ECHO) is None
    assert actor.got == [None]


# -- what a handler may do --------------------------------------------------------------------------------------------


async def test_a_handler_may_send_and_publish_itself(make: Make) -> None:
    class Copies(DefaultInterventionHandler):
        async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
            if message != "copy":
                await runtime.publish_message("copy", NEWS)
            return message

    runtime, actor = await begin(make, Copies())

    assert await runtime.send_message("x", ECHO) == "x"
    await settle(runtime)

    assert sorted(actor.got) == ["copy", "x"]


async def test_a_handler_sees_whose_handler_sends(make: Make) -> None:
    seen = list[Any]()

    class Looks(DefaultInterventionHandler):
        async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
            seen.append(MessageHandlerContext.agent_id())
            return message

    async def ask(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        return await actor.send_message(message, ECHO)

    runtime, _ = await begin(make, Looks())
    await place(runtime, "asker", ask)
    with pytest.raises(RuntimeError, match="No handler runs here"):
        await runtime.send_message("x", AgentId("asker", "default"))

    async def forward(actor: Actor, message: Any, ctx: MessageContext) -> None:
        seen.append(await actor.send_message(message, ECHO))

    await place(runtime, "forwards", forward, hears="jobs")
    await runtime.publish_message("x", TopicId("jobs", "default"))
    await settle(runtime)

    assert seen == [AgentId("forwards", "default"), "x"]


async def test_a_stop_while_a_handler_thinks_tells_the_sender(make: Make) -> None:
    gate = Gate()

    class Thinks(DefaultInterventionHandler):
        async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
            return await gate(None, message, message_context)  # type: ignore[arg-type]

    runtime, actor = await begin(make, Thinks())
    sending = await begun(runtime.send_message("x", ECHO))
    waiting = await begun(runtime.send_message("y", ECHO))

    await runtime.stop()

    for discarded in (sending, waiting):
        with pytest.raises(UndeliverableException, match="stopped before the message was delivered"):
            await discarded
    assert (gate.came, actor.got) == (["x"], [])
    runtime.start()
    await settle(runtime)


# -- mistakes ---------------------------------------------------------------------------------------------------------


async def test_a_handler_that_lacks_a_method_lets_those_messages_pass(make: Make) -> None:
    class Sends:
        async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
            return f"{message}!"

    class ByProtocol(InterventionHandler):
        async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
            return f"{message}?"

    runtime = make(
        intervention_handlers=[Sends(), ByProtocol()]  # type: ignore[abstract]
    )
    actor = await place(runtime, "echo", hears="news")
    runtime.start()

    assert await runtime.send_message("sent", ECHO) == "echo/default: sent!?"
    await runtime.publish_message("published", TopicId("news", "default"))
    await runtime.stop_when_idle()
    assert actor.got == ["sent!?", "published"]


def test_what_is_no_intervention_handler_is_refused_where_it_is_given(make_outside: Make) -> None:
    class Watches(DefaultInterventionHandler): ...

    class Hurries:
        def on_send(self, message: str, *, message_context: MessageContext, recipient: AgentId) -> str:
            return message

    for wrong, said in (
        ([Watches], r"Watches is a class; give an instance: intervention_handlers=\[Watches\(\)\]"),
        ([Hurries()], r"Hurries\.on_send is no coroutine function; write `async def on_send\("),
        ([object()], "object is no intervention handler: it has none of on_send, on_publish, on_response"),
        (Watches(), r"intervention_handlers is a Watches; give a list: \[handler\]"),
    ):
        with pytest.raises(ValueError, match=said):
            make_outside(intervention_handlers=wrong)


async def test_dropped_publishes_and_answers_are_counted_where_they_were_meant_to_go(make: Make) -> None:
    class Drops(DefaultInterventionHandler):
        async def on_publish(self, message: Any, *, message_context: MessageContext) -> Any:
            return DropMessage

        async def on_response(self, message: Any, *, sender: AgentId, recipient: AgentId | None) -> Any:
            return DropMessage

    runtime = make(intervention_handlers=[Drops()])
    for name in ("ana", "ben"):
        await place(runtime, name, hears="news")
    runtime.start()

    await runtime.publish_message("x", TopicId("news", "default"), sender=AgentId("ben", "default"))
    await runtime.publish_message("x", TopicId("news", "default"))
    await runtime.publish_message("nobody hears", TopicId("unheard", "default"))
    with pytest.raises(MessageDroppedException):
        await runtime.send_message("x", AgentId("ana", "default"))
    await runtime.stop_when_idle()

    statistics = runtime.statistics()
    assert {name: row.dropped for name, row in statistics.by_type.items()} == {"ana": 3, "ben": 1}
    assert (statistics.dropped, statistics.delivered) == (5, 1)
