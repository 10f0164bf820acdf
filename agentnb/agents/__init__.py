"""Those who speak."""

from __future__ import annotations

from agentnb.agents.assistant import AssistantAgent
from agentnb.agents.base import BaseChatAgent
from agentnb.agents.code_executor import (
    ApprovalFuncType,
    ApprovalRequest,
    ApprovalResponse,
    CodeExecutorAgent,
    approve_all,
    code_blocks,
)
from agentnb.agents.tool_agent import ToolAgent, tool_agent_caller_loop
from agentnb.agents.user_proxy import UserProxyAgent

__all__ = [
    "ApprovalFuncType",
    "ApprovalRequest",
    "ApprovalResponse",
    "AssistantAgent",
    "BaseChatAgent",
    "CodeExecutorAgent",
    "ToolAgent",
    "UserProxyAgent",
    "approve_all",
    "code_blocks",
    "tool_agent_caller_loop",
]
