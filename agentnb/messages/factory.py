"""From a type tag to the class of a message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_serializer

from agentnb.messages import chat
from agentnb.messages.chat import BaseAgentEvent, BaseChatMessage, BaseMessage
from agentnb.messages.llm import UserMessage

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

    def is_registered(self, message_type: type[BaseAgentEvent | BaseChatMessage]) -> bool:
        """Tell whether a class is known."""
        return self._classes.get(message_type.__name__) is message_type

    def register(self, message_type: type[BaseAgentEvent | BaseChatMessage]) -> None:
        """Make a class known.

        Raises:
            ValueError: If it is no message class, or its name is taken.
        """
        if not (isinstance(message_type, type) and issubclass(message_type, BaseAgentEvent | BaseChatMessage)):
            raise ValueError(f"{message_type!r} is no message class; derive it from BaseChatMessage or BaseAgentEvent.")
        if message_type.__name__ in self._classes:
            raise ValueError(f"The message type {message_type.__name__!r} is registered already.")
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
            raise ValueError("The message's data has no 'type'.")
        cls = self._classes.get(name) if isinstance(name, str) else None
        if cls is None:
            raise ValueError(
                f"Unknown message type {name!r} (known: {', '.join(sorted(self._classes))}). "
                "Pass your own classes as custom_message_types=[…]."
            )
        return cls.load(data)


class UnknownMessage(BaseChatMessage):
    """A message of a class that is not known where it is read; its data is kept as it was."""

    data: dict[str, Any]

    def to_text(self) -> str:
        return str(self.data.get("content", self.data))

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
    if str(data.get("type", "")) not in _readers._classes:
        return _unknown(dict(data))
    return _readers.create(data)


def _unknown(data: dict[str, Any]) -> UnknownMessage:
    common = {key: data[key] for key in ("id", "source", "models_usage", "metadata", "created_at") if key in data}
    try:
        return UnknownMessage.model_validate({**common, "data": data})
    except ValidationError:
        return UnknownMessage(source=str(data.get("source", "?")), data=data)
