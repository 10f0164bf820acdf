"""What models read and write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from agentnb.core import Text
from agentnb.messages.content import FunctionCall, Image, RequestUsage


class _Edits:
    """Counts changes of messages in place: whoever remembers what a message gave looks whether there were any."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


edits = _Edits()


class _Written(BaseModel, defer_build=True):
    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        edits.count += 1


class SystemMessage(_Written, defer_build=True):
    """Instructions to the model."""

    content: Text
    type: Literal["SystemMessage"] = "SystemMessage"


class UserMessage(_Written, defer_build=True):
    """What anybody but the model said; `source` is who."""

    content: Text | list[Text | Image]
    source: str
    type: Literal["UserMessage"] = "UserMessage"


class AssistantMessage(_Written, defer_build=True):
    """What the model said, or the calls it wants; `thought` is reasoning beside it."""

    content: Text | list[FunctionCall]
    thought: Text | None = None
    source: str
    type: Literal["AssistantMessage"] = "AssistantMessage"


class FunctionExecutionResult(_Written, defer_build=True):
    """What one tool call gave."""

    content: Text
    name: str
    call_id: str
    is_error: bool | None = None


class FunctionExecutionResultMessage(_Written, defer_build=True):
    """What the tool calls of one model answer gave, in the order of the calls."""

    content: list[FunctionExecutionResult]
    type: Literal["FunctionExecutionResultMessage"] = "FunctionExecutionResultMessage"


LLMMessage = Annotated[
    SystemMessage | UserMessage | AssistantMessage | FunctionExecutionResultMessage,
    Field(discriminator="type"),
]

FinishReasons = Literal["stop", "length", "function_calls", "content_filter", "unknown"]


@dataclass
class TopLogprob:
    """One likely token's log probability (natural logarithm)."""

    logprob: float
    bytes: list[int] | None = None


class ChatCompletionTokenLogprob(BaseModel, defer_build=True):
    """The log probability of one token of the answer."""

    token: str
    logprob: float
    top_logprobs: list[TopLogprob] | None = None
    bytes: list[int] | None = None


class CreateResult(BaseModel, defer_build=True):
    """One answer of a model."""

    finish_reason: FinishReasons
    content: Text | list[FunctionCall]
    usage: RequestUsage
    cached: bool
    logprobs: list[ChatCompletionTokenLogprob] | None = None
    thought: Text | None = None
