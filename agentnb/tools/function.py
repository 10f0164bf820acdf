"""A Python function as a tool."""

from __future__ import annotations

import asyncio
import functools
import inspect
import operator
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from types import FunctionType
from typing import Any, Self, cast

from pydantic import BaseModel

from agentnb.code_executors.source import Import, function_source, imports_of, run_source
from agentnb.core import CancellationToken, arguments_model, parameters_schema, require_code_consent
from agentnb.core.schema import INJECTED, ParametersSchema, field_name, function_hints, plain_function
from agentnb.exceptions import SourceNotPortable, UserError
from agentnb.messages.saved import copied
from agentnb.tools.base import BaseTool

_THREADS = 32


@functools.cache
def _pool() -> ThreadPoolExecutor:
    # The loop's default pool has as few as 5 threads: parallel calls of a blocking tool would queue.
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="agentnb-tool")


class _Form:
    """A function's parameters, and what a model is told of them; made once a function, as many agents may share it."""

    def __init__(self, func: Callable[..., Any], name: str, hints: dict[str, Any]) -> None:
        self.arguments = arguments_model(func, name)
        self.returned = hints.get("return", Any)
        parameters = inspect.signature(func).parameters
        self.takes_token = INJECTED in parameters
        # By parameter, the field that holds its value; those that take no keyword come first.
        names = [parameter for parameter in parameters.values() if parameter.name != INJECTED]
        self.by_place = [field_name(p.name) for p in names if p.kind is p.POSITIONAL_ONLY]
        self.by_name = [(p.name, field_name(p.name)) for p in names if p.kind is not p.POSITIONAL_ONLY]
        self._name = name
        self._hints = hints
        self._made_of = _made_of(func)
        self._schema: ParametersSchema | None = None
        self._source: str | None = None

    @classmethod
    def of(cls, func: Callable[..., Any], name: str) -> _Form:
        """Return that of a function under a name; of one that was changed since, it is made anew."""
        hints = function_hints(func, name)
        if type(func) is not FunctionType or hasattr(func, "__wrapped__") or hasattr(func, "__signature__"):
            return cls(func, name, hints)  # a partial, a method, an object: what it calls may change unseen
        known = _forms.get(func)
        if known is None or not known._fits(func, name, hints):
            known = _forms[func] = cls(func, name, hints)
        return known

    def _fits(self, func: FunctionType, name: str, hints: dict[str, Any]) -> bool:
        known, now = self._made_of, _made_of(func)
        alike = len(known) == len(now) and all(map(operator.is_, known, now))
        return alike and self._name == name and self._hints == hints

    def schema(self) -> ParametersSchema:
        """Return the parameters as JSON schema, a copy of the caller's own."""
        if self._schema is None:
            self._schema = parameters_schema(self.arguments)
        return cast(ParametersSchema, copied(self._schema))

    def source(self, func: Callable[..., Any]) -> str:
        """Return the function's source.

        Raises:
            SourceNotPortable: If it has none that can stand alone.
        """
        if self._source is None:
            self._source = function_source(func)
        return self._source


def _made_of(func: Callable[..., Any]) -> list[Any]:
    """Return what may be exchanged in a function that stays the same object, as reloading a module does."""
    places, names = getattr(func, "__defaults__", None) or (), getattr(func, "__kwdefaults__", None) or {}
    return [getattr(func, "__code__", None), *places, len(places), *names.values()]


_forms: weakref.WeakKeyDictionary[FunctionType, _Form] = weakref.WeakKeyDictionary()


class FunctionToolConfig(BaseModel, defer_build=True):
    """A function tool as JSON; loading it runs `source_code`."""

    source_code: str
    name: str
    description: str
    global_imports: Sequence[Import]
    has_cancellation_support: bool
    strict: bool | None = None
    """agentnb's own; written only where it is true."""
    idempotent: bool | None = None
    """Likewise."""


