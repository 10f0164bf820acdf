"""Messages and facts as short texts."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from agentnb.messages import BaseMessage, MemoryQueryEvent, ToolCallExecutionEvent, ToolCallRequestEvent

AGAIN = ", again turn at "
SHORT = 200
"""Characters of a fact's text in the table of events."""


def type_name(message: BaseMessage) -> str:
    """Return a message's class as its data names it, which for an unknown message is not `UnknownMessage`."""
    data = getattr(message, "data", None)
    named = data.get("type") if isinstance(data, dict) else None
    return str(named or getattr(message, "type", None) or type(message).__name__)


def message_text(message: BaseMessage) -> str:
    """Return what a message says as a person reads it: `add(a=1, b=2)` for a tool's call, `add -> 3` for its result."""
    return _teller(type(message))(message)


@cache
def _teller(cls: type[BaseMessage]) -> Callable[[Any], str]:
    return next((tell for known, tell in _TELLERS.items() if issubclass(cls, known)), own_text)


def _requests(message: ToolCallRequestEvent) -> str:
    return "\n".join(f"{call.name}({_given(call.arguments)})" for call in message.content)


def _results(message: ToolCallExecutionEvent) -> str:
    return "\n".join(
        f"{result.name} {'failed:' if result.is_error else '->'} {result.content}".rstrip()
        for result in message.content
    )


def _memories(message: MemoryQueryEvent) -> str:
    return "\n".join(memory.to_text() for memory in message.content)


_TELLERS: dict[type[BaseMessage], Callable[[Any], str]] = {
    ToolCallRequestEvent: _requests,
    ToolCallExecutionEvent: _results,
    MemoryQueryEvent: _memories,
}


def _given(arguments: str) -> str:
    try:
        given = json.loads(arguments)
    except ValueError:
        return arguments  # as a model wrote it
    if not isinstance(given, dict):
        return arguments
    return ", ".join(f"{name}={as_json(value)}" for name, value in given.items())


def own_text(message: BaseMessage) -> str:
    """Return what a message's `to_text` gives, as AutoGen prints it; its data where its own format fails."""
    try:
        return message.to_text()
    except (LookupError, ValueError, AttributeError):  # a format string that does not fit its value
        return as_json(message.dump())


def answer_text(result: Any) -> str:
    """Return what a model answered: its text, or a line for each tool it wants called."""
    content = result.content
    return content if isinstance(content, str) else "\n".join(f"{call.name}({call.arguments})" for call in content)


def as_json(value: Any) -> str:
    """Return data as JSON, whatever a model or a tool put into it."""
    return _encode(value)


_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode


def _answered(body: Any) -> str:
    error: str | None = body.error
    result = None if error else body.result
    return error or (answer_text(result) if result else "")


# Given a fact's body, or what has its fields; `Any` because the key says which class it is.
SUMMARIES: dict[str, Callable[[Any], str]] = {
    "run.started": lambda body: f"{body.runner} ({body.runner_type})",
    "run.finished": lambda body: body.stop_reason or body.outcome,
    "error": lambda body: f"{body.type}: {body.message}",
    "turn.started": lambda body: body.agent + (f"{AGAIN}{body.again}" if body.again else ""),
    "turn.finished": lambda body: f"{body.agent}: {body.outcome}",
    "message": lambda body: message_text(body.message),
    "retracted": lambda body: f"message {body.said} taken back",
    "forgotten": lambda body: "the conversation begins anew",
    "branch": lambda body: f"from {body.origin} after {body.at}" + (f": {body.why}" if body.why else ""),
    "state": lambda body: body.agent,
    "speaker": lambda body: ", ".join(body.names) + (f" ({body.why or body.rule})" if body.why or body.rule else ""),
    "pause": lambda body: body.state,
    "relay": lambda body: f"message {body.said} of the run within",
    "verdict": lambda body: f"{body.check} {'allows' if body.allowed else 'refuses'} {body.act}: {body.reason}".rstrip(
        ": "
    ),
    "context": lambda body: body.role,
    "model.started": lambda body: body.model,
    "model.finished": _answered,
    "tool.started": lambda body: f"{body.tool}({as_json(body.arguments)})",
    "tool.finished": lambda body: body.result,
    "code.started": lambda body: next((block.code for block in body.blocks), ""),
    "code.finished": lambda body: body.error or body.output,
    "memory.started": lambda body: f"{body.memory}: {body.action}" + (f" {body.text}" if body.text else ""),
    "memory.finished": lambda body: f"{body.memory}: {body.error or f'{body.found} found'}",
    "variables": lambda body: ", ".join(body.names),
    "input.requested": lambda body: body.prompt,
    "input.answered": lambda body: body.text,
    "note": lambda body: body.text,
    "agent.made": lambda body: body.agent + (f": {body.error}" if body.error else ""),
    "envelope.sent": lambda body: f"{body.sort} {body.type} to {body.recipient or 'outside'}",
    "envelope.intercepted": lambda body: f"{body.by} {'changed' if body.changed else 'saw'} it",
    "envelope.delivered": lambda body: f"{body.sort} to {body.agent or 'outside'}",
    "envelope.handled": lambda body: f"{body.agent}: {body.error or body.outcome}",
    "envelope.dropped": lambda body: f"{body.sort} dropped by {body.by}: {body.why}",
    "capacity": lambda body: f"{body.agent}: {body.state}",
    "unknown": lambda body: str(body.data.get("kind", "")),
}
