"""The context that shows how a conversation began and where it is."""

from __future__ import annotations

from agentnb.core.arguments import at_least_one
from agentnb.messages import LLMMessage, UserMessage
from agentnb.model_context.base import ChatCompletionContext
from agentnb.model_context.units import whole


class HeadAndTailChatCompletionContext(ChatCompletionContext):
    """The first `head_size` and the last `tail_size` messages, and between them how many are not shown.

    ```python
    context = HeadAndTailChatCompletionContext(head_size=2, tail_size=10)
    ```

    Tool calls that a cut parts from their results are not shown, and counted with the others.

    Raises:
        ValueError: If one of the sizes is not positive.
    """

    def __init__(self, head_size: int, tail_size: int, initial_messages: list[LLMMessage] | None = None) -> None:
        super().__init__(initial_messages)
        self._head_size = at_least_one("head_size", head_size)
        self._tail_size = at_least_one("tail_size", tail_size)

    async def get_messages(self) -> list[LLMMessage]:
        messages = self._messages
        if len(messages) <= self._head_size + self._tail_size:
            return whole(messages)
        head, tail = whole(messages[: self._head_size]), whole(messages[-self._tail_size :])
        skipped = len(messages) - len(head) - len(tail)
        left_out = UserMessage(
            content=f"Skipped {skipped} {'message' if skipped == 1 else 'messages'}.", source="System"
        )
        return [*head, left_out, *tail]
