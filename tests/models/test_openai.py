"""The client for OpenAI's dialect, against a server on the loopback interface."""

from __future__ import annotations

import asyncio
import json
import pickle
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from pydantic import BaseModel

from agentnb.core import CancellationToken
from agentnb.core.sync import run_sync
from agentnb.exceptions import (
    ModelAuthError,
    ModelError,
    ModelNotConfigured,
    ModelNotFound,
    ModelRateLimited,
    ModelRequestRefused,
    ModelResponseInvalid,
    ModelTimeout,
    ModelUnreachable,
    UserError,
)
from agentnb.messages import (
    AssistantMessage,
    FunctionCall,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    SystemMessage,
    UserMessage,
)
from agentnb.models.openai import OpenAIChatCompletionClient
from agentnb.models.reliable import Retry
from agentnb.runlog import ModelFinished, ModelStarted, RunLog, scope
from tests.models.clients import HELLO, INFO, KEY, TOOL, Make, Sleeps, collect
from tests.models.server import HOLD, OpenAIServer, calls, delta, error, events, text, usage_chunk

# What is sent


async def test_every_kind_of_message_has_its_wire_form(make: Make, openai_server: OpenAIServer) -> None:
    openai_server.say("ok")
    call = FunctionCall(id="c1", name="weather", arguments='{"city": "Oslo"}')
    result = FunctionExecutionResult(content="rain", name="weather", call_id="c1", is_error=False)

    await make(model_info=INFO).create(
        [
            SystemMessage(content="Be brief."),
            UserMessage(content="Hi 😀", source="ana"),
            UserMessage(content=["look", "here"], source="ben"),
            AssistantMessage(content="Well.", source="bot", thought="not sent"),
            AssistantMessage(content=[call], source="bot", thought="I look it up"),
            FunctionExecutionResultMessage(
                content=[result, FunctionExecutionResult(content="2", name="t", call_id="c2")]
            ),
            AssistantMessage(content=[call], source="bot"),
        ]
    )

    wire_call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
    assert openai_server.request.body == {
        "model": "gpt-4o-mini",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "name": "ana", "content": "Hi 😀"},
            {"role": "user", "name": "ben", "content": [{"type": "text", "text": t} for t in ("look", "here")]},
            {"role": "assistant", "content": "Well."},
            {"role": "assistant", "tool_calls": [wire_call], "content": "I look it up"},
            {"role": "tool", "content": "rain", "tool_call_id": "c1"},
            {"role": "tool", "content": "2", "tool_call_id": "c2"},
            {"role": "assistant", "tool_calls": [wire_call], "content": None},
        ],
    }
    assert openai_server.request.headers["authorization"] == f"Bearer {KEY}"


async def test_a_picture_is_sent_as_a_data_address(make: Make, openai_server: OpenAIServer) -> None:
    pil = pytest.importorskip("PIL.Image")
    from agentnb.messages import Image

    openai_server.say("ok")
    image = Image.from_pil(pil.new("RGB", (2, 2), "red"))

    await make().create([UserMessage(content=["What is this?", image], source="user")])

    part = openai_server.request.body["messages"][0]["content"][1]
    assert part == {"type": "image_url", "image_url": {"url": image.data_uri, "detail": "auto"}}


async def test_tools_and_the_choice_among_them_are_sent_only_when_there_are_tools(
    make: Make, openai_server: OpenAIServer
) -> None:
    openai_server.say("ok")
    client = make(parallel_tool_calls=False)

    await client.create(HELLO, tools=[TOOL], tool_choice="required")
    with_tools = openai_server.request.body
    await client.create(HELLO, tool_choice="required")
    without = openai_server.request.body

    assert with_tools["tools"] == [{"type": "function", "function": TOOL}]
    assert with_tools["tool_choice"] == "required"
    assert with_tools["parallel_tool_calls"] is False
    assert without.keys() == {"model", "messages"}


