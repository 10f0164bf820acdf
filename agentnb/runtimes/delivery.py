"""One message on its way, and how a handler is run so that nobody can tell whose task it is in."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Coroutine, Generator
from contextvars import Context, copy_context
from types import coroutine as generator_coroutine
from typing import Any

from agentnb.core import AgentId, TopicId
from agentnb.exceptions import RuntimeFault
from agentnb.runlog import Event
from agentnb.runtimes.base import Delivery
from agentnb.runtimes.capacity import Mailbox
from agentnb.runtimes.circles import Wait
from agentnb.runtimes.contexts import Here, here

# Both catch StopIteration here, within the context: on its way out of `Context.run` it would gather frames.


def finish(here_: Here | None, coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that cannot wait for anything, and return its result."""
    here.set(here_)
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    coroutine.close()
    raise RuntimeFault(f"{coroutine!r} waits for something, which its code does not show.")


def _begin(here_: Here | None, coroutine: Coroutine[Any, Any, Any], result: list[Any]) -> Any:
    here.set(here_)
    try:
        return coroutine.send(None)
    except StopIteration as end:
        result.append(end.value)


@generator_coroutine
def first_step() -> Generator[None, None, None]:
    """Wait for the first step of the task that a coroutine, begun up to here, is given to.

    A task cancelled before its first step throws its coroutine away unseen; one that has begun gets to clean up.
    """
    yield


@generator_coroutine
def in_context(context: Context, here_: Here | None, coroutine: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Await a coroutine in a context of its own but in the awaiting task.

    What a handler sets in context variables so stays its own, as if it had a task, without the cost of one.
    """
    run = context.run
    result: list[Any] = []
    waits_for = run(_begin, here_, coroutine, result)
    if result:
        return result[0]
    while True:
        try:
            got = yield waits_for
        except GeneratorExit:
            run(coroutine.close)
            raise
        except BaseException as error:
            step: Any = functools.partial(coroutine.throw, error)
        else:
            step = functools.partial(coroutine.send, got)
        try:
            waits_for = run(step)
        except StopIteration as end:
            return end.value


class Envelope:
    """A message on its way.

    Attributes:
        turn: For a send: is given the message when its turn has come; None for a publish.
        rooms: The mailboxes that took it on, by agent.
        refused: Hearers whose capacity did not.
        wait: That of the handler that sent it, where a mailbox waits for that one's end.
        apart: Whether a send is handled in a task of its own, which the sender makes when its turn has come.
    """

    __slots__ = ("apart", "context", "message", "recipient", "refused", "rooms", "sent", "turn", "variables", "wait")

    def __init__(
        self, message: Any, context: Delivery, recipient: AgentId | TopicId, turn: asyncio.Future[Any] | None
    ) -> None:
        self.message = message
        self.context = context
        self.recipient = recipient
        self.turn = turn
        self.variables = copy_context()
        self.sent: Event | None = None
        self.rooms: dict[AgentId, Mailbox] | None = None
        self.refused: tuple[AgentId, ...] = ()
        self.apart = False
        self.wait: Wait | None = None
