"""What a model client is, and what it says about itself."""

from __future__ import annotations

import warnings
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import pytest
from PIL import Image as pil
from pydantic import BaseModel, TypeAdapter

from agentnb.agents import AssistantAgent
from agentnb.core import CancellationToken
from agentnb.exceptions import ModelResponseInvalid, UserError
from agentnb.messages import (
    CreateResult,
    FunctionCall,
    FunctionExecutionResultMessage,
    Image,
    LLMMessage,
    ModelClientStreamingChunkEvent,
    RequestUsage,
    UserMessage,
)
from agentnb.models import (
    ChatCompletionClient,
    ModelCapabilities,
    ModelInfo,
    OpenAIChatCompletionClient,
    ScriptedChatCompletionClient,
    ToolSchema,
    validate_model_info,
)
from agentnb.models.base import name_of, require_client
from agentnb.runlog import ModelFinished, RunLog
from tests.models.server import OpenAIServer

ABLE = ModelInfo(vision=True, function_calling=True, json_output=True, family="unknown", structured_output=True)
UNABLE = ModelInfo(vision=False, function_calling=False, json_output=False, family="unknown", structured_output=False)
ASK: list[LLMMessage] = [UserMessage(content="hi", source="user")]


def result(content: str | list[FunctionCall]) -> CreateResult:
    return CreateResult(
        finish_reason="stop" if isinstance(content, str) else "function_calls",
        content=content,
        usage=RequestUsage(prompt_tokens=3, completion_tokens=4),
        cached=False,
    )


class Minimal(ChatCompletionClient):
    """A client as AutoGen's documentation asks for it: the abstract members and nothing else."""

    def __init__(self, *says: Any) -> None:
        self.says = list(says)
        self.used = RequestUsage(0, 0)
        self.asked: list[Sequence[LLMMessage]] = []
        self.closed = False

    def _next(self, messages: Sequence[LLMMessage]) -> Any:
        self.asked.append(messages)
        self.used = RequestUsage(self.used.prompt_tokens + 3, self.used.completion_tokens + 4)
        return self.says.pop(0)

    async def create(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Any] = [],
        tool_choice: Any = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
    ) -> CreateResult:
        said: CreateResult = self._next(messages)
        return said

    async def create_stream(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Any] = [],
        tool_choice: Any = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
    ) -> AsyncGenerator[str | CreateResult, None]:
        said = self._next(messages)
        for piece in said if isinstance(said, list) else [*str(said.content).split(), said]:
            yield piece

    async def close(self) -> None:
        self.closed = True

    def actual_usage(self) -> RequestUsage:
        return self.used

    def total_usage(self) -> RequestUsage:
        return self.used

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Any] = []) -> int:
        return len(messages)

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Any] = []) -> int:
        return 10 - len(messages)

    @property
    def capabilities(self) -> ModelCapabilities:
        return {"vision": True, "function_calling": True, "json_output": True}

    @property
    def model_info(self) -> ModelInfo:
        return ABLE


async def ask(client: ChatCompletionClient, messages: Sequence[LLMMessage], *, stream: bool, **options: Any) -> Any:
    if not stream:
        return await client.create(messages, **options)
    return [piece async for piece in client.create_stream(messages, **options)]


def double(number: int) -> int:
    """Double a number."""
    return 2 * number


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_minimal_client_drives_an_agent_through_a_tool_call(stream: bool) -> None:
    wish = [FunctionCall(id="1", arguments='{"number": 21}', name="double")]
    client = Minimal(result(wish), result("It is 42."))
    agent = AssistantAgent(
        "ana", client, tools=[double], model_client_stream=stream, reflect_on_tool_use=True, system_message=None
    )
    log = RunLog()

    items: list[Any] = [item async for item in agent.run_stream(task="21?", log=log)]

    assert items[-1].messages[-1].to_text() == "It is 42."
    pieces = [item.content for item in items if isinstance(item, ModelClientStreamingChunkEvent)]
    assert [piece for piece in pieces if "Function" not in piece][-3:] == (["It", "is", "42."] if stream else [])
    answered = client.asked[1][-1]
    assert isinstance(answered, FunctionExecutionResultMessage)
    assert answered.content[0].content == "42"
    # Usage of the client, of the log and of what was scripted agree.
    finished = [event for event in log if isinstance(event.body, ModelFinished)]
    assert [(e.usage.prompt_tokens, e.usage.completion_tokens) for e in finished if e.usage] == [(3, 4)] * 2
    assert client.total_usage() == client.actual_usage() == RequestUsage(6, 8)
    await agent.close()
    assert client.closed


