"""The runtime of one process and one event loop."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import copy_context
from typing import Any, TypeVar, overload

from agentnb.core import AgentId, AgentMetadata, AgentType, CancellationToken
from agentnb.exceptions import RuntimeFault, UserError
from agentnb.runlog import RunLog
from agentnb.runtimes.base import Agent, AnswerT, Delivery, Request, Subscription
from agentnb.runtimes.capacity import Capacity
from agentnb.runtimes.contexts import here
from agentnb.runtimes.delivery import InContext, finish
from agentnb.runtimes.handling import DEPTH
from agentnb.runtimes.intervention import InterventionHandler
from agentnb.runtimes.post import Post
from agentnb.runtimes.serialization import MessageSerializer, SerializationRegistry
from agentnb.runtimes.statistics import Statistics, statistics_of
from agentnb.runtimes.subscriptions import type_name
from agentnb.runtimes.trace import Trace

T = TypeVar("T", bound=Agent)


class SingleThreadedAgentRuntime(Post):
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
        super().__init__(intervention_handlers or (), ignore_errors=ignore_unhandled_exceptions)
        self._tracer_provider = tracer_provider
        self._log = log
        self._observable = observable
        self._registry = SerializationRegistry()
        self._direct = False
        self._look_for_watchers()

    @property
    def log(self) -> RunLog | None:
        """The log it was given."""
        return self._log

    @property
    def unprocessed_messages_count(self) -> int:
        """Messages that wait."""
        return len(self._waiting)

    def statistics(self) -> Statistics:
        """Return counts, in all and for each agent type."""
        queued: Counter[str] = Counter()
        for envelope in self._waiting:
            to = envelope.recipient
            heard_by = (to,) if isinstance(to, AgentId) else self._routes.recipients(to)
            queued.update(agent_id.type for agent_id in heard_by)
        return statistics_of(self._residents.kinds, queued, len(self._waiting))

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
            await self._residents.get(agent_id)
        return agent_id

    async def try_get_underlying_agent_instance(self, id: AgentId, type: type[T] = Agent) -> T:  # type: ignore[assignment]
        """Return an agent's object.

        Raises:
            LookupError: If its type is not registered.
            TypeError: If it is of another class.
        """
        agent = (await self._residents.get(id)).agent
        if not isinstance(agent, type):
            raise TypeError(f"The agent {id} is a {agent.__class__.__name__}, not a {type.__name__}.")
        return agent

    async def agent_metadata(self, agent: AgentId) -> AgentMetadata:
        """Return type, key and description of an agent."""
        return (await self._residents.get(agent)).agent.metadata

    async def agent_save_state(self, agent: AgentId) -> Mapping[str, Any]:
        """Return the state of one agent."""
        return await (await self._residents.get(agent)).agent.save_state()

    async def agent_load_state(self, agent: AgentId, state: Mapping[str, Any]) -> None:
        """Load the state of one agent."""
        await (await self._residents.get(agent)).agent.load_state(state)

    async def save_state(self) -> Mapping[str, Any]:
        """Return the state of every agent made so far, by `type/key`."""
        return {str(resident.id): dict(await resident.agent.save_state()) for resident in self._residents}

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
            or not self._direct
            or self._unbegun
            or self._waiting
            or depth > DEPTH
            or resident.mailbox is not None
            or (above is not None and above.holds)
            or (token is not None and token.is_cancelled())
        ):
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
            return await self._send_in_order(message, recipient, context, depth, token)
        self._open += 1
        kind.in_flight += 1
        try:
            here_ = resident.here(depth) if depth else resident.top
            coroutine = route.call(resident.agent, message, context)
            if route.suspends:
                result = await InContext(copy_context(), here_, coroutine)
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
            if self._watchers and (self._eager or not self._open):
                self._wake()

    # -- life -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to carry messages.

        Raises:
            RuntimeError: If it is started already.
        """
        if self._running:
            raise RuntimeFault("The runtime is started already.")
        if self._waiting:
            asyncio.get_running_loop()  # without one nothing can begin: said before anything changes
        self._running = True
        self._look_for_watchers()
        if self._trace is not None:
            self._trace.started()
        self._direct = self._direct_allowed and not self._interventions and self._trace is None
        if self._waiting:
            self._start_pump()

    def _look_for_watchers(self) -> None:
        if not Trace.wanted(self._log, self._tracer_provider, observable=self._observable):
            self._trace = None
        elif self._trace is None:
            self._trace = Trace(self._log, self._tracer_provider)
        self._residents.on_made = None if self._trace is None else self._trace.made

    async def process_next(self) -> None:
        """Begin to deliver one message, waiting for one if there is none; for stepping instead of `start()`.

        Its handlers go on by themselves where they wait for something.

        Raises:
            Exception: The first error of a publish handler so far, unless `ignore_unhandled_exceptions`.
        """
        self._raise_unhandled()
        while not self._waiting:
            await self._wait(eager=True)
        await self._begin(self._waiting.popleft())
        await asyncio.sleep(0)
        self._raise_unhandled()

    async def stop(self) -> None:
        """End at once: waiting messages are discarded, their senders told, handlers of published messages cancelled.

        A handler whose sender waits for the answer belongs to the sender and goes on.

        Raises:
            RuntimeError: If it is not started.
            Exception: The first error of a publish handler, unless `ignore_unhandled_exceptions`.
        """
        self._check_started()
        self._running = self._direct = False
        if self._pumping is not None and self._pumping is not asyncio.current_task():
            self._pumping.cancel()
            await asyncio.wait([self._pumping])
            self._pumping = None  # one that had not begun could not say so itself
        self._discard()
        await asyncio.sleep(0)  # who was given the word takes a first step, and can clean up
        left = [
            task
            for task, answer in self._tasks.items()
            if (answer is None or answer.done()) and task is not asyncio.current_task()
        ]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
        self._ended()

    async def stop_when_idle(self) -> None:
        """End when every message, and every message they caused, is handled.

        Raises:
            RuntimeError: If it is not started.
            Exception: The first error of a publish handler, unless `ignore_unhandled_exceptions`.
        """
        self._check_started()
        while self._open and self._running:
            await self._wait(eager=False)
        if not self._open:
            self._waiting.clear()  # what is left there was cancelled before its turn
        self._running = self._direct = False
        self._ended()

    async def stop_when(self, condition: Callable[[], bool]) -> None:
        """End as `stop` does once a condition holds; it is asked whenever a message is handled, and every 50 ms.

        Raises:
            RuntimeError: If it is not started.
        """
        self._check_started()
        while self._running and not condition():
            try:
                async with asyncio.timeout(0.05):
                    await self._wait(eager=True)
            except TimeoutError:
                pass  # a condition may look at more than messages
        if self._running:
            await self.stop()

    async def close(self) -> None:
        """End, and close every agent; senders whose messages still wait for `start` are told."""
        try:
            if self._running:
                await self.stop()
            self._discard()
        finally:
            await self._residents.stop_making()
            for resident in self._residents:
                try:
                    await resident.agent.close()
                except Exception as error:  # the others are closed all the same
                    self._errors.append(error)
            self._raise_unhandled()

    def _ended(self) -> None:
        if self._trace is not None:
            self._trace.stopped(self._errors[0] if self._errors else None)
        self._raise_unhandled()

    def _raise_unhandled(self) -> None:
        errors, self._errors = self._errors, []
        if not errors:
            return
        for other in errors[1:]:
            errors[0].add_note(f"Another agent failed too: {type(other).__name__}: {other}")
        raise errors[0]

    def _check_started(self) -> None:
        if not self._running:
            raise RuntimeFault("The runtime is not started; call start() first.")
