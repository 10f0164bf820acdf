"""The table of a folder's runs."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import agentnb
from agentnb.exceptions import LogUnreadable, UnknownName, UserError
from agentnb.runlog import RunFinished, RunLog, RunStarted, Usage
from agentnb.transcripts import RUNS, find_run, runs
from agentnb.transcripts.columns import RUN_OUTCOMES
from agentnb.transcripts.index import INDEX
from agentnb.transcripts.library import summaries
from agentnb.transcripts.listing import list_runs
from tests.transcripts.shelf import days_ago, made, path_of, team_run


def dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(dtype) for name, dtype in frame.dtypes.items()}


def declared() -> dict[str, str]:
    return {column.name: column.dtype for column in RUNS}


async def test_a_run_of_a_team_is_a_row(tmp_path: Path) -> None:
    log = await team_run("write about  bees\nplease", "Bees dance.", folder=tmp_path)

    row = agentnb.runs(tmp_path).iloc[0]

    assert row["run_id"] == log.id
    assert (row["team"], row["task"], row["model"]) == (
        "writers",
        "write about bees please",
        "scripted-a, scripted-b",
    )
    assert (row["turns"], row["messages"], row["outcome"]) == (2, 3, "done")
    assert row["started_at"] == log.events[0].at
    assert row["prompt_tokens"] == sum(e.usage.prompt_tokens or 0 for e in log if e.usage)
    assert row["completion_tokens"] == 4
    assert row["seconds"] == log.events[-1].took
    assert (row["path"], row["facts"], row["size_bytes"]) == (str(log.path), len(log), path_of(log).stat().st_size)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (b'"prompt_tokens":', b'"prompt_tokens":99999999999999999999'),
        (b'"usage":{', b'"usage":5,"was":{'),
        (b'"message":{', b'"message":5,"was":{'),
        (b'"run": "', b'"run": 5, "was": "'),
        (b'"at":"20', b'"at":"once '),
    ],
)
def test_one_damaged_value_does_not_hide_the_other_runs(tmp_path: Path, good: bytes, bad: bytes) -> None:
    path = path_of(made(tmp_path))
    path.write_bytes(path.read_bytes().replace(good, bad))
    whole = made(tmp_path)

    frame = agentnb.runs(tmp_path).set_index("path")

    assert len(frame) == 2
    assert frame.loc[str(whole.path), "outcome"] == "done"


def test_the_newest_run_is_first(tmp_path: Path) -> None:
    ids = []
    for days in (3, 1, 2):
        with days_ago(days):
            ids.append(made(tmp_path).id)

    assert list(runs(tmp_path)["run_id"]) == [ids[1], ids[2], ids[0]]
    assert list(runs(tmp_path, newest=1)["run_id"]) == [ids[1]]


@pytest.mark.parametrize("filled", [False, True])
def test_the_table_has_the_declared_columns_and_dtypes(tmp_path: Path, filled: bool) -> None:
    if filled:
        made(tmp_path)
        (tmp_path / "broken.jsonl").write_text("nothing\n")

    frame = runs(tmp_path)

    assert len(frame) == (2 if filled else 0)
    assert dtypes(frame) == declared()
    assert list(frame["outcome"].cat.categories) == list(RUN_OUTCOMES)


def test_the_default_folder_need_not_exist_yet(runs: Path) -> None:
    assert agentnb.runs().empty
    assert not runs.exists()


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"There is no folder .*nowhere"):
        runs(tmp_path / "nowhere")


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="root may read everywhere")
def test_a_folder_that_cannot_be_read_says_so_and_is_not_taken_to_be_empty(tmp_path: Path) -> None:
    made(tmp_path / "locked")
    (tmp_path / "locked").chmod(0)

    with pytest.raises(UserError, match=r"The folder .*locked cannot be read: Permission denied"):
        runs(tmp_path / "locked")
    (tmp_path / "locked").chmod(0o700)


def test_without_files_of_runs_a_folder_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTNB_RUNS", "off")

    with pytest.raises(UserError, match="not kept in files"):
        runs()


def test_less_than_no_runs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="newest=-1"):
        runs(tmp_path, newest=-1)


def test_a_run_goes_on_while_somebody_writes_it_and_is_broken_off_after(tmp_path: Path) -> None:
    log = made(tmp_path, over=False)

    before = runs(tmp_path).iloc[0]
    log.close()
    after = runs(tmp_path).iloc[0]

    assert (before["outcome"], after["outcome"]) == ("running", "broken off")
    assert after["seconds"] == (log.events[-1].at - log.events[0].at).total_seconds()


def test_a_run_that_goes_on_is_read_again(tmp_path: Path) -> None:
    log = made(tmp_path, over=False)
    assert runs(tmp_path).iloc[0]["outcome"] == "running"

    log.append(RunFinished(outcome="stopped", stop_reason="by hand"), parent=log.events[0].id, took=1.5)
    row = runs(tmp_path).iloc[0]
    log.close()

    assert (row["outcome"], row["stop_reason"], row["seconds"]) == ("stopped", "by hand", 1.5)


def test_of_a_run_that_goes_on_only_what_is_new_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = made(tmp_path, over=False)
    before = runs(tmp_path).iloc[0]

    # Were the file opened again, this would be the reader.
    monkeypatch.setattr("agentnb.transcripts.summary.LineReader", None)
    log.append(RunFinished(outcome="done"), parent=log.events[0].id, took=9.0)
    after = runs(tmp_path).iloc[0]
    log.close()

    assert (before["outcome"], after["outcome"], after["seconds"]) == ("running", "done", 9.0)
    assert (after["facts"], after["messages"]) == (len(log), 2)


def test_a_run_that_went_on_and_was_replaced_is_read_anew(tmp_path: Path) -> None:
    log = made(tmp_path, task="a first task", over=False)
    log.close()
    assert runs(tmp_path).iloc[0]["outcome"] == "broken off"

    other = tmp_path / "other"
    other.write_bytes(path_of(log).read_bytes().replace(b"a first task", b"a second task"))
    other.replace(path_of(log))

    assert runs(tmp_path).iloc[0]["task"] == "a second task"


def test_a_log_with_several_runs_is_summed_up_and_the_last_says_how_it_ended(tmp_path: Path) -> None:
    log = made(tmp_path).reopen()
    again = log.append(RunStarted(runner="team", runner_type="T", continues=log.events[0].id), source="team")
    log.append(RunFinished(outcome="failed", stop_reason="oh"), source="team", parent=again.id, took=3.0)
    log.close()

    row = runs(tmp_path).iloc[0]

    assert (row["outcome"], row["stop_reason"], row["seconds"]) == ("failed", "oh", 5.0)
    assert row["task"] == "say something"


def test_a_log_in_which_no_run_was_begun_has_no_outcome(tmp_path: Path) -> None:
    log = RunLog.create(folder=tmp_path)
    log.note("remember")
    log.close()

    row = runs(tmp_path).iloc[0]

    assert pd.isna(row["outcome"])
    assert row["facts"] == 1


@pytest.mark.parametrize("left", [0, 10, None])
def test_a_run_whose_process_ended_before_the_first_fact_is_broken_off_and_says_why(
    tmp_path: Path, left: int | None
) -> None:
    log = RunLog.create(folder=tmp_path)
    before = runs(tmp_path).iloc[0]
    log.close()
    path_of(log).write_bytes(path_of(log).read_bytes()[:left])

    after = runs(tmp_path).iloc[0]

    assert (before["outcome"], after["outcome"], after["facts"]) == ("running", "broken off", 0)
    assert after["stop_reason"] == "its process ended before the first fact was written"
    assert "before the first fact" in list_runs(summaries(tmp_path))[1]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"nothing\n", b'{"agentnb": 99, "run": "x"}\n', b"\xff\xfe\n", b"[1]\n"]
)
def test_a_file_that_is_no_run_does_not_spoil_the_table(tmp_path: Path, content: bytes) -> None:
    whole = made(tmp_path)
    (tmp_path / "odd.jsonl").write_bytes(content)

    frame = runs(tmp_path).set_index("path")

    assert frame.loc[str(whole.path), "outcome"] == "done"
    assert len(frame) == 2


def test_a_damaged_run_is_a_row_that_says_so(tmp_path: Path) -> None:
    log = made(tmp_path)
    lines = path_of(log).read_bytes().splitlines(keepends=True)
    path_of(log).write_bytes(b"".join((*lines[:3], lines[3][:40], b"\n", *lines[4:])))

    row = runs(tmp_path).iloc[0]

    assert (row["run_id"], row["outcome"], row["task"], row["facts"]) == (log.id, "damaged", "say something", 2)
    assert "is damaged at line 4" in row["stop_reason"]


def test_a_fact_that_is_damaged_leaves_what_can_be_counted(tmp_path: Path) -> None:
    log = made(tmp_path)
    raw = path_of(log).read_bytes()
    path_of(log).write_bytes(raw.replace(b'"outcome":"done"', b'"outcome":"gone"'))

    row = runs(tmp_path).iloc[0]

    assert (row["outcome"], row["turns"], row["prompt_tokens"]) == ("damaged", 1, 10)
    assert "'gone'" in row["stop_reason"]


def test_money_is_known_only_if_that_of_every_call_is(tmp_path: Path) -> None:
    with days_ago(2):
        made(tmp_path, cost_usd=0.25)
    with days_ago(1):
        made(tmp_path)

    costs = list(runs(tmp_path)["cost_usd"])

    assert pd.isna(costs[0])
    assert costs[1] == 0.25


def test_a_branch_names_its_origin_and_counts_only_its_own(tmp_path: Path) -> None:
    origin = made(tmp_path, task="count the bees")
    branch = origin.branch(at=3, folder=tmp_path)
    branch.close()

    row = runs(tmp_path).set_index("run_id").loc[branch.id]

    assert (row["origin"], row["facts"], row["turns"], row["prompt_tokens"]) == (origin.id, 1, 0, 0)
    assert (row["team"], row["task"]) == ("team", "count the bees")
    assert pd.isna(row["outcome"])


def test_a_branch_that_stands_alone_counts_the_same(tmp_path: Path) -> None:
    origin = made(tmp_path / "a", task="count the bees")
    branch = origin.branch(at=3, folder=tmp_path / "a")
    branch.close()
    (tmp_path / "b").mkdir()
    branch.save(tmp_path / "b" / "alone.jsonl")

    beside = runs(tmp_path / "a")
    alone = runs(tmp_path / "b")

    own = beside[beside["run_id"] == branch.id].reset_index(drop=True)
    places = ["path", "size_bytes"]
    pd.testing.assert_frame_equal(own.drop(columns=places), alone.drop(columns=places))


def test_a_branch_whose_origin_is_gone_is_still_listed(tmp_path: Path) -> None:
    origin = made(tmp_path)
    branch = origin.branch(at=3, folder=tmp_path)
    branch.close()
    path_of(origin).unlink()

    row = runs(tmp_path).iloc[0]

    assert (row["run_id"], row["outcome"]) == (branch.id, "damaged")
    assert f"is a branch of the run {origin.id}" in row["stop_reason"]
    assert "that file is not there" in row["stop_reason"]


def test_a_branch_of_a_branch_whose_origin_was_cut_short_says_what_opening_it_says(tmp_path: Path) -> None:
    origin = made(tmp_path)
    branch = origin.branch(at=4, folder=tmp_path)
    branch.note("mine")
    branch.close()
    twig = RunLog.open(path_of(branch)).branch(at=6, folder=tmp_path)
    assert "damaged" not in set(runs(tmp_path)["outcome"])
    path_of(origin).write_bytes(b"".join(path_of(origin).read_bytes().splitlines(keepends=True)[:3]))

    rows = runs(tmp_path).set_index("run_id")

    for log in (branch, twig):
        assert rows.loc[log.id, "outcome"] == "damaged"
        with pytest.raises(LogUnreadable) as raised:
            RunLog.open(path_of(log))
        assert rows.loc[log.id, "stop_reason"] == str(raised.value)


def test_a_branch_of_a_run_that_is_damaged_further_down_is_whole(tmp_path: Path) -> None:
    origin = made(tmp_path)
    branch = origin.branch(at=3, folder=tmp_path)
    path_of(origin).write_bytes(path_of(origin).read_bytes() + b"nothing\n")

    rows = runs(tmp_path).set_index("run_id")

    assert rows.loc[origin.id, "outcome"] == "damaged"
    assert rows["outcome"].isna()[branch.id]
    assert len(RunLog.open(path_of(branch))) == 4


def test_what_was_read_is_remembered_and_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path)
    first = runs(tmp_path)

    def read_again(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr("agentnb.transcripts.library.summary_of", read_again)

    pd.testing.assert_frame_equal(runs(tmp_path), first)


def test_the_files_are_believed_before_the_index(tmp_path: Path) -> None:
    log = made(tmp_path, task="a first task")
    before = path_of(log).stat()
    assert runs(tmp_path).iloc[0]["task"] == "a first task"

    other = tmp_path / "other"
    other.write_bytes(path_of(log).read_bytes().replace(b"a first task", b"another tas "))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path_of(log))

    assert runs(tmp_path).iloc[0]["task"] == "another tas"


def test_a_run_that_was_deleted_is_forgotten(tmp_path: Path) -> None:
    log = made(tmp_path)
    other = made(tmp_path)
    assert len(runs(tmp_path)) == 2

    path_of(log).unlink()

    assert list(runs(tmp_path)["run_id"]) == [other.id]
    with sqlite3.connect(tmp_path / INDEX) as index:
        assert index.execute("SELECT count(*) FROM summaries").fetchone() == (1,)
    index.close()


@pytest.mark.parametrize("content", [b"this is no database at all" * 99, b"SQLite format 3\0" + b"\1" * 4096])
def test_an_index_that_is_damaged_is_made_anew(tmp_path: Path, content: bytes) -> None:
    log = made(tmp_path)
    (tmp_path / INDEX).write_bytes(content)

    assert list(runs(tmp_path)["run_id"]) == [log.id]
    assert list(runs(tmp_path)["run_id"]) == [log.id]
    assert (tmp_path / INDEX).read_bytes() != content


def test_where_there_can_be_no_index_the_runs_are_read(tmp_path: Path) -> None:
    log = made(tmp_path)
    (tmp_path / INDEX).mkdir()

    assert list(runs(tmp_path)["run_id"]) == [log.id]


def test_an_index_that_another_writes_for_long_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentnb.transcripts.index.WAIT", 0.01)
    made(tmp_path)
    runs(tmp_path)
    other = sqlite3.connect(tmp_path / INDEX, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    log = made(tmp_path)

    found = runs(tmp_path)
    other.close()

    assert log.id in set(found["run_id"])
    assert len(found) == 2


OTHER = """
import sys
from agentnb.transcripts.library import summaries
from agentnb.transcripts.search import hits
print("ready", flush=True)
for line in sys.stdin:
    print(len(summaries(sys.argv[1])), len(hits("hello", sys.argv[1])), flush=True)
