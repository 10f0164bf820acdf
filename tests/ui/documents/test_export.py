"""The suffix says what is written; secrets and wrong options are refused before anything is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentnb import export
from agentnb.base import TaskResult
from agentnb.exceptions import UserError
from agentnb.runlog import RunLog, RunStarted
from tests.ui.documents.runs import Told
from tests.ui.sample import sample_log

KEY = "sk-proj-Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z"
KINDS = ("run.html", "run.md", "run.ipynb", "run.py")


@pytest.fixture
def log() -> RunLog:
    return Told("ana").task("Add.").turn("ana").says(f"My key is {KEY}.").runs("1 + 1", output="2").over()


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_file_is_written_whole_and_its_path_returned(tmp_path: Path, name: str) -> None:
    path = export(sample_log(), tmp_path / name)

    assert path == tmp_path / name
    assert "Describe the penguins" in path.read_text()
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


@pytest.mark.parametrize("name", KINDS)
def test_a_secret_is_refused_by_default_and_the_file_that_was_there_stays(
    tmp_path: Path, name: str, log: RunLog
) -> None:
    path = tmp_path / name
    path.write_text("before")

    with pytest.raises(UserError, match=r"would show 1 secret\.\n  fact \d+ .*OpenAI key ending in …Xy4z"):
        export(log, path)

    assert path.read_text() == "before"


@pytest.mark.parametrize("name", KINDS)
def test_masked_secrets_are_in_no_kind_of_file(tmp_path: Path, name: str, log: RunLog) -> None:
    text = export(log, tmp_path / name, secrets="mask").read_text()

    assert KEY not in text
    assert "My key is ••••." in text
    assert "1 secret masked" in text


def test_secrets_may_be_kept(tmp_path: Path, log: RunLog) -> None:
    assert KEY in export(log, tmp_path / "run.md", secrets="keep").read_text()


@pytest.mark.parametrize("name", KINDS)
def test_removed_names_are_in_no_kind_of_file(tmp_path: Path, name: str) -> None:
    told = Told("anabel", "kernel").task("Anabel, add.").turn("anabel", why="anabel is first").says("I am Anabel.")
    log = told.turn("kernel").runs("1 + 1", output="anabel: 2").over(reason="anabel said DONE")

    text = export(log, tmp_path / name, names="remove").read_text()

    assert "anabel" not in text.lower()
    assert "I am Speaker 1." in text


def test_a_result_is_exported_by_its_log(tmp_path: Path, log: RunLog) -> None:
    result = TaskResult.model_construct(messages=[], stop_reason=None, log=log)

    assert export(result, tmp_path / "run.html", secrets="mask").exists()


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("run.docx", {}, r"'run.docx'.*\.html, \.htm, \.md"),
        ("run.html", {"images": "files"}, "images='files' is for Markdown"),
        ("run.md", {"images": "links"}, "'inline', 'files', 'none'"),
        ("run.md", {"failures": "text"}, r"failures='text' is for \.ipynb and \.py"),
        ("run.py", {"secrets": "hide"}, "'refuse', 'mask', 'keep'"),
        ("a_file/run.html", {}, "cannot be written: File exists"),
    ],
)
def test_what_cannot_be_written_as_asked_is_said(tmp_path: Path, name: str, options: dict[str, Any], said: str) -> None:
    (tmp_path / "a_file").touch()

    with pytest.raises(UserError, match=said):
        export(sample_log(), tmp_path / name, **options)


def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    for name in KINDS:
        assert export(sample_log(), tmp_path / "to" / "show" / name, secrets="mask").exists()


def test_something_without_a_log_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="export needs the log of a run, and this TaskResult has none"):
        export(TaskResult(messages=[]), tmp_path / "run.html")


def test_an_empty_log_is_a_document_too(tmp_path: Path) -> None:
    for name in KINDS:
        assert "A run without a name" in export(RunLog(), tmp_path / name).read_text()


def test_a_run_that_broke_off_is_not_told_as_one_that_goes_on(tmp_path: Path) -> None:
    log = RunLog.create("lab", folder=tmp_path)
    log.append(RunStarted(runner="lab", runner_type="T"))

    assert "Not finished" in export(log, tmp_path / "run.md").read_text()

    log.close()
    assert "| Outcome | Broken off |" in export(log, tmp_path / "run.md").read_text()
