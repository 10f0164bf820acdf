"""A team that stands around another one: to those outside, it is that team."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agentnb.base import ChatAgent, TaskRunner, Team
from agentnb.base.restoring import Told
from agentnb.messages import MessageFactory
from agentnb.runlog import Participant
from agentnb.runlog.given import Given
from agentnb.teams.group_chat import no_log_for


class TeamAround(Team):
    """Hands everything on to its team; subclasses say what they add.

    Args:
        team: The team.
    """

    _team: Team

    @property
    def name(self) -> str:
        return self._team.name

    @property
    def description(self) -> str:
        return self._team.description

    @property
    def asks_person(self) -> bool:
        return self._team.asks_person

    def _run_participants(self) -> Sequence[Participant]:
        return self._team._run_participants()

    def _run_model(self) -> str:
        return self._team._run_model()

    def _held_to(self) -> str:
        return self._team._held_to()

    async def share(self, variables: Mapping[str, Any]) -> list[str]:
        return await self._team.share(variables)

    async def reset(self) -> None:
        await self._team.reset()
        self._last_run = self._restored = self._broken = None

    async def pause(self) -> None:
        await self._team.pause()

    async def resume(self, log: Given | None = None, **options: Any) -> Any:
        """Let a paused run go on, or, with a log, go on from there: see `BaseGroupChat.resume`."""
        if log is not None:
            return await self._resume(log, **options)
        no_log_for(**options)
        await self._team.resume()
        return None

    async def _told_to_pause(self) -> None:
        await self._team._told_to_pause()

    async def _told_to_resume(self) -> None:
        await self._team._told_to_resume()

    @property
    def _from_facts(self) -> bool:  # type: ignore[override]
        return self._team._from_facts

    def _inside(self) -> Iterable[TaskRunner]:
        return self._team._inside()

    async def _retell(self, told: Sequence[Told]) -> None:
        await self._team._retell(told)
        self._last_run, self._broken = self._team._last_run, self._team._broken

    def _coders(self) -> Mapping[str, ChatAgent]:
        return self._team._coders()

    def _knows(self, factory: MessageFactory) -> None:
        self._team._knows(factory)

    async def save_state(self) -> Mapping[str, Any]:
        """Return the team's state; what stands around it has none."""
        return await self._team.save_state()

    async def load_state(self, state: Mapping[str, Any]) -> None:
        await self._team.load_state(state)

    async def close(self) -> None:
        await self._team.close()
