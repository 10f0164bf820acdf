"""Handlers that see messages on their way: they watch, change or drop them."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol, final

from agentnb.core import AgentId
from agentnb.exceptions import MessageDroppedException, UserError
from agentnb.runtimes.base import MessageContext
from agentnb.runtimes.routed import check_async


@final
class DropMessage:
    """What an intervention handler returns, as class or instance, for a message that shall not arrive."""


class InterventionHandler(Protocol):
    """Sees every message on its way.

    Each method returns the message to go on with, or `DropMessage`. Of several handlers each is given what the one
    before it returned, in their order. A method that a handler lacks lets everything pass.
    """

    async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
        """See a message sent to one agent."""

    async def on_publish(self, message: Any, *, message_context: MessageContext) -> Any:
        """See a message published to a topic."""

    async def on_response(self, message: Any, *, sender: AgentId, recipient: AgentId | None) -> Any:
        """See what a handler returned to who sent it a message."""


class DefaultInterventionHandler(InterventionHandler):
    """Lets everything pass; a base for handlers that need one method only."""

    async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
        return message

    async def on_publish(self, message: Any, *, message_context: MessageContext) -> Any:
        return message

    async def on_response(self, message: Any, *, sender: AgentId, recipient: AgentId | None) -> Any:
        return message


class Intervened(NamedTuple):
    """One handler's doing; `changed` is by identity."""

    by: str
    changed: bool


class Dropped(MessageDroppedException):
    """A handler dropped the message; `by` is its class."""

    def __init__(self, message: str, by: str) -> None:
        super().__init__(message)
        self.by = by


_METHODS = ("on_send", "on_publish", "on_response")


def _methods_of(handler: Any) -> frozenset[str]:
    """Return which methods a handler has; what it lacks lets everything pass."""
    if inspect.isclass(handler):
        raise UserError(
            f"{handler.__name__} is a class; give an instance: intervention_handlers=[{handler.__name__}()]."
        )
    name = type(handler).__name__
    methods: set[str] = set()
    for method in _METHODS:
        found = getattr(handler, method, None)
        # A body inherited from the protocol says nothing.
        if found is None or getattr(found, "__func__", None) is getattr(InterventionHandler, method):
            continue
        check_async(found, f"{name}.{method}", f"{method}(self, message, …)")
        methods.add(method)
    if not methods:
        raise UserError(f"{name} is no intervention handler: it has none of {', '.join(_METHODS)}.")
    return frozenset(methods)


class Interventions:
    """Several handlers as one.

    Raises:
        ValueError: If one of them is no handler; the message names it.
    """

    def __init__(self, handlers: Sequence[InterventionHandler]) -> None:
        if not isinstance(handlers, Iterable):
            raise UserError(f"intervention_handlers is a {type(handlers).__name__}; give a list: [handler].")
        self._handlers = [(handler, _methods_of(handler)) for handler in handlers]

    def __bool__(self) -> bool:
        return bool(self._handlers)

    async def through(
        self, method: str, message: Any, saw: Callable[[Intervened], None] | None = None, **about: Any
    ) -> Any:
        """Give a message to every handler in turn and return what the last one made of it.

        Args:
            method: `"on_send"`, `"on_publish"` or `"on_response"`.
            message: The message.
            saw: Told of each handler that let the message go on.
            **about: The method's keyword arguments.

        Raises:
            MessageDroppedException: If one drops it; the message names the handler.
        """
        for handler, methods in self._handlers:
            if method not in methods:
                continue
            name = type(handler).__name__
            result = await getattr(handler, method)(message, **about)
            if result is DropMessage or isinstance(result, DropMessage):
                raise Dropped(f"{name}.{method} dropped the {type(message).__name__}.", name)
            if result is None and message is not None:
                warnings.warn(
                    f"{name}.{method} returned None, which now is the message. "
                    "Return the message itself to let it pass, or DropMessage to drop it.",
                    RuntimeWarning,
                    stacklevel=1,
                )
            if saw is not None:
                saw(Intervened(name, result is not message))
            message = result
        return message
