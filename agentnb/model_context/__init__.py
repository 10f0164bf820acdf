"""What a model gets to see of a conversation."""

from __future__ import annotations

from agentnb.model_context.base import ChatCompletionContext, ChatCompletionContextState
from agentnb.model_context.buffered import BufferedChatCompletionContext
from agentnb.model_context.head_and_tail import HeadAndTailChatCompletionContext
from agentnb.model_context.token_limited import TokenLimitedChatCompletionContext
from agentnb.model_context.unbounded import UnboundedChatCompletionContext

__all__ = [
    "BufferedChatCompletionContext",
    "ChatCompletionContext",
    "ChatCompletionContextState",
    "HeadAndTailChatCompletionContext",
    "TokenLimitedChatCompletionContext",
    "UnboundedChatCompletionContext",
]
