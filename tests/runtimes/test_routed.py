"""Agents whose methods each handle some types of messages."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any, Union

import pytest
from pydantic import BaseModel

from agentnb.core import AgentId, TopicId
from agentnb.exceptions import CantHandleException
from agentnb.runtimes import (
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    TypeSubscription,
    event,
    message_handler,
    rpc,
)
from tests.runtimes.conftest import settle

AGENT = AgentId("agent", "default")
NEWS = TopicId("news", "default")


@dataclass
class Fruit:
    name: str


@dataclass
class Apple(Fruit):
    pass


class Nail(BaseModel):
    length: float = 1.0


class Base(RoutedAgent):
    """Keeps what its handlers say."""

    def __init__(self) -> None:
        super().__init__("routes")
        self.seen: list[str] = []

    async def on_unhandled_message(self, message: Any, ctx: MessageContext) -> None:
        self.seen.append(f"unhandled {type(message).__name__}")


async def at_home(runtime: SingleThreadedAgentRuntime, kind: Callable[[], Any]) -> Any:
    """Register a class, subscribed to the news, and return its agent."""
    await runtime.register_factory("agent", kind)
    await runtime.add_subscription(TypeSubscription("news", "agent"))
    return await runtime.try_get_underlying_agent_instance(AGENT)


# -- types ------------------------------------------------------------------------------------------------------------


class ByType(Base):
    @message_handler
    async def on_fruit(self, message: Fruit, ctx: MessageContext) -> str:
        return f"fruit {message.name}"

    @message_handler
    async def on_number_or_nail(self, message: int | Nail, ctx: MessageContext) -> str:
        return f"number or nail: {message!r}"

    @message_handler
    async def on_text(self, message: Union[str, bytes], ctx: MessageContext) -> Annotated[str, "an answer"]:  # noqa: UP007
        return f"text {message!r}"


async def test_the_exact_type_of_a_message_decides(runtime: SingleThreadedAgentRuntime) -> None:
    agent = await at_home(runtime, ByType)

    answers = [await runtime.send_message(m, AGENT) for m in (Fruit("kiwi"), 3, Nail(), "x", b"y", Apple("gala"), True)]

    assert answers == [
        "fruit kiwi",
        "number or nail: 3",
        "number or nail: Nail(length=1.0)",
        "text 'x'",
        "text b'y'",
        None,
        None,
    ]
    assert agent.seen == ["unhandled Apple", "unhandled bool"]


async def test_published_messages_are_routed_alike(runtime: SingleThreadedAgentRuntime) -> None:
    class Hears(Base):
        @message_handler
        async def on_fruit(self, message: Fruit, ctx: MessageContext) -> None:
            self.seen.append(f"fruit {message.name}")

        @message_handler
        async def on_number(self, message: int, ctx: MessageContext) -> None:
            await asyncio.sleep(0)
            self.seen.append(f"number {message}")

    agent = await at_home(runtime, Hears)
    for message in (1, Fruit("kiwi"), Apple("gala"), "x"):
        await runtime.publish_message(message, NEWS)
    await settle(runtime)

    assert sorted(agent.seen) == ["fruit kiwi", "number 1", "unhandled Apple", "unhandled str"]


async def test_a_message_nobody_handles_is_noted_in_the_log_of_python(
    runtime: SingleThreadedAgentRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    class Plain(RoutedAgent): ...

    await at_home(runtime, lambda: Plain("routes nothing"))

    with caplog.at_level(logging.INFO):
        assert await runtime.send_message(Fruit("kiwi"), AGENT) is None
    assert "Unhandled message of type Fruit for agent/default" in caplog.text


async def test_a_handler_of_anything_takes_what_no_other_does(runtime: SingleThreadedAgentRuntime) -> None:
    class Takes(Base):
        @message_handler
        async def a_catches_all(self, message: Any, ctx: MessageContext) -> Any:
            return f"any {message}"

        @message_handler
        async def on_text(self, message: str, ctx: MessageContext) -> str:
            return f"text {message}"

    agent = await at_home(runtime, Takes)

    assert await runtime.send_message("x", AGENT) == "text x"
    assert await runtime.send_message(3, AGENT) == "any 3"
    assert agent.seen == []


# -- several handlers of one type -------------------------------------------------------------------------------------


async def test_of_several_handlers_the_first_by_name_that_accepts_takes_the_message(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    class Chooses(Base):
        @message_handler(match=lambda message, ctx: message < 100)
        async def c_small(self, message: int, ctx: MessageContext) -> str:
            return "small"

        @message_handler(match=lambda message, ctx: message < 10)
        async def b_tiny(self, message: int, ctx: MessageContext) -> str:
            return "tiny"

        @message_handler(match=lambda message, ctx: message < 0)
        async def z_negative(self, message: int, ctx: MessageContext) -> str:
            return "never asked: b_tiny takes those"

    agent = await at_home(runtime, Chooses)

    assert [await runtime.send_message(number, AGENT) for number in (5, 50, -5, 500)] == ["tiny", "small", "tiny", None]
    assert agent.seen == ["unhandled int"]


async def test_a_match_sees_the_context_of_the_message(runtime: SingleThreadedAgentRuntime) -> None:
    class Knows(Base):
        @message_handler(match=lambda message, ctx: ctx.sender == AgentId("friend", "k"))
        async def on_friend(self, message: str, ctx: MessageContext) -> str:
            return "hello friend"

        @message_handler
        async def on_stranger(self, message: str, ctx: MessageContext) -> str:
            return "who are you?"

    await at_home(runtime, Knows)

    assert await runtime.send_message("hi", AGENT, sender=AgentId("friend", "k")) == "hello friend"
    assert await runtime.send_message("hi", AGENT) == "who are you?"


colour: ContextVar[str] = ContextVar("colour", default="none")


async def test_a_match_sees_the_context_variables_of_who_sent_the_message(runtime: SingleThreadedAgentRuntime) -> None:
    class Looks(Base):
        @message_handler(match=lambda message, ctx: colour.get() == "red")
        async def on_red(self, message: str, ctx: MessageContext) -> None:
            self.seen.append("red")

    agent = await at_home(runtime, Looks)
    token = colour.set("red")
    await runtime.send_message("x", AGENT)
    await runtime.publish_message("x", NEWS)
    colour.reset(token)
    await runtime.publish_message("x", NEWS)
    await settle(runtime)

    assert agent.seen == ["red", "red", "unhandled str"]


async def test_a_match_that_fails_fails_the_message_and_no_other(
    runtime: SingleThreadedAgentRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    class Fails(Base):
        @message_handler(match=lambda message, ctx: 1 // message > 0)
        async def on_number(self, message: int, ctx: MessageContext) -> None:
            self.seen.append(f"number {message}")

    agent = await at_home(runtime, Fails)

    with pytest.raises(ZeroDivisionError):
        await runtime.send_message(0, AGENT)
    await runtime.publish_message(0, NEWS)
    await runtime.publish_message(1, NEWS)
    await settle(runtime)

    assert agent.seen == ["number 1"]
    assert caplog.text.count("agent/default failed on a published message") == 1
    assert runtime.statistics()[:5] == (0, 0, 1, 0, 2)


async def test_an_event_handler_takes_published_messages_and_an_rpc_handler_sent_ones(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    class Both(Base):
        @event
        async def hears(self, message: str, ctx: MessageContext) -> None:
            self.seen.append(f"heard {message}")

        @rpc
        async def answers(self, message: str, ctx: MessageContext) -> str:
            self.seen.append(f"asked {message}")
            return "an answer"

        @event
        async def hears_only(self, message: int, ctx: MessageContext) -> None:
            self.seen.append(f"heard {message}")

        @rpc
        async def answers_only(self, message: float, ctx: MessageContext) -> float:
            return message

    agent = await at_home(runtime, Both)

    assert await runtime.send_message("x", AGENT) == "an answer"
    assert await runtime.send_message(1, AGENT) is None
    for message in ("y", 2.0):
        await runtime.publish_message(message, NEWS)
    await settle(runtime)

    assert agent.seen == ["asked x", "unhandled int", "heard y", "unhandled float"]


async def test_event_and_rpc_take_a_match_too(runtime: SingleThreadedAgentRuntime) -> None:
    class Picks(Base):
        @rpc(match=lambda message, ctx: message > 0)
        async def answers(self, message: int, ctx: MessageContext) -> int:
            return message

        @event(match=lambda message, ctx: message > 0)
        async def hears(self, message: int, ctx: MessageContext) -> None:
            self.seen.append(f"heard {message}")

    agent = await at_home(runtime, Picks)

    assert [await runtime.send_message(number, AGENT) for number in (1, -1)] == [1, None]
    for number in (1, -1):
        await runtime.publish_message(number, NEWS)
    await settle(runtime)

    assert agent.seen == ["unhandled int", "heard 1", "unhandled int"]


# -- strictness -------------------------------------------------------------------------------------------------------


class Returns(Base):
    @message_handler
    async def on_text(self, message: str, ctx: MessageContext) -> int:
        return message  # type: ignore[return-value]

    @message_handler(strict=False)
    async def on_number(self, message: int, ctx: MessageContext) -> str:
        return message  # type: ignore[return-value]

    @message_handler
    async def on_nail(self, message: Nail, ctx: MessageContext) -> Any:
        return message

    @message_handler
    async def on_fruit(self, message: Fruit, ctx: MessageContext) -> int | None:
        return None

    @event  # type: ignore[arg-type]
    async def on_float(self, message: float, ctx: MessageContext) -> float:
        return message


async def test_a_result_of_another_type_than_annotated_is_an_error(runtime: SingleThreadedAgentRuntime) -> None:
    await at_home(runtime, Returns)

    with pytest.raises(ValueError, match=r"on_text' returned a str; its annotation says int"):
        await runtime.send_message("x", AGENT)
    assert await runtime.send_message(Nail(), AGENT) == Nail()
    assert await runtime.send_message(Fruit("x"), AGENT) is None


async def test_an_event_handler_that_returns_something_is_an_error(
    runtime: SingleThreadedAgentRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    await at_home(runtime, Returns)

    await runtime.publish_message(1.5, NEWS)
    await settle(runtime)

    assert "on_float' returned a float; its annotation says NoneType" in caplog.text


async def test_an_unstrict_handler_warns_in_the_log_only(
    runtime: SingleThreadedAgentRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    await at_home(runtime, Returns)

    assert await runtime.send_message(3, AGENT) == 3
    assert "on_number' returned a int; its annotation says str" in caplog.text


async def test_a_handler_called_by_hand_checks_message_and_result(caplog: pytest.LogCaptureFixture) -> None:
    agent: Any = Returns()
    ctx: Any = None

    with pytest.raises(CantHandleException, match=r"on_text' takes str, not a int"):
        await agent.on_text(3, ctx)
    with pytest.raises(ValueError, match="returned a str"):
        await agent.on_text("x", ctx)
    assert await agent.on_number("x", ctx) == "x"
    assert "on_number' takes int, not a str" in caplog.text


# -- declaring --------------------------------------------------------------------------------------------------------


def test_a_handler_says_what_it_takes_and_gives() -> None:
    handler: Any = ByType.on_number_or_nail

    assert handler.target_types == [int, Nail]
    assert handler.produces_types == [str]
    assert handler.is_message_handler is True
    assert handler.router(3, None) is True
    assert handler.__name__ == "on_number_or_nail"


@pytest.mark.parametrize("decorate", [message_handler, event, rpc, message_handler(strict=False)])
def test_a_handler_without_annotations_is_refused_where_it_is_written(decorate: Any) -> None:
    async def no_message(self: Any, msg: str, ctx: MessageContext) -> None: ...
    async def no_type(self: Any, message, ctx: MessageContext) -> None: ...  # type: ignore[no-untyped-def]
    async def no_result(self: Any, message: str, ctx: MessageContext): ...  # type: ignore[no-untyped-def]
    async def unknown(self: Any, message: Nowhere, ctx: MessageContext) -> None: ...  # type: ignore[name-defined]  # noqa: F821
    async def no_class(self: Any, message: "3", ctx: MessageContext) -> None: ...  # type: ignore[valid-type]  # noqa: UP037

    for handler, says in (
        (no_message, "needs a parameter named 'message'"),
        (no_type, "no annotation for the parameter 'message'"),
        (no_result, "no annotation for the result"),
        (unknown, "name 'Nowhere', which is not known where it is defined"),
        (no_class, "annotated with 3, which is no class"),
    ):
        with pytest.raises(AssertionError, match=says):
            decorate(handler)


async def test_classes_written_in_a_function_have_handlers_too(runtime: SingleThreadedAgentRuntime) -> None:
    """Annotations are looked up where the function was written, as objects or as text."""
    program = """
