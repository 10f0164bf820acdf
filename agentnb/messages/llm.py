"""What models read and write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, Field, TypeAdapter

from agentnb.core import Text
from agentnb.messages.content import FunctionCall, Image, RequestUsage


class Edits:
    """Counts changes of messages in place: whoever remembers what a message gave looks whether there were any."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


edits = Edits()


class Prefix:
    """How many leading messages of a growing conversation are known to be as they should; the rest is to be looked at.

    It is forgotten where a message was changed in place, taken out, or put in between.
    """

    __slots__ = ("_count", "_edits", "_last")

    def __init__(self) -> None:
        self._count, self._last, self._edits = 0, cast("LLMMessage | None", None), -1

    def new(self, messages: Sequence[LLMMessage]) -> Sequence[LLMMessage]:
        """Return those that are yet to be looked at; they are not returned again, unless `forget` is called."""
        known, self._count = self._count, len(messages)
        if self._edits != edits.count or known > self._count or (known and messages[known - 1] is not self._last):
            known, self._edits = 0, edits.count
        new = messages[known:]
        if new:
            self._last = new[-1]
        return new

    def forget(self) -> None:
        """Take note that all are to be looked at again."""
        self._count = 0


class _Written(BaseModel, defer_build=True):
    def __setattr__(self, name: str, value: Any) -> None:
        self._part_from_states()
        super().__setattr__(name, value)
        edits.count += 1

    def __delattr__(self, name: str) -> None:
        self._part_from_states()
        super().__delattr__(name)
        edits.count += 1

    def _part_from_states(self) -> None:
        # `write_messages` gives these values to states, which stay as they were saved.
        object.__setattr__(self, "__dict__", self.__dict__.copy())


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


def read_message(data: Any) -> LLMMessage:
    """Make a message from its data; one that is there already stays as it is.

    Raises:
        ValidationError: If it cannot be read.
    """
    return _messages().validate_python(data)


@cache
def _messages() -> TypeAdapter[LLMMessage]:
    return TypeAdapter(LLMMessage)


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
