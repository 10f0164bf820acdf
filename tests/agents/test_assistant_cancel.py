"""An assistant that is stopped, and tools that end badly: a turn always ends, and the next one works."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import pytest

from agentnb.agents import AssistantAgent
from agentnb.core import CancellationToken
from agentnb.exceptions import ModelUnreachable, ToolError
from agentnb.messages import (
    CreateResult,
    FunctionCall,
    FunctionExecutionResult,
    LLMMessage,
    TextMessage,
    ToolCallRequestEvent,
)
from agentnb.runlog import RunLog, Said
from agentnb.tools import FunctionTool, ToolResult
from tests.agents.conftest import Watched, answer, call, names, turn
from tests.runlog.clients import Bench, arrival

ASK = [TextMessage(content="hi", source="user")]


class Deaf(Watched):
    """A model whose client pays no heed to tokens."""

    def __init__(self, script: Sequence[Any]) -> None:
        super().__init__(script)
        self.begun = asyncio.Event()
        self.slow = True

    async def create(self, messages: Sequence[LLMMessage], **options: Any) -> CreateResult:
        if self.slow:
            self.begun.set()
            await asyncio.Event().wait()
        return await super().create(messages, **options)

    async def create_stream(
        self, messages: Sequence[LLMMessage], **options: Any
    ) -> AsyncGenerator[str | CreateResult, None]:
        yield "one "
        self.begun.set()
        await asyncio.Event().wait()


class DeafBench(Bench):
    """A workbench whose calls never end by themselves, whatever the token says."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> ToolResult:
        if name != "fail":
            return await super().call_tool(name, arguments, cancellation_token, call_id)
        self.begun.set()
        await asyncio.Event().wait()
        raise AssertionError


WAIT = call("fail", "{}", "w")
ADD = call("add", '{"a": 1, "b": 2}', "a")


@pytest.mark.parametrize("calls", [[WAIT], [ADD, WAIT], [WAIT, ADD, WAIT]], ids=["one", "two", "three"])
@pytest.mark.parametrize("how", ["on_messages", "run"])
async def test_cancelling_the_token_while_a_deaf_tool_runs_ends_an_agent_on_its_own(how: str, calls: Any) -> None:
    bench, token = DeafBench(), CancellationToken()
    agent = AssistantAgent("ana", Watched([answer(calls), "on"]), workbench=bench)
    going: Any = (
        agent.on_messages(ASK, token) if how == "on_messages" else agent.run(task=ASK, cancellation_token=token)
    )
    running = asyncio.ensure_future(going)
    await bench.begun.wait()
    await asyncio.sleep(0)
    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 5)
    assert (await agent.run()).messages[-1].to_text() == "on"


@pytest.mark.parametrize("stream", [False, True])
async def test_cancelling_the_token_while_a_deaf_model_answers_ends_an_agent_on_its_own(stream: bool) -> None:
    client, token = Deaf(["on"]), CancellationToken()
    agent = AssistantAgent("ana", client, model_client_stream=stream)
    running = asyncio.ensure_future(agent.on_messages(ASK, token))
    await client.begun.wait()
    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 5)
    assert running.cancelled()


async def test_a_cancelled_token_is_no_cancellation_of_who_waits() -> None:
    bench, token = DeafBench(), CancellationToken()
    agent = AssistantAgent("ana", Watched([answer([WAIT])]), workbench=bench)

    async def waits() -> str:
        try:
            await agent.on_messages(ASK, token)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            await asyncio.sleep(0)
            return f"{task.cancelling()} requests to stop"
        return "an answer"

    waiting = asyncio.ensure_future(waits())
    await bench.begun.wait()
    token.cancel()

    assert await asyncio.wait_for(waiting, 5) == "0 requests to stop"


async def test_a_token_cancelled_before_ends_the_turn_before_the_model_is_asked() -> None:
    client, token = Watched(["a"]), CancellationToken()
    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await AssistantAgent("ana", client).on_messages(ASK, token)
    assert client.asked == []


async def test_results_that_were_there_when_a_turn_was_stopped_are_kept_for_the_model() -> None:
    bench, token, log = DeafBench(), CancellationToken(), RunLog()
    agent = AssistantAgent("ana", Watched([answer([ADD, WAIT])]), workbench=bench)
    done = arrival(log, "tool.finished")
    running = asyncio.ensure_future(agent.run(task="hi", cancellation_token=token, log=log))
    await asyncio.gather(done.wait(), bench.begun.wait())
    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 5)
    said = [event.body.message for event in log if isinstance(event.body, Said)]
    assert [type(message) for message in said] == [TextMessage, ToolCallRequestEvent]
    assert [message.content for message in await agent.model_context.get_messages()] == [
        "hi",
        [ADD, WAIT],
        [
            FunctionExecutionResult(content="3", name="add", call_id="a", is_error=False),
            FunctionExecutionResult(
                content="The call was stopped before it had a result.", name="fail", call_id="w", is_error=True
            ),
        ],
    ]


