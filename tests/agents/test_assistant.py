"""An agent that asks a model and calls tools."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import pytest
from PIL import Image as pil

from agentnb.agents import AssistantAgent
from agentnb.base import Handoff, Response
from agentnb.core import CancellationToken
from agentnb.exceptions import ModelResponseInvalid, ModelUnreachable
from agentnb.messages import (
    AssistantMessage,
    CreateResult,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    HandoffMessage,
    Image,
    ModelClientStreamingChunkEvent,
    MultiModalMessage,
    RequestUsage,
    SystemMessage,
    TextMessage,
    ThoughtEvent,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
    ToolCallSummaryMessage,
    UserMessage,
)
from agentnb.model_context import BufferedChatCompletionContext
from agentnb.models.scripted import ScriptedChatCompletionClient
from agentnb.runlog import RunLog, RunStarted
from agentnb.tools import FunctionTool, StaticWorkbench, ToolResult
from tests.agents.conftest import Watched, answer, call, names, turn, unable
from tests.runlog.clients import Bench, Endless, Unfinished, arrival

USAGE = RequestUsage(3, 4)


def weather(city: str) -> str:
    """Tell the weather."""
    return f"4 °C in {city}"


def broken() -> str:
    """Fail."""
    raise OSError("no sensor")


OSLO = call("weather", '{"city": "Oslo"}')


def final(items: list[Any]) -> Any:
    assert isinstance(items[-1], Response)
    return items[-1].chat_message


def results(items: list[Any]) -> list[FunctionExecutionResult]:
    return next(item.content for item in items if isinstance(item, ToolCallExecutionEvent))


# -- the order of events ----------------------------------------------------------------------------------------------


async def test_a_text_is_the_answer_with_its_usage() -> None:
    items = await turn(AssistantAgent("ana", Watched([answer("hello")])), "hi")

    assert names(items) == ["Response(TextMessage)"]
    assert (final(items).content, final(items).source, final(items).models_usage) == ("hello", "ana", USAGE)
    assert items[-1].inner_messages == []


async def test_a_thought_comes_before_the_answer() -> None:
    items = await turn(AssistantAgent("ana", Watched([answer("hello", thought="hm")])), "hi")

    assert names(items) == ["ThoughtEvent", "Response(TextMessage)"]
    assert items[0].content == "hm"
    assert items[-1].inner_messages == items[:1]


async def test_pieces_carry_the_id_the_answer_will_have_and_are_no_inner_messages() -> None:
    client = ScriptedChatCompletionClient(["one two three"])
    items = await turn(AssistantAgent("ana", client, model_client_stream=True), "hi")

    assert names(items) == ["ModelClientStreamingChunkEvent"] * 3 + ["Response(TextMessage)"]
    assert {item.full_message_id for item in items[:3]} == {final(items).id}
    assert "".join(item.content for item in items[:3]) == final(items).content == "one two three"
    assert items[-1].inner_messages == []


async def test_a_tool_without_reflection_gives_its_result_as_the_answer() -> None:
    items = await turn(AssistantAgent("ana", Watched([answer([OSLO])]), tools=[weather]), "hi")

    assert names(items) == ["ToolCallRequestEvent", "ToolCallExecutionEvent", "Response(ToolCallSummaryMessage)"]
    request, execution, response = items
    assert (request.content, request.models_usage) == ([OSLO], USAGE)
    assert execution.content == [
        FunctionExecutionResult(content="4 °C in Oslo", name="weather", call_id="c1", is_error=False)
    ]
    assert execution.models_usage is None
    summary = response.chat_message
    assert (summary.content, summary.models_usage) == ("4 °C in Oslo", None)
    assert (summary.tool_calls, summary.results) == ([OSLO], execution.content)
    assert response.inner_messages == [request, execution]


async def test_a_thought_comes_before_the_calls_it_led_to() -> None:
    items = await turn(AssistantAgent("ana", Watched([answer([OSLO], "look it up")]), tools=[weather]), "hi")

    assert names(items)[:3] == ["ThoughtEvent", "ToolCallRequestEvent", "ToolCallExecutionEvent"]


async def test_reflection_puts_results_into_words_in_a_second_call_without_tools() -> None:
    client = Watched([answer([OSLO]), answer("It is cold.", thought="brr")])
    agent = AssistantAgent("ana", client, tools=[weather], reflect_on_tool_use=True, system_message="s")
    items = await turn(agent, "hi")

    assert names(items) == [
        "ToolCallRequestEvent",
        "ToolCallExecutionEvent",
        "ThoughtEvent",
        "Response(TextMessage)",
    ]
    assert (final(items).content, final(items).models_usage) == ("It is cold.", USAGE)
    assert client.tools_offered == [["weather"], []]
    assert client.choices == ["auto", "none"]
    assert client.asked[1] == [
        SystemMessage(content="s"),
        UserMessage(content="hi", source="user"),
        AssistantMessage(content=[OSLO], source="ana"),
        FunctionExecutionResultMessage(content=results(items)),
    ]
    shown = await agent.model_context.get_messages()
    assert shown[-1] == AssistantMessage(content="It is cold.", thought="brr", source="ana")


async def test_reflection_streams_its_pieces_after_the_results() -> None:
    client = ScriptedChatCompletionClient([[OSLO], "so cold"])
    agent = AssistantAgent("ana", client, tools=[weather], reflect_on_tool_use=True, model_client_stream=True)
    items = await turn(agent, "hi")

    assert names(items)[2:] == ["ModelClientStreamingChunkEvent"] * 2 + ["Response(TextMessage)"]
    assert {item.full_message_id for item in items[2:4]} == {final(items).id}


def thinking(content: str, thought: str) -> Any:
    """Stream a thought between its marks, then the answer."""

    class Thinking(ScriptedChatCompletionClient):
        async def create_stream(self, messages: Any, **options: Any) -> AsyncGenerator[str | CreateResult, None]:
            for piece in ("<think>", *thought.split(), "</think>", *content.split()):
                yield piece
            yield answer(content, thought)

    return Thinking(["unused"])


async def test_pieces_of_a_thought_carry_the_id_of_the_thought_and_those_of_the_answer_its_own() -> None:
    """AutoGen announces every piece with the thought's id, so that no piece of the answer finds its message."""
    items = await turn(AssistantAgent("ana", thinking("yes sir", "let me see"), model_client_stream=True), "hi")

    assert names(items) == [*["ModelClientStreamingChunkEvent"] * 7, "ThoughtEvent", "Response(TextMessage)"]
    assert [item.full_message_id for item in items[:7]] == [items[7].id] * 5 + [final(items).id] * 2
    assert items[7].id != final(items).id


