"""All facts of a log in a file: on a full disk, after the file was deleted, and at the end."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from agentnb.messages import TextMessage
from agentnb.runlog import JsonLinesStore, Noted, RunLog, Said, ToolStarted
from agentnb.runlog.store import way_out

needs_unlinking = pytest.mark.skipif(sys.platform == "win32", reason="Windows deletes no file that is open")

LARGE = "x" * 100_000

_FULL_DISK = """
import resource, signal, sys, warnings
from pathlib import Path
from agentnb.runlog import RunLog

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder = Path(sys.argv[1])
log = RunLog.create("full", folder=folder)
for i in range(50):
    log.note(f"{i:03} " + "x" * 100)
def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
limit(2000)
for _ in range(2):
    try:
        log.save(folder / "saved.jsonl")
    except ValueError as error:
        print(error)
limit(resource.RLIM_INFINITY)
print(len(RunLog.open(log.save(folder / "saved.jsonl"))), len(list(folder.iterdir())))

other = RunLog.create("late", folder=folder)
limit(2000)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for i in range(50):
        other.note(f"{i:03} " + "x" * 100)
    other.close()
    other.close()
    print(len(caught), caught[-1].message)
    print(other.unsaved)
    limit(resource.RLIM_INFINITY)
    other.close()
    print(len(caught), other.unsaved, len(RunLog.open(other.path)))
