"""A run's file: written through, whole after a crash, and never in the way of the run."""

from __future__ import annotations

import hashlib
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
from agentnb.messages import CreateResult, RequestUsage, TextMessage, UserMessage
from agentnb.runlog import (
    Body,
    CodeFinished,
    ContextAdded,
    Event,
    JsonLinesStore,
    LineReader,
    ModelFinished,
    Noted,
    RunLog,
    Said,
    ToolFinished,
    ToolStarted,
    Usage,
)
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
    plain = event.model_copy(update={"seq": 2, "parent": None, "usage": None, "took": 1e-7})
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


# -- large texts ------------------------------------------------------------------------------------------------------

LARGE = "x" * 1_000_000


def say(log: RunLog, text: str) -> None:
    log.append(Said(message=TextMessage(content=text, source="user")))


def said(log: RunLog) -> list[str]:
    return [event.body.message.to_text() for event in log if isinstance(event.body, Said)]


def test_a_large_text_lies_once_beside_all_runs_that_hold_it(log: RunLog, runs: Path) -> None:
    other = RunLog.create("other")
    assert log.path is not None
    assert other.path is not None

    for _ in range(5):
        say(log, LARGE)
    say(other, LARGE)

    (blob,) = (runs / "blobs").iterdir()
    assert blob.name == hashlib.sha256(LARGE.encode()).hexdigest()
    assert blob.stat().st_mode & 0o077 == 0
    assert log.path.stat().st_size + other.path.stat().st_size < 5_000
    assert said(RunLog.open(log.path)) == [LARGE] * 5
    assert said(RunLog.open(other.path)) == [LARGE]


def test_a_large_text_that_is_missing_is_named_in_its_place(log: RunLog, runs: Path) -> None:
    say(log, LARGE)
    say(log, "small")
    assert log.path is not None
    (blob,) = (runs / "blobs").iterdir()
    blob.unlink()

    with pytest.warns(RuntimeWarning, match=f"sha256:{blob.name}.*put the folder back"):
        again = RunLog.open(log.path)

    missing, small = said(again)
    assert missing == f"[missing: the text sha256:{blob.name} is not in {runs / 'blobs'}]"
    assert small == "small"


def test_a_large_text_that_was_changed_counts_as_missing(log: RunLog, runs: Path) -> None:
    say(log, LARGE)
    assert log.path is not None
    (blob,) = (runs / "blobs").iterdir()
    blob.write_text("something else")

    assert said(RunLog.open(log.path))[0].startswith("[missing: the text sha256:")


def test_a_large_text_that_a_power_cut_left_empty_is_written_anew(tmp_path: Path) -> None:
    before = RunLog.create("run", folder=tmp_path)
    before.note("x" * 20_000)
    before.close()
    (blob,) = (tmp_path / "blobs").iterdir()
    blob.write_bytes(bytes(20_000))

    log = RunLog.create("run", folder=tmp_path)
    log.note("x" * 20_000)
    log.close()

    assert log.path is not None
    assert before.path is not None
    assert RunLog.open(log.path).events == log.events
    assert RunLog.open(before.path).events == before.events


def test_a_large_text_is_kept_in_the_file_where_there_can_be_no_folder_for_it(log: RunLog, runs: Path) -> None:
    (runs / "blobs").write_text("in the way")
    assert log.path is not None

    for _ in range(2):
        say(log, LARGE)

    assert log.path.stat().st_size < len(LARGE) + 5_000
    assert said(RunLog.open(log.path)) == [LARGE] * 2


def test_two_processes_may_keep_the_same_large_texts_at_once(runs: Path) -> None:
    program = (
        "from agentnb.runlog import Noted, RunLog\n"
        "log = RunLog.create('x')\n"
        "for i in range(40):\n"
        "    log.append(Noted(text=str(i) * 20_000))\n"
    )
    both = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]

    logs = [RunLog.open(path) for path in runs.glob("*.jsonl")]
    assert len(logs) == 2
    for log in logs:
        assert [event.body.text for event in log if isinstance(event.body, Noted)] == [
            str(i) * 20_000 for i in range(40)
        ]
    assert len([path for path in (runs / "blobs").iterdir() if path.suffix != ".part"]) == 40
    assert not list((runs / "blobs").glob("*.part"))


def test_a_text_said_before_is_written_once_and_read_wherever_it_was_said(log: RunLog) -> None:
    answer = 'He said: "so be it", ' * 50
    result = CreateResult(finish_reason="stop", content=answer, usage=RequestUsage(1, 2), cached=False)
    assert log.path is not None

    log.append(ModelFinished(model="m", result=result))
    say(log, answer)
    log.append(ToolStarted(tool="look", arguments={"deep": [{"er": answer}]}))
    log.append(ToolStarted(tool="look", arguments={"deep": [{"er": answer}, "other"]}))

    assert log.path.read_text().count("so be it") == 50
    backwards = RunLog.open(log.path)
    assert [event.body for event in reversed(backwards.events)] == [event.body for event in reversed(log.events)]
    forwards = RunLog.open(log.path)
    assert [event.body for event in forwards] == [event.body for event in log]


class _Decodes(JsonLinesStore):
    """Takes the long way for every line."""

    def _with_one(self, event: Event, line: bytes) -> bytes | None:
        return None