async def test_a_thought_that_was_not_streamed_leaves_the_announced_id_to_the_answer() -> None:
    client = ScriptedChatCompletionClient([answer("yes sir", "hm")])
    items = await turn(AssistantAgent("ana", client, model_client_stream=True), "hi")

    assert names(items) == [*["ModelClientStreamingChunkEvent"] * 2, "ThoughtEvent", "Response(TextMessage)"]
    assert {item.full_message_id for item in items[:2]} == {final(items).id}


async def test_reflection_streams_its_pieces_then_its_thought() -> None:
    client = ScriptedChatCompletionClient([[OSLO], answer("so cold", "brr")])
    agent = AssistantAgent("ana", client, tools=[weather], reflect_on_tool_use=True, model_client_stream=True)
    items = await turn(agent, "hi")

    assert names(items) == [
        "ToolCallRequestEvent",
        "ToolCallExecutionEvent",
        "ModelClientStreamingChunkEvent",
        "ModelClientStreamingChunkEvent",
        "ThoughtEvent",
        "Response(TextMessage)",
    ]


async def test_every_request_announces_ids_of_its_own() -> None:
    client = ScriptedChatCompletionClient([answer("one", None), answer("two", None)])
    agent = AssistantAgent("ana", client, model_client_stream=True)
    first, second = await turn(agent, "a"), await turn(agent, "b")

    assert first[0].full_message_id != second[0].full_message_id


