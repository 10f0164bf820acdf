"""The shapes of AutoGen's saved states, for programs that build, check or subclass them.

Teams and agents here save plain dicts of these shapes and load any mapping; nothing below is needed for either.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

__all__ = [
    "AssistantAgentState",
    "BaseGroupChatManagerState",
    "BaseState",
    "ChatAgentContainerState",
    "MagenticOneOrchestratorState",
    "RoundRobinManagerState",
    "SelectorManagerState",
    "SocietyOfMindAgentState",
    "SwarmManagerState",
    "TeamState",
]

_Saved = Mapping[str, Any]  # what a part of a user's own saves: JSON of any shape


class BaseState(BaseModel):
    """A saved state: `TeamState.model_validate(await team.save_state())`, and `model_dump()` back."""

    type: str = "BaseState"
    version: str = "1.0.0"


class AssistantAgentState(BaseState):
    """What an `AssistantAgent` saves."""

    type: str = "AssistantAgentState"
    llm_context: _Saved = Field(default_factory=lambda: {"messages": []})


class TeamState(BaseState):
    """What a team saves."""

    type: str = "TeamState"
    agent_states: _Saved = Field(default_factory=dict)
    """A `ChatAgentContainerState` for each participant, and one for who leads, by their names."""


class ChatAgentContainerState(BaseState):
    """A participant of a team, with what it has yet to hear."""

    type: str = "ChatAgentContainerState"
    agent_state: _Saved = Field(default_factory=dict)
    message_buffer: list[_Saved] = Field(default_factory=list)


class BaseGroupChatManagerState(BaseState):
    """What every kind of team keeps of who leads: what was said, and the turns of a run that goes on."""

    type: str = "BaseGroupChatManagerState"
    message_thread: list[_Saved] = Field(default_factory=list)
    current_turn: int = 0


class RoundRobinManagerState(BaseGroupChatManagerState):
    """Who is next in a `RoundRobinGroupChat`, counted from 0."""

    type: str = "RoundRobinManagerState"
    next_speaker_index: int = 0


class SelectorManagerState(BaseGroupChatManagerState):
    """Who spoke last in a `SelectorGroupChat`."""

    type: str = "SelectorManagerState"
    previous_speaker: str | None = None


class SwarmManagerState(BaseGroupChatManagerState):
    """Who has the word in a `Swarm`."""

    type: str = "SwarmManagerState"
    current_speaker: str = ""


class MagenticOneOrchestratorState(BaseGroupChatManagerState):
    """The ledgers and counts of a `MagenticOneGroupChat`."""

    type: str = "MagenticOneOrchestratorState"
    task: str = ""
    facts: str = ""
    plan: str = ""
    n_rounds: int = 0
    n_stalls: int = 0


class SocietyOfMindAgentState(BaseState):
    """What a `SocietyOfMindAgent` saves: the state of its team."""

    type: str = "SocietyOfMindAgentState"
    inner_team_state: _Saved = Field(default_factory=dict)
