"""Several agents at one task."""

from __future__ import annotations

from agentnb.teams.base import Choice, RememberingPolicy, SpeakerPolicy, TeamView
from agentnb.teams.group_chat import BaseGroupChat
from agentnb.teams.round_robin import RoundRobinGroupChat

__all__ = [
    "BaseGroupChat",
    "Choice",
    "RememberingPolicy",
    "RoundRobinGroupChat",
    "SpeakerPolicy",
    "TeamView",
]