awkward = st.builds(
    lambda text, times: text * times, st.text('ab"\\\n é\U0001f600', min_size=1, max_size=9), st.integers(1, 90)
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(awkward, min_size=1, max_size=4), metadata=st.dictionaries(st.text(max_size=3), awkward, max_size=1)
)
def test_a_long_text_is_referred_to_without_decoding_its_line_as_it_is_with(
    texts: list[str], metadata: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, at = tmp_path_factory.mktemp("runs"), datetime(2026, 1, 1, tzinfo=UTC)
    stores = [cls(folder / cls.__name__, "run") for cls in (JsonLinesStore, _Decodes)]
    usage = RequestUsage(1, 2)
    facts: list[Body] = []
    for text in (*texts, *texts):
        result = CreateResult(finish_reason="stop", content=text, usage=usage, cached=False, thought=texts[0])
        facts += [
            ModelFinished(model="m", result=result),
            Said(message=TextMessage(id="x", created_at=at, content=text, source="ana", metadata=metadata)),
            ContextAdded(role="UserMessage", message=UserMessage(content=text, source="user")),
            ToolFinished(tool="look", result=text),
            CodeFinished(executor="X", output=text, error=texts[0]),
        ]

    for seq, body in enumerate(facts, 1):
        for store in stores:
            store.write(Event(id=EventId(f"run:{seq}"), seq=seq, at=at, body=body))
    for store in stores:
        store.close()

    short, long = ([json.loads(line) for line in store.path.read_bytes().splitlines()] for store in stores)
    assert short == long


def test_a_text_said_before_is_found_though_its_fact_was_read_into_something_else(log: RunLog) -> None:
    """A message of a class that is not there any more keeps its data in another place."""
    answer = "so be it, " * 50
    assert log.path is not None
    say(log, answer)
    say(log, answer)
    log.path.write_text(log.path.read_text().replace('"type":"TextMessage"', '"type":"GoneMessage"', 1))

    first, second = RunLog.open(log.path)

    assert isinstance(first.body, Said)
    assert type(first.body.message).__name__ == "UnknownMessage"
    assert isinstance(second.body, Said)
    assert second.body.message.to_text() == answer


def test_what_was_said_before_is_said_again_in_a_file_that_stands_alone(log: RunLog, tmp_path: Path) -> None:
    for text in ("so be it, " * 50, LARGE) * 2:
        say(log, text)

    alone = log.save(tmp_path / "elsewhere" / "run.jsonl")

    assert alone.read_text().count("so be it") == 100
    assert len(alone.read_bytes()) < len(LARGE) + 5_000
    assert [path.name for path in alone.parent.iterdir()] == ["run.jsonl"]
    assert [event.model_dump() for event in RunLog.open(alone)] == [event.model_dump() for event in log]


@pytest.mark.parametrize("long", ["", "so be it, " * 50, LARGE])
def test_data_that_looks_like_a_reference_stays_what_it_is(log: RunLog, long: str) -> None:
    arguments = {
        "query": {"$blob": "sha256:of nothing"},
        "other": {"$blob": ["no name"]},
        "third": {"$text": [1, "tool"]},
        "fourth": {"$data": {"$data": {"$blob": long}}},
        "fifth": {"$text": long},
    }
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


def test_a_fact_that_is_nested_too_deep_does_not_stop_the_run(log: RunLog) -> None:
    deep: Any = "x"
    for _ in range(3_000):
        deep = {"within": deep}
    assert log.path is not None

    log.append(ToolStarted(tool="look", arguments=deep))
    log.append(ToolStarted(tool="look"))

    note, call = RunLog.open(log.path)
    assert isinstance(note.body, Noted)
    assert note.body.text == "A fact of the kind 'tool.started' is nested too deep to be written."
    assert call.body == ToolStarted(tool="look")


# -- older files ------------------------------------------------------------------------------------------------------

FORMAT_1 = Path(__file__).with_name("format1.jsonl")


def test_a_file_of_the_first_format_opens_as_it_was() -> None:
    log = RunLog.open(FORMAT_1)

    table = "".join(f"{i},{i * i}\n" for i in range(1800))
    bodies = {event.kind: event.body for event in log}
    ran, looked, found = bodies["code.finished"], bodies["tool.started"], bodies["tool.finished"]
    assert log.id == "1a2b3c4d-0000-4000-8000-000000000001"
    assert [event.id for event in log] == [f"{log.id}:{seq}" for seq in range(1, 11)]
    assert isinstance(ran, CodeFinished)
    assert (ran.output, ran.outputs) == (table, ({"text/plain": table},))
    assert isinstance(looked, ToolStarted)
    assert looked.arguments == {"ref": {"$blob": "sha256:of nothing"}}
    assert isinstance(found, ToolFinished)
    assert found.result == "café 😀"
    assert said(log) == ["A table, please.", table]
    assert log.events[7].usage == Usage(prompt_tokens=12, completion_tokens=3, cost_usd=0.5)
    assert (log.events[9].parent, log.events[9].took) == (f"{log.id}:1", 2.0)
    assert log.events[0].at == datetime(2026, 1, 1, 12, 0, 0, 125_000, UTC)


def test_a_file_of_the_first_format_goes_on_in_the_present_one(tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    path.write_bytes(FORMAT_1.read_bytes())
    before = RunLog.open(path)

    again = RunLog.open(path).reopen()
    say(again, LARGE)
    again.append(ToolStarted(tool="look", arguments={"ref": {"$blob": "sha256:of nothing"}}))
    again.close()

    log = RunLog.open(path)
    assert path.read_bytes().startswith(FORMAT_1.read_bytes())
    assert log.events[:10] == before.events
    assert [event.model_dump() for event in log] == [event.model_dump() for event in again]
