"""What a condition of one kind is: it fires once, says why, and its count can be saved."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

from agentnb.base import TerminatedException, TerminationCondition
from agentnb.exceptions import UserError
from agentnb.messages import BaseAgentEvent, BaseChatMessage, StopMessage

Said = Sequence[BaseAgentEvent | BaseChatMessage]


class PlainTermination(TerminationCondition, ABC):
    """A condition that is no combination of others.

    Subclasses write `_reason`; those that count write `reset`, `_count` and `_count_on` as well.
    """

    _fired = False

    @property
    def terminated(self) -> bool:
        return self._fired

    async def __call__(self, messages: Said) -> StopMessage | None:
        if self._fired:
            raise TerminatedException(f"This {type(self).__name__} has fired already; call reset() before it is asked.")
        reason = self._reason(messages)
        return None if reason is None else self._fire(reason)

    def _fire(self, reason: str) -> StopMessage:
        self._fired = True
        return StopMessage(content=reason, source=type(self).__name__)

    @abstractmethod
    def _reason(self, messages: Said) -> str | None:
        """Say why it is over, or None."""

    async def reset(self) -> None:
        self._fired = False

    def save_state(self) -> dict[str, Any]:
        return {**super().save_state(), **self._count()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._check_state(state)
        self._count_on(state)
        self._fired = bool(state["terminated"])

    def _count(self) -> dict[str, Any]:
        """Return what was counted so far, JSON-ready."""
        return {}

    def _count_on(self, state: Mapping[str, Any]) -> None:
        """Go on from what `_count` returned."""


def named(owner: object, parameter: str, value: Any) -> str:
    """Return a name that something is compared with.

    Raises:
        ValueError: If it is no text, such as the agent or the function itself: the condition would never fire.
    """
    if isinstance(value, str):
        return value
    name = getattr(value, "name", None) or getattr(value, "__name__", None)
    meant = f" Did you mean {name!r}?" if isinstance(name, str) else ""
    raise UserError(f"{type(owner).__name__}'s {parameter} is {value!r:.80}; it must be a text.{meant}")


def listed(owner: object, parameter: str, sources: Iterable[str]) -> list[str]:
    """Return names as a list.

    Raises:
        ValueError: If they are one text, of which every letter would be a name, or one of them is no text.
    """
    if isinstance(sources, str):
        raise UserError(f"{type(owner).__name__}'s {parameter} is the text {sources!r}; give a list: [{sources!r}].")
    if not isinstance(sources, Iterable):
        raise UserError(f"{type(owner).__name__}'s {parameter} is {sources!r:.80}; give a list of names.")
    return [named(owner, parameter, source) for source in sources]


def is_number(value: Any) -> bool:
    """Tell whether a value can be compared with numbers, such as one of numpy's."""
    return isinstance(value, Real)


def positive(owner: object, name: str, limit: int) -> int:
    """Return a limit that is a positive number.

    Raises:
        ValueError: If it is something else.
    """
    if not is_number(limit) or limit < 1:
        raise UserError(f"{type(owner).__name__}'s {name} is {limit!r:.80}; it must be a number, and at least 1.")
    return limit
