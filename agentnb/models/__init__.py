"""Models that answer: what a client is, and those shipped here. Clients are imported when they are first named."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from agentnb.messages import (
    AssistantMessage,
    ChatCompletionTokenLogprob,
    CreateResult,
    FinishReasons,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    RequestUsage,
    SystemMessage,
    TopLogprob,
    UserMessage,
)
from agentnb.models.base import (
    ChatCompletionClient,
    ModelCapabilities,
    ModelFamily,
    ModelInfo,
    ToolSchema,
    validate_model_info,
)

if TYPE_CHECKING:
    from agentnb.models.local import LocalChatCompletionClient
    from agentnb.models.naming import ModelChoice, choose, model_from_text
    from agentnb.models.openai import OpenAIChatCompletionClient
    from agentnb.models.prices import Price, cost_usd, price_of, set_prices
    from agentnb.models.replay import ReplayChatCompletionClient
    from agentnb.models.scripted import ScriptedChatCompletionClient

__all__ = [
    "AssistantMessage",
    "ChatCompletionClient",
    "ChatCompletionTokenLogprob",
    "CreateResult",
    "FinishReasons",
    "FunctionExecutionResult",
    "FunctionExecutionResultMessage",
    "LLMMessage",
    "LocalChatCompletionClient",
    "ModelCapabilities",
    "ModelChoice",
    "ModelFamily",
    "ModelInfo",
    "OpenAIChatCompletionClient",
    "Price",
    "ReplayChatCompletionClient",
    "RequestUsage",
    "ScriptedChatCompletionClient",
    "SystemMessage",
    "ToolSchema",
    "TopLogprob",
    "UserMessage",
    "choose",
    "cost_usd",
    "model_from_text",
    "price_of",
    "set_prices",
    "validate_model_info",
]

_LAZY = {
    "LocalChatCompletionClient": "agentnb.models.local",
    "ModelChoice": "agentnb.models.naming",
    "OpenAIChatCompletionClient": "agentnb.models.openai",
    "Price": "agentnb.models.prices",
    "ReplayChatCompletionClient": "agentnb.models.replay",
    "ScriptedChatCompletionClient": "agentnb.models.scripted",
    "choose": "agentnb.models.naming",
    "cost_usd": "agentnb.models.prices",
    "model_from_text": "agentnb.models.naming",
    "price_of": "agentnb.models.prices",
    "set_prices": "agentnb.models.prices",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_LAZY[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