async def test_reflection_that_calls_tools_again_is_the_models_error() -> None:
    agent = AssistantAgent("ana", Watched([answer([OSLO]), answer([OSLO])]), tools=[weather], reflect_on_tool_use=True)

    with pytest.raises(
        ModelResponseInvalid, match="'ana' for an answer in words, without tools, but called tools again: weather"
    ):
        await turn(agent, "hi")


async def test_several_iterations_go_on_until_the_model_has_words() -> None:
    client = Watched([answer([OSLO]), answer([OSLO], "again"), answer("done")])
    items = await turn(AssistantAgent("ana", client, tools=[weather], max_tool_iterations=3), "hi")

    assert names(items) == [
        "ToolCallRequestEvent",
        "ToolCallExecutionEvent",
        "ThoughtEvent",
        "ToolCallRequestEvent",
        "ToolCallExecutionEvent",
        "Response(TextMessage)",
    ]
    assert client.tools_offered == [["weather"]] * 3
    assert len(items[-1].inner_messages) == 5


async def test_when_the_iterations_are_used_up_the_last_results_are_the_answer() -> None:
    rome = call("weather", '{"city": "Rome"}', "c2")
    client = Watched([answer([OSLO]), answer([rome], "and Rome?")])
    items = await turn(AssistantAgent("ana", client, tools=[weather], max_tool_iterations=2), "hi")

    assert names(items) == [
        "ToolCallRequestEvent",
        "ToolCallExecutionEvent",
        "ThoughtEvent",
        "ToolCallRequestEvent",
        "ToolCallExecutionEvent",
        "Response(ToolCallSummaryMessage)",
    ]
    assert final(items).content == "4 °C in Rome"
    assert final(items).tool_calls == [rome]
    assert [result.call_id for result in final(items).results] == ["c2"]


async def test_when_the_iterations_are_used_up_reflection_speaks_of_all_results() -> None:
    client = Watched([answer([OSLO]), answer([OSLO]), answer("cold")])
    agent = AssistantAgent("ana", client, tools=[weather], max_tool_iterations=2, reflect_on_tool_use=True)
    items = await turn(agent, "hi")

    assert names(items) == [*["ToolCallRequestEvent", "ToolCallExecutionEvent"] * 2, "Response(TextMessage)"]
    assert client.tools_offered == [["weather"], ["weather"], []]


# -- tools ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        (call("weather", "{city:"), "The arguments of weather are not JSON"),
        (call("weather", "[1]"), "must be a JSON object, not list"),
        (call("weathr"), "No tool is named 'weathr' (known: 'weather', 'broken')"),
        (call("broken"), "OSError: no sensor"),
        (call("weather", '{"town": 1}'), "ValidationError"),
    ],
    ids=["not JSON", "no object", "unknown tool", "raising tool", "wrong arguments"],
)
async def test_what_goes_wrong_with_a_call_is_an_answer_to_the_model(wish: Any, says: str) -> None:
    client = Watched([answer([wish]), answer("sorry")])
    agent = AssistantAgent("ana", client, tools=[weather, broken], max_tool_iterations=2)
    items = await turn(agent, "hi")

    (result,) = results(items)
    assert result.is_error
    assert says in result.content
    assert (result.call_id, result.name) == (wish.id, wish.name)
    assert final(items).content == "sorry"
    assert client.asked[1][-1] == FunctionExecutionResultMessage(content=[result])


async def test_an_empty_list_of_calls_is_an_answer_without_words() -> None:
    client = Watched([answer([]), "two"])
    agent = AssistantAgent("ana", client, tools=[weather], system_message=None)
    items = await turn(agent, "a")
    await turn(agent, "b")

    assert (names(items), final(items).content) == (["Response(TextMessage)"], "")
    assert [message.content for message in client.asked[1]] == ["a", "", "b"]


