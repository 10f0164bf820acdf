"""Logs as runtimes and teams leave them, written by hand; and spans as an exporter gets them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agentnb.core import EventId
from agentnb.messages import CodeBlock, CreateResult, FunctionCall, RequestUsage, SystemMessage, TextMessage
from agentnb.runlog import (
    CodeFinished,
    CodeStarted,
    ContextAdded,
    EnvelopeDelivered,
    EnvelopeHandled,
    EnvelopeSent,
    ModelFinished,
    ModelStarted,
    Participant,
    RunFinished,
    RunLog,
    RunStarted,
    Said,
    ToolFinished,
    ToolStarted,
    TurnFinished,
    TurnStarted,
    Usage,
)

USAGE = RequestUsage(prompt_tokens=10, completion_tokens=3)


def model_call(
    log: RunLog, parent: EventId | None, *, streaming: bool = False, options: dict[str, object] | None = None
) -> EventId:
    """Write a call of a model that wants a tool, and return its first fact."""
    shown = [
        log.append(ContextAdded(role="SystemMessage", message=SystemMessage(content="Be brief.")), parent=parent).seq,
        log.append(ContextAdded(role="UserMessage", said=_task(log)), parent=parent).seq,
    ]
    started = log.append(
        ModelStarted(
            model="openai:gpt-4o-mini", added=tuple(shown), tools=("add",), streaming=streaming, options=options or {}
        ),
        parent=parent,
    ).id
    calls = [FunctionCall(id="c1", name="add", arguments='{"a": 1}')]
    result = CreateResult(finish_reason="function_calls", content=calls, usage=USAGE, cached=False, thought="hm")
    usage = Usage(prompt_tokens=10, completion_tokens=3)
    log.append(ModelFinished(model="openai:gpt-4o-mini", result=result), parent=started, took=0.5, usage=usage)
    return started


def _task(log: RunLog) -> int:
    for event in log:
        if event.kind == "message":
            return event.seq
    return log.append(Said(message=TextMessage(content="add 1", source="user"))).seq


def tool_call(log: RunLog, parent: EventId | None, *, error: str | None = None) -> None:
    """Write a call of the tool `add`."""
    started = log.append(ToolStarted(tool="add", call_id="c1", arguments={"a": 1}), parent=parent).id
    done = ToolFinished(tool="add", call_id="c1", result=error or "2", is_error=error is not None)
    log.append(done, parent=started, took=0.1)


def team_run(log: RunLog, *, outcome: str = "done") -> EventId:
    """Write the run of a team of two, of whom one has a turn with a model, a tool and code."""
    agents = (Participant(name="ana", description="adds", role="AssistantAgent"), Participant(name="ben"))
    run = log.append(
        RunStarted(runner="team", runner_type="RoundRobinGroupChat", participants=agents), source="team"
    ).id
    log.append(Said(message=TextMessage(content="add 1", source="user")), parent=run)
    turn = log.append(TurnStarted(agent="ana", turn=1), source="ana", parent=run).id
    model_call(log, turn)
    tool_call(log, turn)
    code = log.append(CodeStarted(executor="JupyterCodeExecutor", blocks=(CodeBlock("1/0", "python"),)), parent=turn).id
    log.append(CodeFinished(executor="JupyterCodeExecutor", exit_code=1, output="boom"), parent=code, took=0.2)
    log.append(TurnFinished(agent="ana", turn=1), source="ana", parent=turn, took=1.0)
    finished = RunFinished.model_validate({"outcome": outcome, "stop_reason": "enough", "turns": 1})
    log.append(finished, source="team", parent=run, took=1.2)
    return run


def send(log: RunLog, *, parent: EventId | None = None, work: bool = False, error: str | None = None) -> EventId:
    """Write what a runtime does for one send from `app/x` to `adder/y`, and return the delivery."""
    sender, agent = "app/x", "adder/y"
    sent = log.append(
        EnvelopeSent(message_id="m1", sort="send", sender=sender, recipient=agent, type="Add", payload='{"a":1}'),
        parent=parent,
    ).id
    delivered = log.append(
        EnvelopeDelivered(message_id="m1", sort="send", agent=agent, sender=sender, role="Adder"), parent=sent
    ).id
    if work:
        model_call(log, delivered)
        tool_call(log, delivered)
    if error is not None:
        failed = EnvelopeHandled(message_id="m1", agent=agent, outcome="failed", error=error, error_type="ValueError")
        log.append(failed, parent=delivered, took=0.1)
        return delivered
    log.append(EnvelopeHandled(message_id="m1", agent=agent), parent=delivered, took=0.1)
    answer = log.append(
        EnvelopeSent(message_id="m1", sort="response", sender=agent, recipient=sender, type="int", payload="2"),
        parent=delivered,
    ).id
    log.append(EnvelopeDelivered(message_id="m1", sort="response", agent=sender, sender=agent), parent=answer)
    return delivered


def publish(log: RunLog, *recipients: str) -> EventId:
    """Write what a runtime does for one publish to the topic `news:a/all`."""
    sent = log.append(
        EnvelopeSent(
            message_id="m2", sort="publish", sender="app/x", recipient="news:a/all", type="str", payload='"hi"'
        )
    ).id
    for agent in recipients:
        delivered = log.append(
            EnvelopeDelivered(message_id="m2", sort="publish", agent=agent, sender="app/x", topic="news:a/all"),
            parent=sent,
        ).id
        log.append(EnvelopeHandled(message_id="m2", agent=agent), parent=delivered, took=0.1)
    return sent


class Spans:
    """What a provider of its own exports."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def __iter__(self) -> Iterator[ReadableSpan]:
        return iter(self.exporter.get_finished_spans())

    @property
    def names(self) -> list[str]:
        return sorted(span.name for span in self)

    def __getitem__(self, name: str) -> ReadableSpan:
        (span,) = [span for span in self if span.name == name]
        return span

    def parent(self, name: str) -> str | None:
        above = self[name].parent
        return next(span.name for span in self if span_id(span) == above.span_id) if above else None

    def links(self, name: str) -> list[str]:
        ids = [link.context.span_id for link in self[name].links]
        return [span.name for one in ids for span in self if span_id(span) == one]

    def told(self, name: str, prefix: str = "") -> dict[str, Any]:
        return {key: value for key, value in (self[name].attributes or {}).items() if key.startswith(prefix)}


def span_id(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)


def trace_id(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.trace_id)