class FunctionTool(BaseTool[BaseModel, Any]):
    """A function a model may call; its annotations tell the model what to send.

    ```python
    def add(a: int, b: Annotated[int, "the second number"]) -> int:
        return a + b


    tool = FunctionTool(add, description="Add two numbers.")
    ```

    A parameter named `cancellation_token` is filled in and not shown to the model. A plain function runs in a
    thread with the caller's context variables, which goes on when the call is cancelled; a coroutine function is
    awaited, and ends.

    Args:
        func: A function, a method, a partial, or an object with `__call__`.
        description: What it does, as the model reads it.
        name: Default: the function's.
        global_imports: What its source needs where it is loaded again; what is missing here is found by itself.
        strict: Whether the model must send every argument and no other.
        idempotent: Whether a call that was interrupted may simply be made again when its run is resumed.

    Raises:
        ValueError: If a parameter has no annotation (a `KeyError` too), or the function is a generator.
    """

    component_config_schema = FunctionToolConfig

    def __init__(
        self,
        func: Callable[..., Any],
        description: str,
        name: str | None = None,
        global_imports: Sequence[Import] = (),
        strict: bool = False,
        *,
        idempotent: bool = False,
    ) -> None:
        self.idempotent = idempotent
        plain = plain_function(func)
        tool_name: str = name or getattr(plain, "__name__", None) or type(plain).__name__
        called = plain if inspect.isroutine(plain) else type(plain).__call__
        if inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called):
            raise UserError(
                f"Tool {tool_name!r}: the function yields, and a function tool returns. "
                "Return a list, or write a BaseStreamTool."
            )
        self._func = func
        self._global_imports = list(global_imports)
        self._source: str | None = None
        self._is_async = inspect.iscoroutinefunction(called) or inspect.iscoroutinefunction(func)
        self._form = _Form.of(func, tool_name)
        super().__init__(self._form.arguments, self._form.returned, tool_name, description, strict)

    def _parameters(self) -> ParametersSchema:
        return self._form.schema()

    async def run(self, args: BaseModel, cancellation_token: CancellationToken) -> Any:
        form = self._form
        given = [getattr(args, field) for field in form.by_place] if form.by_place else ()
        named = {name: getattr(args, field) for name, field in form.by_name}
        if form.takes_token:
            named[INJECTED] = cancellation_token
        if self._is_async:
            return await self._func(*given, **named)
        context = copy_context()

        def call() -> Any:
            try:
                return context.run(self._func, *given, **named)
            except StopIteration as error:
                # A future cannot carry this one: whoever awaits it would wait for ever.
                raise RuntimeError(f"StopIteration: {error}") from error

        future = asyncio.get_running_loop().run_in_executor(_pool(), call)
        cancellation_token.link_future(future)
        value = await future
        # A plain function that only makes the coroutine, as some decorators do.
        return await value if inspect.isawaitable(value) else value

    def _to_config(self) -> FunctionToolConfig:
        """Write the function's source.

        Raises:
            SourceNotPortable: If it has none that can stand alone; the message says what it lacks.
        """
        func, imports = self._func, self._global_imports
        if self._source is None:
            try:
                self._source = self._form.source(func)
                imports = imports_of(func, self._source, imports)
            except SourceNotPortable as error:
                self._source = None
                raise SourceNotPortable(f"The tool {self._name!r} cannot be written down. {error}") from error
            self._global_imports = imports
        return FunctionToolConfig(
            source_code=self._source,
            name=self._name,
            description=self._description,
            global_imports=imports,
            has_cancellation_support=self._form.takes_token,
            strict=self._strict or None,
            idempotent=self.idempotent or None,
        )

    @classmethod
    def _from_config(cls, config: FunctionToolConfig) -> Self:
        """Run the source and make the tool.

        Raises:
            CodeNotAllowed: If the caller of `load_component` did not agree to it; nothing has run.
            ImportError: If an import fails; a `ModuleNotFoundError` if the module is not installed.
            ValueError: If the source is no Python, or not one function.
        """
        what = f"the tool {config.name!r} ({cls.__name__})"
        require_code_consent(what)
        func = run_source(config.source_code, config.global_imports, what)
        tool = cls(func, config.description, config.name, config.global_imports, bool(config.strict))
        tool.idempotent = bool(config.idempotent)
        tool._source = config.source_code  # it lies in no file where it could be read again
        return tool
