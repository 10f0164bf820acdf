"""What a model context is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from numbers import Integral
from typing import Any, ClassVar

from pydantic import BaseModel, Field

from agentnb.core import Component
from agentnb.exceptions import UserError
from agentnb.messages import LLMMessage


class ChatCompletionContextState(BaseModel, defer_build=True):
    """The messages of a context, as they are saved."""

    messages: list[LLMMessage] = Field(default_factory=list)


class ChatCompletionContext(Component, ABC):
    """Keeps every message; subclasses say in `get_messages` which of `self._messages` a model is shown.

    Written as a component it has the messages it began with, not those added since; `save_state` has all.

    Args:
        initial_messages: What it begins with.
    """

    component_type: ClassVar[str] = "chat_completion_context"

    def __init__(self, initial_messages: list[LLMMessage] | None = None) -> None:
        self._messages: list[LLMMessage] = list(initial_messages or ())
        self._initial_messages = initial_messages

    async def add_message(self, message: LLMMessage) -> None:
        """Add a message at the end."""
        self._messages.append(message)

    @abstractmethod
    async def get_messages(self) -> list[LLMMessage]:
        """Return what the model is shown; the list is the caller's.

        A tool call is shown together with its results or not at all: servers refuse one without the other.
        """

    async def replace_message(self, old: LLMMessage, new: LLMMessage | None) -> bool:
        """Put `new` in the place of `old`, or take `old` away if `new` is None.

        Returns:
            Whether `old`, or a message equal to it, was there; if not, nothing changes.
        """
        places = [place for place, message in enumerate(self._messages) if message is old]
        places = places or [place for place, message in enumerate(self._messages) if message == old]
        if not places:
            return False
        self._messages[places[0] : places[0] + 1] = [] if new is None else [new]
        return True

    async def clear(self) -> None:
        """Forget all messages, initial ones included."""
        self._messages.clear()

    async def save_state(self) -> Mapping[str, Any]:
        """Return all messages, JSON-ready."""
        return ChatCompletionContextState(messages=self._messages).model_dump(mode="json")

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Take the messages of a saved state in place of the present ones."""
        self._messages = ChatCompletionContextState.model_validate(state).messages


def at_least_one(name: str, value: int) -> int:
    """Return a size as it is.

    Raises:
        ValueError: If it is no whole number, or not positive.
    """
    if not isinstance(value, Integral) or value <= 0:
        raise UserError(f"{name} is {value!r}; it must be a whole number of at least 1.")
    return value
