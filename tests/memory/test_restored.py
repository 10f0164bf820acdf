"""What a memory learnt in a run, in the process that goes on with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from agentnb.agents import AssistantAgent, MessageFilterAgent, MessageFilterConfig
from agentnb.core import CancellationToken
from agentnb.memory import ListMemory, MemoryContent, MemoryMimeType
from agentnb.messages import FunctionCall
from agentnb.models import ScriptedChatCompletionClient
from agentnb.runlog import Event, MemoryStarted, RunLog
from agentnb.teams import CheckedTeam, RoundRobinGroupChat
from agentnb.tools import AgentTool


def text(content: str) -> MemoryContent:
    return MemoryContent(content=content, mime_type=MemoryMimeType.TEXT)


def held(memory: ListMemory) -> list[str]:
    return [content.to_text() for content in memory.content]


class Louder(ListMemory):
    """Calls its base class."""

    async def add(self, content: MemoryContent, cancellation_token: CancellationToken | None = None) -> None:
        await super().add(text(content.to_text().upper()), cancellation_token)


def learner(name: str, memory: ListMemory, things: Sequence[str], wait: asyncio.Event | None = None) -> AssistantAgent:
    """An agent that keeps one thing more in each turn, or forgets all for an empty one."""

    async def remember(thing: str) -> str:
        """Keep a thing."""
        await (memory.add(text(thing)) if thing else memory.clear())
        if wait is not None:
            await wait.wait()
        return "kept"

    calls = [
        [FunctionCall(id=f"{name}{n}", name="remember", arguments=f'{{"thing": "{t}"}}')] for n, t in enumerate(things)
    ]
    model = ScriptedChatCompletionClient(calls)
    return AssistantAgent(name, model, tools=[remember], memory=[memory], tool_call_summary_format="{result}")


def team(memory: ListMemory, *things: str, **options: Any) -> RoundRobinGroupChat:
    return RoundRobinGroupChat([learner("ana", memory, things)], **{"max_turns": len(things), **options})


async def test_a_restored_team_remembers_what_it_learnt_in_its_run() -> None:
    log = (await team(ListMemory(), "one", "two").run(task="go")).log
    assert log is not None
    memory = ListMemory(memory_contents=[text("from the start")])

    await team(memory, "more").restore(str(log.path))

    assert held(memory) == ["from the start", "one", "two"]


async def _learnt(*contents: MemoryContent) -> RunLog:
    """Return the log of a run that keeps these in one turn."""
    memory = ListMemory()

    async def remember() -> str:
        """Keep what is given."""
        for content in contents:
            await memory.add(content)
        return "kept"

    asks = ScriptedChatCompletionClient([[FunctionCall(id="1", name="remember", arguments="{}")]])
    ana = AssistantAgent("ana", asks, tools=[remember], memory=[memory], tool_call_summary_format="{result}")
    log = (await RoundRobinGroupChat([ana], max_turns=1).run(task="go")).log
    assert log is not None
    assert log.path is not None
    return RunLog.open(log.path)


async def test_what_a_restored_team_remembers_has_its_kind_and_what_is_known_of_it() -> None:
    given = [
        MemoryContent(content={"unit": "m"}, mime_type=MemoryMimeType.JSON),
        MemoryContent(content="tea", mime_type=MemoryMimeType.TEXT, metadata={"from": "p. 3"}),
        MemoryContent(content="tea", mime_type="text/x-menu", metadata={"from": "p. 4"}),
        MemoryContent(content=b"\x00\xff", mime_type=MemoryMimeType.BINARY),
    ]
    log, memory = await _learnt(*given), ListMemory(memory_contents=[text("tea")])
    some = ListMemory.load_component(ListMemory(memory_contents=given[1:]).dump_component())

    await team(memory, "x").restore(log)
    await team(some, "x").restore(log)

    assert memory.content == [text("tea"), *given]
    assert [content.metadata for content in some.content] == [{"from": "p. 3"}, {"from": "p. 4"}, None, None]


async def test_a_log_that_holds_only_the_text_of_what_was_learnt_is_told_once() -> None:
    log = await _learnt(MemoryContent(content="tea", mime_type=MemoryMimeType.TEXT, metadata={"from": "p. 3"}))
    old = RunLog(run_id=log.id)
    for event in log:
        body = event.body
        if isinstance(body, MemoryStarted):
            body = body.model_copy(update={"content": None})
        old._events.append(event.model_copy(update={"body": body}))
    known = ListMemory(memory_contents=[MemoryContent(content="tea", mime_type="text/plain", metadata={"n": 1})])
    fresh = ListMemory()

    await team(known, "x").restore(old)
    await team(fresh, "x").restore(old)

    assert [content.metadata for content in known.content] == [{"n": 1}]
    assert fresh.content == [text("tea")]


async def test_what_was_forgotten_in_the_run_is_forgotten_again() -> None:
    log = (await team(ListMemory(), "one", "", "two").run(task="go")).log
    memory = ListMemory(memory_contents=[text("from the start")])

    await team(memory, "more").restore(log or "")

    assert held(memory) == ["two"]


async def test_a_memory_that_is_still_there_is_told_nothing_twice() -> None:
    memory = ListMemory()
    runner = team(memory, "one", "two", "three")
    log = (await runner.run(task="go")).log
    assert log is not None

    await runner.restore(log)
    await team(memory, "x").restore(str(log.path))

    assert held(memory) == ["one", "two", "three"]


async def test_a_memory_written_down_since_is_told_nothing_twice() -> None:
    memory = ListMemory()
    log = (await team(memory, "one", "two").run(task="go")).log
    again = ListMemory.load_component(memory.dump_component())

    await team(again, "x").restore(log or "")
    await team(again, "x").restore(log or "")

    assert held(again) == ["one", "two"]


async def test_a_conversation_over_several_logs_is_remembered_as_a_whole() -> None:
    runner = team(ListMemory(), "one", "two", max_turns=1)
    await runner.run(task="go")
    log = (await runner.run(task="on")).log
    memory = ListMemory()

    await team(memory, "x").restore(log or "")

    assert held(memory) == ["one", "two"]


async def test_a_branch_remembers_what_was_learnt_before_it() -> None:
    log = (await team(ListMemory(), "one", "two").run(task="go")).log
    assert log is not None
    cut = next(event.seq for event in log if event.kind == "turn.finished")
    memory = ListMemory()

    await team(memory, "x").restore(log.branch(at=cut))

    assert held(memory) == ["one"]


async def _until_learnt(log: RunLog) -> AsyncIterator[Event]:
    async for event in log.follow():
        yield event
        if event.kind == "memory.finished" and event.body.action == "add":  # type: ignore[attr-defined]
            return


async def test_what_a_turn_learnt_that_broke_off_is_known_once_when_it_is_taken_up() -> None:
    never = asyncio.Event()
    runner = RoundRobinGroupChat([learner("ana", ListMemory(), ["one"], never)], max_turns=1)
    log = RunLog.create("run")
    running = asyncio.ensure_future(runner.run(task="go", log=log))
    kinds = [event.kind async for event in _until_learnt(log)]
    running.cancel()
    await asyncio.wait([running])
    log.close()
    memory = ListMemory()

    result = await team(memory, "one").resume(str(log.path))

    assert "tool.finished" not in kinds
    assert held(memory) == ["one"]
    assert "not known" in result.messages[-1].to_text()


async def test_what_a_turn_learnt_that_broke_off_is_known_though_it_is_not_taken_up() -> None:
    never = asyncio.Event()
    runner = RoundRobinGroupChat([learner("ana", ListMemory(), ["one"], never)], max_turns=1)
    log = RunLog.create("run")
    running = asyncio.ensure_future(runner.run(task="go", log=log))
    _ = [event async for event in _until_learnt(log)]
    running.cancel()
    await asyncio.wait([running])
    log.close()
    here, elsewhere = ListMemory(), ListMemory()

    await team(here, "two").resume(str(log.path), task="something else")
    other = team(elsewhere, "two")
    await other.restore(RunLog.open(str(log.path)).branch(at=len(log), in_memory=True))
    await other.run(task="something else", log=RunLog())

    assert (held(here), held(elsewhere)) == (["one", "two"], ["one", "two"])


async def test_a_class_of_ones_own_learns_again_by_its_own_means() -> None:
    log = (await team(Louder(), "one").run(task="go")).log
    memory = Louder()

    await team(memory, "x").restore(log or "")

    assert held(memory) == ["ONE"]


async def test_of_memories_of_one_name_each_agent_is_given_its_own() -> None:
    def pair(ana: ListMemory, ben: ListMemory) -> RoundRobinGroupChat:
        return RoundRobinGroupChat([learner("ana", ana, ["a"]), learner("ben", ben, ["b"])], max_turns=2)

    log = (await pair(ListMemory(), ListMemory()).run(task="go")).log
    ana, ben, shared = ListMemory(), ListMemory(), ListMemory()

    await pair(ana, ben).restore(log or "")
    await pair(shared, shared).restore(log or "")

    assert (held(ana), held(ben), held(shared)) == (["a"], ["b"], ["a", "b"])


async def test_what_could_have_been_learnt_by_several_memories_is_warned_of() -> None:
    def made(first: ListMemory, second: ListMemory) -> RoundRobinGroupChat:
        agent = learner("ana", first, ["a"])
        agent._memories.append(second)
        return RoundRobinGroupChat([agent], max_turns=1)

    log = (await made(ListMemory(), ListMemory()).run(task="go")).log

    with pytest.warns(
        RuntimeWarning, match=r"Several memories are named 'default_list_memory'.*'ana' told it \(1 fact\)"
    ):
        await made(ListMemory(), ListMemory()).restore(log or "")


@pytest.mark.parametrize("how", ["filtered", "tool", "checked", "alone"])
async def test_memories_of_agents_within_others_are_found(how: str) -> None:
    def made(memory: ListMemory) -> Any:
        ana = learner("ana", memory, ["one"])
        if how == "alone":
            return ana
        if how == "filtered":
            return RoundRobinGroupChat(
                [MessageFilterAgent("ears", ana, MessageFilterConfig(per_source=[]))], max_turns=1
            )
        if how == "checked":
            return CheckedTeam(RoundRobinGroupChat([ana], max_turns=1), lambda said: True)
        asks = [FunctionCall(id="1", name="ana", arguments='{"task": "go"}')]
        chief = AssistantAgent("chief", ScriptedChatCompletionClient([asks]), tools=[AgentTool(ana)])
        return RoundRobinGroupChat([chief], max_turns=1)

    log: RunLog | None = (await made(ListMemory()).run(task="go")).log
    assert log is not None
    memory = ListMemory()

    await made(memory).restore(Path(str(log.path)))

    assert held(memory) == ["one"]
