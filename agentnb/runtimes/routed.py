"""Agents whose methods each handle some types of messages."""

from __future__ import annotations

import dis
import functools
import inspect
import logging
import types
import typing
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol, TypeVar, cast, overload

from agentnb.exceptions import CantHandleException, UserError
from agentnb.runtimes.actors import BaseAgent, HandledTypes
from agentnb.runtimes.base import MessageContext
from agentnb.runtimes.serialization import try_get_known_serializers_for_type

_logger = logging.getLogger("autogen_core")

MessageT = TypeVar("MessageT", contravariant=True)
ResultT = TypeVar("ResultT", covariant=True)

# Of whichever agent: a subclass that overrides a handler would otherwise take less than its base.
Handler = Callable[[Any, MessageT, MessageContext], Coroutine[Any, Any, ResultT]]
Match = Callable[[MessageT, MessageContext], bool]

_SUSPENDING = {"GET_AWAITABLE", "GET_AITER", "GET_ANEXT", "BEFORE_ASYNC_WITH", "SEND", "YIELD_VALUE"}


@functools.cache
def suspends(code: types.CodeType) -> bool:
    """Tell whether a coroutine function's code can wait for anything."""
    return any(instruction.opname in _SUSPENDING for instruction in dis.get_instructions(code))


def may_suspend(function: Any) -> bool:
    """Tell whether a call may wait; True where that cannot be seen."""
    code = getattr(function, "__code__", None)
    return not inspect.iscoroutinefunction(function) or code is None or suspends(code)


class Route:
    """A way to handle a message, worked out once per class.

    Attributes:
        call: The function, called with the agent, the message and its context.
        accepts: Decides about one message; None takes all of the type.
        produces: The types it may return; None if that is not checked.
        suspends: Whether it may wait for anything.
    """

    __slots__ = ("accepts", "call", "name", "produces", "strict", "suspends")

    def __init__(
        self,
        call: Callable[..., Coroutine[Any, Any, Any]],
        *,
        accepts: Callable[[Any, MessageContext], bool] | None = None,
        produces: frozenset[type[Any]] | None = None,
        strict: bool = True,
        name: str = "",
    ) -> None:
        self.call = call
        self.accepts = accepts
        self.produces = produces
        self.strict = strict
        self.suspends = may_suspend(call)
        self.name = name

    def check(self, result: Any) -> None:
        """Compare a result with the annotation.

        Raises:
            ValueError: If the handler is strict and the result is of another type.
        """
        if self.produces is None or type(result) in self.produces:
            return
        expected = " | ".join(sorted(kind.__name__ for kind in self.produces))
        text = f"The handler {self.name!r} returned a {type(result).__name__}; its annotation says {expected}."
        if self.strict:
            raise UserError(text)
        _logger.warning(text)


Routing = Mapping[type[Any], tuple[Route, ...]]


class MessageHandler(Protocol[MessageT, ResultT]):
    """A decorated handler: still callable, and it says what it takes."""

    target_types: list[type[Any]]
    produces_types: list[type[Any]]
    is_message_handler: bool
    router: Callable[[Any, MessageContext], bool]

    def __call__(self, agent: Any, message: MessageT, ctx: MessageContext, /) -> Coroutine[Any, Any, ResultT]: ...

    # A method: reached through an instance it is bound, and type checkers are told so.
    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None, /) -> MessageHandler[MessageT, ResultT]: ...
    @overload
    def __get__(
        self, instance: object, owner: type[Any] | None = None, /
    ) -> Callable[[MessageT, MessageContext], Coroutine[Any, Any, ResultT]]: ...


def _types_of(annotation: Any) -> list[Any]:
    """Return the classes an annotation names; `Any` stays `Any`."""
    if annotation is None:
        return [type(None)]
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return [kind for part in typing.get_args(annotation) for kind in _types_of(part)]
    if origin is typing.Annotated:
        return _types_of(typing.get_args(annotation)[0])
    if origin is not None and inspect.isclass(origin):
        return [origin]
    return [annotation]


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except NameError:
        pass
    # Annotations are text, and the classes they name may be local to the functions that run right now.
    known = getattr(inspect.unwrap(function), "__globals__", None)
    names: dict[str, Any] = {}
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_globals is known and frame.f_locals is not known:
            names = {**frame.f_locals, **names}
        frame = frame.f_back
    return typing.get_type_hints(function, localns=names)


