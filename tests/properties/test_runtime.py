"""Whatever agents send, publish, fail, cancel and stop: the runtime comes to rest and loses nothing."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import Counter, defaultdict
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest
from hypothesis import event as note
from hypothesis import given, settings
from hypothesis import strategies as st

from agentnb.core import AgentId, CancellationToken, TopicId
from agentnb.exceptions import BreakerOpen, MessageDroppedException, RuntimeFault
from agentnb.runlog import RunLog
from agentnb.runtimes import (
    Breaker,
    Capacity,
    DefaultInterventionHandler,
    DropMessage,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    TypeSubscription,
    event,
    rpc,
)

AGENTS = 4
"""Agent n sends and publishes to those above it only, so that no two wait for each other."""

# -- programs ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Send:
    to: int
    does: tuple[Any, ...]
    cancel: tuple[str, int] | None = None
    """"token" or "task", and after how many turns of the loop."""
    passes_token: bool = False


@dataclass(frozen=True)
class Publish:
    to: int
    """Heard by this agent and all above it."""
    does: tuple[Any, ...]


@dataclass(frozen=True)
class Turns:
    number: int


@dataclass(frozen=True)
class Fail:
    pass


@dataclass(frozen=True)
class Cancel:
    """Cancel the tokens, or the tasks, of all sends so far, in this very turn of the loop."""

    way: str


@dataclass(frozen=True)
class End:
    """Stop or come to rest, and start again."""

    how: str


@dataclass(frozen=True)
class Setup:
    kind: str
    capacities: tuple[Capacity | None, ...]
    made: tuple[bool, ...]
    """Whether an agent is there from the start; otherwise a factory makes it, which takes a turn of the loop."""
    interventions: tuple[str | None, ...]


turns = st.builds(Turns, st.integers(1, 3))
does: st.SearchStrategy[tuple[Any, ...]] = st.recursive(
    st.lists(turns | st.builds(Fail), max_size=2).map(tuple),
    lambda inner: st.lists(
        turns
        | st.builds(Send, st.integers(0, AGENTS - 1), inner, st.none(), st.booleans())
        | st.builds(Publish, st.integers(0, AGENTS - 1), inner),
        max_size=3,
    ).map(tuple),
    max_leaves=4,
)
cancels = st.none() | st.tuples(st.sampled_from(["token", "task"]), st.integers(0, 6))
steps = st.one_of(
    st.builds(Send, st.integers(0, AGENTS - 1), does, cancels, st.booleans()),
    st.builds(Publish, st.integers(0, AGENTS - 1), does),
    turns,
    st.builds(Cancel, st.sampled_from(["token", "task"])),
    st.builds(End, st.sampled_from(["stop", "stop_when_idle", "stop_when"])),
)
capacities = st.none() | st.builds(
    Capacity,
    concurrency=st.sampled_from([1, 2, None]),
    queue=st.sampled_from([None, 0, 1]),
    on_full=st.sampled_from(["wait", "drop", "fail"]),
    breaker=st.none() | st.just(Breaker(failures=2)),
)
setups = st.builds(
    Setup,
    st.sampled_from(["local", "queued", "watched"]),
    st.just((None,) * AGENTS) | st.tuples(*[capacities] * AGENTS),
    st.tuples(*[st.booleans()] * AGENTS),
    st.just((None,)) | st.lists(st.sampled_from(["drop", "fail", "wait", "change", None]), max_size=5).map(tuple),
)

# -- running them -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Message:
    number: int
    sender: object
    """One handler at work, or the program itself: what it gives to the runtime is in order."""
    does: tuple[Any, ...]


class Refused(Exception):
    pass


class Meddles(DefaultInterventionHandler):
    """Does something to every nth message; one in between that forgets nothing."""

    def __init__(self, what: tuple[str | None, ...]) -> None:
        self.what = what or (None,)
        self.seen = itertools.count()

    async def meddle(self, message: Any) -> Any:
        match self.what[next(self.seen) % len(self.what)]:
            case "drop":
                return DropMessage
            case "fail":
                raise Refused
            case "wait":
                await asyncio.sleep(0)
            case "change" if isinstance(message, Message):
                return replace(message)
        return message

    async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
        return await self.meddle(message)

    async def on_publish(self, message: Any, *, message_context: MessageContext) -> Any:
        return await self.meddle(message)

    async def on_response(self, message: Any, *, sender: AgentId, recipient: AgentId | None) -> Any:
        return await self.meddle(message)


class Queued(SingleThreadedAgentRuntime):
    _direct_allowed = False


class World:
    """A runtime, its agents, and what was seen of them."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.log = RunLog() if setup.kind == "watched" else None
        kind = Queued if setup.kind == "queued" else SingleThreadedAgentRuntime
        meddles = [Meddles(setup.interventions)] if any(setup.interventions) else []
        self.runtime = kind(intervention_handlers=meddles, log=self.log)
        self.numbers = itertools.count()
        self.asked: Counter[int] = Counter()
        self.resolved: Counter[int] = Counter()
        self.begun: Counter[str] = Counter()
        self.at_work: Counter[str] = Counter()
        self.heard: dict[tuple[object, str], list[int]] = defaultdict(list)
        self.tasks: list[asyncio.Task[Any]] = []
        self.sends: list[asyncio.Task[Any]] = []
        self.tokens: list[CancellationToken] = []
        self.circles: list[str] = []

    async def populate(self) -> None:
        for number in range(AGENTS):
            name, capacity = f"agent{number}", self.setup.capacities[number]
            if self.setup.made[number]:
                agent_id = AgentId(name, "k")
                await self.runtime.register_agent_instance(Worker(self, number), agent_id, capacity=capacity)
            else:
                await self.runtime.register_factory(name, partial(self.make, number), capacity=capacity)
            for topic in range(number + 1):
                await self.runtime.add_subscription(TypeSubscription(f"topic{topic}", name))

    async def make(self, number: int) -> Worker:
        await asyncio.sleep(0)
        return Worker(self, number)

    async def send(self, step: Send, sender: object, via: Any, token: CancellationToken | None) -> Any:
        message = Message(next(self.numbers), sender, step.does)
        self.asked[message.number] += 1
        try:
            return await via.send_message(message, AgentId(f"agent{step.to}", "k"), cancellation_token=token)
        except RuntimeFault as fault:
            self.circles += [str(fault)] if "circle" in str(fault) else []
            raise
        finally:
            self.resolved[message.number] += 1

    async def do(self, step: Any, above: int, sender: object, via: Any, token: CancellationToken | None) -> None:
        """Do one step of a handler or, with `above` -1, of the program."""
        match step:
            case Turns(number):
                for _ in range(number):
                    await asyncio.sleep(0)
            case Fail():
                raise Refused
            case Send(to) if to > above:
                await self.send(step, sender, via, token if step.passes_token else None)
            case Publish(to, inner) if to > above:
                message = Message(next(self.numbers), sender, inner)
                await via.publish_message(message, TopicId(f"topic{to}", "k"))

    @contextmanager
    def handling(self, name: str, message: Message) -> Iterator[None]:
        capacity = self.setup.capacities[int(name[-1])]
        self.begun[name] += 1
        self.at_work[name] += 1
        self.heard[message.sender, name].append(message.number)
        if capacity is not None and capacity.concurrency is not None:
            assert self.at_work[name] <= capacity.concurrency
        try:
            yield
        finally:
            self.at_work[name] -= 1


