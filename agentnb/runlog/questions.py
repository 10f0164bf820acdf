"""Questions to a person, asked in a run and answered from wherever the person is."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from agentnb.core import monotonic, new_id
from agentnb.runlog.events import Event, InputAnswered, InputRequested, Noted


class Questions(ABC):
    """What waits for an answer, and who brings it: this part of a log."""

    def __init__(self) -> None:
        self._answers: dict[str, asyncio.Future[str]] = {}
        self._attendants: dict[str, str] = {}

    @abstractmethod
    def append(self, body: Any, *, source: str | None = None) -> Event:
        """Add a fact and return it."""

    @abstractmethod
    def bind_loop(self) -> None:
        """Take the running event loop as the one this log belongs to."""

    async def ask(
        self, prompt: str, *, choices: tuple[str, ...] = (), source: str | None = None, suggestion: str = ""
    ) -> str:
        """Ask a person: log the question, wait for `answer`, return its text.

        Args:
            prompt: The question.
            choices: The only answers taken; any if there are none.
            source: Who asks; default: the current scope's.
            suggestion: An answer to begin with.
        """
        self.bind_loop()
        question = InputRequested(input_id=new_id(), prompt=prompt, choices=choices, suggestion=suggestion)
        future: asyncio.Future[str]
        future = self._answers[question.input_id] = asyncio.get_running_loop().create_future()
        try:
            with self.asking(question, source=source):
                return await future
        finally:
            self._answers.pop(question.input_id, None)

    @contextmanager
    def asking(self, question: InputRequested, *, source: str | None = None) -> Iterator[None]:
        """Log a question that is answered while the block runs; left by an error, that it was withdrawn."""
        began = monotonic()
        self.append(question, source=source)
        try:
            yield
        except BaseException:
            withdrawn = f"The question was withdrawn after {monotonic() - began:.1f} s without an answer."
            self.append(Noted(text=withdrawn, by="agentnb"))
            raise

    def answer(self, input_id: str, text: str, *, by: str = "") -> bool:
        """Answer an open question, from any thread; return False if it was answered before, or never asked."""

        def answer() -> None:
            if self._is_open(input_id):
                self.append(InputAnswered(input_id=input_id, text=text, by=by))

        return self._settle(input_id, answer)

    def refuse(self, input_id: str, error: BaseException) -> bool:
        """End an open question with an error, from any thread; return False if it is not open."""

        def refuse() -> None:
            if self._is_open(input_id):
                self._answers[input_id].set_exception(error)

        return self._settle(input_id, refuse)

    def _is_open(self, input_id: str) -> bool:
        future = self._answers.get(input_id)
        return future is not None and not future.done()

    def _settle(self, input_id: str, settle: Callable[[], None]) -> bool:
        if not self._is_open(input_id):
            return False
        loop = self._answers[input_id].get_loop()
        if in_loop(loop) or not loop.is_running():
            settle()
        else:
            # A future set from a foreign thread would not wake its loop.
            loop.call_soon_threadsafe(settle)
        return True

    def attend(self, name: str) -> Callable[[], None]:
        """Say that `name` shows questions to a person and brings the answers; return the way to end that."""
        key = new_id()
        self._attendants[key] = name
        return lambda: void(self._attendants.pop(key, None))

    @property
    def attended(self) -> bool:
        """Whether somebody shows questions to a person."""
        return bool(self._attendants)

    def _wake(self, body: InputAnswered) -> None:
        future = self._answers.get(body.input_id)
        if future is not None and not future.done():
            future.set_result(body.text)

    @property
    def open_questions(self) -> tuple[str, ...]:
        """Ids of questions that wait for an answer."""
        return tuple(self._answers)


def in_loop(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether this code runs in `loop`."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def void(_: object) -> None:
    """Take anything, return nothing."""
