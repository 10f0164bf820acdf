"""Agents that do one thing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any

from agentnb.agents import BaseChatAgent
from agentnb.base import Response
from agentnb.core import CancellationToken
from agentnb.messages import BaseChatMessage, TextMessage
from agentnb.runlog import RunLog, SpeakerChosen

Line = str | BaseChatMessage | Exception | Callable[[Sequence[BaseChatMessage]], Any]


class Speaker(BaseChatAgent):
    """Says its lines, over and over, and keeps what it was given.

    A line is a text, a message, an error to raise, or a function of the new messages that gives one of these.
    """

    produced_message_types: Sequence[type[BaseChatMessage]] = (TextMessage,)

    def __init__(self, name: str, *lines: Line, says_before: Sequence[Any] = ()) -> None:
        super().__init__(name, f"{name} speaks")
        self.lines = lines or (f"{name} says",)
        self.says_before = says_before
        self.got: list[list[str]] = []
        self.turns = 0
        self.calls: list[str] = []

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        self.got.append([message.to_text() for message in messages])
        line = self.lines[self.turns % len(self.lines)]
        self.turns += 1
        if callable(line):
            line = line(messages)
            if asyncio.iscoroutine(line):
                line = await line
        if isinstance(line, Exception):
            raise line
        said = TextMessage(content=line, source=self.name) if isinstance(line, str) else line
        assert isinstance(said, BaseChatMessage)
        return Response(chat_message=said)

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[Any, None]:
        for item in self.says_before:
            yield item
        yield await self.on_messages(messages, cancellation_token)

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        self.calls.append("reset")
        self.got.clear()
        self.turns = 0

    async def on_pause(self, cancellation_token: CancellationToken) -> None:
        self.calls.append("pause")

    async def on_resume(self, cancellation_token: CancellationToken) -> None:
        self.calls.append("resume")

    async def close(self) -> None:
        self.calls.append("close")

    async def save_state(self) -> Mapping[str, Any]:
        return {"type": "SpeakerState", "turns": self.turns}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        self.turns = state["turns"]


class Waiter(Speaker):
    """Waits until it is let go, paying no heed to its token."""

    def __init__(self, name: str, *lines: Line) -> None:
        super().__init__(name, *lines)
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.cleaned = False

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        self.begun.set()
        try:
            await self.go_on.wait()
        finally:
            self.cleaned = True
        return await super().on_messages(messages, cancellation_token)


def sources(result: Any) -> list[str]:
    """Return who said each message of a result."""
    return [message.source for message in result.messages]


def texts(result: Any) -> list[str]:
    """Return the texts of a result."""
    return [message.to_text() for message in result.messages]


def choices(log: RunLog | None) -> list[SpeakerChosen]:
    """Return what the log says of each choice of speakers."""
    assert log is not None
    return [event.body for event in log if isinstance(event.body, SpeakerChosen)]
