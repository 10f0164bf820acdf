"""Who iterates a run may break off at any item, and nothing has come of that item yet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from agentnb.agents import AssistantAgent, BaseChatAgent, CodeExecutorAgent, UserProxyAgent, approve_all
from agentnb.core import CancellationToken
from agentnb.messages import (
    CodeGenerationEvent,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
    UserInputRequestedEvent,
)
from agentnb.models.scripted import ScriptedChatCompletionClient
from agentnb.runlog import RunFinished, RunLog
from agentnb.teams import RoundRobinGroupChat
from tests.agents.conftest import answer, call
from tests.agents.executors import Recorder
from tests.teams.conftest import Speaker, Waiter, texts


class Acting:
    """An agent that has called its tool as often as `times` says."""

    def __init__(self) -> None:
        self.times = 0

        async def act() -> str:
            """Act."""
            self.times += 1
            return "acted"

        self.model = ScriptedChatCompletionClient([answer([call("act")]), "done", "again"])
        self.agent = AssistantAgent("ana", self.model, tools=[act], max_tool_iterations=2)


async def left_at(agent: BaseChatAgent, kind: type[Any], **options: Any) -> None:
    """Iterate an agent's run and break off at the first item of a kind."""
    async for item in agent.run_stream(task="go", **options):
        if isinstance(item, kind):
            break
    for _ in range(20):
        await asyncio.sleep(0)  # whatever could still happen


async def test_an_agent_that_is_left_at_its_tool_call_has_called_no_tool() -> None:
    acting, log = Acting(), RunLog()

    await left_at(acting.agent, ToolCallRequestEvent, log=log)

    assert acting.times == 0
    assert [e.body.outcome for e in log if isinstance(e.body, RunFinished)] == ["stopped"]


async def test_code_that_is_announced_runs_when_the_next_item_is_asked_for() -> None:
    executor = Recorder()
    model = ScriptedChatCompletionClient(["```python\n6 * 7\n```"])

    await left_at(
        CodeExecutorAgent("coder", executor, model_client=model, approval_func=approve_all), CodeGenerationEvent
    )

    assert executor.ran == []


async def test_a_person_is_asked_when_the_request_was_read() -> None:
    asked: list[str] = []
    person = UserProxyAgent("person", input_func=lambda prompt: asked.append(prompt) or "yes")  # type: ignore[func-returns-value]

    await left_at(person, UserInputRequestedEvent)

    assert asked == []


async def test_a_slow_reader_sees_each_step_before_the_next_is_done() -> None:
    acting = Acting()
    seen: list[tuple[str, int]] = []

    async for item in acting.agent.run_stream(task="go"):
        await asyncio.sleep(0)
        seen.append((type(item).__name__, acting.times))

    kinds = ["TextMessage", "ToolCallRequestEvent", "ToolCallExecutionEvent", "TextMessage", "TaskResult"]
    assert seen == list(zip(kinds, [0, 0, 1, 1, 1], strict=True))


async def test_an_agent_left_at_its_task_has_not_begun() -> None:
    acting = Acting()

    async for _ in acting.agent.run_stream(task="go"):
        break
    result = await acting.agent.run(task="now")

    assert texts(result)[-1] == "done"
    assert [message.content for message in acting.model.asked[0][1:]] == ["now"]


async def test_an_agent_left_between_call_and_result_goes_on_at_once_with_a_new_task() -> None:
    acting = Acting()

    async for item in acting.agent.run_stream(task="go"):
        if isinstance(item, ToolCallRequestEvent):
            break
    result = await acting.agent.run(task="now")

    assert texts(result) == ["now", "done"]
    assert acting.times == 0
    kinds = [type(message).__name__ for message in acting.model.asked[-1]]
    assert kinds == ["SystemMessage", "UserMessage", "UserMessage"]


async def test_a_token_ends_a_run_whose_reader_asks_for_nothing() -> None:
    acting, token = Acting(), CancellationToken()

    async def read() -> None:
        async for item in acting.agent.run_stream(task="go", cancellation_token=token):
            if isinstance(item, ToolCallRequestEvent):
                token.cancel()
            assert not isinstance(item, ToolCallExecutionEvent)

    with pytest.raises(asyncio.CancelledError):
        await read()

    assert acting.times == 0


async def test_who_reads_no_stream_waits_for_nobody() -> None:
    acting = Acting()

    await RoundRobinGroupChat([acting.agent], max_turns=1).run(task="go")

    assert acting.times == 1


# -- teams, which go on while they are read ---------------------------------------------------------------------------


async def through(stream: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
    async for item in stream:
        yield item


@pytest.mark.parametrize("wrapped", [0, 1, 2])
async def test_a_team_left_at_work_takes_the_next_task_at_once(wrapped: int) -> None:
    ben = Waiter("ben")
    crew = RoundRobinGroupChat([Speaker("ana"), ben], max_turns=2)
    stream: Any = crew.run_stream(task="go")
    for _ in range(wrapped):
        stream = through(stream)
    async for item in stream:
        if item.source == "ana":
            await ben.begun.wait()
            break
    del stream

    running = asyncio.ensure_future(crew.run(task="now"))
    for _ in range(20):
        await asyncio.sleep(0)
    was_stopped = ben.cleaned
    ben.go_on.set()

    assert was_stopped
    assert texts(await running) == ["now", "ben says", "ana says"]


@pytest.mark.parametrize("what", ["reset", "load_state", "close"])
async def test_a_team_left_at_work_can_be_changed_at_once(what: str) -> None:
    ben = Waiter("ben")
    crew = RoundRobinGroupChat([Speaker("ana"), ben], max_turns=2)
    state = await crew.save_state()
    async for item in crew.run_stream(task="go"):
        if item.source == "ana":  # type: ignore[union-attr]
            break

    await (crew.load_state(state) if what == "load_state" else getattr(crew, what)())

    assert ben.cleaned or not ben.begun.is_set()


async def test_a_stream_that_was_left_and_kept_is_named_with_the_way_to_end_it() -> None:
    ben = Waiter("ben")
    crew = RoundRobinGroupChat([ben], max_turns=1)
    stream = crew.run_stream(task="go")
    async for _ in stream:
        break

    with pytest.raises(ValueError, match=r"is running already.*await stream\.aclose\(\)"):
        await crew.run(task="now")

    await stream.aclose()
    ben.go_on.set()
    assert texts(await crew.run(task="now")) == ["now", "ben says"]


async def test_a_team_that_runs_itself_within_its_run_is_refused_as_ever() -> None:
    async def again(_: Any) -> str:
        with pytest.raises(ValueError, match="is running already"):
            await crew.run(task="again")
        return "refused"

    crew = RoundRobinGroupChat([Speaker("ana", again)], max_turns=1)

    assert [getattr(item, "content", None) async for item in crew.run_stream(task="go")] == ["go", "refused", None]
