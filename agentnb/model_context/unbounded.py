"""The context that shows everything."""

from __future__ import annotations

from agentnb.messages import LLMMessage
from agentnb.messages.llm import Prefix
from agentnb.model_context.base import ChatCompletionContext
from agentnb.model_context.units import are_plain, orphans


class UnboundedChatCompletionContext(ChatCompletionContext):
    """Everything but tool calls without results, such as those of a turn that was stopped."""

    def __init__(self, initial_messages: list[LLMMessage] | None = None) -> None:
        super().__init__(initial_messages)
        self._whole = Prefix()  # a long conversation is not looked through anew for each request

    async def get_messages(self) -> list[LLMMessage]:
        messages = self._kept.messages
        new = self._whole.new(messages)
        if are_plain(new):
            self._shows_no_picture |= len(new) == len(messages)
            return messages.copy()
        self._shows_no_picture = False
        hidden = orphans(new, len(messages) - len(new))
        if not hidden:
            return messages.copy()
        self._whole.forget()
        return [message for place, message in enumerate(messages) if place not in hidden]
