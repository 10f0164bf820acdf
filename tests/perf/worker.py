"""One contestant of the core's benchmarks: a program in AutoGen's public names, run by either interpreter.

`python worker.py` measures the AutoGen installed beside that Python, `python worker.py --agentnb` measures agentnb;
but for the import they run the same lines. Reads requests from standard input, one JSON object a line, and answers each
with one line.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING or "--agentnb" in sys.argv:
    from agentnb.core import AgentId, CancellationToken, TopicId
    from agentnb.runtimes import (
        DefaultInterventionHandler,
        MessageContext,
        RoutedAgent,
        SingleThreadedAgentRuntime,
        TypePrefixSubscription,
        TypeSubscription,
        message_handler,
    )
else:
    from autogen_core import (
        AgentId,
        CancellationToken,
        DefaultInterventionHandler,
        MessageContext,
        RoutedAgent,
        SingleThreadedAgentRuntime,
        TopicId,
        TypePrefixSubscription,
        TypeSubscription,
        message_handler,
    )

cpu = time.process_time
Fill = Callable[[], Awaitable[Any]]
"""Fills a runtime with what is to be weighed, and returns it."""


@dataclass
class Ask:
    number: int


@dataclass
class Answer:
    number: int


@dataclass
class AskSlowly:
    number: int


@dataclass
class Relay:
    times: int


@dataclass
class News:
    number: int


@dataclass
class SlowNews:
    number: int


class AskModel(BaseModel):
    number: int


class AnswerModel(BaseModel):
    number: int


class Audience:
    """Counts deliveries, and tells when all are made."""

    def __init__(self) -> None:
        self.missing = 0
        self.all_heard = asyncio.Event()

    def expect(self, count: int) -> None:
        self.missing = count
        self.all_heard.clear()

    def heard(self) -> None:
        self.missing -= 1
        if not self.missing:
            self.all_heard.set()


async def answer(message: Ask, ctx: MessageContext) -> Answer:
    return Answer(message.number + 1)


async def answer_model(message: AskModel, ctx: MessageContext) -> AnswerModel:
    return AnswerModel(number=message.number + 1)


async def answer_slowly(message: AskSlowly, ctx: MessageContext) -> Answer:
    await asyncio.sleep(0)
    return Answer(message.number + 1)


class Answering(RoutedAgent):
    """Does in its handlers what the bare functions do."""

    def __init__(self) -> None:
        super().__init__("answers")

    @message_handler
    async def on_ask(self, message: Ask, ctx: MessageContext) -> Answer:
        return Answer(message.number + 1)

    @message_handler
    async def on_model(self, message: AskModel, ctx: MessageContext) -> AnswerModel:
        return AnswerModel(number=message.number + 1)

    @message_handler
    async def on_slow(self, message: AskSlowly, ctx: MessageContext) -> Answer:
        await asyncio.sleep(0)
        return Answer(message.number + 1)

    @message_handler
    async def on_relay(self, message: Relay, ctx: MessageContext) -> Answer:
        began, whom = cpu(), AgentId("answering", "default")
        for number in range(message.times):
            await self.send_message(Ask(number), whom)
        return Answer(int((cpu() - began) * 1e9))


class Hearing(RoutedAgent):
    """Hears news."""

    def __init__(self, audience: Audience) -> None:
        super().__init__("hears")
        self._audience = audience

    @message_handler
    async def on_news(self, message: News, ctx: MessageContext) -> None:
        self._audience.heard()

    @message_handler
    async def on_slow_news(self, message: SlowNews, ctx: MessageContext) -> None:
        await asyncio.sleep(0)
        self._audience.heard()


class Stuck(RoutedAgent):
    """Hears one message and is never done with it."""

    def __init__(self) -> None:
        super().__init__("stuck")

    @message_handler
    async def on_news(self, message: News, ctx: MessageContext) -> None:
        await asyncio.Event().wait()


class Watching(DefaultInterventionHandler):
    """Lets everything pass."""


async def _answering(**options: Any) -> tuple[SingleThreadedAgentRuntime, AgentId]:
    """Return a started runtime with an agent that has answered once."""
    runtime, whom = SingleThreadedAgentRuntime(**options), AgentId("answering", "default")
    await Answering.register(runtime, "answering", Answering)
    await Answering.register(runtime, "relaying", Answering)
    runtime.start()
    await runtime.send_message(Ask(0), whom)
    return runtime, whom


async def _send(
    units: int, make: Callable[[int], Any] = Ask, *, sender: AgentId | None = None, **options: Any
) -> float:
    runtime, whom = await _answering(**options)
    began = cpu()
    for number in range(units):
        await runtime.send_message(make(number), whom, sender=sender)
    took = cpu() - began
    await runtime.stop_when_idle()
    return took


async def send(units: int) -> float:
    return await _send(units)


async def send_model(units: int) -> float:
    return await _send(units, lambda number: AskModel(number=number))


async def send_slow(units: int) -> float:
    return await _send(units, AskSlowly)


async def send_from(units: int) -> float:
    return await _send(units, sender=AgentId("relaying", "default"))


async def send_intercepted(units: int) -> float:
    return await _send(units, intervention_handlers=[Watching(), Watching()])


async def send_within(units: int) -> float:
    runtime, _ = await _answering()
    took: Answer = await runtime.send_message(Relay(units), AgentId("relaying", "default"))
    await runtime.stop_when_idle()
    return took.number / 1e9


async def send_with_token(units: int) -> float:
    runtime, whom = await _answering()
    token = CancellationToken()
    began = cpu()
    for number in range(units):
        await runtime.send_message(Ask(number), whom, cancellation_token=token)
    took = cpu() - began
    await runtime.stop_when_idle()
    return took


async def send_after_publish(units: int) -> float:
    """A publish that nobody hears and a send right behind it, which must not overtake it."""
    runtime, whom = await _answering()
    topic = TopicId("unheard", "default")
    began = cpu()
    for number in range(units):
        await runtime.publish_message(News(number), topic)
        await runtime.send_message(Ask(number), whom)
    took = cpu() - began
    await runtime.stop_when_idle()
    return took


async def send_fan_in(units: int) -> float:
    """A hundred senders at once."""
    runtime, whom = await _answering()

    async def sender(times: int) -> None:
        for number in range(times):
            await runtime.send_message(Ask(number), whom)

    began = cpu()
    await asyncio.gather(*(sender(units // 100) for _ in range(100)))
    took = cpu() - began
    await runtime.stop_when_idle()
    return took * units / (units // 100 * 100)


async def send_logged(units: int) -> float:
    from agentnb.runlog import RunLog

    return await _send(units, log=RunLog())


async def send_bounded(units: int) -> float:
    from agentnb.runtimes import Capacity

    runtime, whom = SingleThreadedAgentRuntime(), AgentId("bounded", "default")
    await Answering.register(runtime, "bounded", Answering, capacity=Capacity(concurrency=1))
    runtime.start()
    await runtime.send_message(Ask(0), whom)
    began = cpu()
    for number in range(units):
        await runtime.send_message(Ask(number), whom)
    took = cpu() - began
    await runtime.stop_when_idle()
    return took


async def _publish(units: int, subscribers: int, make: Callable[[int], Any], **options: Any) -> float:
    """Deliver about a thousand at a time; a unit is a delivery."""
    runtime, audience, topic = SingleThreadedAgentRuntime(**options), Audience(), TopicId("news", "default")
    for number in range(subscribers):
        agent_type = await Hearing.register(runtime, f"hearing{number}", lambda: Hearing(audience))
        await runtime.add_subscription(TypeSubscription("news", agent_type))
    runtime.start()
    audience.expect(subscribers)
    await runtime.publish_message(make(0), topic)
    await audience.all_heard.wait()
    at_once = max(1, min(1000, units) // subscribers)
    rounds = max(1, units // (at_once * subscribers))
    began = cpu()
    for _ in range(rounds):
        audience.expect(at_once * subscribers)
        for number in range(at_once):
            await runtime.publish_message(make(number), topic)
        await audience.all_heard.wait()
    took = cpu() - began
    await runtime.stop_when_idle()
    return took * units / (rounds * at_once * subscribers)


def publish(subscribers: int, make: Callable[[int], Any]) -> Callable[[int], Awaitable[float]]:
    return lambda units: _publish(units, subscribers, make)


async def publish_logged(units: int) -> float:
    from agentnb.runlog import RunLog

    return await _publish(units, 100, News, log=RunLog())


async def _crowded(foreign: int) -> SingleThreadedAgentRuntime:
    """Return a runtime with this many subscriptions to what the benchmark does not publish."""
    runtime = SingleThreadedAgentRuntime()
    for number in range(foreign // 2):
        await runtime.add_subscription(TypeSubscription(f"foreign{number}", "stranger"))
        await runtime.add_subscription(TypePrefixSubscription(f"prefix{number}:", "stranger"))
    return runtime


async def new_topics(runtime: SingleThreadedAgentRuntime, units: int) -> float:
    """Publish on topic ids never seen, to one who is there already."""
    audience = Audience()
    await Hearing.register(runtime, "hearing", lambda: Hearing(audience))
    for number in range(units):  # the agents are made before, as is their own benchmark
        await runtime.get(AgentId("hearing", f"session{number}"), lazy=False)
    await runtime.add_subscription(TypeSubscription("news", "hearing"))
    runtime.start()
    audience.expect(units)
    began = cpu()
    for number in range(units):
        await runtime.publish_message(News(number), TopicId("news", f"session{number}"))
    await audience.all_heard.wait()
    took = cpu() - began
    await runtime.stop_when_idle()
    return took


async def subscribe(runtime: SingleThreadedAgentRuntime, units: int) -> float:
    subscriptions = [TypeSubscription(f"mine{number}", "hearing") for number in range(units)]
    began = cpu()
    for subscription in subscriptions:
        await runtime.add_subscription(subscription)
    return cpu() - began


async def register(runtime: SingleThreadedAgentRuntime, units: int) -> float:
    began = cpu()
    for number in range(units):
        await Answering.register(runtime, f"answering{number}", Answering)
    return cpu() - began


def _rss_bytes() -> int | None:
    """Return the resident set, where the system tells it without further packages."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    except OSError:
        return None


