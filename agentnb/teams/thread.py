"""What a team said, by whom, and how far each participant has heard it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from agentnb.messages import BaseChatMessage
from agentnb.teams.base import Item

NOBODY = ""
"""Stands for one whom no participant hears: what an agent says on the way to its answer is for those who watch."""


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

    def add(self, messages: Sequence[Item], speaker: str | None, *, last_only: bool = False) -> None:
        """Add what `speaker` said; None for a task.

        Args:
            messages: The messages.
            speaker: Who said them, and does not hear them.
            last_only: Whether others hear the last one only.
        """
        self.messages += messages
        if last_only and len(messages) > 1:
            self._speakers += [NOBODY] * (len(messages) - 1)
            self._speakers.append(speaker)
        else:
            self._speakers += [speaker] * len(messages)

    def unheard(self, name: str) -> list[BaseChatMessage]:
        """Return what others said to `name` since its last turn."""
        heard = self._heard[name]
        return [
            message
            for message, speaker in zip(self.messages[heard:], self._speakers[heard:], strict=True)
            if speaker != name and speaker != NOBODY and isinstance(message, BaseChatMessage)
        ]

    @contextmanager
    def telling(self, name: str) -> Iterator[tuple[BaseChatMessage, ...]]:
        """Give what `name` has not heard; it counts as heard unless the block fails, so that it is told again."""
        heard = len(self.messages)
        yield tuple(self.unheard(name))
        self._heard[name] = heard

    def remove(self, message: Item) -> None:
        """Take back a message that nobody has heard yet."""
        place = max(number for number, item in enumerate(self.messages) if item is message)
        del self.messages[place], self._speakers[place]

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
        self.messages = messages
        deaf: list[set[str]] = [set() for _ in saved]
        self._heard = {name: _place(name, saved, list(buffer), deaf) for name, buffer in unheard.items()}
        self._speakers = [None if not names else names.pop() if len(names) == 1 else NOBODY for names in deaf]


def _place(name: str, saved: Sequence[Any], buffer: list[Any], deaf: list[set[str]]) -> int:
    """Find where the unheard part of a loaded thread begins, and note what `name` does not hear of it."""
    position = len(saved)
    while buffer and position:
        position -= 1
        if saved[position] == buffer[-1]:
            buffer.pop()
        else:
            deaf[position].add(name)
    return position
