"""The declaration of columns: documented, and extended by installed packages."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentnb.core import plugins
from agentnb.transcripts import DIFF, EXPENDABLE, HITS, RUNS, TABLES, columns, declared_columns, rows, to_df
from agentnb.transcripts.reference import page
from tests.transcripts.teams import told

DOCS = Path(__file__).parents[2] / "docs" / "columns.md"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Install a distribution that declares columns, and take it away again."""

    def installed(**points: str) -> None:
        info = tmp_path / "plugin-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1\n")
        lines = "".join(f"{name} = {value}\n" for name, value in points.items())
        (info / "entry_points.txt").write_text(f"[agentnb.columns]\n{lines}")
        (tmp_path / "our_columns.py").write_text(
            "from agentnb.transcripts import Column\n"
            "def of(event): return event.at.second\n"
            "def bad(event): raise LookupError(event.kind)\n"
            "GOOD = Column('second', 'Int64', 'seconds on the clock', of=of, tables=('events', 'turns'))\n"
            "TAKEN = Column('text', 'string', 'again', of=of)\n"
            "FAILS = Column('fails', 'string', 'never', of=bad)\n"
            "WRONG = Column('wrong', 'float64', 'no number', of=lambda event: event.kind)\n"
            "OPEN = Column('mood', 'category', 'how it feels', of=of)\n"
            "OTHER = 7\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        forget()

    def forget() -> None:
        plugins.declared.cache_clear()
        rows.declared_columns.cache_clear()
        columns._reported.clear()

    yield installed
    monkeypatch.undo()
    forget()


def test_the_page_about_columns_is_up_to_date() -> None:
    assert DOCS.read_text(encoding="utf-8") == page(), (
        "Write it anew: python -m agentnb.transcripts.reference > docs/columns.md"
    )


def test_the_page_tells_of_the_tables_of_the_library_too() -> None:
    text = page()

    for name, own in (("runs()", RUNS), ("search()", HITS), ("keep_runs()", EXPENDABLE), ("diff()", DIFF)):
        section = text.partition(f"## {name}\n")[2].partition("\n## ")[0]
        assert all(f"| `{column.name}` | {column.dtype} | {column.meaning} |" in section for column in own), name


def test_every_column_says_what_it_means_once() -> None:
    for table in TABLES.values():
        names = [column.name for column in table.columns]
        assert len(names) == len(set(names)), table.name
        assert all(column.meaning and not column.meaning.endswith(".") for column in table.columns)


def test_an_installed_package_adds_a_column(install: Any) -> None:
    install(second="our_columns:GOOD")
    log = told()
    events, turns = to_df(log, "events"), to_df(log, "turns")

    assert events.second.tolist() == [event.at.second for event in log]
    assert str(turns.second.dtype) == "Int64"
    assert "second" not in to_df(log, "messages").columns
    assert declared_columns("turns")[-1].meaning == "seconds on the clock"
    assert events.agents.describe().meaning.tolist()[-1] == "seconds on the clock"


@pytest.mark.parametrize(
    ("point", "fault"),
    [
        ("our_columns:TAKEN", "has a column 'text' already"),
        ("our_columns:FAILS", "failed for a fact of kind 'run.started': LookupError: run.started"),
        ("our_columns:WRONG", "its values are no float64"),
        ("our_columns:OPEN", "it is a category without its categories.* make it a string"),
        ("our_columns:OTHER", "it is a int, not an agentnb.transcripts.Column"),
        ("our_columns:GONE", "cannot be loaded: AttributeError"),
        ("no_such_module:X", "cannot be loaded: ModuleNotFoundError"),
    ],
)
def test_a_broken_column_is_reported_once_and_the_table_made(point: str, fault: str, install: Any) -> None:
    install(theirs=point)

    with pytest.warns(RuntimeWarning, match=fault):
        first = to_df(told(), "events")
    with warnings.catch_warnings(record=True) as again:
        to_df(told(), "events")

    assert again == []
    assert len(first) == len(told())
    assert first.columns[: len(TABLES["events"].columns)].tolist() == [c.name for c in TABLES["events"].columns]
