"""What agents say to each other, and what one can watch them do.

Chat messages enter the other agents' context; events never do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, computed_field

from agentnb.core import Text, new_id, now, well_formed
from agentnb.messages.content import CodeBlock, CodeResult, FunctionCall, Image, MemoryContent, RequestUsage
from agentnb.messages.llm import Edits, FunctionExecutionResult, LLMMessage, UserMessage
from agentnb.messages.unchecked import unchecked

said_edits = Edits()
"""Counts changes of chat messages and events in place."""


class BaseMessage(BaseModel, ABC):
    """Anything an agent or a team yields."""

    # Twenty message classes are imported at once and a few are used: their validators are built when they are.
    model_config = ConfigDict(defer_build=True)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        said_edits.count += 1

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        said_edits.count += 1

    @abstractmethod
    def to_text(self) -> str:
        """Return the content as a person reads it in a console."""

    def dump(self) -> Mapping[str, Any]:
        """Return JSON-ready data."""
        return self.model_dump(mode="json")

    @classmethod
    def load(cls, data: Mapping[str, Any]) -> Self:
        """Make the message again from `dump()`'s data."""
        return cls.model_validate(data)


class _Said(BaseMessage, ABC):
    id: str = Field(default_factory=new_id)
    source: str
    """Who said it: an agent's name, or "user"."""
    models_usage: RequestUsage | None = None
    """Tokens spent to say it; None when no model was asked."""
    metadata: dict[str, str] = Field(default_factory=dict)
    created_at: datetime = Field(default_factory=now)
    """UTC."""


class BaseChatMessage(_Said, ABC):
    """What an agent says to the others."""

    @abstractmethod
    def to_model_text(self) -> str:
        """Return the content as text for a model."""

    @abstractmethod
    def to_model_message(self) -> UserMessage:
        """Return the message as a model reads it."""


class BaseTextChatMessage(BaseChatMessage, ABC):
    """A chat message that is plain text."""

    content: Text

    def to_text(self) -> str:
        return self.content

    def to_model_text(self) -> str:
        return self.content

    def to_model_message(self) -> UserMessage:
        fields = self.__dict__  # one look: each attribute of a pydantic object costs as much as a call
        content, source = fields.get("content"), fields.get("source")
        if type(content) is str and type(source) is str:  # a field may have been set to anything
            return unchecked(UserMessage, {"content": well_formed(content), "source": source, "type": "UserMessage"})
        return UserMessage(content=self.content, source=self.source)


class BaseAgentEvent(_Said, ABC):
    """Something to watch; never part of another agent's context."""


class TextMessage(BaseTextChatMessage):
    """Text."""

    type: Literal["TextMessage"] = "TextMessage"


class StopMessage(BaseTextChatMessage):
    """A wish to end the conversation."""

    type: Literal["StopMessage"] = "StopMessage"


class HandoffMessage(BaseTextChatMessage):
    """A wish that `target` speaks next; `context` is what it should know first."""

    target: str
    context: list[LLMMessage] = Field(default_factory=list)
    type: Literal["HandoffMessage"] = "HandoffMessage"


class ToolCallSummaryMessage(BaseTextChatMessage):
    """The results of tool calls as text."""

    tool_calls: list[FunctionCall]
    results: list[FunctionExecutionResult]
    type: Literal["ToolCallSummaryMessage"] = "ToolCallSummaryMessage"


class MultiModalMessage(BaseChatMessage):
    """Text and pictures."""

    content: list[Text | Image]
    type: Literal["MultiModalMessage"] = "MultiModalMessage"

    def to_text(self, iterm: bool = False) -> str:
        return "\n".join(part if isinstance(part, str) else _shown(part, iterm) for part in self.content)

    def to_model_text(self, image_placeholder: str | None = "[image]") -> str:
        text = ""
        for part in self.content:
            if isinstance(part, str):
                text += part
            else:
                text += f" {part.to_base64() if image_placeholder is None else image_placeholder}"
        return text

    def to_model_message(self) -> UserMessage:
        return UserMessage(content=self.content, source=self.source)