class Looks:
    """What a client must have, and no class of ours."""

    model_info = ABLE

    async def create(self, messages: Sequence[LLMMessage], **options: Any) -> CreateResult:
        return result("x")

    def create_stream(self, messages: Sequence[LLMMessage], **options: Any) -> AsyncGenerator[Any, None]:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("given", "way_out"),
    [
        ("gpt-4o", r"'gpt-4o'; .*model_from_text\('openai:gpt-4o'\) makes one of a text"),
        ("openai:my-model", r"model_from_text\('openai:my-model'\) makes one of a text"),
        ("local", r"model_from_text\('local'\) makes one of a text"),
        ("my:model", r"'my:model'; .*model_from_text\('openai:gpt-4o-mini'\)"),
        ("my model", r"model_from_text\('openai:gpt-4o-mini'\) makes one of a text"),
        (None, r"None; .*choose\(\)\.client is the one that is set up here"),
        (Minimal, r"that is the class, so write Minimal\(…\)"),
        (Looks, r"that is the class, so write Looks\(…\)"),
        (int, r"<class 'int'>; .*choose\(\)\.client"),
    ],
)
def test_what_is_no_client_is_refused_with_the_way_to_one(given: Any, way_out: str) -> None:
    with pytest.raises(TypeError, match=f"The model_client of ana is .*{way_out}"):
        require_client(given, "ana")


@pytest.mark.parametrize(("client", "name"), [(Minimal(), "Minimal"), (Looks(), "Looks")])
def test_a_client_and_what_only_looks_like_one_pass_and_have_a_name(client: Any, name: str) -> None:
    require_client(client, "ana")

    assert name_of(client) == name


async def test_totals_are_the_sum_of_what_was_scripted_and_cached_answers_were_not_asked_for() -> None:
    answers = [result("a"), result("b").model_copy(update={"cached": True}), result("c")]
    client = ScriptedChatCompletionClient(answers)

    for _ in answers:
        await client.create(ASK)

    assert client.total_usage() == RequestUsage(9, 12)
    assert client.actual_usage() == RequestUsage(6, 8)


@pytest.mark.parametrize("recorded", [False, True], ids=["alone", "in a run"])
@pytest.mark.parametrize(
    ("pieces", "wrong"),
    [
        (["half ", "an answer"], "Minimal ended its stream without a result"),
        ([], "Minimal ended its stream without a result"),
        (["a", result("a"), result("b")], r"Minimal streamed CreateResult\(.* after its result"),
        ([result("a"), "more"], "Minimal streamed 'more' after its result"),
        (["a", {"content": "a"}], r"Minimal answered with {'content': 'a'}, which is no CreateResult"),
    ],
    ids=["no result", "nothing", "two results", "text after it", "something else"],
)
async def test_a_stream_that_does_not_end_with_its_one_result_is_an_error_that_names_the_client(
    pieces: list[Any], wrong: str, recorded: bool
) -> None:
    client = Minimal(pieces)
    agent = AssistantAgent("ana", client, model_client_stream=True)

    with pytest.raises(ModelResponseInvalid, match=wrong):
        await (agent.run(task="go") if recorded else ask(client, ASK, stream=True))


async def test_a_stream_cut_short_keeps_what_came() -> None:
    with pytest.raises(ModelResponseInvalid) as raised:
        await ask(Minimal(["half ", "an answer"]), ASK, stream=True)

    assert raised.value.partial == "half an answer"


