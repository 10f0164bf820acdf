"""An agent that writes code, has it run, corrects it, and tells what came out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from agentnb.agents import ApprovalRequest, ApprovalResponse, CodeExecutorAgent, approve_all
from agentnb.base import Response
from agentnb.core import CancellationToken
from agentnb.exceptions import ModelResponseInvalid
from agentnb.messages import (
    AssistantMessage,
    CodeExecutionEvent,
    CodeGenerationEvent,
    CodeResult,
    HandoffMessage,
    LLMMessage,
    ModelClientStreamingChunkEvent,
    RequestUsage,
    SystemMessage,
    TextMessage,
    UserMessage,
)
from agentnb.model_context import BufferedChatCompletionContext
from agentnb.models.replay import ReplayChatCompletionClient, able_to_everything
from agentnb.models.scripted import ScriptedChatCompletionClient
from tests.agents.conftest import Watched, answer, call, names, turn, unable
from tests.agents.executors import Recorder, fenced

WROTE = f"Let me compute.\n{fenced('print(6 * 7)')}"
AGAIN = f"Now right.\n{fenced('print(42)')}"
WORSE = '{"reason": "x was never set", "retry": true}'
HOPELESS = '{"reason": "there is no network", "retry": false}'
FAILED = CodeResult(exit_code=1, output="NameError: x")
FINE = CodeResult(exit_code=0, output="42\n")
CODE = ["CodeGenerationEvent", "CodeExecutionEvent"]
ANSWER = "Response(TextMessage)"


def coder(client: Any, executor: Recorder | None = None, **options: Any) -> CodeExecutorAgent:
    options = {"approval_func": approve_all, "model_client": client, **options}
    return CodeExecutorAgent("coder", executor or Recorder(FINE), **options)


def scripted(*lines: Any, **options: Any) -> Watched:
    return Watched(lines, **options)


def contents(messages: Sequence[LLMMessage]) -> list[tuple[str, Any]]:
    return [(type(message).__name__, message.content) for message in messages]


# -- orders of events -------------------------------------------------------------------------------------------------


async def test_a_reply_without_code_is_the_answer_with_its_usage() -> None:
    executor = Recorder()
    (response,) = await turn(coder(scripted(answer("It is 4.")), executor), "2 + 2?")

    assert names([response]) == [ANSWER]
    assert response.chat_message.content == "It is 4."
    assert response.chat_message.models_usage == RequestUsage(3, 4)
    assert response.inner_messages == []
    assert executor.ran == []


async def test_code_is_written_run_and_put_into_words() -> None:
    executor = Recorder(FINE)
    items = await turn(coder(scripted(answer(WROTE), answer("It is 42.")), executor), "6 * 7?")

    generation, execution, response = items
    assert names(items) == [*CODE, ANSWER]
    assert isinstance(generation, CodeGenerationEvent)
    assert (generation.retry_attempt, generation.content, generation.source) == (0, WROTE, "coder")
    assert [block.code for block in generation.code_blocks] == ["print(6 * 7)\n"]
    assert generation.models_usage == RequestUsage(3, 4)
    assert isinstance(execution, CodeExecutionEvent)
    assert (execution.retry_attempt, execution.result, execution.to_text()) == (0, FINE, "42\n")
    assert executor.ran == generation.code_blocks
    assert (response.chat_message.content, response.chat_message.models_usage) == ("It is 42.", RequestUsage(3, 4))


async def test_what_was_written_and_run_is_among_the_inner_messages() -> None:
    """In AutoGen it was streamed and then lost to who looked at the response."""
    *inner, response = await turn(coder(scripted(answer(WROTE, "hm"), answer("42.", "so"))), "6 * 7?")

    assert isinstance(response, Response)
    assert names(inner) == ["ThoughtEvent", *CODE, "ThoughtEvent"]
    assert response.inner_messages == inner


async def test_streaming_shows_pieces_of_code_and_of_the_answer_with_the_ids_of_what_they_become() -> None:
    items = await turn(coder(scripted(answer(WROTE), answer("It is 42.")), model_client_stream=True), "6 * 7?")

    pieces = [item for item in items if isinstance(item, ModelClientStreamingChunkEvent)]
    generation, response = next(i for i in items if isinstance(i, CodeGenerationEvent)), items[-1]
    kinds = [name for n, name in enumerate(names(items)) if n == 0 or name != names(items)[n - 1]]
    assert kinds == ["ModelClientStreamingChunkEvent", *CODE, "ModelClientStreamingChunkEvent", ANSWER]
    of_code = [piece.content for piece in pieces if piece.full_message_id == generation.id]
    of_answer = [piece.content for piece in pieces if piece.full_message_id == response.chat_message.id]
    assert ("".join(of_code), "".join(of_answer)) == (WROTE, "It is 42.")
    assert len(of_code) + len(of_answer) == len(pieces)
    assert response.inner_messages == [item for item in items[:-1] if item not in pieces]


async def test_a_streamed_reply_without_code_is_pieces_a_thought_and_the_answer() -> None:
    items = await turn(coder(scripted(answer("It is 4.", "easy")), model_client_stream=True), "2 + 2?")

    assert names(items) == [*["ModelClientStreamingChunkEvent"] * 3, "ThoughtEvent", ANSWER]


async def test_code_that_fails_is_corrected_and_run_again() -> None:
    executor = Recorder(FAILED, FINE)
    client = scripted(answer(WROTE), answer(WORSE), answer(AGAIN), answer("It is 42."))
    items = await turn(coder(client, executor, max_retries_on_error=2), "6 * 7?")

    assert names(items) == [*CODE, "CodeGenerationEvent", *CODE, ANSWER]
    correction = items[2]
    assert (correction.retry_attempt, correction.code_blocks) == (0, [])
    assert "x was never set" in correction.content
    assert correction.models_usage == RequestUsage(3, 4)
    assert [item.retry_attempt for item in items[:-1]] == [0, 0, 0, 1, 1]
    assert [block.code for block in executor.ran] == ["print(6 * 7)\n", "print(42)\n"]
    assert items[1].to_text() == "The code failed with exit code 1. Its output:\nNameError: x"


async def test_retries_end_with_their_number_and_the_failure_is_put_into_words() -> None:
    executor = Recorder(FAILED)
    client = scripted(answer(WROTE), answer(WORSE), answer(AGAIN), answer("It does not work."))
    items = await turn(coder(client, executor, max_retries_on_error=1), "6 * 7?")

    assert names(items) == [*CODE, "CodeGenerationEvent", *CODE, ANSWER]
    assert len(executor.ran) == 2
    assert items[-1].chat_message.content == "It does not work."


async def test_a_model_that_gives_up_is_not_asked_for_code_again() -> None:
    client = scripted(answer(WROTE), answer(HOPELESS), answer("No network."))
    items = await turn(coder(client, Recorder(FAILED), max_retries_on_error=5), "6 * 7?")

    assert names(items) == [*CODE, ANSWER]
    assert items[-1].chat_message.content == "No network."


async def test_without_retries_a_failure_is_put_into_words_at_once() -> None:
    items = await turn(coder(scripted(answer(WROTE), answer("It failed.")), Recorder(FAILED)), "6 * 7?")

    assert names(items) == [*CODE, ANSWER]


async def test_a_correction_without_code_is_the_answer() -> None:
    client = scripted(answer(WROTE), answer(WORSE), answer("I cannot."))
    items = await turn(coder(client, Recorder(FAILED), max_retries_on_error=1), "6 * 7?")

    assert names(items) == [*CODE, "CodeGenerationEvent", ANSWER]
    assert items[-1].chat_message.content == "I cannot."


async def test_denied_code_is_a_failure_whose_reason_the_model_reads() -> None:
    def deny(request: ApprovalRequest) -> ApprovalResponse:
        return ApprovalResponse(approved="42" in request.code, reason="use no arithmetic")

    executor = Recorder(FINE)
    client = scripted(answer(WROTE), answer(WORSE), answer(AGAIN), answer("It is 42."))
    items = await turn(coder(client, executor, max_retries_on_error=1, approval_func=deny), "6 * 7?")

    assert names(items) == [*CODE, "CodeGenerationEvent", *CODE, ANSWER]
    assert [block.code for block in executor.ran] == ["print(42)\n"]
    assert items[1].result.exit_code == 1
    assert "use no arithmetic" in client.asked[1][-2].content


async def test_edited_code_is_shown_before_it_runs_and_told_to_the_model() -> None:
    def edit(request: ApprovalRequest) -> ApprovalResponse:
        return ApprovalResponse(approved=True, reason="nicer", code="print('42')")

    executor = Recorder(FINE)
    client = scripted(answer(WROTE), answer("It is 42."))
    items = await turn(coder(client, executor, approval_func=edit), "6 * 7?")

    assert names(items) == ["CodeGenerationEvent", *CODE, ANSWER]
    assert [item.metadata.get("edited") for item in items[:2]] == [None, "nicer"]
    assert items[1].code_blocks == executor.ran
    assert "print('42')" in client.asked[1][-1].content


async def test_a_run_keeps_everything_but_pieces() -> None:
    agent = coder(scripted(answer(WROTE), answer("It is 42.")), model_client_stream=True)
    result = await agent.run(task="6 * 7?")

    assert names(result.messages) == ["TextMessage", *CODE, "TextMessage"]
    assert (await coder(scripted(answer(WROTE), answer("42."))).on_messages([], CancellationToken())).inner_messages


# -- what the model is shown ------------------------------------------------------------------------------------------


async def test_incoming_messages_are_shown_once_however_often_code_is_written_anew() -> None:
    """In AutoGen each attempt added them to the context again."""
    client = scripted(answer(WROTE), answer(WORSE), answer(AGAIN), answer("It is 42."))
    agent = coder(client, Recorder(FAILED, FINE), max_retries_on_error=1, system_message="Write code.")
    await turn(agent, "6 * 7?")

    first = [("SystemMessage", "Write code."), ("UserMessage", "6 * 7?")]
    failed = ("UserMessage", "The code failed with exit code 1. Its output:\nNameError: x")
    assert contents(client.asked[0]) == first
    assert contents(client.asked[1])[:-1] == [*first, ("AssistantMessage", WROTE), failed]
    correction = client.asked[2][-1]
    assert contents(client.asked[2]) == [
        *first,
        ("AssistantMessage", WROTE),
        failed,
        ("UserMessage", "Write the whole code again, corrected: x was never set"),
    ]
    assert contents(client.asked[3]) == [
        *contents(client.asked[2]),
        ("AssistantMessage", AGAIN),
        ("UserMessage", "42\n"),
    ]
    assert getattr(correction, "source", "") == "coder"
    assert contents(await agent.model_context.get_messages())[-1] == ("AssistantMessage", "It is 42.")


async def test_the_question_whether_to_retry_leaves_nothing_in_the_context() -> None:
    client = scripted(answer(WROTE), answer(HOPELESS), answer("No."))
    agent = coder(client, Recorder(FAILED), max_retries_on_error=1)
    await turn(agent, "6 * 7?")

    assert [type(message) for message in await agent.model_context.get_messages()] == [
        UserMessage,
        AssistantMessage,
        UserMessage,
        AssistantMessage,
    ]


async def test_a_handoffs_context_is_shown_before_its_message() -> None:
    client = scripted(answer("fine"))
    before: list[LLMMessage] = [UserMessage(content="so far", source="ana")]
    handoff = HandoffMessage(content="yours", target="coder", source="ana", context=before)
    await turn(coder(client, system_message=None), handoff)

    assert contents(client.asked[0]) == [("UserMessage", "so far"), ("UserMessage", "yours")]


async def test_the_approval_function_reads_the_conversation() -> None:
    asked: list[ApprovalRequest] = []

    def approve(request: ApprovalRequest) -> ApprovalResponse:
        asked.append(request)
        return ApprovalResponse(approved=True, reason="")

    await turn(coder(scripted(answer(WROTE), answer("42.")), approval_func=approve), "6 * 7?")

    assert asked[0].code == fenced("print(6 * 7)")
    assert contents(asked[0].context) == [("UserMessage", "6 * 7?"), ("AssistantMessage", WROTE)]


async def test_a_context_of_ones_own_limits_what_is_shown() -> None:
    client = scripted("one", "two", "three")
    agent = coder(client, model_context=BufferedChatCompletionContext(buffer_size=1), system_message=None)
    for word in "abc":
        await turn(agent, word)

    assert [len(asked) for asked in client.asked] == [1, 1, 1]


async def test_default_instructions_ask_for_fenced_code() -> None:
    client = scripted("fine")
    agent = coder(client)
    await turn(agent, "hi")

    assert client.asked[0][0] == SystemMessage(content=CodeExecutorAgent.DEFAULT_SYSTEM_MESSAGE)
    assert "```python" in CodeExecutorAgent.DEFAULT_SYSTEM_MESSAGE
    assert agent.description == CodeExecutorAgent.DEFAULT_AGENT_DESCRIPTION


# -- what can go wrong ------------------------------------------------------------------------------------------------


async def test_a_decision_in_a_fence_is_read() -> None:
    client = scripted(answer(WROTE), answer(f"```json\n{HOPELESS}\n```"), answer("No."))

    assert names(await turn(coder(client, Recorder(FAILED), max_retries_on_error=1), "?")) == [*CODE, ANSWER]


async def test_a_decision_of_another_form_is_asked_for_anew_with_the_reason() -> None:
    client = scripted(answer(WROTE), answer("Yes, please."), answer(WORSE), answer(AGAIN), answer("42."))
    items = await turn(coder(client, Recorder(FAILED, FINE), max_retries_on_error=1), "?")

    assert names(items) == [*CODE, "CodeGenerationEvent", *CODE, ANSWER]
    assert items[2].models_usage == RequestUsage(6, 8)
    assert "Yes, please." in contents(client.asked[2])[-2]
    assert "no answer of the form" in client.asked[2][-1].content


async def test_a_model_that_never_decides_is_an_error_that_shows_its_answer() -> None:
    client = scripted(answer(WROTE), answer("Yes."), answer("Yes!"))

    with pytest.raises(ModelResponseInvalid, match=r"2 times by the agent 'coder' .* answered 'Yes!'"):
        await turn(coder(client, Recorder(FAILED), max_retries_on_error=1), "?")


async def test_a_model_that_calls_tools_instead_is_an_error_by_name() -> None:
    with pytest.raises(
        ModelResponseInvalid, match="by the agent 'coder' for code or words and called tools it was not offered: add"
    ):
        await turn(coder(scripted([call("add")])), "?")


def test_retries_need_a_model_with_structured_output() -> None:
    client = ScriptedChatCompletionClient(["x"], model_info=unable(), name="plain")

    with pytest.raises(ValueError, match="needs a model with structured output, and plain cannot give any"):
        coder(client, max_retries_on_error=1)


@pytest.mark.parametrize("streaming", [False, True])
async def test_cancelling_ends_the_reflection(streaming: bool) -> None:
    """AutoGen's heeds no token: the run went on until the model had answered."""
    reflecting = asyncio.Event()

    class Slow(Watched):
        async def create(self, messages: Sequence[LLMMessage], **options: Any) -> Any:
            await self._wait_the_second_time()
            return await super().create(messages, **options)

        async def create_stream(self, messages: Sequence[LLMMessage], **options: Any) -> Any:
            await self._wait_the_second_time()
            async for piece in super().create_stream(messages, **options):
                yield piece

        async def _wait_the_second_time(self) -> None:
            if self.asked:
                reflecting.set()
                await asyncio.Event().wait()

    token = CancellationToken()
    agent = coder(Slow([WROTE, "42."]), model_client_stream=streaming)
    running = asyncio.ensure_future(turn(agent, "6 * 7?", token=token))
    await reflecting.wait()
    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 5)


