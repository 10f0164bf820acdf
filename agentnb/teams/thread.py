"""What a team said, by whom, and how far each participant has heard it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agentnb.messages import BaseChatMessage
from agentnb.teams.base import Item


class Thread:
    """A team's conversation, kept once; each participant has a place in it.

    Attributes:
        messages: Everything said since the last reset, over all runs.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.messages: list[Item] = []
        # Who said each message, None for the task: its `source` may be another's name.
        self._speakers: list[str | None] = []
        self._heard = dict.fromkeys(names, 0)

    def add(self, messages: Sequence[Item], speaker: str | None) -> None:
        """Add what `speaker` said; None for a task."""
        self.messages += messages
        self._speakers += [speaker] * len(messages)

    def unheard(self, name: str) -> list[BaseChatMessage]:
        """Return what others said to `name` since its last turn."""
        heard = self._heard[name]
        return [
            message
            for message, speaker in zip(self.messages[heard:], self._speakers[heard:], strict=True)
            if isinstance(message, BaseChatMessage) and speaker != name
        ]

    def take(self, name: str) -> tuple[BaseChatMessage, ...]:
        """Return what `name` has not heard, and count it as heard."""
        new = tuple(self.unheard(name))
        self._heard[name] = len(self.messages)
        return new

    def clear(self) -> None:
        """Forget everything."""
        self.messages.clear()
        self._speakers.clear()
        self._heard = dict.fromkeys(self._heard, 0)

    def load(self, messages: list[Item], saved: Sequence[Any], unheard: Mapping[str, list[Any]]) -> None:
        """Take the place of another team's thread.

        Args:
            messages: The messages.
            saved: Their saved forms, in the same order.
            unheard: The saved forms of what each participant has not heard.
        """
        self.messages, self._speakers = messages, [None] * len(messages)
        self._heard = {name: self._place(name, saved, list(buffer)) for name, buffer in unheard.items()}

    def _place(self, name: str, saved: Sequence[Any], buffer: list[Any]) -> int:
        # What is not in the buffer behind the place where it begins is the participant's own.
        position = len(saved)
        while buffer and position:
            position -= 1
            if saved[position] == buffer[-1]:
                buffer.pop()
            else:
                self._speakers[position] = name
        return position
