"""What names a run: logs, what has one, files and ids."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import agentnb
from agentnb.base import TaskResult
from agentnb.exceptions import LogUnreadable, UnknownName, UserError
from agentnb.runlog import RUNS_VARIABLE, RunLog, RunStarted, log_of, logs_of
from agentnb.runlog.given import log_by_id
from agentnb.transcripts import provenance, scan, to_df
from agentnb.transcripts.record import to_record
from agentnb.ui import export, show_team


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunLog:
    """A run in the folder of runs, opened from its file."""
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    log = RunLog.create("team")
    log.append(RunStarted(runner="team", runner_type="T"))
    log.close()
    assert log.path is not None
    return RunLog.open(log.path)


def ways(log: RunLog) -> list[Any]:
    return [log, TaskResult(messages=[], log=log), log.path, str(log.path), log.id, log.id[:8]]


def test_a_log_is_named_by_itself_its_result_its_file_or_its_id(log: RunLog) -> None:
    assert [log_of(way).id for way in ways(log)] == [log.id] * 6
    assert [one.id for one in logs_of(iter(ways(log)))] == [log.id] * 6
    assert [one.id for way in ways(log) for one in logs_of(way)] == [log.id] * 6


def test_whatever_reads_a_run_takes_it_by_all_of_these(log: RunLog, tmp_path: Path) -> None:
    for way in ways(log):
        assert len(to_df(way, "events")) == len(to_df([way], "events")) == 1
        assert len(to_df(way, "events", style="inspect")) == 1
        assert agentnb.diff(way, way).same
        assert provenance(way).log_id == log.id
        assert scan(way) == []
        assert to_record(way)["run"] == log.id
        assert export(way, tmp_path / "run.md").exists()
        assert agentnb.plot.timeline(way) is not None
        show_team(way)


def test_a_run_is_looked_for_in_the_folder_that_is_given(log: RunLog, tmp_path: Path) -> None:
    elsewhere = log.save(tmp_path / "other" / "copy.jsonl").parent
    assert log.path is not None
    log.path.unlink()

    for way in ("copy.jsonl", Path("copy.jsonl"), log.id[:8]):
        assert log_of(way, folder=elsewhere).path == elsewhere / "copy.jsonl"
        assert log_of(way, folder=str(elsewhere)).id == log.id


def test_logs_that_are_here_are_looked_at_before_files_the_newest_first(log: RunLog) -> None:
    old, new = RunLog(run_id=log.id), RunLog(run_id=log.id)

    assert log_by_id(log.id[:6], here=[old, new, RunLog()]) is new
    assert log_by_id(log.id[:6], here=[RunLog()]).path == log.path


@pytest.mark.parametrize("wrong", [None, 3, {}, [None], object()])
def test_what_is_no_run_gets_an_error_that_says_what_is_wanted(wrong: Any, tmp_path: Path) -> None:
    readers: list[Callable[[Any], Any]] = [
        to_df,
        agentnb.plot.timeline,
        agentnb.plot.conversation_graph,
        show_team,
        lambda run: agentnb.diff(run, run),
        provenance,
        scan,
        to_record,
        lambda run: export(run, tmp_path / "run.html"),
    ]
    for read in readers:
        with pytest.raises(UserError, match=r"needs the log of a run, not \w+: .*\. Give a RunLog, .*or its id"):
            read(wrong)


def test_a_result_without_a_log_says_so() -> None:
    with pytest.raises(UserError, match="needs the log of a run, and this TaskResult has none"):
        to_df(TaskResult(messages=[]))


def test_a_text_that_is_neither_file_nor_id_says_both(log: RunLog) -> None:
    with pytest.raises(UnknownName, match=r"'nothing\.jsonl' is no file in .*, and it names no run: .*Give a RunLog"):
        log_of("nothing.jsonl")
    with pytest.raises(UnknownName, match="is no file"):
        log_of("x" * 5000)


def test_the_beginning_of_several_ids_is_refused_and_a_missing_path_is_read_no_further(
    log: RunLog, tmp_path: Path
) -> None:
    log.save(tmp_path / "runs" / f"copy-{log.id[:8]}.jsonl")

    with pytest.raises(UserError, match="Several files"):
        log_of(log.id[:6])
    with pytest.raises(LogUnreadable, match="gone"):
        log_of(tmp_path / "gone.jsonl")


def test_a_table_of_runs_is_no_run_but_its_paths_are(log: RunLog) -> None:
    table = agentnb.runs()

    assert [one.id for one in logs_of(table.path)] == [log.id]
    with pytest.raises(UserError, match="not DataFrame"):
        logs_of(table)
