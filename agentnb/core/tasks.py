"""Tasks that begin when their event loop comes to them, whatever its task factory is."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

T = TypeVar("T")

# Shared by every factory of eager tasks; Python 3.11 has none.
_EAGER = getattr(getattr(asyncio, "eager_task_factory", None), "__code__", object())


def begun_later(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, T],
    *,
    context: Context | None = None,
    name: str | None = None,
) -> asyncio.Task[T]:
    """Make a task that takes its first step when the loop comes to it, also where the loop's tasks are eager.

    An eager task (Python 3.12) would overtake those that were made before it, and could be over before it is known.
    """
    factory = loop.get_task_factory()
    if factory is not None and getattr(factory, "__code__", None) is _EAGER:
        return asyncio.Task(coroutine, loop=loop, name=name, context=context)
    return loop.create_task(coroutine, name=name, context=context)
