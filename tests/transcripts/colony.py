"""A runtime at work with all that can become of a message."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from agentnb.core import AgentId, TopicId
from agentnb.exceptions import MessageDroppedException
from agentnb.runlog import RunLog
from agentnb.runtimes import (
    Capacity,
    DefaultInterventionHandler,
    DefaultTopicId,
    DropMessage,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    message_handler,
    type_subscription,
)


@dataclass
class Ask:
    n: int


@dataclass
class News:
    n: int


class Asked(RoutedAgent):
    """Publishes what it is asked; does not like the 3."""

    def __init__(self) -> None:
        super().__init__("answers")

    @message_handler
    async def on_ask(self, message: Ask, ctx: MessageContext) -> int:
        if message.n == 3:
            raise ValueError("three <b>is</b> wrong")
        await self.publish_message(News(message.n), DefaultTopicId("news"))
        return message.n


@type_subscription("news")
class Hearer(RoutedAgent):
    """Hears news."""

    def __init__(self) -> None:
        super().__init__("hears")

    @message_handler
    async def on_news(self, message: News, ctx: MessageContext) -> None:
        return


class Border(DefaultInterventionHandler):
    """Drops the 2, doubles the 4."""

    async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
        if message.n == 2:
            return DropMessage
        return Ask(8) if message.n == 4 else message


async def colony(*asked: int, log: RunLog | None = None) -> RunLog:
    """Ask some numbers one after the other, publish news that nobody hears, and return the log."""
    log = RunLog() if log is None else log
    runtime = SingleThreadedAgentRuntime(log=log, intervention_handlers=[Border()])
    await Asked.register(runtime, "asked", Asked)
    await Hearer.register(runtime, "ear", Hearer)
    await Hearer.register(runtime, "eye", Hearer, capacity=Capacity(queue=9))
    runtime.start()
    for number in asked:
        with suppress(ValueError, MessageDroppedException):
            await runtime.send_message(Ask(number), AgentId("asked", "a"))
    await runtime.publish_message(News(0), TopicId("nowhere", "a"))
    await runtime.stop_when_idle()
    return log
