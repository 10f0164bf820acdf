"""The runs of a folder: a table of them, and the way to one of them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentnb.exceptions import LogUnreadable, UserError
from agentnb.runlog import RUNS_VARIABLE, runs_folder
from agentnb.runlog.folder import find_file, run_files
from agentnb.runlog.given import Folder as Folder
from agentnb.runlog.given import named_file, path_of
from agentnb.runlog.reader import open_file
from agentnb.transcripts.columns import RUNS, Column
from agentnb.transcripts.index import Stamp, transaction, with_index
from agentnb.transcripts.rows import frame
from agentnb.transcripts.summary import OPEN, RunSummary, is_written, summary_of

if TYPE_CHECKING:
    import pandas as pd

NO_FACTS = "its process ended before the first fact was written"


def runs(folder: Folder = None, *, newest: int | None = None) -> pd.DataFrame:
    """Return the runs of a folder, newest first.

    Args:
        folder: Where the runs are; default: `.agentnb/runs` of the working folder, or what AGENTNB_RUNS names.
        newest: Only so many.

    Returns:
        Shape (runs, 18); the columns are those of `columns.RUNS`. A file that cannot be read, or not to its end, is a
        row with the outcome `damaged`; `stop_reason` says what is wrong with it.

    Raises:
        UserError: If the folder does not exist, or if runs are not kept in files.
    """
    check_number(newest)
    return table_of(RUNS, map(values_of, summaries(folder)[:newest]))


def check_number(newest: int | None) -> None:
    """Refuse a number of rows that is none."""
    if newest is not None and newest < 0:
        raise UserError(f"newest={newest!r} is less than 0; give the number of rows wanted, or None for all.")


def table_of(columns: Sequence[Column], found: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Put mappings, one per row, together as a table with the declared columns."""
    listed = list(found)
    return frame(columns, {column.name: [row.get(column.name) for row in listed] for column in columns})


def values_of(run: RunSummary) -> dict[str, Any]:
    """Return a run's fields as a table takes them."""
    return {field.name: getattr(run, field.name) for field in fields(run)} | {"path": str(run.path)}


def library_folder(folder: Folder = None) -> Path:
    """Return the folder whose runs are meant.

    Raises:
        UserError: If it does not exist, or if runs are not kept in files.
    """
    default = runs_folder()
    if folder is not None:
        path = Path(folder).expanduser().absolute()
        if not path.is_dir():
            raise UserError(f"There is no folder {path}. Runs are kept in {default or 'memory only'}.")
        return path
    if default is None:
        raise UserError(f"Runs are not kept in files ({RUNS_VARIABLE}=off). Name the folder to look into.")
    return default.absolute()


def find_run(run: str | PathLike[str], folder: Folder = None) -> Path:
    """Return the file of a run.

    Args:
        run: Its id, the beginning of it, or the path of its file.
        folder: Where the runs are; default: the default folder of runs.

    Raises:
        UnknownName: If there is none.
        UserError: If there are several.
    """
    path_of(run, "A run")
    file = named_file(run)
    if file is None:
        home = library_folder(folder)
        # A folder that was moved still has the file of that name.
        file = named_file(home / Path(run).name) or find_file(str(run), home)
    return file


def summaries(folder: Folder = None) -> list[RunSummary]:
    """Return the runs of a folder, newest first; what was read before is remembered beside them."""
    home = library_folder(folder)
    files = run_files(home)
    if not files:
        return []
    found = with_index(home, lambda connection: _summaries(connection, files))
    known: dict[str | None, RunSummary] = {run.run_id: run for run in found if run.run_id}
    names = {run.path.name: run for run in found}
    found = [_checked(_with_origin(run, known), names) for run in found]
    return sorted(found, key=lambda run: (run.began, run.path.name), reverse=True)


def _with_origin(run: RunSummary, known: Mapping[str | None, RunSummary]) -> RunSummary:
    """Give a branch the name and the task of the conversation it goes on with."""
    seen = {run.run_id}
    above = known.get(run.origin) if run.origin else None
    while above is not None and above.run_id not in seen and not (run.team and run.task):
        run = replace(run, team=run.team or above.team, task=run.task or above.task)
        seen.add(above.run_id)
        above = known.get(above.origin) if above.origin else None
    return run


def _checked(run: RunSummary, names: Mapping[str, RunSummary]) -> RunSummary:
    """Say of a branch whether the files it comes from are missing, or are not what they were."""
    below = run
    for _ in names:
        if below.shares is None:
            return run
        name, at = below.shares
        above = names.get(name)
        if above is None or above.run_id != below.origin or above.last < at:
            break
        below = above
    try:
        open_file(run.path)
    except LogUnreadable as error:
        return replace(run, outcome="damaged", stop_reason=str(error))
    return run


def _summaries(connection: sqlite3.Connection, files: Sequence[Path]) -> list[RunSummary]:
    known = {row[0]: row[1:] for row in connection.execute("SELECT name, size, modified, inode, data FROM summaries")}
    found: list[RunSummary] = []
    fresh: list[tuple[Any, ...]] = []
    for path in files:
        stamp = Stamp.of(path)
        if stamp is None:  # deleted meanwhile
            continue
        kept = known.get(path.name)
        if kept is not None and kept[:3] == stamp:
            run = _from_json(kept[3], path)
        else:
            run = summary_of(path, stamp)
            fresh.append((path.name, *stamp, _to_json(run)))
        # Its file does not say whether a run goes on or broke off.
        if run.outcome == OPEN and not is_written(path):
            run = replace(run, outcome="broken off", stop_reason=run.stop_reason if run.facts else NO_FACTS)
        found.append(run)
    _remember(connection, fresh, known.keys() - {path.name for path in files})
    return found


def _remember(connection: sqlite3.Connection, fresh: Sequence[tuple[Any, ...]], gone: Iterable[str]) -> None:
    lost = [(name,) for name in gone]
    if not fresh and not lost:
        return
    try:
        with transaction(connection):
            connection.executemany("INSERT OR REPLACE INTO summaries VALUES (?, ?, ?, ?, ?)", fresh)
            connection.executemany("DELETE FROM summaries WHERE name = ?", lost)
    except sqlite3.OperationalError:
        return  # what could not be remembered is read again


def _to_json(run: RunSummary) -> str:
    return json.dumps({name: value for name, value in values_of(run).items() if name != "path"}, default=str)


def _from_json(text: str, path: Path) -> RunSummary:
    data = json.loads(text)
    for name in ("started_at", "modified_at"):
        data[name] = datetime.fromisoformat(data[name]) if data[name] else None
    data["shares"] = tuple(data["shares"]) if data["shares"] else None
    data["continues"] = tuple(data["continues"])
    return RunSummary(path=path, **data)
