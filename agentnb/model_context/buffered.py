"""The context that shows the end of a conversation."""

from __future__ import annotations

from agentnb.core.arguments import at_least_one
from agentnb.messages import LLMMessage
from agentnb.model_context.base import ChatCompletionContext
from agentnb.model_context.units import are_plain, whole


class BufferedChatCompletionContext(ChatCompletionContext):
    """The last `buffer_size` messages; fewer where the beginning would be tool results whose call is cut off.

    ```python
    context = BufferedChatCompletionContext(buffer_size=20)
    ```

    Raises:
        ValueError: If `buffer_size` is not positive.
    """

    def __init__(self, buffer_size: int, initial_messages: list[LLMMessage] | None = None) -> None:
        super().__init__(initial_messages)
        self._buffer_size = at_least_one("buffer_size", buffer_size)

    async def get_messages(self) -> list[LLMMessage]:
        messages = self._kept.last(self._buffer_size)
        self._shows_no_picture = are_plain(messages)
        return messages if self._shows_no_picture else whole(messages)
