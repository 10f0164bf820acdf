"""Who is asked before something happens in a run: the waist between what acts and what may forbid it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal, Protocol

ActKind = Literal["goal", "message", "event", "delegation", "tool", "code", "done"]


@dataclass(frozen=True, slots=True)
class Act:
    """Something that was said, or is about to happen."""

    kind: ActKind
    """`goal`: a task, or a plan announced for the team; `message`, `event`: said by an agent; `delegation`: somebody
    is about to get the word; `tool`, `code`: about to be called or run; `done`: the run is about to end."""
    by: str
    """Who: an agent, or who speaks for the team."""
    text: str
    """What, as text: the message, the names, the tool's name and arguments, the code, the reason for the end."""
    detail: Any = None
    """The object itself: the message, the `Choice`, the arguments as a dict, the code blocks, the stop reason."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An act that may not happen."""

    by: str
    """Who refuses."""
    reason: str
    ends_run: bool = False
    """Whether the whole run is to end."""


class Guard(Protocol):
    """One who is asked about every act of the runs it guards."""

    async def judge(self, act: Act) -> Refusal | None:
        """Return why an act may not happen; None lets it happen."""


_guards: ContextVar[tuple[Guard, ...]] = ContextVar("agentnb_guards", default=())


@contextmanager
def guarding(guard: Guard) -> Iterator[None]:
    """Let `guard` be asked about what the code in the block does, after those that guard it already."""
    token = _guards.set((*_guards.get(), guard))
    try:
        yield
    finally:
        _guards.reset(token)


def guarded() -> bool:
    """Tell whether anybody guards the code that runs now."""
    return bool(_guards.get())


async def judged(act: Act) -> Refusal | None:
    """Ask all who guard the code that runs now; the first refusal holds."""
    for guard in _guards.get():
        refusal = await guard.judge(act)
        if refusal is not None:
            return refusal
    return None
