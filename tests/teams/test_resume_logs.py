from __future__ import annotations

import copy
import gc
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from agentnb.agents import AssistantAgent, CodeExecutorAgent, approve_all
from agentnb.exceptions import ToolError, UnknownName, UserError
from agentnb.messages import CodeResult, FunctionCall, TextMessage
from agentnb.models.scripted import ScriptedChatCompletionClient
from agentnb.runlog import CodeStarted, Noted, RunLog, TurnStarted, VariablesShared
from agentnb.teams import RoundRobinGroupChat, SelectorGroupChat
from agentnb.tools import FunctionTool
from tests.teams.conftest import Speaker
from tests.teams.scenarios import SCENARIOS, Ledger, World
from tests.teams.told import texts


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AGENTNB_RUNS", str(tmp_path))
    return tmp_path


def pair(world: World, **options: Any) -> RoundRobinGroupChat:
    return RoundRobinGroupChat([world.assistant("ana"), world.assistant("ben")], **{"max_turns": 2, **options})


def plain(state: Any) -> Any:
    if isinstance(state, dict):
        return {key: plain(value) for key, value in state.items() if key not in ("id", "created_at")}
    return [plain(item) for item in state] if isinstance(state, list) else state


async def test_a_conversation_over_several_logs_is_restored_from_the_last_one(runs: Path) -> None:
    team = pair(World())
    for task in ("one", "two", "three"):
        log = (await team.run(task=task)).log
    assert log is not None

    again = pair(World())
    await again.restore(Path(str(log.path)))

    assert plain(await again.save_state()) == plain(await team.save_state())


async def test_a_restored_team_goes_on_like_the_one_it_was(runs: Path) -> None:
    team = pair(World())
    log = (await team.run(task="one")).log
    assert log is not None
    again = pair(World())
    await again.restore(RunLog.open(str(log.path)))

    there, here = await team.run(task="two"), await again.run(task="two")

    assert texts(there) == texts(here)


async def test_a_log_that_goes_on_from_a_missing_one_says_which(runs: Path) -> None:
    team = pair(World())
    first = (await team.run(task="one")).log
    second = (await team.run(task="two")).log
    assert first is not None
    assert second is not None
    missing = first.id
    Path(str(first.path)).unlink()
    del first, team
    gc.collect()

    lacks = f"No file in .* holds a run '{missing}' .1 run, .*Put its file there"
    with pytest.raises(UnknownName, match=f"{second.path} goes on from an earlier one, .*: {lacks}"):
        await pair(World()).restore(str(second.path))


async def test_a_reset_team_begins_a_conversation_that_needs_no_earlier_log(runs: Path) -> None:
    team = pair(World())
    first = (await team.run(task="one")).log
    await team.reset()
    second = (await team.run(task="two")).log
    assert first is not None
    assert second is not None
    Path(str(first.path)).unlink()

    again = pair(World())
    await again.restore(str(second.path))

    assert plain(await again.save_state()) == plain(await team.save_state())


async def test_a_team_that_began_from_a_saved_state_needs_no_earlier_log(runs: Path) -> None:
    before = pair(World())
    await before.run(task="one")
    team = pair(World())
    await team.load_state(await before.save_state())
    log = (await team.run(task="two")).log
    assert log is not None

    again = pair(World())
    await again.restore(str(log.path))

    assert plain(await again.save_state()) == plain(await team.save_state())


async def test_an_agent_that_had_been_asked_before_it_joined_the_team_remembers_it(runs: Path) -> None:
    def made(world: World) -> tuple[AssistantAgent, RoundRobinGroupChat]:
        ana = world.assistant("ana")
        return ana, RoundRobinGroupChat([ana, world.assistant("ben")], max_turns=2)

    ana, team = made(World())
    await ana.run(task="something else")
    log = (await team.run(task="one")).log
    assert log is not None

    _, again = made(World())
    await again.restore(str(log.path))

    assert plain(await again.save_state()) == plain(await team.save_state())


async def test_a_resumed_run_is_written_behind_the_facts_of_the_one_that_broke_off(runs: Path) -> None:
    ana = Speaker("ana", "one", RuntimeError("the network is gone"))
    with pytest.raises(Exception, match="network"):
        await RoundRobinGroupChat([ana], max_turns=3, name="solo").run(task="go")
    (path,) = runs.glob("*.jsonl")
    before = len(RunLog.open(path))

    result = await RoundRobinGroupChat([Speaker("ana", "one", "two", "three")], max_turns=3, name="solo").resume(path)

    assert [message.to_text() for message in result.messages] == ["go", "one", "two", "three"]
    log = RunLog.open(path)
    assert [event.seq for event in log] == list(range(1, len(log) + 1))
    assert [event.kind for event in log][before] == "run.started"
    again = [event.body.again for event in log if isinstance(event.body, TurnStarted)]
    assert [number is not None for number in again] == [False, False, True, False]


