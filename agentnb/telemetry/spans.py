"""What a span is before a tracer makes it, and the spans a program opens itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from agentnb.exceptions import MissingExtra
from agentnb.telemetry.base import agent_here

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

Kind = Literal["INTERNAL", "CLIENT", "PRODUCER", "CONSUMER"]

PROVIDER = "agentnb"
"""The value of `gen_ai.provider.name` and `messaging.system` where nobody else provides."""


class Opening(NamedTuple):
    """How a span begins."""

    name: str
    kind: Kind
    attributes: dict[str, Any]


class Closing(NamedTuple):
    """How a span ends; `error_type` is None unless it failed."""

    attributes: dict[str, Any]
    error_type: str | None = None
    error: str = ""


def api() -> Any:
    """Return the module `opentelemetry.trace`.

    Raises:
        MissingExtra: If OpenTelemetry is not installed.
    """
    try:
        from opentelemetry import trace
    except ImportError as error:
        raise MissingExtra("Spans need OpenTelemetry: pip install 'agentnb-toolkit[otel]'.") from error
    return trace


@contextmanager
def trace_tool_span(
    tool_name: str,
    *,
    tracer: Tracer | None = None,
    parent: Span | None = None,
    tool_description: str | None = None,
    tool_call_id: str | None = None,
) -> Iterator[Span]:
    """Open a span round the execution of a tool; an exception is recorded and goes on.

    Args:
        tool_name: What the tool is called.
        tracer: Makes the span; default: the global provider's tracer "autogen-core".
        parent: The span it belongs to; default: the current one.
        tool_description: What the tool does.
        tool_call_id: The id the model gave to its call.

    Raises:
        MissingExtra: If OpenTelemetry is not installed.
    """
    about = {"gen_ai.tool.name": tool_name, "gen_ai.tool.description": tool_description}
    about["gen_ai.tool.call.id"] = tool_call_id
    with _span("execute_tool", tool_name, "INTERNAL", about, tracer, parent) as span:
        yield span


@contextmanager
def trace_create_agent_span(
    agent_name: str,
    *,
    tracer: Tracer | None = None,
    parent: Span | None = None,
    agent_id: str | None = None,
    agent_description: str | None = None,
) -> Iterator[Span]:
    """Open a span round the making of an agent; within a runtime's factory call `agent_id` is known by itself.

    The other arguments are those of `trace_tool_span`.
    """
    about = _agent(agent_name, agent_id or agent_here("making"), agent_description)
    with _span("create_agent", agent_name, "CLIENT", about, tracer, parent) as span:
        yield span


@contextmanager
def trace_invoke_agent_span(
    agent_name: str,
    *,
    tracer: Tracer | None = None,
    parent: Span | None = None,
    agent_id: str | None = None,
    agent_description: str | None = None,
) -> Iterator[Span]:
    """Open a span round an agent's work; arguments as for `trace_tool_span`."""
    about = _agent(agent_name, agent_id, agent_description)
    with _span("invoke_agent", agent_name, "CLIENT", about, tracer, parent) as span:
        yield span


def _agent(name: str, agent_id: str | None, description: str | None) -> dict[str, str | None]:
    return {"gen_ai.agent.name": name, "gen_ai.agent.id": agent_id, "gen_ai.agent.description": description}


@contextmanager
def _span(
    operation: str, name: str, kind: Kind, about: dict[str, str | None], tracer: Tracer | None, parent: Span | None
) -> Iterator[Span]:
    trace = api()
    # `gen_ai.system` is AutoGen's, which its dashboards look for; the conventions have replaced it by the provider.
    attributes = {"gen_ai.operation.name": operation, "gen_ai.system": "autogen", "gen_ai.provider.name": PROVIDER}
    attributes.update({key: value for key, value in about.items() if value is not None})
    with (tracer or trace.get_tracer("autogen-core")).start_as_current_span(
        f"{operation} {name}",
        context=None if parent is None else trace.set_span_in_context(parent),
        kind=trace.SpanKind[kind],
        attributes=attributes,
    ) as span:
        try:
            yield span
        except BaseException as error:
            span.set_attribute("error.type", type(error).__name__)
            if not isinstance(error, Exception):  # the tracer itself takes note of exceptions only
                span.record_exception(error)
                span.set_status(trace.StatusCode.ERROR, f"{type(error).__name__}: {error}")
            raise
