"""What a team said, by whom, and how far each participant has heard it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from agentnb.messages import BaseChatMessage
from agentnb.messages.chat import said_edits
from agentnb.messages.saved import Kept, Loaded, SavedMessages
from agentnb.messages.texts import write_said, write_said_ahead
from agentnb.teams.base import Item

NOBODY = ""
"""Stands for one whom no participant hears: events, and what an agent says before its answer, are for watchers."""


class Thread:
    """A team's conversation, kept once; each participant has a place in it."""

    def __init__(self, names: Iterable[str]) -> None:
        self._kept: Kept[Item] = Kept([], write_said, write_said_ahead, said_edits)
        # Who said each message, None for the task: its `source` may be another's name.
        self._speakers: list[str | None] = []
        self._heard = dict.fromkeys(names, 0)
        # What a loaded state had left for each to hear; it comes before what is said from then on.
        self._left: dict[str, Kept[Item]] = {}

    @property
    def messages(self) -> list[Item]:
        """Everything said since the last reset, over all runs."""
        return self._kept.messages

    def __len__(self) -> int:
        return len(self._speakers)

    def add(self, messages: Sequence[Item], speaker: str | None, *, last_only: bool = False) -> None:
        """Add what `speaker` said; None for a task.

        Args:
            messages: The messages.
            speaker: Who said them, and does not hear them.
            last_only: Whether others hear the last one only.
        """
        self._kept.extend(messages)
        speakers = self._speakers
        if last_only and len(messages) > 1:
            speakers += [NOBODY] * (len(messages) - 1)
            messages = messages[-1:]
        for message in messages:
            speakers.append(speaker if _is_chat(type(message)) else NOBODY)

    def unheard(self, name: str) -> tuple[BaseChatMessage, ...]:
        """Return what others said to `name` since its last turn."""
        since = self._heard[name]
        new = zip(self._kept.messages[since:], self._speakers[since:], strict=False)
        said: Any = [message for message, speaker in new if speaker != name and speaker != NOBODY]
        left = self._left.get(name) if self._left else None
        before: Any = () if left is None else left.messages
        return (*before, *said)

    def note_told(self, name: str, place: int) -> None:
        """Take note that `name` was told everything before a place of the thread."""
        self._heard[name] = place
        if self._left:
            self._left.pop(name, None)

    def remove(self, message: Item) -> None:
        """Take back a message that nobody has heard yet."""
        place = max(number for number, item in enumerate(self.messages) if item is message)
        del self.messages[place], self._speakers[place]

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self._speakers.clear()
        self._heard = dict.fromkeys(self._heard, 0)
        self._left.clear()

    def saved(self) -> tuple[SavedMessages, dict[str, SavedMessages]]:
        """Return the saved forms of everything said, and of what each has not heard that others said."""
        said = self._kept.saved()
        unheard = {}
        for name, since in self._heard.items():
            left = self._left.get(name)
            before = () if left is None else left.forms()
            new = zip(list.__getitem__(said, slice(since, None)), self._speakers[since:], strict=False)
            own = [form for form, speaker in new if speaker != name and speaker != NOBODY]
            unheard[name] = SavedMessages([*before, *own])
        return said, unheard

    def load(self, said: Loaded[Item], unheard: Mapping[str, Loaded[Item]]) -> None:
        """Take the place of another team's thread.

        Args:
            said: What was said.
            unheard: What each participant has not heard.
        """
        self.clear()
        self._kept.load(said)
        self._speakers = [None] * len(said)
        self._heard = dict.fromkeys(self._heard, len(said))
        for name, left in unheard.items():
            if left:
                self._left[name] = Kept([], write_said, write_said_ahead, said_edits)
                self._left[name].load(left)


@lru_cache(maxsize=256)
def _is_chat(cls: type[object]) -> bool:
    return issubclass(cls, BaseChatMessage)