async def test_a_tool_given_as_choice_is_named(make: Make, openai_server: OpenAIServer) -> None:
    class Weather:
        name = "weather"
        schema = TOOL

    openai_server.say("ok")

    await make().create(HELLO, tools=[Weather()], tool_choice=Weather())

    assert openai_server.request.body["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    with pytest.raises(ValueError, match="weather"):
        await make().create(HELLO, tools=[], tool_choice=Weather())


class City(BaseModel):
    name: str
    country: str | None = None


async def test_the_form_of_the_answer_is_asked_for(make: Make, openai_server: OpenAIServer) -> None:
    openai_server.say("{}")
    client = make()
    formats = []

    for form in (True, False, City, None):
        await client.create(HELLO, json_output=form)
        formats.append(openai_server.request.body.get("response_format"))

    assert formats[0] == {"type": "json_object"}
    assert formats[1] == {"type": "text"}
    assert formats[2]["json_schema"]["name"] == "City"
    assert formats[2]["json_schema"]["strict"] is True
    schema = formats[2]["json_schema"]["schema"]
    assert schema["required"] == ["name", "country"]
    assert schema["additionalProperties"] is False
    assert "default" not in schema["properties"]["country"]
    assert formats[3] is None


async def test_a_class_is_made_strict_exactly_as_the_sdk_makes_it(make: Make, openai_server: OpenAIServer) -> None:
    class Trip(BaseModel):
        first: City
        stops: list[City]
        tags: dict[str, str] = {}
        note: str | None = None

    from openai.lib._pydantic import to_strict_json_schema

    openai_server.say("{}")
    await make().create(HELLO, json_output=Trip)
    sent = openai_server.request.body["response_format"]["json_schema"]["schema"]
    theirs = to_strict_json_schema(Trip)

    def without_references(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return without_references(theirs["$defs"][node["$ref"].rpartition("/")[2]])
            return {k: without_references(v) for k, v in node.items() if k != "$defs"}
        return [without_references(item) for item in node] if isinstance(node, list) else node

    assert sent == without_references(theirs)


async def test_sources_and_tool_names_are_checked_before_anything_is_sent(
    make: Make, openai_server: OpenAIServer
) -> None:
    openai_server.say("ok")
    with pytest.raises(ValueError, match=r"'J\. D\.'.*include_name_in_message=False"):
        await make().create([UserMessage(content="x", source="J. D.")])
    with pytest.raises(ValueError, match="'a b'"):
        await make().create(HELLO, tools=[{"name": "a b"}])
    assert openai_server.requests == []

    await make(include_name_in_message=False).create([UserMessage(content="x", source="J. D.")])

    assert openai_server.request.body["messages"] == [{"role": "user", "content": "x"}]


async def test_a_prefix_says_who_spoke(make: Make, openai_server: OpenAIServer) -> None:
    openai_server.say("ok")

    await make(add_name_prefixes=True).create(
        [UserMessage(content="x", source="ana"), UserMessage(content=["y"], source="ben")]
    )

    messages = openai_server.request.body["messages"]
    assert messages[0]["content"] == "ana said:\nx"
    assert messages[1]["content"] == [{"type": "text", "text": "ben said:\ny"}]


async def test_system_messages_are_joined_for_a_model_that_takes_one(make: Make, openai_server: OpenAIServer) -> None:
    openai_server.say("ok")
    one = SystemMessage(content="a")
    two = SystemMessage(content="b")
    client = make(model_info={**INFO, "multiple_system_messages": False})

    await client.create([one, two, *HELLO])

    assert openai_server.request.body["messages"][0] == {"role": "system", "content": "a\nb"}
    with pytest.raises(ValueError, match="apart"):
        await client.create([one, *HELLO, two])


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (
            "gemini-2.5-flash",
            [{"role": "user", "name": "user", "content": " "}, {"role": "assistant", "content": "a "}],
        ),
        ("claude-3-opus", [{"role": "assistant", "content": "a"}]),
        ("mistral-large", [{"role": "user", "content": ""}, {"role": "assistant", "content": "a "}]),
    ],
)
async def test_makers_have_their_own_rules(
    make: Make, openai_server: OpenAIServer, model: str, expected: list[dict[str, str]]
) -> None:
    openai_server.say("ok")
    info = {**INFO, "family": "unknown"}

    await make(model=model, model_info=info).create(
        [UserMessage(content="", source="user"), AssistantMessage(content="a ", source="bot")]
    )

    assert openai_server.request.body["messages"] == expected


async def test_a_message_changed_after_it_was_sent_is_sent_as_it_is_now(
    make: Make, openai_server: OpenAIServer
) -> None:
    openai_server.say("ok")
    client = make()
    message = UserMessage(content="one", source="user")
    results = FunctionExecutionResultMessage(content=[FunctionExecutionResult(content="a", name="t", call_id="c")])

    await client.create([message, results])
    message.content = "two"
    results.content[0].content = "b"
    await client.create([message, results])

    assert [m["content"] for m in openai_server.request.body["messages"]] == ["two", "b"]


