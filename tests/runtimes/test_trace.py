"""The facts that deliveries leave in a log."""

from __future__ import annotations

from typing import Any

import pytest

from agentnb.core import AgentId, CancellationToken, TopicId
from agentnb.exceptions import MessageDroppedException, UndeliverableException
from agentnb.runlog import Event, RunLog
from agentnb.runtimes import DefaultInterventionHandler, DropMessage, MessageContext, TypeSubscription
from tests.runtimes.conftest import ECHO, Actor, Gate, begun, place, settle, turns, watched

NEWS = TopicId("news", "default")


@pytest.fixture
def log() -> RunLog:
    return RunLog()


def facts(log: RunLog, *kinds: str) -> list[Any]:
    """Return the bodies of the facts of some kinds; of all about envelopes if none is named."""
    bodies: list[Any] = [event.body for event in log.events]
    return [body for body in bodies if (body.kind in kinds if kinds else body.kind.startswith("envelope."))]


def tree(log: RunLog) -> list[str]:
    """Return one line per fact about envelopes, indented below what caused it."""
    depth: dict[Any, int] = {}
    lines = []
    for event in log.events:
        body: Any = event.body
        depth[event.id] = depth.get(event.parent, -1) + 1
        if body.kind.startswith("envelope."):
            lines.append("  " * depth[event.id] + f"{body.kind[9:]} {getattr(body, 'sort', '')}".rstrip())
    return lines


async def test_one_send_leaves_the_way_there_and_back(log: RunLog) -> None:
    runtime = watched(log=log)
    await place(runtime, "echo")
    runtime.start()

    await runtime.send_message("hi", ECHO, sender=AgentId("me", "k"), message_id="m")
    await runtime.stop_when_idle()

    assert tree(log) == [
        "  sent send",
        "    delivered send",
        "      handled",
        "      sent response",
        "        delivered response",
    ]
    sent, delivered, handled, answer, back = facts(log)
    assert {fact.message_id for fact in facts(log)} == {"m"}
    assert (sent.sender, sent.recipient, sent.type, sent.payload) == ("me/k", "echo/default", "str", '"hi"')
    assert (delivered.agent, delivered.sender, delivered.topic, delivered.role) == (
        "echo/default",
        "me/k",
        None,
        "Actor",
    )
    assert (handled.agent, handled.outcome, handled.error) == ("echo/default", "done", None)
    assert (answer.sender, answer.recipient, answer.payload) == ("echo/default", "me/k", '"echo/default: hi"')
    assert (back.agent, back.sender) == ("me/k", "echo/default")


async def test_one_publish_leaves_a_delivery_for_everyone_who_hears(log: RunLog) -> None:
    runtime = watched(log=log)
    for name in ("ana", "ben"):
        await place(runtime, name, hears="news")
    runtime.start()

    await runtime.publish_message("hi", NEWS)
    await runtime.stop_when_idle()

    sent, *deliveries = facts(log, "envelope.sent", "envelope.delivered")
    assert (sent.sort, sent.sender, sent.recipient) == ("publish", None, "news/default")
    assert [(fact.agent, fact.topic, fact.sort) for fact in deliveries] == [
        ("ana/default", "news/default", "publish"),
        ("ben/default", "news/default", "publish"),
    ]
    assert len(facts(log, "envelope.handled")) == 2


async def test_what_a_handler_does_belongs_to_its_delivery(log: RunLog) -> None:
    async def ask(actor: Actor, message: Any, ctx: MessageContext) -> Any:
        await actor.publish_message("news", NEWS)
        return await actor.send_message(message, ECHO)

    runtime = watched(log=log)
    await place(runtime, "asker", ask)
    await place(runtime, "echo")
    runtime.start()

    await runtime.send_message("hi", AgentId("asker", "default"))
    await runtime.stop_when_idle()

    assert tree(log)[:5] == [
        "  sent send",
        "    delivered send",
        "      sent publish",
        "      sent send",
        "        delivered send",
    ]


async def test_a_handler_that_fails_or_is_cancelled_says_so(log: RunLog) -> None:
    gate = Gate()
    runtime = watched(log=log)
    await place(runtime, "echo", gate, hears="news")
    runtime.start()
    failing = await begun(runtime.send_message("fails", ECHO))
    await runtime.publish_message("stopped", NEWS)
    await turns()

    await gate.fail("fails", ValueError("no"))
    assert failing.exception() is not None
    await runtime.stop()

    handled = facts(log, "envelope.handled")
    assert [(fact.outcome, fact.error, fact.error_type) for fact in handled] == [
        ("failed", "no", "ValueError"),
        ("stopped", "", "CancelledError"),
    ]


