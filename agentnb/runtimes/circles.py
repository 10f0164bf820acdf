"""Handlers that wait for each other in a circle, and so for ever."""

from __future__ import annotations

import asyncio

from agentnb.core import CancellationToken
from agentnb.runtimes.capacity import Mailbox
from agentnb.runtimes.contexts import Here


class Wait:
    """What a handler awaits: a message it sent, or room for one it publishes.

    Attributes:
        wants: The bounded mailbox the message waits for; None where it waits for nobody's hand.
        handler: Who handles the message now.
        until: What the handler awaits meanwhile; once that is over the handler is free.
        token: Frees the handler too.
    """

    __slots__ = ("handler", "token", "until", "wants")

    def __init__(self, wants: Mailbox | None, token: CancellationToken | None) -> None:
        self.wants = wants
        self.token = token
        self.handler: Here | None = None
        self.until: asyncio.Future[None] | None = None


def at_work_here(here: Here | None) -> Here | None:
    """Return the handler that cannot go on before what this task does now is over, where a mailbox depends on it.

    A task of its own that a handler makes is none of it: nobody knows whether the handler awaits that.
    """
    return here if here is not None and here.task is not None and here.task is asyncio.current_task() else None


def _held_up(at_work: Here) -> tuple[list[Here], Mailbox] | None:
    """Return at which mailbox a handler is held up, and the handlers that await each other down to there."""
    chain = [at_work]
    while True:
        wait = at_work.waits
        if (
            wait is None
            or (wait.until is not None and wait.until.done())
            or (wait.token is not None and wait.token.is_cancelled())
        ):
            return None
        if wait.handler is None:
            return None if wait.wants is None else (chain, wait.wants)
        at_work = wait.handler
        chain.append(at_work)


def circle(mailbox: Mailbox) -> str | None:
    """Name the circle that keeps every hand of a mailbox for ever; None if one may still be free.

    A hand may be free unless all of them are taken, each by a handler that is held up at a mailbox of which the same is
    true: of a group of mailboxes without one way out, none will ever handle another message.
    """
    seen: set[Mailbox] = set()
    left = [mailbox]
    ways: dict[str, None] = {}
    while left:
        one = left.pop()
        if one in seen:
            continue
        seen.add(one)
        if len(one.hands) != one.capacity.concurrency:
            return None
        for at_work in one.hands:
            held_up = _held_up(at_work)
            if held_up is None:
                return None
            chain, wants = held_up
            left.append(wants)
            names = [str(each.agent_id) for each in chain]
            ways[" → ".join([*names, str(wants.agent_id)])] = None
    hands = ", ".join(sorted(f"{one.agent_id} handles {one.capacity.concurrency} at once" for one in seen))
    return (
        f"The message to {mailbox.agent_id} would wait for ever, in a circle of handlers that await each other: "
        f"{', '.join(ways)} ({hands})."
    )
