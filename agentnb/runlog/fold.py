"""What follows from the facts: pure reducers over a log."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Any, cast

from pydantic import BaseModel, Field

from agentnb.core import EventId
from agentnb.core.clock import seconds_between
from agentnb.exceptions import UserError
from agentnb.messages import (
    AssistantMessage,
    BaseChatMessage,
    BaseMessage,
    FunctionExecutionResultMessage,
    LLMMessage,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
    UserMessage,
)
from agentnb.runlog.events import (
    ContextAdded,
    Event,
    ModelStarted,
    Relayed,
    Retracted,
    RunFinished,
    RunStarted,
    Said,
)
from agentnb.runlog.log import RunLog
from agentnb.runlog.scopes import name_of


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
    """Outermost ones; one that broke off and was taken up again counts once."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    model_calls: int = 0
    calls_without_usage: int = 0
    code_runs: int = 0
    seconds: float = 0.0
    """Of all runs together; those that went on side by side are added up."""
    going_on: tuple[str, ...] = Field(default=(), exclude=True, repr=False)
    """Runs that have no end yet: several may go on in one log."""


def thread(events: Iterable[Event]) -> list[BaseChatMessage]:
    """Return the chat messages in the order they were said."""
    return [e.body.message for e in events if isinstance(e.body, Said) and isinstance(e.body.message, BaseChatMessage)]


def said(events: Iterable[Event]) -> list[BaseMessage]:
    """Return chat messages and events in the order they were said."""
    return [e.body.message for e in events if isinstance(e.body, Said)]


def result_of(events: Iterable[Event], run: EventId | None = None) -> list[Any]:
    """Return the messages and events of a run's result, in their order.

    That of a run which takes up one that broke off begins with what was said there; what was taken back is no part.

    Args:
        events: A log, or its facts.
        run: The `run.started` fact; default: the first one.
    """
    facts = list(events)
    messages: list[Any] = []
    for event in result_facts(facts, run):
        body = facts[event.body.said - 1].body if isinstance(event.body, Relayed) else event.body
        if isinstance(body, Said):
            messages.append(body.message)
    return messages


def result_facts(facts: Sequence[Event], run: EventId | None = None) -> list[Event]:
    """Return the facts that `result_of` takes its messages from: where each was said, or taken up."""
    started = {event.id: event.body for event in facts if isinstance(event.body, RunStarted)}
    wanted = {run or next(iter(started), None)}
    for event_id, body in reversed(started.items()):
        if event_id in wanted and body.resumed:
            wanted.add(cast(EventId, body.continues))
    taken_back = {event.body.said for event in facts if isinstance(event.body, Retracted) and event.body.anew}
    runs: dict[EventId, EventId | None] = {}
    found: list[Event] = []
    for event in facts:
        # Parents come before their children, so one pass finds the run each fact belongs to.
        own = event.id if event.id in started else runs.get(event.parent) if event.parent else None
        runs[event.id] = own
        fact = event.body
        said_at = event.seq if isinstance(fact, Said) and not fact.left_out else None
        said_at = fact.said if isinstance(fact, Relayed) else said_at
        if own in wanted and said_at is not None and not {said_at, event.seq} & taken_back:
            found.append(event)
    return found


def totals(log: RunLog) -> Totals:
    """Sum a log up: turns, messages without those taken back, tokens, seconds and how it ended.

    A run that broke off, or was cut by branching, took until its last fact.
    """
    result = Totals()
    last = None
    cut_short, taken_back = 0.0, 0
    events = log.events
    ended = {event.parent for event in events if event.kind == "run.finished"}
    runs = False
    began = events[0] if events else None  # what has no end yet; of a log without a run, all of it
    for event in events:
        starts = event.kind == "run.started" and event.parent is None
        if starts or event.kind == "branch":
            if runs and began is not None and last is not None and began.id not in ended:
                cut_short += seconds_between(began.at, last.at)
            # The branch may have been made, and gone on with, long after.
            began = event if starts else None
            runs = True
        elif isinstance(event.body, Retracted):
            fact = events[event.body.said - 1].body
            taken_back += isinstance(fact, Said) and isinstance(fact.message, BaseChatMessage)
        result, last = add_totals(result, event), event
    if last is not None and began is not None and began.id not in ended:
        cut_short += seconds_between(began.at, last.at)
    return result.model_copy(update={"seconds": result.seconds + cut_short, "messages": result.messages - taken_back})


