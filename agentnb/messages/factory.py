"""From a type tag to the class of a message."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_serializer

from agentnb.exceptions import UserError
from agentnb.messages import chat
from agentnb.messages.chat import BaseAgentEvent, BaseChatMessage, BaseMessage
from agentnb.messages.llm import UserMessage
from agentnb.messages.saved import Loaded, as_given, copied, problem_of
from agentnb.messages.texts import load_said

_BUILT_IN: tuple[type[BaseAgentEvent | BaseChatMessage], ...] = (
    chat.TextMessage,
    chat.MultiModalMessage,
    chat.StopMessage,
    chat.ToolCallSummaryMessage,
    chat.HandoffMessage,
    chat.ToolCallRequestEvent,
    chat.ToolCallExecutionEvent,
    chat.MemoryQueryEvent,
    chat.UserInputRequestedEvent,
    chat.ModelClientStreamingChunkEvent,
    chat.ThoughtEvent,
    chat.SelectSpeakerEvent,
    chat.CodeGenerationEvent,
    chat.CodeExecutionEvent,
)

ChatMessage = Annotated[
    chat.TextMessage | chat.MultiModalMessage | chat.StopMessage | chat.ToolCallSummaryMessage | chat.HandoffMessage,
    Field(discriminator="type"),
]

AgentEvent = Annotated[
    chat.ToolCallRequestEvent
    | chat.ToolCallExecutionEvent
    | chat.MemoryQueryEvent
    | chat.UserInputRequestedEvent
    | chat.ModelClientStreamingChunkEvent
    | chat.ThoughtEvent
    | chat.SelectSpeakerEvent
    | chat.CodeGenerationEvent
    | chat.CodeExecutionEvent,
    Field(discriminator="type"),
]


class MessageFactory:
    """Makes messages from their data by the `type` they carry."""

    def __init__(self) -> None:
        self._classes: dict[str, type[BaseAgentEvent | BaseChatMessage]] = {cls.__name__: cls for cls in _BUILT_IN}

    def knows(self, name: Any) -> bool:
        """Tell whether a message can be made whose `type` is a name."""
        return name in self._classes

    def is_registered(self, message_type: type[BaseAgentEvent | BaseChatMessage]) -> bool:
        """Tell whether a class is known."""
        return self._classes.get(message_type.__name__) is message_type

    def register(self, message_type: type[BaseAgentEvent | BaseChatMessage]) -> None:
        """Make a class known; warn if its messages cannot be read again from what is saved of them.

        Raises:
            ValueError: If it is no message class, or its name is taken.
        """
        if not (isinstance(message_type, type) and issubclass(message_type, BaseAgentEvent | BaseChatMessage)):
            raise ValueError(f"{message_type!r} is no message class; derive it from BaseChatMessage or BaseAgentEvent.")
        if message_type.__name__ in self._classes:
            raise ValueError(f"The message type {message_type.__name__!r} is registered already.")
        _warn_of_type(message_type)
        self._classes[message_type.__name__] = message_type

    def types(self) -> list[type[BaseAgentEvent | BaseChatMessage]]:
        """Return the classes that were registered, without those known from the start."""
        return [cls for cls in self._classes.values() if cls not in _BUILT_IN]

    def create(self, data: Mapping[str, Any]) -> BaseAgentEvent | BaseChatMessage:
        """Make a message.

        Raises:
            ValueError: If `data` names no type or an unknown one; the message lists the known types.
        """
        name = data.get("type")
        if name is None:
            raise UserError("The message's data has no 'type'.")
        cls = self._classes.get(name) if isinstance(name, str) else None
        if cls is None:
            raise UserError(
                f"Unknown message type {name!r} (known: {', '.join(sorted(self._classes))}). "
                "Pass your own classes as custom_message_types=[…]."
            )
        return cls.load(data)

    def look_through(self, saved: Any, which: str) -> Loaded[BaseAgentEvent | BaseChatMessage]:
        """Take in saved messages, for a conversation to go on with; they may be changed afterwards.

        Args:
            saved: The data of messages.
            which: Which these are, for errors.

        Raises:
            ValueError: If it is no list, or one of them cannot be read.
        """
        if isinstance(saved, str) or not isinstance(saved, Sequence):
            raise UserError(f"The messages {which} are {saved!r:.60}; they must be a list.")
        return load_said(as_given(saved), lambda data, number: self._read(copied(data), f"Message {number} {which}"))

    def _read(self, data: Any, which: str) -> BaseAgentEvent | BaseChatMessage:
        if not isinstance(data, Mapping):
            raise UserError(f"{which} is {data!r:.60}; it must be a message's data.")
        try:
            return self.create(data)
        except ValidationError as error:
            raise UserError(f"{which}, a {data.get('type')}, cannot be read: {problem_of(error)}") from error
        except UserError as error:
            raise UserError(f"{which} cannot be read: {error}") from error


def _warn_of_type(cls: type[BaseAgentEvent | BaseChatMessage]) -> None:
    # Not refused: it can be said all the same, and AutoGen takes it, too.
    name = cls.__name__
    own = cls.__pydantic_decorators__
    if "type" in own.computed_fields or own.model_serializers or cls.dump is not BaseMessage.dump:
        return  # it says itself what is written
    field = cls.model_fields.get("type")
    if field is None:
        what = "no field 'type', so what is saved of it cannot be loaded"
    elif isinstance(field.default, str) and field.default != name:
        what = f"the type {field.default!r}, so what is saved of it is not loaded as a {name}"
    else:
        return
    warnings.warn(
        f'The message class {name} has {what}. Give it the field type: Literal["{name}"] = "{name}".',
        UserWarning,
        stacklevel=3,
    )


class UnknownMessage(BaseChatMessage):
    """A message of a class that is not known where it is read; its data is kept as it was."""

    data: dict[str, Any]

    def to_text(self) -> str:
        content = self.data.get("content", self.data)
        return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, default=str)

    def to_model_text(self) -> str:
        return self.to_text()

    def to_model_message(self) -> UserMessage:
        return UserMessage(content=self.to_text(), source=self.source)

    def dump(self) -> Mapping[str, Any]:
        return self.data

    @model_serializer
    def _as_it_was(self) -> dict[str, Any]:
        return self.data


_readers = MessageFactory()
_readers.register(chat.SelectorEvent)


def read_message(data: Any) -> BaseMessage:
    """Make a message from a log's data; one of an unknown class becomes an `UnknownMessage`."""
    if isinstance(data, BaseMessage):
        return data
    if not isinstance(data, dict):
        raise ValueError(f"a message is an object, not {data!r:.80}")
    if str(data.get("type", "")) not in _readers._classes:
        return _unknown(dict(data))
    return _readers.create(data)


def _unknown(data: dict[str, Any]) -> UnknownMessage:
    common = {key: data[key] for key in ("id", "source", "models_usage", "metadata", "created_at") if key in data}
    try:
        return UnknownMessage.model_validate({**common, "data": data})
    except ValidationError:
        return UnknownMessage(source=str(data.get("source", "?")), data=data)
