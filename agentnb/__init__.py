"""Multi-agent teams at home in a notebook.

`%load_ext agentnb` brings the `%%agentteam` magic; the rooms (`agentnb.agents`, `agentnb.teams`, …) carry AutoGen's
names. Nothing is imported before it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentnb.cache_store import CacheStore, InMemoryStore
    from agentnb.core import (
        AgentId,
        AgentMetadata,
        AgentType,
        CancellationToken,
        Component,
        ComponentBase,
        ComponentFromConfig,
        ComponentLoader,
        ComponentModel,
        ComponentSchemaType,
        ComponentToConfig,
        ComponentType,
        TopicId,
        is_component_class,
        is_component_instance,
    )
    from agentnb.messages import FunctionCall, Image
    from agentnb.notebook import load_ipython_extension, open_run, unload_ipython_extension
    from agentnb.runlog import RunLog
    from agentnb.runtimes import (
        JSON_DATA_CONTENT_TYPE,
        PROTOBUF_DATA_CONTENT_TYPE,
        Agent,
        AgentInstantiationContext,
        AgentProxy,
        AgentRuntime,
        BaseAgent,
        Breaker,
        Capacity,
        ClosureAgent,
        ClosureContext,
        DefaultInterventionHandler,
        DefaultSubscription,
        DefaultTopicId,
        DropMessage,
        InterventionHandler,
        MessageContext,
        MessageHandlerContext,
        MessageSerializer,
        Request,
        RoutedAgent,
        SingleThreadedAgentRuntime,
        Subscription,
        SubscriptionInstantiationContext,
        TypePrefixSubscription,
        TypeSubscription,
        UnknownPayload,
        default_subscription,
        event,
        message_handler,
        rpc,
        try_get_known_serializers_for_type,
        type_subscription,
    )
    from agentnb.telemetry import (
        EVENT_LOGGER_NAME,
        ROOT_LOGGER_NAME,
        TRACE_LOGGER_NAME,
        trace_create_agent_span,
        trace_invoke_agent_span,
        trace_tool_span,
    )
    from agentnb.transcripts import delete_runs, export_run, import_run, keep_runs, runs, search, to_df
    from agentnb.transcripts import plots as plot
    from agentnb.ui import diff, export, provenance, show_actors, show_team

_ROOMS = {
    "agentnb.cache_store": (
        "CacheStore",
        "InMemoryStore",
    ),
    "agentnb.core": (
        "AgentId",
        "AgentMetadata",
        "AgentType",
        "CancellationToken",
        "Component",
        "ComponentBase",
        "ComponentFromConfig",
        "ComponentLoader",
        "ComponentModel",
        "ComponentSchemaType",
        "ComponentToConfig",
        "ComponentType",
        "TopicId",
        "is_component_class",
        "is_component_instance",
    ),
    "agentnb.messages": (
        "FunctionCall",
        "Image",
    ),
    "agentnb.notebook": (
        "load_ipython_extension",
        "open_run",
        "unload_ipython_extension",
    ),
    "agentnb.runlog": ("RunLog",),
    "agentnb.runtimes": (
        "Agent",
        "AgentInstantiationContext",
        "AgentProxy",
        "AgentRuntime",
        "BaseAgent",
        "Breaker",
        "Capacity",
        "ClosureAgent",
        "ClosureContext",
        "DefaultInterventionHandler",
        "DefaultSubscription",
        "DefaultTopicId",
        "DropMessage",
        "InterventionHandler",
        "JSON_DATA_CONTENT_TYPE",
        "MessageContext",
        "MessageHandlerContext",
        "MessageSerializer",
        "PROTOBUF_DATA_CONTENT_TYPE",
        "Request",
        "RoutedAgent",
        "SingleThreadedAgentRuntime",
        "Subscription",
        "SubscriptionInstantiationContext",
        "TypePrefixSubscription",
        "TypeSubscription",
        "UnknownPayload",
        "default_subscription",
        "event",
        "message_handler",
        "rpc",
        "try_get_known_serializers_for_type",
        "type_subscription",
    ),
    "agentnb.transcripts": ("delete_runs", "export_run", "import_run", "keep_runs", "runs", "search", "to_df"),
    "agentnb.ui": ("diff", "export", "provenance", "show_actors", "show_team"),
    "agentnb.telemetry": (
        "EVENT_LOGGER_NAME",
        "ROOT_LOGGER_NAME",
        "TRACE_LOGGER_NAME",
        "trace_create_agent_span",
        "trace_invoke_agent_span",
        "trace_tool_span",
    ),
}

_HOMES = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "EVENT_LOGGER_NAME",
    "JSON_DATA_CONTENT_TYPE",
    "PROTOBUF_DATA_CONTENT_TYPE",
    "ROOT_LOGGER_NAME",
    "TRACE_LOGGER_NAME",
    "Agent",
    "AgentId",
    "AgentInstantiationContext",
    "AgentMetadata",
    "AgentProxy",
    "AgentRuntime",
    "AgentType",
    "BaseAgent",
    "Breaker",
    "CacheStore",
    "CancellationToken",
    "Capacity",
    "ClosureAgent",
    "ClosureContext",
    "Component",
    "ComponentBase",
    "ComponentFromConfig",
    "ComponentLoader",
    "ComponentModel",
    "ComponentSchemaType",
    "ComponentToConfig",
    "ComponentType",
    "DefaultInterventionHandler",
    "DefaultSubscription",
    "DefaultTopicId",
    "DropMessage",
    "FunctionCall",
    "Image",
    "InMemoryStore",
    "InterventionHandler",
    "MessageContext",
    "MessageHandlerContext",
    "MessageSerializer",
    "Request",
    "RoutedAgent",
    "RunLog",
    "SingleThreadedAgentRuntime",
    "Subscription",
    "SubscriptionInstantiationContext",
    "TopicId",
    "TypePrefixSubscription",
    "TypeSubscription",
    "UnknownPayload",
    "default_subscription",
    "delete_runs",
    "diff",
    "event",
    "export",
    "export_run",
    "import_run",
    "is_component_class",
    "is_component_instance",
    "keep_runs",
    "load_ipython_extension",
    "message_handler",
    "open_run",
    "plot",
    "provenance",
    "rpc",
    "runs",
    "search",
    "show_actors",
    "show_team",
    "to_df",
    "trace_create_agent_span",
    "trace_invoke_agent_span",
    "trace_tool_span",
    "try_get_known_serializers_for_type",
    "type_subscription",
    "unload_ipython_extension",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is not None:
        value = getattr(importlib.import_module(home), name)
    elif name == "plot":
        value = importlib.import_module("agentnb.transcripts.plots")
    elif name == "__version__":
        from importlib.metadata import version

        value = version("agentnb-toolkit")
    else:
        raise AttributeError(f"module 'agentnb' has no attribute {name!r}{_way_to(name)}")
    globals()[name] = value
    return value


def _way_to(name: str) -> str:
    """Return where a name is that stands in a room: a half-sentence, or nothing."""
    if name.startswith("_"):
        return ""  # programs that look objects over ask for such names
    paths = importlib.import_module("agentnb.compat.paths")
    homes = (path.new.rpartition(".") for path in paths.entries() if path.there and not path.is_module)
    rooms = sorted({room for room, _, known in homes if known == name})
    return f"; write `from {rooms[0]} import {name}`" if rooms else ""


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, "plot"})