async def test_a_finished_run_gives_its_result_again_and_asks_nobody(runs: Path) -> None:
    result = await pair(World()).run(task="one")
    assert result.log is not None
    world = World()

    again = await pair(world).resume(str(result.log.path))

    assert (texts(again), again.stop_reason, world.asked) == (texts(result), result.stop_reason, 0)


async def test_a_new_task_goes_on_behind_what_was_said(runs: Path) -> None:
    result = await pair(World()).run(task="one")
    assert result.log is not None
    world = World()
    team = pair(world)

    more = await team.resume(str(result.log.path), task="two")

    assert [message.source for message in more.messages] == ["user", "ana", "ben"]
    assert [m.to_text() for m in team._thread.messages][:3] == [m.to_text() for m in result.messages]


@pytest.mark.parametrize("message", range(1, 4))
async def test_a_branch_goes_on_without_asking_for_what_it_shares(runs: Path, message: int) -> None:
    world = World()
    result = await pair(world, max_turns=3).run(task="one")
    assert result.log is not None
    branch = result.log.branch(message=message)
    later = World()

    other = await pair(later, max_turns=3).resume(branch)

    assert texts(other) == texts(result)
    assert later.asked == world.asked - (message - 1)
    assert [m.id for m in other.messages[:message]] == [m.id for m in result.messages[:message]]


async def test_a_branch_with_a_new_task_goes_another_way(runs: Path) -> None:
    result = await pair(World(), max_turns=4).run(task="one")
    assert result.log is not None
    branch = result.log.branch(message=3)
    team = pair(World())

    other = await team.resume(branch, task="Something else.")

    assert [m.to_text() for m in team._thread.messages[:4]] == [*[t for _, t in texts(result)[:3]], "Something else."]
    assert len(other.messages) == 3
    assert len(RunLog.open(str(branch.path))) == len(branch)


async def test_a_branch_may_go_on_with_another_team_of_the_same_name_and_members(runs: Path) -> None:
    result = await pair(World(), max_turns=4, name="pair").run(task="one")
    assert result.log is not None
    choose = ScriptedChatCompletionClient(["ben"], repeats=True)
    world = World()
    team = SelectorGroupChat(
        [world.assistant("ana"), world.assistant("ben")], choose, name="pair", max_turns=3, allow_repeated_speaker=True
    )

    other = await team.resume(result.log.branch(message=2))

    assert [m.source for m in other.messages] == ["user", "ana", "ben", "ben"]


async def test_a_log_of_another_team_is_refused_by_name(runs: Path) -> None:
    result = await pair(World(), name="others").run(task="one")

    with pytest.raises(UserError, match="'others', and none of 'RoundRobinGroupChat'"):
        await pair(World()).resume(result.log or "")


async def test_an_idempotent_tool_is_called_again_after_an_interrupted_call() -> None:
    calls: list[str] = []

    def read(page: str) -> str:
        """Read a page."""
        calls.append(page)
        return f"the text of {page}"

    def team(*, idempotent: bool) -> RoundRobinGroupChat:
        wants = [FunctionCall(id="1", name="read", arguments='{"page": "home"}')]
        model = ScriptedChatCompletionClient([wants, lambda messages: str(messages[-1].content[0].content)])  # type: ignore[union-attr]
        tool = FunctionTool(read, "Read a page.")
        tool.idempotent = idempotent
        return RoundRobinGroupChat([AssistantAgent("ana", model, tools=[tool], max_tool_iterations=2)], max_turns=1)

    log = (await team(idempotent=True).run(task="go", log=RunLog())).log
    assert log is not None
    begun = next(event.seq for event in log if event.kind == "tool.started")

    said = {}
    for idempotent in (False, True):
        calls.clear()
        broken = RunLog(run_id=log.id)
        broken._events = list(log.events[:begun])
        runner = team(idempotent=idempotent)
        agent: Any = runner.participants[0]
        agent._client._position = 1
        said[idempotent] = (list(calls), (await runner.resume(broken)).messages[-1].to_text(), list(calls))

    assert said[False][1:] == (
        "The run broke off during this call; whether it took effect is not known. It was not made again.",
        [],
    )
    assert said[True][1:] == ("the text of home", ["home"])


