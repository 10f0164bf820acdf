"""Ways to end a conversation."""

from __future__ import annotations

from agentnb.base import (
    AndTerminationCondition,
    OrTerminationCondition,
    TerminatedException,
    TerminationCondition,
)
from agentnb.conditions.cost import CostTermination
from agentnb.conditions.limits import MaxMessageTermination, TimeoutTermination, TokenUsageTermination
from agentnb.conditions.outside import ExternalTermination, FunctionalTermination
from agentnb.conditions.repetition import RepetitionTermination
from agentnb.conditions.said import (
    FunctionCallTermination,
    HandoffTermination,
    SourceMatchTermination,
    StopMessageTermination,
    TextMentionTermination,
    TextMessageTermination,
)

__all__ = [
    "AndTerminationCondition",
    "CostTermination",
    "ExternalTermination",
    "FunctionCallTermination",
    "FunctionalTermination",
    "HandoffTermination",
    "MaxMessageTermination",
    "OrTerminationCondition",
    "RepetitionTermination",
    "SourceMatchTermination",
    "StopMessageTermination",
    "TerminatedException",
    "TerminationCondition",
    "TextMentionTermination",
    "TextMessageTermination",
    "TimeoutTermination",
    "TokenUsageTermination",
]
