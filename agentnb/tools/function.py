"""A Python function as a tool."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, Self

from pydantic import BaseModel

from agentnb.code_executors.source import Import, function_source, imports_of, run_source
from agentnb.core import CancellationToken, arguments_model, require_code_consent
from agentnb.core.schema import INJECTED, field_name, function_hints, plain_function
from agentnb.exceptions import SourceNotPortable, UserError
from agentnb.tools.base import BaseTool

_THREADS = 32


@functools.cache
def _pool() -> ThreadPoolExecutor:
    # The loop's default pool has as few as 5 threads: parallel calls of a blocking tool would queue.
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="agentnb-tool")


class FunctionToolConfig(BaseModel, defer_build=True):
    """A function tool as JSON; loading it runs `source_code`."""

    source_code: str
    name: str
    description: str
    global_imports: Sequence[Import]
    has_cancellation_support: bool
    strict: bool | None = None
    """agentnb's own; written only where it is true."""


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
    ) -> None:
        plain = plain_function(func)
        tool_name: str = name or getattr(plain, "__name__", None) or type(plain).__name__
        called = plain if inspect.isroutine(plain) else type(plain).__call__
        if inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called):
            raise UserError(
                f"Tool {tool_name!r}: the function yields, and a function tool returns. "
                "Return a list, or write a BaseStreamTool."
            )
        parameters = inspect.signature(func).parameters
        self._func = func
        self._global_imports = list(global_imports)
        self._source: str | None = None
        self._takes_token = INJECTED in parameters
        self._is_async = inspect.iscoroutinefunction(called) or inspect.iscoroutinefunction(func)
        # By parameter, the field that holds its value; those that take no keyword come first.
        names = [parameter for parameter in parameters.values() if parameter.name != INJECTED]
        self._by_place = [field_name(p.name) for p in names if p.kind is p.POSITIONAL_ONLY]
        self._by_name = [(p.name, field_name(p.name)) for p in names if p.kind is not p.POSITIONAL_ONLY]
        returned = function_hints(func, tool_name).get("return", Any)
        super().__init__(arguments_model(func, tool_name), returned, tool_name, description, strict)

    async def run(self, args: BaseModel, cancellation_token: CancellationToken) -> Any:
        given = [getattr(args, field) for field in self._by_place]
        named = {name: getattr(args, field) for name, field in self._by_name}
        if self._takes_token:
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
                self._source = function_source(func)
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
            has_cancellation_support=self._takes_token,
            strict=self._strict or None,
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
        tool._source = config.source_code  # it lies in no file where it could be read again
        return tool
