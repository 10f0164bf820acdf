"""Runs in the background."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from agentnb.base import RunHandle, TaskResult
from agentnb.core import CancellationToken
from agentnb.exceptions import AgentFailed
from agentnb.runlog import RunPaused
from agentnb.teams import BaseGroupChat, RoundRobinGroupChat, TeamView
from tests.teams.conftest import Speaker, Waiter, sources, texts


async def until(happened: Any) -> None:
    async with asyncio.timeout(5):
        while not happened():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0)


def pauses(run: RunHandle) -> list[str]:
    assert run.log is not None
    return [event.body.state for event in run.log if isinstance(event.body, RunPaused)]


async def test_a_run_goes_on_in_the_background_and_gives_its_result() -> None:
    run = RoundRobinGroupChat([Speaker("ana"), Speaker("ben")], max_turns=2).start(task="go")

    assert run.state == "running"
    result = await run
    assert isinstance(result, TaskResult)
    assert sources(result) == ["user", "ana", "ben"]
    assert (run.state, run.result, run.stop_reason) == ("done", result, result.stop_reason)


async def test_what_was_said_so_far_can_be_read_while_it_runs() -> None:
    ben = Waiter("ben")
    run = RoundRobinGroupChat([Speaker("ana", "a"), ben], max_turns=2).start(task="go")

    await ben.begun.wait()

    assert texts(run) == ["go", "a"]
    assert run.stop_reason is None
    assert texts(run.result) == ["go", "a"]
    ben.go_on.set()
    await run


async def test_stopping_keeps_what_was_said_and_the_next_run_works() -> None:
    ben = Waiter("ben", "b")
    team = RoundRobinGroupChat([Speaker("ana", "a"), ben], max_turns=2)
    run = team.start(task="go")
    await ben.begun.wait()

    run.stop()
    result = await run
    ben.go_on.set()

    assert (texts(result), result.stop_reason, run.state) == (["go", "a"], "stopped", "stopped")
    assert ben.cleaned
    assert sources(await team.run()) == ["ben", "ana"]


async def test_a_run_stopped_before_its_first_step_gives_an_empty_result() -> None:
    run = RoundRobinGroupChat([Speaker("ana")], max_turns=1).start(task="go")

    run.stop()

    result = await run
    assert (list(result.messages), result.stop_reason, run.log) == ([], "stopped", None)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.11 has no eager tasks")
async def test_a_run_does_not_begin_before_its_start_is_over_where_tasks_are_eager() -> None:
    asyncio.get_running_loop().set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009
    run = RoundRobinGroupChat([Speaker("ana")], max_turns=1).start(task="go")

    run.stop()

    assert list((await run).messages) == []


async def test_a_paused_run_ends_its_turn_and_waits_before_the_next() -> None:
    ana, ben = Waiter("ana"), Speaker("ben")
    run = RoundRobinGroupChat([ana, ben], max_turns=2).start(task="go")
    await ana.begun.wait()

    run.pause()
    ana.go_on.set()
    assert await run.held()

    assert run.state == "paused"
    assert sources(run) == ["user", "ana"]
    assert ben.got == []
    run.resume()
    assert sources(await run) == ["user", "ana", "ben"]
    assert pauses(run) == ["paused", "resumed"]
    assert ana.calls == ben.calls == ["pause", "resume"]


async def test_a_paused_run_may_have_one_turn_at_a_time() -> None:
    run = RoundRobinGroupChat([Speaker("ana"), Speaker("ben")], max_turns=3).start(task="go")
    run.pause()
    assert await run.held()
    seen = []

    for _ in range(2):
        run.step()
        assert await run.held()
        seen.append(sources(run))

    assert seen == [["user", "ana"], ["user", "ana", "ben"]]
    run.resume()
    assert sources(await run) == ["user", "ana", "ben", "ana"]
    assert pauses(run) == ["paused", "step", "step", "resumed"]


async def test_a_step_of_a_run_that_is_not_paused_is_refused() -> None:
    run = RoundRobinGroupChat([Speaker("ana")], max_turns=1).start(task="go")

    with pytest.raises(ValueError, match=r"not paused. Call pause\(\) first"):
        run.step()
    await run


async def test_a_paused_run_can_be_stopped() -> None:
    team = RoundRobinGroupChat([Speaker("ana")], max_turns=1)
    run = team.start(task="go")
    run.pause()
    assert await run.held()

    run.stop()

    assert sources(await run) == ["user"]
    assert sources(await team.run(task="again")) == ["user", "ana"]


async def test_a_cancelled_token_ends_a_paused_run() -> None:
    token = CancellationToken()
    run = RoundRobinGroupChat([Speaker("ana")], max_turns=1).start(task="go", cancellation_token=token)
    run.pause()
    assert await run.held()

    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await run
    assert run.state == "stopped"


async def test_who_waits_for_a_run_may_leave_and_the_run_goes_on() -> None:
    ana = Waiter("ana")
    run = RoundRobinGroupChat([ana], max_turns=1).start(task="go")
    await ana.begun.wait()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(run._finished(), 0.01)

    ana.go_on.set()
    assert sources(await run) == ["user", "ana"]


async def test_a_failed_run_raises_where_it_is_awaited_and_keeps_what_was_said() -> None:
    run = RoundRobinGroupChat([Speaker("ana"), Speaker("ben", ValueError("no"))], max_turns=2).start(task="go")

    with pytest.raises(AgentFailed, match="'ben' failed: ValueError: no"):
        await run
    assert (run.state, sources(run.result)) == ("failed", ["user", "ana"])


async def test_nothing_happens_to_a_run_that_is_over() -> None:
    run = RoundRobinGroupChat([Speaker("ana")], max_turns=1).start(task="go")
    await run

    run.stop()
    run.pause()
    run.resume()
    run.step()

    assert run.state == "done"
    assert pauses(run) == []


async def test_an_agent_alone_runs_in_the_background_too() -> None:
    run = Speaker("ana").start(task="go")

    assert sources(await run) == ["user", "ana"]
    assert "done" in repr(run)


async def test_a_malformed_task_is_refused_where_the_run_is_started() -> None:
    with pytest.raises(ValueError, match="empty list"):
        Speaker("ana").start(task=[])


async def test_an_error_of_on_pause_is_reported_and_the_run_goes_on() -> None:
    class Proud(Speaker):
        async def on_pause(self, cancellation_token: CancellationToken) -> None:
            raise ValueError("I do not pause")

    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    run = RoundRobinGroupChat([Proud("ana")], max_turns=1).start(task="go")

    run.pause()
    await until(lambda: bool(reported))
    run.resume()

    assert sources(await run) == ["user", "ana"]
    assert str(reported[0]["exception"]) == "I do not pause"


async def test_a_run_paused_while_the_next_speaker_is_chosen_waits_before_that_one_speaks() -> None:
    choosing, chosen = asyncio.Event(), asyncio.Event()

    async def choose(view: TeamView) -> str:
        choosing.set()
        await chosen.wait()
        return "ana"

    ana = Speaker("ana")
    run = BaseGroupChat([ana], choose, max_turns=1).start(task="go")
    await choosing.wait()

    run.pause()
    chosen.set()
    assert await run.held()

    assert ana.got == []
    run.resume()
    assert sources(await run) == ["user", "ana"]


async def test_a_run_that_ends_is_not_held() -> None:
    run = RoundRobinGroupChat([Speaker("ana")], max_turns=1).start(task="go")

    assert not await run.held()
    assert run.state == "done"
