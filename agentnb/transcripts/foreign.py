"""Tables under the names that other tools read: inspect_ai's data frames and OpenInference's span attributes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from agentnb.core.clock import seconds_between
from agentnb.messages import (
    AssistantMessage,
    BaseChatMessage,
    FunctionExecutionResultMessage,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
)
from agentnb.runlog import Event, RunLog, logs_of, shown
from agentnb.runlog.scopes import name_of
from agentnb.transcripts.calls import ends_of
from agentnb.transcripts.columns import Column
from agentnb.transcripts.places import Place, Places, Scan
from agentnb.transcripts.rows import Logs, frame
from agentnb.transcripts.said import answer_text, as_json, message_text

if TYPE_CHECKING:
    import pandas as pd

_ROLES = ("system", "user", "assistant", "tool")

_SAMPLE = (
    Column("eval_id", "string", "the log's id"),
    Column("sample_id", "string", "event_id of the run.started fact of the log's run"),
)
_ORDER = Column("order", "Int64", "number within the sample, from 1")

INSPECT_MESSAGES = (
    *_SAMPLE,
    Column("message_id", "string", "the message's own id, as in messages; of one tool result among several, id.number"),
    Column("role", "category", "user, assistant or tool", _ROLES),
    Column("source", "category", "input if a person said it, generate if an agent did", ("input", "generate")),
    Column("content", "string", "what was said"),
    Column("tool_calls", "string", "the calls an agent asked for, one a line"),
    Column("tool_call_id", "string", "the call a tool answered"),
    Column("tool_call_function", "string", "the tool that answered"),
    Column("tool_call_error", "string", "what went wrong in the tool"),
    _ORDER,
)

INSPECT_EVENTS = (
    *_SAMPLE,
    Column("event_id", "string", "the fact's id, as in events"),
    Column(
        "event",
        "category",
        "the kind of event",
        ("approval", "error", "info", "input", "model", "sandbox", "span_begin", "span_end", "state", "tool"),
    ),
    Column("span_id", "string", "the turn or run it belongs to, or that begins or ends"),
    Column("timestamp", "datetime64[ns, UTC]", "when it began"),
    Column("completed", "datetime64[ns, UTC]", "when it was over"),
    Column("working_start", "float64", "seconds from the begin of the run"),
    Column("working_time", "float64", "seconds it took"),
    Column("model_event_model", "string", "the model"),
    Column("model_event_role", "string", "always missing"),
    Column("model_event_input", "string", "the messages the model was shown"),
    Column("model_event_tools", "string", "the tools it was offered, as a JSON list"),
    Column("model_event_tool_choice", "string", "auto, required, none, or a tool's name"),
    Column("model_event_config", "string", "options, as JSON"),
    Column("model_event_usage", "string", "tokens, as JSON"),
    Column("model_event_time", "float64", "seconds the answer took"),
    Column("model_event_completion", "string", "what the model answered"),
    Column("model_event_retries", "Int64", "always missing"),
    Column("model_event_error", "string", "what went wrong"),
    Column("model_event_cache", "category", "read if the answer was remembered", ("read", "write")),
    Column("model_event_call", "string", "always missing"),
    Column("tool_event_function", "string", "the tool"),
    Column("tool_event_arguments", "string", "what it was given, as JSON"),
    Column("tool_event_view", "string", "always missing"),
    Column("tool_event_result", "string", "what it gave"),
    Column("tool_event_truncated", "string", "always missing"),
    Column("tool_event_error_type", "category", "unknown if it failed", ("unknown",)),
    Column("tool_event_error_message", "string", "what went wrong"),
    _ORDER,
)

OPENINFERENCE_CALLS = (
    Column("name", "string", "the model or the tool"),
    Column("context.trace_id", "string", "the log's id"),
    Column("context.span_id", "string", "the call's event_id"),
    Column("parent_id", "string", "the fact that caused it"),
    Column("start_time", "datetime64[ns, UTC]", "when it began"),
    Column("end_time", "datetime64[ns, UTC]", "when it was over"),
    Column("status_code", "category", "UNSET while it is not over", ("OK", "ERROR", "UNSET")),
    Column("status_message", "string", "what went wrong"),
    Column("openinference.span.kind", "category", "LLM or TOOL", ("LLM", "TOOL")),
    Column("session.id", "string", "the log's id"),
    Column("agent.name", "string", "who called"),
    Column("input.value", "string", "the last message the model was shown; what the tool was given, as JSON"),
    Column("input.mime_type", "category", "the type of input.value", ("application/json", "text/plain")),
    Column("output.value", "string", "what came back; tool calls as JSON"),
    Column("output.mime_type", "category", "the type of output.value", ("application/json", "text/plain")),
    Column("llm.model_name", "string", "the model"),
    Column("llm.provider", "string", "the provider, of a model named provider:model"),
    Column("llm.invocation_parameters", "string", "options, as JSON"),
    Column("llm.input_messages", "string", "what the model was shown, as a JSON list of message.* objects"),
    Column("llm.output_messages", "string", "what it answered, as a JSON list of message.* objects"),
    Column("llm.tools", "string", "the tools it was offered, as a JSON list of tool.json_schema objects"),
    Column("llm.finish_reason", "string", "why it stopped writing"),
    Column("llm.token_count.prompt", "Int64", "tokens read"),
    Column("llm.token_count.completion", "Int64", "tokens written"),
    Column("llm.token_count.total", "Int64", "both"),
    Column("llm.cost.total", "float64", "US dollars at the price when called"),
    Column("tool.name", "string", "the tool"),
    Column("tool.id", "string", "the id the model gave the call"),
    Column("tool.parameters", "string", "what it was given, as JSON"),
)

FOREIGN: dict[str, dict[str, tuple[Column, ...]]] = {
    "inspect": {"messages": INSPECT_MESSAGES, "events": INSPECT_EVENTS},
    "openinference": {"calls": OPENINFERENCE_CALLS},
}


class _Records:
    """Rows with few of a table's many columns."""

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self._columns = columns
        self._rows: list[dict[str, Any]] = []
        self._samples: dict[tuple[Any, Any], int] = {}

    def add(self, values: dict[str, Any]) -> None:
        if "sample_id" in values:
            sample = values["eval_id"], values["sample_id"]
            values["order"] = self._samples[sample] = self._samples.get(sample, 0) + 1
        self._rows.append(values)

    def frame(self) -> pd.DataFrame:
        names = [column.name for column in self._columns]
        return frame(self._columns, {name: [row.get(name) for row in self._rows] for name in names})