async def test_a_call_without_arguments_is_a_call_with_none() -> None:
    def now() -> str:
        """Tell the time."""
        return "noon"

    items = await turn(AssistantAgent("ana", Watched([answer([call("now", "")])]), tools=[now]), "hi")

    assert final(items).content == "noon"


async def test_a_workbench_that_raises_is_contained() -> None:
    agent = AssistantAgent("ana", Watched([answer([call("fail")])]), workbench=Bench())
    items = await turn(agent, "hi")

    (result,) = results(items)
    assert (result.content, result.is_error) == ("ConnectionError: the server is gone", True)


async def test_calls_of_one_answer_run_at_the_same_time_and_keep_their_order() -> None:
    gate = threading.Barrier(3, timeout=20)
    finished: list[int] = []

    def meet(n: int) -> str:
        gate.wait()
        finished.append(n)
        return f"result {n}"

    calls = [call("meet", json.dumps({"n": n}), f"c{n}") for n in range(3)]
    agent = AssistantAgent("ana", Watched([answer(calls)]), tools=[FunctionTool(meet, description="")])
    items = await turn(agent, "hi")

    assert sorted(finished) == [0, 1, 2]
    assert [(r.call_id, r.content) for r in results(items)] == [(f"c{n}", f"result {n}") for n in range(3)]
    assert final(items).content == "result 0\nresult 1\nresult 2"


async def test_the_first_workbench_that_has_a_tool_is_asked() -> None:
    def add(a: int, b: int) -> str:
        return "from the static one"

    static = StaticWorkbench([FunctionTool(add, description="")])
    client = Watched([answer([call("add", '{"a": 1, "b": 2}')])])
    items = await turn(AssistantAgent("ana", client, workbench=[Bench(), static]), "hi")

    assert final(items).content == "3"
    assert client.tools_offered == [["add", "twice", "fail"]]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"tool_call_summary_format": "{tool_name}({arguments}) = {result} / {is_error}"},
            'weather({"city": "Oslo"}) = 4 °C in Oslo / False',
        ),
        ({"tool_call_summary_formatter": lambda call, result: f"<{call.name}: {result.content}>"}, None),
    ],
)
async def test_the_summary_is_shaped_as_asked(options: Mapping[str, Any], text: str | None) -> None:
    agent = AssistantAgent("ana", Watched([answer([OSLO])]), tools=[weather], **options)

    assert final(await turn(agent, "hi")).content == (text or "<weather: 4 °C in Oslo>")


async def test_results_with_braces_stay_as_they_are() -> None:
    def braces() -> str:
        """Return braces."""
        return "{result} {0} {"

    agent = AssistantAgent("ana", Watched([answer([call("braces")])]), tools=[braces])

    assert final(await turn(agent, "hi")).content == "{result} {0} {"


async def test_cancelling_while_tools_run_ends_the_turn() -> None:
    begun = asyncio.Event()

    async def wait() -> None:
        """Wait."""
        begun.set()
        await asyncio.Event().wait()

    agent = AssistantAgent("ana", Watched([answer([call("wait")])]), tools=[wait])
    token = CancellationToken()
    running = asyncio.ensure_future(agent.run(task="hi", cancellation_token=token))
    await begun.wait()
    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running


# -- context ----------------------------------------------------------------------------------------------------------


async def test_the_model_is_shown_instructions_and_the_whole_conversation() -> None:
    client = Watched(["one", "two"])
    agent = AssistantAgent("ana", client, system_message="Be kind.")
    await turn(agent, "a")
    await turn(agent, TextMessage(content="b", source="ben"))

    assert client.asked[1] == [
        SystemMessage(content="Be kind."),
        UserMessage(content="a", source="user"),
        AssistantMessage(content="one", source="ana"),
        UserMessage(content="b", source="ben"),
    ]


async def test_without_a_system_message_there_is_none() -> None:
    client = Watched(["one"])
    await turn(AssistantAgent("ana", client, system_message=None), "a")

    assert client.asked == [[UserMessage(content="a", source="user")]]


