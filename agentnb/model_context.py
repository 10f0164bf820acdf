"""What a model gets to see of a conversation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, Field

from agentnb.core import Component
from agentnb.exceptions import UserError
from agentnb.messages import FunctionExecutionResultMessage, LLMMessage

__all__ = [
    "BufferedChatCompletionContext",
    "ChatCompletionContext",
    "ChatCompletionContextState",
    "UnboundedChatCompletionContext",
]


class ChatCompletionContextState(BaseModel, defer_build=True):
    """The messages of a context, as they are saved."""

    messages: list[LLMMessage] = Field(default_factory=list)


class ChatCompletionContext(Component, ABC):
    """Keeps every message; subclasses say which of them a model is shown."""

    component_type: ClassVar[str] = "chat_completion_context"

    def __init__(self, initial_messages: list[LLMMessage] | None = None) -> None:
        self._messages: list[LLMMessage] = list(initial_messages or [])

    async def add_message(self, message: LLMMessage) -> None:
        """Add a message at the end."""
        self._messages.append(message)

    @abstractmethod
    async def get_messages(self) -> list[LLMMessage]:
        """Return what the model is shown; the list is the caller's."""

    async def clear(self) -> None:
        """Forget all messages, initial ones included."""
        self._messages.clear()

    async def save_state(self) -> Mapping[str, Any]:
        """Return all messages, JSON-ready."""
        return ChatCompletionContextState(messages=self._messages).model_dump(mode="json")

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Take the messages of a saved state in place of the present ones."""
        self._messages = ChatCompletionContextState.model_validate(state).messages


class UnboundedChatCompletionContext(ChatCompletionContext):
    """Everything."""

    async def get_messages(self) -> list[LLMMessage]:
        return list(self._messages)


class BufferedChatCompletionContext(ChatCompletionContext):
    """The last `buffer_size` messages; a tool result whose call is cut off is left out.

    Raises:
        ValueError: If `buffer_size` is not positive.
    """

    def __init__(self, buffer_size: int, initial_messages: list[LLMMessage] | None = None) -> None:
        if buffer_size <= 0:
            raise UserError(f"buffer_size is {buffer_size}; it must be at least 1.")
        super().__init__(initial_messages)
        self._buffer_size = buffer_size

    async def get_messages(self) -> list[LLMMessage]:
        messages = self._messages[-self._buffer_size :]
        if messages and isinstance(messages[0], FunctionExecutionResultMessage):
            return messages[1:]
        return messages
