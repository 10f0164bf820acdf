"""A Python function as a tool."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, get_type_hints

from pydantic import BaseModel

from agentnb.core import CancellationToken, arguments_model
from agentnb.core.schema import INJECTED
from agentnb.tools.base import BaseTool

_THREADS = 32


@functools.cache
def _pool() -> ThreadPoolExecutor:
    # The loop's default pool has as few as 5 threads: parallel calls of a blocking tool would queue.
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="agentnb-tool")


class FunctionTool(BaseTool[BaseModel, Any]):
    """A function a model may call; its annotations tell the model what to send.

    ```python
    def add(a: int, b: Annotated[int, "the second number"]) -> int:
        return a + b


    tool = FunctionTool(add, description="Add two numbers.")
    ```

    A parameter named `cancellation_token` is filled in and not shown to the model. A plain function runs in a
    thread with the caller's context variables; a coroutine function is awaited.

    Raises:
        ValueError: If a parameter has no annotation.
    """

    def __init__(
        self,
        func: Callable[..., Any],
        description: str,
        name: str | None = None,
        strict: bool = False,
    ) -> None:
        self._func = func
        plain = func
        while isinstance(plain, functools.partial):
            plain = plain.func
        tool_name: str = name or getattr(plain, "__name__", None) or type(plain).__name__
        self._takes_token = INJECTED in inspect.signature(func).parameters
        returned = get_type_hints(plain).get("return", Any) if inspect.isroutine(plain) else Any
        super().__init__(arguments_model(func, tool_name), returned, tool_name, description, strict)

    async def run(self, args: BaseModel, cancellation_token: CancellationToken) -> Any:
        values = {name: getattr(args, name) for name in type(args).model_fields}
        if self._takes_token:
            values[INJECTED] = cancellation_token
        plain = self._func
        while isinstance(plain, functools.partial):
            plain = plain.func
        if inspect.iscoroutinefunction(plain) or inspect.iscoroutinefunction(type(plain).__call__):
            return await self._func(**values)
        context = copy_context()

        def call() -> Any:
            try:
                return context.run(self._func, **values)
            except StopIteration as error:
                # A future cannot carry this one: whoever awaits it would wait for ever.
                raise RuntimeError(f"StopIteration: {error}") from error

        future = asyncio.get_running_loop().run_in_executor(_pool(), call)
        cancellation_token.link_future(future)
        return await future
