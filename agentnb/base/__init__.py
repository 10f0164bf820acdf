"""Contracts: what can be given a task, what an agent and a team are, what ends a conversation."""

from agentnb.base.agent import ChatAgent, Response, take_turn
from agentnb.base.condition import AndTerminationCondition, OrTerminationCondition, TerminationCondition
from agentnb.base.handle import RunHandle
from agentnb.base.handoff import Handoff
from agentnb.base.restoring import BrokenOff
from agentnb.base.runner import Task, TaskResult, TaskRunner, as_said, models_of, task_messages
from agentnb.base.team import Team
from agentnb.exceptions import TerminatedException

__all__ = [
    "AndTerminationCondition",
    "BrokenOff",
    "ChatAgent",
    "Handoff",
    "OrTerminationCondition",
    "Response",
    "RunHandle",
    "Task",
    "TaskResult",
    "TaskRunner",
    "Team",
    "TerminatedException",
    "TerminationCondition",
    "as_said",
    "models_of",
    "take_turn",
    "task_messages",
]
