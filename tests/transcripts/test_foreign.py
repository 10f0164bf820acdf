"""Tables under other tools' names, as their documentation lists them."""

from __future__ import annotations

import json

import pytest

from agentnb.exceptions import UnknownName, UserError
from agentnb.runlog import RunLog
from agentnb.transcripts import to_df
from tests.transcripts.teams import told

# inspect_ai: analysis, MessageColumns, EventInfo, EventTiming, ModelEventColumns and ToolEventColumns.
CONTENT = ("message_id", "role", "source", "content")
TOOL_CALLS = ("tool_calls", "tool_call_id", "tool_call_function", "tool_call_error")
INFO = ("event_id", "event", "span_id", "timestamp", "completed", "working_start", "working_time")
MODEL = (
    *("model", "role", "input", "tools", "tool_choice", "config", "usage", "time", "completion"),
    *("retries", "error", "cache", "call"),
)
TOOL = ("function", "arguments", "view", "result", "truncated", "error_type", "error_message")
MESSAGES = (*CONTENT, *TOOL_CALLS)
EVENTS = (*INFO, *(f"model_event_{name}" for name in MODEL), *(f"tool_event_{name}" for name in TOOL))
# openinference-semantic-conventions 0.1.46, SpanAttributes.
ATTRIBUTES = {
    "openinference.span.kind",
    "session.id",
    "agent.name",
    "input.value",
    "input.mime_type",
    "output.value",
    "output.mime_type",
    "llm.model_name",
    "llm.provider",
    "llm.invocation_parameters",
    "llm.input_messages",
    "llm.output_messages",
    "llm.tools",
    "llm.finish_reason",
    "llm.token_count.prompt",
    "llm.token_count.completion",
    "llm.token_count.total",
    "llm.cost.total",
    "tool.name",
    "tool.id",
    "tool.parameters",
}


def test_messages_have_inspects_columns_and_roles() -> None:
    frame = to_df(told(), "messages", style="inspect")

    assert frame.columns.tolist() == ["eval_id", "sample_id", *MESSAGES, "order"]
    assert frame.role.tolist() == ["user", "assistant", "tool", "assistant", "assistant"]
    assert frame.source.tolist()[0] == "input"
    assert frame.tool_calls.tolist()[1] == "add(a=1)"
    assert frame.tool_call_id.tolist()[2] == "c1"
    assert frame.tool_call_function.tolist()[2] == "add"
    assert frame.order.tolist() == [1, 2, 3, 4, 5]


def test_inspects_messages_join_ours_on_their_id() -> None:
    log = told()
    joined = to_df(log, "messages", style="inspect").merge(to_df(log), on="message_id")

    assert len(joined) == 5
    assert (joined.eval_id == joined.run_id).all()


def test_events_have_inspects_columns() -> None:
    log = told()
    frame = to_df(log, "events", style="inspect")

    assert frame.columns.tolist() == ["eval_id", "sample_id", *EVENTS, "order"]
    model = frame[frame.event == "model"].iloc[0]
    assert model.model_event_input == "user:\nAdd one and one,\nplease.\n"
    assert json.loads(model.model_event_usage)["total_tokens"] == 13
    assert json.loads(model.model_event_config) == {"seed": 1}
    assert model.completed > model.timestamp
    failed = frame[frame.tool_event_error_message.notna()].iloc[0]
    assert (failed.tool_event_function, failed.tool_event_error_message) == ("add", "boom")
    assert frame.event.tolist()[0] == "span_begin"
    assert frame.span_id.tolist()[0] == log.events[0].id


def test_calls_have_openinferences_keys() -> None:
    frame = to_df(told(), "calls", style="openinference")
    own = {name for name in frame.columns if "." in name and not name.startswith("context.")}

    assert own == ATTRIBUTES
    first = frame.iloc[0]
    assert first["openinference.span.kind"] == "LLM"
    assert json.loads(first["llm.input_messages"]) == [
        {"message.role": "user", "message.content": "Add one and one,\nplease."}
    ]
    asked = json.loads(first["llm.output_messages"])[0]["message.tool_calls"][0]
    assert asked == {
        "tool_call.id": "c1",
        "tool_call.function.name": "add",
        "tool_call.function.arguments": '{"a": 1}',
    }
    assert first["llm.token_count.total"] == 13
    assert first["llm.cost.total"] == 0.5
    tool = frame[frame["tool.name"] == "add"].iloc[0]
    assert (tool["tool.id"], tool["tool.parameters"], tool["status_code"]) == ("c1", '{"a": 1}', "OK")
    assert frame["status_code"].tolist().count("ERROR") == 1


@pytest.mark.parametrize(
    ("kind", "style"), [("messages", "inspect"), ("events", "inspect"), ("calls", "openinference")]
)
def test_foreign_tables_have_the_same_dtypes_when_empty(kind: str, style: str) -> None:
    full, empty = (to_df(log, kind, style=style) for log in (told(), RunLog()))  # type: ignore[arg-type]

    assert [str(dtype) for dtype in full.dtypes] == [str(dtype) for dtype in empty.dtypes]


def test_styles_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UserError, match="'inspect' has no table 'calls', only 'messages', 'events'"):
        to_df(RunLog(), "calls", style="inspect")
    with pytest.raises(UnknownName, match="No style named 'other'"):
        to_df(RunLog(), "calls", style="other")  # type: ignore[arg-type]
