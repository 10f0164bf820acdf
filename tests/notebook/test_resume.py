"""A cell that goes on from a run: takes it up, gives it a task, branches it; and what stands when that breaks off."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agentnb.exceptions import UnknownName, UserError
from agentnb.notebook import NotebookRun, SavedRun
from agentnb.notebook.magics import run_cell
from agentnb.notebook.runs import start
from agentnb.runlog import RunLog, VariablesShared
from tests.notebook.runners import Duo, Talker, checked
from tests.teams.scenarios import World, coder


async def held(run: NotebookRun) -> None:
    """Wait until ben has the word."""
    word = asyncio.Event()

    def heard(item: Any) -> None:
        if getattr(item, "source", "") == "ben" and getattr(item, "kind", "") == "turn.started":
            word.set()

    unwatch = run.log.watch(heard)
    async with asyncio.timeout(10):
        await word.wait()
    unwatch()


@pytest.fixture
async def broken() -> NotebookRun:
    """A run that was stopped while ben had the word."""
    run = NotebookRun(Duo(waits=True), "count")
    await held(run)
    run.stop()
    await run
    return run


def texts(run: Any) -> list[str]:
    return [message.to_text() for message in run.messages]


WHOLE = ["count", "ana 1", "ben 1", "ana 2", "ben 2"]


@pytest.mark.parametrize("named", ["variable", "id", "file", "number", "quoted file"])
async def test_an_empty_cell_takes_up_the_run_that_broke_off(shell: Any, broken: NotebookRun, named: str) -> None:
    team = Duo()
    shell.user_ns.update(team=team, run=broken)
    how = {
        "variable": "run",
        "id": broken.log.id[:8],
        "file": str(broken.log.path),
        "number": str(broken.number),
        "quoted file": f"'{broken.log.path}'",
    }[named]

    await run_cell(f"team --resume {how} -o again", "")

    again = shell.user_ns["again"]
    assert (again.state, texts(again)) == ("done", WHOLE)
    assert team.ana.asked == 1, "her first turn was not done again"
    assert again.log.path == broken.log.path
    assert RunLog.open(again.log.path).events == again.log.events


async def test_what_was_before_is_shown_and_then_what_is_new(
    shell: Any, broken: NotebookRun, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.user_ns.update(team=Duo(), run=broken)
    capsys.readouterr()

    await run_cell("team --resume run", "\n")

    told = capsys.readouterr().out
    places = [told.index(part) for part in ("count", "ana 1", "broke off here", "ben 1", "ana 2", "ben 2")]
    assert places == sorted(places)


async def test_a_text_is_the_next_task(shell: Any, broken: NotebookRun) -> None:
    team = Duo(turns=2)
    shell.user_ns.update(team=team, run=broken)

    await run_cell("team --resume run -o again", "count on")

    again = shell.user_ns["again"]
    assert texts(again) == ["count on", "ben 1", "ana 2"]
    assert again.to_df().text.tolist() == ["count", "ana 1", "count on", "ben 1", "ana 2"]
    assert again.stop_reason == again.result.stop_reason


async def test_a_branch_leaves_the_run_as_it_is(shell: Any, broken: NotebookRun) -> None:
    team = Duo()
    shell.user_ns.update(team=team, run=broken)
    assert broken.log.path is not None
    before = broken.log.path.read_bytes()

    await run_cell("team --branch 2 --resume run -o other", "")

    other = shell.user_ns["other"]
    assert (other.state, texts(other)) == ("done", WHOLE)
    assert broken.log.path.read_bytes() == before
    assert team.ana.asked == 1
    assert other.log.origin is not None
    assert other.log.origin.run == broken.log.id
    assert other.diff(broken).shared_facts == other.log.origin.at


async def test_a_run_that_had_come_to_its_end_is_shown_and_nothing_is_done(
    shell: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run = NotebookRun(Duo(), "count")
    await run
    team = Duo()
    shell.user_ns.update(team=team, run=run)
    facts = len(run.log)

    await run_cell("team --resume run -o again -q", "")

    assert "had come to its end, so nothing was done" in capsys.readouterr().out
    assert isinstance(shell.user_ns["again"], SavedRun)
    assert (len(run.log), team.ana.asked) == (facts, 0)


@pytest.mark.parametrize(
    ("line", "error", "told"),
    [
        (
            "team --resume nothing",
            UnknownName,
            r"--resume nothing: no variable of that name, and no run. No file in .* 'nothing'",
        ),
        ("team --resume rum", UnknownName, r"no variable of that name, .* 'rum' is too short to name a run.* 'run'"),
        ("team --resume there/it.jsonl", UserError, "There is no file .*it.jsonl. `agentnb.runs"),
        ("team --resume seven", UserError, "needs the log of a run, not int: 7"),
        ("team --resume 999", UnknownName, "No run 999 in this kernel"),
        ("other --resume run", UserError, r"is one of 'duo', and 'other' holds 'trio'\. Give the cell a team"),
        ("team --resume empty", UserError, "without a beginning"),
        ("team --resume run --branch 9", UserError, "There is no branch at message 9.* has 2 messages"),
        ("talker --resume said", UserError, "A Talker cannot be restored from a log"),
    ],
)
async def test_what_cannot_be_gone_on_from_is_explained(
    shell: Any, broken: NotebookRun, line: str, error: type[Exception], told: str
) -> None:
    said = await Talker().run(task="hi")
    shell.user_ns.update(
        team=Duo(), other=Duo(name="trio"), run=broken, seven=7, empty=RunLog(), talker=Talker(), said=said
    )

    with pytest.raises(error, match=told):
        await run_cell(line, "more")


async def test_a_name_that_is_nearly_a_variable_is_answered_by_it(shell: Any, broken: NotebookRun) -> None:
    shell.user_ns.update(team=Duo(), my_run=broken)

    with pytest.raises(UnknownName, match="Did you mean 'my_run'"):
        await run_cell("team --resume my_rum", "")


async def test_a_branch_that_nothing_goes_on_in_is_not_left_behind(shell: Any, tmp_path: Path) -> None:
    said = await Talker().run(task="hi")
    shell.user_ns.update(talker=Talker(), said=said)
    assert said.log is not None
    assert said.log.path is not None
    files = set(said.log.path.parent.iterdir())

    with pytest.raises(UserError, match="cannot be restored"):
        await run_cell("talker --resume said --branch 1", "more")

    assert set(said.log.path.parent.iterdir()) == files


async def test_the_second_of_two_cells_at_one_run_is_told_who_is_at_it(shell: Any, broken: NotebookRun) -> None:
    first = Duo(waits=True)
    shell.user_ns["second"] = Duo()
    again = await start(first, "", log=broken.log)

    with pytest.raises(UserError, match=rf"Run {again.number} is still at the run .* `%agentteam stop {again.number}`"):
        await run_cell(f"second --resume {broken.log.path}", "")
    first.ben.gate.set()
    await again
    assert texts(again) == WHOLE


async def test_a_run_that_somebody_else_writes_is_refused_in_words(shell: Any, broken: NotebookRun) -> None:
    writer = RunLog.open(broken.log.path or "").reopen()
    shell.user_ns.update(team=Duo(), run=broken)

    with pytest.raises(UserError, match=r"cannot be written: another log of this process is writing it\. Wait until"):
        await run_cell("team --resume run", "")
    writer.close()

    await run_cell("team --resume run -o again", "")
    assert texts(shell.user_ns["again"]) == WHOLE


async def test_a_run_that_goes_on_without_a_cell_is_refused_too(shell: Any) -> None:
    first = Duo(waits=True)
    handle = first.start(task="count")
    await asyncio.sleep(0)
    shell.user_ns.update(team=Duo(), handle=handle)

    with pytest.raises(UserError, match="still goes on in this kernel"):
        await run_cell("team --resume handle", "")
    first.ben.gate.set()
    await handle
    await run_cell("team --resume handle -o again", "count on")
    assert texts(shell.user_ns["again"])[0] == "count on"


async def test_a_resumed_run_that_is_stopped_can_be_taken_up_again(shell: Any, broken: NotebookRun) -> None:
    again = await start(Duo(waits=True), "", log=broken.log)
    await held(again)
    again.stop()
    await again
    assert (again.state, texts(again)) == ("stopped", ["count", "ana 1"])

    shell.user_ns.update(team=Duo(), run=again)
    await run_cell("team --resume run -o last", "")

    assert texts(shell.user_ns["last"]) == WHOLE


async def test_a_resumed_run_that_is_stopped_before_its_first_step_leaves_the_file_as_it_was(
    broken: NotebookRun,
) -> None:
    assert broken.log.path is not None
    before = broken.log.path.read_bytes()
    again = await start(Duo(), "", log=broken.log)
    again.stop()
    await again

    assert again.state == "stopped"
    assert broken.log.path.read_bytes() == before


async def test_variables_are_handed_over_again_without_a_word_to_the_team(shell: Any, broken: NotebookRun) -> None:
    shell.user_ns.update(team=Duo(), run=broken, penguins=[1, 2, 3])

    await run_cell("team --resume run --with penguins -o again", "")

    again = shell.user_ns["again"]
    (shared,) = (event.body for event in again.log if isinstance(event.body, VariablesShared))
    assert texts(again) == WHOLE
    assert shared.names == ("penguins",)


async def test_code_is_run_again_first_if_asked_for(shell: Any) -> None:
    before, world = World(), World()
    result = await coder(before).run(task="Begin.")
    shell.user_ns.update(team=coder(world), said=result)

    await run_cell("team --resume said --rerun-code -o run", "Go on.")

    assert world.done[: len(before.done)] == before.done
    assert before.done


async def test_a_run_that_goes_back_goes_on_in_its_branch(
    shell: Any, capsys: pytest.CaptureFixture[str], runs: Path
) -> None:
    shell.user_ns["team"] = checked()

    await run_cell("team -o run", "count")

    run = shell.user_ns["run"]
    assert run.state == "done"
    assert texts(run) == ["count", "ana 1", "ben 1", "ana 2"]
    assert run.log.origin is not None
    assert run.result.log is run.log
    told = capsys.readouterr().out
    assert told.count("ana 2") == 2
    places = [
        told.rindex(part) for part in ("ana 1", "ben 1", "ana · taken back", "a branch of the run", "Done, 3 turns, ")
    ]
    assert places == sorted(places)
    for path in runs.glob("*.jsonl"):
        RunLog.open(path).reopen().close()  # nobody writes any of them any more


async def test_a_run_that_went_back_is_gone_on_from_in_its_branch(shell: Any) -> None:
    run = NotebookRun(checked(), "count")
    await run
    shell.user_ns.update(team=checked(times=0), run=run)

    await run_cell("team --resume run -o more", "count on")

    assert shell.user_ns["more"].log.path == run.log.path