async def test_written_messages_are_forgotten_with_the_messages(make: Make, openai_server: OpenAIServer) -> None:
    openai_server.say("ok")
    client = make()

    for i in range(5):
        await client.create([UserMessage(content=f"{i}", source="user")])

    assert len(client._writer._conversations) <= 1


async def test_a_lone_surrogate_does_not_stop_a_request(make: Make, openai_server: OpenAIServer) -> None:
    openai_server.say("ok")
    message = UserMessage.model_construct(content="half \ud83d", source="user", type="UserMessage")

    await make().create([message], tools=[{"name": "t", "description": "bad \udc00"}])

    assert openai_server.request.body["messages"][0]["content"] == "half \ufffd"


# What comes back


@pytest.mark.parametrize("stream", [False, True])
async def test_text_usage_and_reason_come_back(make: Make, openai_server: OpenAIServer, stream: bool) -> None:
    openai_server.say(text("The answer is 4.", usage=(11, 4)))
    client = make()

    result = (await collect(client))[1] if stream else await client.create(HELLO)

    assert (result.content, result.finish_reason, result.cached) == ("The answer is 4.", "stop", False)
    assert (result.usage.prompt_tokens, result.usage.completion_tokens) == (11, 4)
    assert client.total_usage() == client.actual_usage() == result.usage


@pytest.mark.parametrize("stream", [False, True])
async def test_the_log_says_which_model_the_server_says_has_answered(
    make: Make, openai_server: OpenAIServer, stream: bool
) -> None:
    openai_server.say(text("yes"))
    client, log = make(), RunLog()

    with scope(log, None, "ana"):
        await (collect(client) if stream else client.create(HELLO))

    (finished,) = [event.body for event in log if isinstance(event.body, ModelFinished)]
    assert (finished.returned_model, finished.fingerprint) == ("m", None)


async def test_usage_is_asked_for_in_streams_and_summed(make: Make, openai_server: OpenAIServer) -> None:
    openai_server.say(text("a b", usage=(3, 2)))
    client = make()

    pieces, _ = await collect(client)
    await collect(client)

    assert pieces == ["a", " b"]
    assert openai_server.request.body["stream_options"] == {"include_usage": True}
    assert (client.total_usage().prompt_tokens, client.total_usage().completion_tokens) == (6, 4)


async def test_a_stream_without_usage_counts_nothing(make: Make, openai_server: OpenAIServer) -> None:
    openai_server.say(text("a", usage=None))

    _, result = await collect(make())

    assert (result.usage.prompt_tokens, result.usage.completion_tokens) == (0, 0)


@pytest.mark.parametrize("cut", [1, 7, 1000])
async def test_a_stream_may_be_cut_anywhere(make: Make, openai_server: OpenAIServer, cut: int) -> None:
    chunks = [b": a comment\n\n", delta({"content": "Grüße "}), delta({"content": "😀"}), delta({}, finish="stop")]
    openai_server.say(events(*chunks, usage_chunk(1, 2), cut=cut))

    pieces, result = await collect(make())

    assert pieces == ["Grüße ", "😀"]
    assert result.content == "Grüße 😀"
    assert result.usage.completion_tokens == 2


async def test_lines_may_end_with_crlf_and_the_last_blank_line_may_be_missing(
    make: Make, openai_server: OpenAIServer
) -> None:
    chunks = [delta({"content": "a"}), delta({}, finish="stop")]
    raw = "".join(f"data:{json.dumps(chunk)}\r\n\r\n" for chunk in chunks).rstrip().encode()
    openai_server.say(events(raw, done=False))

    assert (await collect(make()))[1].content == "a"


async def test_half_an_emoji_waits_for_its_other_half(make: Make, openai_server: OpenAIServer) -> None:
    halves = [delta({"content": "a\ud83d"}), delta({"content": "\ude00b"}), delta({"content": "\ud83d"})]
    openai_server.say(events(*halves, delta({}, finish="stop")))

    pieces, result = await collect(make())

    assert pieces == ["a", "😀b"]
    assert result.content == "a😀b\ufffd"


@pytest.mark.parametrize("stream", [False, True])
async def test_tool_calls_come_back_with_the_text_as_thought(
    make: Make, openai_server: OpenAIServer, stream: bool
) -> None:
    openai_server.say(calls(("weather", '{"city": "Oslo"}'), ("weather", '{"city": "Rome"}'), content="I look."))
    client = make()

    result = (await collect(client, tools=[TOOL]))[1] if stream else await client.create(HELLO, tools=[TOOL])

    assert result.content == [
        FunctionCall(id="call_0", arguments='{"city": "Oslo"}', name="weather"),
        FunctionCall(id="call_1", arguments='{"city": "Rome"}', name="weather"),
    ]
    assert (result.finish_reason, result.thought) == ("function_calls", "I look.")