# -- life -------------------------------------------------------------------------------------------------------------


async def test_resetting_forgets_the_conversation() -> None:
    """AutoGen's agent went on with it."""
    client = scripted("one", "two")
    agent = coder(client, system_message=None)
    await turn(agent, "a")
    await agent.on_reset(CancellationToken())
    await turn(agent, "b")

    assert contents(client.asked[1]) == [("UserMessage", "b")]


async def test_the_conversation_is_part_of_the_state() -> None:
    """AutoGen saves none of it."""
    agent, client = coder(scripted("one")), scripted("two")
    await turn(agent, "a")
    state = await agent.save_state()
    again = coder(client, system_message=None)
    await again.load_state(state)
    await turn(again, "b")

    assert (state["type"], state["version"]) == ("CodeExecutorAgentState", "1.0.0")
    expected = [("UserMessage", "a"), ("AssistantMessage", "one"), ("UserMessage", "b")]
    assert contents(client.asked[0]) == expected


async def test_a_state_that_autogen_saved_can_be_loaded() -> None:
    agent = coder(scripted("one"))
    await turn(agent, "a")
    await agent.load_state({"type": "BaseState", "version": "1.0.0"})

    assert len(await agent.model_context.get_messages()) == 2


async def test_closing_stops_the_executor_and_closes_the_model() -> None:
    client, executor = scripted("x"), Recorder()
    await coder(client, executor).close()

    assert (client.closed, executor.stopped) == (True, True)


def test_a_writing_agent_is_made_again_from_its_config_retries_included(monkeypatch: pytest.MonkeyPatch) -> None:
    """AutoGen forgets `max_retries_on_error`."""
    monkeypatch.setenv("AGENTNB_TRUSTED_NAMESPACES", "tests")
    agent = coder(
        ReplayChatCompletionClient(["x"], model_info=able_to_everything()),
        max_retries_on_error=3,
        model_client_stream=True,
        system_message="Write code.",
        model_context=BufferedChatCompletionContext(buffer_size=4),
    )
    model = agent.dump_component()
    again = CodeExecutorAgent.load_component(model)

    assert model.config["max_retries_on_error"] == 3
    assert again.dump_component() == model
    assert isinstance(again.model_context, BufferedChatCompletionContext)


async def test_the_run_names_its_model() -> None:
    result = await coder(scripted("fine", name="m")).run(task=TextMessage(content="hi", source="user"))
    assert result.log is not None
    start: Any = result.log.events[0].body

    assert start.model == "m"