async def idle_agents(count: int) -> Fill:
    runtime = SingleThreadedAgentRuntime()
    await Answering.register(runtime, "answering", Answering)
    await runtime.get(AgentId("answering", "first"), lazy=False)
    ids = [AgentId("answering", str(number)) for number in range(count)]

    async def fill() -> SingleThreadedAgentRuntime:
        for agent_id in ids:
            await runtime.get(agent_id, lazy=False)
        return runtime

    return fill


async def queued_publishes(count: int) -> Fill:
    runtime, topic, news = SingleThreadedAgentRuntime(), TopicId("news", "default"), News(0)
    await runtime.publish_message(news, topic)

    async def fill() -> SingleThreadedAgentRuntime:
        for _ in range(count):
            await runtime.publish_message(news, topic)
        return runtime

    return fill


async def in_mailbox(count: int) -> Fill:
    """Messages behind one that is never done."""
    from agentnb.runtimes import Capacity

    runtime, topic, news = SingleThreadedAgentRuntime(), TopicId("news", "default"), News(0)
    await Stuck.register(runtime, "stuck", Stuck, capacity=Capacity(concurrency=1, queue=count + 1))
    await runtime.add_subscription(TypeSubscription("news", "stuck"))
    runtime.start()
    await runtime.publish_message(news, topic)

    async def fill() -> SingleThreadedAgentRuntime:
        for _ in range(count):
            await runtime.publish_message(news, topic)
        async with asyncio.timeout(60):
            while runtime.unprocessed_messages_count:  # noqa: ASYNC110 - nothing tells when the pump has done its work
                await asyncio.sleep(0)
        return runtime

    return fill


