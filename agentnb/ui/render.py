"""Tells IPython how to show runs, results, messages, teams and agents; their classes know nothing of it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

# By name, so that nothing is imported before there is something to show; IPython looks along the bases of a value's
# class, so that all messages, teams and agents are covered.
_TYPES: tuple[tuple[str, str, str], ...] = (
    ("agentnb.base.runner", "TaskResult", "result_bundle"),
    ("agentnb.base.runner", "TaskRunner", "runner_bundle"),
    ("agentnb.runlog.log", "RunLog", "bundle"),
    ("agentnb.messages.chat", "BaseChatMessage", "message_bundle"),
    ("agentnb.messages.chat", "BaseAgentEvent", "message_bundle"),
    ("agentnb.transcripts.diff", "RunDiff", "diff_bundle"),
    ("agentnb.transcripts.provenance", "Provenance", "provenance_bundle"),
)


def register(ip: Any) -> None:
    """Show agentnb's values richly in an IPython shell."""
    formatter = ip.display_formatter.mimebundle_formatter
    for module, name, function in _TYPES:
        formatter.for_type_by_name(module, name, _shower(function))


def unregister(ip: Any) -> None:
    """Undo `register`."""
    formatter = ip.display_formatter.mimebundle_formatter
    for module, name, _ in _TYPES:
        formatter.pop(f"{module}.{name}", None)


def _shower(function: str) -> Callable[[Any], dict[str, Any]]:
    def show(value: Any) -> dict[str, Any]:
        made: dict[str, Any] = getattr(importlib.import_module("agentnb.ui"), function)(value)
        return made

    return show
