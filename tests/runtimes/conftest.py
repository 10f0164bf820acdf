"""Actors, and runtimes of every kind; they are closed at the end and must leave no task behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any, cast

import pytest

from agentnb.core import AgentId, CancellationToken, Clock, set_clock
from agentnb.runlog import RunLog
from agentnb.runtimes import BaseAgent, Capacity, MessageContext, SingleThreadedAgentRuntime, TypeSubscription

Handler = Callable[["Actor", Any, MessageContext], Awaitable[Any]]
Make = Callable[..., SingleThreadedAgentRuntime]
Send = Callable[..., Awaitable[Any]]

ECHO = AgentId("echo", "default")


class Actor(BaseAgent):
    """Does what a function does with each message, and keeps what came."""

    def __init__(self, handler: Handler | None = None) -> None:
        super().__init__("an actor")
        self.handler = handler
        self.got: list[Any] = []
        self.contexts: list[MessageContext] = []
        self.state: dict[str, Any] = {}
        self.closed = False

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
        self.got.append(message)
        self.contexts.append(ctx)
        return await self.handler(self, message, ctx) if self.handler else f"{self.id}: {message}"

    async def save_state(self) -> dict[str, Any]:
        return self.state

    async def load_state(self, state: Any) -> None:
        self.state = dict(state)

    async def close(self) -> None:
        self.closed = True


class Queued(SingleThreadedAgentRuntime):
    """Takes every message through the queue."""

    _direct_allowed = False


def watched(*, log: RunLog | None = None, **options: Any) -> SingleThreadedAgentRuntime:
    """Make a runtime whose deliveries are logged."""
    return SingleThreadedAgentRuntime(log=RunLog() if log is None else log, **options)


KINDS: dict[str, Make | str] = {
    "local": SingleThreadedAgentRuntime,
    "local, queued": Queued,
    "local, watched": watched,
    "distributed": "there is no distributed runtime yet",
}
"""Every behaviour is the same on each; a text instead of a way to make it says why a kind is left out."""


@pytest.fixture(params=[name for name, kind in KINDS.items() if not isinstance(kind, str)])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    """Makes runtimes of one kind; all are closed at the end."""
    made: list[SingleThreadedAgentRuntime] = []

    def make(**options: Any) -> SingleThreadedAgentRuntime:
        made.append(cast(Make, KINDS[request.param])(**options))
        return made[-1]

    yield make
    for runtime in made:
        await runtime.close()
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


@pytest.fixture(params=[name for name, kind in KINDS.items() if not isinstance(kind, str)])
def make_outside(request: pytest.FixtureRequest) -> Make:
    """Makes runtimes of one kind where no event loop runs."""
    return cast(Make, KINDS[request.param])


@pytest.fixture
async def runtime(make: Make) -> SingleThreadedAgentRuntime:
    """A runtime that is started."""
    runtime = make()
    runtime.start()
    return runtime


class Hands(Clock):
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 0.0

    def monotonic(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Iterator[Hands]:
    hands = Hands()
    with set_clock(hands):
        yield hands


class Gate:
    """Where handlers wait until they are let through, in any order; `here` holds those that wait."""

    def __init__(self) -> None:
        self.here: dict[Any, asyncio.Future[Any]] = {}
        self.came: list[Any] = []
        self.reached = asyncio.Event()

    async def __call__(self, actor: Actor, message: Any, ctx: MessageContext) -> Any:
        self.came.append(message)
        self.reached.set()
        self.here[message] = asyncio.get_running_loop().create_future()
        try:
            return await self.here[message]
        finally:
            del self.here[message]

    async def open(self, message: Any, result: Any = None) -> None:
        self.here[message].set_result(result)
        await turns()

    async def fail(self, message: Any, error: Exception) -> None:
        self.here[message].set_exception(error)
        await turns()


async def place(
    runtime: SingleThreadedAgentRuntime,
    name: str | AgentId,
    handler: Handler | None = None,
    *,
    hears: str | None = None,
    capacity: Capacity | None = None,
) -> Actor:
    """Put an actor on a runtime, and subscribe it to a topic type."""
    actor = Actor(handler)
    agent_id = name if isinstance(name, AgentId) else AgentId(name, "default")
    await runtime.register_agent_instance(actor, agent_id, capacity=capacity)
    if hears:
        await runtime.add_subscription(TypeSubscription(hears, agent_id.type))
    return actor


async def settle(runtime: SingleThreadedAgentRuntime) -> None:
    """Let the runtime come to rest, and go on."""
    await runtime.stop_when_idle()
    runtime.start()


async def turns(number: int = 20) -> None:
    """Give the loop some turns: enough for whatever waits for nothing but its turn."""
    for _ in range(number):
        await asyncio.sleep(0)


async def begun(sending: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Begin something in a task of its own, and let it come as far as it does by itself."""
    task = asyncio.ensure_future(sending)
    await turns()
    return task


@pytest.fixture(params=["plain", "with a token", "before start"])
def send(request: pytest.FixtureRequest) -> Send:
    """Send a message each way there is."""

    async def send(runtime: SingleThreadedAgentRuntime, message: Any, to: AgentId = ECHO, **options: Any) -> Any:
        match request.param:
            case "plain":
                return await runtime.send_message(message, to, **options)
            case "with a token":
                return await runtime.send_message(message, to, cancellation_token=CancellationToken(), **options)
        await runtime.stop()
        waiting = await begun(runtime.send_message(message, to, **options))
        runtime.start()
        return await waiting

    return send
