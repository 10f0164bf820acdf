"""An assistant that gives the word to somebody else."""

from __future__ import annotations

from typing import Any

import pytest

from agentnb.agents import AssistantAgent
from agentnb.base import Handoff
from agentnb.messages import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    HandoffMessage,
    UserMessage,
)
from agentnb.tools import FunctionTool, StaticWorkbench
from tests.agents.conftest import Watched, answer, call, names, turn, unable


def weather(city: str) -> str:
    """Tell the weather."""
    return f"4 °C in {city}"


OSLO = call("weather", '{"city": "Oslo"}')
TO_BEN = call("transfer_to_ben", "{}", "h1")
TO_CLEO = call("transfer_to_cleo", "{}", "h2")


def handed(items: list[Any]) -> HandoffMessage:
    message = items[-1].chat_message
    assert isinstance(message, HandoffMessage)
    return message


async def test_a_call_of_a_handoff_ends_the_turn_with_its_message() -> None:
    client = Watched([answer([TO_BEN])])
    agent = AssistantAgent("ana", client, handoffs=[Handoff(target="ben", message="Your turn, Ben.")])
    items = await turn(agent, "hi")

    assert names(items) == ["ToolCallRequestEvent", "ToolCallExecutionEvent", "Response(HandoffMessage)"]
    request, execution, response = items
    assert request.content == [TO_BEN]
    assert execution.content == [
        FunctionExecutionResult(content="Your turn, Ben.", name="transfer_to_ben", call_id="h1", is_error=False)
    ]
    assert response.inner_messages == [request, execution]
    message = handed(items)
    assert (message.content, message.target, message.source) == ("Your turn, Ben.", "ben", "ana")
    assert (message.context, message.models_usage) == ([], None)


async def test_a_thought_comes_first_and_goes_along_with_the_handoff() -> None:
    agent = AssistantAgent("ana", Watched([answer([TO_BEN], "Ben knows")]), handoffs=["ben"])
    items = await turn(agent, "hi")

    assert names(items) == [
        "ThoughtEvent",
        "ToolCallRequestEvent",
        "ToolCallExecutionEvent",
        "Response(HandoffMessage)",
    ]
    assert handed(items).context == [AssistantMessage(content="Ben knows", source="ana")]


async def test_other_calls_of_the_same_answer_go_along_with_their_results() -> None:
    client = Watched([answer([OSLO, TO_BEN], "both")])
    agent = AssistantAgent("ana", client, tools=[weather], handoffs=["ben"])
    items = await turn(agent, "hi")

    result = FunctionExecutionResult(content="4 °C in Oslo", name="weather", call_id="c1", is_error=False)
    assert [r.call_id for r in items[2].content] == ["c1", "h1"]
    assert handed(items).context == [
        AssistantMessage(content=[OSLO], thought="both", source="ana"),
        FunctionExecutionResultMessage(content=[result]),
    ]
    assert handed(items).content == items[2].content[1].content


async def test_who_gets_the_word_is_shown_what_went_along() -> None:
    agent = AssistantAgent("ana", Watched([answer([OSLO, TO_BEN])]), tools=[weather], handoffs=["ben"])
    message = handed(await turn(agent, "hi"))
    client = Watched(["fine"])
    await turn(AssistantAgent("ben", client, system_message=None), message)

    assert client.asked[0] == [*message.context, UserMessage(content=message.content, source="ana")]


async def test_handoffs_are_offered_beside_tools_as_strict_tools_without_parameters() -> None:
    client = Watched(["no"])
    await turn(AssistantAgent("ana", client, tools=[weather], handoffs=["ben", Handoff(target="cleo", name="up")]), "")

    offered = client.options[0]["tools"]
    assert [tool["name"] for tool in offered] == ["weather", "transfer_to_ben", "up"]
    assert offered[1]["strict"]
    assert offered[1]["parameters"]["properties"] == {}


async def test_of_several_handoffs_the_first_wins_with_a_warning() -> None:
    agent = AssistantAgent("ana", Watched([answer([TO_CLEO, TO_BEN])]), handoffs=["ben", "cleo"])

    with pytest.warns(UserWarning, match="'ana' would hand over to 'cleo', 'ben' at once; 'cleo' gets the word"):
        items = await turn(agent, "hi")
    assert handed(items).target == "cleo"
    assert handed(items).context == []


async def test_a_handoff_neither_reflects_nor_goes_on() -> None:
    client = Watched([answer([OSLO]), answer([TO_BEN])])
    agent = AssistantAgent(
        "ana", client, tools=[weather], handoffs=["ben"], max_tool_iterations=9, reflect_on_tool_use=True
    )
    items = await turn(agent, "hi")

    assert names(items)[-3:] == ["ToolCallRequestEvent", "ToolCallExecutionEvent", "Response(HandoffMessage)"]
    assert len(client.asked) == 2
    assert handed(items).context == []


async def test_a_handoff_whose_arguments_are_no_json_hands_over_all_the_same() -> None:
    agent = AssistantAgent(
        "ana", Watched([answer([call("transfer_to_ben", "{", "h1")])]), handoffs=[Handoff(target="ben", message="You.")]
    )
    items = await turn(agent, "hi")

    assert items[1].content[0].is_error
    assert (handed(items).target, handed(items).content) == ("ben", "You.")


async def test_a_handoff_comes_before_a_workbenchs_tool_of_the_same_name() -> None:
    def transfer_to_ben() -> str:
        return "the tool's"

    bench = StaticWorkbench([FunctionTool(transfer_to_ben, description="")])
    client = Watched([answer([TO_BEN])])
    agent = AssistantAgent("ana", client, workbench=bench, handoffs=[Handoff(target="ben", message="the handoff's")])

    assert handed(await turn(agent, "hi")).content == "the handoff's"
    assert client.tools_offered == [["transfer_to_ben"]]


async def test_an_agent_that_handed_over_goes_on_later_with_a_whole_conversation() -> None:
    client = Watched([answer([TO_BEN]), "back"])
    agent = AssistantAgent("ana", client, handoffs=["ben"])
    await turn(agent, "hi")
    await turn(agent, "again")

    assert [message.type for message in client.asked[1]] == [
        "SystemMessage",
        "UserMessage",
        "AssistantMessage",
        "FunctionExecutionResultMessage",
        "UserMessage",
    ]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"handoffs": ["ben", "ben"]}, "Two handoffs of the agent 'ana' are named 'transfer_to_ben'"),
        ({"handoffs": [Handoff(target="b", name="go"), Handoff(target="c", name="go")]}, "are named 'go'"),
        ({"handoffs": [7]}, "7 is no handoff; give the agent 'ana' names or Handoffs"),
        (
            {"tools": [weather], "handoffs": [Handoff(target="b", name="weather")]},
            "both a tool and a handoff named 'weather'; give the handoff another name",
        ),
    ],
    ids=["twice the same", "one name", "no handoff", "a tool's name"],
)
def test_handoffs_that_do_not_go_together_are_refused(options: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        AssistantAgent("ana", Watched(["a"]), **options)


def test_a_model_that_cannot_call_tools_cannot_hand_over() -> None:
    with pytest.raises(ValueError, match="'ana' has handoffs, but tiny cannot call any"):
        AssistantAgent("ana", Watched(["a"], model_info=unable(), name="tiny"), handoffs=["ben"])
