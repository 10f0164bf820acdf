"""Over because nothing new is said any more."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from agentnb.conditions.base import PlainTermination, Said, is_number, positive
from agentnb.exceptions import UserError
from agentnb.messages import (
    BaseChatMessage,
    CodeExecutionEvent,
    CodeGenerationEvent,
    HandoffMessage,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
)

_MOST_CHANGED = 8
"""Words that may differ in a text of any length: a draft with a new sentence is another draft."""

_WORD = re.compile(r"\w+(?:[./@:'’_-]\w+)*|\S")
_NAMES = re.compile(r"[\d./@:_]")
_SHOWN = 80


class RepetitionTermination(PlainTermination):
    """Over when participants say the same over and over: thanks without end, an answer on repeat, blank answers.

    It fires when a text has been said `times` times, by one participant or several, and all that was said meanwhile
    was said more than once as well. A turn is new, whatever is said, if tools or code did something else in it than
    before, if it holds a picture, or hands over to another target.

    Case, punctuation and spacing make no difference. Nearly the same counts too: the same numbers, symbols and names
    with a `.`, `_`, `/` or digit in them, and of the other words at least `similarity` in common and 8 different at
    most. Lower `similarity`, say to 0.7, to catch thanks that are worded anew each time.

    Args:
        times: How often a text must be said.
        similarity: Share of words in common (Dice coefficient), from 0 to 1; 1 takes only the same words.
        window: How many of the last messages are looked at.

    Raises:
        ValueError: If `times` is below 2, `window` below `times`, or `similarity` not above 0 and up to 1.
    """

    def __init__(self, times: int = 3, similarity: float = 0.9, window: int = 20) -> None:
        if positive(self, "times", times) < 2:
            raise UserError(f"RepetitionTermination's times is {times}; what is said once repeats nothing: 2 or more.")
        if positive(self, "window", window) < times:
            raise UserError(f"RepetitionTermination's window is {window}; it must hold at least {times} messages.")
        if not is_number(similarity) or not 0 < similarity <= 1:
            raise UserError(f"RepetitionTermination's similarity is {similarity!r}; it must be above 0 and up to 1.")
        self._times = times
        self._similarity = similarity
        self._said: deque[_Saying] = deque(maxlen=window)
        self._groups = 0
        # What each participant has done since it last said something, as a digest.
        self._done: dict[str, str] = {}

    def _reason(self, messages: Said) -> str | None:
        for message in messages:
            match message:
                case BaseChatMessage():
                    self._hear(message)
                    reason = self._loop()
                    if reason is not None:
                        return reason
                case ToolCallRequestEvent():
                    self._do(message.source, [(call.name, call.arguments) for call in message.content])
                case ToolCallExecutionEvent():
                    self._do(message.source, [(result.name, result.content) for result in message.content])
                case CodeGenerationEvent():
                    self._do(message.source, message.content)
                case CodeExecutionEvent():
                    self._do(message.source, message.result.output)
        return None

    def _do(self, source: str, what: object) -> None:
        done = (self._done.get(source, ""), what)
        self._done[source] = blake2b(repr(done).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def _hear(self, message: BaseChatMessage) -> None:
        content = message.to_model_message().content
        done = self._done.pop(message.source, "")
        if isinstance(message, HandoffMessage):
            done += f"->{message.target}"
        if not isinstance(content, str):
            if not all(isinstance(part, str) for part in content):
                done += f"#{message.id}"  # to compare pictures would cost more than they tell
            content = "\n".join(part for part in content if isinstance(part, str))
        words, exact = _words(content)
        new = _Saying(content, message.source, done, words, exact, self._groups)
        for known in reversed(self._said):
            if self._same(known, new):
                new.group = known.group
                break
        else:
            self._groups += 1
        self._said.append(new)

    def _same(self, one: _Saying, other: _Saying) -> bool:
        if one.done != other.done or one.exact != other.exact:
            return False
        if one.words == other.words:
            return True
        common = len(one.words & other.words)
        changed = max(len(one.words), len(other.words)) - common
        total = len(one.words) + len(other.words)
        return changed <= _MOST_CHANGED and 2 * common >= self._similarity * total

    def _loop(self) -> str | None:
        """Say what repeats if the last sayings, as many as it takes, are all said more than once."""
        last = self._said[-1].group
        counts: Counter[int] = Counter()
        once = 0
        sources: list[str] = []
        for saying in reversed(self._said):
            counts[saying.group] += 1
            once += {1: 1, 2: -1}.get(counts[saying.group], 0)
            if saying.group == last:
                sources.insert(0, saying.source)
            if not once and counts[last] >= self._times:
                who = " and ".join(dict.fromkeys(sources))
                return f"{_quoted(self._said[-1].text)} {counts[last]} times by {who}, with nothing new in between"
        return None

    async def reset(self) -> None:
        await super().reset()
        self._said.clear()
        self._done.clear()
        self._groups = 0

    def _count(self) -> dict[str, Any]:
        said = [{"text": s.text, "source": s.source, "done": s.done, "group": s.group} for s in self._said]
        return {"said": said, "done": dict(self._done), "groups": self._groups}

    def _count_on(self, state: Mapping[str, Any]) -> None:
        self._said.clear()
        for saved in state["said"]:
            words, exact = _words(saved["text"])
            self._said.append(_Saying(saved["text"], saved["source"], saved["done"], words, exact, saved["group"]))
        self._done = dict(state["done"])
        self._groups = int(state["groups"])


@dataclass(slots=True)
class _Saying:
    """One message, and what was done for it."""

    text: str
    source: str
    done: str
    words: frozenset[str]
    exact: tuple[str, ...]
    """What must be the same to the letter, in this order."""
    group: int
    """Messages that say the same have the same number."""


def _words(text: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the plain words of a text, and what of it tells things apart: numbers, names of files, symbols."""
    words: set[str] = set()
    exact: list[str] = []
    for word in _WORD.findall(text.casefold()):
        if word[0].isalnum() or len(word) > 1:
            (exact.append if _NAMES.search(word) else words.add)(word)
        elif unicodedata.category(word) in ("Sm", "Sc"):
            exact.append(word)
    if not words and not exact:
        exact = ["".join(c for c in text.split() if any(map(_visible, c)))]
    return frozenset(words), tuple(exact)


def _visible(character: str) -> bool:
    return not character.isspace() and unicodedata.category(character) not in ("Cc", "Cf")


def _quoted(text: str) -> str:
    plain = " ".join(text.split())
    if not any(map(_visible, plain)):
        return "a blank message was said"
    return f"{plain if len(plain) <= _SHOWN else plain[: _SHOWN - 1] + '…'!r} was said"
