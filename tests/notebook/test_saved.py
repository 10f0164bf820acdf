"""Saved runs: found by what a person calls them, shown and told of, also while somebody writes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import agentnb
from agentnb.base import TaskResult
from agentnb.exceptions import LogUnreadable, UnknownName, UserError
from agentnb.messages import TextMessage
from agentnb.notebook import NotebookRun, open_run
from agentnb.notebook.listing import kernel_runs, saved_runs
from agentnb.runlog import RunLog
from tests.notebook.runners import Duo, Talker


async def finished() -> TaskResult:
    return await Duo().run(task="count")


@pytest.mark.parametrize(
    "called",
    [
        lambda log: log.id[:8],
        lambda log: log.id,
        lambda log: log.path,
        lambda log: str(log.path),
        lambda log: log.path.name,
        lambda log: log,
        lambda log: TaskResult(messages=[], log=log),
    ],
    ids=["beginning", "id", "path", "text", "name", "log", "result"],
)
async def test_a_run_is_opened_by_whatever_names_it(called: Callable[[RunLog], Any], runs: Path) -> None:
    log = (await finished()).log
    assert log is not None

    run = open_run(called(log), runs if called(log) == Path(str(log.path)).name else None)

    assert run.log.id == log.id
    assert (run.state, run.stop_reason) == ("done", "the limit of 4 turns was reached")
    assert [message.to_text() for message in run.messages] == ["count", "ana 1", "ben 1", "ana 2", "ben 2"]
    assert repr(run).startswith(f"<run {log.id[:8]} of 'duo': done, 5 messages, 20")


async def test_a_saved_run_can_do_what_a_run_can(tmp_path: Path) -> None:
    log = (await finished()).log
    assert log is not None
    run = agentnb.open_run(log.path)

    assert list(run.to_df("turns").source) == ["ana", "ben", "ana", "ben"]
    assert "role" in run.to_df(style="inspect").columns
    assert run.plot("turn_share", title="Who").get_title(loc="left") == "Who"
    assert run.provenance().log_id == log.id
    assert run.to_html(tmp_path / "run").name == "run.html"
    assert "ben 2" in run._repr_mimebundle_()["text/html"]
    other = run.branch(message=2, why="what if?")
    assert run.diff(other).shared_facts == other.origin.at  # type: ignore[union-attr]
    again = open_run(run.save(tmp_path / "alone.jsonl"))
    assert again.log.events == log.events
    with pytest.raises(UserError, match="exists already"):
        run.save(tmp_path / "alone.jsonl")


async def test_a_run_that_somebody_writes_is_told_of_as_it_is_now() -> None:
    log = RunLog.create("duo")
    log.note("first")
    run = open_run(log.path)
    assert (run.state, len(run.log)) == ("running", 1)

    log.note("second")

    assert len(run.log) == 2
    log.close()
    assert run.state == "broken off"
    assert log.path is not None
    log.path.unlink()
    assert len(run.log) == 2


@pytest.mark.parametrize(
    ("called", "error", "told"),
    [
        ("abcdef12", UnknownName, "No file in .* holds a run 'abcdef12'"),
        ("abc", UserError, "'abc' is too short to name a run: give at least 4 characters"),
        ("no/such.jsonl", UserError, "There is no file .*/no/such.jsonl"),
        (Path("such"), UserError, "There is no file"),
        (7, UserError, "needs the log of a run, not int: 7. Give a RunLog"),
        (TaskResult(messages=[]), UserError, "needs the log of a run, and this TaskResult has none"),
    ],
)
async def test_what_names_no_run_is_answered_in_words(called: Any, error: type[Exception], told: str) -> None:
    await finished()

    with pytest.raises(error, match=told):
        open_run(called)


def test_a_file_that_is_no_log_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("no log\n")

    with pytest.raises(LogUnreadable, match="is no run's file"):
        open_run(tmp_path / "x.jsonl")


async def test_saved_runs_are_listed_below_those_of_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = NotebookRun(Talker(), "talk")
    await mine
    log = (await finished()).log
    assert log is not None

    listed = saved_runs()

    assert mine.log.id[:8] not in listed
    assert mine.log.path is not None
    assert mine.log.path.name in kernel_runs()
    (line,) = (line for line in listed.splitlines() if line.startswith(log.id[:8]))
    assert line.split()[1:4] == ["duo", "done", "5"]
    assert line.endswith("count")
    assert f"%agentteam show {log.id[:8]} -o run" in listed
    monkeypatch.setenv("AGENTNB_RUNS", "off")
    assert saved_runs() == ""


async def test_a_result_is_a_table_too() -> None:
    result = await finished()

    assert list(result.to_df().text) == ["count", "ana 1", "ben 1", "ana 2", "ben 2"]
    assert len(result.to_df("turns")) == 4
    with pytest.raises(UserError, match="This result has no log"):
        TaskResult(messages=[TextMessage(content="hi", source="ana")]).to_df()
    with pytest.raises(UnknownName, match="No table named 'turn'"):
        result.to_df("turn")