async def test_pieces_of_calls_are_joined_by_their_index(make: Make, openai_server: OpenAIServer) -> None:
    def piece(index: int, **call: Any) -> dict[str, Any]:
        return delta({"tool_calls": [{"index": index, **call}]})

    openai_server.say(
        events(
            delta({"role": "assistant", "content": None}),
            piece(1, id="b", function={"name": "two.x", "arguments": ""}),
            piece(0, id="a", function={"name": "one", "arguments": '{"x"'}),
            piece(1, function={"arguments": "{}"}),
            piece(0, function={"arguments": ": 1}"}),
            delta({}, finish="stop"),
        )
    )

    pieces, result = await collect(make(), tools=[TOOL])

    assert pieces == []
    assert result.content == [
        FunctionCall(id="a", arguments='{"x": 1}', name="one"),
        FunctionCall(id="b", arguments="{}", name="two_x"),
    ]
    assert result.finish_reason == "function_calls"


@pytest.mark.parametrize("stream", [False, True])
async def test_reasoning_becomes_the_thought(make: Make, openai_server: OpenAIServer, stream: bool) -> None:
    openai_server.say(
        events(
            delta({"reasoning_content": "Two and "}),
            delta({"reasoning_content": "two."}),
            delta({"content": "Four"}),
            delta({"content": "."}, finish="stop"),
        )
        if stream
        else text("Four.", reasoning_content="Two and two.")
    )

    pieces, result = await collect(make()) if stream else ([], await make().create(HELLO))

    assert (result.content, result.thought) == ("Four.", "Two and two.")
    assert pieces == (["<think>", "Two and ", "two.", "</think>", "Four", "."] if stream else [])


async def test_the_r1_family_thinks_in_its_text(make: Make, openai_server: OpenAIServer) -> None:
    openai_server.say("<think>\nHm.\n</think>\n\nYes.")

    result = await make(model="r", model_info={**INFO, "family": "r1"}).create(HELLO)

    assert (result.content, result.thought) == ("Yes.", "Hm.")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("end_turn", "stop"),
        ("odd", "unknown"),
    ],
)
async def test_reasons_to_finish_are_made_uniform(
    make: Make, openai_server: OpenAIServer, theirs: str, ours: str
) -> None:
    openai_server.say(text("x", finish=theirs))

    assert (await make().create(HELLO)).finish_reason == ours


async def test_log_probabilities_are_kept(make: Make, openai_server: OpenAIServer) -> None:
    item = {
        "token": "x",
        "logprob": -0.5,
        "bytes": [120],
        "top_logprobs": [{"token": "x", "logprob": -0.5, "bytes": [120]}],
    }
    chunk = delta({"content": "x"}, finish="stop")
    chunk["choices"][0]["logprobs"] = {"content": [item]}
    openai_server.say(events(chunk))

    _, result = await collect(make(logprobs=True))

    assert result.logprobs is not None
    assert result.logprobs[0].logprob == -0.5
    assert result.logprobs[0].top_logprobs is not None


