"""What models read and write."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as pil
from pydantic import BaseModel, TypeAdapter, ValidationError

from agentnb.messages import (
    AssistantMessage,
    ChatCompletionTokenLogprob,
    CreateResult,
    FinishReasons,
    FunctionCall,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    Image,
    LLMMessage,
    RequestUsage,
    SystemMessage,
    TopLogprob,
    UserMessage,
)
from agentnb.messages.llm import read_message
from agentnb.messages.texts import load_messages
from tests.strategies import llm_messages, results

reader: TypeAdapter[LLMMessage] = TypeAdapter(LLMMessage)


@given(llm_messages)
def test_every_message_comes_back_from_json_by_its_type(message: LLMMessage) -> None:
    assert reader.validate_json(reader.dump_json(message)) == message


@given(results)
def test_an_answer_comes_back_from_json(result: CreateResult) -> None:
    assert CreateResult.model_validate_json(result.model_dump_json()) == result


def test_an_answer_keeps_its_log_probabilities() -> None:
    probabilities = [ChatCompletionTokenLogprob(token="a", logprob=-0.1, top_logprobs=[TopLogprob(-0.1, [97])])]
    result = CreateResult(
        finish_reason="stop", content="a", usage=RequestUsage(1, 1), cached=False, logprobs=probabilities
    )

    assert CreateResult.model_validate_json(result.model_dump_json()).logprobs == probabilities


def test_calls_and_text_are_told_apart() -> None:
    call = FunctionCall(id="1", arguments="{}", name="f")

    assert AssistantMessage(content=[call], source="a").content == [call]
    assert AssistantMessage(content="[]", source="a").content == "[]"


def test_a_finish_reason_that_is_none_of_the_five_is_refused() -> None:
    usage = {"prompt_tokens": 0, "completion_tokens": 0}

    with pytest.raises(ValidationError, match="finish_reason"):
        CreateResult.model_validate({"finish_reason": "tired", "content": "", "usage": usage, "cached": False})


def test_a_system_message_has_no_source() -> None:
    assert set(SystemMessage(content="x").model_dump()) == {"content", "type"}


def _required(model: type[BaseModel]) -> dict[str, Any]:
    return {name: ... if field.is_required() else field.default for name, field in model.model_fields.items()}


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (SystemMessage, {"content": ..., "type": "SystemMessage"}),
        (UserMessage, {"content": ..., "source": ..., "type": "UserMessage"}),
        (AssistantMessage, {"content": ..., "thought": None, "source": ..., "type": "AssistantMessage"}),
        (FunctionExecutionResult, {"content": ..., "name": ..., "call_id": ..., "is_error": None}),
        (FunctionExecutionResultMessage, {"content": ..., "type": "FunctionExecutionResultMessage"}),
        (ChatCompletionTokenLogprob, {"token": ..., "logprob": ..., "top_logprobs": None, "bytes": None}),
        (
            CreateResult,
            {"finish_reason": ..., "content": ..., "usage": ..., "cached": ..., "logprobs": None, "thought": None},
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_fields_have_autogens_names_order_and_defaults(model: type[BaseModel], fields: dict[str, Any]) -> None:
    assert list(_required(model).items()) == list(fields.items())


@pytest.mark.parametrize(
    ("made", "names"),
    [
        (RequestUsage(1, 2), ["prompt_tokens", "completion_tokens"]),
        (TopLogprob(-0.5), ["logprob", "bytes"]),
        (FunctionCall("1", "{}", "f"), ["id", "arguments", "name"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_have_autogens_fields_in_order(made: Any, names: list[str]) -> None:
    assert [field.name for field in dataclasses.fields(made)] == names
    assert getattr(made, "bytes", None) is None


def test_the_five_finish_reasons_are_autogens() -> None:
    assert set(get_args(FinishReasons)) == {"stop", "length", "function_calls", "content_filter", "unknown"}


class Conversation(BaseModel):
    """A user's model."""

    messages: list[LLMMessage]
    last: LLMMessage | None = None


pictures = st.tuples(st.integers(0, 255), st.integers(1, 3)).map(
    lambda drawn: Image(pil.new("RGB", (drawn[1], 1), (drawn[0], 0, 0)))
)