async def test_a_client_that_forgets_to_return_its_answer_is_named() -> None:
    with pytest.raises(ModelResponseInvalid, match="Minimal answered with None, which is no CreateResult"):
        await Minimal(None).create(ASK)


@pytest.mark.parametrize("member", sorted(ChatCompletionClient.__abstractmethods__))
def test_a_client_that_lacks_a_member_cannot_be_made(member: str) -> None:
    lacking = type("Lacking", (Minimal,), {member: getattr(ChatCompletionClient, member)})

    with pytest.raises(TypeError, match=member):
        lacking()


def test_capabilities_is_the_old_name_of_model_info() -> None:
    client = ScriptedChatCompletionClient(["a"], model_info=UNABLE)

    with pytest.warns(DeprecationWarning, match="now called model_info"):
        old = client.capabilities

    assert old == {"vision": False, "function_calling": False, "json_output": False}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Minimal().capabilities["vision"]


def test_model_capabilities_is_still_there_and_says_that_it_is_old() -> None:
    # A typed dict is a plain dict once it is made: type checkers and editors read the mark.
    assert ModelCapabilities.__deprecated__ == "ModelCapabilities is now called ModelInfo."  # type: ignore[attr-defined]
    assert set(ModelCapabilities.__required_keys__) == {"vision", "function_calling", "json_output"}


@pytest.mark.parametrize("key", ["vision", "function_calling", "json_output", "family"])
def test_a_description_that_lacks_what_must_be_said_is_refused(key: str) -> None:
    info: Any = {name: value for name, value in ABLE.items() if name != key}

    with pytest.raises(ValueError, match=f"model_info lacks {key};"):
        validate_model_info(info)


def test_all_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(ValueError, match="lacks function_calling, json_output, family;"):
        validate_model_info({"vision": True})  # type: ignore[typeddict-item]


def test_structured_output_may_be_missing_with_a_warning() -> None:
    info: Any = {name: value for name, value in ABLE.items() if name != "structured_output"}

    with pytest.warns(UserWarning, match="structured_output"):
        validate_model_info(info)


def test_a_complete_description_is_taken_in_silence() -> None:
    validate_model_info({**ABLE, "multiple_system_messages": True, "grammar": True, "choices": True})


def test_what_is_no_description_is_refused() -> None:
    with pytest.raises(ValueError, match="model_info is 'gpt-4o', not a dict"):
        validate_model_info("gpt-4o")  # type: ignore[arg-type]


def test_a_description_can_be_part_of_a_users_model() -> None:
    read: Any = TypeAdapter(ModelInfo).validate_python({**ABLE, "family": "mine"})

    assert read == {**ABLE, "family": "mine"}


class City(BaseModel):
    name: str


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("lacking", "messages", "options", "named"),
    [
        ("vision", [UserMessage(content=["see:", Image(pil.new("RGB", (1, 1)))], source="u")], {}, "cannot see images"),
        ("function_calling", ASK, {"tools": [ToolSchema(name="f")]}, "cannot call tools"),
        ("json_output", ASK, {"json_output": True}, "does not promise JSON output"),
        ("structured_output", ASK, {"json_output": City}, "cannot bind its answer to City"),
    ],
    ids=["images", "tools", "JSON", "structured"],
)
async def test_a_mismatch_is_refused_before_any_request(
    openai_server: OpenAIServer, stream: bool, lacking: str, messages: Any, options: Any, named: str
) -> None:
    info: Any = {**ABLE, lacking: False}
    client = OpenAIChatCompletionClient(
        model="m", model_info=info, base_url=openai_server.base_url, api_key="sk-test", max_retries=0
    )

    with pytest.raises(UserError, match=named):
        await ask(client, messages, stream=stream, **options)

    assert (openai_server.requests, openai_server.connections) == ([], 0)
    await client.close()


async def test_a_wish_for_tools_that_has_no_meaning_is_refused() -> None:
    with pytest.raises(UserError, match="tool_choice is 'always'; it must be 'auto', 'required', 'none' or a tool"):
        await ScriptedChatCompletionClient(["a"]).create(ASK, tools=[ToolSchema(name="f")], tool_choice="always")
