"""A function as an agent."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, Protocol, TypeVar, cast, get_args

from agentnb.core import AgentId, AgentType, CancellationToken, TopicId
from agentnb.exceptions import CantHandleException, RuntimeFault, UserError
from agentnb.runtimes.actors import BaseAgent
from agentnb.runtimes.base import AgentRuntime, MessageContext, Subscription
from agentnb.runtimes.contexts import AgentInstantiationContext
from agentnb.runtimes.routed import annotated_types, check_async
from agentnb.runtimes.serialization import try_get_known_serializers_for_type

T = TypeVar("T")

UnknownTypePolicy = Literal["error", "warn", "ignore"]


class ClosureContext(Protocol):
    """What a closure can do as an agent."""

    @property
    def id(self) -> AgentId:
        """The agent's id."""

    async def send_message(
        self,
        message: Any,
        recipient: AgentId,
        *,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> Any:
        """Send a message and return the answer."""

    async def publish_message(
        self, message: Any, topic_id: TopicId, *, cancellation_token: CancellationToken | None = None
    ) -> None:
        """Publish a message."""


Closure = Callable[[ClosureContext, T, MessageContext], Awaitable[Any]]


def _taken(closure: Callable[..., Any]) -> list[Any]:
    parameters = list(inspect.signature(closure).parameters)
    name = getattr(closure, "__qualname__", repr(closure))
    if len(parameters) != 3:
        raise AssertionError(
            f"The closure {name} takes {len(parameters)} parameters; it needs three: (agent, message, ctx)."
        )
    taken = annotated_types(closure if inspect.isroutine(closure) else type(closure).__call__, parameters[1])[0]
    check_async(closure, f"The closure {name}", f"{getattr(closure, '__name__', 'f')}(agent, message: …, ctx)")
    return taken


def _checked_policy(policy: Any) -> UnknownTypePolicy:
    if policy not in get_args(UnknownTypePolicy):
        raise UserError(f"unknown_type_policy is {policy!r}; it may be 'error', 'warn' or 'ignore'.")
    return cast(UnknownTypePolicy, policy)


class ClosureAgent(BaseAgent):
    """An agent that calls one function with each message.

    ```python
    results: asyncio.Queue[Answer] = asyncio.Queue()


    async def collect(agent: ClosureContext, message: Answer, ctx: MessageContext) -> None:
        await results.put(message)


    await ClosureAgent.register_closure(
        runtime, "collector", collect, subscriptions=lambda: [TypeSubscription("answers", "collector")]
    )
    ```

    Args:
        description: What it is for.
        closure: `async def f(agent, message: A | B, ctx) -> None`; its annotation says which types it takes.
        unknown_type_policy: What to do with a message of another type: `"error"` raises `CantHandleException`, `"warn"`
            warns and `"ignore"` says nothing; the closure is not called.

    Raises:
        RuntimeError: If it is not made by a runtime's factory.
        AssertionError: If the closure has not three parameters, or lacks annotations.
        ValueError: If the closure is no coroutine function, or the policy is none of the three.
    """

    def __init__(
        self, description: str, closure: Closure[Any], *, unknown_type_policy: UnknownTypePolicy = "warn"
    ) -> None:
        if not AgentInstantiationContext.is_in_factory_call():
            raise RuntimeFault("A ClosureAgent is made by a runtime; call ClosureAgent.register_closure(…).")
        super().__init__(description)
        self._closure = closure
        self._types = _taken(closure)
        self._policy = _checked_policy(unknown_type_policy)

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
        if type(message) not in self._types and Any not in self._types:
            names = " | ".join(sorted(kind.__name__ for kind in self._types))
            text = f"The closure of {self.id} takes {names}, not a {type(message).__name__}."
            if self._policy == "error":
                raise CantHandleException(text)
            if self._policy == "warn":
                warnings.warn(text, stacklevel=1)
            return None
        return await self._closure(self, message, ctx)

    async def save_state(self) -> Mapping[str, Any]:
        """Return nothing: a closure's state is its own."""
        return {}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Take nothing."""

    @classmethod
    async def register_closure(
        cls,
        runtime: AgentRuntime,
        type: str | AgentType,
        closure: Closure[Any],
        *,
        unknown_type_policy: UnknownTypePolicy = "warn",
        skip_direct_message_subscription: bool = False,
        description: str = "",
        subscriptions: Callable[[], list[Subscription] | Awaitable[list[Subscription]]] | None = None,
        **options: Any,
    ) -> AgentType:
        """Register a function as the agents of a type.

        Args:
            runtime: Where they live.
            type: Their type.
            closure: The function.
            unknown_type_policy: See the class.
            skip_direct_message_subscription: Do not hear topics that begin with `"<type>:"`.
            description: What they are for.
            subscriptions: Makes the subscriptions; `DefaultSubscription()` in it means this type.
            **options: Handed to the runtime's `register_factory`.

        Raises:
            AssertionError: If the closure has not three parameters, or lacks annotations.
            ValueError: If the type is registered already, the closure is no coroutine function, or the policy is none
                of the three.
        """
        taken = _taken(closure)  # said here, not at the first message
        _checked_policy(unknown_type_policy)

        def make() -> ClosureAgent:
            return cls(description, closure, unknown_type_policy=unknown_type_policy)

        agent_type = await cls.register(
            runtime,
            type,
            make,
            skip_class_subscriptions=True,
            skip_direct_message_subscription=skip_direct_message_subscription,
            **options,
        )
        if subscriptions is not None:
            for subscription in await cls._made_for(agent_type, subscriptions):
                await runtime.add_subscription(subscription)
        for kind in taken:
            if inspect.isclass(kind):
                runtime.add_message_serializer(try_get_known_serializers_for_type(kind))
        return agent_type
