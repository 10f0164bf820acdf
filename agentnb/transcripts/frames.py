"""From logs to tables: one row per message, fact, call, run of code or delivery.

Every function takes one log or several; the tables of one kind have the same columns and dtypes, also when they are
empty, so `pandas.concat` puts them together. `source` and `type` stay categories if the logs are given in one call.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from agentnb.exceptions import UnknownName
from agentnb.messages import BaseChatMessage, BaseMessage
from agentnb.runlog import Event, RunLog
from agentnb.transcripts.columns import CALLS, CODE, DELIVERIES, EVENTS, MESSAGES, Column, frame
from agentnb.transcripts.deliveries import fold_deliveries

if TYPE_CHECKING:
    import pandas as pd

Logs = RunLog | Iterable[RunLog]

SHORT = 200
"""Characters of a fact's text in the table of events."""


def messages_frame(logs: Logs) -> pd.DataFrame:
    """Return what was said, one row per chat message or event.

    Returns:
        Shape (messages, 14), in the order said; the columns are those of `columns.MESSAGES`.
    """
    table = _Rows(MESSAGES)
    add = table.add
    for log in _several(logs):
        turns = _Turns()
        for event in log:
            turn, began = turns.of(event)
            if event.kind != "message":
                continue
            message: Any = event.body.message  # type: ignore[attr-defined]
            usage = message.models_usage
            add(
                log.id,
                event.seq,
                event.id,
                event.parent,
                turn,
                message.id,
                type_name(message),
                message.source,
                message_text(message),
                message.created_at,
                isinstance(message, BaseChatMessage),
                usage.prompt_tokens if usage else None,
                usage.completion_tokens if usage else None,
                (event.at - began).total_seconds() if began else None,
            )
    return table.frame()


def events_frame(logs: Logs) -> pd.DataFrame:
    """Return every fact, one row each.

    Returns:
        Shape (facts, 12), in order; the columns are those of `columns.EVENTS`. `text` is cut at 200 characters.
    """
    table = _Rows(EVENTS)
    add = table.add
    for log in _several(logs):
        turns = _Turns()
        for event in log:
            usage = event.usage
            describe = _SUMMARIES.get(event.kind)
            add(
                log.id,
                event.seq,
                event.id,
                event.parent,
                turns.of(event)[0],
                event.kind,
                event.source or None,
                describe(event.body)[:SHORT] if describe else "",
                event.at,
                usage.prompt_tokens if usage else None,
                usage.completion_tokens if usage else None,
                event.took,
            )
    return table.frame()


def calls_frame(logs: Logs) -> pd.DataFrame:
    """Return the calls of models and tools, one row each.

    Returns:
        Shape (calls, 18), in the order begun; the columns are those of `columns.CALLS`. A call that is not over has
        the outcome `running`.
    """
    table = _Rows(CALLS)
    for log in _several(logs):
        ends = _ends(log)
        turns = _Turns()
        for event in log:
            turn = turns.of(event)[0]
            end = ends.get(event.id)
            body: Any = event.body
            done: Any = end.body if end else None
            head = (log.id, event.seq, event.id, event.parent, turn)
            took = end.took if end else None
            if event.kind == "model.started":
                result = done.result if done else None
                usage = end.usage if end else None
                error = done.error if done else None
                table.add(
                    *head,
                    "model",
                    event.source or None,
                    body.model,
                    event.at,
                    "running" if not done else "failed" if error else "done",
                    None,
                    _answer(result) if result else (done.partial or None) if done else None,
                    error,
                    result.finish_reason if result else None,
                    result.cached if result else None,
                    usage.prompt_tokens if usage else None,
                    usage.completion_tokens if usage else None,
                    took,
                )
            elif event.kind == "tool.started":
                failed = bool(done and done.is_error)
                table.add(
                    *head,
                    "tool",
                    event.source or None,
                    body.tool,
                    event.at,
                    "running" if not done else "failed" if failed else "done",
                    json.dumps(body.arguments, ensure_ascii=False, default=str),
                    done.result if done else None,
                    done.result if failed else None,
                    None,
                    None,
                    None,
                    None,
                    took,
                )
    return table.frame()


def code_frame(logs: Logs) -> pd.DataFrame:
    """Return the code that was run, one row per hand-over to an executor.

    Returns:
        Shape (runs of code, 16), in the order begun; the columns are those of `columns.CODE`.
    """
    table = _Rows(CODE)
    for log in _several(logs):
        ends = _ends(log)
        turns = _Turns()
        for event in log:
            turn = turns.of(event)[0]
            if event.kind != "code.started":
                continue
            body: Any = event.body
            end = ends.get(event.id)
            done: Any = end.body if end else None
            failed = bool(done and (done.error or done.exit_code))
            table.add(
                log.id,
                event.seq,
                event.id,
                event.parent,
                turn,
                event.source or None,
                body.executor,
                body.blocks[0].language if body.blocks else None,
                "\n\n".join(block.code.rstrip("\n") for block in body.blocks),
                event.at,
                "running" if not done else "failed" if failed else "done",
                done.exit_code if done else None,
                done.output if done else None,
                done.error if done else None,
                sum(1 for output in done.outputs if any(key.startswith("image/") for key in output)) if done else None,
                end.took if end else None,
            )
    return table.frame()


