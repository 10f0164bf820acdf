"""Bodies read without pydantic are those that pydantic reads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from pydantic import BaseModel

from agentnb.messages import (
    CodeBlock,
    CreateResult,
    FunctionCall,
    ModelClientStreamingChunkEvent,
    RequestUsage,
    TextMessage,
)
from agentnb.runlog import Body, CodeStarted, ModelFinished, Said
from agentnb.runlog.events import read_body
from agentnb.runlog.plain import UNSURE, plain_body, plain_time
from tests.strategies import bodies


def as_read(body: BaseModel) -> Any:
    return json.loads(body.model_dump_json(exclude_none=True))


def plainly(data: dict[str, Any]) -> Any:
    """Return the body, None where it is left to pydantic."""
    try:
        return plain_body(data)
    except UNSURE:
        return None


@settings(max_examples=300, deadline=None)
@given(body=bodies)
def test_a_body_that_is_read_plainly_is_the_one_that_pydantic_reads(body: Body) -> None:
    data = as_read(body)

    made, checked = plainly(data), read_body(data)

    if made is not None:
        assert made == checked
        assert type(made) is type(checked)
        assert made.model_dump() == checked.model_dump()


USAGE = RequestUsage(1, 2)
FREQUENT: dict[str, BaseModel] = {
    "text": Said(message=TextMessage(content="x", source="ana", models_usage=USAGE)),
    "chunk": Said(message=ModelClientStreamingChunkEvent(content="x", source="ana")),
    "code": CodeStarted(executor="X", blocks=(CodeBlock("1", "python"),)),
    "answer": ModelFinished(
        model="m", result=CreateResult(finish_reason="stop", content="x", usage=USAGE, cached=False)
    ),
    "calls": ModelFinished(
        model="m",
        result=CreateResult(
            finish_reason="function_calls", content=[FunctionCall("1", "{}", "add")], usage=USAGE, cached=False
        ),
    ),
}


@pytest.mark.parametrize("kind", FREQUENT)
def test_frequent_bodies_are_read_plainly(kind: str) -> None:
    assert plainly(as_read(FREQUENT[kind])) == FREQUENT[kind]


DOUBTS: dict[str, dict[str, Any]] = {
    "a kind that is not known": {"kind": "hologram"},
    "a field that is missing": {"kind": "note"},
    "a field that is not known": {"kind": "note", "text": "x", "more": 1},
    "a number for a text": {"kind": "note", "text": 5},
    "a truth for a number": {"kind": "turn.started", "agent": "ana", "turn": True},
    "a choice that is none": {"kind": "pause", "state": "asleep"},
    "one wrong item": {"kind": "speaker", "names": ["ana", 5]},
    "a message of a class that is not known": {"kind": "message", "message": {"type": "Poem", "source": "ana"}},
    "a message without its id": {"kind": "message", "message": {"type": "TextMessage", "source": "a", "content": ""}},
    "a time of another form": {
        "kind": "message",
        "message": {
            "type": "TextMessage",
            "id": "x",
            "source": "a",
            "metadata": {},
            "content": "",
            "created_at": "2026-01-01T00:00:00+02:00",
        },
    },
}


@pytest.mark.parametrize("doubt", DOUBTS)
def test_what_is_in_doubt_is_left_to_pydantic(doubt: str) -> None:
    assert plainly(DOUBTS[doubt]) is None


@pytest.mark.parametrize("text", ["2026-01-01", "2026-01-01 00:00:00Z", "2026-01-01T00:00:00+00:0", "yesterday", ""])
def test_a_time_that_is_written_otherwise_is_left_to_pydantic(text: str) -> None:
    with pytest.raises(ValueError, match=r"written|isoformat"):
        plain_time(text)
