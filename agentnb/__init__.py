"""Multi-agent teams at home in a notebook.

`%load_ext agentnb` brings the `%%agentteam` magic; the rooms (`agentnb.agents`, `agentnb.teams`, …) carry AutoGen's
names. Nothing is imported before it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentnb.core import AgentId, CancellationToken, Component, ComponentModel, TopicId
    from agentnb.messages import FunctionCall, Image
    from agentnb.notebook import load_ipython_extension, unload_ipython_extension
    from agentnb.runlog import RunLog
    from agentnb.runtimes import SingleThreadedAgentRuntime

_HOMES = {
    "AgentId": "agentnb.core",
    "AgentType": "agentnb.core",
    "CancellationToken": "agentnb.core",
    "Component": "agentnb.core",
    "ComponentModel": "agentnb.core",
    "FunctionCall": "agentnb.messages",
    "Image": "agentnb.messages",
    "RunLog": "agentnb.runlog",
    "SingleThreadedAgentRuntime": "agentnb.runtimes",
    "TopicId": "agentnb.core",
    "load_ipython_extension": "agentnb.notebook",
    "unload_ipython_extension": "agentnb.notebook",
}

__all__ = [
    "AgentId",
    "CancellationToken",
    "Component",
    "ComponentModel",
    "FunctionCall",
    "Image",
    "RunLog",
    "SingleThreadedAgentRuntime",
    "TopicId",
    "load_ipython_extension",
    "unload_ipython_extension",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is not None:
        value = getattr(importlib.import_module(home), name)
    elif name == "__version__":
        from importlib.metadata import version

        value = version("agentnb-toolkit")
    else:
        raise AttributeError(f"module 'agentnb' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
