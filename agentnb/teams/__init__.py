"""Several agents at one task."""

from __future__ import annotations

from agentnb.teams.base import Choice, RememberingPolicy, SpeakerPolicy, TeamView
from agentnb.teams.checked import CheckedTeam, Rollback, rollback
from agentnb.teams.digraph import DiGraph, DiGraphEdge, DiGraphNode
from agentnb.teams.graph import GraphFlow
from agentnb.teams.graph_builder import DiGraphBuilder
from agentnb.teams.group_chat import BaseGroupChat
from agentnb.teams.magentic_one import MagenticOneGroupChat
from agentnb.teams.mission_keeper import CharterCheck, MissionKeeper, Verdict
from agentnb.teams.round_robin import RoundRobinGroupChat
from agentnb.teams.selector import SelectorGroupChat
from agentnb.teams.swarm import Swarm

__all__ = [
    "BaseGroupChat",
    "CharterCheck",
    "CheckedTeam",
    "Choice",
    "DiGraph",
    "DiGraphBuilder",
    "DiGraphEdge",
    "DiGraphNode",
    "GraphFlow",
    "MagenticOneGroupChat",
    "MissionKeeper",
    "RememberingPolicy",
    "Rollback",
    "RoundRobinGroupChat",
    "SelectorGroupChat",
    "SpeakerPolicy",
    "Swarm",
    "TeamView",
    "Verdict",
    "rollback",
]
