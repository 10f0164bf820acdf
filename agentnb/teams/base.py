"""What makes a team of a certain kind: who speaks next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from agentnb.messages import BaseAgentEvent, BaseChatMessage


@dataclass(frozen=True, slots=True)
class TeamView:
    """What a policy sees of a team; the thread is the team's own and must not be changed."""

    names: Sequence[str]
    """Participants, in their order."""
    thread: Sequence[BaseAgentEvent | BaseChatMessage]
    """Everything said since the last reset, over all runs."""
    turns: int
    """Rounds of speakers finished since the last reset, over all runs."""


class SpeakerPolicy(Protocol):
    """Says who speaks next; several names speak at the same time."""

    async def __call__(self, view: TeamView) -> Sequence[str]:
        """Return the names of the next speakers."""
