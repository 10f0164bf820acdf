"""Things to say to a condition."""

from __future__ import annotations

import json
from typing import Any

from agentnb.base import TerminationCondition
from agentnb.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    FunctionCall,
    FunctionExecutionResult,
    HandoffMessage,
    RequestUsage,
    StopMessage,
    TextMessage,
    ThoughtEvent,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
)

Said = BaseAgentEvent | BaseChatMessage


def text(content: str = "x", source: str = "ana", usage: tuple[int, int] | None = None) -> TextMessage:
    """A text message; `usage` is prompt and completion tokens."""
    return TextMessage(content=content, source=source, models_usage=RequestUsage(*usage) if usage else None)


def thought(content: str = "x", source: str = "ana", usage: tuple[int, int] | None = None) -> ThoughtEvent:
    return ThoughtEvent(content=content, source=source, models_usage=RequestUsage(*usage) if usage else None)


def handoff(target: str, source: str = "ana", content: str = "over to you") -> HandoffMessage:
    return HandoffMessage(content=content, source=source, target=target)


def stop(source: str = "ana") -> StopMessage:
    return StopMessage(content="", source=source)


def wanted(name: str = "add", arguments: str = "{}", source: str = "ana") -> ToolCallRequestEvent:
    return ToolCallRequestEvent(content=[FunctionCall(id="c", name=name, arguments=arguments)], source=source)


def called(*names: str, source: str = "ana", content: str = "done") -> ToolCallExecutionEvent:
    results = [FunctionExecutionResult(content=content, name=name, call_id="c") for name in names]
    return ToolCallExecutionEvent(content=results, source=source)


def saved(condition: TerminationCondition) -> Any:
    """The state, as it is after it was kept as JSON text."""
    return json.loads(json.dumps(condition.save_state()))


def again(condition: TerminationCondition) -> TerminationCondition:
    """The condition made from its component's JSON text, without its count."""
    return TerminationCondition.load_component(json.loads(condition.dump_component().model_dump_json()))