def counts_as_turn(event: Event, runs: Container[str]) -> bool:
    """Tell whether a `turn.started` fact is one more turn of some runs, or of those that they take up.

    Turns of runs within turns are not; one that broke off and is taken up again was counted when it first began.
    """
    return (event.parent is None or event.parent in runs) and event.body.again is None  # type: ignore[attr-defined]


def add_totals(total: Totals, event: Event) -> Totals:
    """Add one fact to the totals."""
    change: dict[str, object] = {}
    match event.kind:
        case "run.started" if event.parent is None and isinstance(event.body, RunStarted):
            body = event.body
            change = {"run": event.id, "runner": body.runner, "model": body.model, "state": "running"}
            change["stop_reason"] = None
            change["going_on"] = (*total.going_on, event.id)
        case "run.finished" if isinstance(event.body, RunFinished) and event.parent in total.going_on:
            change = {
                "seconds": total.seconds + (event.took or 0.0),
                "going_on": tuple(run for run in total.going_on if run != event.parent),
            }
            if event.parent == total.run:
                change |= {"state": event.body.outcome, "stop_reason": event.body.stop_reason}
        case "turn.started" if counts_as_turn(event, total.going_on):
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


def shown(log: RunLog, call: Event, start: int = 0) -> list[LLMMessage]:
    """Return the messages a model was shown at a `model.started` fact, from the message at `start` on.

    Raises:
        UserError: If `call` is another fact.
    """
    events = log._events
    entries: list[int] = []
    wanted: int | None = None
    event = call
    # Backwards from call to call, each giving what it added: a long conversation is a long chain.
    while True:
        body = event.body
        if not isinstance(body, ModelStarted):
            raise UserError(
                f"Fact {event.seq} is {event.kind!r}, and a model is shown messages at a 'model.started'. Give one of "
                "[fact for fact in log if fact.kind == 'model.started']."
            )
        own = body.added if wanted is None else body.added[: max(0, wanted - body.keep)]
        entries[:0] = own
        wanted = body.keep if wanted is None else min(wanted, body.keep)
        if body.base is None or wanted <= start:
            break
        event = events[body.base - 1]
    return [_message(events, seq, call.source) for seq in entries[max(0, start - wanted) :]]


def kept_by(log: RunLog, agent: str, seq: int) -> list[LLMMessage]:
    """Return what an agent's model context held at the end of its turn, a `turn.finished` fact at `seq`."""
    entries: list[int] = []
    events = log._events
    turns: Any = (event.body for event in events[:seq] if event.kind == "turn.finished")
    for turn in turns:
        if turn.agent == agent and turn.added is not None:
            entries[turn.keep or 0 :] = turn.added
    return [_message(events, entry, agent) for entry in entries]


def _message(events: Sequence[Event], seq: int, asker: str) -> LLMMessage:
    said: Any = events[seq - 1].body
    if said.kind == "message":
        return _as_read(seq, seq, said, asker)
    body = _context(events, seq)
    if body.message is not None:
        return body.message if body.after is None else body.message.model_copy(update={"content": _text(events, body)})
    return _as_read(seq, body.said or 0, events[(body.said or 0) - 1].body, asker, body.role)


def _as_read(seq: int, said: int, body: Any, asker: str, role: str | None = None) -> LLMMessage:
    """Return what was said as a model reads it: what the asker said itself is what the model said."""
    message = body.message if isinstance(body, Said) else None
    if isinstance(message, ToolCallRequestEvent):
        return AssistantMessage(content=message.content, source=message.source)
    if isinstance(message, ToolCallExecutionEvent):
        return FunctionExecutionResultMessage(content=message.content)
    if not isinstance(message, BaseChatMessage):
        raise ValueError(f"Fact {seq} refers to {said}, which is no message.")
    if role is None:
        role = "AssistantMessage" if message.source == name_of(asker) else "UserMessage"
    if role == "AssistantMessage":
        return AssistantMessage(content=message.to_model_text(), source=message.source)
    return UserMessage(content=message.to_model_text(), source=message.source)


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