@given(st.lists(st.lists(pictures | st.text(max_size=3), max_size=3), max_size=3), st.lists(llm_messages, max_size=3))
def test_a_users_model_of_messages_with_pictures_and_calls_comes_back_from_json(
    contents: list[list[str | Image]], others: list[LLMMessage]
) -> None:
    seen: list[LLMMessage] = [UserMessage(content=content, source="u") for content in contents]
    made = Conversation(messages=[*seen, *others], last=others[0] if others else None)

    again = Conversation.model_validate_json(made.model_dump_json())

    assert again.model_dump_json() == made.model_dump_json()
    assert [type(m) for m in again.messages] == [type(m) for m in made.messages]
    assert again.messages[len(seen) :] == others
    for before, after in zip(contents, again.messages, strict=False):
        assert [type(part) for part in after.content] == [type(part) for part in before]


def test_what_is_written_is_autogens_json() -> None:
    call = FunctionCall(id="1", arguments="{}", name="f")
    answer = FunctionExecutionResult(content="r", name="f", call_id="1", is_error=False)
    made = Conversation(
        messages=[
            UserMessage(content=["see", Image(pil.new("RGB", (1, 1)))], source="u"),
            AssistantMessage(content=[call], source="a", thought="hm"),
            FunctionExecutionResultMessage(content=[answer]),
        ]
    )

    user, assistant, results = json.loads(made.model_dump_json())["messages"]

    assert user["content"][0] == "see"
    assert list(user["content"][1]) == ["data"]
    assert assistant == {
        "content": [{"id": "1", "arguments": "{}", "name": "f"}],
        "thought": "hm",
        "source": "a",
        "type": "AssistantMessage",
    }
    assert results == {
        "content": [{"content": "r", "name": "f", "call_id": "1", "is_error": False}],
        "type": "FunctionExecutionResultMessage",
    }


def test_any_messages_have_a_schema() -> None:
    schema = reader.json_schema()

    assert schema["discriminator"]["propertyName"] == "type"
    assert len(schema["oneOf"]) == 4


@pytest.mark.parametrize(
    "data",
    [
        {"content": "x", "source": "u"},
        {"type": "Nobody", "content": "x"},
        {"type": "UserMessage", "content": "x"},
        {"type": "AssistantMessage", "content": [{"id": "1"}], "source": "a"},
        {"type": "UserMessage", "content": [{"data": "AAAA"}], "source": "u"},
        "x",
    ],
    ids=["no type", "unknown type", "no source", "half a call", "no picture", "text"],
)
def test_what_is_no_message_is_refused(data: Any) -> None:
    with pytest.raises(ValidationError):
        reader.validate_python(data)


READ: list[dict[str, Any]] = [
    {"content": "x", "source": "user", "type": "UserMessage"},
    {"type": "UserMessage", "source": "user", "content": "half a \ud83d smile"},
    {"content": "x", "thought": None, "source": "ana", "type": "AssistantMessage"},
    {"content": "x", "thought": "Hm \ud83d.", "source": "ana", "type": "AssistantMessage"},
    {"content": "x", "source": "ana", "type": "AssistantMessage"},
    {"content": ["x"], "source": "user", "type": "UserMessage"},
    {"content": [{"id": "1", "name": "add", "arguments": "{}"}], "source": "ana", "type": "AssistantMessage"},
    {"content": "x", "type": "SystemMessage"},
]


def _read(saved: list[Any]) -> list[LLMMessage]:
    return load_messages(saved, lambda data, _: read_message(data)).made(0, len(saved))


@pytest.mark.parametrize("data", READ, ids=str)
def test_messages_are_read_as_pydantic_reads_them(data: dict[str, Any]) -> None:
    (read,) = _read([data])

    checked = {cls.__name__: cls for cls in (UserMessage, AssistantMessage, SystemMessage)}[data["type"]](**data)
    assert read == checked
    assert list(read.__dict__) == list(checked.__dict__)
    assert read.model_dump_json() == checked.model_dump_json()


def test_messages_of_several_kinds_are_read_in_their_order() -> None:
    there = UserMessage(content="there already", source="user")

    read = _read([*READ, there])

    assert [message.type for message in read] == [data["type"] for data in READ] + ["UserMessage"]
    assert read[-1] is there
