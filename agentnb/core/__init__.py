"""Ids, clock, cancellation, plugins, schemas and components: what every room stands on."""

from __future__ import annotations

from agentnb.core.cancellation import CancellationToken
from agentnb.core.clock import Clock, monotonic, new_id, now, set_clock
from agentnb.core.component import (
    Component,
    ComponentModel,
    SecretReference,
)
from agentnb.core.ids import AgentId, AgentMetadata, AgentType, EventId, TopicId
from agentnb.core.schema import arguments_model, inline_refs, parameters_schema
from agentnb.core.text import Text, well_formed

__all__ = [
    "AgentId",
    "AgentMetadata",
    "AgentType",
    "CancellationToken",
    "Clock",
    "Component",
    "ComponentModel",
    "EventId",
    "SecretReference",
    "Text",
    "TopicId",
    "arguments_model",
    "inline_refs",
    "monotonic",
    "new_id",
    "now",
    "parameters_schema",
    "set_clock",
    "well_formed",
]