def coders(world: World, log: RunLog, at: int = -1) -> tuple[Any, RunLog]:
    """Return a team that runs code, and the log of a run of its kind that broke off."""
    broken = RunLog(run_id=log.id)
    broken._events = list(log.events[:at])
    return SCENARIOS["coder"](world), broken


async def test_code_that_ran_is_run_again_if_asked_for() -> None:
    world = World()
    result = await SCENARIOS["coder"](world).run(task="go", log=RunLog())
    assert result.log is not None
    later = World()
    team, broken = coders(later, result.log)

    await team.resume(broken, rerun_code=True)

    assert later.done == world.done
    assert [event.body.again is not None for event in broken if isinstance(event.body, CodeStarted)] == [
        *[False] * len(world.done),
        *[True] * len(world.done),
    ]
    assert [e.body.text for e in broken if isinstance(e.body, Noted)] == [
        f"{len(world.done)} pieces of code ran again, to have their variables."
    ]


async def test_code_of_an_agent_that_runs_none_any_more_is_not_said_to_have_run_again() -> None:
    result = await SCENARIOS["coder"](World()).run(task="go", log=RunLog())
    assert result.log is not None
    team, broken = coders(World(), result.log)
    coders_then = {event.source for event in broken if isinstance(event.body, CodeStarted)}
    others = [AssistantAgent(one.name, ScriptedChatCompletionClient(["-"], repeats=True)) for one in team.participants]

    await RoundRobinGroupChat(others, name=team.name, max_turns=len(others)).resume(broken, rerun_code=True)

    told = [e.body.text for e in broken if isinstance(e.body, Noted)]
    assert coders_then
    assert all(
        f"Code of {name!r} is not run again: nobody of that name runs code here." in told for name in coders_then
    )
    assert not [text for text in told if "ran again, to have" in text]


async def test_code_that_was_run_again_counts_once_when_it_is_run_again_once_more() -> None:
    world = World()
    result = await SCENARIOS["coder"](world).run(task="go", log=RunLog())
    assert result.log is not None
    team, broken = coders(World(), result.log)
    await team.resume(broken, rerun_code=True)
    later = World()
    again, twice = coders(later, broken)

    await again.resume(twice, rerun_code=True)

    assert later.done == world.done


async def test_code_that_fails_when_it_is_run_again_ends_the_run_and_names_what_is_missing() -> None:
    class Fussy(Ledger):
        async def execute_code_blocks(self, code_blocks: Any, cancellation_token: Any) -> CodeResult:
            return CodeResult(exit_code=1, output="NameError: df")

    world = World()
    result = await SCENARIOS["coder"](world).run(task="go", log=RunLog())
    assert result.log is not None
    team, broken = coders(World(), result.log)
    broken.append(VariablesShared(executor="Ledger", names=("df",)))
    team.participants[0]._runner.executor = Fussy(World())

    with pytest.raises(ToolError, match="df had been handed over then") as caught:
        await team.resume(broken, rerun_code=True)
    assert "NameError: df" in str(caught.value)


async def test_who_resumes_without_the_code_is_told_that_its_variables_are_gone() -> None:
    result = await SCENARIOS["coder"](World()).run(task="go", log=RunLog())
    assert result.log is not None
    team, broken = coders(World(), result.log)

    await team.resume(broken)

    (note,) = [e.body.text for e in broken if isinstance(e.body, Noted)]
    assert "2 pieces of code ran before and did not run again" in note


async def test_code_of_a_run_that_had_come_to_its_end_is_not_run_again() -> None:
    result = await SCENARIOS["coder"](World()).run(task="go", log=RunLog())
    later = World()

    await SCENARIOS["coder"](later).resume(result.log, rerun_code=True)

    assert later.done == []


async def test_a_finished_run_streams_its_result_and_nothing_else(runs: Path) -> None:
    result = await pair(World()).run(task="one")
    assert result.log is not None
    world = World()

    items: list[Any] = [item async for item in pair(world).resume_stream(str(result.log.path))]

    assert [texts(item) for item in items] == [texts(result)]
    assert world.asked == 0


class Finding(BaseModel):
    number: int


