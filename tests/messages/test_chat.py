"""What agents say, and what one can watch them do."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from PIL import Image as pil
from pydantic import BaseModel

from agentnb.messages import (
    AssistantMessage,
    BaseAgentEvent,
    BaseChatMessage,
    BaseMessage,
    CodeBlock,
    CodeExecutionEvent,
    CodeGenerationEvent,
    CodeResult,
    FunctionCall,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    HandoffMessage,
    Image,
    LLMMessage,
    MemoryContent,
    MemoryMimeType,
    MemoryQueryEvent,
    ModelClientStreamingChunkEvent,
    MultiModalMessage,
    RequestUsage,
    SelectorEvent,
    SelectSpeakerEvent,
    StopMessage,
    StructuredMessage,
    SystemMessage,
    TextMessage,
    ThoughtEvent,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
    ToolCallSummaryMessage,
    UserInputRequestedEvent,
    UserMessage,
    content_to_str,
    remove_images,
)
from tests.strategies import messages


class Weather(BaseModel):
    city: str
    degrees: float


RED = Image(pil.new("RGB", (2, 2), "red"))
CALL = FunctionCall(id="c1", arguments='{"city": "Oslo"}', name="weather")
DONE = FunctionExecutionResult(content="4 °C", name="weather", call_id="c1", is_error=False)
COMMON: dict[str, Any] = {
    "source": "ana",
    "models_usage": RequestUsage(3, 4),
    "metadata": {"k": "v"},
    "created_at": datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
}

CHAT: list[BaseChatMessage] = [
    TextMessage(content="hi", **COMMON),
    StopMessage(content="enough", **COMMON),
    HandoffMessage(
        content="over to you",
        target="ben",
        context=[
            SystemMessage(content="s"),
            UserMessage(content=["look", RED], source="u"),
            AssistantMessage(content=[CALL], thought="hm", source="ana"),
            FunctionExecutionResultMessage(content=[DONE]),
        ],
        **COMMON,
    ),
    ToolCallSummaryMessage(content="4 °C", tool_calls=[CALL], results=[DONE], **COMMON),
    MultiModalMessage(content=["a", RED, "b"], **COMMON),
    StructuredMessage[Weather](content=Weather(city="Oslo", degrees=4), format_string="{city}: {degrees}", **COMMON),
]
EVENTS: list[BaseAgentEvent] = [
    ToolCallRequestEvent(content=[CALL], **COMMON),
    ToolCallExecutionEvent(content=[DONE], **COMMON),
    MemoryQueryEvent(content=[MemoryContent(content="m", mime_type=MemoryMimeType.TEXT)], **COMMON),
    MemoryQueryEvent(content=[MemoryContent(content={"data": "json"}, mime_type="application/json")], **COMMON),
    MemoryQueryEvent(content=[MemoryContent(content=RED, mime_type=MemoryMimeType.IMAGE)], **COMMON),
    UserInputRequestedEvent(request_id="r", **COMMON),
    ModelClientStreamingChunkEvent(content="h", full_message_id="f", **COMMON),
    ThoughtEvent(content="hm", **COMMON),
    SelectSpeakerEvent(content=["ben"], **COMMON),
    SelectorEvent(content="ben", **COMMON),
    CodeGenerationEvent(content="c", retry_attempt=1, code_blocks=[CodeBlock("1", "python")], **COMMON),
    CodeExecutionEvent(retry_attempt=1, result=CodeResult(exit_code=0, output="1"), **COMMON),
]


def _name(message: BaseMessage) -> str:
    return type(message).__name__


@pytest.mark.parametrize("message", [*CHAT, *EVENTS], ids=_name)
def test_every_message_comes_back_from_json(message: BaseMessage) -> None:
    written = json.dumps(message.dump())

    made = type(message).load(json.loads(written))

    assert type(made) is type(message)
    assert json.dumps(made.dump()) == written


@given(messages)
def test_a_message_comes_back_from_json_whatever_its_text(message: BaseMessage) -> None:
    assert type(message).model_validate_json(message.model_dump_json()) == message


@pytest.mark.parametrize("message", [*CHAT, *EVENTS], ids=_name)
def test_the_type_tag_is_the_name_of_the_class(message: BaseMessage) -> None:
    assert message.dump()["type"] == type(message).__name__


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (CHAT[0], "hi"),
        (CHAT[1], "enough"),
        (CHAT[2], "over to you"),
        (CHAT[3], "4 °C"),
    ],
    ids=lambda value: _name(value) if isinstance(value, BaseMessage) else "",
)
def test_a_text_message_reads_the_same_for_people_and_models(message: BaseChatMessage, text: str) -> None:
    assert message.to_text() == text
    assert message.to_model_text() == text
    assert message.to_model_message() == UserMessage(content=text, source="ana")


def test_pictures_are_placeholders_in_text_and_themselves_for_models() -> None:
    message = MultiModalMessage(content=["a", RED, "b"], source="ana")

    assert message.to_text() == "a\n<image>\nb"
    assert message.to_text(iterm=True).startswith("a\n\033]1337;File=inline=1:")
    assert message.to_model_text() == "a [image]b"
    assert message.to_model_text(image_placeholder=None) == f"a {RED.to_base64()}b"
    assert message.to_model_message().content == ["a", RED, "b"]


def test_a_structured_message_is_shaped_for_people_and_json_for_models() -> None:
    shaped = StructuredMessage[Weather](
        content=Weather(city="Oslo", degrees=4), format_string="{city}: {degrees}", source="ana"
    )
    plain = StructuredMessage[Weather](content=Weather(city="Oslo", degrees=4), source="ana")

    assert (shaped.to_text(), shaped.to_model_text()) == ("Oslo: 4.0", "Oslo: 4.0")
    assert plain.to_text() == '{"city":"Oslo","degrees":4.0}'
    assert shaped.to_model_message() == UserMessage(content='{"city":"Oslo","degrees":4.0}', source="ana")
    assert shaped.type == "StructuredMessage[Weather]"


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (EVENTS[0], str([CALL])),
        (EVENTS[1], str([DONE])),
        (EVENTS[2], str([MemoryContent(content="m", mime_type=MemoryMimeType.TEXT)])),
        (EVENTS[5], ""),
        (EVENTS[6], "h"),
        (EVENTS[7], "hm"),
        (EVENTS[8], "['ben']"),
        (EVENTS[9], "ben"),
        (EVENTS[10], "c"),
        (EVENTS[11], "1"),
    ],
    ids=lambda value: _name(value) if isinstance(value, BaseMessage) else "",
)
def test_an_event_reads_as_its_content(event: BaseAgentEvent, text: str) -> None:
    assert event.to_text() == text


def test_events_are_not_made_for_models() -> None:
    assert not any(hasattr(event, "to_model_message") for event in EVENTS)


def test_each_message_has_an_id_and_a_time_of_its_own() -> None:
    one, two = TextMessage(content="x", source="a"), TextMessage(content="x", source="a")

    assert one.id != two.id
    assert one.created_at.tzinfo is UTC
    assert one.metadata == {}
    assert one.metadata is not two.metadata


def test_contents_of_every_kind_are_text_for_those_who_see_no_pictures() -> None:
    assert content_to_str("hi") == "hi"
    assert content_to_str(Weather(city="Oslo", degrees=4)) == '{"city":"Oslo","degrees":4.0}'
    assert content_to_str(["a", RED, "b"]) == "a\n<image>\nb"


def test_pictures_are_taken_out_of_copies_and_other_messages_stay_the_same_objects() -> None:
    picture = UserMessage(content=["look", RED], source="u")
    others: list[LLMMessage] = [
        UserMessage(content="hi", source="u"),
        AssistantMessage(content=[CALL], source="a"),
        SystemMessage(content="s"),
    ]
    without = remove_images([picture, *others])

    assert without[0] == UserMessage(content="look\n<image>", source="u")
    assert picture.content == ["look", RED]
    assert all(one is other for one, other in zip(without[1:], others, strict=True))
