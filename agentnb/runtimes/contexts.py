"""Which agent the code that runs now belongs to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NoReturn

from agentnb.core import AgentId, AgentType
from agentnb.exceptions import RuntimeFault

if TYPE_CHECKING:
    from agentnb.runtimes.base import AgentRuntime
    from agentnb.runtimes.circles import Wait


class Here:
    """A handler at work.

    Attributes:
        agent_id: Whose handler it is.
        depth: Handlers that await each other above this one, in one task.
        task: The task it runs in; known where a bounded mailbox waits for its end.
        waits: What it awaits at present, where that is known and a mailbox waits too.
    """

    __slots__ = ("agent_id", "depth", "task", "waits")

    def __init__(self, agent_id: AgentId, depth: int = 0, task: asyncio.Task[Any] | None = None) -> None:
        self.agent_id = agent_id
        self.depth = depth
        self.task = task
        self.waits: Wait | None = None


here: ContextVar[Here | None] = ContextVar("agentnb_here", default=None)
_making: ContextVar[tuple[AgentRuntime, AgentId] | None] = ContextVar("agentnb_making", default=None)
_subscribing: ContextVar[AgentType | None] = ContextVar("agentnb_subscribing", default=None)


def _no_instances(name: str) -> NoReturn:
    raise RuntimeFault(f"{name} is not instantiated; call its methods on the class.")


class AgentInstantiationContext:
    """Which agent a factory is making."""

    def __init__(self) -> None:
        _no_instances("AgentInstantiationContext")

    @classmethod
    @contextmanager
    def populate_context(cls, ctx: tuple[AgentRuntime, AgentId]) -> Iterator[None]:
        """Let the block be the making of the agent `ctx[1]` on the runtime `ctx[0]`."""
        token = _making.set(ctx)
        try:
            yield
        finally:
            with suppress(ValueError):  # thrown away with its loop, and so in another context
                _making.reset(token)

    @classmethod
    def _current(cls) -> tuple[AgentRuntime, AgentId]:
        made = _making.get()
        if made is None:
            raise RuntimeFault("No agent is being made here; this is known only while a runtime calls a factory.")
        return made

    @classmethod
    def current_runtime(cls) -> AgentRuntime:
        """Return the runtime; `RuntimeError` outside of a factory call."""
        return cls._current()[0]

    @classmethod
    def current_agent_id(cls) -> AgentId:
        """Return the id of the agent; `RuntimeError` outside of a factory call."""
        return cls._current()[1]

    @classmethod
    def is_in_factory_call(cls) -> bool:
        """Tell whether a runtime calls a factory now."""
        return _making.get() is not None


class SubscriptionInstantiationContext:
    """Which agent type subscriptions are being made for."""

    def __init__(self) -> None:
        _no_instances("SubscriptionInstantiationContext")

    @classmethod
    @contextmanager
    def populate_context(cls, ctx: AgentType) -> Iterator[None]:
        """Let subscriptions without a type made in the block be those of `ctx`."""
        token = _subscribing.set(ctx)
        try:
            yield
        finally:
            _subscribing.reset(token)

    @classmethod
    def agent_type(cls) -> AgentType:
        """Return the agent type; `RuntimeError` while none registers."""
        known = _subscribing.get()
        if known is None:
            raise RuntimeFault("No agent registers here; give the subscription its agent_type.")
        return known


class MessageHandlerContext:
    """Whose handler runs."""

    def __init__(self) -> None:
        _no_instances("MessageHandlerContext")

    @classmethod
    @contextmanager
    def populate_context(cls, ctx: AgentId) -> Iterator[None]:
        """Let the block be a handler of the agent `ctx`."""
        token = here.set(Here(ctx))
        try:
            yield
        finally:
            here.reset(token)

    @classmethod
    def agent_id(cls) -> AgentId:
        """Return the id of the agent; `RuntimeError` outside of a handler."""
        known = here.get()
        if known is None:
            raise RuntimeFault("No handler runs here.")
        return known.agent_id