class Worker(RoutedAgent):
    """Does what the message says; one that says nothing is handled without waiting for anything."""

    def __init__(self, world: World, number: int) -> None:
        super().__init__("works")
        self.world, self.number = world, number

    @rpc
    async def answer(self, message: Message, ctx: MessageContext) -> int:
        with self.world.handling(self.type, message):
            me = object()
            for step in message.does:
                await self.world.do(step, self.number, me, self, ctx.cancellation_token)
        return message.number

    @event(match=lambda message, ctx: bool(message.does))
    async def hear(self, message: Message, ctx: MessageContext) -> None:
        with self.world.handling(self.type, message):
            me = object()
            for step in message.does:
                await self.world.do(step, self.number, me, self, ctx.cancellation_token)

    @event(match=lambda message, ctx: not message.does)
    async def hear_at_once(self, message: Message, ctx: MessageContext) -> None:
        with self.world.handling(self.type, message):
            pass


def _third_time(asked: Iterator[int]) -> bool:
    return next(asked) == 2


async def _later(number: int, cancel: Any) -> None:
    for _ in range(number):
        await asyncio.sleep(0)
    cancel()


async def run(setup: Setup, program: list[Any]) -> World:
    """Run a program to its end and return what was seen."""
    world = World(setup)
    runtime = world.runtime
    await world.populate()

    def begin(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        world.tasks.append(asyncio.ensure_future(work))
        return world.tasks[-1]

    runtime.start()
    for step in program:
        match step:
            case Send(cancel=cancel):
                way, when = cancel or ("", 0)
                token = CancellationToken() if way == "token" or step.passes_token else None
                sending = begin(world.send(step, world, runtime, token))
                world.sends.append(sending)
                world.tokens += [] if token is None else [token]
                if cancel:
                    begin(_later(when, token.cancel if token and way == "token" else sending.cancel))
            case Publish():
                begin(world.do(step, -1, world, runtime, None))
            case Turns():
                await world.do(step, -1, world, runtime, None)
            case Cancel("token"):
                for token in world.tokens:
                    token.cancel()
            case Cancel("task"):
                for sending in world.sends:
                    sending.cancel()
            case End("stop_when"):
                await runtime.stop_when(partial(_third_time, itertools.count()))
                runtime.start()
            case End(how):
                await getattr(runtime, how)()
                runtime.start()
    await asyncio.wait([asyncio.ensure_future(asyncio.gather(*world.tasks, return_exceptions=True))])
    await runtime.stop_when_idle()
    runtime.start()
    await answer_once_more(world)
    await runtime.stop_when_idle()
    return world


async def answer_once_more(world: World) -> None:
    """Have every agent asked again: whatever happened before, it answers, or says why not."""
    for number in range(AGENTS):
        try:
            await world.send(Send(number, ()), object(), world.runtime, None)
        except (BreakerOpen, MessageDroppedException, Refused):
            assert world.setup.interventions != (None,) or world.setup.capacities[number] is not None


def check(world: World) -> None:
    """Hold what was seen against what must be so."""
    runtime, setup = world.runtime, world.setup
    statistics = runtime.statistics()

    assert world.asked == world.resolved
    assert not world.circles  # agents send upwards only
    assert set(world.asked.values()) <= {1}
    assert not +world.at_work
    assert (runtime.unprocessed_messages_count, statistics.waiting, statistics.in_flight) == (0, 0, 0)
    for name, row in statistics.by_type.items():
        assert (row.waiting, row.in_flight, row.full) == (0, 0, 0)
        assert row.delivered + row.failed >= world.begun[name]
        if all(setup.made):
            assert row.delivered + row.failed == world.begun[name]
    for what in ("delivered", "dropped", "failed"):
        total = sum(getattr(row, what) for row in statistics.by_type.values())
        assert getattr(statistics, what) == total  # somebody hears every topic
    waits = any(capacity is not None for capacity in setup.capacities)
    for (sender, _), numbers in world.heard.items():
        # Tasks of the program that wait for room in different mailboxes are senders of their own.
        if sender is not world or not waits:
            assert numbers == sorted(numbers)
        assert len(numbers) == len(set(numbers))
    if world.log is not None:
        check_log(world, world.log)


def check_log(world: World, log: RunLog) -> None:
    """Every message given to the runtime is in the log as delivered or dropped, once for each it was for."""
    children: dict[Any, list[Any]] = defaultdict(list)
    for fact in log.events:
        children[fact.parent].append(fact)
    delivered = Counter[str]()
    for fact in log.events:
        body: Any = fact.body
        became: list[Any] = [child.body for child in children[fact.id]]
        drops = [child for child in became if child.kind == "envelope.dropped"]
        deliveries = [child for child in became if child.kind == "envelope.delivered"]
        if body.kind == "envelope.delivered" and body.sort != "response":
            delivered[body.agent.partition("/")[0]] += 1
            assert [child.kind for child in became].count("envelope.handled") == 1
        if body.kind != "envelope.sent":
            continue
        if body.sort in ("send", "response"):
            assert len(drops) + len(deliveries) == 1
            continue
        at_once = [drop.recipient for drop in drops if drop.recipient == body.recipient]
        reached = [child.agent for child in deliveries] + [drop.recipient for drop in drops if not at_once]
        assert len(reached) == len(set(reached))
        assert len(at_once) <= 1
        assert at_once or len(reached) == AGENTS - int(body.recipient[5])
    assert delivered == world.begun


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Failures are the point here; thousands of them need not be written down."""
    logger = logging.getLogger("autogen_core")
    before, logger.disabled = logger.disabled, True
    yield
    logger.disabled = before


@settings(max_examples=200, deadline=None)
@given(setups, st.lists(steps, min_size=1, max_size=10))
def test_any_program_leaves_the_runtime_at_rest_and_nothing_lost(setup: Setup, program: list[Any]) -> None:
    async def within() -> World:
        async with asyncio.timeout(5):
            world = await run(setup, program)
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1
        return world

    world = asyncio.run(within())
    note(f"{setup.kind}, {'bounded' if any(setup.capacities) else 'free'}, {min(len(world.asked), 5)} sends")

    check(world)


hurried = st.tuples(
    st.builds(Send, st.just(0), st.sampled_from([(), (), (Turns(1),)]), st.none(), st.booleans()),
    st.builds(Turns, st.integers(0, 4)),
)
cut_off = st.tuples(
    st.lists(hurried, min_size=1, max_size=4).map(lambda pairs: [step for pair in pairs for step in pair]),
    st.sampled_from(["token", "token", "task"]).map(Cancel),
).map(lambda part: [*part[0], part[1], End("stop")])


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(["local", "queued", "watched"]), st.lists(cut_off, min_size=1, max_size=2))
def test_cancels_and_stops_in_one_turn_leave_a_busy_agent_that_answers(kind: str, programs: list[list[Any]]) -> None:
    setup = Setup(kind, (Capacity(concurrency=1),) * AGENTS, (True,) * AGENTS, (None,))

    async def within() -> World:
        async with asyncio.timeout(5):
            return await run(setup, [step for program in programs for step in program])

    check(asyncio.run(within()))


# -- circles ----------------------------------------------------------------------------------------------------------

NAMES = ("ana", "ben", "cleo")


@dataclass(frozen=True)
class Asks:
    """Ask an agent, or tell a topic, in the same task; whoever gets it does the steps within."""

    to: int
    does: tuple[Any, ...]
    tells: bool


asks: st.SearchStrategy[tuple[Any, ...]] = st.recursive(
    st.just(()),
    lambda inner: st.lists(turns | st.builds(Asks, st.integers(0, 2), inner, st.booleans()), max_size=3).map(tuple),
    max_leaves=8,
)
rooms = st.builds(Capacity, concurrency=st.sampled_from([1, 2]), queue=st.sampled_from([None, 0, 1]))


class Unwarned(SingleThreadedAgentRuntime):
    """Lets handlers wait for each other as long as they like."""

    def _check_circle(self, envelope: Any, mailbox: Any) -> None: ...


class Asker(RoutedAgent):
    @rpc
    async def answer(self, message: Message, ctx: MessageContext) -> int:
        await self.do(message)
        return 0

    @event
    async def hear(self, message: Message, ctx: MessageContext) -> None:
        await self.do(message)

    async def do(self, message: Message) -> None:
        for step in message.does:
            if isinstance(step, Turns):
                for _ in range(step.number):
                    await asyncio.sleep(0)
                continue
            inner = Message(0, self, step.does)
            if step.tells:
                await self.publish_message(inner, TopicId(f"topic{step.to}", "k"))
            else:
                await self.send_message(inner, AgentId(NAMES[step.to], "k"))


async def circles_of(kind: type[SingleThreadedAgentRuntime], given: Any) -> tuple[bool, list[str]]:
    """Run programs side by side; return whether all ended by themselves, and the circles that were named."""
    capacities, programs = given
    runtime = kind()
    named: list[str] = []

    class Notes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            named.append(str(record.exc_info and record.exc_info[1]))

    for name, capacity in zip(NAMES, capacities, strict=True):
        await runtime.register_agent_instance(Asker("asks"), AgentId(name, "k"), capacity=capacity)
    for topic in range(3):  # each in an order of its own
        for number in range(2):
            await runtime.add_subscription(TypeSubscription(f"topic{topic}", NAMES[(topic + number) % 3]))
    logger, notes = logging.getLogger("autogen_core"), Notes()
    logger.addHandler(notes)
    logger.disabled = False
    propagates, logger.propagate = logger.propagate, False
    runtime.start()
    try:
        sends = [
            asyncio.ensure_future(runtime.send_message(Message(0, None, does), AgentId(NAMES[number % 3], "k")))
            for number, does in enumerate(programs)
        ]
        idle = asyncio.ensure_future(runtime.stop_when_idle())
        for _ in range(1500):
            await asyncio.sleep(0)
            if idle.done():
                break
        ended = idle.done()
        if not ended:
            await runtime.stop()
        idle.cancel()
        for sending in sends:
            sending.cancel()
        results = await asyncio.gather(*sends, return_exceptions=True)
    finally:
        logger.removeHandler(notes)
        logger.propagate = propagates
    named += [str(result) for result in results if isinstance(result, RuntimeFault)]
    return ended, [text for text in named if "in a circle" in text]


@settings(max_examples=300, deadline=None)
@given(
    st.tuples(st.tuples(*[st.none() | rooms] * 3), st.lists(asks, min_size=1, max_size=6)),
)
def test_a_circle_is_named_exactly_where_handlers_would_wait_for_ever(given: Any) -> None:
    """With nobody to name it the same program hangs; where it does not hang, none is named."""
    ended, named = asyncio.run(circles_of(SingleThreadedAgentRuntime, given))
    ended_unwarned, _ = asyncio.run(circles_of(Unwarned, given))
    note(f"{'ends' if ended_unwarned else 'hangs'} without a word")

    assert ended
    assert bool(named) is not ended_unwarned