def _shown(image: Image, iterm: bool) -> str:
    # iTerm2's inline image protocol (OSC 1337).
    return f"\033]1337;File=inline=1:{image.to_base64()}\a\n" if iterm else "<image>"


StructuredContentType = TypeVar("StructuredContentType", bound=BaseModel, covariant=True)


class StructuredMessage(BaseChatMessage, Generic[StructuredContentType]):
    """A typed value; `format_string` shapes its text, as in `"{city}: {degrees} °C"`."""

    content: StructuredContentType
    format_string: str | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def type(self) -> str:
        return type(self).__name__

    def to_text(self) -> str:
        if self.format_string is None:
            return self.content.model_dump_json()
        return self.format_string.format(**self.content.model_dump())

    def to_model_text(self) -> str:
        return self.to_text()

    def to_model_message(self) -> UserMessage:
        return UserMessage(content=self.content.model_dump_json(), source=self.source)


class _ListEvent(BaseAgentEvent, ABC):
    def to_text(self) -> str:
        return str(self.content)  # type: ignore[attr-defined]


class _TextEvent(BaseAgentEvent, ABC):
    content: Text

    def to_text(self) -> str:
        return self.content


class ToolCallRequestEvent(_ListEvent):
    """A model asked for tool calls."""

    content: list[FunctionCall]
    type: Literal["ToolCallRequestEvent"] = "ToolCallRequestEvent"


class ToolCallExecutionEvent(_ListEvent):
    """Tool calls were carried out."""

    content: list[FunctionExecutionResult]
    type: Literal["ToolCallExecutionEvent"] = "ToolCallExecutionEvent"


class MemoryQueryEvent(_ListEvent):
    """A memory gave these contents to the agent."""

    content: list[MemoryContent]
    type: Literal["MemoryQueryEvent"] = "MemoryQueryEvent"


class UserInputRequestedEvent(BaseAgentEvent):
    """A person is being asked."""

    request_id: str
    content: Literal[""] = ""
    type: Literal["UserInputRequestedEvent"] = "UserInputRequestedEvent"

    def to_text(self) -> str:
        return self.content


class ModelClientStreamingChunkEvent(_TextEvent):
    """A piece of an answer still being written; never kept in a result or a log."""

    full_message_id: str | None = None
    """The id the whole message will have."""
    type: Literal["ModelClientStreamingChunkEvent"] = "ModelClientStreamingChunkEvent"


class ThoughtEvent(_TextEvent):
    """Reasoning a model showed beside its answer."""

    type: Literal["ThoughtEvent"] = "ThoughtEvent"


class SelectSpeakerEvent(_ListEvent):
    """Who speaks next."""

    content: list[str]
    type: Literal["SelectSpeakerEvent"] = "SelectSpeakerEvent"


class SelectorEvent(_TextEvent):
    """What the model that chooses speakers said."""

    type: Literal["SelectorEvent"] = "SelectorEvent"


class CodeGenerationEvent(_TextEvent):
    """A model wrote code."""

    retry_attempt: int
    code_blocks: list[CodeBlock]
    type: Literal["CodeGenerationEvent"] = "CodeGenerationEvent"


class CodeExecutionEvent(BaseAgentEvent):
    """Code was run."""

    retry_attempt: int
    result: CodeResult
    type: Literal["CodeExecutionEvent"] = "CodeExecutionEvent"

    def to_text(self) -> str:
        return self.result.output


def content_to_str(content: str | BaseModel | Sequence[Any]) -> str:
    """Return what was said as text: a model as JSON, the parts of a list a line each, pictures as `<image>`."""
    if isinstance(content, str):
        return content
    if isinstance(content, BaseModel):
        return content.model_dump_json()
    return "\n".join("<image>" if isinstance(part, Image) else str(part) for part in content)


def remove_images(messages: Sequence[LLMMessage]) -> list[LLMMessage]:
    """Return the messages with text in place of pictures; those without any are the same objects."""
    # The tag is compared, not the class: `isinstance` of a pydantic model is ten times as slow.
    return [
        message.model_copy(update={"content": content_to_str(message.content)})
        if message.type == "UserMessage" and not isinstance(message.content, str)
        else message
        for message in messages
    ]
