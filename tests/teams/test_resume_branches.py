"""Branches that are cut within what an agent does: what came of it is known to the run they come from."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agentnb.agents import AssistantAgent
from agentnb.memory import ListMemory, MemoryContent, MemoryMimeType
from agentnb.messages import FunctionCall, FunctionExecutionResultMessage
from agentnb.models import ScriptedChatCompletionClient
from agentnb.runlog import Event, MemoryStarted, Noted, RunLog
from agentnb.teams import RoundRobinGroupChat
from agentnb.tools import FunctionTool
from tests.teams.scenarios import SCENARIOS, World
from tests.teams.told import effects, texts


def behind(log: RunLog | None, kind: str, number: int = 0) -> int:
    """Return how many facts there are up to one of a kind."""
    assert log is not None
    return [event.seq for event in log if event.kind == kind][number]


def notes(log: RunLog | None) -> list[str]:
    assert log is not None
    return [event.body.text for event in log if isinstance(event.body, Noted)]


def reader(calls: list[str], *, idempotent: bool = False) -> RoundRobinGroupChat:
    """A team whose agent reads a page and says what it read."""

    def read(page: str) -> str:
        """Read a page."""
        calls.append(page)
        return f"{page}, read {len(calls)} times"

    def answer(messages: Any) -> Any:
        if len(messages) < 3:
            return [FunctionCall(id="1", name="read", arguments='{"page": "home"}')]
        return messages[-1].content[0].content

    model = ScriptedChatCompletionClient([answer], repeats=True)
    tool = FunctionTool(read, "Read a page.", idempotent=idempotent)
    return RoundRobinGroupChat([AssistantAgent("ana", model, tools=[tool], max_tool_iterations=2)], max_turns=1)


@pytest.mark.parametrize("idempotent", [False, True])
async def test_a_branch_behind_the_beginning_of_a_call_is_told_what_came_of_it(idempotent: bool) -> None:
    calls: list[str] = []
    origin = (await reader(calls, idempotent=idempotent).run(task="go")).log
    assert origin is not None
    branch = origin.branch(at=behind(origin, "tool.started"))

    result = await reader(calls, idempotent=idempotent).resume(str(branch.path))

    assert result.messages[-1].to_text() == "home, read 1 times"
    assert calls == ["home"]
    assert notes(result.log)[0] == (
        "What came of 1 call that had begun before the branch is taken from the run it comes from."
    )


async def test_a_branch_before_the_beginning_of_a_call_makes_the_call_itself() -> None:
    calls: list[str] = []
    origin = (await reader(calls).run(task="go")).log
    assert origin is not None

    result = await reader(calls).resume(origin.branch(at=behind(origin, "tool.started") - 1))

    assert result.messages[-1].to_text() == "home, read 2 times"


async def test_a_branch_keeps_what_came_of_a_call_when_its_origin_is_gone() -> None:
    calls: list[str] = []
    origin = (await reader(calls).run(task="go")).log
    assert origin is not None
    branch = origin.branch(at=behind(origin, "tool.started"))
    first = (await reader(calls).resume(branch)).log
    assert first is not None
    alone = first.save(Path(str(first.path)).parent / "alone.jsonl")
    Path(str(origin.path)).unlink()

    table = RunLog.open(alone)
    cut = table.branch(at=behind(table, "tool.finished"))
    again = await reader(calls).resume(cut)

    assert again.messages[-1].to_text() == "home, read 1 times"
    assert calls == ["home"]


async def test_a_branch_of_a_branch_is_told_what_the_first_run_knows() -> None:
    calls: list[str] = []
    origin = (await reader(calls).run(task="go")).log
    assert origin is not None
    branch = origin.branch(at=behind(origin, "tool.started")).branch(at=behind(origin, "tool.started") + 1)

    result = await reader(calls).resume(str(branch.path))

    assert result.messages[-1].to_text() == "home, read 1 times"


async def test_a_branch_whose_origin_is_gone_says_that_nobody_knows() -> None:
    calls: list[str] = []
    origin = (await reader(calls).run(task="go", log=RunLog())).log
    assert origin is not None
    branch = origin.branch(at=behind(origin, "tool.started"), in_memory=True)
    gone = weakref.ref(origin)
    del origin
    while gone() is not None:  # the thread that ran the tool may have to let go of it yet
        gc.collect()
        await asyncio.sleep(0.001)

    result = await reader(calls).resume(branch)

    assert result.messages[-1].to_text().startswith("The run broke off during this call; whether it took effect")
    assert calls == ["home"]


async def test_a_branch_of_a_run_that_still_waits_for_a_call_says_that_nobody_knows() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    def waiting() -> RoundRobinGroupChat:
        async def wait() -> str:
            """Wait."""
            begun.set()
            await go_on.wait()
            return "waited"

        wants = [FunctionCall(id="1", name="wait", arguments="{}")]
        model = ScriptedChatCompletionClient([wants])
        return RoundRobinGroupChat([AssistantAgent("ana", model, tools=[wait])], max_turns=1)

    handle = waiting().start(task="go")
    await begun.wait()
    assert handle.log is not None
    at = len(handle.log)
    branch = handle.log.branch(at=at)

    early = await waiting().resume(str(branch.path))
    go_on.set()
    await handle
    late = await waiting().resume(handle.log.branch(at=at))

    assert early.messages[-1].to_text().startswith("The run broke off during this call")
    assert late.messages[-1].to_text() == "waited"


async def test_code_that_ended_behind_the_cut_is_run_again_if_asked_for() -> None:
    world = World()
    origin = (await SCENARIOS["coder"](world).run(task="go")).log
    assert origin is not None
    branch = origin.branch(at=behind(origin, "code.started"))
    later, eager = World(), World()

    again = await SCENARIOS["coder"](eager).resume(str(branch.path), rerun_code=True)
    anew = await SCENARIOS["coder"](later).resume(origin.branch(at=behind(origin, "code.started")))

    assert eager.done == world.done
    assert later.done == world.done[1:]
    assert texts(again) == texts(anew)


class Kept(ListMemory):
    """Begins anew each time it is told what it learnt, as one does that does not look at what it has."""

    async def relearn(self, facts: Sequence[Event]) -> None:
        self.content = [fact.body.learnt for fact in facts if isinstance(fact.body, MemoryStarted)]


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("memory", [ListMemory, Kept])
@pytest.mark.parametrize("before", [0, 1])
async def test_a_branch_cut_within_a_call_knows_what_memories_learnt_in_it(
    memory: type[ListMemory], before: int, alone: bool
) -> None:
    """A branch was told the call's result, and its memory lacked what it had learnt in it."""

    def made() -> tuple[ListMemory, AssistantAgent | RoundRobinGroupChat]:
        diary = memory()

        async def learn(thing: str) -> str:
            """Keep a thing in mind."""
            await diary.add(MemoryContent(content=f"{thing}, and", mime_type=MemoryMimeType.TEXT))
            await diary.add(MemoryContent(content=thing, mime_type=MemoryMimeType.TEXT))
            return f"learnt {thing}"

        def answer(messages: Any) -> Any:
            done = sum(isinstance(message, FunctionExecutionResultMessage) for message in messages)
            if done == 2:
                return "done"
            name = ("one", "two")[done]
            return [FunctionCall(id=name, name="learn", arguments=f'{{"thing": "{name}"}}')]

        model = ScriptedChatCompletionClient([answer], repeats=True)
        ana = AssistantAgent("ana", model, tools=[learn], max_tool_iterations=3, memory=[diary])
        return diary, ana if alone else RoundRobinGroupChat([ana], max_turns=1)

    def known(of: ListMemory) -> list[str]:
        return [str(content.content) for content in of.content]

    origin = (await made()[1].run(task="go")).log
    assert origin is not None
    branch = origin.branch(at=behind(origin, "tool.started", before))

    diary, team = made()
    result = await team.resume(str(branch.path))
    later, again = made()
    await again.restore(str(branch.path))

    assert result.messages[-1].to_text() == "done"
    assert known(diary) == known(later) == ["one, and", "one", "two, and", "two"]
    assert notes(result.log)[0].startswith("What came of 1 call that")


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_a_branch_cut_within_any_effect_goes_on_as_its_origin_did(scenario: str) -> None:
    world = World()
    result = await SCENARIOS[scenario](world).run(task="go")
    origin = result.log
    assert origin is not None
    cuts = [event.seq for event in origin if event.kind in ("tool.started", "code.started")]
    for at in cuts:
        later = World()
        branch = origin.branch(at=at)

        again = await SCENARIOS[scenario](later).resume(str(branch.path))

        assert texts(again) == texts(result), at
        known: Any = effects(RunLog.open(str(branch.path)))
        assert sorted([*world.done]) == known, at
