"""What models read and write."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from types import NoneType
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, Field, TypeAdapter

from agentnb.core import Text, well_formed
from agentnb.messages.content import FunctionCall, Image, RequestUsage
from agentnb.messages.unchecked import made


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

    def known(self, messages: Sequence[LLMMessage]) -> int:
        """Return how many of the messages need not be looked at."""
        count = self._count
        if self._edits != edits.count or count > len(messages) or (count and messages[count - 1] is not self._last):
            return 0
        return count

    def note(self, messages: Sequence[LLMMessage]) -> None:
        """Take note that all of them were looked at."""
        self._count, self._last, self._edits = len(messages), messages[-1] if messages else None, edits.count


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


def write_messages(messages: Iterable[LLMMessage]) -> list[dict[str, Any]]:
    """Return the messages JSON-ready; the data is the caller's own."""
    # A context saves thousands that are nothing but text.
    return [
        message.__dict__.copy()
        if type(message) in _PLAIN and type(message.content) is str
        else message.model_dump(mode="json")
        for message in messages
    ]


_PLAIN = (UserMessage, AssistantMessage)


def read_messages(data: list[dict[str, Any] | LLMMessage]) -> list[LLMMessage]:
    """Make messages from their data, all at once; those that are there already stay as they are.

    Raises:
        ValidationError: If one cannot be read.
    """
    texts = [_plain(one) for one in data]
    rest = [one for one, text in zip(data, texts, strict=True) if text is None]
    others = iter(_messages().validate_python(rest) if rest else ())
    return [next(others) if text is None else text for text in texts]


def _plain(data: Any) -> LLMMessage | None:
    """Make the message of data that is nothing but text, just as it is written; None of any other."""
    if type(data) is not dict:
        return None
    kind, content, source = data.get("type"), data.get("content"), data.get("source")
    if type(content) is not str or type(source) is not str or well_formed(source) is not source:
        return None
    if kind == "UserMessage" and len(data) == 3:
        return made(UserMessage, content=well_formed(content), source=source)
    thought = data.get("thought", 0)
    if kind == "AssistantMessage" and len(data) == 4 and type(thought) in (NoneType, str):
        thought = thought and well_formed(thought)
        return made(AssistantMessage, content=well_formed(content), thought=thought, source=source)
    return None


@cache
def _messages() -> TypeAdapter[list[LLMMessage]]:
    return TypeAdapter(list[LLMMessage])


def plain_copies(data: Sequence[Any]) -> list[dict[str, Any] | None]:
    """Return copies of the data of messages that are nothing but text, as they are written; None for others."""
    copies: list[dict[str, Any] | None] = []
    for one in data:
        copy = None
        if type(one) is dict:
            try:
                size, kind = len(one), one["type"]
                if (
                    (size == 3 and kind == "UserMessage")
                    or (size == 4 and kind == "AssistantMessage" and type(one["thought"]) in (NoneType, str))
                ) and type(one["content"]) is type(one["source"]) is str:
                    copy = one.copy()
            except KeyError:
                pass  # the caller finds out what is wrong with it
        copies.append(copy)
    return copies


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
