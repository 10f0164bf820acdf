"""What a model context is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from numbers import Integral
from typing import Any, ClassVar

from pydantic import BaseModel, Field

from agentnb.core import Component
from agentnb.exceptions import UserError
from agentnb.messages import (
    AssistantMessage,
    BaseChatMessage,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)

_MESSAGES = (SystemMessage, UserMessage, AssistantMessage, FunctionExecutionResultMessage)


class ChatCompletionContextState(BaseModel, defer_build=True):
    """The messages of a context, as they are saved."""

    messages: list[LLMMessage] = Field(default_factory=list)


class ChatCompletionContext(Component, ABC):
    """Keeps every message; subclasses say in `get_messages` which of `self._messages` a model is shown.

    Written as a component it has the messages it began with, not those added since; `save_state` has all.

    Args:
        initial_messages: What it begins with.

    Raises:
        ValueError: If one of them is no message of a model's.
    """

    component_type: ClassVar[str] = "chat_completion_context"

    def __init__(self, initial_messages: list[LLMMessage] | None = None) -> None:
        if isinstance(initial_messages, str):
            raise UserError(f"initial_messages is {initial_messages!r:.80}; it must be a list of messages.")
        self._messages: list[LLMMessage] = [a_message(message) for message in initial_messages or ()]
        self._initial_messages = initial_messages

    async def add_message(self, message: LLMMessage) -> None:
        """Add a message at the end.

        Raises:
            ValueError: If it is no message of a model's.
        """
        self._messages.append(a_message(message))

    @abstractmethod
    async def get_messages(self) -> list[LLMMessage]:
        """Return what the model is shown; the list is the caller's.

        A tool call is shown together with its results or not at all: servers refuse one without the other.
        """

    async def replace_message(self, old: LLMMessage, new: LLMMessage | None) -> bool:
        """Put `new` in the place of `old`, or take `old` away if `new` is None.

        Returns:
            Whether `old`, or a message equal to it, was there; if not, nothing changes.

        Raises:
            ValueError: If `new` is no message of a model's.
        """
        places = [place for place, message in enumerate(self._messages) if message is old]
        places = places or [place for place, message in enumerate(self._messages) if message == old]
        if not places:
            return False
        self._messages[places[0] : places[0] + 1] = [] if new is None else [a_message(new)]
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


def a_message(message: Any) -> LLMMessage:
    """Return a message as it is.

    Raises:
        ValueError: If it is none that models read.
    """
    if isinstance(message, _MESSAGES):
        return message
    if isinstance(message, BaseChatMessage):
        way_out = "add `message.to_model_message()`"
    else:
        said = message if isinstance(message, str) else "..."
        way_out = f"write UserMessage(content={said!r:.80}, source='user')"
    raise UserError(f"A model context holds messages such as UserMessage, not {message!r:.80}; {way_out}.")


def at_least_one(name: str, value: int) -> int:
    """Return a size as it is.

    Raises:
        ValueError: If it is no whole number, or not positive.
    """
    if not isinstance(value, Integral) or value <= 0:
        raise UserError(f"{name} is {value!r}; it must be a whole number of at least 1.")
    return value
