"""Files that are damaged, and files that are no runs'."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from agentnb.exceptions import LogUnreadable, UserError
from agentnb.messages import TextMessage
from agentnb.runlog import LineReader, RunLog, Said, SpeakerChosen
from agentnb.runlog.blobs import Blobs
from agentnb.runlog.glance import glance
from agentnb.transcripts import from_record, to_record

FACT = {"seq": 5, "at": "2026-01-01T00:00:00Z", "source": "a", "body": {"kind": "note", "text": "x"}}


def eight(log: RunLog) -> list[bytes]:
    """Let a log have eight facts, close it and return its lines."""
    for number in range(1, 9):
        log.note(f"note {number}")
    log.close()
    assert log.path is not None
    return log.path.read_bytes().splitlines(keepends=True)


def glances(log: RunLog) -> None:
    """Look at the fields of facts in passing."""
    for event in log:
        body, usage = glance(event)
        _ = [getattr(body, name) for name in type(body).__dict__ if not name.startswith("_")], usage, event.at


def put(log: RunLog, lines: list[bytes]) -> Path:
    assert log.path is not None
    log.path.write_bytes(b"".join(lines))
    return log.path


@pytest.mark.parametrize(
    ("order", "line", "fault"),
    [
        ((1, 2, 3, 4, 5, 7, 8), 7, "fact 7 follows fact 5"),
        ((1, 2, 3, 3, 4, 5, 6, 7, 8), 5, "fact 3 follows fact 3"),
        ((1, 3, 2, 4, 5, 6, 7, 8), 3, "fact 3 follows fact 1"),
        ((2, 3, 4, 5, 6, 7, 8), 2, "fact 2 is the first one"),
    ],
)
def test_a_line_that_is_missing_repeated_or_elsewhere_is_damage(
    log: RunLog, order: tuple[int, ...], line: int, fault: str
) -> None:
    lines = eight(log)
    path = put(log, [lines[0], *(lines[number] for number in order)])

    with pytest.raises(LogUnreadable, match=rf"damaged at line {line}: {fault}\."):
        RunLog.open(path)


def test_the_first_fact_of_a_branchs_file_follows_the_last_shared_one(log: RunLog) -> None:
    eight(log)
    branch = log.branch(at=4)
    assert branch.path is not None
    header, first = branch.path.read_bytes().splitlines(keepends=True)
    branch.path.write_bytes(header + first.replace(b'"seq":5', b'"seq":6'))

    with pytest.raises(LogUnreadable, match="damaged at line 2: fact 6 follows fact 4"):
        RunLog.open(branch.path)


def without(*keys: str) -> bytes:
    return json.dumps({key: value for key, value in FACT.items() if key not in keys}).encode()


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"", "the line is empty"),
        (b"garbage", "no JSON: Expecting value at character 1"),
        (b'{"seq":5,"at":"2026', "no JSON: Unterminated string starting at character 15"),
        (b"\x00\x00", "no JSON: Expecting value at character 1"),
        (b'{"seq":"\xff"}', "no JSON: it is not in UTF-8"),
        (b"[1]", "neither a fact nor a header nor a text"),
        (b"5", "neither a fact nor a header nor a text"),
        (b"{}", "neither a fact nor a header nor a text"),
        (without("seq"), "the fact has no seq"),
        (json.dumps(FACT | {"body": {}}).encode(), "the fact has no kind"),
        (json.dumps(FACT | {"body": []}).encode(), "the fact holds something of another type"),
        (json.dumps(FACT | {"seq": "5"}).encode(), "no fact's number, time or kind"),
        (json.dumps(FACT | {"source": 5}).encode(), "no fact's source, id, parent or seconds"),
        (json.dumps(FACT | {"parent": [1]}).encode(), "no fact's source, id, parent or seconds"),
        (b'{"agentnb": 2, "run": {}}', "the header's run is {}, which is no id"),
        (b'{"agentnb": 2, "run": "another"}', "the header is that of another run, another"),
        (b'{"agentnb": 2}', "the header has no run"),
        (b'{"agentnb": "2"}', "the header holds something of another type"),
        (b'{"blob": "x"}', "the text has no value"),
    ],
)
def test_an_error_names_what_is_wrong_with_a_line_and_how_much_is_whole(log: RunLog, line: bytes, fault: str) -> None:
    lines = eight(log)
    path = put(log, [*lines[:5], line + b"\n", *lines[6:]])

    with pytest.raises(LogUnreadable, match=rf"damaged at line 6: {fault}.*\. The 4 facts before it are whole: .*open"):
        RunLog.open(path)


def test_one_damaged_line_does_not_lose_the_facts_before_it(log: RunLog) -> None:
    lines = eight(log)
    path = put(log, [*lines[:5], b"garbage\n", *lines[6:]])
    before = path.read_bytes()

    whole = RunLog.open(path, until_damage=True)

    assert whole.events == log.events[:4]
    assert "damaged at line 6" in str(whole.damage)
    assert "4 events before the damage" in repr(whole)
    with pytest.raises(LogUnreadable, match=r"damaged behind fact 4.*`log\.branch\(at=4\)`"):
        whole.reopen()
    with pytest.raises(LogUnreadable, match="damaged at line 6"):
        whole.refresh()
    branch = whole.branch(at=4)
    path.unlink()
    assert branch.path is not None
    assert RunLog.open(branch.path).events[:4] == log.events[:4]
    assert before.count(b"\n") == 9


def test_a_fact_whose_values_are_damaged_ends_what_is_whole_too(log: RunLog) -> None:
    lines = eight(log)
    path = put(log, [*lines[:5], lines[5].replace(b'"note 5"', b"5"), *lines[6:]])

    whole = RunLog.open(path, until_damage=True)

    assert whole.events == log.events[:4]
    assert "Fact 5 of the run" in str(whole.damage)


@pytest.mark.parametrize(
    "change",
    [
        {"usage": 5},
        {"at": "once upon a time"},
        {"body": {"kind": "note", "text": {"$text": []}}},
        {"body": {"kind": "note", "text": {"$blob": 7}}},
        {"body": {"kind": "message", "message": 5}},
        {"body": {"kind": "context", "role": "UserMessage", "message": {"type": "UserMessage", "content": [1]}}},
    ],
    ids=str,
)
@pytest.mark.parametrize("look", [lambda log: [(event.body, event.usage, event.at) for event in log], glances])
def test_whatever_is_wrong_with_a_fact_is_told_as_damage(log: RunLog, change: dict[str, Any], look: Any) -> None:
    lines = eight(log)
    path = put(log, [*lines[:5], json.dumps(FACT | change).encode() + b"\n", *lines[6:]])

    if "$text" in str(change):  # a text that is missing is no damage
        look(RunLog.open(path))
        assert len(RunLog.open(path, until_damage=True)) == 8
        return
    with pytest.raises(LogUnreadable, match="Fact 5 of the run"):
        look(RunLog.open(path))
    whole = RunLog.open(path, until_damage=True)
    assert len(whole) == 4
    assert "Fact 5 of the run" in str(whole.damage)


def test_a_log_that_is_whole_opens_until_damage_as_it_is(log: RunLog) -> None:
    path = put(log, eight(log))

    again = RunLog.open(path, until_damage=True)

    assert (again.events, again.damage) == (log.events, None)


def test_the_second_look_at_a_damaged_line_names_the_same_line(log: RunLog) -> None:
    lines = eight(log)
    reader = LineReader(put(log, [*lines[:5], b"garbage\n", *lines[6:]]))

    for _ in range(2):
        with pytest.raises(LogUnreadable, match="damaged at line 6"):
            reader.read()


def test_a_branch_whose_origin_is_damaged_offers_what_is_whole(log: RunLog) -> None:
    lines = eight(log)
    branch = log.branch(at=6)
    put(log, [*lines[:4], b"garbage\n", *lines[5:]])
    assert branch.path is not None

    with pytest.raises(LogUnreadable, match=r"only 3 facts that are whole.*damaged at line 5: no JSON"):
        RunLog.open(branch.path)
    assert RunLog.open(branch.path, until_damage=True).events == log.events[:3]


def test_a_thinned_transcript_is_saved_and_opened_with_its_gaps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentnb.transcripts.record.RECORD_BYTES", 10)
    log = RunLog()
    log.note("one")
    log.append(SpeakerChosen(names=("ana",)))
    log.note("two")
    thin = from_record(to_record(log))

    again = RunLog.open(thin.save(tmp_path / "thin.jsonl"))

    assert [event.seq for event in again] == [1, 3]
    with pytest.raises(UserError, match="cannot be branched: it has 2 of the first 3 facts"):
        again.branch(at=1)
    with pytest.raises(UserError, match="cannot be gone on with"):
        again.reopen()


def test_a_shared_text_that_is_said_again_is_read_once(log: RunLog, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        log.append(Said(message=TextMessage(content="long " * 10_000, source="user")))
    log.close()
    assert log.path is not None
    read: list[str] = []
    get = Blobs.get

    def counted(blobs: Blobs, name: str) -> str | None:
        read.append(name)
        return get(blobs, name)

    monkeypatch.setattr(Blobs, "get", counted)

    again = RunLog.open(log.path)

    assert [event.body for event in again] == [event.body for event in log]
    assert len(read) == 1


# -- what is no run's file --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"no newline", b"{}\n", b'{"a": 1}'])
def test_a_file_that_is_no_runs_says_where_runs_are(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)

    with pytest.raises(LogUnreadable, match=r"table\.csv is no run's file.*`agentnb\.runs\(\)` lists"):
        RunLog.open(path)


def test_a_run_that_was_exported_says_how_it_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "mail.agentnb.zip"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("agentnb.json", "{}")

    with pytest.raises(LogUnreadable, match=r"is no run's file.*`agentnb\.import_run\(path\)` takes it"):
        RunLog.open(path)


def test_a_notebook_says_how_its_runs_are_read(tmp_path: Path) -> None:
    path = tmp_path / "work.ipynb"
    path.write_text('{\n "cells": []\n}\n')

    with pytest.raises(LogUnreadable, match=r"`agentnb\.transcripts\.from_notebook\(path\)` gives the runs"):
        RunLog.open(path)


def test_a_folder_says_how_the_runs_in_it_are_listed(tmp_path: Path) -> None:
    with pytest.raises(LogUnreadable, match=r"is a folder, not a run's file\. `agentnb\.runs\(path\)` lists"):
        RunLog.open(tmp_path)


def test_facts_without_a_header_are_damage(log: RunLog) -> None:
    lines = eight(log)

    with pytest.raises(LogUnreadable, match="damaged at line 1: it is a fact, and there is no header before it"):
        RunLog.open(put(log, lines[1:]))
