"""The heads of many facts, column by column: a fact's fields are dear to read one by one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from operator import itemgetter
from typing import Any

from agentnb.runlog.events import Event
from agentnb.runlog.unread import own


class Heads:
    """What stands in the heads of facts: a value for each, made when asked for; bodies are left unread."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.values: list[dict[str, Any]] = list(map(own, events))
        """What each fact keeps; of one that nobody has looked at, only the head by its fields' names."""

    @cached_property
    def _columns(self) -> list[tuple[Any, ...]]:
        # All in one pass: to come to a fact's values costs more than to take them.
        return list(zip(*map(_FIELDS, self.values), strict=True)) or [()] * 6

    @property
    def ids(self) -> tuple[str, ...]:
        return self._columns[0]

    @property
    def seqs(self) -> tuple[int, ...]:
        return self._columns[1]

    @property
    def parents(self) -> tuple[str | None, ...]:
        return self._columns[2]

    @property
    def sources(self) -> tuple[str, ...]:
        return self._columns[3]

    @property
    def took(self) -> tuple[float | None, ...]:
        return self._columns[4]

    @property
    def times(self) -> tuple[datetime | str | int, ...]:
        """Where nobody had asked a fact for it, the text that its line has, or the `stamp` it was added with."""
        return self._columns[5]

    @cached_property
    def kinds(self) -> list[str]:
        return [values.get("kind") or values["body"].kind for values in self.values]


_FIELDS = itemgetter("id", "seq", "parent", "source", "took", "at")
