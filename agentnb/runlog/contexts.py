"""What a log's models have been shown: each message is written once, and of a text that grows only what is new."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from operator import is_
from typing import Any, NamedTuple

from agentnb.core import well_formed
from agentnb.messages import BaseTextChatMessage, LLMMessage, ToolCallExecutionEvent, ToolCallRequestEvent
from agentnb.messages.llm import edits
from agentnb.runlog.light import Values, context_added
from agentnb.runlog.log import RunLog
from agentnb.runlog.scopes import name_of

LONG = 1024
"""Characters from which on a text is known by its hash, and may be written as the continuation of another."""
_HEAD = 64
_NOTHING: tuple[Sequence[LLMMessage], dict[int, int]] = ((), {})
_KEPT = 32


class Showing(NamedTuple):
    """What a model is about to be shown: the first `keep` entries of the call at seq `base`, then `added`."""

    base: int | None
    keep: int
    added: tuple[int, ...]


class _Last:
    """What one source showed its model last; it grows with the conversation, so that no call walks through it."""

    __slots__ = ("edits", "entries", "kept", "messages", "seq")

    def __init__(self) -> None:
        self.seq: int | None = None
        self.entries: list[int] = []
        self.messages: list[LLMMessage] = []
        self.kept: Sequence[LLMMessage] = ()
        self.edits = edits.count


class Contexts:
    """Which messages a log's models have been shown."""

    def __init__(self) -> None:
        self._scanned = 0
        self._said: dict[tuple[str | None, str], int] = {}
        self._calls: dict[int, tuple[ToolCallRequestEvent | ToolCallExecutionEvent, int]] = {}
        self._shown: dict[Any, tuple[LLMMessage | None, int]] = {}
        self._recent: dict[str, tuple[Sequence[LLMMessage], dict[int, int]]] = {}
        self._edits = edits.count
        self._last: dict[str, _Last] = {}
        self._kept: dict[str, _Last] = {}
        self.states: dict[str, Any] = {}
        """The state last written, by whose it is."""
        self._texts: dict[tuple[str, str | None, str], tuple[int, str]] = {}

    def show(self, log: RunLog, messages: Sequence[LLMMessage], source: str) -> Showing:
        """Write what is new among `messages`; the number of the call follows by `called`."""
        last = self._last.get(source)
        if last is None:
            last = self._last[source] = _Last()
        keep, added = self._new(log, last, messages, source)
        return Showing(last.seq if keep else None, keep, added)

    def kept(self, log: RunLog, messages: Sequence[LLMMessage], source: str) -> tuple[int, tuple[int, ...]]:
        """Write what is new in a context that somebody keeps from turn to turn.

        Returns:
            How many of its entries at the last time are its first ones still, and the entries that follow.
        """
        last = self._kept.get(source)
        if last is None:
            last = self._kept[source] = _Last()
        keep = len(last.entries)
        # A list that only grew need not be compared: of one that was changed otherwise, the edits are counted.
        same = last.kept is messages and len(messages) >= keep and last.edits == edits.count
        if same and (not keep or messages[keep - 1] is last.messages[0]):
            added = tuple(self._entries(log, messages[keep:], source))
            last.entries += added
        else:
            entries = self._entries(log, messages, source)
            keep = _agree(last.entries, entries)
            added = tuple(entries[keep:])
            last.entries, last.kept, last.edits = entries, messages, edits.count
        last.messages = list(messages[-1:])
        return keep, added

    def _new(
        self, log: RunLog, last: _Last, messages: Sequence[LLMMessage], source: str
    ) -> tuple[int, tuple[int, ...]]:
        keep = len(last.messages)
        new = messages[keep:]
        last.messages += new
        # Compared as whole lists, where the same object is equal without a look at it: to copy the beginning would look
        # at each. A message that was changed in place since is the same object and another text.
        if last.edits == edits.count and (messages if type(messages) is list else list(messages)) == last.messages:
            added = self._entries(log, new, source)
            last.entries += added
        else:
            entries = self._entries(log, messages, source)
            keep = _agree(last.entries, entries)
            last.entries, last.messages, last.edits = entries, list(messages), edits.count
            added = entries[keep:]
        return keep, tuple(added)

    def called(self, source: str, seq: int) -> None:
        """Take note of the `model.started` fact of what was shown."""
        self._last[source].seq = seq

    def _entries(self, log: RunLog, messages: Sequence[LLMMessage], source: str) -> list[int]:
        if not messages:
            return []
        if log.said_last > self._scanned:
            self._scan(log)
        if self._edits != edits.count:
            self._recent.clear()
            self._edits = edits.count
        # What an agent keeps of a turn is mostly what its model was shown in it, and what that is shown next.
        known = self._recent.get(source, _NOTHING)[1]
        asker, seqs = name_of(source), map(known.get, map(id, messages))
        entries = [seq or self._entry(log, message, asker) for seq, message in zip(seqs, messages, strict=True)]
        self._recent[source] = messages, dict(zip(map(id, messages), entries, strict=True))
        return entries

    def _scan(self, log: RunLog) -> None:
        """Take note of what was said since the last look."""
        for seq, message in log.said_since(self._scanned):
            cls: Any = type(message)
            if cls is ToolCallRequestEvent or cls is ToolCallExecutionEvent:
                if message.content:
                    self._calls[id(message.content[0])] = message, seq
            # A class of the user's may give models another text; read again, only its content is known.
            elif _is_text(cls) and message.to_model_text() == message.content:
                self._said.setdefault((message.source, message.content), seq)
        self._scanned = len(log._facts)

    def _entry(self, log: RunLog, message: LLMMessage, asker: str) -> int:
        fields = message.__dict__
        content, speaker, thought = fields.get("content"), fields.get("source"), fields.get("thought")
        if not isinstance(content, str):
            known = self._shown.get(id(message))
            if known is not None:
                return known[1]
            seq = self._called(message, content, thought)
            if seq is None:
                seq = log.add(context_added(role=message.type, message=message))
            # The message is kept with its number: an `id` says nothing once its object is gone.
            self._shown[id(message)] = (message, seq)
            return seq
        # What was said to the asker, and what it said itself, stands in the log as it was said.
        plainly = (fields["type"] == "AssistantMessage") is (speaker == asker)
        said = self._said.get((speaker, content)) if thought is None else None
        if said is not None and plainly:
            return said
        key = (message.type, speaker, content if len(content) < LONG else _digest(content), thought, plainly)
        known = self._shown.get(key)
        if known is not None:
            return known[1]
        if said is not None:
            fact = context_added(role=message.type, said=said)
        else:
            fact = self._written(message, content, speaker)
        seq = log.add(fact)
        if said is None and len(content) >= LONG:
            self._remember((message.type, speaker, content[:_HEAD]), seq, content)
        self._shown[key] = (None, seq)
        return seq

    def _called(self, message: LLMMessage, content: Any, thought: str | None) -> int | None:
        """Return the fact of the event that holds the same calls, or the same results; None if there is none."""
        known = self._calls.get(id(content[0])) if content and thought is None else None
        if known is None:
            return None
        event, seq = known
        asks = type(event) is ToolCallRequestEvent
        same = len(content) == len(event.content) and all(map(is_, content, event.content))
        if not same or message.type != ("AssistantMessage" if asks else "FunctionExecutionResultMessage"):
            return None
        return None if asks and message.source != event.source else seq  # type: ignore[union-attr]

    def _written(self, message: LLMMessage, content: str, speaker: str | None) -> Values:
        """Write a message, or only how it goes on from an earlier one: a prompt may repeat the whole conversation."""
        before = self._texts.get((message.type, speaker, content[:_HEAD])) if len(content) >= LONG else None
        # A text that the file will mend is cut nowhere: its characters would be counted differently afterwards.
        if before is None or well_formed(content) is not content:
            return context_added(role=message.type, message=message)
        after, text = before
        keep = _common(text, content)
        rest = message.model_copy(update={"content": content[keep:]})
        return context_added(role=message.type, message=rest, after=after, keep=keep)

    def _remember(self, head: tuple[str, str | None, str], seq: int, text: str) -> None:
        self._texts.pop(head, None)
        self._texts[head] = (seq, text)
        if len(self._texts) > _KEPT:
            del self._texts[next(iter(self._texts))]


def _agree(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many entries two lists have in common at their beginning."""
    most = min(len(one), len(other))
    return next((place for place in range(most) if one[place] != other[place]), most)


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


def contexts_of(log: RunLog) -> Contexts:
    """Return what a log's models have been shown so far in this process."""
    known = log.contexts
    if known is None:
        known = log.contexts = Contexts()
    return known
