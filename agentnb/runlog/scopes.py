"""Where the facts of the code that runs now belong."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from agentnb.core import EventId

if TYPE_CHECKING:
    from agentnb.runlog.log import RunLog


class Scope(NamedTuple):
    """Where the facts of the code that runs now belong."""

    log: RunLog
    cause: EventId | int | None
    """What causes them; of a fact of this log, its number will do."""
    source: str
    recorders: tuple[int, ...] = ()
    """The objects whose recorded method runs now, by identity: what a class leaves to its base is one call, not two."""

    @property
    def parent(self) -> EventId | None:
        """The id of what causes them."""
        return self.log.id_of(self.cause) if isinstance(self.cause, int) else self.cause


as_scope: Callable[[tuple[RunLog, EventId | int | None, str, tuple[int, ...]]], Scope] = partial(tuple.__new__, Scope)
"""Makes a scope of its values, at half the price of `Scope`."""


def name_of(source: str) -> str:
    """Return the name of who a fact's source stands for, as in `team/agent`."""
    return source.rpartition("/")[2]


_scope: ContextVar[Scope | None] = ContextVar("agentnb_scope", default=None)


def current() -> Scope | None:
    """Return the scope of the code that runs now, None outside of a run."""
    return _scope.get()


def leave(token: Token[Scope | None]) -> None:
    """Go back to the scope before that one of which `_scope.set` gave the token."""
    try:
        _scope.reset(token)
    except ValueError:
        pass  # a coroutine that is thrown away is closed in whatever context collects it


class Entered:
    """Lets facts of the code in a block belong somewhere; may be entered again."""

    # A class, not a generator, and for what comes with every turn neither: that sets `_scope` and `leave`s.
    __slots__ = ("_here", "_token")

    def __init__(self, here: Scope) -> None:
        self._here = here

    def __enter__(self) -> None:
        self._token = _scope.set(self._here)

    def __exit__(self, *_: object) -> None:
        leave(self._token)


def scope(log: RunLog, parent: EventId | None, source: str) -> AbstractContextManager[None]:
    """Let facts of the code in the block belong to `parent`."""
    return Entered(Scope(log, parent, source))


def fan_out(item: Any) -> None:
    """Show something to those who watch the current run, without storing it."""
    here = _scope.get()
    if here is not None:
        here.log.fan_out(item)
