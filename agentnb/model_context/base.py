"""What a model context is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, Field, ValidationError

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
from agentnb.messages.llm import edits, read_message
from agentnb.messages.saved import Kept, as_given, copied, problem_of
from agentnb.messages.texts import load_messages, write_messages, write_messages_ahead

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

    _shows_no_picture = False
    """Whether what `get_messages` gave last is known to hold none."""

    def __init__(self, initial_messages: list[LLMMessage] | None = None) -> None:
        if isinstance(initial_messages, str):
            raise UserError(f"initial_messages is {initial_messages!r:.80}; it must be a list of messages.")
        self._messages = [a_message(message) for message in initial_messages or ()]
        self._initial_messages = initial_messages

    @property
    def _messages(self) -> list[LLMMessage]:
        return self._kept.messages

    @_messages.setter
    def _messages(self, messages: list[LLMMessage]) -> None:
        self._kept = Kept(messages, write_messages, write_messages_ahead, edits)

    async def add_message(self, message: LLMMessage) -> None:
        """Add a message at the end.

        Raises:
            ValueError: If it is no message of a model's.
        """
        self._append(message)

    def _append(self, message: LLMMessage) -> None:
        # Not always by `isinstance`: of a pydantic model it is ten times as slow.
        self._kept.append(message if type(message) in _MESSAGES else a_message(message))

    @classmethod
    def _adds_plainly(cls) -> bool:
        """Tell whether `_append` is all that `add_message` does, so that it need not be awaited."""
        return cls.add_message is ChatCompletionContext.add_message

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
        edits.count += 1  # who remembers how the list began looks again
        return True

    async def clear(self) -> None:
        """Forget all messages, initial ones included."""
        self._kept.clear()

    async def save_state(self) -> Mapping[str, Any]:
        """Return all messages, JSON-ready; the state is the caller's own."""
        return {"messages": self._kept.saved()}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Take the messages of a saved state in place of the present ones.

        Raises:
            ValueError: If it is no context's; nothing is changed then.
        """
        saved = state.get("messages", ()) if isinstance(state, Mapping) else None
        if not isinstance(saved, Sequence) or isinstance(saved, str):
            raise UserError(f"The state {state!r:.80} has no list of 'messages'; is it a model context's?")
        # Long conversations are loaded to be cut: what is plain text is made a message when it is looked at.
        self._kept.load(load_messages(as_given(saved), _read))


def _read(data: Any, number: int) -> LLMMessage:
    try:
        return read_message(copied(data))
    except ValidationError as error:
        raise UserError(f"Message {number} of the model context cannot be read: {problem_of(error)}") from error


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


def require_context(context: Any, whose: str) -> None:
    """Refuse what is given as a model context and is none; None stands for the default.

    Args:
        context: What was given.
        whose: Whose `model_context` it is to be, for the error.

    Raises:
        TypeError: If it is something else.
    """
    if context is not None and not isinstance(context, ChatCompletionContext):
        raise TypeError(
            f"The model_context of {whose} is {context!r:.80}; give one such as "
            "BufferedChatCompletionContext(buffer_size=10), or None for all that was said."
        )