async def test_one_of_given_choices_is_asked_for_as_a_schema_and_comes_back_as_text(
    make: Make, openai_server: OpenAIServer
) -> None:
    openai_server.say('{"answer": "ben"}')
    names = ["ana", "ben"]

    result = await make().create(HELLO, extra_create_args={"choices": names})
    pieces, streamed = await collect(make(), extra_create_args={"choices": names})

    schema = openai_server.request.body["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["answer"]["enum"] == names
    assert "choices" not in openai_server.request.body
    assert result.content == streamed.content == "ben"
    assert pieces == ["ben"]


async def test_an_answer_that_is_no_choice_is_an_error(make: Make, openai_server: OpenAIServer) -> None:
    openai_server.say("Caro!")

    with pytest.raises(ModelResponseInvalid, match=r"'ana'.*Caro!") as caught:
        await make().create(HELLO, extra_create_args={"choices": ["ana", "ben"]})
    assert caught.value.partial == "Caro!"
    with pytest.raises(ValueError, match="empty"):
        await make().create(HELLO, extra_create_args={"choices": []})


# What goes wrong


@pytest.mark.parametrize(
    ("status", "message", "expected", "words"),
    [
        (401, f"Incorrect API key provided: {KEY}", ModelAuthError, "OPENAI_API_KEY"),
        (403, "no access", ModelAuthError, "OPENAI_BASE_URL"),
        (404, "The model `gpt-4o-mini` does not exist", ModelNotFound, "It knows: .*llama-9"),
        (400, "model 'gpt-4o-mini' not found", ModelNotFound, "gpt-4o-mini"),
        (400, "Too many tokens", ModelRequestRefused, "Too many tokens"),
        (422, "bad field", ModelRequestRefused, "bad field"),
        (429, "slow down", ModelRateLimited, "slow down"),
        (408, "late", ModelTimeout, "timed out"),
        (500, "oops", ModelUnreachable, "oops"),
        (503, "overloaded", ModelUnreachable, "OPENAI_BASE_URL"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_refusals_become_errors_that_name_the_way_out(
    make: Make,
    openai_server: OpenAIServer,
    stream: bool,
    status: int,
    message: str,
    expected: type[ModelError],
    words: str,
) -> None:
    openai_server.models = ["llama-9"]
    openai_server.say(error(status, message))
    client = make(max_retries=0)

    with pytest.raises(expected, match=words) as caught:
        await (collect(client) if stream else client.create(HELLO))

    assert type(caught.value) is expected
    assert KEY not in str(caught.value)
    assert openai_server.base_url in str(caught.value) or expected is ModelRequestRefused


async def test_an_empty_account_is_not_waited_for(make: Make, openai_server: OpenAIServer) -> None:
    openai_server.say(error(429, "You exceeded your quota", code="insufficient_quota"))

    with pytest.raises(ModelRequestRefused, match="OPENAI_API_KEY has no quota"):
        await make().create(HELLO)
    assert len(openai_server.requests) == 1


async def test_a_server_that_is_not_there_is_named(make: Make, sleeps: Sleeps) -> None:
    client = make(base_url="http://user:hidden@127.0.0.1:9/v1")

    with pytest.raises(ModelUnreachable, match=r"http://127\.0\.0\.1:9/v1.*OPENAI_BASE_URL") as caught:
        await client.create(HELLO)

    assert "hidden" not in str(caught.value) + repr(client) + client.dump_component().model_dump_json()
    assert len(sleeps) == 2


@pytest.mark.parametrize("stream", [False, True])
async def test_a_server_that_says_nothing_times_out(make: Make, openai_server: OpenAIServer, stream: bool) -> None:
    openai_server.say(events(HOLD, done=False))
    client = make(timeout=0.2, max_retries=0)

    with pytest.raises(ModelTimeout, match="longer timeout"):
        await (collect(client) if stream else client.create(HELLO))


async def test_a_stream_that_stalls_times_out_and_keeps_what_came(make: Make, openai_server: OpenAIServer) -> None:
    openai_server.say(events(delta({"content": "Half"}), HOLD, done=False))

    with pytest.raises(ModelTimeout, match="broke off after 4") as caught:
        await collect(make(timeout=0.2))
    assert caught.value.partial == "Half"
    assert len(openai_server.requests) == 1


async def test_a_lost_connection_keeps_what_came_and_is_not_retried(make: Make, openai_server: OpenAIServer) -> None:
    openai_server.say(events(delta({"content": "Half an"}), done=False, drop=True))

    with pytest.raises(ModelUnreachable, match="was lost") as caught:
        await collect(make())
    assert caught.value.partial == "Half an"
    assert len(openai_server.requests) == 1


async def test_a_stream_that_ends_without_a_reason_was_cut_off(make: Make, openai_server: OpenAIServer) -> None:
    openai_server.say(events(delta({"content": "Half an"})))

    with pytest.raises(ModelResponseInvalid, match="cut off") as caught:
        await collect(make())
    assert caught.value.partial == "Half an"


@pytest.mark.parametrize("bad", [b'data: {"choices": [{"de\n\n', b"data: [1, 2]\n\n", b'data: {"choices": 7}\n\n'])
async def test_a_malformed_chunk_is_quoted(make: Make, openai_server: OpenAIServer, bad: bytes) -> None:
    openai_server.say(events(delta({"content": "Half"}), bad))

    with pytest.raises(ModelResponseInvalid, match="no chat answer") as caught:
        await collect(make())
    assert caught.value.partial == "Half"


async def test_a_page_instead_of_an_answer_hints_at_the_address(make: Make, openai_server: OpenAIServer) -> None:
    from tests.models.server import Reply

    openai_server.say(Reply([b"<html>Welcome</html>"], headers={"Content-Type": "text/html"}))

    with pytest.raises(ModelResponseInvalid, match=r"<html>.*OPENAI_BASE_URL"):
        await make().create(HELLO)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"message": "slow down", "code": 429}, ModelRateLimited),
        ({"message": "too long", "type": "exceed_context_size_error"}, ModelRequestRefused),
        ({"message": "broken"}, ModelUnreachable),
        ("plain words", ModelUnreachable),
    ],
)
async def test_an_error_inside_a_stream_is_raised(
    make: Make, openai_server: OpenAIServer, fault: Any, expected: type[ModelError]
) -> None:
    openai_server.say(events(delta({"content": "Half"}), {"error": fault}))

    with pytest.raises(expected) as caught:
        await collect(make())
    assert caught.value.partial == "Half"


