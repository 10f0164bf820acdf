"""The runtime of one process and one event loop."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context, copy_context
from typing import Any, NamedTuple, TypeVar, cast

from agentnb.core import AgentId, AgentMetadata, AgentType, CancellationToken, TopicId, new_id
from agentnb.exceptions import RuntimeFault, UserError
from agentnb.runtimes.base import Agent, MessageContext, Subscription
from agentnb.runtimes.subscriptions import Routes

T = TypeVar("T", bound=Agent)

_logger = logging.getLogger("agentnb.runtimes")


class Statistics(NamedTuple):
    """What a runtime has done; counts."""

    waiting: int
    in_flight: int
    delivered: int
    failed: int


class _Envelope(NamedTuple):
    message: Any
    recipients: tuple[AgentId, ...]
    context: MessageContext
    answer: asyncio.Future[Any] | None
    variables: Context


class SingleThreadedAgentRuntime:
    """Carries messages between agents of one event loop.

    ```python
    runtime = SingleThreadedAgentRuntime()
    runtime.start()
    answer = await runtime.send_message("hello", AgentId("echo", "default"))
    await runtime.stop_when_idle()
    ```

    While it is started, a direct send awaits the handler in the sender's task: no queue, no task. Messages sent
    before `start()` wait for it. Two messages to one agent run interleaved, as AutoGen's do.
    """

    def __init__(self, *, ignore_unhandled_exceptions: bool = True) -> None:
        self._ignore = ignore_unhandled_exceptions
        self._factories: dict[str, Callable[[], Any]] = {}
        self._expected: dict[str, type[Any]] = {}
        self._agents: dict[AgentId, Agent] = {}
        self._instances: dict[str, type[Any]] = {}
        self._making: dict[AgentId, asyncio.Task[Agent]] = {}
        self._routes = Routes()
        self._waiting: deque[_Envelope] = deque()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._running = False
        self._in_flight = 0
        self._delivered = 0
        self._failed = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._error: BaseException | None = None

    @property
    def unprocessed_messages_count(self) -> int:
        """Messages that wait."""
        return len(self._waiting)

    def statistics(self) -> Statistics:
        """Return counts of messages waiting, in flight, delivered and failed."""
        return Statistics(len(self._waiting), self._in_flight, self._delivered, self._failed)

    # -- agents ---------------------------------------------------------------------------------------------------

    async def register_factory(
        self,
        type: str | AgentType,
        agent_factory: Callable[[], T | Awaitable[T]],
        *,
        expected_class: type[T] | None = None,
    ) -> AgentType:
        """Say how agents of a type are made.

        Raises:
            ValueError: If the type is registered already.
        """
        name = type.type if isinstance(type, AgentType) else type
        if name in self._factories or name in self._instances:
            raise UserError(f"The agent type {name!r} is registered already.")
        self._factories[name] = agent_factory
        if expected_class is not None:
            self._expected[name] = expected_class
        return AgentType(name)

    async def register_agent_instance(self, agent_instance: Agent, agent_id: AgentId) -> AgentId:
        """Register an agent that exists already.

        Raises:
            ValueError: If the id is taken, or its type has a factory or instances of another class.
        """
        if agent_id in self._agents:
            raise UserError(f"The agent id {agent_id} is registered already.")
        if agent_id.type in self._factories:
            raise UserError(f"The agent type {agent_id.type!r} has a factory; instances cannot be added to it.")
        kind = self._instances.setdefault(agent_id.type, type(agent_instance))
        if kind is not type(agent_instance):
            raise UserError(
                f"The agent type {agent_id.type!r} holds {kind.__name__}s; a {type(agent_instance).__name__} "
                "needs a type of its own."
            )
        await agent_instance.bind_id_and_runtime(agent_id, self)
        self._agents[agent_id] = agent_instance
        return agent_id

    async def get(
        self, id_or_type: AgentId | AgentType | str, /, key: str = "default", *, lazy: bool = True
    ) -> AgentId:
        """Return the id of an agent; `lazy=False` makes the agent now."""
        agent_id = id_or_type if isinstance(id_or_type, AgentId) else AgentId(id_or_type, key)
        if not lazy:
            await self._agent(agent_id)
        return agent_id

    async def try_get_underlying_agent_instance(self, id: AgentId, type: type[T] = Agent) -> T:  # type: ignore[assignment]
        """Return an agent's object.

        Raises:
            LookupError: If its type is not registered.
            TypeError: If it is of another class.
        """
        if id not in self._agents and id.type not in self._factories:
            raise LookupError(self._unknown(id))
        agent = await self._agent(id)
        if not isinstance(agent, type):
            raise TypeError(f"The agent {id} is a {agent.__class__.__name__}, not a {type.__name__}.")
        return agent

    async def agent_metadata(self, agent: AgentId) -> AgentMetadata:
        """Return type, key and description of an agent."""
        return (await self._agent(agent)).metadata

    def _unknown(self, agent_id: AgentId) -> str:
        known = ", ".join(repr(name) for name in sorted({*self._factories, *self._instances})) or "none"
        return f"No agent of type {agent_id.type!r} on this runtime (registered: {known})."

    async def _agent(self, agent_id: AgentId) -> Agent:
        agent = self._agents.get(agent_id)
        if agent is not None:
            return agent
        if agent_id.type not in self._factories:
            if agent_id.type in self._instances:
                raise RuntimeFault(f"The agent {agent_id} was never registered; its type holds ready-made agents only.")
            raise RuntimeFault(self._unknown(agent_id))
        making = self._making.get(agent_id)
        if making is None:
            # Two first messages at once must make one agent.
            making = self._making[agent_id] = asyncio.create_task(self._make(agent_id))
            making.add_done_callback(lambda _: self._making.pop(agent_id, None))
        return await asyncio.shield(making)

    async def _make(self, agent_id: AgentId) -> Agent:
        made = self._factories[agent_id.type]()
        agent = cast(Agent, await made if inspect.isawaitable(made) else made)
        expected = self._expected.get(agent_id.type)
        if expected is not None and not isinstance(agent, expected):
            raise UserError(
                f"The factory of {agent_id.type!r} made a {type(agent).__name__}, not a {expected.__name__}."
            )
        await agent.bind_id_and_runtime(agent_id, self)
        self._agents[agent_id] = agent
        return agent

    # -- messages -------------------------------------------------------------------------------------------------

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

        Raises:
            RuntimeError: If the recipient's type is not registered.
            Exception: Whatever the handler raises, the same object.
        """
        token = cancellation_token or CancellationToken()
        context = MessageContext(sender, None, True, token, message_id or new_id())
        if recipient not in self._agents and recipient.type not in self._factories:
            raise RuntimeFault(self._unknown(recipient))
        if self._running and cancellation_token is None:
            # Counted before the agent is made: a message on its way keeps `stop_when_idle` waiting.
            self._in_flight += 1
            self._quiet.clear()
            try:
                agent = self._agents.get(recipient) or await self._agent(recipient)
                return await self._handle(agent, message, context)
            finally:
                self._in_flight -= 1
                self._settle()
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._put(_Envelope(message, (recipient,), context, answer, copy_context()))
        return await token.link_future(answer)

    async def publish_message(
        self,
        message: Any,
        topic_id: TopicId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> None:
        """Give a message to everyone who hears the topic but its sender."""
        recipients = tuple(agent for agent in self._routes.recipients(topic_id) if agent != sender)
        context = MessageContext(
            sender, topic_id, False, cancellation_token or CancellationToken(), message_id or new_id()
        )
        if recipients:
            self._put(_Envelope(message, recipients, context, None, copy_context()))

    async def add_subscription(self, subscription: Subscription) -> None:
        """Add a subscription; an equal one raises `ValueError`."""
        self._routes.add(subscription)

    async def remove_subscription(self, id: str) -> None:
        """Remove a subscription; an unknown id raises `ValueError`."""
        self._routes.remove(id)

    async def _handle(self, agent: Agent, message: Any, context: MessageContext) -> Any:
        try:
            answer = await agent.on_message(message, context)
        except BaseException:
            self._failed += 1
            raise
        self._delivered += 1
        return answer

    def _put(self, envelope: _Envelope) -> None:
        self._waiting.append(envelope)
        self._quiet.clear()
        if self._running:
            self._drain()

    def _drain(self) -> None:
        while self._waiting:
            envelope = self._waiting.popleft()
            for recipient in envelope.recipients:
                task = asyncio.get_running_loop().create_task(
                    self._deliver(envelope, recipient), context=envelope.variables.copy()
                )
                self._in_flight += 1
                self._tasks.add(task)
                task.add_done_callback(self._delivered_or_not)

    def _delivered_or_not(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._in_flight -= 1
        self._settle()

    def _settle(self) -> None:
        if not self._waiting and self._in_flight == 0:
            self._quiet.set()

    async def _deliver(self, envelope: _Envelope, recipient: AgentId) -> None:
        answer = envelope.answer
        try:
            result = await self._handle(await self._agent(recipient), envelope.message, envelope.context)
        except asyncio.CancelledError:
            if answer is not None and not answer.done():
                answer.cancel()
            raise
        except Exception as error:
            if answer is not None:
                if not answer.done():
                    answer.set_exception(error)
                return
            _logger.error("The agent %s failed on a published message.", recipient, exc_info=error)
            if not self._ignore and self._error is None:
                self._error = error
        else:
            if answer is not None and not answer.done():
                answer.set_result(result)

    # -- life -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to carry messages.

        Raises:
            RuntimeError: If it is started already.
        """
        if self._running:
            raise RuntimeFault("The runtime is started already.")
        self._running = True
        self._drain()

    async def stop(self) -> None:
        """End at once: waiting messages are dropped, their senders told, handlers at work on queued ones cancelled.

        A handler that its sender awaits directly belongs to the sender's task and goes on.

        Raises:
            RuntimeError: If it is not started.
            Exception: The first error of a publish handler, unless `ignore_unhandled_exceptions`.
        """
        self._check_started()
        self._running = False
        self._drop()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks))
        self._settle()
        self._raise_unhandled()

    def _drop(self) -> None:
        while self._waiting:
            answer = self._waiting.popleft().answer
            if answer is not None and not answer.done():
                answer.set_exception(RuntimeFault("The runtime was stopped before the message was delivered."))

    async def stop_when_idle(self) -> None:
        """End when every message, and every message they caused, is handled.

        Raises:
            RuntimeError: If it is not started.
            Exception: The first error of a publish handler, unless `ignore_unhandled_exceptions`.
        """
        self._check_started()
        while self._waiting or self._in_flight:
            # In a loop: a message may come between the last one's end and this task's turn.
            await self._quiet.wait()
        self._running = False
        self._raise_unhandled()

    def _raise_unhandled(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    async def close(self) -> None:
        """End, and close every agent; senders whose messages still wait for `start` are told."""
        try:
            if self._running:
                await self.stop()
            self._drop()
        finally:
            for agent in self._agents.values():
                await agent.close()

    def _check_started(self) -> None:
        if not self._running:
            raise RuntimeFault("The runtime is not started; call start() first.")

    async def save_state(self) -> Mapping[str, Any]:
        """Return the state of every agent made so far, by `type/key`."""
        return {str(agent_id): dict(await agent.save_state()) for agent_id, agent in self._agents.items()}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Load the state of every listed agent whose type is registered."""
        for key, value in state.items():
            agent_id = AgentId.from_str(key)
            if agent_id in self._agents or agent_id.type in self._factories:
                await (await self._agent(agent_id)).load_state(value)
