"""The context that shows everything."""

from __future__ import annotations

from agentnb.messages import LLMMessage
from agentnb.messages.llm import edits
from agentnb.model_context.base import ChatCompletionContext
from agentnb.model_context.units import orphans


class UnboundedChatCompletionContext(ChatCompletionContext):
    """Everything but tool calls without results, such as those of a turn that was stopped."""

    # How many leading messages stand for themselves, the last of them, and the count of edits when that was found:
    # a long conversation is not looked through anew for each request.
    _settled: tuple[int, LLMMessage | None, int] = (0, None, -1)

    async def get_messages(self) -> list[LLMMessage]:
        messages = self._messages
        settled, last, seen = self._settled
        if seen != edits.count or settled > len(messages) or (settled and messages[settled - 1] is not last):
            settled = 0
        hidden = orphans(messages, settled)
        if hidden:
            return [message for place, message in enumerate(messages) if place not in hidden]
        self._settled = (len(messages), messages[-1] if messages else None, edits.count)
        return list(messages)
