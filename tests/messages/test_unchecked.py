from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from agentnb.messages import (
    AssistantMessage,
    FunctionCall,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    ModelClientStreamingChunkEvent,
    RequestUsage,
    TextMessage,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
    UserMessage,
)
from agentnb.messages.unchecked import made, unchecked
from agentnb.runlog.events import ToolFinished, Usage

AT = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
CALL = FunctionCall(id="1", name="add", arguments="{}")
RESULT = FunctionExecutionResult(content="3", name="add", call_id="1", is_error=False)
SAID: dict[str, Any] = {"id": "x", "created_at": AT, "source": "ana"}

MADE: list[tuple[type[BaseModel], dict[str, Any]]] = [
    (TextMessage, {**SAID, "content": "é", "models_usage": RequestUsage(1, 2), "metadata": {"a": "b"}}),
    (ModelClientStreamingChunkEvent, {**SAID, "content": "x", "full_message_id": "y"}),
    (ToolCallRequestEvent, {**SAID, "content": [CALL]}),
    (ToolCallExecutionEvent, {**SAID, "content": [RESULT]}),
    (FunctionExecutionResult, {"content": "3", "name": "add", "call_id": "1", "is_error": False}),
    (FunctionExecutionResultMessage, {"content": [RESULT]}),
    (UserMessage, {"content": "x", "source": "user"}),
    (AssistantMessage, {"content": [CALL], "source": "ana", "thought": "Hm."}),
    (ToolFinished, {"tool": "add", "result": "3"}),
]


@pytest.mark.parametrize(("cls", "values"), MADE)
def test_what_is_made_without_a_check_is_what_the_check_would_make(cls: type[Any], values: dict[str, Any]) -> None:
    one, checked = made(cls, **values), cls(**values)

    assert one == checked
    assert list(one.__dict__.items()) == list(checked.__dict__.items())
    assert one.model_dump() == checked.model_dump()
    assert one.model_dump_json() == checked.model_dump_json()
    assert cls.model_validate_json(one.model_dump_json()) == checked
    assert repr(one) == repr(checked)
    assert one.model_copy() == one.model_copy(deep=True) == checked


def test_what_is_new_each_time_is_new_each_time() -> None:
    one, other = made(TextMessage, content="x", source="ana"), made(TextMessage, content="x", source="ana")
    one.metadata["a"] = "b"

    assert one.id != other.id
    assert other.metadata == {}
    assert one.created_at.tzinfo is UTC


def test_a_field_that_is_set_later_is_set_of_that_object_alone() -> None:
    one, other = made(TextMessage, content="x", source="ana"), made(TextMessage, content="x", source="ana")

    one.content = "y"

    assert (one.content, other.content) == ("y", "x")


def test_with_a_value_for_each_field_nothing_is_added() -> None:
    values = {"prompt_tokens": 1, "completion_tokens": 2, "cost_usd": None}

    assert unchecked(Usage, values) == Usage(prompt_tokens=1, completion_tokens=2)
