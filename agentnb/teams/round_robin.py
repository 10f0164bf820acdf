"""Everybody in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar

from agentnb.base import ChatAgent, Team, TerminationCondition
from agentnb.messages import BaseAgentEvent, BaseChatMessage
from agentnb.runtimes import AgentRuntime
from agentnb.teams.base import Choice, TeamView
from agentnb.teams.group_chat import BaseGroupChat


def in_turn(view: TeamView) -> Choice:
    """Choose the participants in their order, over and over."""
    return _next_is(view.names[view.turns % len(view.names)])


@lru_cache(maxsize=256)
def _next_is(name: str) -> Choice:
    return Choice((name,), rule="in turn")


class RoundRobinGroupChat(BaseGroupChat):
    """Participants speak in their order, over and over; the next run goes on where the last one ended.

    ```python
    team = RoundRobinGroupChat([writer, critic], termination_condition=TextMentionTermination("APPROVE"))
    result = await team.run(task="Write a haiku about autumn.")
    ```

    Arguments and errors are those of `BaseGroupChat`, without the policy.
    """

    component_defaults: ClassVar[Mapping[str, Any]] = {"emit_team_events": False}

    def __init__(
        self,
        participants: Sequence[ChatAgent | Team],
        *,
        name: str | None = None,
        description: str | None = None,
        termination_condition: TerminationCondition | None = None,
        max_turns: int | None = None,
        runtime: AgentRuntime | None = None,
        custom_message_types: Sequence[type[BaseAgentEvent | BaseChatMessage]] | None = None,
        emit_team_events: bool = False,
    ) -> None:
        super().__init__(
            participants,
            in_turn,
            name=name,
            description=description,
            termination_condition=termination_condition,
            max_turns=max_turns,
            runtime=runtime,
            custom_message_types=custom_message_types,
            emit_team_events=emit_team_events,
        )

    async def _policy_state(self) -> dict[str, Any]:
        return {"type": "RoundRobinManagerState", "next_speaker_index": self._turns % len(self._names)}

    def _turns_of(self, state: Mapping[str, Any], turns: int) -> int:
        index = int(state.get("next_speaker_index", 0))
        return turns if turns % len(self._names) == index else index