async def test_a_context_decides_what_is_shown() -> None:
    client = Watched(["one", "two"])
    agent = AssistantAgent("ana", client, system_message=None, model_context=BufferedChatCompletionContext(1))
    await turn(agent, "a")
    await turn(agent, "b")

    assert client.asked[1] == [UserMessage(content="b", source="user")]


async def test_what_a_handoff_brings_along_comes_before_it() -> None:
    client = Watched(["one"])
    before = [UserMessage(content="known", source="ben")]
    agent = AssistantAgent("ana", client, system_message=None)
    await turn(agent, HandoffMessage(content="yours", target="ana", context=before, source="ben"))

    assert client.asked[0] == [*before, UserMessage(content="yours", source="ben")]


@pytest.mark.parametrize("vision", [True, False])
async def test_a_model_that_cannot_see_gets_placeholders_for_pictures(vision: bool) -> None:
    client = Watched(["one"], model_info=unable(vision=vision))
    image = Image(pil.new("RGB", (1, 1)))
    agent = AssistantAgent("ana", client, system_message=None)
    await turn(agent, MultiModalMessage(content=["look:", image], source="user"))

    assert client.asked[0][0].content == (["look:", image] if vision else "look:\n<image>")
    assert (await agent.model_context.get_messages())[0].content == ["look:", image]


async def test_a_picture_that_comes_late_or_by_a_change_in_place_is_seen_by_such_a_model_as_a_placeholder() -> None:
    client = Watched(["one", "two", "three"], model_info=unable())
    image = Image(pil.new("RGB", (1, 1)))
    agent = AssistantAgent("ana", client, system_message=None)
    await turn(agent, "a")
    await turn(agent, MultiModalMessage(content=["look:", image], source="user"))
    (await agent.model_context.get_messages())[0].content = ["first:", image]  # type: ignore[assignment]
    await turn(agent, "b")

    placeholder = "look:\n<image>"
    assert [message.content for message in client.asked[1][1:]] == ["one", placeholder]
    assert [message.content for message in client.asked[2]] == ["first:\n<image>", "one", placeholder, "two", "b"]


async def test_a_state_goes_on_in_another_agent() -> None:
    agent = AssistantAgent("ana", Watched(["one"]))
    await turn(agent, "a")
    state = json.loads(json.dumps(await agent.save_state()))
    client = Watched(["two"])
    other = AssistantAgent("ana", client, system_message=None)
    await other.load_state(state)
    await turn(other, "b")

    assert state["type"] == "AssistantAgentState"
    assert state["version"] == "1.0.0"
    assert [message.content for message in client.asked[0]] == ["a", "one", "b"]


async def test_a_reset_forgets_the_conversation() -> None:
    client = Watched(["one", "two"])
    agent = AssistantAgent("ana", client, system_message=None)
    await turn(agent, "a")

    await agent.on_reset(CancellationToken())
    await turn(agent, "b")

    assert [message.content for message in client.asked[1]] == ["b"]


# -- run, errors ------------------------------------------------------------------------------------------------------


async def test_a_run_gives_task_inner_messages_and_answer() -> None:
    agent = AssistantAgent("ana", Watched([answer([OSLO])]), tools=[weather])
    result = await agent.run(task="hi")

    assert [type(m) for m in result.messages] == [
        TextMessage,
        ToolCallRequestEvent,
        ToolCallExecutionEvent,
        ToolCallSummaryMessage,
    ]
    assert result.stop_reason is None


async def test_a_stream_yields_pieces_that_the_result_leaves_out() -> None:
    agent = AssistantAgent("ana", ScriptedChatCompletionClient(["one two"]), model_client_stream=True)
    items = [item async for item in agent.run_stream(task="hi")]

    assert [type(item).__name__ for item in items] == [
        "TextMessage",
        "ModelClientStreamingChunkEvent",
        "ModelClientStreamingChunkEvent",
        "TextMessage",
        "TaskResult",
    ]
    assert [m.to_text() for m in items[-1].messages] == ["hi", "one two"]  # type: ignore[union-attr]