# Trying again


async def test_a_rate_limit_is_waited_for_as_long_as_the_server_asks(
    make: Make, openai_server: OpenAIServer, sleeps: Sleeps
) -> None:
    openai_server.say(
        error(429, "slow", headers={"Retry-After": "2"}),
        error(503, "busy", headers={"retry-after-ms": "1500"}),
        text("ok"),
    )
    log = RunLog()

    with scope(log, None, "team/ana"):
        result = await make().create(HELLO)

    assert result.content == "ok"
    assert sleeps == [2.0, 1.5]
    notes = [event.body.text for event in log if event.kind == "note"]  # type: ignore[attr-defined]
    assert notes[0] == "openai:gpt-4o-mini asks to wait 2.0 s (429); trying again, 1 of 2"
    assert len(notes) == 2


async def test_a_rate_limit_may_name_the_moment(make: Make, openai_server: OpenAIServer, sleeps: Sleeps) -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    openai_server.say(error(429, "slow", headers={"Retry-After": moment}), text("ok"))

    await make().create(HELLO)

    assert 20 < sleeps[0] <= 30


async def test_a_stream_is_tried_again_only_before_its_first_piece(
    make: Make, openai_server: OpenAIServer, sleeps: Sleeps
) -> None:
    openai_server.say(events(done=False, drop=True), error(500, "oops"), text("a b"))

    pieces, _ = await collect(make())

    assert pieces == ["a", " b"]
    assert sleeps == [0.5, 1.0]
    assert len(openai_server.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_what_will_be_refused_again_is_not_tried_again(
    make: Make, openai_server: OpenAIServer, sleeps: Sleeps, status: int
) -> None:
    openai_server.say(error(status, "no"))

    with pytest.raises(ModelError):
        await make().create(HELLO)
    assert len(openai_server.requests) == 1
    assert sleeps == []


async def test_the_last_error_is_raised_when_the_attempts_are_used_up(
    make: Make, openai_server: OpenAIServer, sleeps: Sleeps
) -> None:
    openai_server.say(error(500, "oops"))

    with pytest.raises(ModelUnreachable):
        await make(max_retries=3).create(HELLO)
    assert len(openai_server.requests) == 4


# Stopping


async def set_within(event: threading.Event, seconds: float) -> bool:
    return await asyncio.to_thread(event.wait, seconds)


@pytest.mark.parametrize("by", ["token", "task"])
@pytest.mark.parametrize("stream", [False, True])
async def test_stopping_frees_the_connection_at_once(
    make: Make, openai_server: OpenAIServer, stream: bool, by: str
) -> None:
    openai_server.say(events(delta({"content": "Half"}), HOLD, done=False) if stream else events(HOLD, done=False))
    client, token = make(), CancellationToken()
    began = asyncio.Event()

    async def ask() -> None:
        if not stream:
            await client.create(HELLO, cancellation_token=token)
        async for _ in client.create_stream(HELLO, cancellation_token=token):
            began.set()

    task = asyncio.create_task(ask())
    await (began.wait() if stream else set_within(openai_server.asked, 5))
    if by == "token":
        await asyncio.to_thread(token.cancel)
    else:
        task.cancel()

    assert await set_within(openai_server.left, 0.5)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelling() == (1 if by == "task" else 0)


async def test_leaving_a_stream_early_frees_the_connection(make: Make, openai_server: OpenAIServer) -> None:
    openai_server.say(events(delta({"content": "Half"}), HOLD, done=False))
    stream = make().create_stream(HELLO)

    assert await anext(stream) == "Half"
    await stream.aclose()

    assert await set_within(openai_server.left, 0.5)


async def test_a_cancelled_token_sends_nothing(make: Make, openai_server: OpenAIServer) -> None:
    token = CancellationToken()
    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await make().create(HELLO, cancellation_token=token)
    assert openai_server.requests == []


async def test_a_token_ends_the_wait_between_attempts(make: Make, openai_server: OpenAIServer) -> None:
    openai_server.say(error(429, "slow", headers={"Retry-After": "50"}))
    client, token = make(), CancellationToken()
    waiting = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    client.retry = Retry(sleep=sleep)
    task = asyncio.create_task(client.create(HELLO, cancellation_token=token))
    await waiting.wait()
    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


# Many users


async def test_two_agents_at_once_share_one_client(make: Make, openai_server: OpenAIServer) -> None:
    openai_server.say(text("a b c", usage=(1, 3)))
    client = make()

    results = await asyncio.gather(*(collect(client) for _ in range(8)))

    assert [result.content for _, result in results] == ["a b c"] * 8
    assert client.total_usage().completion_tokens == 24


async def test_one_client_serves_two_event_loops(make: Make, openai_server: OpenAIServer) -> None:
    openai_server.say("ok")
    client = make()

    here = await client.create(HELLO)
    there = await asyncio.to_thread(run_sync, lambda: client.create(HELLO))
    again = await client.create(HELLO)

    assert [here.content, there.content, again.content] == ["ok"] * 3
    assert openai_server.connections == 2
    await client.close()
    assert (await client.create(HELLO)).content == "ok"


async def test_a_finished_stream_leaves_its_connection_to_the_next_request(
    make: Make, openai_server: OpenAIServer
) -> None:
    openai_server.say("a b c")
    client = make()

    for _ in range(3):
        await collect(client)

    assert openai_server.connections == 1


async def test_a_run_records_that_the_model_was_asked_and_what_it_said(make: Make, openai_server: OpenAIServer) -> None:
    openai_server.say(text("a b", usage=(3, 2)), error(400, "no"))
    log, client = RunLog(), make()

    with scope(log, None, "team/ana"):
        await collect(client)
        with pytest.raises(ModelRequestRefused):
            await client.create(HELLO)

    started = [event for event in log if isinstance(event.body, ModelStarted)]
    finished = [event for event in log if isinstance(event.body, ModelFinished)]
    assert [event.body.model for event in started] == ["openai:gpt-4o-mini"] * 2  # type: ignore[attr-defined]
    assert finished[0].usage is not None
    assert (finished[0].usage.prompt_tokens, finished[0].usage.completion_tokens) == (3, 2)
    assert finished[0].body.result.content == "a b"  # type: ignore[attr-defined]
    assert "ModelRequestRefused" in finished[1].body.error  # type: ignore[attr-defined]
    assert KEY not in "".join(event.model_dump_json() for event in log)


async def test_a_lost_stream_leaves_what_came_in_the_log(make: Make, openai_server: OpenAIServer) -> None:
    openai_server.say(events(delta({"content": "Half an"}), done=False, drop=True))
    log = RunLog()

    with scope(log, None, "ana"), pytest.raises(ModelUnreachable):
        await collect(make())

    assert [event.body.partial for event in log if isinstance(event.body, ModelFinished)] == ["Half an"]


# Where, which, and with what


async def test_without_a_key_the_variable_and_the_offline_way_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)

    with pytest.raises(ModelNotConfigured, match=r"OPENAI_API_KEY.*--model local"):
        await OpenAIChatCompletionClient(model="gpt-4o-mini").create(HELLO)
    with pytest.raises(ModelNotConfigured, match="GEMINI_API_KEY"):
        await OpenAIChatCompletionClient(model="gemini-2.5-pro").create(HELLO)


