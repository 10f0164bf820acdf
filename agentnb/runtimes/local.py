"""The runtime of one process and one event loop."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import copy_context
from threading import get_ident
from typing import Any, TypeVar, overload

from agentnb.core import AgentId, AgentMetadata, AgentType, CancellationToken
from agentnb.exceptions import UserError
from agentnb.runlog import RunLog
from agentnb.runtimes.base import Agent, AnswerT, Delivery, Request, Subscription
from agentnb.runtimes.capacity import Capacity
from agentnb.runtimes.contexts import here
from agentnb.runtimes.delivery import finish, in_context
from agentnb.runtimes.handling import DEPTH
from agentnb.runtimes.home import at_home, carried
from agentnb.runtimes.intervention import InterventionHandler
from agentnb.runtimes.life import HANDLING, Life
from agentnb.runtimes.post import checked_token
from agentnb.runtimes.residents import Resident
from agentnb.runtimes.serialization import MessageSerializer, SerializationRegistry
from agentnb.runtimes.statistics import Statistics, statistics_of
from agentnb.runtimes.subscriptions import type_name

T = TypeVar("T", bound=Agent)


class SingleThreadedAgentRuntime(Life):
    """Carries messages between agents of one event loop.

    ```python
    runtime = SingleThreadedAgentRuntime()
    runtime.start()
    answer = await runtime.send_message("hello", AgentId("echo", "default"))
    await runtime.stop_when_idle()
    ```

    Messages are begun in the order they were sent; two messages to one agent run interleaved, unless its `Capacity`
    says otherwise. While nobody intercepts or watches and nothing waits, a direct send awaits the handler in the
    sender's task: no queue, no task.

    It works in the event loop it is started in. What other threads send or publish from loops of their own is handled
    there; once that loop is closed, `start()` moves the runtime to another, with what was published and waits.

    Args:
        intervention_handlers: See every message, in this order; each is given what the one before it returned.
        tracer_provider: Spans of all deliveries go to it (extra `otel`).
        ignore_unhandled_exceptions: Whether errors in handlers of published messages are only logged; otherwise the
            first is raised where the runtime ends or steps.
        log: Facts of all deliveries go to it.
        observable: Whether readers registered with `agentnb.runlog.observe`, such as tracing, see its deliveries.
    """

    def __init__(
        self,
        *,
        intervention_handlers: Sequence[InterventionHandler] | None = None,
        tracer_provider: Any = None,
        ignore_unhandled_exceptions: bool = True,
        log: RunLog | None = None,
        observable: bool = True,
    ) -> None:
        super().__init__(
            intervention_handlers or (),
            ignore_errors=ignore_unhandled_exceptions,
            tracer_provider=tracer_provider,
            log=log,
            observable=observable,
        )
        self._registry = SerializationRegistry()

    @property
    def log(self) -> RunLog | None:
        """The log it was given."""
        return self._log

    @property
    def running(self) -> bool:
        """Whether it is started."""
        return self._running

    @property
    def unprocessed_messages_count(self) -> int:
        """Messages that wait."""
        return len(self._waiting) + len(self._from_afar)

    def statistics(self) -> Statistics:
        """Return counts, in all and for each agent type."""
        queued: Counter[str] = Counter()
        for envelope in self._waiting:
            to = envelope.recipient
            heard_by = (to,) if isinstance(to, AgentId) else self._routes.recipients(to)
            queued.update(agent_id.type for agent_id in heard_by)
        return statistics_of(self._residents.kinds, queued, self.unprocessed_messages_count, self._dropped)

    # -- agents ---------------------------------------------------------------------------------------------------

    async def register_factory(
        self,
        type: str | AgentType,
        agent_factory: Callable[[], T | Awaitable[T]],
        *,
        expected_class: type[T] | None = None,
        capacity: Capacity | None = None,
    ) -> AgentType:
        """Say how agents of a type are made; each is made when its first message comes.

        Args:
            type: Their type.
            agent_factory: Makes one; takes no arguments, may be a coroutine function.
            expected_class: What it must make.
            capacity: How much each of them takes; without it, everything at once.

        Raises:
            ValueError: If the type is registered already.
        """
        name = type_name(type)
        self._residents.add_factory(name, agent_factory, expected_class, capacity)
        self._bounded = self._bounded or capacity is not None
        return AgentType(name)

    async def register_agent_instance(
        self, agent_instance: Agent, agent_id: AgentId, *, capacity: Capacity | None = None
    ) -> AgentId:
        """Register an agent that exists already; the first of a type may declare the type's capacity.

        Raises:
            ValueError: If the id is taken, or its type has a factory or instances of another class.
            RuntimeError: If the object lives elsewhere.
        """
        await self._residents.add_instance(agent_instance, agent_id, capacity)
        self._bounded = self._bounded or capacity is not None
        return agent_id

    async def get(
        self, id_or_type: AgentId | AgentType | str, /, key: str = "default", *, lazy: bool = True
    ) -> AgentId:
        """Return the id of an agent; `lazy=False` makes the agent now."""
        agent_id = id_or_type if isinstance(id_or_type, AgentId) else AgentId(id_or_type, key)
        if not lazy:
            await self._resident(agent_id)
        return agent_id

    @at_home
    async def _resident(self, agent_id: AgentId) -> Resident:
        return await self._residents.get(agent_id)

    async def try_get_underlying_agent_instance(self, id: AgentId, type: type[T] = Agent) -> T:  # type: ignore[assignment]
        """Return an agent's object.

        Raises:
            LookupError: If its type is not registered.
            TypeError: If it is of another class.
        """
        agent = (await self._resident(id)).agent
        if not isinstance(agent, type):
            raise TypeError(f"The agent {id} is a {agent.__class__.__name__}, not a {type.__name__}.")
        return agent

    async def agent_metadata(self, agent: AgentId) -> AgentMetadata:
        """Return type, key and description of an agent."""
        return (await self._resident(agent)).agent.metadata

    @at_home
    async def agent_save_state(self, agent: AgentId) -> Mapping[str, Any]:
        """Return the state of one agent."""
        return await (await self._residents.get(agent)).agent.save_state()

    @at_home
    async def agent_load_state(self, agent: AgentId, state: Mapping[str, Any]) -> None:
        """Load the state of one agent."""
        await (await self._residents.get(agent)).agent.load_state(state)

    @at_home
    async def save_state(self) -> Mapping[str, Any]:
        """Return the state of every agent made so far, by `type/key`."""
        return {str(resident.id): dict(await resident.agent.save_state()) for resident in self._residents}

    @at_home
    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Load the state of every listed agent whose type is registered; others are left out."""
        for key, value in state.items():
            agent_id = AgentId.from_str(key)
            if agent_id.type in self._residents.kinds:
                await self.agent_load_state(agent_id, value)

    async def add_subscription(self, subscription: Subscription) -> None:
        """Add a subscription; an equal one raises `ValueError`."""
        self._routes.add(subscription)

    async def remove_subscription(self, id: str) -> None:
        """Remove a subscription; an unknown id raises `ValueError`."""
        self._routes.remove(id)

    def add_message_serializer(self, serializer: MessageSerializer[Any] | Sequence[MessageSerializer[Any]]) -> None:
        """Add one serializer, or several; within one process messages pass as they are."""
        self._registry.add_serializer(serializer)

    # -- messages -------------------------------------------------------------------------------------------------

    @overload
    async def send_message(
        self,
        message: Request[AnswerT],
        recipient: AgentId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> AnswerT: ...
    @overload
    async def send_message(
        self,
        message: Any,
        recipient: AgentId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> Any: ...
    async def send_message(
        self,
        message: Any,
        recipient: AgentId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> Any:
        """Send a message to one agent and return what its handler returns.

        A token frees the sender; the handler goes on unless it looks at the token itself. Cancelling the sender's
        task cancels the handler.

        Raises:
            UnknownAgentType: If the recipient's type is not registered.
            MessageDroppedException: If an intervention handler dropped the message or the answer.
            AgentBusy: If the recipient's capacity refuses the message.
            UndeliverableException: If the runtime was stopped before its turn came.
            Exception: Whatever the handler raises, the same object.
        """
        try:
            resident = self._made.get(recipient.pair)
        except AttributeError:
            text = f"send_message needs an AgentId, not {recipient!r}; write AgentId('type', 'key')."
            raise UserError(text) from None
        above = here.get()
        depth = 0 if above is None else above.depth + 1
        token = cancellation_token
        if (
            resident is None
            or self._direct_in != get_ident()
            or self._unbegun
            or self._waiting
            or depth > DEPTH
            or resident.mailbox is not None
            or (above is not None and above.task is not None)
            or (token is not None and checked_token(token).is_cancelled())
        ):
            if token is not None:
                checked_token(token)
            if (home := self._elsewhere()) is not None:
                again: Any = {"sender": sender, "cancellation_token": token, "message_id": message_id}
                return await carried(self.send_message(message, recipient, **again), home)
            context = Delivery(sender, None, True, token, message_id)
            return await self._send_in_order(message, recipient, context, depth, token)
        # The slots one by one: a call of `Delivery(…)` is an eighth of the whole send.
        context = Delivery.__new__(Delivery)
        context.sender = sender
        context.topic_id = None
        context.is_rpc = True
        context._made_token = token
        context._made_id = message_id
        kind = resident.kind
        routing = resident.plan.sent
        route = resident.plan.otherwise
        if routing is not None:
            try:
                for candidate in routing.get(type(message), ()):
                    if candidate.accepts is None or candidate.accepts(message, context):
                        route = candidate
                        break
            except BaseException:
                kind.failed += 1
                raise
        if token is not None and route.suspends:
            # The token may free the sender while the handler works: that takes a task.
            self._elsewhere()
            return await self._send_in_order(message, recipient, context, depth, token)
        self._open += 1
        kind.in_flight += 1
        try:
            here_ = resident.here(depth) if depth else resident.top
            coroutine = route.call(resident.agent, message, context)
            if route.suspends:
                result = await in_context(copy_context(), here_, coroutine)
            else:
                result = copy_context().run(finish, here_, coroutine)
            if route.produces is not None and type(result) not in route.produces:
                route.check(result)
            kind.delivered += 1
            if token is not None and token.is_cancelled():
                raise asyncio.CancelledError  # by the handler itself
            return result
        except BaseException:
            kind.failed += 1
            raise
        finally:
            kind.in_flight -= 1
            self._open -= 1
            if self._watchers and (self._eager or self._open <= 0):
                self._wake()


HANDLING.update({SingleThreadedAgentRuntime.send_message.__code__})
