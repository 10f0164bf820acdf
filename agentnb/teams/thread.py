"""What a team said, by whom, and how far each participant has heard it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from agentnb.messages import BaseChatMessage
from agentnb.messages.chat import said_edits
from agentnb.messages.saved import Kept, Loaded, SavedMessages
from agentnb.messages.texts import write_said
from agentnb.teams.base import Item

NOBODY = ""
"""Stands for one whom no participant hears: what an agent says on the way to its answer is for those who watch."""


class Thread:
    """A team's conversation, kept once; each participant has a place in it."""

    def __init__(self, names: Iterable[str]) -> None:
        self._kept: Kept[Item] = Kept([], write_said, said_edits)
        # Who said each message, None for the task: its `source` may be another's name.
        self._speakers: list[str | None] = []
        self._heard = dict.fromkeys(names, 0)
        # What a loaded state had left for each to hear; it comes before what is said from then on.
        self._left: dict[str, Kept[Item]] = {}
        self._waiting: dict[str, _Waiting] = {}

    @property
    def messages(self) -> list[Item]:
        """Everything said since the last reset, over all runs."""
        return self._kept.messages

    def add(self, messages: Sequence[Item], speaker: str | None, *, last_only: bool = False) -> None:
        """Add what `speaker` said; None for a task.

        Args:
            messages: The messages.
            speaker: Who said them, and does not hear them.
            last_only: Whether others hear the last one only.
        """
        self.messages.extend(messages)
        if last_only and len(messages) > 1:
            self._speakers += [NOBODY] * (len(messages) - 1)
            self._speakers.append(speaker)
        else:
            self._speakers += [speaker] * len(messages)

    def unheard(self, name: str) -> list[BaseChatMessage]:
        """Return what others said to `name` since its last turn."""
        left = self._left.get(name)
        before = [] if left is None else left.messages
        places = self._places(name)
        messages = self.messages if places else []
        return cast("list[BaseChatMessage]", [*before, *(messages[place] for place in places)])

    def _places(self, name: str) -> list[int]:
        """Return where the thread holds what `name` has not heard, at the cost of what is new since it was asked."""
        heard, said = self._heard[name], len(self._speakers)
        waiting = self._waiting.get(name)
        if waiting is None or waiting.heard != heard:
            waiting = self._waiting[name] = _Waiting(heard, heard, [])
        if waiting.until < said:
            messages, speakers = self.messages, self._speakers
            waiting.places += [
                place
                for place in range(waiting.until, said)
                if speakers[place] != name and speakers[place] != NOBODY and _is_chat(type(messages[place]))
            ]
            waiting.until = said
        return waiting.places

    def telling(self, name: str) -> _Telling:
        """Give what `name` has not heard; it counts as heard unless the block fails, so that it is told again."""
        return _Telling(self, name)

    def note_told(self, name: str, place: int) -> None:
        """Take note that `name` was told everything before a place of the thread."""
        self._heard[name] = place
        self._left.pop(name, None)

    def remove(self, message: Item) -> None:
        """Take back a message that nobody has heard yet."""
        place = max(number for number, item in enumerate(self.messages) if item is message)
        del self.messages[place], self._speakers[place]
        self._waiting.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self._speakers.clear()
        self._heard = dict.fromkeys(self._heard, 0)
        self._left.clear()
        self._waiting.clear()

    def saved(self) -> SavedMessages:
        """Return the saved forms of everything said."""
        return self._kept.saved()

    def saved_unheard(self, name: str) -> SavedMessages:
        """Return the saved forms of what others said to `name` since its last turn."""
        left = self._left.get(name)
        before = () if left is None else left.forms()
        places = self._places(name)
        forms = self._kept.forms() if places else ()
        return SavedMessages([*before, *(forms[place] for place in places)])

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
                self._left[name] = Kept([], write_said, said_edits)
                self._left[name].load(left)


class _Telling:
    __slots__ = ("_heard", "_name", "_thread")

    def __init__(self, thread: Thread, name: str) -> None:
        self._thread, self._name = thread, name
        self._heard = len(thread._speakers)

    def __enter__(self) -> tuple[BaseChatMessage, ...]:
        return tuple(self._thread.unheard(self._name))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._thread.note_told(self._name, self._heard)


@dataclass(slots=True)
class _Waiting:
    heard: int
    until: int
    """Up to where the thread was looked through."""
    places: list[int]


@lru_cache(maxsize=256)
def _is_chat(cls: type[object]) -> bool:
    return issubclass(cls, BaseChatMessage)
