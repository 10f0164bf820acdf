"""What monitoring tools see of runs and runtimes: AutoGen's event logger, and OpenTelemetry spans.

Both follow logs. Nothing leaves the process but through the handlers and exporters a program sets up.
"""

from __future__ import annotations

from agentnb.telemetry.base import Follower, Trail
from agentnb.telemetry.events import (
    AgentConstructionExceptionEvent,
    DeliveryStage,
    LLMCallEvent,
    LLMStreamEndEvent,
    LLMStreamStartEvent,
    MessageDroppedEvent,
    MessageEvent,
    MessageHandlerExceptionEvent,
    MessageKind,
    ToolCallEvent,
)
from agentnb.telemetry.logging import (
    EVENT_LOGGER_NAME,
    ROOT_LOGGER_NAME,
    TRACE_LOGGER_NAME,
    install,
    log_events,
    uninstall,
)
from agentnb.telemetry.otel import export_log, follow_log, instrument, uninstrument
from agentnb.telemetry.spans import trace_create_agent_span, trace_invoke_agent_span, trace_tool_span

__all__ = [
    "EVENT_LOGGER_NAME",
    "ROOT_LOGGER_NAME",
    "TRACE_LOGGER_NAME",
    "AgentConstructionExceptionEvent",
    "DeliveryStage",
    "Follower",
    "LLMCallEvent",
    "LLMStreamEndEvent",
    "LLMStreamStartEvent",
    "MessageDroppedEvent",
    "MessageEvent",
    "MessageHandlerExceptionEvent",
    "MessageKind",
    "ToolCallEvent",
    "Trail",
    "export_log",
    "follow_log",
    "install",
    "instrument",
    "log_events",
    "trace_create_agent_span",
    "trace_invoke_agent_span",
    "trace_tool_span",
    "uninstall",
    "uninstrument",
]
