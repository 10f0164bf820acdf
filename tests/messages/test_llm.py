"""What models read and write."""

from __future__ import annotations

import pytest
from hypothesis import given
from pydantic import TypeAdapter, ValidationError

from agentnb.messages import (
    AssistantMessage,
    ChatCompletionTokenLogprob,
    CreateResult,
    FunctionCall,
    LLMMessage,
    RequestUsage,
    SystemMessage,
    TopLogprob,
)
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
