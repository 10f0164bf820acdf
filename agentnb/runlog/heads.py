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
    """What stands in the heads of facts: lists with a value for each, made when asked for; bodies are left unread."""

    def __init__(self, events: Iterable[Event]) -> None:
        self._values: list[dict[str, Any]] = list(map(own, events))

    @cached_property
    def ids(self) -> list[str]:
        return self._column("id")

    @cached_property
    def seqs(self) -> list[int]:
        return self._column("seq")

    @cached_property
    def parents(self) -> list[str | None]:
        return self._column("parent")

    @cached_property
    def sources(self) -> list[str]:
        return self._column("source")

    @cached_property
    def took(self) -> list[float | None]:
        return self._column("took")

    @cached_property
    def times(self) -> list[datetime | str | int]:
        """Where nobody had asked a fact for it, the text that its line has, or the `stamp` it was added with."""
        return self._column("at")

    @cached_property
    def kinds(self) -> list[str]:
        return [values.get("kind") or values["body"].kind for values in self._values]

    def _column(self, name: str) -> list[Any]:
        return list(map(itemgetter(name), self._values))
