"""What somebody writes who uses actors; checked by mypy --strict and pyright, strict too, and run by the tests."""
# pyright: strict

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, assert_type

from agentnb.core import AgentId, AgentMetadata, AgentType, CancellationToken, TopicId
from agentnb.runtimes import (
    AgentProxy,
    AgentRuntime,
    Breaker,
    Capacity,
    ClosureAgent,
    ClosureContext,
    DefaultInterventionHandler,
    DefaultSubscription,
    DefaultTopicId,
    DropMessage,
    InterventionHandler,
    MessageContext,
    Request,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    Statistics,
    Subscription,
    TypeSubscription,
    default_subscription,
    event,
    message_handler,
    rpc,
    type_subscription,
)


@dataclass
class Add(Request[int]):
    a: int
    b: int


@dataclass
class Describe(Request[str | None]):
    number: int


@dataclass
class Plain:
    text: str


@default_subscription
@type_subscription("numbers")
class Calculator(RoutedAgent):
    def __init__(self, unit: str = "") -> None:
        super().__init__("calculates")
        self.unit = unit
        self.heard: list[str] = []

    @message_handler
    async def add(self, message: Add, ctx: MessageContext) -> int:
        return message.a + message.b

    @rpc
    async def describe(self, message: Describe, ctx: MessageContext) -> str | None:
        total = await self.send_message(Add(message.number, 1), AgentId("calculator", "other"))
        assert_type(total, int)
        return f"{total}{self.unit}" if message.number else None

    @event(match=lambda message, ctx: ctx.topic_id is not None)
    async def hear(self, message: Plain, ctx: MessageContext) -> None:
        assert_type(ctx.sender, AgentId | None)
        assert_type(ctx.topic_id, TopicId | None)
        assert_type(ctx.cancellation_token, CancellationToken)
        assert_type(ctx.message_id, str)
        self.heard.append(message.text)
        await self.publish_message(Plain("heard"), DefaultTopicId("echoes"))

    @message_handler(strict=False, match=lambda message, ctx: message > 0)
    async def many(self, message: int | float, ctx: MessageContext) -> float:
        return message / 2


class Scientific(Calculator):
    @message_handler
    async def add(self, message: Add, ctx: MessageContext) -> int:
        result = await super().add(message, ctx)
        assert_type(result, int)
        return result + 0


class Censor(DefaultInterventionHandler):
    async def on_publish(self, message: Any, *, message_context: MessageContext) -> Any | type[DropMessage]:
        return DropMessage if message == Plain("rude") else message


async def handlers_keep_their_types(agent: Calculator, ctx: MessageContext) -> None:
    assert_type(await agent.add(Add(1, 2), ctx), int)
    assert_type(await agent.describe(Describe(1), ctx), str | None)
    bound: Callable[[Add, MessageContext], Coroutine[Any, Any, int]] = agent.add
    assert_type(await bound(Add(1, 2), ctx), int)
    assert_type(Calculator.add.target_types, list[type[Any]])


async def main() -> list[str]:
    runtime = SingleThreadedAgentRuntime(intervention_handlers=[Censor()])
    anywhere: AgentRuntime = runtime
    watching: InterventionHandler = Censor()
    assert isinstance(watching, Censor)
    collected: asyncio.Queue[str] = asyncio.Queue()

    async def collect(agent: ClosureContext, message: Plain, ctx: MessageContext) -> None:
        assert_type(agent.id, AgentId)
        await collected.put(message.text)

    def subscriptions() -> list[Subscription]:
        return [DefaultSubscription("echoes"), TypeSubscription("others", "collector")]

    async def factory() -> Scientific:
        return Scientific()

    registered = await Calculator.register(
        runtime, "calculator", lambda: Calculator(" apples"), capacity=Capacity(concurrency=4, breaker=Breaker())
    )
    assert_type(registered, AgentType)
    await Scientific.register(anywhere, "scientific", factory)
    await ClosureAgent.register_closure(runtime, "collector", collect, subscriptions=subscriptions)
    runtime.start()

    calculator = AgentId("calculator", "default")
    total = await runtime.send_message(Add(1, 2), calculator)
    assert_type(total, int)
    assert_type(await anywhere.send_message(Add(1, 2), AgentId("scientific", "k")), int)
    text = await runtime.send_message(Describe(total), calculator, cancellation_token=CancellationToken())
    assert_type(text, str | None)
    half: Any = await runtime.send_message(3, calculator)
    proxy = AgentProxy(calculator, runtime)
    assert_type(await proxy.send_message(Add(1, 2), sender=calculator), int)
    await runtime.publish_message(Plain("hello"), DefaultTopicId(), sender=None, message_id="m")
    await runtime.stop_when_idle()

    agent = await runtime.try_get_underlying_agent_instance(calculator, Calculator)
    assert_type(agent, Calculator)
    assert_type(await proxy.metadata, AgentMetadata)
    statistics = runtime.statistics()
    assert_type(statistics, Statistics)
    assert_type(statistics.by_type["calculator"].delivered, int)
    return [str(total), str(text), str(half), *agent.heard, collected.get_nowait()]
