"""A log that shares the beginning of another and goes on by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentnb.agents import AssistantAgent, SocietyOfMindAgent
from agentnb.exceptions import LogUnreadable, UnknownName, UserError
from agentnb.messages import TextMessage
from agentnb.models import ScriptedChatCompletionClient
from agentnb.runlog import (
    Branched,
    Event,
    Noted,
    Origin,
    Relayed,
    Retracted,
    RunFinished,
    RunLog,
    RunStarted,
    Said,
    TurnFinished,
    TurnStarted,
    result_of,
)
from agentnb.teams import RoundRobinGroupChat
from agentnb.transcripts import to_df
from tests.runlog.conftest import texts_of


def noted(log: RunLog, texts: str) -> RunLog:
    for text in texts:
        log.note(text)
    return log


def data_of(log: RunLog) -> list[object]:
    return [event.model_dump() for event in log]


def opened(log: RunLog) -> RunLog:
    assert log.path is not None
    return RunLog.open(log.path)


# -- at a fact --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0, 1, 3])
def test_a_branch_shares_the_first_facts_and_says_where_it_comes_from(log: RunLog, at: int) -> None:
    noted(log, "abc")

    branch = log.branch(at=at, why="to see")
    branch.note("its own")

    assert [id(event) for event in branch.events[:at]] == [id(event) for event in log.events[:at]]
    assert branch.events[at].body == Branched(origin=log.id, at=at, why="to see")
    assert [(event.id, event.seq) for event in branch.events[at:]] == [
        (f"{branch.id}:{at + 1}", at + 1),
        (f"{branch.id}:{at + 2}", at + 2),
    ]
    assert branch.origin == Origin(log.id, at, log.path)
    assert texts_of(log) == ["a", "b", "c"]


def test_a_branchs_file_beside_its_origin_holds_only_its_own_facts(log: RunLog) -> None:
    noted(log, "abc")

    branch = log.branch(2)
    branch.note("d")

    assert branch.path is not None
    assert len(branch.path.read_text().splitlines()) == 3
    again = opened(branch)
    assert data_of(again) == data_of(branch)
    assert (again.id, again.origin) == (branch.id, branch.origin)


def test_a_branch_in_memory_leaves_no_file_wherever_runs_go(log: RunLog, runs: Path) -> None:
    files = set(runs.iterdir())

    branch = noted(log, "abc").branch(2, in_memory=True)
    branch.reopen().note("d")

    assert branch.path is None
    assert set(runs.iterdir()) == files
    assert texts_of(branch) == ["a", "b", "d"]


def test_a_branch_goes_on_when_it_is_reopened(log: RunLog) -> None:
    branch = noted(log, "abc").branch(2)

    opened(branch).reopen().note("d")

    assert texts_of(opened(branch)) == ["a", "b", "d"]
    assert opened(branch).events[-1].id == f"{branch.id}:4"


def test_a_branch_may_go_on_by_itself_as_soon_as_it_is_made(log: RunLog) -> None:
    branch = noted(log, "abc").branch(2)

    branch.reopen().note("d")

    assert texts_of(opened(branch)) == ["a", "b", "d"]


def test_a_branch_of_a_branch_shares_with_both(log: RunLog) -> None:
    first = noted(log, "abc").branch(2)
    first.note("d")

    within = first.branch(at=1)
    behind = first.branch(at=4)
    behind.note("e")

    assert texts_of(opened(within)) == ["a"]
    assert texts_of(opened(behind)) == ["a", "b", "d", "e"]
    assert data_of(opened(behind)) == data_of(behind)
    assert [event.body.at for event in behind if isinstance(event.body, Branched)] == [2, 4]


def test_an_opened_log_can_be_branched_and_shares_what_is_in_its_file(log: RunLog) -> None:
    again = opened(noted(log, "abc"))

    branch = again.branch(at=3)

    assert branch.path is not None
    assert len(branch.path.read_text().splitlines()) == 2
    assert texts_of(opened(branch)) == ["a", "b", "c"]


def test_facts_that_are_not_in_the_origins_file_are_written_into_the_branchs(log: RunLog) -> None:
    again = noted(opened(noted(log, "ab")), "c")

    branch = again.branch(at=3)

    assert texts_of(opened(branch)) == ["a", "b", "c"]
    assert [event.id for event in opened(branch)][:3] == [event.id for event in again]


def test_a_branch_of_a_log_in_memory_is_written_whole() -> None:
    log = noted(RunLog(), "abc")
    log.append(Noted(text="d"), parent=log.events[0].id)

    branch = log.branch(at=4, why="x")

    again = opened(branch)
    assert data_of(again) == data_of(branch)
    assert again.origin == Origin(log.id, 4, None)


def test_a_branch_in_another_folder_is_written_whole(log: RunLog, tmp_path: Path) -> None:
    noted(log, "abc")

    branch = log.branch(at=2, folder=tmp_path / "other")
    assert log.path is not None
    log.close()
    log.path.unlink()

    assert branch.path is not None
    assert branch.path.parent == tmp_path / "other"
    assert texts_of(opened(branch)) == ["a", "b"]


def test_the_folder_of_a_run_and_of_a_branch_may_be_a_text(tmp_path: Path) -> None:
    log = noted(RunLog.create(folder=str(tmp_path)), "ab")  # type: ignore[arg-type]
    branch = log.branch(at=1, folder=str(tmp_path / "other"))  # type: ignore[arg-type]

    assert file_of(log).parent == tmp_path
    assert file_of(branch).parent == tmp_path / "other"
    log.close()


def test_a_branch_stays_in_memory_where_runs_are_switched_off(log: RunLog, monkeypatch: pytest.MonkeyPatch) -> None:
    noted(log, "abc")
    monkeypatch.setenv("AGENTNB_RUNS", "off")

    branch = log.branch(at=2)

    assert branch.path is None
    assert texts_of(branch) == ["a", "b"]


def test_a_saved_branch_stands_alone(log: RunLog, tmp_path: Path) -> None:
    branch = noted(log, "abc").branch(at=2, why="x")
    branch.append(Noted(text="d"), parent=branch.events[2].id)

    again = RunLog.open(branch.save(tmp_path / "alone" / "branch.jsonl"))

    assert data_of(again) == data_of(branch)
    assert again.origin == Origin(log.id, 2, None)


def test_large_texts_of_the_origin_are_in_the_branch(log: RunLog) -> None:
    log.note("x" * 20_000)
    log.note("so be it, " * 50)
    log.note("so be it, " * 50)

    branch = log.branch(at=3)
    branch.note("so be it, " * 50)

    assert texts_of(opened(branch)) == ["x" * 20_000, *["so be it, " * 50] * 3]


def test_facts_the_origin_gets_later_are_none_of_the_branchs(log: RunLog) -> None:
    branch = noted(log, "ab").branch(at=2)

    noted(log, "cd")

    assert texts_of(opened(branch)) == ["a", "b"]


@pytest.mark.parametrize("at", [-1, 4])
def test_a_number_there_is_no_fact_of_is_refused(log: RunLog, at: int) -> None:
    noted(log, "abc")

    with pytest.raises(UserError, match=rf"no branch at fact {at}: .* has 3\. Choose 0 to 3"):
        log.branch(at=at)


@pytest.mark.parametrize("where", [{}, {"at": 1, "message": 1}])
def test_where_to_branch_is_said_once(log: RunLog, where: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="either `at`, a number of facts, or `message`"):
        noted(log, "abc").branch(**where)


# -- files that do not fit --------------------------------------------------------------------------------------------


@pytest.fixture
def branch(log: RunLog) -> RunLog:
    return noted(log, "abc").branch(at=2)


def file_of(log: RunLog) -> Path:
    log.close()
    assert log.path is not None
    return log.path


@pytest.mark.parametrize("where", [{"at": 2.0}, {"at": "2"}, {"message": True}, {"message": 1.0}])
def test_where_to_branch_is_a_whole_number(log: RunLog, where: dict[str, Any]) -> None:
    (name,) = where

    with pytest.raises(UserError, match=rf"{name} is .*; it must be a whole number"):
        log.branch(**where)


def test_a_branch_is_made_at_a_number_from_a_table(log: RunLog) -> None:
    noted(log, "abc")
    at: Any = to_df(log, "events")["seq"].to_numpy()[1]

    branch = log.branch(at=at)

    assert branch.path is not None
    assert len(RunLog.open(branch.path)) == 3


def test_a_branch_whose_origin_is_gone_says_which_file_it_needs(log: RunLog, branch: RunLog) -> None:
    path = file_of(log)
    path.unlink()

    with pytest.raises(
        LogUnreadable, match=rf"first 2 facts are in {path.name}, and that file is not there.*log\.save"
    ):
        opened(branch)


def test_a_branch_finds_the_file_of_its_origin_under_another_name(log: RunLog, branch: RunLog) -> None:
    twig = branch.branch(at=3)
    twig.close()
    renamed = [
        file_of(one).rename(file_of(one).with_name(f"{number}.jsonl")) for number, one in enumerate([log, branch])
    ]

    again = opened(twig)

    assert again.events == twig.events
    assert again.origin is not None
    assert again.origin.path == renamed[1]
    assert RunLog.open(renamed[1]).events == branch.events


def test_a_run_that_is_reached_by_a_link_has_its_texts_and_its_origin(log: RunLog, tmp_path: Path) -> None:
    log.note("x" * 20_000)
    branch = log.branch(at=len(log))
    branch.note("y" * 20_000)
    branch.close()
    link = tmp_path / "paper" / "figure-3.jsonl"
    link.parent.mkdir()
    link.symlink_to(file_of(branch))

    again = RunLog.open(link).reopen()
    again.note("z" * 20_000)
    again.close()

    assert again.events[: len(branch)] == branch.events
    assert opened(branch).events == again.events
    assert list(link.parent.iterdir()) == [link]


def test_a_branch_whose_origin_was_cut_short_says_so(log: RunLog, branch: RunLog) -> None:
    path = file_of(log)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))

    with pytest.raises(LogUnreadable, match=rf"{path.name}, but that file has only 1 facts"):
        opened(branch)


def test_a_branch_whose_origin_was_exchanged_says_so(log: RunLog, branch: RunLog) -> None:
    file_of(log).write_bytes(file_of(noted(RunLog.create("other"), "xyz")).read_bytes())

    with pytest.raises(LogUnreadable, match="but that file holds the run"):
        opened(branch)


def test_two_branches_of_each_other_are_no_endless_chain(branch: RunLog) -> None:
    path = file_of(branch)
    lines = path.read_text().splitlines(keepends=True)
    origin = f'{{"run": "{branch.id}", "at": 1, "file": "{path.name}"}}'
    path.write_text(f'{{"agentnb": 2, "run": "{branch.id}", "origin": {origin}}}\n' + lines[1])

    with pytest.raises(LogUnreadable, match="which is a branch of it in turn"):
        opened(branch)


def test_a_branch_asks_for_no_file_outside_of_its_folder(log: RunLog, branch: RunLog, tmp_path: Path) -> None:
    path, outside = file_of(branch), tmp_path / "outside.jsonl"
    outside.write_bytes(file_of(log).read_bytes())
    assert log.path is not None
    path.write_text(path.read_text().replace(log.path.name, "../outside.jsonl"))
    log.path.unlink()

    with pytest.raises(LogUnreadable, match=r"first 2 facts are in outside\.jsonl, and that file is not there"):
        opened(branch)


# -- at a message -----------------------------------------------------------------------------------------------------


def begin(log: RunLog, *task: str, parent: Event | None = None, **more: bool | str | None) -> Event:
    started = log.append(
        RunStarted(runner="team", runner_type="Team", **more),
        parent=None if parent is None else parent.id,
        source="team",
    )
    for text in task:
        say(log, started, text, by="user")
    return started


def say(log: RunLog, within: Event, text: str, *, by: str = "ana", left_out: bool | None = None) -> Event:
    return log.append(Said(message=TextMessage(content=text, source=by), left_out=left_out), parent=within.id)


def turn(log: RunLog, run: Event, *said: str, finish: bool = True) -> Event:
    started = log.append(TurnStarted(agent="ana", turn=1), parent=run.id)
    for text in said:
        say(log, started, text)
    if finish:
        end(log, started)
    return started


def end(log: RunLog, started: Event) -> Event:
    return log.append(TurnFinished(agent="ana", turn=1), parent=started.id)


def kept(branch: RunLog) -> tuple[list[str], str]:
    """Return what a branch keeps of the result, and the kind of the last fact it shares."""
    assert branch.origin is not None
    last = branch.events[branch.origin.at - 1].kind if branch.origin.at else ""
    return [message.content for message in result_of(branch)], last


def test_a_branch_at_a_message_ends_with_its_turn() -> None:
    log = RunLog()
    run = begin(log, "task")
    turn(log, run, "one")
    log.note("between")
    turn(log, run, "two", "three")
    log.append(RunFinished(outcome="done"), parent=run.id)

    assert kept(log.branch(message=0)) == ([], "run.started")
    assert kept(log.branch(message=1)) == (["task"], "message")
    assert kept(log.branch(message=2)) == (["task", "one"], "turn.finished")
    assert kept(log.branch(message=4)) == (["task", "one", "two", "three"], "turn.finished")


def test_there_is_no_branch_inside_of_a_turn_and_the_nearest_are_named() -> None:
    log = RunLog()
    run = begin(log, "task")
    turn(log, run, "one", "two", "three")

    with pytest.raises(UserError, match=r"at message 3: .*nearest are message=1 or message=4; `at` cuts at any fact"):
        log.branch(message=3)


def test_a_turn_that_was_broken_off_is_none_to_end_with() -> None:
    log = RunLog()
    run = begin(log, "task")
    turn(log, run, "one")
    turn(log, run, "half", finish=False)

    with pytest.raises(UserError, match=r"at message 3: .*was broken off\. The nearest are message=2;"):
        log.branch(message=3)


def test_a_message_there_is_not_is_refused_with_those_there_are() -> None:
    log = RunLog()
    turn(log, begin(log, "task"), "one")

    with pytest.raises(UserError, match=r"no branch at message 3: .* has 2 messages\. Choose 0 to 2"):
        log.branch(message=3)
    with pytest.raises(UserError, match="no branch at message -1"):
        log.branch(message=-1)


def test_messages_are_those_of_the_result() -> None:
    """What is left out is not counted, nor what a run within it says unless it is taken up."""
    log = RunLog()
    run = begin(log)
    say(log, run, "task, left out", by="user", left_out=True)
    started = turn(log, run, finish=False)
    inner = begin(log, "inner task", parent=started)
    inside = turn(log, inner, finish=False)
    taken = say(log, inside, "inner answer")
    log.append(Relayed(said=taken.seq), parent=started.id)
    end(log, inside)
    say(log, started, "answer")
    end(log, started)

    assert kept(log.branch(message=2)) == (["inner answer", "answer"], "turn.finished")
    with pytest.raises(UserError, match="nearest are message=0 or message=2"):
        log.branch(message=1)


async def test_there_is_no_branch_inside_of_a_team_that_speaks_in_a_turn() -> None:
    def team(*names: str) -> RoundRobinGroupChat:
        agents = [AssistantAgent(name, ScriptedChatCompletionClient([name])) for name in names]
        return RoundRobinGroupChat(agents, max_turns=len(agents), name="-".join(names))

    inner = SocietyOfMindAgent("all", team("ana", "ben"), ScriptedChatCompletionClient(["so be it"]))
    last = AssistantAgent("last", ScriptedChatCompletionClient(["amen"]))
    log = (await RoundRobinGroupChat([inner, last], max_turns=2).run(task="go")).log
    assert log is not None

    for message in (0, 1, 4, 5):
        assert len(kept(log.branch(message=message))[0]) == message
    for message in (2, 3):
        with pytest.raises(UserError, match="nearest are message=1 or message=4"):
            log.branch(message=message)


def test_turns_side_by_side_are_cut_only_where_just_so_many_messages_are_kept() -> None:
    log = RunLog()
    run = begin(log, "task")
    one, two = turn(log, run, finish=False), turn(log, run, finish=False)
    say(log, one, "one")
    say(log, two, "two")
    end(log, two)
    end(log, one)

    with pytest.raises(UserError, match="nearest are message=1 or message=3"):
        log.branch(message=2)
    assert kept(log.branch(message=3)) == (["task", "one", "two"], "turn.finished")


def test_the_last_of_several_runs_is_counted() -> None:
    log = RunLog()
    first = begin(log, "first task")
    turn(log, first, "first answer")
    log.append(RunFinished(outcome="done"), parent=first.id)
    second = begin(log, "second task", continues=first.id)
    turn(log, second, "second answer")

    branch = log.branch(message=1)
    nothing = log.branch(message=0)

    assert len(branch) == second.seq + 2
    assert [m.content for m in result_of(branch, second.id)] == ["second task"]
    assert len(nothing) == second.seq + 1


def test_a_run_that_took_up_another_counts_its_messages_too() -> None:
    log = RunLog()
    first = begin(log, "task")
    turn(log, first, "one")
    lost = turn(log, first, "half", finish=False)
    second = begin(log, continues=first.id, resumed=True)
    log.append(Retracted(said=lost.seq + 1, anew=True), parent=second.id)
    turn(log, second, "whole")

    assert [m.content for m in result_of(log, second.id)] == ["task", "one", "whole"]
    assert log.branch(message=0).origin == Origin(log.id, first.seq, None)
    assert kept(log.branch(message=2)) == (["task", "one"], "turn.finished")
    cut = log.branch(message=3)
    assert [m.content for m in result_of(cut, second.id)] == ["task", "one", "whole"]


def test_a_log_without_a_run_has_no_messages_to_count(log: RunLog) -> None:
    with pytest.raises(UserError, match=r"No run has begun.*give `at` instead"):
        noted(log, "abc").branch(message=1)


def test_a_branchs_file_is_called_after_its_runner(log: RunLog) -> None:
    begin(log, "task")

    branch = log.branch(message=1)

    assert branch.path is not None
    assert branch.path.name.endswith(f"-team-branch-{branch.id[:8]}.jsonl")


# -- find -------------------------------------------------------------------------------------------------------------


def test_a_run_is_found_by_its_id_or_its_beginning(log: RunLog, runs: Path) -> None:
    noted(log, "abc")
    RunLog.create("other")

    assert RunLog.find(log.id).path == log.path
    assert RunLog.find(log.id[:10], near=runs).path == log.path
    assert texts_of(RunLog.find(log.id, near=log.path)) == ["a", "b", "c"]


def test_a_run_whose_file_was_renamed_is_found_by_what_the_file_says(log: RunLog, tmp_path: Path) -> None:
    path = file_of(noted(log, "abc")).rename(tmp_path / "renamed.jsonl")
    (tmp_path / "damaged.jsonl").write_text("no log\n")
    (tmp_path / "empty.jsonl").write_text("")

    assert RunLog.find(log.id, near=tmp_path).path == path


def test_a_run_that_is_not_there_is_named_with_the_folder(log: RunLog, runs: Path) -> None:
    assert log.path is not None

    with pytest.raises(
        UnknownName, match=rf"No file in {runs} holds a run 'nobody' \(1 run, the last is {log.path.name}\)"
    ):
        RunLog.find("nobody")
    with pytest.raises(UnknownName, match=r"the folder .*nowhere does not exist"):
        RunLog.find("nobody", near=runs / "nowhere")
    with pytest.raises(UserError, match="names no run"):
        RunLog.find("")


def test_a_run_that_is_there_twice_is_not_guessed(log: RunLog, runs: Path) -> None:
    copy = runs / f"copy-{log.id[:8]}.jsonl"
    copy.write_bytes(file_of(log).read_bytes())

    with pytest.raises(UserError, match=rf"Several files .*copy-{log.id[:8]}\.jsonl.*RunLog\.open"):
        RunLog.find(log.id)


def test_no_run_is_found_where_runs_are_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTNB_RUNS", "off")

    with pytest.raises(UserError, match="switched off"):
        RunLog.find("x")
