"""What models can call."""

from __future__ import annotations

from agentnb.models.base import ToolSchema
from agentnb.tools.base import BaseTool, Tool
from agentnb.tools.function import FunctionTool
from agentnb.tools.workbench import (
    ImageResultContent,
    StaticWorkbench,
    TextResultContent,
    ToolResult,
    Workbench,
)

__all__ = [
    "BaseTool",
    "FunctionTool",
    "ImageResultContent",
    "StaticWorkbench",
    "TextResultContent",
    "Tool",
    "ToolResult",
    "ToolSchema",
    "Workbench",
]
