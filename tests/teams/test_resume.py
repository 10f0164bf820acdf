from __future__ import annotations

from typing import Any

import pytest

from agentnb.base import TaskResult
from agentnb.runlog import RunLog, result_of
from tests.teams.scenarios import SCENARIOS, World
from tests.teams.told import effects, half_done, texts


def cut(log: RunLog, at: int) -> RunLog:
    """Return the log of a process that ended after its `at`-th fact."""
    copy = RunLog(run_id=log.id)
    copy._events = list(log.events[:at])
    return copy


def without_ids(state: Any) -> Any:
    """Return a state without what differs from run to run: ids and times."""
    if isinstance(state, dict):
        changing = ("id", "created_at", "metadata", "request_id")
        return {key: without_ids(value) for key, value in state.items() if key not in changing}
    return [without_ids(item) for item in state] if isinstance(state, list) else state


async def whole(name: str) -> tuple[TaskResult, World, Any]:
    world = World()
    runner = SCENARIOS[name](world)
    result = await runner.run(task="Begin.", log=RunLog())
    return result, world, without_ids(await runner.save_state())


@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_run_that_broke_off_anywhere_ends_as_if_it_had_not(name: str) -> None:
    result, world, state = await whole(name)
    log = result.log
    assert log is not None
    first = next(event.seq for event in log if event.kind == "message")

    for at in range(first, len(log)):
        broken = cut(log, at)
        begun = half_done(broken)
        again = World()
        runner = SCENARIOS[name](again)
        resumed = await runner.resume(broken)

        assert resumed.stop_reason == result.stop_reason, at
        assert [m.id for m in result_of(broken, runner._last_run)] == [m.id for m in resumed.messages], at
        asked = sum(event.kind == "model.finished" for event in log.events[:at])
        if begun:  # the agent was told that it does not know what became of it
            told = any("broke off during this" in text for _, text in texts(resumed))
            assert told or name in ("society", "asking"), at
            continue
        assert texts(resumed) == texts(result), at
        assert asked + again.asked == world.asked, at
        assert effects(broken) == sorted(world.done), at
        assert without_ids(await runner.save_state()) == state, at


@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_run_that_broke_off_twice_ends_as_if_it_had_not(name: str) -> None:
    result, world, state = await whole(name)
    log = result.log
    assert log is not None
    first = next(event.seq for event in log if event.kind == "message")

    for at in range(first, len(log), 11):
        broken = cut(log, at)
        if half_done(broken):
            continue
        await SCENARIOS[name](World()).resume(broken)
        for later in range(at + 1, len(broken), 7):
            twice = cut(broken, later)
            if half_done(twice):
                continue
            again = World()
            runner = SCENARIOS[name](again)
            resumed = await runner.resume(twice)

            assert texts(resumed) == texts(result), (at, later)
            assert [m.id for m in result_of(twice, runner._last_run)] == [m.id for m in resumed.messages], (at, later)
            asked = sum(event.kind == "model.finished" for event in twice.events[:later])
            assert asked + again.asked == world.asked, (at, later)
            assert without_ids(await runner.save_state()) == state, (at, later)
