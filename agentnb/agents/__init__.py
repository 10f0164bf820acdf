"""Those who speak."""

from __future__ import annotations

from agentnb.agents.approval import (
    ApprovalFuncType,
    ApprovalRequest,
    ApprovalResponse,
    approve_all,
    ask_person,
)
from agentnb.agents.assistant import AssistantAgent
from agentnb.agents.base import BaseChatAgent
from agentnb.agents.code_executor import CodeExecutorAgent
from agentnb.agents.fences import code_blocks
from agentnb.agents.message_filter import MessageFilterAgent, MessageFilterConfig, PerSourceFilter
from agentnb.agents.society_of_mind import SocietyOfMindAgent
from agentnb.agents.tool_agent import ToolAgent, tool_agent_caller_loop
from agentnb.agents.user_proxy import UserProxyAgent

__all__ = [
    "ApprovalFuncType",
    "ApprovalRequest",
    "ApprovalResponse",
    "AssistantAgent",
    "BaseChatAgent",
    "CodeExecutorAgent",
    "MessageFilterAgent",
    "MessageFilterConfig",
    "PerSourceFilter",
    "SocietyOfMindAgent",
    "ToolAgent",
    "UserProxyAgent",
    "approve_all",
    "ask_person",
    "code_blocks",
    "tool_agent_caller_loop",
]