def _walk(logs: Logs) -> Iterator[tuple[RunLog, Scan, Event, Place, dict[str, Any]]]:
    places = Places()
    for log in logs_of(logs, "A table"):
        scan = places.scan(log.events)
        for event, place in zip(log.events, scan.places, strict=True):
            yield log, scan, event, place, {"eval_id": log.id, "sample_id": _outermost(place).started}


def _outermost(place: Place) -> Place:
    while place.outer is not None:
        place = place.outer
    return place


def inspect_messages(logs: Logs) -> pd.DataFrame:
    """Return the conversation with the columns of inspect_ai's `messages_df`.

    Returns:
        One row per chat message, per request for tools and per tool's result; the columns are `INSPECT_MESSAGES`.
    """
    records = _Records(INSPECT_MESSAGES)
    people: set[str] = set()
    for _, _, event, place, ids in _walk(logs):
        body: Any = event.body
        if event.kind == "run.started":
            people |= {each.name for each in body.participants if each.role == "UserProxyAgent"}
        if event.kind != "message":
            continue
        message = body.message
        if isinstance(message, ToolCallExecutionEvent):
            several = len(message.content) > 1
            for number, result in enumerate(message.content, start=1):
                records.add(
                    ids
                    | {
                        "message_id": f"{message.id}.{number}" if several else message.id,
                        "role": "tool",
                        "content": result.content,
                        "tool_call_id": result.call_id,
                        "tool_call_function": result.name,
                        "tool_call_error": result.content if result.is_error else None,
                    }
                )
        elif isinstance(message, ToolCallRequestEvent):
            calls = "\n".join(_call_text(call) for call in message.content)
            said = {"message_id": message.id, "role": "assistant", "source": "generate", "content": ""}
            records.add(ids | said | {"tool_calls": calls})
        elif isinstance(message, BaseChatMessage):
            person = place.turn_id is None or message.source in people
            records.add(
                ids
                | {
                    "message_id": message.id,
                    "role": "user" if person else "assistant",
                    "source": "input" if person else "generate",
                    "content": message_text(message),
                }
            )
    return records.frame()


