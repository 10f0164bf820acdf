from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agentnb.exceptions import RuntimeFault, UserError
from agentnb.messages import BaseChatMessage
from agentnb.runlog import Branched, RunLog, RunPaused, totals
from agentnb.teams import CheckedTeam, RoundRobinGroupChat, rollback
from tests.teams.conftest import Speaker, Waiter
from tests.teams.scenarios import World


def no_five(said: Sequence[BaseChatMessage]) -> bool | str:
    return "5" not in said[-1].to_text() or "Five is forbidden."


def counting(*lines: str, **options: Any) -> RoundRobinGroupChat:
    """A team whose agent says its lines whatever it is restored to."""
    left = list(lines)
    ana = Speaker("ana", lambda messages: left.pop(0))
    return RoundRobinGroupChat([ana], **{"max_turns": 3, **options})


def told(result: Any) -> list[str]:
    return [message.to_text() for message in result.messages]


async def test_a_turn_that_fails_the_check_is_taken_back_and_tried_again() -> None:
    team = CheckedTeam(counting("4", "5", "6", "7"), no_five)

    result = await team.run(task="Count.")

    assert told(result) == ["Count.", "4", "This did not pass: Five is forbidden. Try again.", "6", "7"]
    assert result.stop_reason == "the limit of 3 turns was reached"


async def test_several_turns_are_taken_back_at_once() -> None:
    team = CheckedTeam(counting("3", "4", "5", "a", "b", "c"), no_five, on_fail=rollback(2, tells=False))

    result = await team.run(task="Count.")

    assert told(result) == ["Count.", "3", "a", "b"]


async def test_the_log_of_the_result_is_a_branch_that_says_why() -> None:
    result = await CheckedTeam(counting("4", "5", "6", "7"), no_five, name="ward").run(task="Count.")
    assert result.log is not None
    assert result.log.origin is not None
    origin = RunLog.find(result.log.origin.run)

    (branched,) = [event.body for event in result.log if isinstance(event.body, Branched)]
    assert branched.why == "ward: Five is forbidden."
    assert result.log.events[: branched.at] == origin.events[: branched.at]
    assert "5" not in [message.to_text() for message in result.messages]


async def test_a_checked_run_in_memory_leaves_no_file_when_it_goes_back(runs: Path) -> None:
    log = RunLog()

    result = await CheckedTeam(counting("4", "5", "5", "6", "7"), no_five).run(task="Count.", log=log)

    assert not runs.exists()
    assert result.log is not None
    assert result.log.path is None
    assert result.log.origin is not None
    assert sum(isinstance(event.body, Branched) for event in result.log) == 2


async def test_a_checked_run_in_a_folder_of_its_own_goes_back_beside_its_file(runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"

    result = await CheckedTeam(counting("4", "5", "6", "7"), no_five).run(
        task="Count.", log=RunLog.create("checked", folder=folder)
    )

    assert not runs.exists()
    assert result.log is not None
    assert result.log.path is not None
    assert result.log.path.parent == folder
    assert len(RunLog.open(result.log.path)) == len(result.log)


async def test_what_a_branch_shares_is_asked_of_no_model_again() -> None:
    world = World()
    answers: list[str] = []

    def once(said: Sequence[BaseChatMessage]) -> bool:
        answers.append(said[-1].source)
        return len(answers) != 3

    members = [world.assistant("ana"), world.assistant("ben")]
    await CheckedTeam(RoundRobinGroupChat(members, max_turns=3), once, on_fail=rollback(1)).run(task="Go.")

    assert world.asked == 4  # three turns, and the third one again


async def test_a_team_that_keeps_failing_ends_with_the_reason() -> None:
    team = CheckedTeam(counting(*["5"] * 9), no_five, on_fail=rollback(attempts=2))

    result = await team.run(task="Count.")

    assert result.stop_reason == "check ended the run: Five is forbidden. The team had gone back 2 times."
    assert result.log is not None
    assert totals(result.log).stop_reason == result.stop_reason


async def test_a_checked_team_goes_on_with_a_second_task() -> None:
    team = CheckedTeam(counting("1", "5", "2", "3", "4", "6", "7", "5", "8"), no_five, on_fail=rollback(tells=False))
    first = await team.run(task="one")

    second = await team.run(task="two")

    assert told(first) == ["one", "1", "2", "3"]
    assert told(second) == ["two", "4", "6", "7"]
    assert [m.to_text() for m in team.team._thread.messages] == told(first) + told(second)


async def test_a_check_may_be_async_and_say_nothing_for_yes() -> None:
    async def check(said: Sequence[BaseChatMessage]) -> None:
        return None

    assert told(await CheckedTeam(counting("1", "2", "3"), check).run(task="go")) == ["go", "1", "2", "3"]


async def test_the_stream_of_a_checked_team_ends_with_one_result() -> None:
    items = [item async for item in CheckedTeam(counting("5", "1", "2", "3"), no_five).run_stream(task="go")]

    assert [type(item).__name__ for item in items].count("TaskResult") == 1
    assert "5" not in told(items[-1])


async def test_a_run_that_went_back_is_paused_in_the_branch_in_which_it_goes_on() -> None:
    left = ["5", "6", "8"]
    ana, ben = Speaker("ana", lambda messages: left.pop(0)), Waiter("ben", "7")
    run = CheckedTeam(RoundRobinGroupChat([ana, ben], max_turns=3), no_five).start(task="Count.")
    await ben.begun.wait()

    run.pause()
    ben.go_on.set()
    assert await run.held()
    run.resume()
    result = await run

    assert result.log is not None
    assert result.log.origin is not None
    assert [event.body.state for event in result.log if isinstance(event.body, RunPaused)] == ["paused", "resumed"]
    origin = RunLog.find(result.log.origin.run)
    assert "pause" not in [event.kind for event in origin]


async def test_a_checked_team_within_another_run_is_refused() -> None:
    outer = RoundRobinGroupChat([CheckedTeam(counting("1", "2", "3"), no_five)], max_turns=1)

    with pytest.raises(Exception, match="cannot go back within another run") as caught:
        await outer.run(task="go")
    assert isinstance(caught.value.__cause__, RuntimeFault)


@pytest.mark.parametrize("given", [re.search("a", "a"), 1.5, [], b"yes"])
async def test_a_check_that_gives_neither_yes_nor_no_is_an_error_and_no_failure(given: Any) -> None:
    with pytest.raises(TypeError, match=r"The check gave .* Write bool"):
        await CheckedTeam(counting("1", "2", "3"), lambda said: given).run(task="go")


def test_what_is_no_check_and_no_rollback_is_refused_where_it_is_given() -> None:
    with pytest.raises(TypeError, match="The check is 'notfn'"):
        CheckedTeam(counting("1"), "notfn")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="on_fail is 2; write on_fail=rollback"):
        CheckedTeam(counting("1"), no_five, on_fail=2)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="must be a whole number"):
        rollback(1.5)  # type: ignore[arg-type]


def test_a_rollback_goes_back_at_least_one_turn() -> None:
    with pytest.raises(UserError, match="turns of rollback\\(\\) is 0"):
        rollback(0)
