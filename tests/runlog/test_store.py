"""A run's file: written through, whole after a crash, and never in the way of the run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentnb.core import EventId, well_formed
from agentnb.exceptions import LogUnreadable
from agentnb.messages import TextMessage
from agentnb.runlog import Body, Event, JsonLinesStore, LineReader, Noted, RunLog, Said, ToolStarted, Usage
from tests.strategies import bodies

EAST = timezone(timedelta(hours=5, minutes=30))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(facts=st.lists(bodies, max_size=8))
def test_every_fact_comes_back_from_the_file_as_it_was(
    facts: list[Body], tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = RunLog.create("all", folder=tmp_path_factory.mktemp("runs"))
    for body in facts:
        log.append(body, source="who", took=0.25)
    assert log.path is not None

    again = RunLog.open(log.path)

    assert again.id == log.id
    assert [_mended(e.model_dump()) for e in again] == [_mended(e.model_dump()) for e in log]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies, source=st.text(max_size=20), at=st.datetimes(timezones=st.sampled_from((UTC, EAST))))
def test_a_line_says_what_pydantic_would_write_of_its_fact(
    body: Body, source: str, at: datetime, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("runs") / "run.jsonl"
    usage = Usage(prompt_tokens=3, completion_tokens=4)
    event = Event(id=EventId('a"1'), seq=1, parent=EventId("a:0"), at=at, source=source, usage=usage, body=body)
    plain = event.model_copy(update={"parent": None, "usage": None, "took": 1e-7})
    store = JsonLinesStore(path, "run")

    for fact in (event, plain):
        store.write(fact)
    store.close()

    read = LineReader(path).read()
    assert [_mended(fact.model_dump()) for fact in read] == [_mended(fact.model_dump()) for fact in (event, plain)]
    if all(len(line) < 10_000 and b"\\u" not in line for line in path.read_bytes().splitlines()):
        written = [json.loads(line) for line in path.read_bytes().splitlines()[1:]]
        expected = [json.loads(fact.model_dump_json(exclude_none=True)) for fact in (event, plain)]
        assert [{**line, "at": None} for line in written] == [{**line, "at": None} for line in expected]


def _mended(value: Any) -> Any:
    """Free-form arguments may hold what cannot be written; the file holds them mended."""
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, dict):
        return {_mended(key): _mended(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mended(item) for item in value]
    return value


def test_a_fact_is_on_disk_as_soon_as_it_is_appended(log: RunLog) -> None:
    assert log.path is not None

    log.append(Noted(text="now"))

    assert json.loads(log.path.read_text().splitlines()[-1])["body"]["text"] == "now"


def test_a_killed_process_loses_at_most_the_fact_it_was_writing(tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from agentnb.runlog import RunLog, Noted\n"
        "log = RunLog.create('crash', folder=Path(sys.argv[1]))\n"
        "for i in range(1000):\n"
        "    log.append(Noted(text=str(i)))\n"
        "    if i == 500: os.kill(os.getpid(), 9)\n"
    )

    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    (path,) = tmp_path.glob("*.jsonl")
    log = RunLog.open(path)

    assert ended.returncode == -signal.SIGKILL
    assert [e.body.text for e in log if isinstance(e.body, Noted)] == [str(i) for i in range(501)]


def test_a_last_line_cut_short_is_left_out_when_the_file_is_opened(log: RunLog) -> None:
    log.append(Noted(text="whole"))
    log.append(Noted(text="cut short"))
    assert log.path is not None
    data = log.path.read_bytes()
    log.path.write_bytes(data[:-10])

    again = RunLog.open(log.path)

    assert [e.body.text for e in again if isinstance(e.body, Noted)] == ["whole"]


def test_damage_before_the_last_line_names_the_line(log: RunLog) -> None:
    log.append(Noted(text="one"))
    log.append(Noted(text="two"))
    assert log.path is not None
    lines = log.path.read_bytes().split(b"\n")
    lines[1] = lines[1][:20]
    log.path.write_bytes(b"\n".join(lines))

    with pytest.raises(LogUnreadable, match="line 2"):
        RunLog.open(log.path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogUnreadable, match=r"nowhere\.jsonl.*No such file"):
        RunLog.open(tmp_path / "nowhere.jsonl")


def test_a_file_of_a_newer_format_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "new.jsonl"
    path.write_text('{"agentnb": 99, "run": "x"}\n')

    with pytest.raises(LogUnreadable, match="Update agentnb-toolkit"):
        RunLog.open(path)


def test_a_large_value_is_written_once_however_often_it_appears(log: RunLog) -> None:
    text = "x" * 1_000_000
    assert log.path is not None

    for _ in range(5):
        log.append(Said(message=TextMessage(content=text, source="user")))

    assert log.path.stat().st_size < 1_010_000
    assert all(e.body.message.to_text() == text for e in RunLog.open(log.path) if isinstance(e.body, Said))


def test_data_that_looks_like_a_reference_stays_what_it_is(log: RunLog) -> None:
    arguments = {"query": {"$blob": "sha256:of nothing"}, "other": {"$blob": ["no name"]}}
    assert log.path is not None

    log.append(ToolStarted(tool="search", arguments=arguments))
    (event,) = RunLog.open(log.path)

    assert event.body == ToolStarted(tool="search", arguments=arguments)


def test_a_reader_follows_a_file_that_another_writes(log: RunLog) -> None:
    assert log.path is not None
    reader = LineReader(log.path)
    assert reader.read() == []

    log.append(Noted(text="a"))
    first = [e.body for e in reader.read()]
    log.append(Noted(text="b"))
    second = [e.body for e in reader.read()]

    assert (first, second) == ([Noted(text="a")], [Noted(text="b")])


_FULL_DISK = """
import resource, signal, sys, warnings
from pathlib import Path
from agentnb.runlog import RunLog, Noted

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = RunLog.create("full", folder=Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for i in range(50):
        log.append(Noted(text=f"{i:03} " + "x" * 100))
print(len(caught), str(caught[0].message))
print(len(log), log.unsaved)
before = RunLog.open(log.path)
print(len(before))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log.append(Noted(text="there is room again"))
print(log.unsaved, len(RunLog.open(log.path)))
"""


def test_a_full_disk_warns_once_keeps_every_fact_and_catches_up(tmp_path: Path) -> None:
    """A file-size limit stands in for a full disk: the same write fails, part of a line included."""
    done = subprocess.run([sys.executable, "-c", _FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True)
    warning, memory, disk, after = done.stdout.splitlines()

    assert warning.startswith("1 The run's log")
    assert "cannot be written" in warning
    assert "run.log.save(path)" in warning
    facts, unsaved = map(int, memory.split())
    assert facts == 50
    assert int(disk) == facts - unsaved < 50
    assert after == "0 51"


def test_a_folder_that_cannot_be_made_does_not_stop_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.warns(RuntimeWarning, match="cannot be written"):
        log = RunLog.create("x", folder=tmp_path / "file" / "runs")
    log.append(Noted(text="kept"))

    assert log.unsaved == 2
    assert log.save(tmp_path / "elsewhere.jsonl").exists()


def test_runs_keep_themselves_out_of_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AGENTNB_RUNS")
    monkeypatch.chdir(tmp_path)

    log = RunLog.create("x")

    assert log.path is not None
    assert log.path.parent == tmp_path / ".agentnb" / "runs"
    assert (tmp_path / ".agentnb" / ".gitignore").read_text() == "*\n"


def test_only_the_owner_may_read_a_runs_file(log: RunLog) -> None:
    assert log.path is not None
    assert log.path.stat().st_mode & 0o077 == 0


def test_a_store_that_is_closed_writes_again_when_something_comes(log: RunLog) -> None:
    assert log.path is not None
    log.close()

    log.append(Noted(text="late"))

    assert isinstance(log.store, JsonLinesStore)
    assert [e.kind for e in RunLog.open(log.path)] == ["note"]


def test_text_with_a_lone_surrogate_is_mended_where_it_enters() -> None:
    assert TextMessage(content="half \ud83d", source="m").content == "half \ufffd"
    assert well_formed("\ud83d\ude00") == "😀"
    assert os.fsencode(TextMessage(content="\ud83d\ude00", source="m").content) == "😀".encode()
