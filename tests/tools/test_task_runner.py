"""Agents and teams as tools."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest

from agentnb.agents import AssistantAgent
from agentnb.base import Response, TaskResult
from agentnb.core import CancellationToken
from agentnb.messages import (
    BaseChatMessage,
    ModelClientStreamingChunkEvent,
    StopMessage,
    TextMessage,
    ThoughtEvent,
)
from agentnb.models import ReplayChatCompletionClient
from agentnb.models.scripted import ScriptedChatCompletionClient
from agentnb.runlog import RunLog, Said
from agentnb.teams import RoundRobinGroupChat
from agentnb.tools import AgentTool, BaseTool, StaticStreamWorkbench, TeamTool, ToolResult
from tests.agents.conftest import Watched, answer, call, names, turn
from tests.teams.conftest import Speaker, Waiter

WRITE = call("writer", '{"task": "a haiku"}')


def writer(*script: Any, **options: Any) -> AssistantAgent:
    return AssistantAgent("writer", Watched(script), description="Writes.", **options)


def the_result(items: Sequence[Any]) -> Any:
    return next(item for item in items if type(item).__name__ == "ToolCallExecutionEvent").content[0]


_TEAM = RoundRobinGroupChat([Speaker("ana")])


def _other(value: Any) -> Any:
    return value


# -- what the model reads ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tool",
    [
        AgentTool(Speaker("writer")),
        TeamTool(RoundRobinGroupChat([Speaker("ana")]), name="writer", description="writer speaks"),
    ],
    ids=["agent", "team"],
)
def test_a_runner_is_a_strict_tool_with_one_argument(tool: BaseTool[Any, Any]) -> None:
    schema = tool.schema

    assert (schema["name"], schema["description"], schema["strict"]) == ("writer", "writer speaks", True)
    assert list(schema["parameters"]["properties"]) == schema["parameters"]["required"] == ["task"]
    assert schema["parameters"]["properties"]["task"]["type"] == "string"
    assert tool.return_type() is TaskResult


async def test_a_result_is_what_all_said_but_the_user() -> None:
    team = RoundRobinGroupChat(
        [Speaker("ana", "one", says_before=[ThoughtEvent(content="hm", source="ana")]), Speaker("ben", "two")],
        max_turns=2,
    )
    tool = TeamTool(team, "essay", "Writes an essay.")
    result = await tool.run_json({"task": "go"}, CancellationToken())

    assert tool.return_value_as_string(result) == "ana: one\n\nben: two"


async def test_a_result_can_be_the_last_message_alone() -> None:
    team = RoundRobinGroupChat([Speaker("ana", "one"), Speaker("ben", "two")], max_turns=2)
    tool = TeamTool(team, "essay", "Writes an essay.", return_value_as_last_message=True)
    result = await tool.run_json({"task": "go"}, CancellationToken())

    assert tool.return_value_as_string(result) == "two"


@pytest.mark.parametrize("messages", [[ThoughtEvent(content="hm", source="ana")], []], ids=["an event", "nothing"])
def test_a_last_item_that_is_no_chat_message_is_refused(messages: Any) -> None:
    tool = AgentTool(Speaker("ana"), return_value_as_last_message=True)

    with pytest.raises(ValueError, match=r"The agent 'ana' ended with .*, which is no chat message"):
        tool.return_value_as_string(TaskResult(messages=messages))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: AgentTool(_other("x")), "The agent of an AgentTool is 'x'; give an agent"),
        (lambda: AgentTool(_other(_TEAM)), r"The agent of an AgentTool is .*; write TeamTool\(team, name="),
        (lambda: TeamTool(_other("x"), "essay", "…"), "The team of a TeamTool is 'x'; give a team, such as Round"),
        (
            lambda: TeamTool(_other(Speaker("ana")), "essay", "…"),
            r"The team of a TeamTool is .*; write AgentTool\(agent",
        ),
    ],
)
def test_what_cannot_be_given_a_task_is_refused(make: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        make()


# -- within an assistant ----------------------------------------------------------------------------------------------


async def test_what_happens_in_an_agent_called_as_a_tool_comes_between_request_and_result() -> None:
    inner = writer(answer("Leaves fall.", "autumn"))
    outer = AssistantAgent("editor", Watched([answer([WRITE], "let me")]), tools=[AgentTool(inner)])
    items = await turn(outer, "hi")

    assert names(items) == [
        "ThoughtEvent",
        "ToolCallRequestEvent",
        "TextMessage",
        "ThoughtEvent",
        "TextMessage",
        "ToolCallExecutionEvent",
        "Response(ToolCallSummaryMessage)",
    ]
    assert [(item.source, item.content) for item in items[2:5]] == [
        ("user", "a haiku"),
        ("writer", "autumn"),
        ("writer", "Leaves fall."),
    ]
    assert the_result(items).content == "writer: Leaves fall."
    assert items[-1].inner_messages == items[:-1]


async def test_what_happens_in_a_team_called_as_a_tool_comes_between_request_and_result() -> None:
    team = RoundRobinGroupChat([Speaker("ana", "one"), Speaker("ben", "two")], max_turns=2)
    client = Watched([answer([call("essay", '{"task": "go"}')]), answer("Done.")])
    outer = AssistantAgent("editor", client, tools=[TeamTool(team, "essay", "…")], reflect_on_tool_use=True)
    items = await turn(outer, "hi")

    assert names(items) == [
        "ToolCallRequestEvent",
        "TextMessage",
        "TextMessage",
        "TextMessage",
        "ToolCallExecutionEvent",
        "Response(TextMessage)",
    ]
    assert [item.source for item in items[1:4]] == ["user", "ana", "ben"]


async def test_pieces_of_an_inner_agents_answer_come_live_and_are_no_part_of_the_response() -> None:
    inner = AssistantAgent("writer", ScriptedChatCompletionClient(["two words"]), model_client_stream=True)
    outer = AssistantAgent("editor", Watched([answer([WRITE])]), tools=[AgentTool(inner)])
    items = await turn(outer, "hi")

    pieces = [item for item in items if isinstance(item, ModelClientStreamingChunkEvent)]
    assert "".join(piece.content for piece in pieces) == "two words"
    assert [piece for piece in items[-1].inner_messages if isinstance(piece, ModelClientStreamingChunkEvent)] == []


async def test_inner_messages_are_shown_while_the_inner_agent_is_still_at_work() -> None:
    inner = Waiter("writer", "over")
    outer = AssistantAgent("editor", Watched([answer([WRITE])]), tools=[AgentTool(inner)])
    stream = outer.on_messages_stream([TextMessage(content="hi", source="user")], CancellationToken())
    await anext(stream)

    task = await anext(stream)
    assert isinstance(task, TextMessage)
    assert task.content == "a haiku"
    assert not inner.go_on.is_set()
    inner.go_on.set()
    assert [type(item).__name__ async for item in stream] == ["TextMessage", "ToolCallExecutionEvent", "Response"]


async def test_two_agents_called_at_once_work_at_once_and_have_their_results_in_order() -> None:
    ana, ben = Waiter("ana", "one"), Waiter("ben", "two")
    calls = [call("ana", '{"task": "a"}', "a"), call("ben", '{"task": "b"}', "b")]
    outer = AssistantAgent("editor", Watched([answer(calls)]), tools=[AgentTool(ana), AgentTool(ben)])
    running = asyncio.ensure_future(turn(outer, "hi"))
    await asyncio.gather(ana.begun.wait(), ben.begun.wait())
    ben.go_on.set()
    ana.go_on.set()
    items = await running

    execution = next(item for item in items if type(item).__name__ == "ToolCallExecutionEvent")
    assert [(result.call_id, result.content) for result in execution.content] == [("a", "ana: one"), ("b", "ben: two")]


async def test_an_agent_called_twice_at_once_says_so_clearly() -> None:
    """AutoGen mixes both tasks into one conversation."""
    inner = Waiter("writer", "one")
    inner.go_on.set()
    calls = [call("writer", '{"task": "a"}', "a"), call("writer", '{"task": "b"}', "b")]
    outer = AssistantAgent("editor", Watched([answer(calls), answer([WRITE])]), tools=[AgentTool(inner)])
    first = await turn(outer, "hi")
    second = await turn(outer, "again")

    execution = next(item for item in first if type(item).__name__ == "ToolCallExecutionEvent")
    assert [result.is_error for result in execution.content] == [False, True]
    assert "The agent 'writer' is at work on another call" in execution.content[1].content
    assert "parallel_tool_calls=False" in execution.content[1].content
    assert inner.got == [["a"], ["a haiku"]]
    assert not the_result(second).is_error


async def test_one_agent_behind_two_tools_is_one_agent() -> None:
    inner = Waiter("writer", "one")
    tools = [AgentTool(inner), TeamTool(RoundRobinGroupChat([Speaker("x")], max_turns=1), "x", "x")]
    other = AgentTool(inner)
    running = asyncio.ensure_future(tools[0].run_json({"task": "a"}, CancellationToken()))
    await inner.begun.wait()

    with pytest.raises(RuntimeError, match="'writer' is at work on another call"):
        await other.run_json({"task": "b"}, CancellationToken())
    inner.go_on.set()
    assert len((await running).messages) == 2


async def test_an_inner_agent_that_fails_is_an_error_result() -> None:
    inner = Speaker("writer", OSError("no ink"), "again")
    client = Watched([answer([WRITE]), answer([WRITE])])
    outer = AssistantAgent("editor", client, tools=[AgentTool(inner)])
    items = await turn(outer, "hi")

    assert the_result(items).is_error
    assert "no ink" in the_result(items).content
    assert the_result(await turn(outer, "hi")).content == "writer: again"


async def test_cancelling_ends_the_inner_agent_too_and_leaves_it_free() -> None:
    inner, token = Waiter("writer", "late"), CancellationToken()
    outer = AssistantAgent("editor", Watched([answer([WRITE]), answer([WRITE])]), tools=[AgentTool(inner)])
    running = asyncio.ensure_future(outer.run(task="hi", cancellation_token=token))
    await inner.begun.wait()
    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 5)
    assert inner.cleaned
    inner.go_on.set()
    assert the_result((await outer.run(task="again")).messages).content == "writer: late"


async def test_an_inner_agents_facts_are_in_the_log_of_the_run_once() -> None:
    inner = writer(answer("Leaves fall."))
    outer = AssistantAgent("editor", Watched([answer([WRITE])]), tools=[AgentTool(inner)])
    log = RunLog()
    result = await outer.run(task="hi", log=log)

    said = [event.body.message for event in log if isinstance(event.body, Said)]
    assert [message.id for message in said] == [message.id for message in result.messages]  # type: ignore[attr-defined]
    runs = [event for event in log if event.kind == "run.started"]
    started = next(event for event in log if event.kind == "tool.started")
    assert [run.source for run in runs] == ["editor", "writer"]
    assert runs[1].parent == started.id


# -- a workbench on its own -------------------------------------------------------------------------------------------


async def test_a_workbench_streams_what_a_runner_says_and_ends_with_the_text() -> None:
    bench = StaticStreamWorkbench([AgentTool(Speaker("writer", "done"))])
    items = [item async for item in bench.call_tool_stream("writer", {"task": "go"})]

    assert [type(item) for item in items] == [TextMessage, TextMessage, ToolResult]
    assert items[-1].to_text() == "writer: done"


async def test_arguments_that_do_not_fit_are_an_error_result() -> None:
    result = await StaticStreamWorkbench([AgentTool(Speaker("writer"))]).call_tool("writer", {"what": 1})

    assert result.is_error
    assert "task" in result.to_text()


# -- state and JSON ---------------------------------------------------------------------------------------------------


async def test_the_state_of_a_tool_is_the_state_of_its_runner() -> None:
    bench = StaticStreamWorkbench([AgentTool(writer("one"))])
    await bench.call_tool("writer", {"task": "a"})
    state = json.loads(json.dumps(await bench.save_state()))
    client = Watched(["two"])
    other = StaticStreamWorkbench([AgentTool(AssistantAgent("writer", client, system_message=None))])
    await other.load_state(state)
    await other.call_tool("writer", {"task": "b"})

    assert [message.content for message in client.asked[0]] == ["a", "one", "b"]


async def test_the_state_of_a_team_goes_through_its_tool() -> None:
    def tool() -> TeamTool:
        return TeamTool(RoundRobinGroupChat([Speaker("ana", "1", "2", "3")], max_turns=1), "t", "t")

    first, second = tool(), tool()
    await first.run_json({"task": "go"}, CancellationToken())
    await second.load_state_json(json.loads(json.dumps(await first.save_state_json())))

    assert (await second.run_json({"task": "go"}, CancellationToken())).messages[-1].to_text() == "2"


def _agent() -> AssistantAgent:
    return AssistantAgent("writer", ReplayChatCompletionClient(["x"]), description="Writes.")


@pytest.mark.parametrize(
    ("tool", "config"),
    [
        (AgentTool(_agent()), {"agent", "return_value_as_last_message"}),
        (AgentTool(_agent(), return_value_as_last_message=True), {"agent", "return_value_as_last_message"}),
        (
            TeamTool(RoundRobinGroupChat([_agent()], max_turns=1), "essay", "Writes an essay."),
            {"name", "description", "team", "return_value_as_last_message"},
        ),
    ],
    ids=["agent", "agent, last message", "team"],
)
def test_a_runner_tool_is_written_with_its_runner_and_made_again(tool: Any, config: set[str]) -> None:
    written = tool.dump_component()
    made: Any = BaseTool.load_component(json.loads(written.model_dump_json()))

    assert written.provider == f"agentnb.tools.{type(tool).__name__}"
    assert (written.component_type, written.component_version) == ("tool", 1)
    assert set(written.config) == config
    assert type(made) is type(tool)
    assert made.dump_component() == written
    assert made.schema == tool.schema


def test_autogens_json_of_a_runner_tool_is_read() -> None:
    written = json.loads(AgentTool(_agent(), return_value_as_last_message=True).dump_component().model_dump_json())
    written["provider"] = "autogen_agentchat.tools.AgentTool"
    written["config"]["agent"]["provider"] = "autogen_agentchat.agents.AssistantAgent"

    made: Any = BaseTool.load_component(written)
    assert isinstance(made, AgentTool)
    assert (made.name, made.description) == ("writer", "Writes.")


async def test_an_agent_of_ones_own_is_a_tool_too() -> None:
    class Stopper(Speaker):
        async def on_messages_stream(
            self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
        ) -> AsyncGenerator[Any, None]:
            yield Response(chat_message=StopMessage(content="enough", source=self.name))

    items = await turn(AssistantAgent("editor", Watched([answer([WRITE])]), tools=[AgentTool(Stopper("writer"))]), "hi")

    assert the_result(items).content == "writer: enough"


async def test_what_an_inner_agent_says_is_not_heard_by_the_others_of_the_outer_team() -> None:
    outer = AssistantAgent("editor", Watched([answer([WRITE])]), tools=[AgentTool(writer(answer("Leaves fall.")))])
    ben = Speaker("ben", "fine")
    await RoundRobinGroupChat([outer, ben], max_turns=2).run(task="go")

    assert ben.got == [["go", "writer: Leaves fall."]]