"""


def test_several_processes_use_one_index(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OTHER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        for count in range(1, 6):
            for _ in range(5):
                made(tmp_path)
            print("go", file=other.stdin, flush=True)
            assert (len(runs(tmp_path)), len(agentnb.search("hello", tmp_path))) == (5 * count, 5 * count)
            assert other.stdout.readline() == f"{5 * count} {5 * count}\n"
        other.stdin.close()


def test_the_index_is_private(tmp_path: Path) -> None:
    made(tmp_path)
    runs(tmp_path)

    assert (tmp_path / INDEX).stat().st_mode & 0o077 == 0


def test_a_run_is_found_by_its_id_the_beginning_of_it_or_its_file(tmp_path: Path) -> None:
    log = made(tmp_path)

    assert find_run(log.id, tmp_path) == log.path
    assert find_run(log.id[:8], tmp_path) == log.path
    assert find_run(path_of(log)) == log.path
    assert find_run(path_of(log).name, tmp_path) == log.path
    with pytest.raises(UnknownName, match="'nope'"):
        find_run("nope", tmp_path)


def test_the_notebook_is_named_if_the_run_says_it(tmp_path: Path) -> None:
    log = made(tmp_path)
    lines = path_of(log).read_text().splitlines()
    started = json.loads(lines[1])
    started["body"]["circumstances"] = {"notebook": "bees.ipynb"}
    if "circumstances" not in RunStarted.model_fields:
        pytest.skip("runs do not say it yet")
    path_of(log).write_text("\n".join([lines[0], json.dumps(started), *lines[2:]]) + "\n")

    assert runs(tmp_path).iloc[0]["notebook"] == "bees.ipynb"


def test_tokens_nobody_reported_are_missing(tmp_path: Path) -> None:
    log = made(tmp_path)
    raw = path_of(log).read_bytes()
    usage = Usage(prompt_tokens=10, completion_tokens=3).model_dump_json(exclude_none=True).encode()
    assert b'"usage":' + usage + b"," in raw
    path_of(log).write_bytes(raw.replace(b'"usage":' + usage + b",", b"", 1))

    assert pd.isna(runs(tmp_path).iloc[0]["prompt_tokens"])