def annotated_types(function: Callable[..., Any], parameter: str) -> tuple[list[Any], list[Any]]:
    """Return the types a handler takes and returns.

    Raises:
        AssertionError: If the parameter is missing, or it or the result has no annotation (AutoGen's contract).
    """
    name = getattr(function, "__qualname__", repr(function))
    if parameter not in inspect.signature(function).parameters:
        raise AssertionError(f"The handler {name} needs a parameter named {parameter!r}.")
    try:
        hints = _hints(function)
    except NameError as error:
        raise AssertionError(
            f"The annotations of the handler {name} name {error.name!r}, which is not known where it is defined; "
            "define or import it before the class."
        ) from error
    for wanted, what in ((parameter, f"the parameter {parameter!r}"), ("return", "the result")):
        if wanted not in hints:
            raise AssertionError(
                f"The handler {name} has no annotation for {what}; "
                f"write `async def {function.__name__}(self, {parameter}: MyMessage, ctx: MessageContext) -> None`."
            )
    taken, returned = _types_of(hints[parameter]), _types_of(hints["return"])
    for kind in (*taken, *returned):
        if kind is not Any and not inspect.isclass(kind):
            raise AssertionError(f"The handler {name} is annotated with {kind!r}, which is no class.")
    return taken, returned


def check_async(function: Any, what: str, call: str) -> None:
    """Refuse a function that returns nothing to await; one that wraps another, or may return anything, is let be.

    Raises:
        ValueError: If it is surely none; the message says how to write it.
    """
    plain = inspect.isfunction(function) or inspect.ismethod(function)
    if not plain or inspect.iscoroutinefunction(function) or hasattr(function, "__wrapped__"):
        return
    returns = getattr(function, "__annotations__", {}).get("return")
    if returns is Any or any(word in str(returns) for word in ("Any", "Awaitable", "Coroutine", "Future", "Task")):
        return
    raise UserError(f"{what} is no coroutine function; write `async def {call}`.")


def _decorator(func: Any, *, strict: bool, match: Match[Any] | None, rpc: bool | None) -> Any:
    def decorate(func: Any) -> Any:
        taken, returned = annotated_types(func, "message")
        name = getattr(func, "__name__", "handler")
        check_async(func, f"The handler {func.__qualname__}", f"{name}(self, message: …, ctx: MessageContext)")
        produces = None if Any in returned else frozenset(returned)
        if rpc is False:
            produces = frozenset([type(None)])
        route = Route(func, accepts=match, produces=produces, strict=strict, name=func.__qualname__)

        @functools.wraps(func)
        async def handler(self: Any, message: Any, ctx: MessageContext) -> Any:
            if type(message) not in taken and Any not in taken:
                names = " | ".join(sorted(kind.__name__ for kind in taken))
                text = f"The handler {route.name!r} takes {names}, not a {type(message).__name__}."
                if strict:
                    raise CantHandleException(text)
                _logger.warning(text)
            result = await func(self, message, ctx)
            route.check(result)
            return result

        def router(message: Any, ctx: MessageContext) -> bool:
            return (rpc is None or ctx.is_rpc is rpc) and (match is None or match(message, ctx))

        marked = cast(Any, handler)
        marked.target_types = taken
        marked.produces_types = returned
        marked.is_message_handler = True
        marked.router = router
        marked.route = route
        marked.decorated = handler
        marked.rpc = rpc
        return handler

    return decorate if func is None else decorate(func)


@overload
def message_handler(
    func: Handler[MessageT, ResultT], *, strict: bool = True, match: Match[MessageT] | None = None
) -> MessageHandler[MessageT, ResultT]: ...
@overload
def message_handler(
    func: None = None, *, strict: bool = True, match: Match[Any] | None = None
) -> Callable[[Handler[MessageT, ResultT]], MessageHandler[MessageT, ResultT]]: ...
def message_handler(func: Any = None, *, strict: bool = True, match: Match[Any] | None = None) -> Any:
    """Let a method handle messages of the types its `message` parameter is annotated with.

    Args:
        func: The method: `async def f(self, message: A | B, ctx: MessageContext) -> C`.
        strict: Whether a wrong type of message or result is an error; otherwise a warning is logged.
        match: Decides about one message; among several handlers of a type the first by name that accepts takes it.

    Raises:
        AssertionError: If the message or the result has no annotation.
    """
    return _decorator(func, strict=strict, match=match, rpc=None)