BARE: dict[str, tuple[Callable[..., Awaitable[Any]], Callable[[int], Any]]] = {
    "ask": (answer, Ask),
    "model": (answer_model, lambda number: AskModel(number=number)),
    "slow": (answer_slowly, AskSlowly),
}

TIMED: dict[str, tuple[Callable[[int], Awaitable[float]], str]] = {
    "send": (send, "ask"),
    "send_model": (send_model, "model"),
    "send_slow": (send_slow, "slow"),
    "send_from": (send_from, "ask"),
    "send_within": (send_within, "ask"),
    "send_fan_in": (send_fan_in, "ask"),
    "send_intercepted": (send_intercepted, "ask"),
    "send_with_token": (send_with_token, "ask"),
    "send_after_publish": (send_after_publish, "ask"),
    "send_logged": (send_logged, "ask"),
    "send_bounded": (send_bounded, "ask"),
    "publish_100_logged": (publish_logged, "news"),
    **{f"publish_{n}": (publish(n, News), "news") for n in (1, 10, 100, 1000)},
    **{f"publish_slow_{n}": (publish(n, SlowNews), "slow news") for n in (1, 10, 100, 1000)},
}

GROWTH: dict[str, Callable[[SingleThreadedAgentRuntime, int], Awaitable[float]]] = {
    "subscribe": subscribe,
    "register": register,
    # Last: AutoGen's cost of a subscription grows with the topics ever published on.
    "new_topics": new_topics,
}

