"""What a client of OpenAI's dialect is given, and what becomes of it."""

from __future__ import annotations

from typing import Any

import pytest

from agentnb.models.openai import OpenAIChatCompletionClient
from tests.models.clients import HELLO, INFO, KEY, Make, collect
from tests.models.server import OpenAIServer


async def test_fixed_and_extra_arguments_are_merged_and_the_later_wins(make: Make, openai_server: OpenAIServer) -> None:
    openai_server.say("ok")
    client = make(temperature=0.5, seed=1, extra_body={"cache_prompt": True}, default_headers={"X-A": "1"})

    await client.create(
        HELLO, extra_create_args={"temperature": 0, "extra_headers": {"X-B": "2"}, "extra_query": {"v": "3"}}
    )

    body = openai_server.request.body
    assert (body["temperature"], body["seed"], body["cache_prompt"]) == (0, 1, True)
    assert openai_server.request.headers["x-a"] == "1"
    assert openai_server.request.headers["x-b"] == "2"
    assert openai_server.request.path == "/v1/chat/completions?v=3"


@pytest.mark.parametrize("name", ["stream", "messages", "functions", "function_call", "n", "temprature"])
def test_arguments_that_cannot_be_given_are_refused_by_name(name: str) -> None:
    arguments: dict[str, Any] = {name: 1}

    with pytest.raises(ValueError, match=name):
        OpenAIChatCompletionClient(model="gpt-4o", **arguments)


async def test_an_unknown_extra_argument_is_refused_before_anything_is_sent(
    make: Make, openai_server: OpenAIServer
) -> None:
    with pytest.raises(ValueError, match=r"temprature.*Did you mean 'temperature'"):
        await make().create(HELLO, extra_create_args={"temprature": 1})
    assert openai_server.requests == []


async def test_a_schema_is_passed_on_and_a_grammar_only_where_it_is_declared(
    make: Make, openai_server: OpenAIServer
) -> None:
    openai_server.say("{}")
    schema = {"title": "Point", "type": "object"}

    await make().create(HELLO, extra_create_args={"json_schema": schema})
    sent = openai_server.request.body
    await make(model_info={**INFO, "grammar": True}).create(HELLO, extra_create_args={"grammar": 'root ::= "a"'})

    assert sent["response_format"]["json_schema"] == {"name": "Point", "strict": True, "schema": schema}
    assert openai_server.request.body["grammar"] == 'root ::= "a"'
    with pytest.raises(ValueError, match="grammar"):
        await make().create(HELLO, extra_create_args={"grammar": "root"})


async def test_a_server_that_refuses_stream_options_can_be_spared_them(make: Make, openai_server: OpenAIServer) -> None:
    openai_server.say("a")

    _, result = await collect(make(), include_usage=False)

    assert "stream_options" not in openai_server.request.body
    assert result.usage.prompt_tokens == 0
    with pytest.raises(ValueError, match="include_usage"):
        await collect(make(stream_options={"include_usage": True}), include_usage=False)


def test_what_a_model_can_do_may_be_said_once_only() -> None:
    old = {"vision": True, "function_calling": True, "json_output": True}
    with pytest.raises(ValueError, match="model_info alone"):
        OpenAIChatCompletionClient(model="m", model_info=INFO, model_capabilities=old)
    with pytest.raises(ValueError, match="family"):
        OpenAIChatCompletionClient(model="m", model_info={"vision": True})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="needs a model"):
        OpenAIChatCompletionClient()
    with pytest.deprecated_call() as warned:
        assert OpenAIChatCompletionClient(model="m", model_capabilities=old).model_info["vision"]
    assert [one.filename for one in warned] == [__file__]


def test_the_key_is_in_no_form_a_person_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    client = OpenAIChatCompletionClient(
        model="gpt-4o", api_key=KEY, temperature=0.5, default_headers={"Authorization": KEY, "X-Team": "a"}
    )

    dumped = client.dump_component()

    assert KEY not in repr(client) + dumped.model_dump_json() + client.describe_component().model_dump_json()
    assert dumped.config["api_key"] == {"env": "OPENAI_API_KEY"}
    loaded = OpenAIChatCompletionClient.load_component(dumped)
    assert loaded.dump_component().config["temperature"] == 0.5
    assert loaded._headers == {"X-Team": "a"}


class OurServer(OpenAIChatCompletionClient):
    """A client with a constructor of its own."""

    def __init__(self, port: int) -> None:
        super().__init__(model="m", base_url=f"http://127.0.0.1:{port}/v1", default_headers={"X-Key": KEY})


def test_a_subclass_with_its_own_arguments_is_written_with_those() -> None:
    assert OurServer(8000).dump_component().config == {"port": 8000}
