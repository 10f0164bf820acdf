"""Spans a program opens itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from agentnb.core import AgentId
from agentnb.runtimes.contexts import AgentInstantiationContext
from agentnb.telemetry import trace_create_agent_span, trace_invoke_agent_span, trace_tool_span
from agentnb.telemetry.drawing import SILENCE_VARIABLE
from tests.telemetry.conftest import Spans


@pytest.fixture
def spans() -> Spans:
    return Spans()


def tracer(spans: Spans) -> Any:
    return spans.provider.get_tracer("test")


def test_a_tools_span_says_which_tool(spans: Spans) -> None:
    with trace_tool_span("add", tracer=tracer(spans), tool_description="adds", tool_call_id="c1"):
        pass

    assert spans.told("execute_tool add") == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.system": "autogen",
        "gen_ai.provider.name": "agentnb",
        "gen_ai.tool.name": "add",
        "gen_ai.tool.description": "adds",
        "gen_ai.tool.call.id": "c1",
    }
    assert spans["execute_tool add"].kind is SpanKind.INTERNAL


@pytest.mark.parametrize(
    ("opened", "operation"), [(trace_create_agent_span, "create_agent"), (trace_invoke_agent_span, "invoke_agent")]
)
def test_an_agents_span_says_which_agent(spans: Spans, opened: Any, operation: str) -> None:
    with opened("ana", tracer=tracer(spans), agent_id="ana/k", agent_description="adds"):
        pass

    assert spans.told(f"{operation} ana") == {
        "gen_ai.operation.name": operation,
        "gen_ai.system": "autogen",
        "gen_ai.provider.name": "agentnb",
        "gen_ai.agent.name": "ana",
        "gen_ai.agent.id": "ana/k",
        "gen_ai.agent.description": "adds",
    }
    assert spans[f"{operation} ana"].kind is SpanKind.CLIENT


def test_an_agent_made_by_a_runtime_is_known_by_its_id(spans: Spans) -> None:
    with (
        AgentInstantiationContext.populate_context((object(), AgentId("ana", "k"))),  # type: ignore[arg-type]
        trace_create_agent_span("ana", tracer=tracer(spans)),
    ):
        pass

    assert spans.told("create_agent ana")["gen_ai.agent.id"] == "ana/k"


def test_spans_are_below_the_current_one_or_the_parent_given(spans: Spans) -> None:
    with trace_invoke_agent_span("ana", tracer=tracer(spans)) as ana:
        with trace_tool_span("inner", tracer=tracer(spans)):
            pass
        with (
            trace_invoke_agent_span("ben", tracer=tracer(spans)),
            trace_tool_span("outer", tracer=tracer(spans), parent=ana),
        ):
            pass

    assert spans.parent("execute_tool inner") == "invoke_agent ana"
    assert spans.parent("execute_tool outer") == "invoke_agent ana"


@pytest.mark.parametrize("error", [ValueError("bad"), asyncio.CancelledError()])
def test_what_is_raised_within_is_recorded_and_goes_on(spans: Spans, error: BaseException) -> None:
    with pytest.raises(type(error)), trace_tool_span("add", tracer=tracer(spans)):
        raise error

    span = spans["execute_tool add"]
    assert span.status.status_code is StatusCode.ERROR
    assert spans.told("execute_tool add")["error.type"] == type(error).__name__
    assert [event.name for event in span.events] == ["exception"]


def test_the_switch_of_the_runtime_does_not_silence_them(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SILENCE_VARIABLE, "true")
    with trace_tool_span("add", tracer=tracer(spans)):
        pass

    assert spans.names == ["execute_tool add"]


def test_the_tracer_is_autogens_unless_another_is_given(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opentelemetry.trace.get_tracer_provider", lambda: spans.provider)
    with trace_tool_span("add"):
        pass

    scope = spans["execute_tool add"].instrumentation_scope
    assert scope is not None
    assert scope.name == "autogen-core"