async def test_messages_of_classes_of_ones_own_come_back_from_the_file(runs: Path) -> None:
    def made(world: World) -> RoundRobinGroupChat:
        def answer(messages: Any) -> str:
            return json.dumps({"number": len(str(messages[-1].content))})

        finder = AssistantAgent("ana", world.model(answer), output_content_type=Finding)
        return RoundRobinGroupChat([finder, world.assistant("ben")], max_turns=4)

    world = World()
    result = await made(world).run(task="go")
    assert result.log is not None
    asked = sum(event.kind == "model.finished" for event in result.log.events[:-4])
    branch = result.log.branch(at=len(result.log) - 4)
    later = World()

    resumed = await made(later).resume(str(branch.path))

    assert texts(resumed) == texts(result)
    assert asked + later.asked == world.asked
    assert [type(m).__name__ for m in resumed.messages] == [type(m).__name__ for m in result.messages]


async def test_a_run_that_broke_off_before_its_task_was_written_asks_for_it() -> None:
    log = (await pair(World()).run(task="one", log=RunLog())).log
    assert log is not None
    broken = RunLog(run_id=log.id)
    broken._events = list(log.events[:1])

    with pytest.raises(UserError, match="broke off before its task was written"):
        await pair(World()).resume(broken)
    again = await pair(World()).resume(broken, task="one")

    assert [message.source for message in again.messages] == ["user", "ana", "ben"]


async def test_a_team_without_one_of_the_participants_is_refused_by_name(runs: Path) -> None:
    result = await pair(World()).run(task="one")
    world = World()
    alone = RoundRobinGroupChat([world.assistant("ana")])

    with pytest.raises(UserError, match="'ben' took part, and in 'RoundRobinGroupChat' there is nobody of that name"):
        await alone.resume(result.log or "")


async def test_what_is_different_about_a_team_that_goes_on_is_noted() -> None:
    log = (await pair(World(), max_turns=3).run(task="one", log=RunLog())).log
    assert log is not None
    broken = RunLog(run_id=log.id)
    broken._events = list(log.events[:-1])

    await pair(World(), max_turns=5).resume(broken)

    (note,) = [e.body.text for e in broken if isinstance(e.body, Noted)]
    assert note == "It goes on with other parts than before: settings of the team or its agents (see `agentnb.diff`)."


async def test_a_task_given_to_resume_without_a_log_is_not_lost_in_silence() -> None:
    with pytest.raises(UserError, match=r"takes no task\. Use run\(task"):
        await pair(World()).resume(task="hello")  # type: ignore[call-overload]


async def test_an_agent_alone_is_restored_with_what_it_heard(runs: Path) -> None:
    agent = World().assistant("ana")
    await agent.run(task="one")
    log = (await agent.run(task="two")).log
    again = World().assistant("ana")

    await again.restore(str(log.path if log else ""))

    assert plain(await again.save_state()) == plain(await agent.save_state())


async def test_a_resumed_run_streams_what_is_new_and_ends_with_the_whole_result() -> None:
    log = (await pair(World(), max_turns=3).run(task="one", log=RunLog())).log
    assert log is not None
    broken = RunLog(run_id=log.id)
    broken._events = list(log.events[: [event.kind for event in log].index("turn.finished") + 1])

    items: list[Any] = [item async for item in pair(World(), max_turns=3).resume_stream(broken)]

    assert [type(item).__name__ for item in items] == ["TextMessage", "TextMessage", "TaskResult"]
    assert [m.source for m in items[-1].messages] == ["user", "ana", "ben", "ana"]


async def test_code_of_a_runner_is_not_run_twice_where_only_its_end_is_missing() -> None:
    world = World()

    def made(world: World) -> RoundRobinGroupChat:
        author = Speaker("author", "```python\nprint(1)\n```")
        runner = CodeExecutorAgent("runner", Ledger(world), approval_func=approve_all)
        return RoundRobinGroupChat([author, runner], max_turns=2)

    log = (await made(world).run(task=TextMessage(content="go", source="user"), log=RunLog())).log
    assert log is not None
    broken = RunLog(run_id=log.id)
    broken._events = list(log.events[: [event.kind for event in log].index("code.started") + 1])
    later = World()

    result = await made(later).resume(broken)

    assert later.done == []
    assert "It was not run again." in result.messages[-1].to_text()


@pytest.mark.parametrize("kept", [True, False])
async def test_a_result_goes_to_another_process_with_its_log(runs: Path, kept: bool) -> None:
    result = await pair(World()).run(task="one", log=None if kept else RunLog())

    again = pickle.loads(pickle.dumps(result))

    assert texts(again) == texts(result)
    assert [event.kind for event in again.log] == [event.kind for event in result.log or ()]
    assert copy.deepcopy(result).log is result.log