HELD: dict[str, Callable[[int], Awaitable[Fill]]] = {
    "idle_agents": idle_agents,
    "queued_publishes": queued_publishes,
    "in_mailbox": in_mailbox,
}


async def bare(units: int, kind: str) -> float:
    """Await the same handler by hand."""
    audience = Audience()
    audience.expect(-1)

    async def hear(message: News, ctx: MessageContext) -> None:
        audience.heard()

    async def hear_slowly(message: SlowNews, ctx: MessageContext) -> None:
        await asyncio.sleep(0)
        audience.heard()

    known = {**BARE, "news": (hear, News), "slow news": (hear_slowly, SlowNews)}
    handler, make = known[kind]
    context = MessageContext(None, None, True, CancellationToken(), "id")
    began = cpu()
    for number in range(units):
        await handler(make(number), context)
    return cpu() - began


async def timed(work: Callable[[int], Awaitable[float]], seconds: float) -> float:
    """Return µs of CPU time per unit; shorter runs before the one that counts warm up and find the units."""
    units = 100
    gc.collect()
    while True:
        took = await work(units)
        if took >= seconds / 2 or units >= 1_000_000:
            return took / units * 1e6
        units = max(units * 2, min(units * 50, int(units * seconds / max(took, 1e-6))))


async def grown(foreign: int, units: int) -> dict[str, float]:
    """Return µs of CPU time per unit among so many foreign subscriptions."""
    figures: dict[str, float] = {}
    runtime = await _crowded(foreign)
    for name, work in GROWTH.items():
        await work(await _crowded(2), 10)
        gc.collect()
        figures[name] = await work(runtime, units) / units * 1e6
        if foreign <= units:  # what was added is a crowd itself
            runtime = await _crowded(foreign)
    return figures


async def held(name: str, count: int) -> dict[str, float | None]:
    """Return bytes held per item: as the system sees it, where it tells, and as Python allocated them."""
    gc.collect()
    fill = await HELD[name](count)
    before = _rss_bytes()
    runtime = await fill()
    gc.collect()
    after = _rss_bytes()
    await runtime.close()
    # Apart: keeping track of what is allocated takes memory too.
    fill = await HELD[name](count)
    tracemalloc.start()
    runtime = await fill()
    gc.collect()
    allocated = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    await runtime.close()
    return {
        "allocated": allocated / count,
        "resident set": None if before is None or after is None else (after - before) / count,
    }


async def answer_request(request: dict[str, Any]) -> Any:
    match request["what"]:
        case "timed":
            work, kind = TIMED[request["name"]]
            seconds = request["seconds"]
            own = await timed(lambda units: bare(units, kind), seconds)
            return {"us": await timed(work, seconds), "bare": own}
        case "grown":
            return await grown(request["foreign"], request["units"])
        case "held":
            return await held(request["name"], request["count"])
    raise ValueError(f"No benchmark {request['what']!r}.")


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(asyncio.run(answer_request(json.loads(line)))), flush=True)


if __name__ == "__main__":
    main()
