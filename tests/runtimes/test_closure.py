"""A function as an agent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from agentnb.core import AgentId, AgentType, TopicId
from agentnb.exceptions import CantHandleException
from agentnb.runtimes import (
    Capacity,
    ClosureAgent,
    ClosureContext,
    DefaultSubscription,
    MessageContext,
    SingleThreadedAgentRuntime,
    TypeSubscription,
)
from tests.runtimes.conftest import settle

AGENT = AgentId("closure", "default")


async def double(agent: ClosureContext, message: int, ctx: MessageContext) -> int:
    return 2 * message


async def test_a_function_on_a_topic_fills_a_queue(runtime: SingleThreadedAgentRuntime) -> None:
    results: asyncio.Queue[str] = asyncio.Queue()

    async def collect(agent: ClosureContext, message: str, ctx: MessageContext) -> None:
        await results.put(f"{agent.id}: {message}")

    registered = await ClosureAgent.register_closure(
        runtime, "closure", collect, subscriptions=lambda: [TypeSubscription("results", "closure")]
    )
    for number in range(3):
        await runtime.publish_message(f"result {number}", TopicId("results", "default"))
    await settle(runtime)

    assert registered == AgentType("closure")
    assert [results.get_nowait() for _ in range(3)] == [f"closure/default: result {number}" for number in range(3)]


async def test_a_function_answers_a_send(runtime: SingleThreadedAgentRuntime) -> None:
    await ClosureAgent.register_closure(runtime, "closure", double, description="doubles")

    assert await runtime.send_message(21, AGENT) == 42
    assert (await runtime.agent_metadata(AGENT))["description"] == "doubles"


async def test_a_function_may_send_and_publish_as_an_agent(runtime: SingleThreadedAgentRuntime) -> None:
    heard = list[Any]()

    async def ask(agent: ClosureContext, message: str, ctx: MessageContext) -> None:
        answer = await agent.send_message(len(message), AgentId("double", "k"), message_id="m")
        await agent.publish_message(answer, TopicId("answers", "default"))

    async def hear(agent: ClosureContext, message: int, ctx: MessageContext) -> None:
        heard.append((message, ctx.sender))

    await ClosureAgent.register_closure(runtime, "closure", ask)
    await ClosureAgent.register_closure(runtime, "double", double)
    await ClosureAgent.register_closure(runtime, "ear", hear, subscriptions=lambda: [DefaultSubscription("answers")])

    await runtime.send_message("four", AGENT)
    await settle(runtime)

    assert heard == [(8, AGENT)]


@pytest.mark.parametrize("policy", ["warn", "error", "ignore"])
async def test_what_becomes_of_a_message_of_an_unknown_type(runtime: SingleThreadedAgentRuntime, policy: Any) -> None:
    called = list[Any]()

    async def take(agent: ClosureContext, message: int, ctx: MessageContext) -> str:
        called.append(message)
        return "taken"

    await ClosureAgent.register_closure(runtime, "closure", take, unknown_type_policy=policy)

    if policy == "error":
        with pytest.raises(CantHandleException, match="closure/default takes int, not a str"):
            await runtime.send_message("x", AGENT)
    elif policy == "warn":
        with pytest.warns(UserWarning, match="closure/default takes int, not a str"):
            assert await runtime.send_message("x", AGENT) is None
    else:
        assert await runtime.send_message("x", AGENT) is None
    assert called == []
    assert await runtime.send_message(1, AGENT) == "taken"


async def test_a_function_may_take_several_types_or_any(runtime: SingleThreadedAgentRuntime) -> None:
    async def some(agent: ClosureContext, message: int | str, ctx: MessageContext) -> Any:
        return message

    async def all(agent: ClosureContext, message: Any, ctx: MessageContext) -> Any:
        return message

    await ClosureAgent.register_closure(runtime, "some", some, unknown_type_policy="error")
    await ClosureAgent.register_closure(runtime, "all", all, unknown_type_policy="error")

    assert [await runtime.send_message(m, AgentId("some", "k")) for m in (1, "x")] == [1, "x"]
    assert [await runtime.send_message(m, AgentId("all", "k")) for m in (1, "x", None)] == [1, "x", None]
    with pytest.raises(CantHandleException, match=r"takes int \| str, not a float"):
        await runtime.send_message(1.5, AgentId("some", "k"))


async def test_an_object_that_can_be_called_is_a_function_too(runtime: SingleThreadedAgentRuntime) -> None:
    class Adds:
        def __init__(self, number: int) -> None:
            self.number = number

        async def __call__(self, agent: ClosureContext, message: int, ctx: MessageContext) -> int:
            return message + self.number

        async def method(self, agent: ClosureContext, message: int, ctx: MessageContext) -> int:
            return message - self.number

    await ClosureAgent.register_closure(runtime, "closure", Adds(3))
    await ClosureAgent.register_closure(runtime, "method", Adds(3).method)

    assert await runtime.send_message(1, AGENT) == 4
    assert await runtime.send_message(1, AgentId("method", "k")) == -2


async def test_subscriptions_may_be_made_by_a_coroutine(runtime: SingleThreadedAgentRuntime) -> None:
    heard = list[int]()

    async def hear(agent: ClosureContext, message: int, ctx: MessageContext) -> None:
        heard.append(message)

    async def subscriptions() -> list[Any]:
        return [DefaultSubscription(), TypeSubscription("news", "closure")]

    await ClosureAgent.register_closure(runtime, "closure", hear, subscriptions=subscriptions)
    for number, topic in enumerate(["default", "news", "closure:", "old"]):
        await runtime.publish_message(number, TopicId(topic, "default"))
    await settle(runtime)

    assert heard == [0, 1, 2]


async def test_the_topics_that_begin_with_its_type_can_be_left_out(runtime: SingleThreadedAgentRuntime) -> None:
    heard = list[int]()

    async def hear(agent: ClosureContext, message: int, ctx: MessageContext) -> None:
        heard.append(message)

    await ClosureAgent.register_closure(runtime, "closure", hear, skip_direct_message_subscription=True)
    await runtime.publish_message(1, TopicId("closure:", "default"))
    await settle(runtime)

    assert heard == []


async def test_options_of_the_runtime_are_handed_on(runtime: SingleThreadedAgentRuntime) -> None:
    await ClosureAgent.register_closure(runtime, "closure", double, capacity=Capacity(queue=0, on_full="fail"))

    assert await runtime.send_message(1, AGENT) == 2


async def test_a_subclass_registers_itself(runtime: SingleThreadedAgentRuntime) -> None:
    class Counts(ClosureAgent):
        count = 0

        async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
            self.count += 1
            return await super().on_message_impl(message, ctx)

    await Counts.register_closure(runtime, "closure", double)

    assert await runtime.send_message(1, AGENT) == 2
    assert (await runtime.try_get_underlying_agent_instance(AGENT, Counts)).count == 1


@pytest.mark.parametrize(
    ("closure", "says"),
    [
        (lambda agent, message: None, "takes 2 parameters; it needs three"),
        (lambda agent, message, ctx: None, "no annotation for the parameter 'message'"),
    ],
    ids=["two parameters", "no annotation"],
)
async def test_a_function_that_cannot_be_an_agent_is_refused_at_registration(
    runtime: SingleThreadedAgentRuntime, closure: Callable[..., Any], says: str
) -> None:
    with pytest.raises(AssertionError, match=says):
        await ClosureAgent.register_closure(runtime, "closure", closure)

    await ClosureAgent.register_closure(runtime, "closure", double)  # nothing of the first try is left


def test_a_closure_agent_is_made_by_a_runtime() -> None:
    with pytest.raises(RuntimeError, match=r"call ClosureAgent\.register_closure"):
        ClosureAgent("x", double)


async def test_a_closure_has_no_state(runtime: SingleThreadedAgentRuntime) -> None:
    await ClosureAgent.register_closure(runtime, "closure", double)
    await runtime.get("closure", lazy=False)

    assert await runtime.save_state() == {"closure/default": {}}
    await runtime.load_state({"closure/default": {}})


async def test_a_closure_that_cannot_be_awaited_is_refused_at_registration(runtime: SingleThreadedAgentRuntime) -> None:
    def collect(agent: ClosureContext, message: str, ctx: MessageContext) -> None: ...

    with pytest.raises(ValueError, match=r"The closure .*collect is no coroutine function; write `async def collect\("):
        await ClosureAgent.register_closure(runtime, "closure", collect)  # type: ignore[arg-type]


async def test_a_policy_that_does_not_exist_is_refused_at_registration(runtime: SingleThreadedAgentRuntime) -> None:
    async def collect(agent: ClosureContext, message: str, ctx: MessageContext) -> None: ...

    with pytest.raises(ValueError, match="unknown_type_policy is 'foo'; it may be 'error', 'warn' or 'ignore'"):
        await ClosureAgent.register_closure(runtime, "c", collect, unknown_type_policy="foo")  # type: ignore[arg-type]
