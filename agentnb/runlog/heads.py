"""The heads of many facts, column by column: a fact's fields are dear to read one by one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

from agentnb.runlog.events import Event
from agentnb.runlog.unread import own

_NAMES = ("id", "seq", "parent", "source", "took", "at")


class Heads(NamedTuple):
    """What stands in the heads of facts, a value for each fact."""

    ids: list[str]
    seqs: list[int]
    parents: list[str | None]
    sources: list[str]
    took: list[float | None]
    times: list[datetime | str]
    """Where nobody has asked a fact for it yet, the text that its line has."""
    kinds: list[str]


def heads_of(events: Iterable[Event]) -> Heads:
    """Return the heads of facts, whose bodies are left unread."""
    values = list(map(own, events))
    columns: list[Any] = [list(map(itemgetter(name), values)) for name in _NAMES]
    columns.append([each.get("kind") or each["body"].kind for each in values])
    return Heads(*columns)
