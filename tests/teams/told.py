"""What logs and results tell."""

from __future__ import annotations

from typing import Any

from agentnb.base import TaskResult
from agentnb.runlog import RunLog


def texts(result: TaskResult) -> list[tuple[str, str]]:
    return [(message.source, message.to_text()) for message in result.messages]


def effects(log: RunLog) -> list[str]:
    """Return what a log says was done outside of it, sorted."""
    tools: Any = [event.body for event in log if event.kind == "tool.started"]
    code: Any = [event.body for event in log if event.kind == "code.started"]
    answers = sum(event.kind == "input.answered" for event in log)
    bought = [f"bought {body.arguments['thing']}" for body in tools if body.tool == "buy"]
    ran = [f"ran {body.blocks[0].code}" for body in code]
    return sorted([*bought, *ran, *["asked a person"] * answers])


def half_done(log: RunLog) -> bool:
    """Tell whether an effect had begun and not ended, but for those that may simply be done again."""
    ends = {event.parent for event in log if event.kind in ("tool.finished", "code.finished")}
    begun = [event for event in log if event.kind in ("tool.started", "code.started") and event.id not in ends]
    return any(not getattr(event.body, "tool", "").startswith(("helper", "transfer_to")) for event in begun)