async def test_on_messages_gives_the_response_alone() -> None:
    agent = AssistantAgent("ana", Watched([answer("hello", "hm")]))

    response = await agent.on_messages([TextMessage(content="hi", source="user")], CancellationToken())

    assert response.chat_message.to_text() == "hello"
    assert [type(m) for m in response.inner_messages or ()] == [ThoughtEvent]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_models_error_comes_as_it_is_and_the_agent_can_be_asked_again(stream: bool) -> None:
    error = ModelUnreachable("the line is dead")
    agent = AssistantAgent("ana", Watched([error, "back"]), model_client_stream=stream)

    with pytest.raises(ModelUnreachable) as caught:
        await agent.run(task="hi")
    assert caught.value is error
    assert (await agent.run()).messages[-1].to_text() == "back"


async def test_a_stream_without_a_result_is_the_models_error() -> None:
    agent = AssistantAgent("ana", Unfinished(["x"]), model_client_stream=True)

    with pytest.raises(ModelResponseInvalid, match="ended its stream without a result"):
        await agent.run(task="hi")


async def test_a_stream_without_a_result_of_what_only_looks_like_a_client_is_its_error() -> None:
    class Looks:
        model_info = Watched(["x"]).model_info
        model_name = "mine"

        async def create(self, messages: Any, **options: Any) -> Any: ...

        async def create_stream(self, messages: Any, **options: Any) -> AsyncGenerator[Any, None]:
            yield "x"

    agent = AssistantAgent("ana", Looks(), model_client_stream=True)  # type: ignore[arg-type]

    with pytest.raises(ModelResponseInvalid, match="'ana' was given no answer by mine, whose create_stream ended"):
        await agent.run(task="hi")


async def test_leaving_an_agents_stream_early_closes_the_models_stream_within_the_run() -> None:
    client = Endless(["x"])
    log = RunLog()

    async with aclosing(
        AssistantAgent("ana", client, model_client_stream=True).run_stream(task="hi", log=log)
    ) as items:
        async for item in items:
            if isinstance(item, ModelClientStreamingChunkEvent):
                break

    assert client.closed
    assert [event.kind for event in log][-3:] == ["model.finished", "turn.finished", "run.finished"]


async def test_cancelling_the_token_ends_an_agents_run_promptly() -> None:
    client = ScriptedChatCompletionClient(["never"], delay=1000)
    token = CancellationToken()
    log = RunLog()
    asked = arrival(log, "model.started")
    running = asyncio.ensure_future(AssistantAgent("ana", client).run(task="hi", cancellation_token=token, log=log))
    await asked.wait()
    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running


async def test_metadata_is_put_on_every_answer() -> None:
    agent = AssistantAgent("ana", Watched(["a"]), metadata={"team": "red"})

    assert final(await turn(agent, "hi")).metadata == {"team": "red"}


async def test_closing_an_agent_closes_its_model() -> None:
    client = Watched(["a"])

    await AssistantAgent("ana", client).close()

    assert client.closed


