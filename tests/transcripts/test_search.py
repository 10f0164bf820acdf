"""Full-text search over a folder's runs, with an index of words and without."""

from __future__ import annotations

import sqlite3
import sys
import unicodedata
import warnings
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import agentnb
from agentnb.exceptions import UnknownName, UserError
from agentnb.messages import (
    FunctionCall,
    FunctionExecutionResult,
    Image,
    MultiModalMessage,
    TextMessage,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
)
from agentnb.runlog import RunLog, Said, ToolFinished, ToolStarted
from agentnb.runlog.blobs import FOLDER as BLOBS
from agentnb.transcripts import HITS, delete_runs, search
from agentnb.transcripts.index import INDEX
from agentnb.transcripts.query import words
from agentnb.transcripts.search import hits
from tests.transcripts.shelf import days_ago, made, path_of, team_run

DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture(params=["words", "scan"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Search with FTS5, and as on a Python whose SQLite has none."""
    if request.param == "scan":
        monkeypatch.setattr("agentnb.transcripts.index.has_full_text", lambda connection: False)
    return str(request.param)


def said(folder: Path, *texts: str) -> RunLog:
    log = made(folder, over=False)
    for text in texts:
        log.append(Said(message=TextMessage(content=text, source="ana")), source="ana", parent=log.events[0].id)
    log.close()
    return log


async def test_what_a_team_said_is_found(tmp_path: Path) -> None:
    log = await team_run("write about bees", "Bees dance in eights.", folder=tmp_path)

    frame = agentnb.search("dance", tmp_path)

    hit = frame.iloc[0]
    assert len(frame) == 1
    assert (hit["run_id"], hit["kind"], hit["source"]) == (log.id, "message", "ana")
    assert hit["snippet"] == "Bees «dance» in eights."
    fact = log.events[hit["seq"] - 1]
    assert (hit["created_at"], hit["path"]) == (fact.at, str(log.path))


def test_tasks_tool_results_arguments_code_and_output_are_found(tmp_path: Path) -> None:
    made(tmp_path, "fine", task="the task", tool="a result", code="import os\nanswer()")

    found = {word: list(search(word, tmp_path)["kind"]) for word in ("task", "result", "łódź", "answer", "42")}

    assert found == {
        "task": ["message"],
        "result": ["tool.finished"],
        "łódź": ["tool.started"],
        "answer": ["code.started"],
        "42": ["code.finished"],
    }


@pytest.mark.parametrize("filled", [False, True])
def test_the_table_has_the_declared_columns_and_dtypes(tmp_path: Path, filled: bool) -> None:
    if filled:
        made(tmp_path)

    frame = search("hello", tmp_path)

    assert len(frame) == filled
    assert {str(n): str(d) for n, d in frame.dtypes.items()} == {column.name: column.dtype for column in HITS}


@pytest.mark.parametrize(
    ("text", "query", "snippet"),
    [
        ("Das Café ist STRASSE", "cafe straße", "Das «Café» ist «STRASSE»"),
        ("e\u0301tude", "ÉTUDE", "«e\u0301tude»"),
        ("naïve İstanbul", "naive istanbul", "«naïve» «İstanbul»"),
        ("snake_case_name", "case", "snake_«case»_name"),
        ("我喜欢笔记本电脑", "笔记", "我喜欢«笔记»本电脑"),
        ("one two three", '"two three"', "one «two three»"),
        ("one\ntwo", '"one two"', "«one two»"),
        ("a-b testing", "a-b", "«a-b» testing"),
        ("unbelievable", "unbel*", "«unbelievable»"),
        ("if a != b:", "!=", "if a «!=» b:"),
        ("say NEAR and OR", "NEAR OR", "say «NEAR» and «OR»"),
    ],
)
def test_words_are_found_whatever_their_capitals_and_accents(
    tmp_path: Path, text: str, query: str, snippet: str
) -> None:
    said(tmp_path, text)

    assert list(search(query, tmp_path)["snippet"]) == [snippet]


@pytest.mark.parametrize("query", ["two one", '"two one"', "wo", "one two four", '"one three"', "==", "tw"])
def test_what_is_not_there_is_not_found(tmp_path: Path, query: str) -> None:
    said(tmp_path, "one two three")

    assert list(search(query, tmp_path)["snippet"]) == (["«one» «two» three"] if query == "two one" else [])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    query=st.text(min_size=1).filter(str.strip)
    | st.sampled_from(
        ['"', '""', "a AND", "NOT x", "x:y", "(", "^a", "'", "a*b", "{-}", "\\", "%", "NEAR(a b, 3)", "\0", "\ud800"]
    )
)
def test_no_text_is_wrong_to_look_for(tmp_path: Path, query: str) -> None:
    if not list(tmp_path.glob("*.jsonl")):
        made(tmp_path)

    assert isinstance(search(query, tmp_path), pd.DataFrame)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(text=st.text(min_size=1, max_size=30).filter(lambda text: any(c.isalnum() for c in text)))
def test_what_was_said_is_found_by_all_of_it(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("runs")
    said(folder, text)

    assert len(search(text.replace('"', " "), folder)) >= 1


@pytest.mark.parametrize("query", ["", "  ", None])
def test_nothing_to_look_for_is_said(tmp_path: Path, query: str) -> None:
    with pytest.raises(UserError, match="nothing to look for"):
        search(query, tmp_path)


def test_the_newest_hit_is_first_and_kinds_can_be_chosen(tmp_path: Path) -> None:
    ids = []
    for days in (3, 1, 2):
        with days_ago(days):
            ids.append(made(tmp_path, "word", tool="word").id)

    assert list(search("word", tmp_path, kinds="message")["run_id"]) == [ids[1], ids[2], ids[0]]
    assert list(search("word", tmp_path, newest=2)["kind"]) == ["message", "tool.finished"]
    assert list(search("word", tmp_path, kinds=["tool.finished"], newest=1)["run_id"]) == [ids[1]]
    with pytest.raises(UnknownName, match=r"'turn\.started'"):
        search("word", tmp_path, kinds="turn.started")


def test_a_long_text_is_cut_round_the_hit(tmp_path: Path) -> None:
    said(tmp_path, "before " * 500 + "needle" + " after" * 500)

    snippet = search("needle", tmp_path, marks=("<b>", "</b>"))["snippet"].iloc[0]

    assert (snippet[0], snippet[-1]) == ("…", "…")
    assert "before <b>needle</b> after" in snippet
    assert len(snippet) < 250


def test_a_hit_far_into_a_long_text_with_accents_is_marked(tmp_path: Path) -> None:
    said(tmp_path, "é word " * 9_000 + "the nèedle there" + " é" * 9_000)

    assert "word the «nèedle» there é" in search("needle", tmp_path)["snippet"][0]


def test_a_long_phrase_is_marked_wherever_it_begins(tmp_path: Path) -> None:
    phrase = " ".join(f"слово{n}" for n in range(300))
    said(tmp_path, "раньше " * 450 + phrase + " позже" * 900)

    assert f"раньше «{phrase}» позже" in search(f'"{phrase}"', tmp_path)["snippet"][0]


def test_a_word_is_marked_where_others_are_folded_to_more_or_fewer_characters(tmp_path: Path) -> None:
    said(tmp_path, "Straße … ﬁn e\u0301té 검색 « Łódź » und Ende")

    assert search("Łódź", tmp_path)["snippet"][0] == "Straße … ﬁn e\u0301té 검색 « «Łódź» » und Ende"
    assert "«été» 검색" in unicodedata.normalize("NFC", search("ete", tmp_path)["snippet"][0])


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that opens and cannot be read")
def test_a_file_that_cannot_be_read_does_not_end_the_search(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "odd.jsonl").symlink_to("/proc/self/mem")

    with pytest.warns(RuntimeWarning, match="1 of 2 runs .* was not searched: odd.jsonl"):
        assert len(search("hello", tmp_path)) == 1


def test_the_data_of_pictures_is_not_searched(tmp_path: Path) -> None:
    log = made(tmp_path, over=False)
    message = MultiModalMessage(content=["a dot", Image.from_base64(DOT)], source="ana")
    log.append(Said(message=message), source="ana")
    log.close()

    assert list(search("dot", tmp_path)["snippet"]) == ["a «dot» [image]"]
    assert search(DOT[:12] + "*", tmp_path).empty


def test_texts_that_lie_beside_the_runs_are_found(tmp_path: Path) -> None:
    made(tmp_path, tool="x " * 20_000 + "needle")
    assert any((tmp_path / BLOBS).iterdir())

    assert list(search("needle", tmp_path)["kind"]) == ["tool.finished"]


def test_what_is_written_while_a_run_goes_on_is_found_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = made(tmp_path, over=False)
    assert search("later", tmp_path).empty

    # Were the file read again from its beginning, this would be the reader.
    monkeypatch.setattr(sys.modules["agentnb.transcripts.search"], "LineReader", None)
    for text in ("later", "later still"):
        log.append(Said(message=TextMessage(content=text, source="ana")), source="ana")

        assert search("later", tmp_path)["seq"][0] == len(log)
    monkeypatch.undo()
    log.close()
    (tmp_path / INDEX).unlink()

    assert len(search("later", tmp_path)) == 2
    assert len(search("hello", tmp_path)) == 1


def test_only_what_is_new_is_listed(tmp_path: Path) -> None:
    log = made(tmp_path, over=False)
    search("hello", tmp_path)
    with sqlite3.connect(tmp_path / INDEX) as index:
        before = index.execute("SELECT id, event_id FROM facts ORDER BY id").fetchall()
    index.close()

    log.append(Said(message=TextMessage(content="later", source="ana")), source="ana")
    log.close()
    search("hello", tmp_path)

    with sqlite3.connect(tmp_path / INDEX) as index:
        after = index.execute("SELECT id, event_id FROM facts ORDER BY id").fetchall()
    index.close()
    assert after[:-1] == before


def test_a_file_that_was_replaced_is_listed_anew(tmp_path: Path) -> None:
    log = made(tmp_path, "one thing")
    assert len(search("thing", tmp_path)) == 1

    other = tmp_path / "other"
    other.write_bytes(path_of(log).read_bytes().replace(b"one thing", b"another matter"))
    other.replace(path_of(log))

    assert search("thing", tmp_path).empty
    assert len(search("matter", tmp_path)) == 1


def test_a_file_that_was_changed_in_place_and_grew_is_listed_anew(tmp_path: Path) -> None:
    log = made(tmp_path, "my key is zyxw")
    assert len(search("zyxw", tmp_path)) == 1

    raw = path_of(log).read_bytes()
    path_of(log).write_bytes(raw.replace(b"zyxw", b"[removed]"))

    assert search("zyxw", tmp_path).empty
    assert len(search("removed", tmp_path)) == 1
    assert b"zyxw" not in (tmp_path / INDEX).read_bytes()


def test_an_index_that_is_gone_is_made_again(tmp_path: Path) -> None:
    made(tmp_path)
    first = search("hello", tmp_path)

    (tmp_path / INDEX).unlink()

    pd.testing.assert_frame_equal(search("hello", tmp_path), first)


def test_a_folder_that_cannot_be_written_is_searched(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / INDEX).mkdir()

    assert len(search("hello", tmp_path)) == 1


def test_what_is_said_before_the_damage_is_found(tmp_path: Path) -> None:
    log = said(tmp_path, "before it", "behind it")
    lines = path_of(log).read_bytes().splitlines(keepends=True)
    path_of(log).write_bytes(b"".join([*lines[:-1], b"garbage\n", lines[-1]]))

    for _ in range(2):
        with pytest.warns(RuntimeWarning, match="1 of 1 runs .* was not searched"):
            assert list(search("it", tmp_path)["snippet"]) == ["before «it»"]
    path_of(log).write_bytes(b"".join(lines))
    assert set(search("it", tmp_path)["snippet"]) == {"before «it»", "behind «it»"}


def test_a_text_that_many_said_is_folded_once_and_found_wherever_it_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folded: list[str] = []

    def counted(text: str) -> list[str]:
        folded.append(text)
        return words(text)

    monkeypatch.setattr(sys.modules[hits.__module__], "words", counted)
    first = said(tmp_path, *["a long text " * 1000] * 3)
    second = said(tmp_path, "a long text " * 1000)

    assert len(search("long", tmp_path)) == 4
    assert len([text for text in folded if text.startswith("a long")]) == 1
    delete_runs(first.id, tmp_path)
    assert list(search("long", tmp_path)["run_id"]) == [second.id]
    delete_runs(second.id, tmp_path)
    assert b"long text" not in (tmp_path / INDEX).read_bytes()


def test_damaged_runs_are_named_and_the_others_searched(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "odd.jsonl").write_bytes(b"nothing\n")

    for _ in range(2):
        with pytest.warns(RuntimeWarning, match="1 of 2 runs .* was not searched: odd.jsonl"):
            frame = search("hello", tmp_path)

        assert len(frame) == 1


@pytest.mark.parametrize("damage", [(b'"at":"20', b'"at":"once '), (b'"source":"ana"', b'"source":"\\ud800"')])
def test_one_damaged_fact_does_not_end_the_search(tmp_path: Path, damage: tuple[bytes, bytes]) -> None:
    made(tmp_path)
    odd = path_of(made(tmp_path, over=False))
    odd.write_bytes(odd.read_bytes().replace(*damage))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = search("hello", tmp_path)

    assert len(frame) == 1 + (damage[0] != b'"at":"20')


def test_what_a_branch_shares_is_found_once_and_is_its_origins(tmp_path: Path) -> None:
    origin = made(tmp_path)
    branch = origin.branch(at=len(origin) - 1, folder=tmp_path)
    branch.append(Said(message=TextMessage(content="hello again", source="ana")), source="ana")
    branch.close()
    copy = made(tmp_path / "elsewhere").branch(at=4, folder=tmp_path)
    copy.close()

    frame = search("hello", tmp_path)

    assert sorted(frame["run_id"]) == sorted([origin.id, branch.id])


def test_facts_that_two_files_hold_stay_found_when_one_is_deleted(tmp_path: Path) -> None:
    log = made(tmp_path)
    copy = log.save(tmp_path / "zz-copy.jsonl")
    assert len(search("hello", tmp_path)) == 1

    path_of(log).unlink()

    assert list(search("hello", tmp_path)["path"]) == [str(copy)]


def test_what_a_message_repeats_of_a_tool_is_found_once(tmp_path: Path) -> None:
    log = made(tmp_path, over=False)
    run = log.events[0].id
    call = FunctionCall(id="c1", name="look", arguments='{"q": "needle"}')
    begun = log.append(ToolStarted(tool="look", call_id="c1", arguments={"q": "needle"}), parent=run)
    log.append(Said(message=ToolCallRequestEvent(source="ana", content=[call])), source="ana", parent=run)
    log.append(ToolFinished(tool="look", call_id="c1", result="hay"), parent=begun.id)
    result = FunctionExecutionResult(call_id="c1", name="look", content="hay", is_error=False)
    log.append(Said(message=ToolCallExecutionEvent(source="ana", content=[result])), source="ana", parent=run)
    log.close()

    assert list(search("needle", tmp_path)["kind"]) == ["tool.started"]
    assert list(search("hay", tmp_path)["kind"]) == ["tool.finished"]


def test_a_deleted_run_leaves_no_word_in_the_index(tmp_path: Path, way: str) -> None:
    log = made(tmp_path, "supercalifragilistic")
    made(tmp_path)
    search("hello", tmp_path)
    assert b"supercalifragilistic" in (tmp_path / INDEX).read_bytes()

    delete_runs(log.id, tmp_path)

    assert b"supercali" not in (tmp_path / INDEX).read_bytes()
    assert len(search("hello", tmp_path)) == 1
