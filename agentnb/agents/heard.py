"""What an agent has been told, put into its model context once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from agentnb.base import ChatAgent
from agentnb.messages import BaseChatMessage, HandoffMessage, LLMMessage, TextMessage
from agentnb.model_context import ChatCompletionContext


class Heard:
    """Puts messages into a context, each one once.

    A team gives the messages of a turn that failed or was stopped again; what the context took in then stays there,
    and is not taken in twice.

    Args:
        context: Where they go.
    """

    def __init__(self, context: ChatCompletionContext) -> None:
        self._context = context
        self._is_plain = _is_plain(type(context))
        self._adds_plainly = context._adds_plainly()
        self._unanswered: dict[str, LLMMessage | None] = {}

    @property
    def unanswered(self) -> list[LLMMessage]:
        """The entries of the context that belong to a turn that has not ended with an answer."""
        return [message for message in self._unanswered.values() if message is not None]

    async def take(self, messages: Sequence[BaseChatMessage]) -> None:
        """Take in what is new; a handoff brings its context along."""
        for message in messages:
            key = message.id
            if key in self._unanswered:
                continue
            if type(message) is not TextMessage and _brings_context(type(message)):
                for before in message.context:  # type: ignore[attr-defined]
                    await self._context.add_message(before)
            entry = self._unanswered[key] = message.to_model_message()
            if self._adds_plainly:
                self._context._append(entry)
            else:
                await self._context.add_message(entry)

    @property
    def kept(self) -> Sequence[LLMMessage] | None:
        """The context's messages, where they are all that its state holds."""
        return self._context._messages if self._is_plain else None

    async def remember(self, messages: list[LLMMessage]) -> None:
        """Take messages in place of those of the context; every turn was answered."""
        await self._context.clear()
        self._context._messages.extend(messages)
        self.clear()

    def clear(self) -> None:
        """Take note that the turn has ended with an answer, or that the context was emptied."""
        self._unanswered.clear()

    def save_state(self) -> dict[str, Any]:
        """Return what a saved state needs besides the context; nothing where every turn was answered."""
        return {"unanswered": list(self._unanswered)} if self._unanswered else {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        self._unanswered = dict.fromkeys(state.get("unanswered", ()))


@lru_cache(maxsize=256)
def _brings_context(cls: type[BaseChatMessage]) -> bool:
    return issubclass(cls, HandoffMessage)


@lru_cache(maxsize=256)
def _is_plain(cls: type[ChatCompletionContext]) -> bool:
    plain = ChatCompletionContext
    return cls.save_state is plain.save_state and cls.load_state is plain.load_state


@lru_cache(maxsize=256)
def _is_ours(cls: type[Listener]) -> bool:
    # A subclass of the user's that saves more remembers more.
    return cls.save_state.__module__.startswith("agentnb.")


class Listener(ChatAgent):
    """An agent whose model context, filled by `Heard`, is all it remembers."""

    _heard: Heard

    def _keeps(self) -> Sequence[LLMMessage] | None:
        return self._heard.kept if _is_ours(type(self)) else None

    async def _remember(self, messages: list[LLMMessage]) -> None:
        await self._heard.remember(messages)
