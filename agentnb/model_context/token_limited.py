"""The context that shows what fits into a number of tokens."""

from __future__ import annotations

from collections.abc import Sequence

from agentnb.core.arguments import at_least_one
from agentnb.messages import LLMMessage
from agentnb.model_context.base import ChatCompletionContext
from agentnb.model_context.units import units, whole
from agentnb.models.base import ChatCompletionClient, ToolSchema, require_client


class TokenLimitedChatCompletionContext(ChatCompletionContext):
    """As much as fits into `token_limit`; what is in the middle is left out first.

    ```python
    context = TokenLimitedChatCompletionContext(client, token_limit=4_000)
    ```

    A tool call and its results go together. Of the last two that are left the newer one stays, and system messages
    stay until nothing else is left. If not even those fit, nothing is shown.

    The model is asked to count ⌈log₂ n⌉ + 1 times where n messages do not fit, once where they do.

    Args:
        model_client: Counts the tokens, with `count_tokens`, or `remaining_tokens` where there is no limit.
        token_limit: Tokens of all that is shown; None for what the model has left of its window.
        tool_schema: Tools to count with the messages.
        initial_messages: What it begins with.

    Raises:
        ValueError: If `token_limit` is not positive.
    """

    def __init__(
        self,
        model_client: ChatCompletionClient,
        *,
        token_limit: int | None = None,
        tool_schema: list[ToolSchema] | None = None,
        initial_messages: list[LLMMessage] | None = None,
    ) -> None:
        super().__init__(initial_messages)
        require_client(model_client, type(self).__name__)
        self._model_client = model_client
        self._token_limit = None if token_limit is None else at_least_one("token_limit", token_limit)
        self._tool_schema = tool_schema or []

    async def get_messages(self) -> list[LLMMessage]:
        messages = whole(self._messages)
        if self._fits(messages):
            return messages
        removals = _removals(messages)

        def without(count: int) -> list[LLMMessage]:
            gone = {place for places in removals[:count] for place in places}
            return [message for place, message in enumerate(messages) if place not in gone]

        # The first `low` removals are too few and the first `high` are enough, if only because nothing is left.
        low, high = 0, len(removals)
        while high - low > 1:
            middle = (low + high) // 2
            if self._fits(without(middle)):
                high = middle
            else:
                low = middle
        return without(high)

    def _fits(self, messages: Sequence[LLMMessage]) -> bool:
        if not messages:
            return True
        if self._token_limit is None:
            return self._model_client.remaining_tokens(messages, tools=self._tool_schema) >= 0
        return self._model_client.count_tokens(messages, tools=self._tool_schema) <= self._token_limit


def _removals(messages: Sequence[LLMMessage]) -> list[list[int]]:
    """Return what stands or falls together in the order in which it is left out."""
    system: list[list[int]] = []
    others: list[list[int]] = []
    for places in units(messages):
        (system if messages[places[0]].type == "SystemMessage" else others).append(places)
    return [*_from_the_middle(others), *_from_the_middle(system)]


def _from_the_middle(places: list[list[int]]) -> list[list[int]]:
    """Return the items in the order in which item `len // 2` of what is left goes; of two left, the older one.

    With n items left these are, from the middle outwards, one of the later half, one of the earlier, and so on.
    """
    before, after = places[: len(places) // 2], places[len(places) // 2 :]
    after.reverse()
    order = []
    while len(before) + len(after) > 2:
        order.append(after.pop() if len(after) >= len(before) else before.pop())
    return [*order, *before, *after]
