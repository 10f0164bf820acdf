"""Who lives on a runtime: types, the factories that make their agents, and the agents made so far."""

from __future__ import annotations

import asyncio
import functools
import inspect
import weakref
from collections.abc import Callable, Iterator
from typing import Any, cast

from agentnb.core import AgentId, monotonic
from agentnb.exceptions import RuntimeFault, UndeliverableException, UnknownAgentType, UserError
from agentnb.runtimes.actors import BaseAgent
from agentnb.runtimes.base import Agent, AgentRuntime, MessageContext
from agentnb.runtimes.capacity import Capacity, Mailbox
from agentnb.runtimes.contexts import AgentInstantiationContext, Here
from agentnb.runtimes.routed import Route, RoutedAgent, Routing

Made = Callable[[AgentId, Agent | None, BaseException | None, float], None]


class Plan:
    """How messages reach the agents of a class, worked out once.

    Attributes:
        sent: Routes for direct sends by exact type of the message; None if `otherwise` takes all.
        published: The same for published messages.
        otherwise: Takes what no route takes.
    """

    __slots__ = ("otherwise", "published", "sent")

    def __init__(self, cls: type[Any]) -> None:
        self.sent: Routing | None = None
        self.published: Routing | None = None
        if not issubclass(cls, BaseAgent) or cls.on_message is not BaseAgent.on_message:
            self.otherwise = Route(cls.on_message)
        elif not issubclass(cls, RoutedAgent) or cls.on_message_impl is not RoutedAgent.on_message_impl:
            self.otherwise = Route(cls.on_message_impl)
        else:
            handlers = cls._routes_of()
            if Any in handlers.types:
                self.otherwise = Route(cls.on_message_impl)
            else:
                self.sent, self.published = handlers.sent, handlers.published
                self.otherwise = Route(cls.on_unhandled_message)


def _shown(thing: Any) -> str:
    """Return how an error names what is given for something else."""
    if inspect.isclass(thing):
        return f"the class {thing.__name__}"
    return (
        repr(thing)
        if isinstance(thing, (str, int, float, list, tuple, dict, type(None)))
        else (f"a {type(thing).__name__}")
    )


def _check_capacity(name: str, capacity: Any) -> None:
    if capacity is not None and not isinstance(capacity, Capacity):
        raise UserError(f"The capacity of {name!r} is {capacity!r}; give a Capacity, as in Capacity(concurrency=1).")


_plans: weakref.WeakKeyDictionary[type[Any], Plan] = weakref.WeakKeyDictionary()


def plan_of(cls: type[Any]) -> Plan:
    """Return the plan of a class."""
    plan = _plans.get(cls)
    if plan is None:
        plan = _plans[cls] = Plan(cls)
    return plan


class Kind:
    """An agent type, and what its agents did."""

    __slots__ = (
        "agents",
        "capacity",
        "delivered",
        "dropped",
        "expected",
        "factory",
        "failed",
        "in_flight",
        "instances_of",
        "mailboxes",
        "name",
    )

    def __init__(
        self,
        name: str,
        *,
        factory: Callable[[], Any] | None = None,
        expected: type[Any] | None = None,
        instances_of: type[Any] | None = None,
        capacity: Capacity | None = None,
    ) -> None:
        self.name = name
        self.factory = factory
        self.expected = expected
        self.instances_of = instances_of
        self.capacity = capacity
        self.mailboxes: dict[str, Mailbox] = {}
        self.agents = 0
        self.in_flight = 0
        self.delivered = 0
        self.dropped = 0
        self.failed = 0


class Resident:
    """An agent, and what its runtime knows about reaching it."""

    __slots__ = ("agent", "heres", "id", "kind", "mailbox", "plan", "top")

    def __init__(self, agent: Agent, id: AgentId, kind: Kind, mailbox: Mailbox | None) -> None:
        self.agent = agent
        self.id = id
        self.kind = kind
        self.mailbox = mailbox
        self.plan = plan_of(type(agent))
        self.top = Here(id)
        self.heres = [self.top]

    def here(self, depth: int) -> Here:
        """Return what the handlers of this agent know of themselves, `depth` handlers down."""
        heres = self.heres
        while depth >= len(heres):
            heres.append(Here(self.id, len(heres)))
        return heres[depth]

    def route(self, message: Any, context: MessageContext) -> Route:
        """Return what takes a message."""
        plan = self.plan
        routing = plan.sent if context.is_rpc else plan.published
        if routing is not None:
            for route in routing.get(type(message), ()):
                if route.accepts is None or route.accepts(message, context):
                    return route
        return plan.otherwise


