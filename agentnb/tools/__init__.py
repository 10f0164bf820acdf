"""What models can call."""

from __future__ import annotations

from agentnb.core.schema import ParametersSchema
from agentnb.models.base import ToolSchema
from agentnb.tools.base import BaseStreamTool, BaseTool, BaseToolWithState, StreamTool, Tool, ToolOverride
from agentnb.tools.function import FunctionTool, FunctionToolConfig
from agentnb.tools.static import StaticStreamWorkbench, StaticWorkbench
from agentnb.tools.task_runner import AgentTool, TeamTool
from agentnb.tools.workbench import (
    ImageResultContent,
    StreamWorkbench,
    TextResultContent,
    ToolResult,
    Workbench,
)

__all__ = [
    "AgentTool",
    "BaseStreamTool",
    "BaseTool",
    "BaseToolWithState",
    "FunctionTool",
    "FunctionToolConfig",
    "ImageResultContent",
    "ParametersSchema",
    "StaticStreamWorkbench",
    "StaticWorkbench",
    "StreamTool",
    "StreamWorkbench",
    "TeamTool",
    "TextResultContent",
    "Tool",
    "ToolOverride",
    "ToolResult",
    "ToolSchema",
    "Workbench",
]