# -- validation -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            {"tools": [weather], "workbench": Bench()},
            "agent 'ana' is given both `tools` and a `workbench`; .*StaticWorkbench",
        ),
        ({"tools": [weather, FunctionTool(weather, description="")]}, "Two tools are named 'weather'"),
        ({"tools": ["weather"]}, "'weather' is no tool; give the agent 'ana' functions"),
        ({"max_tool_iterations": 0}, "max_tool_iterations is 0"),
        (
            {"tool_call_summary_format": "{answer}"},
            "no field 'answer' \\(known: arguments, is_error, result, tool_name",
        ),
        ({"tool_call_summary_format": '{"r": {result}}'}, "tool_call_summary_format is"),
    ],
)
def test_tools_that_do_not_go_together_are_refused(options: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        AssistantAgent("ana", Watched(["a"]), **options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"tools": weather}, r"The tools of the agent 'ana' are <function weather .*tools=\[weather\]"),
        ({"tools": "weather"}, r"The tools of the agent 'ana' are 'weather'; give a list of functions or tools"),
        ({"tools": FunctionTool(weather, description="")}, "The tools of the agent 'ana' are .*; give a list"),
        ({"workbench": "x"}, "The workbench of the agent 'ana' is 'x'; give a Workbench, such as StaticWorkbench"),
        ({"workbench": [Bench(), 3]}, "The workbench of the agent 'ana' is .*or a list of them"),
        ({"handoffs": "ben"}, r"The handoffs of the agent 'ana' are 'ben'; .* handoffs=\['ben'\]"),
        ({"handoffs": Handoff(target="ben")}, "The handoffs of the agent 'ana' are Handoff.*; give a list of names"),
        ({"model_context": "x"}, "The model_context of the agent 'ana' is 'x'; give one such as Buffered"),
        ({"system_message": 3}, "The system_message of the agent 'ana' is 3; it must be a text"),
        ({"description": 3}, "The description of the agent 'ana' is 3; it must be a text"),
        ({"tool_call_summary_format": 3}, "tool_call_summary_format is 3; it must be a text"),
        ({"tool_call_summary_formatter": 3}, "The tool_call_summary_formatter of the agent 'ana' is 3, which cannot"),
        ({"output_content_type": int}, "The output_content_type of the agent 'ana' is <class 'int'>; it must be a cl"),
    ],
)
def test_an_argument_of_another_kind_is_refused_by_name(options: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        AssistantAgent("ana", Watched(["a"]), **options)


@pytest.mark.parametrize("client", ["gpt-4o", None])
def test_what_is_no_model_is_refused_by_name(client: Any) -> None:
    with pytest.raises(TypeError, match=r"The model_client of the agent 'ana' is .*; give a model client"):
        AssistantAgent("ana", client)


async def test_a_model_that_only_looks_like_one_can_be_asked() -> None:
    class Looks:
        model_info = unable()

        async def create(self, messages: Any, **options: Any) -> CreateResult:
            return answer("hello")

        def create_stream(self, messages: Any, **options: Any) -> AsyncGenerator[Any, None]:
            raise NotImplementedError

    looks: Any = Looks()
    result = await AssistantAgent("ana", looks).run(task="hi")

    assert result.messages[-1].to_text() == "hello"
    assert result.log is not None
    assert [event.body.model for event in result.log if isinstance(event.body, RunStarted)] == ["Looks"]


@pytest.mark.parametrize("options", [{"tools": [weather]}, {"workbench": Bench()}])
def test_a_model_that_cannot_call_tools_is_given_none(options: Any) -> None:
    client = Watched(["a"], model_info=unable(), name="tiny")

    with pytest.raises(ValueError, match="'ana' has tools, but tiny cannot call any"):
        AssistantAgent("ana", client, **options)


async def test_functions_become_tools_with_their_docstring() -> None:
    client = Watched(["x"])
    await turn(AssistantAgent("ana", client, tools=[weather]), "hi")

    assert [(tool["name"], tool["description"]) for tool in client.options[0]["tools"]] == [
        ("weather", "Tell the weather.")
    ]


def test_what_an_agent_may_say_is_known() -> None:
    assert AssistantAgent("ana", Watched(["a"])).produced_message_types == (
        TextMessage,
        ToolCallSummaryMessage,
        HandoffMessage,
    )


async def test_a_picture_as_a_result_is_text_for_the_model() -> None:
    class Camera(Bench):
        async def call_tool(self, name: str, *args: Any, **options: Any) -> ToolResult:
            from agentnb.tools import ImageResultContent

            return ToolResult(name=name, result=[ImageResultContent(content=Image(pil.new("RGB", (1, 1))))])

    items = await turn(AssistantAgent("ana", Watched([answer([call("add")])]), workbench=Camera()), "hi")

    assert final(items).content.startswith("[Image: ")
