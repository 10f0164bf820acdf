"""Asking a person: in the cell or the widget where somebody attends the run's log, else in the terminal."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import copy_context
from typing import Any, NamedTuple

from agentnb.core import new_id
from agentnb.core.plugins import load
from agentnb.exceptions import HumanUnavailable, RuntimeFault
from agentnb.runlog import InputAnswered, InputRequested, RunLog, current
from agentnb.runlog.replaying import replayed


class Answer(NamedTuple):
    """What a person answered, and the way the answer came."""

    text: str
    by: str

    @property
    def is_line(self) -> bool:
        """Whether the way lets through a line only."""
        return self.by in ("stdin", "terminal") and "\n" not in self.text


async def ask(
    prompt: str,
    *,
    who: str,
    way_out: str,
    choices: tuple[str, ...] = (),
    input_id: str | None = None,
    suggestion: str = "",
) -> Answer:
    """Ask whoever is there.

    Args:
        prompt: The question.
        who: Who asks, as the beginning of a sentence.
        way_out: What to do where nobody is there, as a sentence.
        choices: The only answers taken; any if there are none.
        input_id: The id of the question in the log; default: a new one.
        suggestion: An answer to begin with, where the way lets one through.

    Raises:
        HumanUnavailable: If nobody is there.
    """
    here = current()
    earlier = answered_before(prompt)
    if earlier is not None:
        return earlier
    leave = _attend(here.log) if here is not None and not here.log.attended else None
    try:
        if here is not None and here.log.attended:
            before = len(here.log)
            text = await here.log.ask(prompt, choices=choices, suggestion=suggestion)
            answers = (e.body for e in reversed(here.log.since(before)) if isinstance(e.body, InputAnswered))
            return Answer(text, next((answer.by for answer in answers if answer.text == text), ""))
    finally:
        if leave is not None:
            leave()
    if sys.stdin is None or not sys.stdin.isatty():
        raise HumanUnavailable(f"{who} wants to ask a person, but nobody is there to answer. {way_out}")
    shown = f"{prompt} [{' / '.join(choices)}] " if choices else prompt
    known = {choice.casefold(): choice for choice in choices}
    with asked(input_id or new_id(), prompt, "terminal", choices) as answer:
        text = await in_thread(input, shown)
        while choices and text.strip().casefold() not in known:
            text = await in_thread(input, f"Please answer one of: {' / '.join(choices)} ")
        return answer(known[text.strip().casefold()] if choices else text)


def answered_before(prompt: str) -> Answer | None:
    """Return what a person answered before the turn was broken off that is taken up now; None if nobody did."""
    here, recording = current(), replayed()
    text = None if here is None or recording is None else recording.answer(here.source, prompt)
    return None if text is None else Answer(text, "log")


def _attend(log: RunLog) -> Callable[[], None] | None:
    """Let the cell that runs now bring the question, where there is one; return the way to end that."""
    if "ipykernel" not in sys.modules:
        return None
    attend: Callable[[RunLog], Callable[[], None] | None] = load("person", "cell")
    return attend(log)


@contextmanager
def asked(input_id: str, prompt: str, by: str, choices: tuple[str, ...] = ()) -> Iterator[Callable[[str], Answer]]:
    """Log a question whose answer comes by a way of its own; the block calls what it is given with the answer."""
    here = current()

    def answer(text: str) -> Answer:
        if here is not None:
            here.log.append(InputAnswered(input_id=input_id, text=text, by=by))
        return Answer(text, by)

    question = InputRequested(input_id=input_id, prompt=prompt, choices=choices, by=by)
    with here.log.asking(question) if here is not None else nullcontext():
        yield answer


async def in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function that waits, such as `input`, in a thread with the caller's context variables.

    Cancelling ends the wait at once. The thread is a daemon's: a program whose question was withdrawn can end,
    which the threads of `asyncio.to_thread` would not let it.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    context = copy_context()

    def settle(value: Any, error: BaseException | None) -> None:
        if not future.done():
            future.set_result(value) if error is None else future.set_exception(error)

    def work() -> None:
        value: Any = None
        error: BaseException | None = None
        try:
            value = context.run(function, *arguments)
        except StopIteration as stop:
            # A future cannot carry this one: whoever awaits it would wait for ever.
            error = RuntimeFault(f"StopIteration: {stop}" if str(stop) else "StopIteration: nothing more is given")
        except BaseException as raised:
            error = raised
        try:
            loop.call_soon_threadsafe(settle, value, error)
        except RuntimeError:
            return  # the loop is closed, and nobody waits any more

    threading.Thread(target=work, name="agentnb-person", daemon=True).start()
    return await future