from dataclasses import dataclass
from agentnb.runtimes import MessageContext, RoutedAgent, message_handler

def make():
    @dataclass
    class Local:
        text: str

    class Agent(RoutedAgent):
        @message_handler
        async def on_local(self, message: Local, ctx: MessageContext) -> Local:
            return Local(message.text.upper())

    return Local, Agent
"""
    for prefix, name in (("", "plain"), ("from __future__ import annotations\n", "future")):
        namespace: dict[str, Any] = {"__name__": __name__}
        exec(compile(prefix + program, name, "exec", dont_inherit=True), namespace)
        local, agent = namespace["make"]()
        await agent.register(runtime, name, lambda agent=agent: agent("local"))

        assert await runtime.send_message(local("x"), AgentId(name, "k")) == local("X")


# -- inheritance and other decorators ---------------------------------------------------------------------------------


async def test_a_subclass_inherits_overrides_and_adds_handlers(runtime: SingleThreadedAgentRuntime) -> None:
    class Child(ByType):
        @message_handler
        async def on_fruit(self, message: Fruit, ctx: MessageContext) -> str:
            return f"child's {await super().on_fruit(message, ctx)}"

        @message_handler
        async def on_apple(self, message: Apple, ctx: MessageContext) -> str:
            return "apple"

    await at_home(runtime, Child)

    answers = [await runtime.send_message(m, AGENT) for m in (Fruit("kiwi"), Apple("gala"), 3)]
    assert answers == ["child's fruit kiwi", "apple", "number or nail: 3"]


async def test_a_method_that_overrides_a_handler_without_a_decorator_is_none(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    class Child(ByType):
        async def on_fruit(self, message: Fruit, ctx: MessageContext) -> str:
            return "never routed"

    agent = await at_home(runtime, Child)

    assert await runtime.send_message(Fruit("kiwi"), AGENT) is None
    assert agent.seen == ["unhandled Fruit"]


async def test_a_mixin_brings_its_handlers(runtime: SingleThreadedAgentRuntime) -> None:
    class Greets:
        @message_handler
        async def on_greeting(self, message: float, ctx: MessageContext) -> str:
            return "hello"

    class Child(Greets, ByType): ...

    await at_home(runtime, Child)

    assert await runtime.send_message(1.0, AGENT) == "hello"


def loud(function: Any) -> Any:
    @functools.wraps(function)
    async def wrapped(self: Any, message: Any, ctx: MessageContext) -> Any:
        result = await function(self, message, ctx)
        return result.upper() if isinstance(result, str) else result

    return wrapped


async def test_another_decorator_over_or_under_the_handlers_is_called(runtime: SingleThreadedAgentRuntime) -> None:
    class Loud(Base):
        @loud
        @message_handler
        async def over(self, message: str, ctx: MessageContext) -> str:
            return f"over {message}"

        @message_handler
        @loud
        async def under(self, message: int, ctx: MessageContext) -> str:
            return f"under {message}"

        @loud
        @rpc(match=lambda message, ctx: message > 0)
        async def picky(self, message: float, ctx: MessageContext) -> str:
            return f"picky {message}"

    agent = await at_home(runtime, Loud)

    assert await runtime.send_message("x", AGENT) == "OVER X"
    assert await runtime.send_message(1, AGENT) == "UNDER 1"
    assert await runtime.send_message(1.0, AGENT) == "PICKY 1.0"
    assert await runtime.send_message(-1.0, AGENT) is None
    await runtime.publish_message(1.0, NEWS)
    await settle(runtime)
    assert agent.seen == ["unhandled float", "unhandled float"]


async def test_an_agent_that_writes_its_own_on_message_impl_is_asked_first(runtime: SingleThreadedAgentRuntime) -> None:
    class Filters(ByType):
        async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
            self.seen.append(f"saw {message}")
            return await super().on_message_impl(message, ctx)

    agent = await at_home(runtime, Filters)

    assert await runtime.send_message(3, AGENT) == "number or nail: 3"
    assert await runtime.send_message(True, AGENT) is None
    assert agent.seen == ["saw 3", "saw True", "unhandled bool"]


async def test_a_message_type_without_a_serializer_is_refused_at_registration(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    class Strange:
        pass

    class Agent(Base):
        @message_handler
        async def on_strange(self, message: Strange, ctx: MessageContext) -> None: ...

    with pytest.raises(ValueError, match="Agent handles Strange, for which no serializer is known"):
        await Agent.register(runtime, "agent", Agent)


def test_a_handler_that_cannot_be_awaited_is_refused_where_it_is_decorated() -> None:
    with pytest.raises(ValueError, match=r"The handler .*hear is no coroutine function; write `async def hear\(self"):

        class Hurries(RoutedAgent):
            @message_handler  # type: ignore[arg-type]
            def hear(self, message: int, ctx: MessageContext) -> int:
                return message


async def test_a_plain_function_that_returns_something_to_await_is_a_handler(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    class Passes(RoutedAgent):
        @message_handler
        def hear(self, message: int, ctx: MessageContext) -> Any:
            return self.later(message)

        async def later(self, message: int) -> int:
            return message + 1

    await Passes.register(runtime, "passes", lambda: Passes("passes on"))

    assert await runtime.send_message(1, AgentId("passes", "k")) == 2
