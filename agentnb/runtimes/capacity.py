"""Bounded mailboxes: how much an agent takes at once, what waits, and what happens when it is too much."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from agentnb.core import AgentId, CancellationToken, monotonic
from agentnb.exceptions import BreakerOpen, MailboxFull, UserError
from agentnb.runtimes.contexts import Here

if TYPE_CHECKING:
    from agentnb.runtimes.circles import Wait

Tell = Callable[[str, int, float | None], None]
"""Is told a mailbox's new state, its failures in a row, and seconds until it is worth to try again."""

OnFull = Literal["wait", "drop", "fail"]
BreakerState = Literal["closed", "open", "half-open"]


def _check_number(name: str, value: object, what: str, *, whole: bool = True) -> None:
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise UserError(f"{name} is {value!r}; it must be {what}.")


@dataclass(frozen=True, slots=True)
class Breaker:
    """After `failures` in a row nothing is taken for `reset_after` seconds; then one message is let through to try.

    If that one is handled, the breaker closes; if it fails, it stays open as long again.

    Raises:
        ValueError: If a number is not positive.
    """

    failures: int = 5
    reset_after: float = 30.0
    """Seconds."""

    def __post_init__(self) -> None:
        _check_number("Breaker.failures", self.failures, "a whole number")
        _check_number("Breaker.reset_after", self.reset_after, "a number of seconds", whole=False)
        if self.failures < 1 or self.reset_after <= 0:
            raise UserError(f"{self!r}: failures must be at least 1, reset_after more than 0 seconds.")


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one agent takes; declared when its type is registered, kept for each of its keys.

    ```python
    await Searcher.register(runtime, "searcher", Searcher, capacity=Capacity(concurrency=1, queue=100, on_full="wait"))
    ```

    Raises:
        ValueError: If a number is out of range.
    """

    concurrency: int | None = 1
    """Messages handled at once; 1 makes a true one-at-a-time actor, None sets no bound."""
    queue: int | None = None
    """Messages that may wait beyond those; None sets no bound."""
    on_full: OnFull = "wait"
    """`"wait"`: whoever sends or publishes waits for room. `"drop"`: the message is dropped, a sender gets
    `MessageDroppedException`. `"fail"`: whoever sends or publishes gets `MailboxFull`."""
    retry_after: float | None = None
    """Seconds; what `MailboxFull` tells the sender."""
    breaker: Breaker | None = None

    def __post_init__(self) -> None:
        if self.concurrency is not None:
            _check_number("Capacity.concurrency", self.concurrency, "a whole number, or None for no bound")
        if self.queue is not None:
            _check_number("Capacity.queue", self.queue, "a whole number, or None for no bound")
        if self.retry_after is not None:
            _check_number("Capacity.retry_after", self.retry_after, "a number of seconds", whole=False)
        if self.breaker is not None and not isinstance(self.breaker, Breaker):
            raise UserError(f"Capacity.breaker is {self.breaker!r}; give a Breaker, as in Breaker(failures=3).")
        if self.concurrency is not None and self.concurrency < 1:
            raise UserError(f"Capacity.concurrency is {self.concurrency}; it must be at least 1, or None for no bound.")
        if self.queue is not None and self.queue < 0:
            raise UserError(f"Capacity.queue is {self.queue}; it must be 0 or more, or None for no bound.")
        if self.on_full not in ("wait", "drop", "fail"):
            raise UserError(f"Capacity.on_full is {self.on_full!r}; it may be 'wait', 'drop' or 'fail'.")
        if self.retry_after is not None and self.retry_after < 0:
            raise UserError(f"Capacity.retry_after is {self.retry_after}; it must be 0 seconds or more.")

    @property
    def bound(self) -> float:
        """Messages an agent may have in all, at work and waiting."""
        return float("inf") if self.concurrency is None or self.queue is None else self.concurrency + self.queue


class Mailbox:
    """The messages one agent has taken on.

    A message is admitted when it is sent, enters when its turn has come in the runtime's order, and leaves when it is
    handled.

    Attributes:
        at_work: Messages being handled.
        hands: The handlers at work, once they have begun.
        taken: Messages admitted and not yet gone, those at work included.
    """

    def __init__(self, agent_id: AgentId, capacity: Capacity, tell: Tell) -> None:
        self.agent_id = agent_id
        self.capacity = capacity
        self.at_work = 0
        self.hands: dict[Here, None] = {}
        self.taken = 0
        self._tell = tell
        self._entering: deque[tuple[Callable[[], bool], Callable[[], None], bool]] = deque()
        self._outside: deque[asyncio.Future[None]] = deque()
        self._full = False
        self._failures = 0
        self._open_until: float | None = None
        self._trying = False

    @property
    def breaker(self) -> BreakerState:
        """What the breaker does at present."""
        if self._open_until is None:
            return "closed"
        return "half-open" if self._trying or monotonic() >= self._open_until else "open"

    @property
    def held(self) -> int:
        """Messages that wait here and no longer in the runtime's queue, and senders that wait for room."""
        return len(self._entering) + len(self._outside)

    @property
    def waiting(self) -> int:
        """Messages admitted that wait for their turn, and senders that wait for room."""
        return self.taken - self.at_work + len(self._outside)

    @property
    def has_room(self) -> bool:
        """Whether a message that comes now is taken on at once."""
        return self.taken < self.capacity.bound and not self._outside

    async def admit(self, token: CancellationToken | None = None, wait: Wait | None = None) -> None:
        """Take a message on, or wait for room where the capacity says so; a token ends the wait.

        Raises:
            BreakerOpen: If the agent failed too often in a row.
            MailboxFull: If there is no room, and the capacity does not say to wait.
        """
        self._check_breaker()
        if self.has_room:
            self.taken += 1
            return
        if not self._full:
            self._full = True
            self._tell("full", self._failures, self.capacity.retry_after)
        if self.capacity.on_full != "wait":
            raise MailboxFull(
                f"The mailbox of {self.agent_id} is full: {self.at_work} at work, {self.taken - self.at_work} waiting.",
                retry_after=self.capacity.retry_after,
            )
        room: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._outside.append(room)
        if token is not None:
            token.link_future(room)
        if wait is not None:
            wait.until = room
        try:
            await room
        except asyncio.CancelledError:
            if room.done() and not room.cancelled():
                self.release()  # the room was given to a sender that has left
            elif room in self._outside:
                self._outside.remove(room)
            raise

    def _check_breaker(self) -> None:
        if self._open_until is None:
            return
        left = self._open_until - monotonic()
        if left > 0 or self._trying:
            raise BreakerOpen(
                f"{self.agent_id} failed {self._failures} times in a row and takes nothing at present.",
                retry_after=max(left, 0.0),
            )
        self._trying = True
        self._tell("half-open", self._failures, None)

    def enter(self, begin: Callable[[], bool], refuse: Callable[[], None], *, lasts: bool) -> None:
        """Call `begin` when there is a free hand, in the order of the calls; one that returns False has left.

        `refuse` is called instead when the runtime is stopped before that. One that `lasts` survives its event loop.
        """
        self._entering.append((begin, refuse, lasts))
        self.go_on()

    def put_back(self, begin: Callable[[], bool], refuse: Callable[[], None]) -> None:
        """Let a message that had entered enter again, before all others; `go_on` calls it."""
        self.at_work -= 1
        self._trying = False
        self._entering.appendleft((begin, refuse, True))

    def leave(self, error: BaseException | None = None, hand: Here | None = None) -> None:
        """Say that a message that had entered is handled, or failed with an error."""
        self.at_work -= 1
        if hand is not None:
            self.hands.pop(hand, None)
        if isinstance(error, Exception):
            self._failed()
        elif error is None:
            self._handled()
        else:
            self._trying = False  # cancelled: nobody knows whether it would have worked
        self._give_room()
        self.go_on()

    def go_on(self) -> None:
        """Let those begin for whom there is a hand."""
        concurrency = self.capacity.concurrency
        while self._entering and (concurrency is None or self.at_work < concurrency):
            begin, _, _ = self._entering.popleft()
            if begin():
                self.at_work += 1

    def abandon(self) -> int:
        """Forget everybody of an event loop that is closed, and return how many messages that last wait to begin."""
        self._entering = deque(one for one in self._entering if one[2])
        self._outside.clear()
        self.hands.clear()
        self._trying = self._full = False
        self.at_work = 0
        self.taken = len(self._entering)
        return self.taken

    def release(self) -> None:
        """Give back the room of a message that was admitted and never entered."""
        self._trying = False
        self._give_room()

    def _give_room(self) -> None:
        while self._outside:
            room = self._outside.popleft()
            if not room.done():
                room.set_result(None)
                return
        self.taken -= 1
        if self._full:
            self._full = False
            self._tell("room", self._failures, None)

    def discard(self) -> None:
        """Refuse everything that waits for its turn."""
        while self._entering:
            _, refuse, _ = self._entering.popleft()
            refuse()

    def turn_away(self, error: Exception) -> None:
        """Give those who wait for room an error."""
        while self._outside:
            room = self._outside.popleft()
            if not room.done():
                room.set_exception(error)

    def _failed(self) -> None:
        self._failures += 1
        breaker = self.capacity.breaker
        if breaker is not None and (self._trying or self._failures >= breaker.failures):
            self._trying = False
            self._open_until = monotonic() + breaker.reset_after
            self._tell("open", self._failures, breaker.reset_after)

    def _handled(self) -> None:
        self._failures = 0
        if self._open_until is not None and self._trying:
            self._trying = False
            self._open_until = None
            self._tell("closed", 0, None)
