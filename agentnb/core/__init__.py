"""Ids, clock, cancellation, plugins, schemas and components: what every room stands on."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from agentnb.core.cancellation import CancellationToken
from agentnb.core.clock import Clock, monotonic, new_id, now, set_clock
from agentnb.core.component import (
    Component,
    ComponentBase,
    ComponentFromConfig,
    ComponentLoader,
    ComponentModel,
    ComponentSchemaType,
    ComponentToConfig,
    ComponentType,
    is_component_class,
    is_component_instance,
)
from agentnb.core.consent import code_allowed, require_code_consent
from agentnb.core.ids import AgentId, AgentMetadata, AgentType, EventId, TopicId
from agentnb.core.providers import WELL_KNOWN_PROVIDERS
from agentnb.core.schema import arguments_model, inline_refs, parameters_schema
from agentnb.core.secrets import SecretReference
from agentnb.core.text import Text, well_formed

if TYPE_CHECKING:
    from agentnb.core.json_schema import schema_to_pydantic_model
    from agentnb.core.json_text import extract_json_from_str

_HOMES = {
    "extract_json_from_str": "agentnb.core.json_text",
    "schema_to_pydantic_model": "agentnb.core.json_schema",
}

__all__ = [
    "WELL_KNOWN_PROVIDERS",
    "AgentId",
    "AgentMetadata",
    "AgentType",
    "CancellationToken",
    "Clock",
    "Component",
    "ComponentBase",
    "ComponentFromConfig",
    "ComponentLoader",
    "ComponentModel",
    "ComponentSchemaType",
    "ComponentToConfig",
    "ComponentType",
    "EventId",
    "SecretReference",
    "Text",
    "TopicId",
    "arguments_model",
    "code_allowed",
    "extract_json_from_str",
    "inline_refs",
    "is_component_class",
    "is_component_instance",
    "monotonic",
    "new_id",
    "now",
    "parameters_schema",
    "require_code_consent",
    "schema_to_pydantic_model",
    "set_clock",
    "well_formed",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value
