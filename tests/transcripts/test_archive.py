"""A run as one file, out and in."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

import agentnb
from agentnb.base import TaskResult
from agentnb.exceptions import LogUnreadable, UnknownName, UserError
from agentnb.messages import TextMessage
from agentnb.runlog import RunLog, Said, ToolFinished
from agentnb.transcripts import export_run, import_run, runs
from tests.transcripts.shelf import conversation, made, pair, path_of, team_run

LONG = "a long text " * 3000


@pytest.fixture
def there(tmp_path: Path) -> Path:
    return tmp_path / "there"


def shared(log: RunLog, at: int = 4) -> RunLog:
    branch = log.branch(at=at, folder=path_of(log).parent)
    branch.append(Said(message=TextMessage(content="otherwise", source="ana")), source="ana")
    branch.close()
    return branch


async def test_a_run_goes_out_as_one_file_and_comes_in_as_it_was(tmp_path: Path, there: Path) -> None:
    log = await team_run("write", "Bees.", folder=tmp_path / "here")

    path = agentnb.export_run(log.id, tmp_path / "mail", folder=tmp_path / "here")
    taken = agentnb.import_run(path, there)

    assert path.name == "mail.agentnb.zip"
    assert (taken.id, taken.events) == (log.id, log.events)
    assert taken.path == there / path_of(log).name
    assert list(runs(there)["outcome"]) == ["done"]


async def test_a_result_names_its_run_and_what_names_none_is_refused(tmp_path: Path, there: Path) -> None:
    log = await team_run("write", "Bees.", folder=tmp_path / "here")
    result = TaskResult(messages=[], log=log)

    assert import_run(export_run(result, tmp_path / "mail"), there).id == log.id
    with pytest.raises(UserError, match="export_run needs the log of a run, not int: 3"):
        export_run(3, tmp_path / "other")  # type: ignore[arg-type]


def test_large_texts_go_along(tmp_path: Path, there: Path) -> None:
    log = made(tmp_path / "here", tool=LONG)

    taken = import_run(export_run(path_of(log), tmp_path / "mail.zip"), there)

    assert [e.body.result for e in taken if isinstance(e.body, ToolFinished)] == [LONG]


def test_a_branch_goes_out_with_the_facts_before_it(tmp_path: Path, there: Path) -> None:
    branch = shared(made(tmp_path / "here"))

    taken = import_run(export_run(branch, tmp_path / "mail"), there)

    assert [(e.id, e.kind) for e in taken] == [(e.id, e.kind) for e in branch]
    assert len(runs(there)) == 1


def test_the_runs_a_branch_comes_from_go_along_if_that_is_asked_for(tmp_path: Path, there: Path) -> None:
    origin = made(tmp_path / "here")
    branch = shared(origin)
    twig = shared(RunLog.open(path_of(branch)), at=6)

    path = export_run(twig.id, tmp_path / "mail", folder=tmp_path / "here", with_origins=True)
    taken = import_run(path, there)

    assert taken.id == twig.id
    assert set(runs(there)["run_id"]) == {origin.id, branch.id, twig.id}
    assert RunLog.find(origin.id, there).events == origin.events


def test_an_origin_under_another_name_goes_along(tmp_path: Path, there: Path) -> None:
    origin = made(tmp_path / "here")
    branch = shared(origin)
    path_of(origin).rename(tmp_path / "here" / "renamed.jsonl")

    import_run(export_run(path_of(branch), tmp_path / "mail", with_origins=True), there)

    assert set(runs(there)["run_id"]) == {origin.id, branch.id}


async def test_a_conversation_that_goes_out_with_its_earlier_runs_is_restored_elsewhere(
    tmp_path: Path, there: Path
) -> None:
    logs = await conversation(tmp_path / "here", "one", "two", "three")
    last = path_of(logs[-1])

    alone = import_run(export_run(last, tmp_path / "alone"), tmp_path / "elsewhere")
    taken = import_run(export_run(last, tmp_path / "mail", with_origins=True), there)
    await (team := pair()).restore(taken)

    assert len(alone) == len(taken) == len(logs[-1])
    assert set(runs(there)["run_id"]) == {log.id for log in logs}
    state = str(await team.save_state())
    assert all(f"'{task}'" in state for task in ("one", "two", "three"))
    with pytest.raises(UserError, match=f"goes on from {logs[1].id}, which is not in .*: it can be read"):
        export_run(path_of(alone), tmp_path / "again", with_origins=True)


def test_an_origin_that_is_missing_is_named(tmp_path: Path) -> None:
    origin = made(tmp_path / "here")
    branch = shared(origin)
    alone = branch.save(tmp_path / "alone.jsonl")

    with pytest.raises(UserError, match=f"branches off {origin.id}, which is not in"):
        export_run(RunLog.open(alone), tmp_path / "mail", with_origins=True)
    assert not list(tmp_path.glob("*mail*"))


def test_a_log_in_memory_goes_out_too(tmp_path: Path, there: Path) -> None:
    log = RunLog()
    log.note("remember")

    taken = import_run(export_run(log, tmp_path), there)

    assert taken.events == log.events


def test_a_run_that_goes_on_goes_out_up_to_its_last_fact(tmp_path: Path, there: Path) -> None:
    log = made(tmp_path / "here", over=False)

    taken = import_run(export_run(log, tmp_path / "mail"), there)
    log.close()

    assert taken.events == log.events


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    log = made(tmp_path / "here", tool=LONG)

    first = export_run(log, tmp_path / "a").read_bytes()

    assert export_run(log, tmp_path / "b").read_bytes() == first


def test_what_is_in_the_file_opens_without_an_import(tmp_path: Path) -> None:
    log = made(tmp_path / "here", tool=LONG)

    with zipfile.ZipFile(export_run(log, tmp_path / "mail")) as held:
        held.extractall(tmp_path / "unpacked")

    (only,) = (tmp_path / "unpacked" / "runs").iterdir()
    assert RunLog.open(only).events == log.events


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    log = made(tmp_path / "here")
    path = export_run(log, tmp_path / "mail")

    with pytest.raises(UserError, match="exists already"):
        export_run(log, tmp_path / "mail")
    with pytest.raises(UserError, match=r"cannot be written to .*nowhere"):
        export_run(log, tmp_path / "nowhere" / "mail")
    with pytest.raises(UnknownName):
        export_run("nope", tmp_path / "other", folder=tmp_path / "here")
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == [path.name]


def test_a_damaged_run_does_not_go_out(tmp_path: Path) -> None:
    (tmp_path / "odd.jsonl").write_text("nothing\n")

    with pytest.raises(LogUnreadable):
        export_run(tmp_path / "odd.jsonl", tmp_path / "mail")
    assert not list(tmp_path.glob("*mail*"))


def test_taking_the_same_run_twice_changes_nothing(tmp_path: Path, there: Path) -> None:
    path = export_run(made(tmp_path / "here"), tmp_path / "mail")
    first = import_run(path, there)
    before = path_of(first).read_bytes()

    again = import_run(path, there)

    assert again.path == first.path
    assert path_of(again).read_bytes() == before
    assert len(list(there.glob("*"))) == 1


def test_a_run_that_went_on_here_is_left_as_it_is(tmp_path: Path) -> None:
    log = made(tmp_path / "here")
    path = export_run(log, tmp_path / "mail")
    log.reopen().note("went on")
    log.close()

    taken = import_run(path, tmp_path / "here")

    assert taken.events == log.events


def test_a_different_run_of_the_same_id_is_not_overwritten(tmp_path: Path) -> None:
    log = made(tmp_path / "here")
    path = export_run(log, tmp_path / "mail")
    path_of(log).write_bytes(path_of(log).read_bytes().replace(b"hello", b"HELLO"))
    before = path_of(log).read_bytes()

    with pytest.raises(UserError, match=f"different run of the same id {log.id}: they part at fact 5"):
        import_run(path, tmp_path / "here")

    assert path_of(log).read_bytes() == before


def test_a_shorter_run_of_the_same_id_is_not_overwritten(tmp_path: Path, there: Path) -> None:
    log = made(tmp_path / "here")
    import_run(export_run(log, tmp_path / "mail"), there)
    log.reopen().note("went on")
    log.close()

    with pytest.raises(UserError, match="has only its first 7 facts; the file to import has 8"):
        import_run(export_run(log, tmp_path / "later"), there)


def test_a_saved_log_comes_in_too(tmp_path: Path, there: Path) -> None:
    log = made(tmp_path / "here", tool=LONG)

    taken = import_run(log.save(tmp_path / "saved.jsonl"), there)

    assert taken.events == log.events
    assert path_of(taken).name == "saved.jsonl"


def test_large_texts_beside_a_file_come_in_with_it(tmp_path: Path, there: Path) -> None:
    log = made(tmp_path / "here", tool=LONG)

    taken = import_run(path_of(log), there)

    assert [e.body.result for e in taken if isinstance(e.body, ToolFinished)] == [LONG]
    assert [path.name for path in there.iterdir()] == [path_of(log).name]


def test_a_branchs_file_comes_in_with_the_facts_before_it(tmp_path: Path, there: Path) -> None:
    branch = shared(made(tmp_path / "here", tool=LONG), at=6)

    taken = import_run(path_of(branch), there)

    assert taken.events == branch.events
    assert [path.name for path in there.iterdir()] == [path_of(branch).name]


def test_large_texts_that_are_missing_can_be_put_beside_the_file_later(tmp_path: Path, there: Path) -> None:
    log = made(tmp_path / "here", tool=LONG)
    blobs = tmp_path / "here" / "blobs"
    aside = blobs.rename(tmp_path / "aside")

    with pytest.warns(RuntimeWarning, match="refers to 1 texts that are not in"):
        taken = import_run(path_of(log), there)
    aside.rename(there / "blobs")

    again = RunLog.open(path_of(taken))
    assert [e.body.result for e in again if isinstance(e.body, ToolFinished)] == [LONG]


def test_another_run_of_the_same_name_keeps_its_file(tmp_path: Path, there: Path) -> None:
    first, second = made(tmp_path / "a"), made(tmp_path / "b")
    import_run(first.save(tmp_path / "a" / "saved.jsonl"), there)

    taken = import_run(second.save(tmp_path / "b" / "saved.jsonl"), there)

    assert path_of(taken).name == f"saved-{second.id[:8]}.jsonl"
    assert set(runs(there)["run_id"]) == {first.id, second.id}


def rewritten(path: Path, change: dict[str, bytes | None]) -> Path:
    """Return a copy of a zip with other contents under some names."""
    copy = path.with_name("changed.zip")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w") as new:
        for name in old.namelist():
            raw = change.get(name, old.read(name))
            if raw is not None:
                new.writestr(name, raw)
    return copy


def test_a_file_that_was_changed_on_its_way_is_refused(tmp_path: Path, there: Path) -> None:
    log = made(tmp_path / "here")
    path = export_run(log, tmp_path / "mail")
    name = f"runs/{path_of(log).name}"
    with zipfile.ZipFile(path) as held:
        raw = held.read(name)

    with pytest.raises(UserError, match="its hash is another"):
        import_run(rewritten(path, {name: raw.replace(b"hello", b"HELLO")}), there)
    with pytest.raises(UserError, match="is no run that was exported, or is damaged"):
        import_run(rewritten(path, {name: None}), there)
    with pytest.raises(UserError, match="has format 99"):
        import_run(rewritten(path, {"agentnb.json": b'{"agentnb": 99}'}), there)
    with pytest.raises(UserError, match="is no run that was exported, or is damaged"):
        import_run(rewritten(path, {"agentnb.json": b"[]"}), there)
    with pytest.raises(UserError, match="is no run that was exported, or is damaged"):
        import_run(rewritten(path, {"agentnb.json": b'{"agentnb": 1, "runs": []}'}), there)
    assert not there.exists()


@pytest.mark.parametrize("keep", [0.3, 0.9, 0.99])
def test_a_file_that_was_cut_short_is_refused(tmp_path: Path, there: Path, keep: float) -> None:
    path = export_run(made(tmp_path / "here"), tmp_path / "mail")
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * keep)])

    with pytest.raises(UserError, match=r"mail\.agentnb\.zip is damaged: it is no zip file, or only a part of one"):
        import_run(path, there)
    assert not there.exists()


def test_a_file_from_elsewhere_has_no_say_in_where_it_is_put(tmp_path: Path, there: Path) -> None:
    log = made(tmp_path / "here")
    path = export_run(log, tmp_path / "mail")
    with zipfile.ZipFile(path) as held:
        contents = json.loads(held.read("agentnb.json"))
        raw = held.read(contents["runs"][0]["file"])
    contents["runs"][0]["file"] = "../../evil.jsonl"
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as new:
        new.writestr("../../evil.jsonl", raw)
        new.writestr("agentnb.json", json.dumps(contents))

    taken = import_run(tmp_path / "evil.zip", there)

    assert taken.path == there / "evil.jsonl"


@pytest.mark.parametrize("content", [b"", b"nothing\n", b'{"agentnb": 1'])
def test_what_is_no_run_is_refused(tmp_path: Path, there: Path, content: bytes) -> None:
    (tmp_path / "odd.jsonl").write_bytes(content)

    with pytest.raises(UserError, match=r"odd\.jsonl holds no run"):
        import_run(tmp_path / "odd.jsonl", there)
    with pytest.raises(UserError, match="There is no file"):
        import_run(tmp_path / "nowhere.zip", there)
    assert not there.exists()


def test_without_a_folder_of_runs_one_has_to_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = export_run(made(tmp_path / "here"), tmp_path / "mail")
    monkeypatch.setenv("AGENTNB_RUNS", "off")

    with pytest.raises(UserError, match="Name the folder"):
        import_run(path)


def test_a_folder_is_no_run_to_import(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder; give the file of one run"):
        import_run(tmp_path, tmp_path / "there")
