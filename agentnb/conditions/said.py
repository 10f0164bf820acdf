"""Over because of what was said, by whom, and of what kind."""

from __future__ import annotations

from collections.abc import Sequence

from agentnb.conditions.base import PlainTermination, Said, listed, named
from agentnb.exceptions import UserError
from agentnb.messages import HandoffMessage, StopMessage, TextMessage, ToolCallExecutionEvent


class TextMentionTermination(PlainTermination):
    """Over when `text` appears, upper and lower case told apart, in a message or event of one of `sources`.

    Raises:
        ValueError: If `text` is empty or no text, or `sources` is one text.
    """

    def __init__(self, text: str, sources: Sequence[str] | None = None) -> None:
        self._text = named(self, "text", text)
        if not text:
            raise UserError(
                "TextMentionTermination was given an empty text, which every message contains; give a word to wait "
                "for, such as 'APPROVE'."
            )
        self._sources = None if sources is None else listed(self, "sources", sources)

    def _reason(self, messages: Said) -> str | None:
        for message in messages:
            if (self._sources is None or message.source in self._sources) and self._text in message.to_text():
                return f"{message.source} said {self._text!r}"
        return None


class StopMessageTermination(PlainTermination):
    """Over when somebody says a `StopMessage`."""

    def _reason(self, messages: Said) -> str | None:
        for message in messages:
            if isinstance(message, StopMessage):
                return f"{message.source} sent a stop message"
        return None


class TextMessageTermination(PlainTermination):
    """Over when a `TextMessage` is said, by `source` if one is given; without it a task that is a text ends the run.

    Raises:
        ValueError: If `source` is no text.
    """

    def __init__(self, source: str | None = None) -> None:
        self._source = None if source is None else named(self, "source", source)

    def _reason(self, messages: Said) -> str | None:
        for message in messages:
            if isinstance(message, TextMessage) and self._source in (None, message.source):
                return f"{message.source} said a text message"
        return None


class SourceMatchTermination(PlainTermination):
    """Over when one of `sources` has said something; its events count as well.

    Raises:
        ValueError: If `sources` is one text, or holds something else than texts, such as agents.
    """

    def __init__(self, sources: list[str]) -> None:
        self._sources = listed(self, "sources", sources)

    def _reason(self, messages: Said) -> str | None:
        for message in messages:
            if message.source in self._sources:
                return f"{message.source} has spoken"
        return None


class HandoffTermination(PlainTermination):
    """Over when somebody hands over to `target`, such as a person who is no participant.

    Raises:
        ValueError: If `target` is no text.
    """

    def __init__(self, target: str) -> None:
        self._target = named(self, "target", target)

    def _reason(self, messages: Said) -> str | None:
        for message in messages:
            if isinstance(message, HandoffMessage) and message.target == self._target:
                return f"{message.source} handed over to {self._target}"
        return None


class FunctionCallTermination(PlainTermination):
    """Over when the tool `function_name` was called and has returned, or failed.

    Raises:
        ValueError: If `function_name` is no text, but the function, say.
    """

    def __init__(self, function_name: str) -> None:
        self._function_name = named(self, "function_name", function_name)

    def _reason(self, messages: Said) -> str | None:
        for message in messages:
            if isinstance(message, ToolCallExecutionEvent):
                for result in message.content:
                    if result.name == self._function_name:
                        return f"{message.source} called {self._function_name!r}"
        return None
