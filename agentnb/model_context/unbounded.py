"""The context that shows everything."""

from __future__ import annotations

from agentnb.messages import LLMMessage
from agentnb.model_context.base import ChatCompletionContext
from agentnb.model_context.units import whole


class UnboundedChatCompletionContext(ChatCompletionContext):
    """Everything but tool calls without results, such as those of a turn that was stopped."""

    async def get_messages(self) -> list[LLMMessage]:
        return whole(self._messages)