async def test_a_server_of_ones_own_needs_no_key(
    make: Make, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.base_url)
    openai_server.say("ok")

    result = await make(base_url=None, api_key=None).create(HELLO)

    assert result.content == "ok"


@pytest.mark.parametrize(
    ("model", "address", "variable"),
    [
        ("gpt-4o", "api.openai.com", "OPENAI_API_KEY"),
        ("gemini-2.5-pro", "generativelanguage.googleapis.com", "GEMINI_API_KEY"),
        ("claude-3-opus", "api.anthropic.com", "ANTHROPIC_API_KEY"),
        ("Llama-3.3-70B-Instruct", "api.llama.com", "LLAMA_API_KEY"),
    ],
)
def test_the_beginning_of_a_name_leads_to_its_makers_server(model: str, address: str, variable: str) -> None:
    endpoint = OpenAIChatCompletionClient(model=model)._endpoint

    assert address in endpoint.url
    assert endpoint.key_variable == variable


async def test_an_unlisted_model_works_and_one_note_says_what_is_assumed(
    make: Make, openai_server: OpenAIServer
) -> None:
    openai_server.say("ok")
    client, log = make(model="my-model-7b"), RunLog()

    with scope(log, None, "ana"):
        await client.create(HELLO, tools=[TOOL])
        await client.create(HELLO)

    notes = [event.body.text for event in log if event.kind == "note"]  # type: ignore[attr-defined]
    assert len(notes) == 1
    assert "my-model-7b is not in the model table" in notes[0]
    assert client.model_info["function_calling"]
    assert not client.model_info["vision"]
    with pytest.warns(UserWarning, match="my-other-7b"):
        await make(model="my-other-7b").create(HELLO)


