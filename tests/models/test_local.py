"""The engine in this process."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from pydantic import BaseModel

from agentnb.core import CancellationToken
from agentnb.exceptions import (
    MissingExtra,
    ModelNotConfigured,
    ModelRequestRefused,
    ModelResponseInvalid,
    UserError,
)
from agentnb.messages import (
    AssistantMessage,
    CreateResult,
    FunctionCall,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)
from agentnb.models import engine, local, weights
from agentnb.models.local import LocalChatCompletionClient
from agentnb.runlog import ModelFinished, RunLog, scope
from tests.models.local_models import needs_weights


def user(text: str) -> list[LLMMessage]:
    """A conversation of one message."""
    return [UserMessage(content=text, source="user")]


class City(BaseModel):
    name: str
    capital: bool


def test_the_embedded_client_says_what_it_can_do_without_loading_anything() -> None:
    client = LocalChatCompletionClient()

    info = client.model_info
    assert client.model_name == "local:SmolLM2-135M"
    assert client.embedded
    assert not info["function_calling"]
    assert not info["vision"]
    assert info["grammar"]
    assert info["choices"]
    assert info["json_schema"]
    assert client._engine is None


def test_a_file_of_the_users_own_is_named_by_its_stem() -> None:
    client = LocalChatCompletionClient("models/Qwen2.5-7B.Q4.gguf")

    assert client.model_name == "local:Qwen2.5-7B.Q4"
    assert not client.embedded


def test_the_client_can_be_written_down_and_made_again() -> None:
    client = LocalChatCompletionClient("own.gguf", n_ctx=512)

    again = LocalChatCompletionClient.load_component(client.dump_component())

    assert again.model_name == "local:own"
    assert again.remaining_tokens(user("x")) < 512


@pytest.mark.parametrize("name", ["n_ctx", "max_tokens", "threads"])
def test_a_number_below_one_is_refused(name: str) -> None:
    arguments: dict[str, Any] = {name: -1}

    with pytest.raises(UserError, match=f"{name} is -1"):
        LocalChatCompletionClient(**arguments)


async def test_missing_weights_name_the_command_that_fetches_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTNB_CACHE", str(tmp_path))

    with pytest.raises(ModelNotConfigured, match="python -m agentnb fetch"):
        await LocalChatCompletionClient().create(user("Hi"))


async def test_a_missing_engine_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTNB_CACHE", str(tmp_path))
    # None in sys.modules is how Python itself marks a module that cannot be imported.
    monkeypatch.setitem(sys.modules, "xllamacpp", None)

    with pytest.raises(MissingExtra, match=r"agentnb-toolkit\[local\]"):
        await LocalChatCompletionClient().create(user("Hi"))


async def test_an_engine_that_does_not_load_says_what_the_system_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the dynamic linker says on a slim system image.
    lacks = "libgomp.so.1: cannot open shared object file: No such file or directory"
    (tmp_path / "xllamacpp.py").write_text(f"raise ImportError({lacks!r})\n")
    monkeypatch.delitem(sys.modules, "xllamacpp", raising=False)
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(MissingExtra, match=r"does not load: libgomp.*apt-get install libgomp1"):
        await LocalChatCompletionClient().create(user("Hi"))


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "cannot be read"), (b"PK\x03\x04", "is no GGUF file"), (b"GGUF" + b"\0" * 99, "cannot load")],
)
async def test_a_file_that_is_no_model_is_said_to_be_none(tmp_path: Path, content: bytes | None, says: str) -> None:
    file = tmp_path / "model.gguf"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(ModelNotConfigured, match=says):
        await LocalChatCompletionClient(file).create(user("Hi"))


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"extra_create_args": {"top_z": 1}}, "takes no 'top_z'"),
        ({"extra_create_args": {"grammar": "x", "choices": ["a"]}}, "bound once, not by grammar and choices"),
        ({"extra_create_args": {"grammar": "x"}, "json_output": True}, "bound once"),
        ({"tools": [{"name": "t"}]}, "cannot call tools"),
    ],
)
async def test_what_the_model_cannot_do_is_refused_before_it_is_loaded(asked: dict[str, Any], says: str) -> None:
    client = LocalChatCompletionClient()

    with pytest.raises(UserError, match=says):
        await client.create(user("Hi"), **asked)
    assert client._engine is None


async def test_no_messages_are_refused() -> None:
    with pytest.raises(UserError, match="no messages"):
        await LocalChatCompletionClient().create([])


def test_words_of_one_side_in_a_row_are_joined_and_tool_results_told() -> None:
    written = local._written(
        [
            SystemMessage(content="Be brief."),
            UserMessage(content="One.", source="ana"),
            UserMessage(content=["Two.", "Three."], source="ben"),
            AssistantMessage(content=[FunctionCall(id="1", name="add", arguments="{}")], source="bot"),
            FunctionExecutionResultMessage(content=[FunctionExecutionResult(content="7", name="add", call_id="1")]),
        ]
    )

    assert [(message["role"], message["content"]) for message in written] == [
        ("system", "Be brief."),
        ("user", "One.\n\nTwo.\nThree."),
        ("assistant", "add({})"),
        ("user", "add gave: 7"),
    ]


class TestEngine:
    """With the embedded weights."""

    pytestmark = needs_weights

    @pytest.fixture
    async def client(self) -> LocalChatCompletionClient:
        """Give a loaded client."""
        client = LocalChatCompletionClient()
        await client.load()
        return client

    async def test_the_same_question_gets_the_same_answer_and_its_tokens_are_counted(
        self, client: LocalChatCompletionClient
    ) -> None:
        first = await client.create(user("Name a colour."), extra_create_args={"max_tokens": 12})
        second = await client.create(user("Name a colour."), extra_create_args={"max_tokens": 12})

        assert first.content == second.content
        assert first.content
        assert first.usage.prompt_tokens == client.count_tokens(user("Name a colour."))
        assert client.actual_usage().completion_tokens == 2 * first.usage.completion_tokens

    async def test_a_stream_is_the_answer_in_pieces(self, client: LocalChatCompletionClient) -> None:
        items = [item async for item in client.create_stream(user("Count."), extra_create_args={"max_tokens": 8})]

        result = items[-1]
        assert isinstance(result, CreateResult)
        assert len(items) > 3
        assert "".join(str(item) for item in items[:-1]) == result.content
        assert result.finish_reason == "length"

    async def test_an_answer_can_be_bound_to_choices(self, client: LocalChatCompletionClient) -> None:
        choices = ['say "no"', "übermorgen 😀"]

        result = await client.create(user("Which?"), extra_create_args={"choices": choices, "max_tokens": 1})

        assert result.content in choices
        assert result.finish_reason == "stop"

    async def test_an_answer_can_be_bound_to_a_class_or_a_schema(self, client: LocalChatCompletionClient) -> None:
        schema = {
            "type": "object",
            "properties": {"n": {"enum": [7]}},
            "required": ["n"],
            "additionalProperties": False,
        }

        typed = await client.create(user("Rome?"), json_output=City)
        bound = await client.create(user("A number?"), extra_create_args={"json_schema": schema})

        assert City.model_validate_json(str(typed.content))
        assert str(bound.content).replace(" ", "").replace("\n", "") == '{"n":7}'

    async def test_json_that_was_cut_off_is_an_error_with_what_there_was(
        self, client: LocalChatCompletionClient
    ) -> None:
        with pytest.raises(ModelResponseInvalid, match="after 3 tokens") as caught:
            await client.create(user("Rome?"), json_output=City, extra_create_args={"max_tokens": 3})
        assert caught.value.partial.startswith("{")

    async def test_a_prompt_longer_than_the_window_is_refused_with_both_numbers(self) -> None:
        client = LocalChatCompletionClient(n_ctx=512)

        with pytest.raises(ModelRequestRefused, match=r"has 20\d\d tokens; the window of local:SmolLM2-135M has 512"):
            await client.create(user("word " * 2000))

    async def test_a_broken_grammar_is_refused(self, client: LocalChatCompletionClient) -> None:
        with pytest.raises(ModelRequestRefused, match="failed to parse grammar"):
            await client.create(user("Hi"), extra_create_args={"grammar": "root := x"})

    async def test_cancelling_ends_the_answer_at_once_and_leaves_the_engine_free(
        self, client: LocalChatCompletionClient
    ) -> None:
        token = CancellationToken()
        stream = client.create_stream(
            user("Write a long story."), extra_create_args={"max_tokens": 3000}, cancellation_token=token
        )
        await anext(stream)
        token.cancel()
        began = perf_counter()
        with pytest.raises(asyncio.CancelledError):
            await anext(stream)

        assert perf_counter() - began < 5  # the story takes minutes
        assert (await client.create(user("Hi"), extra_create_args={"max_tokens": 2})).content

    async def test_leaving_a_stream_ends_the_answer(self, client: LocalChatCompletionClient) -> None:
        stream = client.create_stream(user("Write a long story."), extra_create_args={"max_tokens": 3000})

        await anext(stream)
        await stream.aclose()

        assert (await client.create(user("Hi"), extra_create_args={"max_tokens": 2})).content

    async def test_a_token_cancelled_before_asks_nothing(self, client: LocalChatCompletionClient) -> None:
        token = CancellationToken()
        token.cancel()

        with pytest.raises(asyncio.CancelledError):
            await client.create(user("Hi"), cancellation_token=token)
        assert client.actual_usage().prompt_tokens == 0

    async def test_requests_at_the_same_time_get_each_its_own_answer(self, client: LocalChatCompletionClient) -> None:
        words = ["alpha", "beta", "gamma", "delta", "omega"]

        results = await asyncio.gather(
            *(client.create(user("Say."), extra_create_args={"choices": [word]}) for word in words)
        )

        assert [result.content for result in results] == words

    async def test_a_likelier_text_has_a_higher_score(self, client: LocalChatCompletionClient) -> None:
        paris = await client.score(user("What is the capital of France?"), "The capital of France is Paris.")
        nonsense = await client.score(user("What is the capital of France?"), "Seven fish é 😀 capital quickly.")

        assert nonsense < paris < 0

    async def test_an_empty_text_has_no_score(self, client: LocalChatCompletionClient) -> None:
        with pytest.raises(UserError, match="empty text"):
            await client.score(user("Hi"), "")

    async def test_a_score_is_recorded_like_any_request(self, client: LocalChatCompletionClient) -> None:
        log = RunLog()
        with scope(log, None, "planner"):
            await client.score(user("Hi"), "Hello")

        finished = [event for event in log if isinstance(event.body, ModelFinished)]
        assert len(finished) == 1
        assert finished[0].usage is not None
        assert finished[0].usage.completion_tokens == 2  # the word, and the end

    async def test_clients_of_one_file_share_an_engine_that_goes_with_the_last(self) -> None:
        one, other = LocalChatCompletionClient(n_ctx=1024), LocalChatCompletionClient(n_ctx=1024)
        await one.load()
        await other.load()
        held = one._engine
        assert held is not None
        assert held is other._engine
        address = held._server.listening_address

        del held
        await one.close()
        gc.collect()
        still = engine.engines.get((str(weights.cache_folder().resolve() / weights.FILE_NAME), 1024)) is not None
        await other.close()
        gc.collect()

        assert still
        with pytest.raises(urllib.error.URLError):
            await asyncio.to_thread(urllib.request.urlopen, f"{address}/health", timeout=2)

    async def test_the_port_the_engine_opens_wants_a_key(self, client: LocalChatCompletionClient) -> None:
        assert client._engine is not None
        address = client._engine._server.listening_address

        with pytest.raises(urllib.error.HTTPError) as caught:
            await asyncio.to_thread(urllib.request.urlopen, f"{address}/v1/completions", data=b"{}", timeout=2)
        caught.value.close()
        assert caught.value.code == 401
        assert address.startswith("http://127.0.0.1:")

    def test_in_a_fresh_process_it_is_silent_and_leaves_the_environment_as_it_was(self) -> None:
        program = (
            "import asyncio, os\n"
            "from agentnb.messages import UserMessage\n"
            "from agentnb.models.local import LocalChatCompletionClient\n"
            "os.environ['GOMP_SPINCOUNT'] = '0'\n"
            "before = dict(os.environ)\n"
            "client = LocalChatCompletionClient()\n"
            "asyncio.run(client.create([UserMessage(content='Hi', source='u')], extra_create_args={'max_tokens': 4}))\n"
            "assert dict(os.environ) == before\n"
        )

        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=os.environ
        )

        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
