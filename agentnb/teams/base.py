"""What makes a team of a certain kind: who speaks next."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from agentnb.core import CancellationToken
from agentnb.exceptions import RuntimeFault
from agentnb.messages import BaseAgentEvent, BaseChatMessage, StopMessage

Item = BaseAgentEvent | BaseChatMessage

LIMIT = "limit"
"""In a policy's `StopMessage.metadata`: a limit ends the run, which no guard can put off."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Who speaks next, and why; several names speak at the same time.

    Everything but the names is for those who ask later why: it is written into the log as it is.
    """

    names: tuple[str, ...]
    rule: str = ""
    """What decided, in a word or two, such as "in turn", "model", "only candidate", "fallback"."""
    why: str = ""
    """A sentence for a person."""
    candidates: tuple[str, ...] = ()
    """Who could have been chosen; empty where everybody could."""
    answer: str = ""
    """What a model answered when it was asked to choose."""
    attempts: int = 0
    """How often it was asked."""


class Floor(Protocol):
    """What a policy may do to the conversation besides choosing."""

    def say(self, message: Item, *, heard: bool = True) -> None:
        """Say something in the team's name: in the stream and the result, and, if `heard`, to every participant."""

    def chunk(self, piece: Item) -> None:
        """Show a piece of something that is still being written."""

    async def forget(self) -> None:
        """Reset every participant and empty the thread."""


class _NoFloor:
    def _missing(self) -> RuntimeFault:
        return RuntimeFault("This view belongs to no team that runs; nothing can be said through it.")

    def say(self, message: Item, *, heard: bool = True) -> None:
        raise self._missing()

    def chunk(self, piece: Item) -> None:
        raise self._missing()

    async def forget(self) -> None:
        raise self._missing()


@dataclass(frozen=True, slots=True)
class TeamView:
    """What a policy sees of a team; the thread is the team's own and must not be changed."""

    names: Sequence[str]
    """Participants, in their order."""
    thread: Sequence[Item]
    """Everything said since the last reset, over all runs."""
    turns: int
    """Rounds of speakers finished since the last reset, over all runs."""
    descriptions: Mapping[str, str] = field(default_factory=dict)
    """What each participant is good for."""
    last_speakers: Sequence[str] = ()
    """Who spoke in the last round."""
    task: Sequence[BaseChatMessage] = ()
    """The task of this run; empty where a run goes on without one."""
    cancellation_token: CancellationToken | None = None
    """Ends the run; a policy that is awaited when it is cancelled is cancelled too."""
    floor: Floor = field(default_factory=_NoFloor, repr=False, compare=False)
    """What else a policy may do."""


Chosen = str | Sequence[str] | Choice | StopMessage


class SpeakerPolicy(Protocol):
    """Says who speaks next: a name, several names for those who speak at the same time, or a `Choice`.

    A function, plain or `async`, of a `TeamView`:

    ```python
    def loudest(view: TeamView) -> str:
        return max(view.names, key=lambda name: sum(len(m.to_text()) for m in view.thread if m.source == name))

    team = BaseGroupChat([writer, critic], loudest, max_turns=4)
    ```

    A `StopMessage` in place of a name ends the run; its content is the stop reason.
    """

    def __call__(self, view: TeamView, /) -> Chosen | Awaitable[Chosen]: ...


class RememberingPolicy(ABC):
    """A policy with a memory of its own, which is saved and reset with its team.

    When a team is restored from its log, `begin`, `heard` and `over` are called as they were then, so they must not
    reach out; what only choosing changes is taken from the states that are logged with each choice.
    """

    state_type: ClassVar[str] = "BaseGroupChatManagerState"
    """AutoGen's name for the saved state."""
    asks_condition_of_task: ClassVar[bool] = True
    """Whether the team's termination condition sees the task and what the policy says."""
    follows: ClassVar[bool] = False
    """Whether its memory follows from `begin`, `heard` and `over` alone, so that no states need be logged."""

    @abstractmethod
    async def __call__(self, view: TeamView) -> Chosen:
        """Say who speaks next, or end the run with a `StopMessage`."""

    async def begin(self, view: TeamView) -> None:
        """Look at a task before anything is said.

        Raises:
            ValueError: If the team cannot begin with it.
        """

    async def heard(self, view: TeamView, round: Mapping[str, Sequence[Item]]) -> StopMessage | None:
        """Take note of a finished round, by speaker; a `StopMessage` ends the run.

        Called once for each round whose speakers all answered, also where the run ends with it.
        """
        return None

    async def over(self) -> None:
        """Take note that a run has ended, however it did; of one that was stopped, within a second."""

    async def reset(self) -> None:
        """Forget everything."""

    async def save_state(self) -> dict[str, Any]:
        """Return what it remembers, JSON-ready, in the fields of AutoGen's state."""
        return {}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            ValueError: If the state cannot be read.
        """
