"""Deleting runs, and keeping only some."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

import agentnb
from agentnb.base import TaskResult
from agentnb.exceptions import UnknownName, UserError
from agentnb.runlog import RunLog, RunStarted, ToolFinished
from agentnb.runlog.blobs import FOLDER as BLOBS
from agentnb.transcripts import EXPENDABLE, Freed, delete_runs, keep_runs, runs
from tests.transcripts.shelf import conversation, days_ago, made, pair, path_of

LONG = "a long text " * 3000
OTHER = "another one " * 3000


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.jsonl")}


def blobs(folder: Path) -> int:
    return len(list((folder / BLOBS).glob("*")))


def test_a_run_is_deleted_and_what_that_freed_is_said(tmp_path: Path) -> None:
    gone, kept = made(tmp_path), made(tmp_path)
    size = path_of(gone).stat().st_size

    freed = agentnb.delete_runs(gone.id, tmp_path)

    assert files(tmp_path) == {path_of(kept).name}
    assert freed == Freed((path_of(gone).name,), 0, size)
    assert str(freed) == f"1 run deleted, {size:,} bytes freed."


def test_runs_are_named_by_id_path_log_or_table(tmp_path: Path) -> None:
    logs = [made(tmp_path) for _ in range(6)]

    delete_runs([logs[0].id[:8], path_of(logs[1]), logs[2]], tmp_path)
    frame = runs(tmp_path)
    delete_runs(frame[frame["run_id"].isin([logs[3].id, logs[4].id])], tmp_path)

    assert files(tmp_path) == {path_of(logs[5]).name}


def test_a_run_is_deleted_by_its_result(tmp_path: Path) -> None:
    gone, kept = made(tmp_path), made(tmp_path)

    delete_runs(TaskResult(messages=[], log=gone), tmp_path)

    assert files(tmp_path) == {path_of(kept).name}
    with pytest.raises(UserError, match="delete_runs needs the log of a run, not int: 3"):
        delete_runs([3], tmp_path)


def test_the_runs_of_a_search_can_be_deleted(tmp_path: Path) -> None:
    made(tmp_path, "hello hello", tool="hello")
    kept = made(tmp_path, "goodbye")

    delete_runs(agentnb.search("hello", tmp_path), tmp_path)

    assert files(tmp_path) == {path_of(kept).name}


def test_a_damaged_run_can_be_deleted(tmp_path: Path) -> None:
    (tmp_path / "odd.jsonl").write_text("nothing\n")

    delete_runs(runs(tmp_path), tmp_path)

    assert not files(tmp_path)


def test_a_run_that_is_being_written_is_not_deleted_nor_any_beside_it(tmp_path: Path) -> None:
    done, log = made(tmp_path), made(tmp_path, over=False)

    with pytest.raises(UserError, match=f"{log.id}.*is being written"):
        delete_runs([done.id, log.id], tmp_path)

    assert len(files(tmp_path)) == 2
    log.close()


def test_a_run_that_others_branch_off_is_deleted_only_with_them(tmp_path: Path) -> None:
    origin = made(tmp_path)
    branch = origin.branch(at=5, folder=tmp_path)
    branch.close()
    twig = RunLog.open(path_of(branch)).branch(at=6, folder=tmp_path)
    twig.close()

    said = f"2 runs need .*: {branch.id} branches off {origin.id}, {twig.id} branches off {branch.id}. Delete them too"
    with pytest.raises(UserError, match=said):
        delete_runs(origin.id, tmp_path)
    assert len(files(tmp_path)) == 3

    freed = delete_runs(origin.id, tmp_path, branches=True)

    assert len(freed.runs) == 3
    assert not files(tmp_path)


def test_a_run_that_no_branch_needs_is_deleted_alone(tmp_path: Path) -> None:
    origin = made(tmp_path)
    branch = origin.branch(at=5, folder=tmp_path)
    branch.close()
    whole = RunLog.open(path_of(branch)).save(tmp_path / "whole.jsonl")
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(path_of(origin).read_bytes())

    delete_runs(copy, tmp_path)
    with pytest.raises(UserError, match=r"1 run needs .* branches off"):
        delete_runs(path_of(origin), tmp_path)
    delete_runs(path_of(branch), tmp_path)
    delete_runs(path_of(origin), tmp_path)

    assert files(tmp_path) == {whole.name}
    assert len(RunLog.open(whole)) == 6


def test_a_branch_keeps_its_origin_under_another_name(tmp_path: Path) -> None:
    origin = made(tmp_path)
    branch = origin.branch(at=5, folder=tmp_path)
    branch.close()
    path_of(origin).rename(tmp_path / "renamed.jsonl")

    with pytest.raises(UserError, match=r"1 run needs .* branches off"):
        delete_runs(origin.id, tmp_path)

    assert set(runs(tmp_path)["outcome"].dropna()) == {"done"}
    assert len(files(tmp_path)) == 2


async def test_a_run_from_which_a_conversation_goes_on_is_deleted_only_with_what_goes_on(tmp_path: Path) -> None:
    first, second, third = await conversation(tmp_path, "one", "two", "three")
    other = made(tmp_path)

    said = f"2 runs need .*: {second.id} goes on from {first.id}, {third.id} goes on from {second.id}"
    for _ in range(2):  # read from the files, then from the index
        with pytest.raises(UserError, match=said):
            delete_runs(first.id, tmp_path)
    await pair().restore(path_of(third))
    delete_runs(third, tmp_path)
    freed = delete_runs(first, tmp_path, branches=True)

    assert set(freed.runs) == {path_of(first).name, path_of(second).name}
    assert files(tmp_path) == {path_of(other).name}


async def test_of_many_runs_that_go_on_the_error_names_some(tmp_path: Path) -> None:
    logs = await conversation(tmp_path, *"abcdefgh")

    with pytest.raises(UserError, match=r"7 runs need .*, and 2 more\. Delete"):
        delete_runs(logs[0].id, tmp_path)


async def test_a_copy_of_an_earlier_run_is_deleted_alone_and_the_last_one_is_not(tmp_path: Path) -> None:
    first, second = await conversation(tmp_path, "one", "two")
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(path_of(first).read_bytes())

    with pytest.raises(UserError, match=f"{second.id} goes on from {first.id}"):
        delete_runs([copy, path_of(first)], tmp_path)
    delete_runs(path_of(first), tmp_path)

    await pair().restore(path_of(second))
    assert files(tmp_path) == {copy.name, path_of(second).name}


async def test_a_resumed_run_and_one_that_began_anew_need_no_other(tmp_path: Path) -> None:
    (first,) = await conversation(tmp_path, "one")
    await (again := pair()).resume(path_of(first), task="more")
    await again.reset()
    await again.run(task="anew", log=(anew := RunLog.create("anew", folder=tmp_path)))
    anew.close()

    delete_runs(first.id, tmp_path)

    assert files(tmp_path) == {path_of(anew).name}


async def test_a_branch_of_a_run_that_goes_on_needs_what_that_needs(tmp_path: Path) -> None:
    first, second = await conversation(tmp_path, "one", "two")
    branch = second.branch(message=1, folder=tmp_path)
    await pair().resume(branch)

    with pytest.raises(
        UserError, match=f"2 runs need .* goes on from {first.id}, {branch.id} branches off {second.id}"
    ):
        delete_runs(first.id, tmp_path)
    with pytest.raises(UserError, match=f"1 run needs .*: {branch.id} branches off {second.id}. Delete"):
        delete_runs(second.id, tmp_path)
    alone = RunLog.open(path_of(branch)).save(tmp_path / "alone.jsonl")
    delete_runs([path_of(branch), path_of(second)], tmp_path)

    with pytest.raises(UserError, match=f"{branch.id} goes on from {first.id}"):
        delete_runs(first.id, tmp_path)
    await pair().restore(alone)


def test_a_run_that_says_nonsense_of_what_it_goes_on_from_can_be_deleted_like_any_other(tmp_path: Path) -> None:
    log = RunLog.create("team", folder=tmp_path)
    log.append(RunStarted(runner="team", runner_type="T", continues="who knows"), source="team")
    log.close()
    other = made(tmp_path)

    delete_runs(other.id, tmp_path)
    delete_runs(log.id, tmp_path)

    assert not files(tmp_path)


def test_a_branch_named_with_its_origin_needs_no_leave(tmp_path: Path) -> None:
    origin = made(tmp_path)
    branch = origin.branch(at=5, folder=tmp_path)
    branch.close()

    delete_runs([origin.id, branch.id], tmp_path)

    assert not files(tmp_path)


@pytest.mark.parametrize("name", ["nope", "nope.jsonl"])
def test_a_run_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    made(tmp_path)

    with pytest.raises(UnknownName, match="nope"):
        delete_runs(name, tmp_path)


def test_nothing_but_runs_of_the_folder_is_deleted(tmp_path: Path) -> None:
    log = made(tmp_path / "there")
    (tmp_path / "here").mkdir()
    thesis = tmp_path / "here" / "thesis.txt"
    thesis.write_text("all my work")

    with pytest.raises(UserError, match=r"is not in .*here"):
        delete_runs(path_of(log), tmp_path / "here")
    with pytest.raises(UserError, match=r"thesis\.txt is no run's file"):
        delete_runs(thesis, tmp_path / "here")
    with pytest.raises(UserError, match="no column 'path'"):
        delete_runs(pd.DataFrame({"a": [1]}), tmp_path / "here")
    with pytest.raises(UserError, match="has no file"):
        delete_runs(RunLog(), tmp_path / "here")

    assert thesis.exists()
    assert path_of(log).exists()


def test_texts_that_no_run_refers_to_any_more_go_with_the_last_that_did(tmp_path: Path) -> None:
    first, second = made(tmp_path, tool=LONG), made(tmp_path, tool=LONG)
    made(tmp_path, tool=OTHER)
    assert blobs(tmp_path) == 2

    kept = delete_runs(first.id, tmp_path)
    size = path_of(second).stat().st_size
    freed = delete_runs(second.id, tmp_path)

    assert (kept.blobs, freed.blobs, blobs(tmp_path)) == (0, 1, 1)
    assert freed.size_bytes == size + len(LONG)
    assert str(freed).startswith("1 run and 1 large value deleted")
    (left,) = runs(tmp_path)["path"]
    assert [event.body.result for event in RunLog.open(left) if isinstance(event.body, ToolFinished)] == [OTHER]


def test_texts_stay_while_a_run_is_written_and_go_the_next_time(tmp_path: Path) -> None:
    log = made(tmp_path, tool=LONG)
    busy = made(tmp_path, over=False)

    freed = delete_runs(log.id, tmp_path)
    assert (freed.blobs, freed.waiting, blobs(tmp_path)) == (0, True, 1)
    assert "when no run is being written" in str(freed)

    busy.close()
    (only,) = (tmp_path / BLOBS).iterdir()
    old = only.stat().st_mtime - 3600
    os.utime(only, (old, old))
    again = delete_runs([], tmp_path)

    assert (again.runs, again.blobs, blobs(tmp_path)) == ((), 1, 0)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that opens and cannot be read")
def test_texts_stay_while_a_run_cannot_be_read(tmp_path: Path) -> None:
    gone, kept = made(tmp_path, tool=LONG), made(tmp_path)
    odd = tmp_path / "odd.jsonl"
    odd.symlink_to("/proc/self/mem")

    freed = delete_runs(gone.id, tmp_path)

    assert (freed.runs, freed.blobs, freed.waiting, blobs(tmp_path)) == ((path_of(gone).name,), 0, True, 1)
    assert "and all can be read" in str(freed)
    assert delete_runs(odd, tmp_path).runs == (odd.name,)
    assert files(tmp_path) == {path_of(kept).name}


def test_a_text_that_is_quite_new_may_be_about_to_be_referred_to(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / BLOBS).mkdir()
    (tmp_path / BLOBS / ("a" * 64)).write_text("just now")

    delete_runs([], tmp_path)

    assert blobs(tmp_path) == 1


@pytest.fixture
def shelf(tmp_path: Path) -> list[RunLog]:
    """Runs from 1, 2, 3 and 4 days ago."""
    logs = []
    for days in range(1, 5):
        with days_ago(days):
            logs.append(made(tmp_path))
    return logs


def test_what_would_go_is_shown_and_nothing_deleted(tmp_path: Path, shelf: list[RunLog]) -> None:
    frame = agentnb.keep_runs(tmp_path, days=2.5)

    assert list(frame["run_id"]) == [shelf[2].id, shelf[3].id]
    assert list(frame["why"]) == ["older than 2.5 days"] * 2
    assert len(files(tmp_path)) == 4
    assert {str(n): str(d) for n, d in frame.dtypes.items()} == {c.name: c.dtype for c in EXPENDABLE}


def test_what_is_beyond_goes_if_that_is_meant(tmp_path: Path, shelf: list[RunLog]) -> None:
    frame = keep_runs(tmp_path, newest=1, dry_run=False)

    assert list(frame["why"]) == ["beyond the newest 1"] * 3
    assert files(tmp_path) == {path_of(shelf[0]).name}


def test_the_newest_stay_that_have_so_many_bytes_together(tmp_path: Path, shelf: list[RunLog]) -> None:
    two = sum(path_of(log).stat().st_size for log in shelf[:2])

    frame = keep_runs(tmp_path, size_bytes=two)

    assert list(frame["run_id"]) == [shelf[2].id, shelf[3].id]
    assert set(frame["why"]) == {f"beyond {two:,} bytes"}


def test_runs_that_are_written_or_that_others_need_stay(tmp_path: Path, shelf: list[RunLog]) -> None:
    branch = shelf[3].branch(at=5, folder=tmp_path)
    branch.close()
    with days_ago(9):
        busy = made(tmp_path, over=False)

    frame = keep_runs(tmp_path, newest=1, dry_run=False)

    assert set(frame["run_id"]) == {log.id for log in shelf[:3]}
    assert set(runs(tmp_path)["run_id"]) == {branch.id, shelf[3].id, busy.id}
    busy.close()


def test_a_file_that_is_no_runs_is_neither_counted_nor_deleted(tmp_path: Path, shelf: list[RunLog]) -> None:
    (tmp_path / "results.jsonl").write_text('{"score": 1}\n')
    (tmp_path / "empty.jsonl").touch()

    frame = keep_runs(tmp_path, newest=2, dry_run=False)

    assert list(frame["run_id"].dropna()) == [log.id for log in shelf[1:]]
    assert files(tmp_path) == {"results.jsonl", "empty.jsonl", path_of(shelf[0]).name}
    keep_runs(tmp_path, newest=0, dry_run=False)
    assert files(tmp_path) == {"results.jsonl"}


async def test_the_earlier_runs_of_a_conversation_stay_with_the_last_one(tmp_path: Path, shelf: list[RunLog]) -> None:
    logs = await conversation(tmp_path, "one", "two", "three")

    frame = keep_runs(tmp_path, newest=1, dry_run=False)

    assert set(frame["run_id"]) == {log.id for log in shelf}
    assert files(tmp_path) == {path_of(log).name for log in logs}
    await pair().restore(path_of(logs[-1]))


def test_if_all_stay_the_table_is_empty(tmp_path: Path, shelf: list[RunLog]) -> None:
    assert keep_runs(tmp_path, days=30, dry_run=False).empty
    assert len(files(tmp_path)) == 4


@pytest.mark.parametrize("measure", [{}, {"days": -1.0}, {"newest": -1}, {"size_bytes": -1}, {"days": float("nan")}])
def test_a_measure_is_needed(tmp_path: Path, shelf: list[RunLog], measure: dict[str, float]) -> None:
    with pytest.raises(UserError, match=r"Say what is to stay|is no measure"):
        keep_runs(tmp_path, **measure, dry_run=False)  # type: ignore[arg-type]

    assert len(files(tmp_path)) == 4
