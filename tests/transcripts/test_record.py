"""A run as JSON, in a notebook and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentnb.exceptions import LogUnreadable
from agentnb.messages import CodeBlock, TextMessage
from agentnb.runlog import CodeFinished, CodeStarted, RunFinished, RunLog, RunStarted, Said, ToolStarted, UnknownFact
from agentnb.transcripts import FRAMES, MIME, event_data, from_notebook, from_record, to_df, to_record
from agentnb.transcripts import record as record_file
from tests.strategies import bodies, names


def said(*texts: str) -> RunLog:
    log = RunLog()
    run = log.append(RunStarted(runner="team", runner_type="T"), source="team").id
    for text in texts:
        log.append(Said(message=TextMessage(content=text, source="a")), source="a", parent=run)
    log.append(RunFinished(outcome="done"), source="team", parent=run, took=1.5)
    return log


def notebook(*records: dict[str, Any], mime: str = MIME) -> nbformat.NotebookNode:
    cells = [
        nbformat.v4.new_code_cell(
            outputs=[nbformat.v4.new_output("display_data", data={mime: data, "text/plain": "x"})]
        )
        for data in records
    ]
    made: nbformat.NotebookNode = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Runs"), *cells])
    return made


def test_a_notebook_file_gives_its_runs_and_tables_back(tmp_path: Path) -> None:
    logs = [said("one", "two " * 100, "two " * 100), said("three")]
    path = tmp_path / "runs.ipynb"
    nbformat.write(notebook(*map(to_record, logs)), path)

    for source in (path, str(path), nbformat.read(path, as_version=4), json.loads(path.read_text())):
        read = from_notebook(source)
        assert [log.id for log in read] == [log.id for log in logs]
        for kind in FRAMES:
            assert to_df(read, kind).equals(to_df(logs, kind))


@given(st.lists(st.tuples(bodies, names), max_size=8))
def test_any_facts_survive_the_way_through_json(facts: list[tuple[Any, str]]) -> None:
    log = RunLog()
    for body, source in facts:
        log.append(body, source=source, took=0.25)

    read = from_record(json.loads(json.dumps(to_record(log), allow_nan=False, ensure_ascii=False).encode()))

    assert read.id == log.id
    assert [event_data(event) for event in read] == [event_data(event) for event in log]


def test_a_text_that_occurs_twice_is_kept_once() -> None:
    text = "word " * 1000

    assert len(json.dumps(to_record(said(text, text)))) < len(json.dumps(to_record(said(text)))) + 1000


def test_data_that_looks_like_a_reference_is_left_alone() -> None:
    log = RunLog()
    log.append(ToolStarted(tool="t", arguments={"a": {"$blob": "not a hash"}}))

    assert from_record(to_record(log)).events == log.events


def test_a_run_shown_twice_is_read_once_and_whole() -> None:
    log = said("one")
    early = to_record(log)
    log.note("later")

    (read,) = from_notebook(notebook(early, to_record(log), early))
    assert len(read) == len(log)


def test_a_huge_run_keeps_what_was_said_and_run_without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_file, "RECORD_BYTES", 20_000)
    log = RunLog()
    code = log.append(CodeStarted(executor="X", blocks=(CodeBlock("plot()", "python"),))).id
    log.append(CodeFinished(executor="X", exit_code=0, outputs=({"image/png": "A" * 50_000},)), parent=code)
    log.append(UnknownFact(data={"kind": "new", "size": "B" * 50_000}))
    log.note("still here")
    record = to_record(log)

    assert record["complete"] is False
    assert len(json.dumps(record)) < 20_000
    assert to_df(from_record(record), "code").code.tolist() == ["plot()"]


def test_a_notebook_without_runs_has_none() -> None:
    assert from_notebook(nbformat.v4.new_notebook()) == []


def test_what_cannot_be_read_says_where_and_why(tmp_path: Path) -> None:
    with pytest.raises(LogUnreadable, match=r"missing\.ipynb cannot be read: No such file"):
        from_notebook(tmp_path / "missing.ipynb")
    (tmp_path / "no.ipynb").write_text("{")
    with pytest.raises(LogUnreadable, match=r"no\.ipynb is no notebook"):
        from_notebook(tmp_path / "no.ipynb")
    with pytest.raises(LogUnreadable, match=r"Cell 2 of the notebook .* format 9; this version reads up to 1"):
        from_notebook(notebook({**to_record(said()), "v": 9}))
    with pytest.raises(LogUnreadable, match="newer format"):
        from_notebook(notebook({}, mime="application/vnd.agentnb.transcript.v2+json"))
    with pytest.raises(LogUnreadable, match=r"Cell 2 .* damaged: KeyError"):
        from_notebook(notebook({"v": 1}))
