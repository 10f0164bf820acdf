"""The one message by which a memory is present in a context."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from agentnb.messages import SystemMessage
from agentnb.model_context import ChatCompletionContext


class MemoryBlock:
    """A system message that a memory keeps up to date in each context it is asked to update.

    Adding it anew on every turn, as AutoGen's memories do, fills the context with copies.
    """

    def __init__(self) -> None:
        self._shown: WeakKeyDictionary[ChatCompletionContext, SystemMessage] = WeakKeyDictionary()

    def __getstate__(self) -> dict[str, Any]:
        return {}  # contexts stay where they are when a memory is copied or sent elsewhere

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._shown = WeakKeyDictionary()

    async def show(self, model_context: ChatCompletionContext, text: str | None) -> None:
        """See to it that the context shows `text`, once, and no text shown for this memory before.

        An earlier message is changed where it stands; if the context no longer shows its place, it moves to the end.

        Args:
            model_context: The context to change.
            text: What the model is to read; None for nothing.
        """
        before = self._shown.pop(model_context, None)
        if text is None:
            if before is not None:
                await model_context.replace_message(before, None)
            return
        block = SystemMessage(content=text)
        # A context filled from a saved state has the message, but not this very object.
        known = before or block
        in_sight = known in [m for m in await model_context.get_messages() if m.type == "SystemMessage"]
        if in_sight and known == block:
            self._shown[model_context] = known
        elif await model_context.replace_message(known, block if in_sight else None) and in_sight:
            self._shown[model_context] = block
        else:
            await model_context.add_message(block)
            self._shown[model_context] = block
