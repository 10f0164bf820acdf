"""Conversations with tool calls, what is whole in them, and a model that counts words."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, NamedTuple, TypeVar

from hypothesis import strategies as st

from agentnb.messages import (
    AssistantMessage,
    FunctionCall,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)
from agentnb.model_context import ChatCompletionContext
from agentnb.models import ScriptedChatCompletionClient

T = TypeVar("T")
WINDOW = 30
"""Tokens of the model that counts words."""


class Part(NamedTuple):
    """A message and the number of what it stands or falls with; None if it can never be shown."""

    unit: int | None
    message: LLMMessage


def user(content: str) -> LLMMessage:
    return UserMessage(content=content, source="u")


def calls(*ids: str) -> LLMMessage:
    return AssistantMessage(content=[FunctionCall(id=i, arguments="{}", name="f") for i in ids], source="a")


def results(*ids: str) -> LLMMessage:
    return FunctionExecutionResultMessage(
        content=[FunctionExecutionResult(content=f"of {i}", name="f", call_id=i) for i in ids]
    )


def orphans(messages: Sequence[LLMMessage]) -> list[str]:
    """Return the ids of calls without a result and of results without their call."""
    waiting: list[str] = []
    alone: list[str] = []
    for message in messages:
        if isinstance(message, AssistantMessage) and isinstance(message.content, list):
            waiting += [call.id for call in message.content]
        elif isinstance(message, FunctionExecutionResultMessage):
            for result in message.content:
                if result.call_id in waiting:
                    waiting.remove(result.call_id)
                else:
                    alone.append(result.call_id)
    return waiting + alone


@st.composite
def conversations(draw: st.DrawFn) -> list[Part]:
    """Draw texts, calls whose results come at once, split, or behind a remark, and some that lack a part."""
    parts: list[Part] = []
    for unit in range(draw(st.integers(0, 12))):
        words = draw(st.integers(1, 4)) * "word "
        kind = draw(st.sampled_from(["system", "user", "answer", "tools", "tools", "dangling", "stray"]))
        # Some servers count their calls anew in each answer, others leave the ids out.
        ids = draw(st.sampled_from([["0"], ["0", "1"], ["", ""], [f"{unit}a", f"{unit}b", f"{unit}c"]]))
        match kind:
            case "system":
                parts.append(Part(unit, SystemMessage(content=words)))
            case "user":
                parts.append(Part(unit, user(words)))
            case "answer":
                parts.append(Part(unit, AssistantMessage(content=words, source="a")))
            case "tools":
                cut = draw(st.integers(0, len(ids)))
                parts.append(Part(unit, calls(*ids)))
                if draw(st.booleans()):
                    parts.append(Part(1000 + unit, user("hurry")))
                parts += [Part(unit, results(*group)) for group in (ids[:cut], ids[cut:]) if group]
            case "dangling":
                parts.append(Part(None, calls(f"{unit}x", f"{unit}y")))
                if draw(st.booleans()):
                    parts.append(Part(None, results(f"{unit}y")))
            case "stray":
                parts.append(Part(None, results(f"{unit}z")))
    return parts


def expected(parts: Sequence[Part], *windows: Sequence[Part]) -> list[LLMMessage]:
    """Return what of the windows is to be shown: what lies in one of them with all that belongs to it."""

    def in_full(part: Part, window: Sequence[Part]) -> bool:
        return part.unit is not None and [p for p in parts if p.unit == part.unit] == [
            p for p in window if p.unit == part.unit
        ]

    return [part.message for window in windows for part in window if in_full(part, window)]


async def filled(context: ChatCompletionContext, messages: Sequence[LLMMessage]) -> ChatCompletionContext:
    for message in messages:
        await context.add_message(message)
    return context


def shown(context: ChatCompletionContext, messages: Sequence[LLMMessage | Part]) -> list[LLMMessage]:
    """Fill a context and return what it shows; reading it twice must give the same."""

    async def read() -> list[LLMMessage]:
        await filled(context, [m.message if isinstance(m, Part) else m for m in messages])
        first = await context.get_messages()
        assert await context.get_messages() == first
        return first

    return run(read())


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def words(message: LLMMessage) -> int:
    """Return what a message costs: its words, one for each call or result, and one for itself."""
    return 1 + (len(message.content.split()) if isinstance(message.content, str) else len(message.content))


class WordCounter(ScriptedChatCompletionClient):
    """Counts words, has a window of 30 of them, and says how often it was asked to count."""

    def __init__(self) -> None:
        super().__init__(["unused"])
        self.counted = 0
        self.tools: list[Any] = []

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Any] = ()) -> int:
        self.counted += 1
        self.tools = list(tools)
        return sum(map(words, messages)) + len(tools)

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Any] = ()) -> int:
        return WINDOW - self.count_tokens(messages, tools=tools)