class _Making:
    """An agent that is being made; those who wait for it, and how many of them were called and have not begun."""

    __slots__ = ("called", "task", "waiting")

    def __init__(self, task: asyncio.Task[Resident]) -> None:
        self.task = task
        self.waiting: list[asyncio.Future[None]] = []
        self.called = 0


class Residents:
    """The agents of one runtime, by type and key."""

    def __init__(self, runtime: AgentRuntime) -> None:
        self.kinds: dict[str, Kind] = {}
        self.made: dict[tuple[str, str], Resident] = {}
        self.on_made: Made | None = None
        self.tell: Callable[[AgentId, str, int, float | None], None] = lambda *_: None
        self._runtime = runtime
        self._making: dict[tuple[str, str], _Making] = {}

    def __iter__(self) -> Iterator[Resident]:
        just_made = [making.task.result() for making in self._making.values() if making.task.done()]
        return iter((*self.made.values(), *just_made))

    def add_factory(
        self, name: str, factory: Callable[[], Any], expected: type[Any] | None, capacity: Capacity | None
    ) -> None:
        """Say how the agents of a type are made; `ValueError` if the type is known."""
        AgentId(name, "")  # a type that no id can have is refused here
        if name in self.kinds:
            raise UserError(f"The agent type {name!r} is registered already.")
        if not callable(factory) or isinstance(factory, BaseAgent):
            raise UserError(
                f"The factory of {name!r} is {_shown(factory)}, which makes no agents; give a function, as in "
                "`lambda: Writer(…)`, or register an object with `await agent.register_instance(runtime, agent_id)`."
            )
        _check_capacity(name, capacity)
        self.kinds[name] = Kind(name, factory=factory, expected=expected, capacity=capacity)

    async def add_instance(self, agent: Agent, agent_id: AgentId, capacity: Capacity | None) -> None:
        """Take in an agent that exists; `ValueError` if its id is taken or its type is of another kind."""
        if not isinstance(agent_id, AgentId):
            raise UserError(
                f"register_agent_instance needs an AgentId, not {agent_id!r}; write AgentId('type', 'key')."
            )
        if inspect.isclass(agent) or not (hasattr(agent, "on_message") and hasattr(agent, "bind_id_and_runtime")):
            raise UserError(f"register_agent_instance needs an agent, made by its class, not {_shown(agent)}.")
        _check_capacity(agent_id.type, capacity)
        if agent_id.pair in self.made:
            raise UserError(f"The agent id {agent_id} is registered already.")
        kind = self.kinds.get(agent_id.type)
        if kind is not None and kind.factory is not None:
            raise UserError(f"The agent type {agent_id.type!r} has a factory; instances cannot be added to it.")
        if kind is not None and kind.instances_of is not type(agent):
            raise UserError(
                f"The agent type {agent_id.type!r} holds {cast(Any, kind.instances_of).__name__}s; "
                f"a {type(agent).__name__} needs a type of its own."
            )
        await agent.bind_id_and_runtime(agent_id, self._runtime)
        if kind is None:
            kind = self.kinds[agent_id.type] = Kind(agent_id.type, instances_of=type(agent), capacity=capacity)
        self.made[agent_id.pair] = Resident(agent, agent_id, kind, self.mailbox(agent_id, kind))
        kind.agents += 1

    def kind(self, agent_id: AgentId) -> Kind:
        """Return the type of an id.

        Raises:
            UnknownAgentType: If it is not registered.
        """
        kind = self.kinds.get(agent_id.pair[0])
        if kind is None:
            known = ", ".join(repr(name) for name in sorted(self.kinds)) or "none"
            raise UnknownAgentType(
                f"No agent of type {agent_id.type!r} on this runtime (registered: {known}). "
                f"Did you forget `await MyAgent.register(runtime, {agent_id.type!r}, …)`?"
            )
        return kind

    def mailbox(self, agent_id: AgentId, kind: Kind) -> Mailbox | None:
        """Return the mailbox of an agent whose type declared a capacity."""
        if kind.capacity is None:
            return None
        mailbox = kind.mailboxes.get(agent_id.key)
        if mailbox is None:

            def tell(state: str, failures: int, retry_after: float | None) -> None:
                self.tell(agent_id, state, failures, retry_after)

            mailbox = kind.mailboxes[agent_id.key] = Mailbox(agent_id, kind.capacity, tell)
        return mailbox

    async def get(self, agent_id: AgentId) -> Resident:
        """Return an agent, made now if need be.

        Raises:
            UnknownAgentType: If its type is not registered.
            RuntimeError: If its type holds ready-made agents and this is none of them.
            Exception: Whatever the factory raises; the next call tries again.
        """
        try:
            resident = self.made.get(agent_id.pair)
        except AttributeError:
            text = f"{agent_id!r} is no AgentId; write AgentId('type', 'key') or AgentId.from_str('type/key')."
            raise UserError(text) from None
        if resident is not None:
            return resident
        kind = self.kind(agent_id)
        if kind.factory is None:
            known = ", ".join(str(other.id) for other in self if other.kind is kind)
            raise RuntimeFault(
                f"The agent {agent_id} was never registered; its type holds ready-made agents only ({known})."
            )
        making = self._making.get(agent_id.pair)
        if making is None or making.task.get_loop().is_closed():
            # Two first messages at once must make one agent, and a sender that leaves must not unmake it.
            making = self._making[agent_id.pair] = _Making(asyncio.create_task(self._make(agent_id, kind)))
            making.task.add_done_callback(functools.partial(self._over, agent_id, making))
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        making.waiting.append(turn)
        try:
            await turn
        finally:
            if turn.done() and not turn.cancelled():
                making.called -= 1
                self._call(agent_id, making)
        if making.task.cancelled():
            raise UndeliverableException(f"The runtime was closed while {agent_id} was being made.")
        return making.task.result()

    async def stop_making(self) -> None:
        """Give up the agents that are being made."""
        tasks = [making.task for making in self._making.values() if not making.task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _over(self, agent_id: AgentId, making: _Making, task: asyncio.Task[Resident]) -> None:
        if task.cancelled() or task.exception() is not None:
            del self._making[agent_id.pair]  # the next message tries again
        else:
            task.result().kind.agents += 1
        self._call(agent_id, making)

    def _call(self, agent_id: AgentId, making: _Making) -> None:
        """Let those begin who wait for an agent; it is at home once all have, so that no newer message overtakes."""
        if making.called:
            return
        for turn in making.waiting:
            if not turn.done():
                turn.set_result(None)
                making.called += 1
        making.waiting.clear()
        if not making.called and self._making.get(agent_id.pair) is making:
            del self._making[agent_id.pair]
            self.made[agent_id.pair] = making.task.result()

    async def _make(self, agent_id: AgentId, kind: Kind) -> Resident:
        began = monotonic()
        try:
            with AgentInstantiationContext.populate_context((self._runtime, agent_id)):
                made = cast(Any, kind.factory)()
                agent = cast(Agent, await made if inspect.isawaitable(made) else made)
            if kind.expected is not None and not isinstance(agent, kind.expected):
                raise UserError(
                    f"The factory of {kind.name!r} made a {type(agent).__name__}, not a {kind.expected.__name__}."
                )
            await agent.bind_id_and_runtime(agent_id, self._runtime)
        except Exception as error:
            if self.on_made is not None:
                self.on_made(agent_id, None, error, monotonic() - began)
            raise
        if self.on_made is not None:
            self.on_made(agent_id, agent, None, monotonic() - began)
        return Resident(agent, agent_id, kind, self.mailbox(agent_id, kind))