@overload
def event(
    func: Handler[MessageT, None], *, strict: bool = True, match: Match[MessageT] | None = None
) -> MessageHandler[MessageT, None]: ...
@overload
def event(
    func: None = None, *, strict: bool = True, match: Match[Any] | None = None
) -> Callable[[Handler[MessageT, None]], MessageHandler[MessageT, None]]: ...
def event(func: Any = None, *, strict: bool = True, match: Match[Any] | None = None) -> Any:
    """Let a method handle published messages only; it returns None. Arguments as for `message_handler`."""
    return _decorator(func, strict=strict, match=match, rpc=False)


@overload
def rpc(
    func: Handler[MessageT, ResultT], *, strict: bool = True, match: Match[MessageT] | None = None
) -> MessageHandler[MessageT, ResultT]: ...
@overload
def rpc(
    func: None = None, *, strict: bool = True, match: Match[Any] | None = None
) -> Callable[[Handler[MessageT, ResultT]], MessageHandler[MessageT, ResultT]]: ...
def rpc(func: Any = None, *, strict: bool = True, match: Match[Any] | None = None) -> Any:
    """Let a method handle directly sent messages only. Arguments as for `message_handler`."""
    return _decorator(func, strict=strict, match=match, rpc=True)


class Handlers:
    """What a class of routed agents handles, worked out once.

    Attributes:
        sent: Routes for direct sends, by exact type of the message.
        published: Routes for published messages.
        types: Every type it handles, in the order of the handlers' names.
    """

    def __init__(self, cls: type[Any]) -> None:
        sent: dict[Any, list[Route]] = {}
        published: dict[Any, list[Route]] = {}
        self.types: list[Any] = []
        for name in dir(cls):
            handler = getattr(cls, name, None)
            if not getattr(handler, "is_message_handler", False):
                continue
            found: Any = handler
            # Another decorator round ours copies our marks; then it is what must be called.
            own = getattr(found, "decorated", None) is found
            route = found.route if own else Route(found, accepts=found.router, name=name)
            only = found.rpc if own else None
            for kind in found.target_types:
                if kind not in self.types:
                    self.types.append(kind)
                if only is not False:
                    sent.setdefault(kind, []).append(route)
                if only is not True:
                    published.setdefault(kind, []).append(route)
        self.sent: Routing = {kind: tuple(routes) for kind, routes in sent.items()}
        self.published: Routing = {kind: tuple(routes) for kind, routes in published.items()}


class RoutedAgent(BaseAgent):
    """An agent whose decorated methods each handle some types of messages.

    ```python
    class Adder(RoutedAgent):
        @message_handler
        async def on_number(self, message: int, ctx: MessageContext) -> int:
            return message + 1
    ```

    The exact type of a message decides, never inheritance. Of several handlers for a type the first by name whose
    `match` accepts takes the message; where none does, `on_unhandled_message` is called and a sender gets None.
    """

    _handlers: Handlers

    def __init__(self, description: str) -> None:
        self._routes_of()
        super().__init__(description)

    @classmethod
    def _routes_of(cls) -> Handlers:
        if "_handlers" not in cls.__dict__:
            cls._handlers = Handlers(cls)
        return cls._handlers

    @classmethod
    def _handled_types(cls) -> HandledTypes:
        known = list(super()._handled_types())
        named = {kind for kind, _ in known}
        for kind in cls._routes_of().types:
            if kind is Any or kind in named or kind in _PLAIN:
                continue
            serializers = list(try_get_known_serializers_for_type(kind))
            if not serializers:
                raise UserError(
                    f"{cls.__name__} handles {kind.__name__}, for which no serializer is known. "
                    "Make it a dataclass or a pydantic model, or declare one with @handles(type, serializer)."
                )
            known.append((kind, serializers))
        return known

    def find_route(self, message: Any, ctx: MessageContext) -> Route | None:
        """Return the handler that takes a message, None if none does."""
        handlers = self._routes_of()
        routing = handlers.sent if ctx.is_rpc else handlers.published
        for route in routing.get(type(message), ()):
            if route.accepts is None or route.accepts(message, ctx):
                return route
        for route in routing.get(cast(Any, Any), ()):
            if route.accepts is None or route.accepts(message, ctx):
                return route
        return None

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
        route = self.find_route(message, ctx)
        if route is None:
            return await self.on_unhandled_message(message, ctx)
        result = await route.call(self, message, ctx)
        route.check(result)
        return result

    async def on_unhandled_message(self, message: Any, ctx: MessageContext) -> None:
        """Called with a message no handler takes; writes a line to the logger `autogen_core`."""
        _logger.info("Unhandled message of type %s for %s.", type(message).__name__, self.id)


_PLAIN = (str, int, float, bool, bytes, list, dict, tuple, type(None))
