"""Which messages stand or fall together: the calls of one model answer, and their results.

A result belongs to the latest call of its id that still waits for one, for servers use ids again. Messages between a
call and its result are no part of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agentnb.messages import LLMMessage


class _Calls:
    """The calls of one answer with what they gave, by their places in the conversation."""

    __slots__ = ("broken", "joined", "places", "waiting")

    def __init__(self, place: int, waiting: int, *, broken: bool = False) -> None:
        self.places = [place]
        self.waiting = waiting
        self.broken = broken
        self.joined: _Calls | None = None

    def whole(self) -> bool:
        return not self.waiting and not self.broken


def _calls(messages: Sequence[LLMMessage]) -> list[_Calls]:
    found: list[_Calls] = []
    open_calls: dict[str, list[_Calls]] = {}
    for place, message in enumerate(messages):
        # The tags are compared, not the classes: `isinstance` of a pydantic model is ten times as slow.
        if message.type == "AssistantMessage" and message.content and isinstance(message.content, list):
            calls = _Calls(place, len(message.content))
            found.append(calls)
            for call in message.content:
                open_calls.setdefault(call.id, []).append(calls)
        elif message.type == "FunctionExecutionResultMessage":
            asked = [open_calls[r.call_id].pop() if open_calls.get(r.call_id) else None for r in message.content]
            found += _answer(place, asked)
    return [calls for calls in found if calls.joined is None]


def _answer(place: int, asked: list[_Calls | None]) -> list[_Calls]:
    """Add the message of results at `place` to the calls its results were asked by; return it if there are none."""
    home: _Calls | None = None
    for calls in asked:
        while calls is not None and calls.joined is not None:
            calls = calls.joined
        if calls is None:
            continue
        calls.waiting -= 1
        if home is None:
            home = calls
        elif calls is not home:
            home.places += calls.places
            home.waiting += calls.waiting
            home.broken |= calls.broken
            calls.joined = home
    if home is None:
        return [_Calls(place, 0, broken=True)]
    home.places.append(place)
    home.broken |= None in asked
    return []


def whole(messages: Sequence[LLMMessage]) -> list[LLMMessage]:
    """Return the messages without calls that lack a result and results that lack their call, in O(messages)."""
    hidden = None if are_plain(messages) else orphans(messages)
    if not hidden:
        return list(messages)
    return [message for place, message in enumerate(messages) if place not in hidden]


def orphans(messages: Sequence[LLMMessage], before: int = 0) -> set[int]:
    """Return the places of calls that lack a result and of results that lack their call.

    Args:
        messages: The conversation.
        before: How many messages come before these, which are known to be whole.
    """
    return {before + place for calls in _calls(messages) if not calls.whole() for place in calls.places}


def are_plain(messages: Sequence[LLMMessage]) -> bool:
    """Tell whether they are, as mostly, texts and calls that are followed at once by their results in their order."""
    asked: Sequence[Any] = ()
    for message in messages:
        content: Any = message.content
        if asked:
            if message.type != "FunctionExecutionResultMessage" or len(content) != len(asked):
                return False
            for call, result in zip(asked, content, strict=True):
                if call.id != result.call_id:
                    return False
            asked = ()
        elif type(content) is not str:
            if message.type != "AssistantMessage":
                return False
            asked = content
    return not asked


def units(messages: Sequence[LLMMessage]) -> list[list[int]]:
    """Return the places of the messages, those that stand or fall together in one list, by their first place."""
    together = [sorted(calls.places) for calls in _calls(messages)]
    taken = {place for places in together for place in places}
    return sorted(together + [[place] for place in range(len(messages)) if place not in taken])