async def test_leaving_a_stream_in_mid_tool_ends_the_tool() -> None:
    waiting, ended = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        """Wait."""
        waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    def quick() -> str:
        """Be quick."""
        return "done"

    agent = AssistantAgent(
        "ana", Watched([answer([call("wait"), call("quick", "{}", "q")]), "on"]), tools=[wait, quick]
    )
    stream = agent.on_messages_stream(ASK, CancellationToken())
    first = await anext(stream)
    reading = asyncio.ensure_future(anext(stream))
    await waiting.wait()
    reading.cancel()
    await asyncio.wait([reading])
    await stream.aclose()

    assert isinstance(first, ToolCallRequestEvent)
    await asyncio.wait_for(ended.wait(), 5)
    assert (await agent.run()).messages[-1].to_text() == "on"


async def test_a_tool_that_something_else_cancelled_is_an_error_result_and_no_end_of_the_run() -> None:
    class Leaking(Bench):
        async def call_tool(self, name: str, *args: Any, **options: Any) -> ToolResult:
            raise asyncio.CancelledError  # as a connection does that was closed elsewhere

    for calls in ([ADD], [ADD, WAIT]):
        items = await turn(AssistantAgent("ana", Watched([answer(calls)]), workbench=Leaking()), "hi")

        assert names(items)[-1] == "Response(ToolCallSummaryMessage)"
        assert all(result.is_error and "was cancelled" in result.content for result in items[1].content)


async def test_a_workbench_that_raises_ends_no_run_and_hangs_none() -> None:
    client = Watched([answer([ADD, call("fail", "{}", "f"), ADD]), "sorry"])
    agent = AssistantAgent("ana", client, workbench=Bench(), max_tool_iterations=2)
    items = await asyncio.wait_for(turn(agent, "hi"), 5)

    assert [result.content for result in items[1].content] == ["3", "ConnectionError: the server is gone", "3"]
    assert items[-1].chat_message.to_text() == "sorry"


async def test_a_tool_that_exits_the_program_does_not() -> None:
    class Exiting(Bench):
        async def call_tool(self, name: str, *args: Any, **options: Any) -> ToolResult:
            raise SystemExit("usage: tool FILE")

    items = await turn(AssistantAgent("ana", Watched([answer([ADD, WAIT])]), workbench=Exiting()), "hi")

    assert [result.content for result in items[1].content] == ["SystemExit: usage: tool FILE"] * 2


async def test_a_workbench_that_cannot_list_its_tools_is_named_with_the_agent() -> None:
    class Unstarted(Bench):
        async def list_tools(self) -> list[Any]:
            raise ConnectionError("no server")

    agent = AssistantAgent("ana", Watched(["a"]), workbench=Unstarted())

    with pytest.raises(ToolError, match="'ana' cannot list the tools of its Unstarted: ConnectionError: no server"):
        await turn(agent, "hi")


async def test_a_models_error_names_the_agent_that_asked() -> None:
    error = ModelUnreachable("the line is dead")
    agent = AssistantAgent("ana", Watched([error, error]))

    for _ in range(2):
        with pytest.raises(ModelUnreachable) as caught:
            await turn(agent, "hi")
        assert caught.value is error
        assert str(error) == "the line is dead (asked by the agent 'ana')"


async def test_any_other_error_of_a_model_has_a_note_that_names_the_agent() -> None:
    with pytest.raises(KeyError) as caught:
        await turn(AssistantAgent("ana", Watched([KeyError("choices")])), "hi")

    assert caught.value.__notes__ == ["scripted was asked by the agent 'ana'."]


async def test_an_error_of_a_formatter_has_a_note_that_names_agent_tool_and_arguments() -> None:
    def shaped(call: FunctionCall, result: FunctionExecutionResult) -> str:
        raise LookupError("no shape")

    agent = AssistantAgent("ana", Watched([answer([ADD])]), workbench=Bench(), tool_call_summary_formatter=shaped)

    with pytest.raises(LookupError) as caught:
        await turn(agent, "hi")
    assert caught.value.__notes__ == ['The agent \'ana\' was shaping the result of add({"a": 1, "b": 2}).']


async def test_a_sync_tool_never_blocks_the_loop() -> None:
    loop, inside, let_go = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def block() -> str:
        """Block."""
        loop.call_soon_threadsafe(inside.set)
        assert let_go.wait(20)
        return "over"

    agent = AssistantAgent("ana", Watched([answer([call("block")])]), tools=[FunctionTool(block, description="")])
    running = asyncio.ensure_future(turn(agent, "hi"))
    await inside.wait()
    let_go.set()

    assert (await running)[-1].chat_message.to_text() == "over"


async def test_tools_are_listed_once_per_turn() -> None:
    class Counting(Bench):
        listed = 0

        async def list_tools(self) -> list[Any]:
            self.listed += 1
            return await super().list_tools()

    bench = Counting()
    agent = AssistantAgent(
        "ana", Watched([answer([ADD]), answer([ADD, ADD]), "x"]), workbench=bench, max_tool_iterations=5
    )
    await turn(agent, "hi")

    assert bench.listed == 1
