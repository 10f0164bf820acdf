"""The fields of every message and event are AutoGen's, with its defaults."""

from __future__ import annotations

from datetime import UTC
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from agentnb import messages
from agentnb.messages import (
    AgentEvent,
    BaseAgentEvent,
    BaseChatMessage,
    ChatMessage,
    CodeBlock,
    CodeResult,
    MessageFactory,
    SelectorEvent,
    StructuredMessage,
    TextMessage,
)


class Out(BaseModel):
    answer: int


COMMON = {"id", "source", "models_usage", "metadata", "created_at"}
RESULT = CodeResult(exit_code=0, output="1")
BLOCKS = [CodeBlock("1", "python")]

# What each class needs besides `source`, and what it adds with its default.
CHAT: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "TextMessage": ({"content": "x"}, {}),
    "MultiModalMessage": ({"content": ["x"]}, {}),
    "StopMessage": ({"content": "x"}, {}),
    "HandoffMessage": ({"content": "x", "target": "ben"}, {"context": []}),
    "ToolCallSummaryMessage": ({"content": "x", "tool_calls": [], "results": []}, {}),
}
EVENTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "ToolCallRequestEvent": ({"content": []}, {}),
    "ToolCallExecutionEvent": ({"content": []}, {}),
    "MemoryQueryEvent": ({"content": []}, {}),
    "UserInputRequestedEvent": ({"request_id": "r"}, {"content": ""}),
    "ModelClientStreamingChunkEvent": ({"content": "x"}, {"full_message_id": None}),
    "ThoughtEvent": ({"content": "x"}, {}),
    "SelectSpeakerEvent": ({"content": ["ben"]}, {}),
    "CodeGenerationEvent": ({"retry_attempt": 0, "content": "x", "code_blocks": BLOCKS}, {}),
    "CodeExecutionEvent": ({"retry_attempt": 0, "result": RESULT}, {}),
}
ALL = {**CHAT, **EVENTS, "SelectorEvent": ({"content": "x"}, {})}


def make(name: str, **fields: Any) -> Any:
    return getattr(messages, name)(source="ana", **ALL[name][0], **fields)


@pytest.mark.parametrize("name", ALL)
def test_a_message_has_the_common_fields_and_its_own(name: str) -> None:
    needed, more = ALL[name]

    message = make(name)

    assert set(message.dump()) == COMMON | {"type"} | needed.keys() | more.keys()
    assert {field: getattr(message, field) for field in more} == more
    assert (message.models_usage, message.metadata, message.type) == (None, {}, name)
    assert UUID(message.id).version == 4
    assert message.created_at.tzinfo is UTC
    assert isinstance(message, BaseChatMessage if name in CHAT else BaseAgentEvent)


@pytest.mark.parametrize("name", ALL)
def test_each_field_of_its_own_is_needed(name: str) -> None:
    cls = getattr(messages, name)
    for field in ALL[name][0]:
        rest = {key: value for key, value in ALL[name][0].items() if key != field}

        with pytest.raises(ValidationError, match=field):
            cls(source="ana", **rest)


def test_the_factory_knows_all_but_the_two_that_autogen_leaves_out() -> None:
    factory = MessageFactory()

    assert all(factory.is_registered(getattr(messages, name)) for name in {**CHAT, **EVENTS})
    assert not factory.is_registered(SelectorEvent)
    assert not factory.is_registered(StructuredMessage)


@pytest.mark.parametrize(("union", "members"), [(ChatMessage, CHAT), (AgentEvent, EVENTS)])
def test_a_union_reads_its_members_and_nothing_else(union: Any, members: dict[str, Any]) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(union)

    for name in ALL:
        written = make(name).dump()
        if name in members:
            assert type(adapter.validate_python(written)).__name__ == name
        else:
            with pytest.raises(ValidationError, match="does not match any of the expected tags"):
                adapter.validate_python(written)


def test_a_type_that_is_anothers_is_refused() -> None:
    with pytest.raises(ValidationError, match="TextMessage"):
        TextMessage.load({"content": "x", "source": "a", "type": "StopMessage"})


def test_the_type_of_a_structured_message_names_its_content() -> None:
    message = StructuredMessage[Out](content=Out(answer=42), source="ana")

    assert message.dump()["type"] == "StructuredMessage[Out]"
    assert set(message.dump()) == COMMON | {"type", "content", "format_string"}