async def test_what_a_model_cannot_do_is_refused_before_anything_is_sent(
    make: Make, openai_server: OpenAIServer
) -> None:
    client = make(model_info={**INFO, "function_calling": False, "structured_output": False})

    with pytest.raises(UserError, match="cannot call tools"):
        await client.create(HELLO, tools=[TOOL])
    with pytest.raises(UserError, match="City"):
        await client.create(HELLO, json_output=City)
    assert openai_server.requests == []


def test_autogens_description_of_a_client_is_understood() -> None:
    client = OpenAIChatCompletionClient.load_component(
        {
            "provider": "autogen_ext.models.openai.OpenAIChatCompletionClient",
            "component_type": "model",
            "version": 1,
            "config": {"model": "gpt-4o", "temperature": 0.2, "max_retries": 5},
        }
    )

    assert client.model_name == "openai:gpt-4o"
    assert client.retry.max_retries == 5


async def test_a_pickled_client_makes_its_own_connections(make: Make, openai_server: OpenAIServer) -> None:
    openai_server.say("ok")
    client = make()
    client.retry = Retry()
    await client.create(HELLO)

    copy = pickle.loads(pickle.dumps(client))

    assert (await copy.create(HELLO)).content == "ok"
    await copy.close()


def test_tokens_are_estimated_without_a_download() -> None:
    client = OpenAIChatCompletionClient(model="gpt-4o")

    assert client.count_tokens([UserMessage(content="x" * 400, source="user")]) == 104
    assert client.remaining_tokens([UserMessage(content="x" * 400, source="user")]) == 128_000 - 104
    assert OpenAIChatCompletionClient(model="new").remaining_tokens([]) == 32_768
    assert client.count_tokens(HELLO, tools=[TOOL]) > client.count_tokens(HELLO)


# Against a server that others wrote


@pytest.fixture
def llmock_server(request: pytest.FixtureRequest) -> Any:
    pytest.importorskip("llmock")
    return request.getfixturevalue("llmock")


async def test_llmock_rate_limits_are_survived(llmock_server: Any) -> None:
    llmock_server.rate_limit(times=2, retry_after=0.05)
    client = OpenAIChatCompletionClient(model="gpt-4o-mini")

    result = await client.create(HELLO)

    await client.close()
    assert result.content
    llmock_server.assert_resilient()


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("truncate", ModelResponseInvalid),
        ("corrupt", ModelResponseInvalid),
        ("disconnect", ModelUnreachable),
        ("stall", ModelTimeout),
    ],
)
async def test_llmock_faults_in_a_stream_raise_and_keep_the_text(
    llmock_server: Any, fault: str, expected: type[ModelError]
) -> None:
    arguments = {"seconds": 2.0} if fault == "stall" else {}
    getattr(llmock_server, fault)(after_chunks=3, times=None, **arguments)
    client = OpenAIChatCompletionClient(model="gpt-4o-mini", timeout=0.5)

    with pytest.raises(expected) as caught:
        await collect(client)

    await client.close()
    assert caught.value.partial


async def test_llmock_tools_and_structured_answers_are_read(llmock_server: Any) -> None:
    client = OpenAIChatCompletionClient(model="gpt-4o-mini")

    called = await client.create([UserMessage(content="What is the weather in Oslo?", source="user")], tools=[TOOL])
    _, structured = await collect(client, json_output=City)

    await client.close()
    assert isinstance(called.content, list)
    assert called.content[0].name == "weather"
    assert "city" in json.loads(called.content[0].arguments)
    assert City.model_validate_json(str(structured.content))
