"""An assistant whose answers have a form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from agentnb.agents import AssistantAgent
from agentnb.exceptions import AnswerUnfit, ModelResponseInvalid
from agentnb.messages import RequestUsage, StructuredMessage
from agentnb.models import OpenAIChatCompletionClient
from agentnb.models.scripted import ScriptedChatCompletionClient
from agentnb.teams import RoundRobinGroupChat
from tests.agents.conftest import Watched, answer, call, names, turn
from tests.models.server import OpenAIServer, calls, text


class Report(BaseModel):
    """A report."""

    city: str
    degrees: float


def weather(city: str) -> str:
    """Tell the weather."""
    return f"4 °C in {city}"


OSLO = call("weather", '{"city": "Oslo"}')
WRITTEN = '{"city": "Oslo", "degrees": 4}'
SHAPE = "{city}: {degrees} °C"


def said(items: list[Any]) -> StructuredMessage[Report]:
    message = items[-1].chat_message
    assert type(message) is StructuredMessage[Report]
    return message


async def test_a_structured_answer_is_read_and_has_its_usage() -> None:
    client = Watched([answer(WRITTEN)])
    agent = AssistantAgent("ana", client, output_content_type=Report, output_content_type_format=SHAPE)
    items = await turn(agent, "hi")

    assert names(items) == ["Response(StructuredMessage[Report])"]
    assert said(items).content == Report(city="Oslo", degrees=4)
    assert said(items).to_text() == "Oslo: 4.0 °C"
    assert said(items).models_usage == RequestUsage(3, 4)
    assert client.options[0]["json_output"] is Report


async def test_with_an_output_type_tool_results_are_put_into_its_form_unless_told_otherwise() -> None:
    client = Watched([answer([OSLO]), answer(WRITTEN, "cold")])
    agent = AssistantAgent("ana", client, tools=[weather], output_content_type=Report, output_content_type_format=SHAPE)
    items = await turn(agent, "hi")

    assert names(items) == [
        "ToolCallRequestEvent",
        "ToolCallExecutionEvent",
        "ThoughtEvent",
        "Response(StructuredMessage[Report])",
    ]
    assert said(items).content == Report(city="Oslo", degrees=4)
    assert said(items).to_text() == "Oslo: 4.0 °C"
    plain = AssistantAgent(
        "ana", Watched([answer([OSLO])]), tools=[weather], output_content_type=Report, reflect_on_tool_use=False
    )
    assert names(await turn(plain, "hi"))[-1] == "Response(ToolCallSummaryMessage)"


async def test_the_form_binds_only_requests_that_offer_no_tools() -> None:
    """Servers that bind an answer while tools are offered let the model call none, or refuse the request."""
    client = Watched([answer([OSLO]), answer([OSLO]), answer(WRITTEN)])
    agent = AssistantAgent("ana", client, tools=[weather], output_content_type=Report, max_tool_iterations=2)
    await turn(agent, "hi")

    assert [(len(o.get("tools", ())), o["json_output"]) for o in client.options] == [(1, None), (1, None), (0, Report)]


async def test_an_answer_that_has_the_form_by_itself_is_not_asked_for_again() -> None:
    client = Watched([answer(f"```json\n{WRITTEN}\n```", "easy")])
    items = await turn(AssistantAgent("ana", client, tools=[weather], output_content_type=Report), "hi")

    assert names(items) == ["ThoughtEvent", "Response(StructuredMessage[Report])"]
    assert said(items).content.city == "Oslo"


async def test_an_answer_in_words_beside_tools_is_asked_for_again_in_its_form() -> None:
    client = Watched([answer("It is cold in Oslo."), answer(WRITTEN)])
    agent = AssistantAgent("ana", client, tools=[weather], output_content_type=Report)
    items = await turn(agent, "hi")

    assert names(items) == ["Response(StructuredMessage[Report])"]
    assert said(items).models_usage == RequestUsage(6, 8)
    assert client.asked[1] == client.asked[0]
    assert client.options[1] == {"tool_choice": "none", "json_output": Report} | {
        "cancellation_token": client.options[1]["cancellation_token"]
    }
    kept = await agent.model_context.get_messages()
    assert [message.content for message in kept] == ["hi", WRITTEN]


async def test_pieces_of_an_answer_that_is_asked_for_again_are_shown_to_nobody() -> None:
    client = ScriptedChatCompletionClient(["It is cold.", WRITTEN])
    agent = AssistantAgent("ana", client, tools=[weather], output_content_type=Report, model_client_stream=True)
    *pieces, last = await turn(agent, "hi")

    assert "".join(piece.content for piece in pieces) == WRITTEN
    assert {piece.full_message_id for piece in pieces} == {last.chat_message.id}


async def test_pieces_of_a_structured_answer_are_shown_with_its_id() -> None:
    for tools in ([], [weather]):
        client = ScriptedChatCompletionClient([WRITTEN])
        agent = AssistantAgent("ana", client, tools=tools, output_content_type=Report, model_client_stream=True)
        *pieces, last = await turn(agent, "hi")

        assert "".join(piece.content for piece in pieces) == WRITTEN
        assert {piece.full_message_id for piece in pieces} == {last.chat_message.id}


@pytest.mark.parametrize("tools", [[], [weather]])
async def test_a_reply_that_does_not_fit_names_agent_and_form_and_keeps_the_reply(tools: Any) -> None:
    reply = '{"city": "Oslo"}'
    agent = AssistantAgent("ana", Watched([answer(reply)] * 2), tools=tools, output_content_type=Report)

    with pytest.raises(
        AnswerUnfit, match=r"'ana' was to answer with a Report, and .* degrees: Field required"
    ) as caught:
        await turn(agent, "hi")
    assert caught.value.partial == reply
    assert isinstance(caught.value.__cause__, ValidationError)
    assert reply in str(caught.value)


async def test_an_agent_whose_reply_did_not_fit_can_be_asked_again() -> None:
    agent = AssistantAgent("ana", Watched([answer("no"), answer(WRITTEN)]), output_content_type=Report)

    with pytest.raises(ModelResponseInvalid):
        await turn(agent, "hi")
    assert said(await turn(agent, "again")).content.city == "Oslo"


def test_what_a_structured_agent_may_say_is_known() -> None:
    agent = AssistantAgent("ana", Watched(["a"]), output_content_type=Report)

    assert agent.produced_message_types[-1] is StructuredMessage[Report]


def test_a_format_with_a_field_the_answer_has_not_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no field 'town' \(known: city, degrees\)"):
        AssistantAgent("ana", Watched(["a"]), output_content_type=Report, output_content_type_format="{town}")


async def test_a_team_knows_the_structured_messages_of_its_agents_in_a_saved_state() -> None:
    def team(script: list[Any]) -> RoundRobinGroupChat:
        return RoundRobinGroupChat([AssistantAgent("ana", Watched(script), output_content_type=Report)], max_turns=1)

    first, second = team([answer(WRITTEN)]), team([answer(WRITTEN)])
    result = await first.run(task="hi")
    state = json.loads(json.dumps(await first.save_state()))
    await second.load_state(state)

    assert result.messages[-1].to_text() == Report(city="Oslo", degrees=4).model_dump_json()
    assert json.loads(json.dumps(await second.save_state())) == state


async def test_over_the_wire_tools_and_the_form_are_never_in_one_request() -> None:
    with OpenAIServer().say(calls(("weather", '{"city": "Oslo"}')), text(WRITTEN)) as server:
        client = OpenAIChatCompletionClient(model="gpt-4o-mini", base_url=server.base_url, api_key="none")
        agent = AssistantAgent("ana", client, tools=[weather], output_content_type=Report)
        items = await turn(agent, "hi")
        await client.close()

    first, second = (request.body for request in server.requests)
    assert said(items).content == Report(city="Oslo", degrees=4)
    assert [tool["function"]["name"] for tool in first["tools"]] == ["weather"]
    assert "response_format" not in first
    assert "tools" not in second
    assert second["response_format"]["json_schema"]["name"] == "Report"