"""


def test_a_full_disk_leaves_no_half_file_and_is_named_once_more_at_the_end(tmp_path: Path) -> None:
    """A file-size limit stands in for a full disk: the same write fails, part of a line included."""
    done = subprocess.run([sys.executable, "-c", _FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True)
    first, second, saved, warned, unsaved, after = done.stdout.splitlines()

    assert first == second
    assert first.startswith(f"The log cannot be written to {tmp_path / 'saved.jsonl'}: ")
    assert first.endswith(", or choose another place.")
    assert saved == "50 2"
    assert warned.startswith(f"2 {unsaved} of the 50 facts of the run are not on disk, but in this process only: ")
    assert "save them elsewhere with `run.log.save(path)`, before it ends." in warned
    assert after == "2 0 50"


@pytest.mark.parametrize(
    ("number", "way"),
    [
        (errno.ENOSPC, "Free some space"),
        (errno.EDQUOT, "Free some space"),
        (errno.EROFS, "Make that disk writable"),
        (errno.EACCES, "Get yourself the right to write there"),
        (errno.EPIPE, "Set that right"),
    ],
)
def test_the_way_out_fits_what_the_disk_says(number: int, way: str) -> None:
    assert way_out(OSError(number, "said")) == way


def test_a_file_in_the_way_is_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.warns(RuntimeWarning, match="Move the file away that lies where a folder should be"):
        RunLog.create("x", folder=tmp_path / "file" / "runs")


@needs_unlinking
def test_a_folder_of_runs_that_is_deleted_in_mid_run_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AGENTNB_RUNS")
    monkeypatch.chdir(tmp_path)
    log = RunLog.create("test")
    log.append(Said(message=TextMessage(content=LARGE, source="user")))
    shutil.rmtree(tmp_path / ".agentnb")
    log.note("nobody saw it")

    with pytest.warns(RuntimeWarning, match="was deleted while the run went on. It was written anew, with all its 2"):
        log.close()

    assert log.path is not None
    assert RunLog.open(log.path).events == log.events
    assert (tmp_path / ".agentnb" / ".gitignore").exists()
    log.reopen().note("and on")
    log.close()
    assert len(RunLog.open(log.path)) == 3


@needs_unlinking
def test_a_branch_that_is_deleted_with_its_origin_is_written_anew_with_all_facts(log: RunLog, runs: Path) -> None:
    log.note("shared")
    branch = log.branch(at=1).reopen()
    log.close()
    shutil.rmtree(runs)

    with pytest.warns(RuntimeWarning, match="written anew"):
        branch.close()

    assert branch.path is not None
    assert RunLog.open(branch.path).events == branch.events


@needs_unlinking
def test_a_file_that_took_the_place_of_a_run_is_left_alone(log: RunLog) -> None:
    assert log.path is not None
    place = log.path
    log.note("one")
    place.unlink()
    place.write_text("somebody else's")

    with pytest.warns(RuntimeWarning, match="written anew"):
        log.close()

    assert place.read_text() == "somebody else's"
    assert log.path != place
    assert RunLog.open(log.path).events == log.events


@needs_unlinking
def test_a_deleted_run_that_cannot_be_written_anew_says_how_it_is_saved(
    log: RunLog, runs: Path, tmp_path: Path
) -> None:
    log.note("one")
    shutil.rmtree(runs)
    runs.write_text("in the way")

    with pytest.warns(
        RuntimeWarning, match=r"was deleted .* 1 of the 1 facts .* not on disk.*`run\.log\.save\(path\)`"
    ):
        log.close()

    assert log.unsaved == 2
    assert RunLog.open(log.save(tmp_path / "elsewhere.jsonl")).events == log.events


def test_a_log_that_is_closed_as_it_should_says_nothing(log: RunLog) -> None:
    log.note("one")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        log.close()
        log.close()


def test_a_fact_that_has_no_json_leaves_no_gap_in_the_file(log: RunLog) -> None:
    strange: dict[Any, Any] = {frozenset({object()}): 1}
    assert log.path is not None

    log.append(ToolStarted(tool="look", arguments={"deep": strange}))
    log.note("next")

    first, second = RunLog.open(log.path)
    assert isinstance(first.body, Noted)
    assert first.body.text.startswith("A fact of the kind 'tool.started' has no JSON")
    assert second.seq == 2


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_interrupt_while_a_fact_is_written_neither_loses_nor_repeats_it(
    log: RunLog, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    put = JsonLinesStore._put
    text = "so be it, " * 50

    def interrupted(store: JsonLinesStore, line: bytes) -> None:
        monkeypatch.undo()
        if when == "after":
            put(store, line)
        raise KeyboardInterrupt

    monkeypatch.setattr(JsonLinesStore, "_put", interrupted)
    with pytest.raises(KeyboardInterrupt):
        log.note(text)
    log.note(text)
    log.close()

    assert log.path is not None
    assert [event.body for event in RunLog.open(log.path)] == [Noted(text=text, by="agentnb")] * 2


def test_a_file_that_somebody_only_looks_at_gets_its_writer(log: RunLog, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")
    log.note("one")
    log.close()
    assert log.path is not None
    waited: list[float] = []
    with log.path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)

        def look_on(seconds: float) -> None:
            waited.append(seconds)
            if len(waited) == 2:
                fcntl.flock(file, fcntl.LOCK_UN)

        monkeypatch.setattr("agentnb.runlog.store.sleep", look_on)
        log.reopen().note("two")

    assert waited == [0.01, 0.01]
    assert len(RunLog.open(log.path)) == 2


def test_a_large_text_that_is_said_again_is_no_prey_of_a_sweep(log: RunLog, runs: Path) -> None:
    log.append(Said(message=TextMessage(content=LARGE, source="user")))
    (blob,) = (runs / "blobs").iterdir()
    os.utime(blob, (0, 0))

    again = RunLog.create("again")
    again.append(Said(message=TextMessage(content=LARGE, source="user")))

    assert blob.stat().st_mtime > 1_000_000
    assert isinstance(again.store, JsonLinesStore)


def test_a_folder_that_is_moved_in_mid_run_takes_its_run_and_later_texts_along(tmp_path: Path) -> None:
    log = RunLog.create("run", folder=tmp_path / "here")
    log.note("x" * 20_000)
    (tmp_path / "here").rename(tmp_path / "there")

    log.note("y" * 20_000)
    log.note("x" * 20_000)
    log.close()

    assert not (tmp_path / "here").exists()
    assert log.path is not None
    assert log.path.parent == tmp_path / "there"
    assert RunLog.open(log.path).events == log.events


def test_a_run_that_is_renamed_in_mid_run_goes_on_under_its_new_name(tmp_path: Path) -> None:
    log = RunLog.create("run", folder=tmp_path)
    log.note("one")
    assert log.path is not None
    new = log.path.rename(tmp_path / "the one.jsonl")

    log.note("two")
    log.close()
    log.reopen().note("three")
    log.close()

    assert (log.path, log.unsaved) == (new, 0)
    assert RunLog.open(new).events == log.events
    assert list(tmp_path.glob("*.jsonl")) == [new]
