"""Which runs are kept: deleting some, or all beyond a measure. Nothing here happens by itself."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from agentnb.core import now
from agentnb.exceptions import UserError
from agentnb.runlog import RunLog
from agentnb.runlog.blobs import FOLDER as BLOBS
from agentnb.runlog.folder import run_files
from agentnb.runlog.given import log_of
from agentnb.transcripts.columns import EXPENDABLE
from agentnb.transcripts.index import INDEX, forget_files, with_index
from agentnb.transcripts.library import (
    Folder,
    find_run,
    library_folder,
    summaries,
    table_of,
    values_of,
)
from agentnb.transcripts.summary import RunSummary, is_written

if TYPE_CHECKING:
    import pandas as pd

FRESH = 600.0
"""Seconds that a blob is left alone to which no run refers yet."""

NAMED = 5
"""Runs that an error names."""

_REFERENCE = re.compile(rb'"\$blob":\s*"sha256:([0-9a-f]{64})"')


@dataclass(frozen=True)
class Freed:
    """What a deletion freed."""

    runs: tuple[str, ...]
    """Names of the files."""
    blobs: int = 0
    """Large values nobody referred to any more."""
    size_bytes: int = 0
    waiting: bool = False
    """Whether large values were left alone because a run is being written or cannot be read: the next deletion looks
    again."""

    def __str__(self) -> str:
        runs = "1 run" if len(self.runs) == 1 else f"{len(self.runs)} runs"
        blobs = {0: "", 1: " and 1 large value"}.get(self.blobs, f" and {self.blobs} large values")
        later = (
            " Large values are looked through when no run is being written and all can be read." if self.waiting else ""
        )
        return f"{runs}{blobs} deleted, {self.size_bytes:,} bytes freed.{later}"


def delete_runs(runs: Any, folder: Folder = None, *, branches: bool = False) -> Freed:
    """Delete runs, and the large values that no other run refers to.

    Args:
        runs: One or several: ids or the beginnings of them, paths, logs or what has one, such as a result; or a table
            with a column `path`, such as a part of that of `agentnb.runs()`.
        folder: Where the runs are; default: the default folder of runs.
        branches: Whether runs that need those are deleted too: that branch off them, or go on from them with a new
            task, so that no team could be restored from them.

    Returns:
        What was freed; `print` says it in a sentence.

    Raises:
        UserError: If one of them is being written, or others need it. Then nothing is deleted.
        UnknownName: If there is no such run.
    """
    home = library_folder(folder)
    wanted = {_file(run, home) for run in _several(runs)}
    known = {run.path: run for run in summaries(home)}
    strange = sorted(path.name for path in wanted if path not in known)
    if strange:
        raise UserError(f"{strange[0]} is no run's file; those end in .jsonl.")
    lost = _left_without(wanted, _needs(known.values()))
    if lost and not branches:
        what = "run needs" if len(lost) == 1 else "runs need"
        more = f", and {len(lost) - NAMED} more" if len(lost) > NAMED else ""
        raise UserError(
            f"{len(lost)} {what} what is to be deleted: {', '.join(map(str, lost[:NAMED]))}{more}. "
            "Delete them too with branches=True, or keep what they need."
        )
    wanted |= {need.run.path for need in lost}
    for path in sorted(wanted):
        if is_written(path):
            raise UserError(
                f"The run {known[path].run_id} ({path.name}) is being written. Stop it and close its log, or wait for "
                "its end."
            )
    return _delete(home, [known[path] for path in sorted(wanted)])


def keep_runs(
    folder: Folder = None,
    *,
    days: float | None = None,
    newest: int | None = None,
    size_bytes: int | None = None,
    dry_run: bool = True,
) -> pd.DataFrame:
    """Say which runs are beyond a measure, and delete them if `dry_run` is False.

    Runs that are being written stay, and so do those that another one needs which stays: it branches off them, or goes
    on with their conversation. Files that are no run's are left alone.

    Args:
        folder: Where the runs are; default: the default folder of runs.
        days: Runs that began longer ago go.
        newest: Only so many stay.
        size_bytes: Only the newest stay whose files have so many bytes together, without shared values.
        dry_run: Whether nothing is deleted.

    Returns:
        The runs that go, or went: shape (runs, 19), newest first, the columns are those of `columns.EXPENDABLE`.

    Raises:
        UserError: If no measure is given, or one that is less than 0.
    """
    measures = {"days": days, "newest": newest, "size_bytes": size_bytes}
    if all(value is None for value in measures.values()):
        raise UserError(
            "Say what is to stay: keep_runs(days=90), keep_runs(newest=200) or keep_runs(size_bytes=10**9)."
        )
    for name, value in measures.items():
        if value is not None and not value >= 0:
            raise UserError(f"{name}={value!r} is no measure; give a number from 0 on.")
    home = library_folder(folder)
    known = summaries(home)
    going = _beyond(known, days, newest, size_bytes)
    stay = {run.path for run in known if run.path not in going or is_written(run.path)}
    stay |= _needed_by(stay, _needs(known))
    gone = [run for run in known if run.path not in stay]
    if not dry_run and gone:
        _delete(home, gone)
    return table_of(EXPENDABLE, (values_of(run) | {"why": going[run.path]} for run in gone))


def _beyond(
    known: Sequence[RunSummary], days: float | None, newest: int | None, size_bytes: int | None
) -> dict[Path, str]:
    going: dict[Path, str] = {}
    total = 0
    ours = (run for run in known if run.run_id is not None or run.outcome != "damaged")
    for place, run in enumerate(ours):
        total += run.size_bytes
        if days is not None and now() - run.began > timedelta(days=days):
            going[run.path] = f"older than {days:g} days"
        elif newest is not None and place >= newest:
            going[run.path] = f"beyond the newest {newest}"
        elif size_bytes is not None and total > size_bytes:
            going[run.path] = f"beyond {size_bytes:,} bytes"
    return going


def _several(runs: Any) -> list[Any]:
    columns = getattr(runs, "columns", None)
    if columns is not None:
        if "path" not in columns:
            raise UserError("The table has no column 'path'. Give a part of that of agentnb.runs(), or ids.")
        return list(dict.fromkeys(runs["path"].dropna()))
    if isinstance(runs, str | PathLike | RunLog) or hasattr(runs, "log"):
        return [runs]
    return list(runs)


def _file(run: Any, home: Path) -> Path:
    log = None if isinstance(run, str | PathLike) else log_of(run, "delete_runs")
    if log is not None and log.path is None:
        raise UserError(f"{log!r} has no file, so there is nothing to delete.")
    path = find_run(log.path if log is not None and log.path else run, home)
    if path.parent.resolve() != home.resolve():
        raise UserError(f"{path} is not in {home}. Name its folder: delete_runs(..., folder={str(path.parent)!r}).")
    return home / path.name


class _Need(NamedTuple):
    """What a run cannot do without."""

    run: RunSummary
    how: str
    """How it needs that, as in `branches off`."""
    whom: str | None
    """The id of the other run."""
    files: frozenset[Path]
    """Any of these will do."""

    def __str__(self) -> str:
        return f"{self.run.run_id} {self.how} {self.whom}"


def _needs(known: Iterable[RunSummary]) -> list[_Need]:
    """Return what runs need of the others that are there; a branch that holds all of its facts needs no origin."""
    runs = list(known)
    names = {run.path.name: run.path for run in runs}
    held: dict[str | None, list[RunSummary]] = defaultdict(list)
    for run in runs:
        held[run.run_id].append(run)
    found: list[_Need] = []
    for run in runs:
        if run.shares is not None:
            named = names.get(run.shares[0])
            # The file of one that was renamed is found by what it holds.
            files = [one.path for one in held[run.origin]] if named is None else [named]
            found.append(_Need(run, "branches off", run.origin, frozenset(files) - {run.path}))
        for before in run.continues:
            whom, _, number = before.rpartition(":")
            seq = int(number) if number.isdecimal() else 0
            if run.shares is None or whom != run.origin or seq > run.shares[1]:
                files = [one.path for one in held[whom] if one.last >= seq]
                found.append(_Need(run, "goes on from", whom, frozenset(files) - {run.path}))
    return [need for need in found if need.files]


def _left_without(files: set[Path], needs: Iterable[_Need]) -> list[_Need]:
    """Return which runs lose what they need with some files, and with those that go for this reason."""
    by_file: dict[Path, list[_Need]] = defaultdict(list)
    for need in needs:
        for path in need.files:
            by_file[path].append(need)
    gone, rest, lost = set(files), sorted(files), []
    while rest:
        for need in by_file[rest.pop()]:
            if need.files <= gone and need.run.path not in gone:
                gone.add(need.run.path)
                rest.append(need.run.path)
                lost.append(need)
    return lost


def _needed_by(files: set[Path], needs: Iterable[_Need]) -> set[Path]:
    """Return the files that some runs need, and those that these need."""
    by_run: dict[Path, set[Path]] = defaultdict(set)
    for need in needs:
        by_run[need.run.path] |= need.files
    found: set[Path] = set()
    rest = sorted(files)
    while rest:
        more = by_run[rest.pop()] - found
        found |= more
        rest += more
    return found


def _delete(home: Path, runs: Sequence[RunSummary]) -> Freed:
    used: set[str] = set()
    size = 0
    for run in runs:
        with suppress(OSError):  # one that cannot be read can be deleted
            used |= _references([run.path])
        try:
            size += run.path.stat().st_size
            run.path.unlink()
        except FileNotFoundError:
            continue  # another process was faster
        except OSError as error:
            raise UserError(f"The run {run.path} cannot be deleted: {error.strerror or error}.") from error
    if (home / INDEX).exists():
        with_index(home, lambda connection: forget_files(connection, [run.path.name for run in runs]))
    names = tuple(run.path.name for run in runs)
    rest = run_files(home)
    # Somebody who writes may have found a blob and not yet written that he refers to it.
    waiting = any(is_written(path) for path in rest)
    try:
        referred = set() if waiting else _references(rest)
    except OSError:  # nobody knows what that file refers to
        waiting = True
    if waiting:
        return Freed(names, 0, size, waiting=(home / BLOBS).is_dir())
    blobs, freed = _collect(home / BLOBS, referred, used)
    return Freed(names, blobs, size + freed)


def _references(files: Iterable[Path]) -> set[str]:
    """Return the hashes that files refer to; damaged ones, too.

    Raises:
        OSError: If one of them cannot be read.
    """
    found: set[str] = set()
    for path in files:
        with suppress(FileNotFoundError), path.open("rb") as file:
            for line in file:
                if b'"$blob"' in line:
                    found.update(name.decode() for name in _REFERENCE.findall(line))
    return found


def _collect(folder: Path, referred: set[str], sure: set[str]) -> tuple[int, int]:
    count = size = 0
    for path in folder.glob("*") if folder.is_dir() else ():
        if path.name in referred:
            continue
        with suppress(OSError):
            found = path.stat()
            # One that no run ever referred to may be about to be: blobs are written before their lines.
            if path.name not in sure and time.time() - found.st_mtime < FRESH:
                continue
            path.unlink()
            size += found.st_size
            count += not path.name.startswith(".")
    return count, size