def deliveries_frame(logs: Logs) -> pd.DataFrame:
    """Return what a runtime's agents were sent, one row per message and recipient.

    Returns:
        Shape (deliveries, 19), in order; the columns are those of `columns.DELIVERIES`. A message that was sent from
        a handler has the `event_id` of that handler's delivery as its `parent_id`.
    """
    table = _Rows(DELIVERIES)
    for log in _several(logs):
        turns = _Turns()
        turn_of = {event.id: turns.of(event)[0] for event in log}
        for delivery in fold_deliveries(log).deliveries:
            event, sent = delivery.event, delivery.sent
            table.add(
                log.id,
                event.seq,
                event.id,
                sent.parent if sent else event.parent,
                turn_of[event.id],
                delivery.message_id,
                delivery.sort,
                delivery.type,
                delivery.sender,
                delivery.recipient,
                delivery.topic,
                delivery.payload,
                sent.at if sent else None,
                delivery.began_at,
                delivery.waited,
                delivery.took,
                delivery.outcome,
                delivery.error,
                delivery.by,
            )
    return table.frame()


FRAMES: dict[str, Callable[[Logs], pd.DataFrame]] = {
    "messages": messages_frame,
    "events": events_frame,
    "calls": calls_frame,
    "code": code_frame,
    "deliveries": deliveries_frame,
}


def to_df(logs: Logs, kind: str = "messages") -> pd.DataFrame:
    """Return a table of one or several logs.

    Args:
        logs: One log or several.
        kind: "messages", "events", "calls", "code" or "deliveries".

    Raises:
        UnknownName: If there is no such table.
    """
    make = FRAMES.get(kind)
    if make is None:
        raise UnknownName(f"No table named {kind!r} (known: {', '.join(map(repr, FRAMES))}).")
    return make(logs)


def type_name(message: BaseMessage) -> str:
    """Return a message's class as its data names it, which for an unknown message is not `UnknownMessage`."""
    data = getattr(message, "data", None)
    named = data.get("type") if isinstance(data, dict) else None
    return str(named or getattr(message, "type", None) or type(message).__name__)


def message_text(message: BaseMessage) -> str:
    """Return what a message says; its data where its own format fails."""
    try:
        return message.to_text()
    except (LookupError, ValueError, AttributeError):  # a format string that does not fit its value
        return json.dumps(message.dump(), ensure_ascii=False, default=str)


def _answer(result: Any) -> str:
    if isinstance(result.content, str):
        return result.content
    return "\n".join(f"{call.name}({call.arguments})" for call in result.content)


def _several(logs: Logs) -> Iterable[RunLog]:
    return (logs,) if isinstance(logs, RunLog) else logs


class _Rows:
    """The values of a table, column by column."""

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self._columns = columns
        self._rows: list[tuple[Any, ...]] = []

    def add(self, *values: Any) -> None:
        self._rows.append(values)

    def frame(self) -> pd.DataFrame:
        names = [column.name for column in self._columns]
        lists: Iterator[Any] = zip(*self._rows, strict=True) if self._rows else (() for _ in names)
        return frame(self._columns, dict(zip(names, lists, strict=True)))


class _Turns:
    """Which turn the facts of one log belong to."""

    def __init__(self) -> None:
        self._turns: dict[str, tuple[int | None, Any]] = {}

    def of(self, event: Event) -> tuple[int | None, Any]:
        """Return the fact's turn and when that began; facts come in order."""
        if event.kind == "turn.started":
            found = (event.body.turn, event.at)  # type: ignore[attr-defined]
        else:
            found = self._turns.get(event.parent or "", (None, None))
        self._turns[event.id] = found
        return found


def _ends(log: RunLog) -> dict[str | None, Event]:
    """Return what ended each call, by the id of what began it."""
    return {event.parent: event for event in log if event.kind in ("model.finished", "tool.finished", "code.finished")}


# Given a fact's body; `Any` because the key says which class it is.
_SUMMARIES: dict[str, Callable[[Any], str]] = {
    "run.started": lambda body: f"{body.runner} ({body.runner_type})",
    "run.finished": lambda body: body.stop_reason or body.outcome,
    "error": lambda body: f"{body.type}: {body.message}",
    "turn.started": lambda body: body.agent,
    "turn.finished": lambda body: f"{body.agent}: {body.outcome}",
    "message": lambda body: message_text(body.message),
    "state": lambda body: body.agent,
    "speaker": lambda body: ", ".join(body.names) + (f" ({body.why or body.rule})" if body.why or body.rule else ""),
    "pause": lambda body: body.state,
    "relay": lambda body: f"message {body.said} of the run within",
    "verdict": lambda body: f"{body.check} {'allows' if body.allowed else 'refuses'} {body.act}: {body.reason}".rstrip(
        ": "
    ),
    "context": lambda body: body.role,
    "model.started": lambda body: body.model,
    "model.finished": lambda body: body.error or (_answer(body.result) if body.result else ""),
    "tool.started": lambda body: f"{body.tool}({json.dumps(body.arguments, ensure_ascii=False, default=str)})",
    "tool.finished": lambda body: body.result,
    "code.started": lambda body: body.blocks[0].code if body.blocks else "",
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
