"""AutoGen's structured events."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agentnb.core import AgentId, TopicId
from agentnb.runtimes.contexts import MessageHandlerContext
from agentnb.telemetry import (
    AgentConstructionExceptionEvent,
    DeliveryStage,
    LLMCallEvent,
    LLMStreamEndEvent,
    LLMStreamStartEvent,
    MessageDroppedEvent,
    MessageEvent,
    MessageHandlerExceptionEvent,
    MessageKind,
    ToolCallEvent,
)

ANA, NEWS = AgentId("ana", "k"), TopicId("news", "all")
TOLD: list[tuple[Any, dict[str, Any]]] = [
    (
        LLMCallEvent(
            messages=[{"role": "user"}], response={"id": 1}, prompt_tokens=1, completion_tokens=2, tools=["a"]
        ),
        {
            "type": "LLMCall",
            "messages": [{"role": "user"}],
            "response": {"id": 1},
            "prompt_tokens": 1,
            "completion_tokens": 2,
            "agent_id": None,
            "tools": ["a"],
        },
    ),
    (LLMStreamStartEvent(messages=[]), {"type": "LLMStreamStart", "messages": [], "agent_id": None}),
    (
        LLMStreamEndEvent(response={}, prompt_tokens=1, completion_tokens=2),
        {"type": "LLMStreamEnd", "response": {}, "prompt_tokens": 1, "completion_tokens": 2, "agent_id": None},
    ),
    (
        ToolCallEvent(tool_name="add", arguments={"a": 1}, result="2"),
        {"type": "ToolCall", "tool_name": "add", "arguments": {"a": 1}, "result": "2", "agent_id": None},
    ),
    (
        MessageEvent(
            payload="{}", sender=None, receiver=NEWS, kind=MessageKind.PUBLISH, delivery_stage=DeliveryStage.SEND
        ),
        {
            "type": "Message",
            "payload": "{}",
            "sender": None,
            "receiver": "news/all",
            "kind": "MessageKind.PUBLISH",
            "delivery_stage": "DeliveryStage.SEND",
        },
    ),
    (
        MessageDroppedEvent(payload="{}", sender=ANA, receiver=ANA, kind=MessageKind.DIRECT),
        {
            "type": "MessageDropped",
            "payload": "{}",
            "sender": "ana/k",
            "receiver": "ana/k",
            "kind": "MessageKind.DIRECT",
        },
    ),
    (
        MessageHandlerExceptionEvent(payload="{}", handling_agent=ANA, exception=ValueError("bad")),
        {"type": "MessageHandlerException", "payload": "{}", "handling_agent": "ana/k", "exception": "bad"},
    ),
    (
        AgentConstructionExceptionEvent(agent_id=ANA, exception=ValueError("bad")),
        {"type": "AgentConstructionException", "agent_id": "ana/k", "exception": "bad"},
    ),
]


@pytest.mark.parametrize(("event", "told"), TOLD, ids=lambda value: type(value).__name__)
def test_an_event_is_one_json_object_of_autogens_keys(event: Any, told: dict[str, Any]) -> None:
    assert json.loads(str(event)) == told
    assert event.kwargs == told


def test_events_of_answers_tell_their_tokens() -> None:
    event = LLMStreamEndEvent(response={}, prompt_tokens=1, completion_tokens=2)

    assert (event.prompt_tokens, event.completion_tokens) == (1, 2)


def test_kinds_and_stages_are_numbered_as_autogens() -> None:
    assert [kind.value for kind in MessageKind] == [1, 2, 3]
    assert [stage.value for stage in DeliveryStage] == [1, 2]


def test_an_event_made_within_a_handler_names_its_agent() -> None:
    with MessageHandlerContext.populate_context(ANA):
        event = ToolCallEvent(tool_name="add", arguments={}, result="")

    assert event.kwargs["agent_id"] == "ana/k"


@pytest.mark.parametrize(
    ("value", "read"), [("half \ud83d", "half \ud83d"), (float("inf"), "Infinity"), (ANA, "ana/k"), ({1}, [1])]
)
def test_whatever_it_holds_an_event_is_json(value: Any, read: Any) -> None:
    event = ToolCallEvent(tool_name="add", arguments={"a": value}, result="")

    assert json.loads(str(event))["arguments"] == {"a": read}


def test_an_event_shows_its_keys_to_who_debugs() -> None:
    event = AgentConstructionExceptionEvent(agent_id=ANA, exception="bad")

    assert repr(event) == (
        "AgentConstructionExceptionEvent(type='AgentConstructionException', agent_id='ana/k', exception='bad')"
    )
