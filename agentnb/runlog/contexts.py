"""What a log's models have been shown: each message is written once, and of a text that grows only what is new."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from agentnb.core import well_formed
from agentnb.messages import BaseTextChatMessage, LLMMessage
from agentnb.messages.llm import edits
from agentnb.runlog.events import ContextAdded, Said
from agentnb.runlog.log import RunLog

LONG = 1024
"""Characters from which on a text is known by its hash, and may be written as the continuation of another."""
_HEAD = 64
_KEPT = 32


class Showing(NamedTuple):
    """What a model is about to be shown: the first `keep` entries of the call at seq `base`, then `added`."""

    base: int | None
    keep: int
    added: tuple[int, ...]


class _Last:
    """What one source showed its model last; it grows with the conversation, so that no call walks through it."""

    __slots__ = ("edits", "entries", "messages", "seq")

    def __init__(self) -> None:
        self.seq: int | None = None
        self.entries: list[int] = []
        self.messages: list[LLMMessage] = []
        self.edits = edits.count


class Contexts:
    """Which messages a log's models have been shown."""

    def __init__(self) -> None:
        self._scanned = 0
        self._said: dict[tuple[str, str], int] = {}
        self._shown: dict[Any, tuple[LLMMessage | None, int]] = {}
        self._last: dict[str, _Last] = {}
        self._texts: dict[tuple[str, str | None, str], tuple[int, str]] = {}

    def show(self, log: RunLog, messages: Sequence[LLMMessage], source: str) -> Showing:
        """Write what is new among `messages`; the number of the call follows by `called`."""
        last = self._last.get(source)
        if last is None:
            last = self._last[source] = _Last()
        keep = len(last.messages)
        # Compared as lists, where the same object is equal without a look at it; a message that was changed in place
        # since is the same object and another text.
        head = messages[:keep]
        if last.edits == edits.count and (head if type(head) is list else list(head)) == last.messages:
            added = self._entries(log, messages[keep:])
            last.entries += added
            last.messages += messages[keep:]
        else:
            entries = self._entries(log, messages)
            most = min(len(entries), keep)
            keep = 0
            while keep < most and last.entries[keep] == entries[keep]:
                keep += 1
            last.entries, last.messages, last.edits = entries, list(messages), edits.count
            added = entries[keep:]
        return Showing(last.seq if keep else None, keep, tuple(added))

    def called(self, source: str, seq: int) -> None:
        """Take note of the `model.started` fact of what was shown."""
        self._last[source].seq = seq

    def _entries(self, log: RunLog, messages: Sequence[LLMMessage]) -> list[int]:
        for event in log._events[self._scanned :]:
            if event.body.kind == "message" and isinstance(event.body, Said):  # type: ignore[attr-defined]
                message = event.body.message
                # A class of the user's may give models another text; read again, only its content is known.
                if _is_text(type(message)) and message.to_model_text() == message.content:  # type: ignore[attr-defined]
                    self._said.setdefault((message.source, message.content), event.seq)  # type: ignore[attr-defined]
        self._scanned = len(log._events)
        return [self._entry(log, message) for message in messages]

    def _entry(self, log: RunLog, message: LLMMessage) -> int:
        fields = message.__dict__
        content, speaker, thought = fields.get("content"), fields.get("source"), fields.get("thought")
        if not isinstance(content, str):
            known = self._shown.get(id(message))
            if known is not None:
                return known[1]
            # The message is kept with its number: an `id` says nothing once its object is gone.
            seq = log.append(ContextAdded.of(role=message.type, message=message)).seq
            self._shown[id(message)] = (message, seq)
            return seq
        key = (message.type, speaker, content if len(content) < LONG else _digest(content), thought)
        known = self._shown.get(key)
        if known is not None:
            return known[1]
        said = self._said.get((speaker, content)) if speaker is not None and thought is None else None
        if said is not None:
            fact = ContextAdded.of(role=message.type, said=said)
        else:
            fact = self._written(message, content, speaker)
        seq = log.append(fact).seq
        if said is None and len(content) >= LONG:
            self._remember((message.type, speaker, content[:_HEAD]), seq, content)
        self._shown[key] = (None, seq)
        return seq

    def _written(self, message: LLMMessage, content: str, speaker: str | None) -> ContextAdded:
        """Write a message, or only how it goes on from an earlier one: a prompt may repeat the whole conversation."""
        before = self._texts.get((message.type, speaker, content[:_HEAD])) if len(content) >= LONG else None
        # A text that the file will mend is cut nowhere: its characters would be counted differently afterwards.
        if before is None or well_formed(content) is not content:
            return ContextAdded.of(role=message.type, message=message)
        after, text = before
        keep = _common(text, content)
        rest = message.model_copy(update={"content": content[keep:]})
        return ContextAdded.of(role=message.type, message=rest, after=after, keep=keep)

    def _remember(self, head: tuple[str, str | None, str], seq: int, text: str) -> None:
        self._texts.pop(head, None)
        self._texts[head] = (seq, text)
        if len(self._texts) > _KEPT:
            del self._texts[next(iter(self._texts))]


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _common(one: str, other: str) -> int:
    """Return how many characters two texts have in common at their beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


@lru_cache(maxsize=256)
def _is_text(cls: type[object]) -> bool:
    return issubclass(cls, BaseTextChatMessage)


_contexts: weakref.WeakKeyDictionary[RunLog, Contexts] = weakref.WeakKeyDictionary()


def contexts_of(log: RunLog) -> Contexts:
    """Return what a log's models have been shown so far in this process."""
    known = _contexts.get(log)
    if known is None:
        known = _contexts[log] = Contexts()
    return known
