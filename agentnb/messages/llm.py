"""What models read and write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from types import NoneType
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, Field, TypeAdapter

from agentnb.core import Text, well_formed
from agentnb.messages.content import FunctionCall, Image, RequestUsage
from agentnb.messages.unchecked import unchecked


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


def write_messages(messages: Iterable[LLMMessage]) -> list[dict[str, Any]]:
    """Return the messages JSON-ready; the data must not be changed.

    A message that is nothing but text gives its own values: where it is set to others, it gets a dict of its own first.
    """
    return [
        values
        if type(message) in _PLAIN and type((values := message.__dict__)["content"]) is str
        else message.model_dump(mode="json")
        for message in messages
    ]


_PLAIN = (UserMessage, AssistantMessage)


def read_messages(data: list[dict[str, Any] | LLMMessage]) -> list[LLMMessage]:
    """Make messages from their data, all at once; those that are there already stay as they are.

    Raises:
        ValidationError: If one cannot be read.
    """

    def read(one: Any, _: int) -> LLMMessage:
        return _messages().validate_python(one)

    return [made_of_text(one) if isinstance(one, dict) else one for one in text_entries(data, read)]


def text_entries(data: Iterable[Any], other: Callable[[Any, int], LLMMessage]) -> list[dict[str, Any] | LLMMessage]:
    """Look the data of messages through, of which most are nothing but text.

    Args:
        data: The data.
        other: Reads what is anything else, or written otherwise, given that and its place, from 1.

    Returns:
        Copies of the data that is nothing but text, for `made_of_text`, and messages.
    """
    entries: list[dict[str, Any] | LLMMessage] = []
    for number, one in enumerate(data, 1):
        try:
            size, kind = len(one), one["type"]
            if (
                type(one) is dict
                and (
                    (size == 3 and kind == "UserMessage")
                    or (size == 4 and kind == "AssistantMessage" and type(one["thought"]) in _THOUGHTS)
                )
                and type(one["content"]) is type(one["source"]) is str
            ):
                entries.append(one.copy())
                continue
        except (LookupError, TypeError):
            pass  # who reads it finds out what is wrong with it
        entries.append(other(one, number))
    return entries


_THOUGHTS = (NoneType, str)


def made_of_text(data: dict[str, Any]) -> LLMMessage:
    """Make a message of data that is nothing but text, as `text_entries` found it."""
    content, source = data["content"], data["source"]
    if not content.isascii():
        content = well_formed(content)
    if len(data) == 3:
        return unchecked(UserMessage, {"content": content, "source": source, "type": "UserMessage"})
    thought = data["thought"] and well_formed(data["thought"])
    values = {"content": content, "thought": thought, "source": source, "type": "AssistantMessage"}
    return unchecked(AssistantMessage, values)


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
