"""Where actors live and how messages reach them."""

from __future__ import annotations

from agentnb.runtimes.actors import BaseAgent
from agentnb.runtimes.base import Agent, AgentRuntime, MessageContext, Subscription
from agentnb.runtimes.local import SingleThreadedAgentRuntime, Statistics
from agentnb.runtimes.subscriptions import TypeSubscription

__all__ = [
    "Agent",
    "AgentRuntime",
    "BaseAgent",
    "MessageContext",
    "SingleThreadedAgentRuntime",
    "Statistics",
    "Subscription",
    "TypeSubscription",
]
