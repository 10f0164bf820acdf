"""What a team is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from agentnb.base.runner import TaskRunner
from agentnb.core import Component


class Team(Component, TaskRunner):
    """Several agents at one task."""

    component_type: ClassVar[str] = "team"

    _from_facts = False
    """Whether its log tells all that it remembers, so that no states of it need be logged."""

    @abstractmethod
    async def reset(self) -> None:
        """Forget the conversation."""

    @abstractmethod
    async def pause(self) -> None:
        """Ask every agent to hold on."""

    @abstractmethod
    async def resume(self) -> None:
        """Let every agent go on."""

    @abstractmethod
    async def save_state(self) -> Mapping[str, Any]:
        """Return what is needed to go on elsewhere, JSON-ready."""

    @abstractmethod
    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""

    @abstractmethod
    async def close(self) -> None:
        """Release what the team's agents hold."""