def inspect_events(logs: Logs) -> pd.DataFrame:
    """Return the facts that inspect_ai has an event for, with the columns of its `events_df`.

    Returns:
        One row per run and turn begun or ended, model call, tool call, run of code, question, verdict, state, error and
        note; the columns are `INSPECT_EVENTS`.
    """
    records = _Records(INSPECT_EVENTS)
    ends: dict[str | None, Event] = {}
    began: dict[str | None, datetime] = {}
    of: RunLog | None = None
    for log, scan, event, place, ids in _walk(logs):
        if log is not of:
            of, ends, began = log, ends_of(log, scan), {}
        if event.kind == "run.started":
            began.setdefault(event.id, event.at)
        name = _EVENTS.get(event.kind)
        if name is None:
            continue
        end = ends.get(event.id)
        start = began.get(ids["sample_id"])
        values = ids | {
            "event_id": event.id,
            "event": name,
            "span_id": place.turn_id or place.started,
            "timestamp": event.at,
            "completed": end.at if end else None,
            "working_start": seconds_between(start, event.at) if start else None,
            "working_time": end.took if end else event.took,
        }
        if name == "span_end" or event.kind == "run.started":
            values["span_id"] = event.id if event.kind == "run.started" else event.parent
        elif name == "model":
            values |= _model_event(log, event, end)
        elif name == "tool":
            values |= _tool_event(event, end)
        records.add(values)
    return records.frame()


_EVENTS = {
    "run.started": "span_begin",
    "run.finished": "span_end",
    "turn.started": "span_begin",
    "turn.finished": "span_end",
    "model.started": "model",
    "tool.started": "tool",
    "code.started": "sandbox",
    "input.requested": "input",
    "verdict": "approval",
    "state": "state",
    "error": "error",
    "note": "info",
}


def _model_event(log: RunLog, event: Event, end: Event | None) -> dict[str, Any]:
    body: Any = event.body
    done: Any = end.body if end else None
    result = done.result if done else None
    usage = end.usage if end else None
    return {
        "model_event_model": body.model,
        "model_event_input": "\n\n".join(f"{m['message.role']}:\n{_content(m)}\n" for m in _shown(log, event)),
        "model_event_tools": as_json(list(body.tools)),
        "model_event_tool_choice": body.tool_choice,
        "model_event_config": as_json(body.options),
        "model_event_usage": as_json(_usage(usage)) if usage else None,
        "model_event_time": end.took if end else None,
        "model_event_completion": answer_text(result) if result else (done.partial or None) if done else None,
        "model_event_error": done.error if done else None,
        "model_event_cache": "read" if result and result.cached else None,
    }


def _usage(usage: Any) -> dict[str, Any]:
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    total = None if prompt is None and completion is None else (prompt or 0) + (completion or 0)
    tokens = {"input_tokens": prompt, "output_tokens": completion, "total_tokens": total}
    return tokens if usage.cost_usd is None else {**tokens, "total_cost": usage.cost_usd}


def _tool_event(event: Event, end: Event | None) -> dict[str, Any]:
    body: Any = event.body
    done: Any = end.body if end else None
    failed = bool(done and done.is_error)
    return {
        "tool_event_function": body.tool,
        "tool_event_arguments": as_json(body.arguments),
        "tool_event_result": done.result if done and not failed else None,
        "tool_event_error_type": "unknown" if failed else None,
        "tool_event_error_message": done.result if failed else None,
    }


def openinference_calls(logs: Logs) -> pd.DataFrame:
    """Return the calls of models and tools with the keys of OpenInference's semantic conventions as columns.

    Returns:
        One row per call, in the order begun; the columns are `OPENINFERENCE_CALLS`. Lists are JSON texts, so that the
        table can be written to any file.
    """
    records = _Records(OPENINFERENCE_CALLS)
    ends: dict[str | None, Event] = {}
    of: RunLog | None = None
    for log, scan, event, _, _ in _walk(logs):
        if log is not of:
            of, ends = log, ends_of(log, scan)
        if event.kind not in ("model.started", "tool.started"):
            continue
        end = ends.get(event.id)
        done: Any = end.body if end else None
        is_model = event.kind == "model.started"
        error = done and (done.error if is_model else done.result if done.is_error else None)
        records.add(
            {
                "context.trace_id": log.id,
                "context.span_id": event.id,
                "parent_id": event.parent,
                "start_time": event.at,
                "end_time": end.at if end else None,
                "status_code": "UNSET" if not done else "ERROR" if error is not None else "OK",
                "status_message": error,
                "session.id": log.id,
                "agent.name": name_of(event.source) or None,
                **(_llm(log, event, end) if is_model else _tool(event, done)),
            }
        )
    return records.frame()


