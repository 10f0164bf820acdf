"""Short ways to write scripts and to read what an agent yields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from agentnb.base import ChatAgent, Response
from agentnb.core import CancellationToken
from agentnb.messages import (
    BaseChatMessage,
    CreateResult,
    FunctionCall,
    LLMMessage,
    RequestUsage,
    TextMessage,
)
from agentnb.models.base import ModelInfo, ToolChoice
from agentnb.models.replay import able_to_everything
from agentnb.models.scripted import ScriptedChatCompletionClient


def call(name: str, arguments: str = "{}", id: str = "c1") -> FunctionCall:
    """Return a model's wish to call a tool."""
    return FunctionCall(id=id, arguments=arguments, name=name)


def answer(content: str | list[FunctionCall], thought: str | None = None) -> CreateResult:
    """Return a model's answer that cost 3 and 4 tokens."""
    return CreateResult(
        finish_reason="stop" if isinstance(content, str) else "function_calls",
        content=content,
        usage=RequestUsage(3, 4),
        cached=False,
        thought=thought,
    )


def unable(**able: Any) -> ModelInfo:
    """Return the description of a model that can do what is said and nothing else."""
    nothing = {"vision": False, "function_calling": False, "json_output": False, "structured_output": False}
    return cast(ModelInfo, {**able_to_everything(), **nothing, **able})


class Watched(ScriptedChatCompletionClient):
    """Keeps what each request wanted beside its messages."""

    def __init__(self, script: Sequence[Any], **options: Any) -> None:
        super().__init__(script, **options)
        self.choices: list[ToolChoice] = []
        self.options: list[dict[str, Any]] = []
        self.closed = False

    async def create(self, messages: Sequence[LLMMessage], **options: Any) -> CreateResult:
        self.choices.append(options.get("tool_choice", "auto"))
        self.options.append(options)
        return await super().create(messages, **options)

    async def close(self) -> None:
        self.closed = True


async def turn(agent: ChatAgent, *messages: BaseChatMessage | str, token: CancellationToken | None = None) -> list[Any]:
    """Give an agent messages and return what it yields."""
    new = [TextMessage(content=m, source="user") if isinstance(m, str) else m for m in messages]
    return [item async for item in agent.on_messages_stream(new, token or CancellationToken())]


def names(items: Sequence[Any]) -> list[str]:
    """Return the classes of what was yielded; a response with the class of its message."""
    return [
        f"Response({type(item.chat_message).__name__})" if isinstance(item, Response) else type(item).__name__
        for item in items
    ]
