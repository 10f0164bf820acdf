"""Tables in files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from agentnb.exceptions import MissingExtra, UserError
from agentnb.runlog import RunLog
from agentnb.transcripts import FRAMES, diff, keep_runs, load, runs, save, search, to_df
from agentnb.ui import export
from tests.transcripts.teams import Writing, told

SUFFIXES = (".parquet", ".feather", ".arrow", ".csv", ".jsonl", ".ndjson")


def as_kept(frame: pd.DataFrame, suffix: str) -> pd.DataFrame:
    """Return a table as a file of this kind can hold it: CSV has no empty texts."""
    texts = frame.select_dtypes("string") if suffix == ".csv" else frame[[]]
    return frame.assign(**{str(name): values.mask(values == "") for name, values in texts.items()})


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", FRAMES)
def test_a_table_comes_back_with_its_dtypes(kind: str, suffix: str, tmp_path: Path) -> None:
    for frame in (to_df(told(), kind), to_df(RunLog(), kind)):
        assert_frame_equal(load(save(frame, tmp_path / f"table{suffix}")), frame)


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1))
def test_whatever_was_said_comes_back(suffix: str, text: str, tmp_path: Path) -> None:
    w = Writing()
    w.say(w.run(), "ana", text)
    frame = to_df(w.log)

    assert load(save(frame, tmp_path / f"table{suffix}")).text.tolist() == frame.text.tolist()


@pytest.mark.parametrize("suffix", [".parquet", ".feather", ".jsonl"])
def test_an_empty_text_is_not_a_missing_one(suffix: str, tmp_path: Path) -> None:
    w = Writing()
    w.say(w.run(), "ana", "")

    assert load(save(w.log, tmp_path / f"table{suffix}")).text.tolist() == [""]


def test_parquet_keeps_dtypes_for_readers_that_know_nothing_of_agentnb(tmp_path: Path) -> None:
    frame = to_df(told(), "calls")
    read = pd.read_parquet(save(frame, tmp_path / "calls.parquet"))

    assert read.dtypes.astype(str).tolist() == frame.dtypes.astype(str).tolist()
    assert read.prompt_tokens.isna().tolist() == frame.prompt_tokens.isna().tolist()


def test_lines_of_json_say_null_for_what_is_missing(tmp_path: Path) -> None:
    path = save(told(), tmp_path / "turns.jsonl", "turns")
    first = json.loads(path.read_text(encoding="utf-8").splitlines()[0])

    assert first["again"] is None
    assert first["model_calls"] == 2
    assert first["started_at"].endswith("+00:00")


def test_other_columns_are_kept(tmp_path: Path) -> None:
    frame = to_df(told(), "turns").assign(score=[0.5, 1.0, 0.0])

    for suffix in (".parquet", ".jsonl", ".csv"):
        assert load(save(frame, tmp_path / f"t{suffix}")).score.tolist() == [0.5, 1.0, 0.0]


def test_filtered_rows_are_written_without_their_old_numbers(tmp_path: Path) -> None:
    frame = to_df(told(), "turns")
    read = load(save(frame[frame.source == "ben"], tmp_path / "ben.parquet"))

    assert read.source.tolist() == ["ben"]
    assert read.index.tolist() == [0]


@pytest.mark.parametrize("path", [None, 3, ["t.csv"], b"t.csv"])
def test_a_path_that_is_none_is_named(path: Any) -> None:
    for use in (load, lambda odd: save(RunLog(), odd), lambda odd: export(RunLog(), odd)):
        with pytest.raises(UserError, match=r"is named by a text or a Path, not \w+: "):
            use(path)


def test_a_file_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'t\.xls': its name must end in one of \.parquet, "):
        save(told(), tmp_path / "t.xls")


def test_a_file_that_is_no_table_of_a_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    (tmp_path / "broken.jsonl").write_text("{")
    (tmp_path / "broken.parquet").write_text("no")

    with pytest.raises(UserError, match=r"other\.csv holds no table of agentnb: .* pandas\.read_csv\(path\)"):
        load(tmp_path / "other.csv")
    for name in ("broken.jsonl", "broken.parquet"):
        with pytest.raises(UserError, match=rf"{name} holds no table of its format"):
            load(tmp_path / name)
    with pytest.raises(UserError, match=r"missing\.csv cannot be read: No such file"):
        load(tmp_path / "missing.csv")


def test_a_value_that_does_not_fit_its_column_is_refused(tmp_path: Path) -> None:
    path = save(told(), tmp_path / "turns.csv", "turns")
    path.write_text(path.read_text().replace(",2.0,", ",soon,"))

    with pytest.raises(UserError, match="holds a value that does not fit its column"):
        load(path)


def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    path = save(told(), tmp_path / "turns.parquet", "turns")
    before = path.read_bytes()
    odd: Any = [object(), 1, "x"]
    frame = to_df(told(), "turns").assign(odd=odd)

    with pytest.raises(Exception, match=r"odd|object"):
        save(frame, path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["turns.parquet"]


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(MissingExtra, match=r"agentnb-toolkit\[tables\]"):
        save(to_df(RunLog()), tmp_path / "t.parquet")


def test_a_table_is_saved_from_its_accessor(tmp_path: Path) -> None:
    frame: Any = to_df(told(), "turns")

    assert_frame_equal(load(frame.agents.save(tmp_path / "new" / "turns.csv")), frame)
    assert len(list((tmp_path / "new").iterdir())) == 1


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("kind", "style"), [("messages", "inspect"), ("events", "inspect"), ("calls", "openinference")]
)
def test_a_table_in_another_tools_style_comes_back_too(kind: str, style: Any, suffix: str, tmp_path: Path) -> None:
    for log in (told(), RunLog()):
        frame = to_df(log, kind, style=style)

        assert_frame_equal(load(save(frame, tmp_path / f"table{suffix}")), as_kept(frame, suffix))


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_lists_of_runs_and_hits_and_comparisons_come_back(suffix: str, tmp_path: Path) -> None:
    log = told()
    log.save(tmp_path / "run.jsonl")
    expendable = keep_runs(newest=0, folder=tmp_path)

    for frame in (
        runs(folder=tmp_path),
        runs(folder=tmp_path).head(0),
        expendable,
        search("ben", folder=tmp_path),
        diff(log, told()).to_df(),
    ):
        assert_frame_equal(load(save(frame, tmp_path / f"table{suffix}")), as_kept(frame, suffix))


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_joined_tables_keep_the_dtypes_of_both(suffix: str, tmp_path: Path) -> None:
    turns: Any = to_df(told(), "turns")
    joined = turns.agents.join(to_df(told(), "choices")).assign(score=0.5)

    assert_frame_equal(load(save(joined, tmp_path / f"joined{suffix}")), joined)


@pytest.mark.parametrize(
    ("suffix", "read"),
    [(".parquet", pd.read_parquet), (".csv", pd.read_csv), (".jsonl", lambda path: pd.read_json(path, lines=True))],
)
def test_the_rows_of_a_pivot_keep_their_names(suffix: str, read: Any, tmp_path: Path) -> None:
    turns: Any = to_df(told(), "turns")
    after = turns.agents.transitions()
    summed = turns.pivot_table(index=["team", "source"], columns="outcome", values=["took"], observed=True)
    again = turns.set_index("turn_id", drop=False)

    read_after = read(save(after, tmp_path / f"after{suffix}"))
    assert read_after.set_index("source").loc["ana", "ben"] == after.loc["ana", "ben"]
    assert [*read(save(summed, tmp_path / f"summed{suffix}"))] == ["team", "source", "took_done", "took_stopped"]
    assert [*load(save(again, tmp_path / f"again{suffix}"))] == [*turns]


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    turns = to_df(told(), "turns")[["run_id", "took"]]

    for suffix in SUFFIXES:
        with pytest.raises(UserError, match=r"several columns named 'run_id', 'took'\. Rename or drop them"):
            save(pd.concat([turns, turns], axis=1), tmp_path / f"t{suffix}")