def _llm(log: RunLog, event: Event, end: Event | None) -> dict[str, Any]:
    body: Any = event.body
    done: Any = end.body if end else None
    result = done.result if done else None
    usage = end.usage if end else None
    provider, _, model = body.model.rpartition(":")
    messages = _shown(log, event)
    answer = None if result is None else _as_message("assistant", result.content)
    calls = result is not None and not isinstance(result.content, str)
    tools = [{"tool.json_schema": as_json({"type": "function", "function": {"name": name}})} for name in body.tools]
    return {
        "name": body.model,
        "openinference.span.kind": "LLM",
        "input.value": _content(messages[-1]) if messages else None,
        "input.mime_type": "text/plain" if messages else None,
        "output.value": as_json(answer["message.tool_calls"])
        if answer and calls
        else answer and answer["message.content"],
        "output.mime_type": None if answer is None else "application/json" if calls else "text/plain",
        "llm.model_name": model,
        "llm.provider": provider or None,
        "llm.invocation_parameters": as_json(body.options),
        "llm.input_messages": as_json(messages),
        "llm.output_messages": None if answer is None else as_json([answer]),
        "llm.tools": as_json(tools) if tools else None,
        "llm.finish_reason": result.finish_reason if result else None,
        "llm.token_count.prompt": usage.prompt_tokens if usage else None,
        "llm.token_count.completion": usage.completion_tokens if usage else None,
        "llm.token_count.total": _usage(usage)["total_tokens"] if usage else None,
        "llm.cost.total": usage.cost_usd if usage else None,
    }


def _tool(event: Event, done: Any) -> dict[str, Any]:
    body: Any = event.body
    arguments = as_json(body.arguments)
    return {
        "name": body.tool,
        "openinference.span.kind": "TOOL",
        "input.value": arguments,
        "input.mime_type": "application/json",
        "output.value": done.result if done else None,
        "output.mime_type": "text/plain" if done else None,
        "tool.name": body.tool,
        "tool.id": body.call_id,
        "tool.parameters": arguments,
    }


def _shown(log: RunLog, call: Event) -> list[dict[str, Any]]:
    """Return what a model was shown, as OpenInference's `message.*` objects."""
    found: list[dict[str, Any]] = []
    for message in shown(log, call):
        if isinstance(message, FunctionExecutionResultMessage):
            found += [
                {
                    "message.role": "tool",
                    "message.content": result.content,
                    "message.name": result.name,
                    "message.tool_call_id": result.call_id,
                }
                for result in message.content
            ]
        elif isinstance(message, AssistantMessage):
            found.append(_as_message("assistant", message.content))
        else:
            found.append(_as_message("system" if message.type == "SystemMessage" else "user", message.content))
    return found


def _as_message(role: str, content: Any) -> dict[str, Any]:
    if isinstance(content, str):
        return {"message.role": role, "message.content": content}
    if role == "assistant":
        calls = [
            {
                "tool_call.id": call.id,
                "tool_call.function.name": call.name,
                "tool_call.function.arguments": call.arguments,
            }
            for call in content
        ]
        return {"message.role": role, "message.tool_calls": calls}
    # A picture's bytes would make every row as long as the picture.
    return {"message.role": role, "message.content": "".join(p if isinstance(p, str) else "<image>" for p in content)}


def _content(message: Mapping[str, Any]) -> str:
    if "message.tool_calls" not in message:
        return str(message["message.content"])
    calls = message["message.tool_calls"]
    return "\n".join(f"{c['tool_call.function.name']}({c['tool_call.function.arguments']})" for c in calls)


def _call_text(call: Any) -> str:
    try:
        given = json.loads(call.arguments)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        return f"{call.name}({call.arguments})"
    return f"{call.name}({', '.join(f'{name}={value!r}' for name, value in given.items())})"


STYLES: dict[str, dict[str, Callable[[Logs], pd.DataFrame]]] = {
    "inspect": {"messages": inspect_messages, "events": inspect_events},
    "openinference": {"calls": openinference_calls},
}
