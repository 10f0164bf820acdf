"""Over because somebody, or a function, outside of the conversation says so."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from agentnb.conditions.base import PlainTermination, Said
from agentnb.core import ComponentModel
from agentnb.exceptions import UserError
from agentnb.messages import StopMessage

Predicate = Callable[[Said], bool] | Callable[[Said], Awaitable[bool]]


class ExternalTermination(PlainTermination):
    """Over at the next turn's end after `set()` was called, from anywhere."""

    _wanted = False

    def set(self) -> None:
        """Ask for the end."""
        self._wanted = True

    def _reason(self, messages: Said) -> str | None:
        return "it was ended from outside" if self._wanted else None

    async def reset(self) -> None:
        await super().reset()
        self._wanted = False

    def _count(self) -> dict[str, Any]:
        return {"wanted": self._wanted}

    def _count_on(self, state: Mapping[str, Any]) -> None:
        self._wanted = bool(state["wanted"])


class FunctionalTermination(PlainTermination):
    """Over when `func`, a function or a coroutine function of what is new, returns True.

    It lives in this process only: what holds it cannot be dumped.

    Raises:
        ValueError: If `func` cannot be called. When it is asked: if it returns a value that counts as true and is not
            `True`, which would never end anything.
    """

    def __init__(self, func: Predicate) -> None:
        if not callable(func):
            raise UserError(f"FunctionalTermination takes a function of the new messages, not {func!r}.")
        self._func = func
        self._answer: Any = None

    async def __call__(self, messages: Said) -> StopMessage | None:
        if not self._fired:
            self._answer = self._func(messages)
            if inspect.isawaitable(self._answer):
                self._answer = await self._answer
        return await super().__call__(messages)

    def _reason(self, messages: Said) -> str | None:
        answer = self._answer
        if answer is not True and _counts_as_true(answer):
            raise UserError(
                f"The function {self._name!r} of a FunctionalTermination returned {answer!r:.80}; "
                "let it return True or False, as in bool(…)."
            )
        return f"the function {self._name!r} says so" if answer is True else None

    @property
    def _name(self) -> str:
        return str(getattr(self._func, "__name__", type(self._func).__name__))

    def dump_component(self) -> ComponentModel:
        raise UserError(
            f"A FunctionalTermination lives in this process only: its function {self._name!r} cannot be written. "
            "Leave it out of what is dumped, or write a class derived from TerminationCondition in a module."
        )


def _counts_as_true(answer: Any) -> bool:
    try:
        return bool(answer)
    except ValueError:  # an array: it is no answer either
        return True
