"""Ways to end a conversation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from agentnb.base import (
    AndTerminationCondition,
    OrTerminationCondition,
    TerminatedException,
    TerminationCondition,
)
from agentnb.exceptions import UserError
from agentnb.messages import BaseAgentEvent, BaseChatMessage, StopMessage

__all__ = [
    "AndTerminationCondition",
    "ExternalTermination",
    "MaxMessageTermination",
    "OrTerminationCondition",
    "SourceMatchTermination",
    "StopMessageTermination",
    "TerminatedException",
    "TerminationCondition",
    "TextMentionTermination",
]

Said = Sequence[BaseAgentEvent | BaseChatMessage]


class _Simple(TerminationCondition, ABC):
    _fired = False

    @property
    def terminated(self) -> bool:
        return self._fired

    async def __call__(self, messages: Said) -> StopMessage | None:
        if self._fired:
            raise TerminatedException("The conversation is over; call reset() before it goes on.")
        reason = self._reason(messages)
        if reason is None:
            return None
        self._fired = True
        return StopMessage(content=reason, source=type(self).__name__)

    @abstractmethod
    def _reason(self, messages: Said) -> str | None:
        """Say why it is over, or None."""

    async def reset(self) -> None:
        self._fired = False


class MaxMessageTermination(_Simple):
    """Over after `max_messages` chat messages, the task's included; events count with `include_agent_event`.

    Raises:
        ValueError: If `max_messages` is not positive.
    """

    def __init__(self, max_messages: int, include_agent_event: bool = False) -> None:
        if max_messages < 1:
            raise UserError(f"max_messages is {max_messages}; it must be at least 1.")
        self._max_messages = max_messages
        self._counted = BaseAgentEvent | BaseChatMessage if include_agent_event else BaseChatMessage
        self._count = 0

    def _reason(self, messages: Said) -> str | None:
        self._count += sum(isinstance(message, self._counted) for message in messages)
        if self._count < self._max_messages:
            return None
        return f"the limit of {self._max_messages} messages was reached ({self._count})"

    async def reset(self) -> None:
        await super().reset()
        self._count = 0


class TextMentionTermination(_Simple):
    """Over when `text` appears, upper and lower case told apart, in a message or event of one of `sources`."""

    def __init__(self, text: str, sources: Sequence[str] | None = None) -> None:
        if not text:
            raise UserError("TextMentionTermination was given an empty text, which every message contains.")
        self._text = text
        self._sources = sources

    def _reason(self, messages: Said) -> str | None:
        for message in messages:
            if (self._sources is None or message.source in self._sources) and self._text in message.to_text():
                return f"{message.source} said {self._text!r}"
        return None


class StopMessageTermination(_Simple):
    """Over when somebody says a `StopMessage`."""

    def _reason(self, messages: Said) -> str | None:
        for message in messages:
            if isinstance(message, StopMessage):
                return f"{message.source} sent a stop message"
        return None


class SourceMatchTermination(_Simple):
    """Over when one of `sources` has spoken."""

    def __init__(self, sources: list[str]) -> None:
        self._sources = sources

    def _reason(self, messages: Said) -> str | None:
        for message in messages:
            if message.source in self._sources:
                return f"{message.source} has spoken"
        return None


class ExternalTermination(_Simple):
    """Over at the next turn's end after `set()` was called, from anywhere."""

    _wanted = False

    def set(self) -> None:
        """Ask for the end."""
        self._wanted = True

    def _reason(self, messages: Said) -> str | None:
        return "it was ended from outside" if self._wanted else None

    async def reset(self) -> None:
        await super().reset()
        self._wanted = False