async def test_an_agent_that_is_made_or_cannot_be_made_says_so(log: RunLog) -> None:
    errors = [OSError("not yet")]

    def factory() -> Actor:
        if errors:
            raise errors.pop()
        return Actor()

    runtime = watched(log=log)
    await runtime.register_factory("echo", factory)
    runtime.start()
    with pytest.raises(OSError, match="not yet"):
        await runtime.send_message("x", ECHO)
    await runtime.send_message("y", ECHO)
    await runtime.stop_when_idle()

    made = facts(log, "agent.made")
    assert [(fact.agent, fact.role, fact.description, fact.error) for fact in made] == [
        ("echo/default", "", "", "OSError: not yet"),
        ("echo/default", "Actor", "an actor", None),
    ]
    (dropped,) = facts(log, "envelope.dropped")
    assert (dropped.by, dropped.recipient, dropped.why) == ("factory", "echo/default", "not yet")


async def test_what_is_dropped_says_by_whom(log: RunLog) -> None:
    class Censor(DefaultInterventionHandler):
        async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
            return DropMessage if message == "rude" else message

        async def on_response(self, message: Any, *, sender: AgentId, recipient: AgentId | None) -> Any:
            return DropMessage

    runtime = watched(log=log, intervention_handlers=[Censor()])
    await place(runtime, "echo")
    runtime.start()
    for message in ("rude", "kind"):
        with pytest.raises(MessageDroppedException):
            await runtime.send_message(message, ECHO)
    await runtime.stop()
    stopped = await begun(runtime.send_message("late", ECHO))
    token = CancellationToken()
    left = await begun(runtime.send_message("left", ECHO, cancellation_token=token))
    token.cancel()
    await turns()
    runtime.start()
    await runtime.stop()
    with pytest.raises(UndeliverableException):
        await stopped
    assert left.cancelled()

    dropped = facts(log, "envelope.dropped")
    assert [(fact.sort, fact.by) for fact in dropped] == [
        ("send", "Censor"),
        ("response", "Censor"),
        ("send", "sender"),
        ("send", "stop"),
    ]


async def test_what_interventions_saw_and_changed_is_noted(log: RunLog) -> None:
    class Shouts(DefaultInterventionHandler):
        async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
            return message.upper()

    runtime = watched(log=log, intervention_handlers=[Shouts(), DefaultInterventionHandler()])
    await place(runtime, "echo")
    runtime.start()
    await runtime.send_message("x", ECHO)
    await runtime.stop_when_idle()

    saw = facts(log, "envelope.intercepted")
    assert [(fact.by, fact.sort, fact.changed) for fact in saw] == [
        ("Shouts", "send", True),
        ("DefaultInterventionHandler", "send", False),
        ("Shouts", "response", False),
        ("DefaultInterventionHandler", "response", False),
    ]


async def test_a_run_is_opened_by_start_and_closed_by_the_end(log: RunLog) -> None:
    async def fail(actor: Actor, message: Any, ctx: MessageContext) -> None:
        raise ValueError("no")

    runtime = watched(log=log, ignore_unhandled_exceptions=False)
    await place(runtime, "echo", fail, hears="news")
    runtime.start()
    await settle(runtime)
    await runtime.publish_message("x", NEWS)
    with pytest.raises(ValueError, match="no"):
        await runtime.stop_when_idle()

    assert [fact.runner_type for fact in facts(log, "run.started")] == ["SingleThreadedAgentRuntime"] * 2
    assert [(fact.outcome, fact.stop_reason, fact.messages) for fact in facts(log, "run.finished")] == [
        ("done", None, 0),
        ("failed", "ValueError: no", 1),
    ]


async def test_times_of_handlers_are_measured(log: RunLog) -> None:
    runtime = watched(log=log)
    await runtime.register_factory("echo", Actor)
    await runtime.add_subscription(TypeSubscription("news", "echo"))
    runtime.start()
    await runtime.publish_message("x", NEWS)
    await runtime.stop_when_idle()

    def took(kind: str) -> list[Event]:
        return [event for event in log.events if event.body.kind == kind]  # type: ignore[attr-defined]

    for kind in ("agent.made", "envelope.handled", "run.finished"):
        assert [event.took is not None and event.took >= 0 for event in took(kind)] == [True]
