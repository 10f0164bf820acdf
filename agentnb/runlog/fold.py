"""What follows from the facts: pure reducers over a log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel

from agentnb.core import EventId
from agentnb.messages import AssistantMessage, BaseChatMessage, BaseMessage, LLMMessage, UserMessage
from agentnb.runlog.events import ContextAdded, Event, ModelStarted, Relayed, RunFinished, RunStarted, Said, Usage
from agentnb.runlog.log import RunLog


class Totals(BaseModel, frozen=True, defer_build=True):
    """What a run has come to so far."""

    run: str = ""
    """The id of the `run.started` fact; of the last one, where a log holds several runs."""
    runner: str = ""
    model: str = ""
    state: str = "running"
    """"running", then the outcome: "done", "stopped" or "failed"."""
    stop_reason: str | None = None
    messages: int = 0
    turns: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    model_calls: int = 0
    calls_without_usage: int = 0
    code_runs: int = 0
    seconds: float = 0.0


def thread(events: Iterable[Event]) -> list[BaseChatMessage]:
    """Return the chat messages in the order they were said."""
    return [e.body.message for e in events if isinstance(e.body, Said) and isinstance(e.body.message, BaseChatMessage)]


def said(events: Iterable[Event]) -> list[BaseMessage]:
    """Return chat messages and events in the order they were said."""
    return [e.body.message for e in events if isinstance(e.body, Said)]


def result_of(events: Iterable[Event], run: EventId | None = None) -> list[Any]:
    """Return the messages and events of a run's result, in their order.

    Args:
        events: A log, or its facts.
        run: The `run.started` fact; default: the first one.
    """
    facts = list(events)
    run = run or next((event.id for event in facts if isinstance(event.body, RunStarted)), None)
    runs: dict[EventId, EventId | None] = {}
    messages: list[Any] = []
    for event in facts:
        # Parents come before their children, so one pass finds the run each fact belongs to.
        own = event.id if isinstance(event.body, RunStarted) else runs.get(event.parent) if event.parent else None
        runs[event.id] = own
        if own != run:
            continue
        if isinstance(event.body, Said) and not event.body.left_out:
            messages.append(event.body.message)
        elif isinstance(event.body, Relayed):
            taken = facts[event.body.said - 1].body
            if isinstance(taken, Said):
                messages.append(taken.message)
    return messages


def add_usage(total: Usage, event: Event) -> Usage:
    """Add a fact's tokens to a sum."""
    if event.usage is None:
        return total
    return Usage(
        prompt_tokens=(total.prompt_tokens or 0) + (event.usage.prompt_tokens or 0),
        completion_tokens=(total.completion_tokens or 0) + (event.usage.completion_tokens or 0),
    )


def totals(log: RunLog) -> Totals:
    """Sum a log up: turns, messages, tokens, seconds and how it ended."""
    result = Totals()
    for event in log:
        result = add_totals(result, event)
    events = log.events
    if events and result.state == "running":
        began = next((event for event in events if event.id == result.run), events[0])
        so_far = (events[-1].at - began.at).total_seconds()
        return result.model_copy(update={"seconds": result.seconds + so_far})
    return result


def add_totals(total: Totals, event: Event) -> Totals:
    """Add one fact to the totals."""
    change: dict[str, object] = {}
    match event.kind:
        case "run.started" if event.parent is None and isinstance(event.body, RunStarted):
            body = event.body
            change = {"run": event.id, "runner": body.runner, "model": body.model, "state": "running"}
            change["stop_reason"] = None
        case "run.finished" if isinstance(event.body, RunFinished) and event.parent == total.run:
            change = {
                "state": event.body.outcome,
                "stop_reason": event.body.stop_reason,
                "seconds": total.seconds + (event.took or 0.0),
            }
        case "turn.started":
            change = {"turns": total.turns + 1}
        case "message" if isinstance(event.body, Said) and isinstance(event.body.message, BaseChatMessage):
            change = {"messages": total.messages + 1}
        case "model.finished":
            change = {"model_calls": total.model_calls + 1}
            if event.usage is None:
                change["calls_without_usage"] = total.calls_without_usage + 1
            else:
                change["prompt_tokens"] = total.prompt_tokens + (event.usage.prompt_tokens or 0)
                change["completion_tokens"] = total.completion_tokens + (event.usage.completion_tokens or 0)
        case "code.finished":
            change = {"code_runs": total.code_runs + 1}
    return total.model_copy(update=change) if change else total


def shown(log: RunLog, call: Event) -> list[LLMMessage]:
    """Return the messages a model was shown at a `model.started` fact."""
    events = log._events
    entries: list[int] = []
    wanted: int | None = None
    event = call
    # Backwards from call to call, each giving what it added: a long conversation is a long chain.
    while True:
        body = event.body
        if not isinstance(body, ModelStarted):
            raise ValueError(f"Fact {event.seq} is {event.kind!r}, not 'model.started'.")
        own = body.added if wanted is None else body.added[: max(0, wanted - body.keep)]
        entries[:0] = own
        wanted = body.keep if wanted is None else min(wanted, body.keep)
        if body.base is None or wanted == 0:
            break
        event = events[body.base - 1]
    return [_message(events, seq) for seq in entries]


def _message(events: Sequence[Event], seq: int) -> LLMMessage:
    body = _context(events, seq)
    if body.message is not None:
        return body.message if body.after is None else body.message.model_copy(update={"content": _text(events, body)})
    original = events[(body.said or 0) - 1].body
    if not isinstance(original, Said) or not isinstance(original.message, BaseChatMessage):
        raise ValueError(f"Fact {seq} refers to {body.said}, which is no message.")
    said_by = original.message
    if body.role == "AssistantMessage":
        return AssistantMessage(content=said_by.to_model_text(), source=said_by.source)
    return UserMessage(content=said_by.to_model_text(), source=said_by.source)


def _context(events: Sequence[Event], seq: int) -> ContextAdded:
    body = events[seq - 1].body
    if not isinstance(body, ContextAdded):
        raise ValueError(f"Fact {seq} is {events[seq - 1].kind!r}, not 'context'.")
    return body


def _text(events: Sequence[Event], body: ContextAdded) -> str:
    """Return a text that goes on from others; backwards, each giving the piece that is wanted of it."""
    pieces: list[str] = []
    wanted: int | None = None
    while True:
        keep = body.keep or 0
        own = body.message.content if body.message is not None else None
        if not isinstance(own, str):
            raise ValueError("A text goes on from a 'context' fact without a text.")
        pieces.append(own if wanted is None else own[: max(0, wanted - keep)])
        wanted = keep if wanted is None else min(wanted, keep)
        if body.after is None or wanted == 0:
            return "".join(reversed(pieces))
        body = _context(events, body.after)
