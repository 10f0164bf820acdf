"""One run as one file, to be mailed, kept beside a paper, and taken into another folder of runs.

The file is a zip: `agentnb.json` says what is in it, `runs/` holds each run as a file that can stand alone, with its
large texts and, for a branch, the facts before it. Unpacked, they open with `RunLog.open` as they are.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import Any

from agentnb.core import new_id
from agentnb.exceptions import AgentnbError, LogUnreadable, UnknownName, UserError
from agentnb.runlog import LineReader, RunLog, runs_folder
from agentnb.runlog.folder import find_file
from agentnb.runlog.given import Given, log_of
from agentnb.transcripts.library import Folder, library_folder
from agentnb.transcripts.summary import is_written

SUFFIX = ".agentnb.zip"
CONTENTS = "agentnb.json"
FORMAT = 1
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip can say: the same run gives the same bytes."""


def export_run(
    run: Given,
    path: str | PathLike[str],
    *,
    folder: Folder = None,
    with_origins: bool = False,
) -> Path:
    """Write a run to one file that needs no other to be read.

    Args:
        run: A log, or what has one, such as a result; a run's id, the beginning of it, or its path. One that goes on is
            written up to its last fact.
        path: The file, or a folder that it is put into. Its name gets the ending `.agentnb.zip` if it has no `.zip`.
        folder: Where runs are looked for by their id; default: the default folder of runs.
        with_origins: Whether the runs it comes from are written too, each whole: those it branches off, and those
            whose conversation it goes on with, without which no team is restored from it. The facts that a branch
            shares with its origin are always written.

    Returns:
        The file written.

    Raises:
        UserError: If the file exists, cannot be written, or a run that it comes from is missing.
        UnknownName: If there is no such run.
        LogUnreadable: If the run's file is damaged.
    """
    log = log_of(run, "export_run", folder=folder)
    name = log.path.stem if log.path is not None else f"run-{log.id[:8]}"
    target = Path(path)
    if target.is_dir():
        target = target / name
    if target.suffix != ".zip":
        target = target.with_name(target.name + SUFFIX)
    if target.exists():
        raise UserError(f"{target} exists already. Choose another name, or delete it first.")
    logs = [log, *_origins(log, folder)] if with_origins else [log]
    part = target.with_name(f".{target.name}-{new_id()[:8]}.part")
    try:
        with tempfile.TemporaryDirectory() as work, zipfile.ZipFile(part, "x", zipfile.ZIP_DEFLATED) as out:
            listed = [_add(out, held, Path(work)) for held in logs]
            contents = {"agentnb": FORMAT, "run": log.id, "runs": listed}
            _write(out, CONTENTS, json.dumps(contents, indent=2, ensure_ascii=False).encode())
        part.replace(target)
    except OSError as error:
        raise UserError(f"The run cannot be written to {target}: {error.strerror or error}.") from error
    finally:
        part.unlink(missing_ok=True)
    return target


def _origins(log: RunLog, folder: Folder) -> Iterator[RunLog]:
    seen = {log.id}
    rest = [log]
    while rest:
        here = rest.pop(0)
        home = here.path.parent if here.path is not None and folder is None else library_folder(folder)
        for run, how, without in _sources(here):
            if run in seen:
                continue
            seen.add(run)
            try:
                rest.append(RunLog.open(find_file(run, home)))
            except UnknownName as error:
                raise UserError(
                    f"The run {here.id} {how} {run}, which is not in {home}. Export it without with_origins: {without}."
                ) from error
            yield rest[-1]


def _sources(log: RunLog) -> Iterator[tuple[str, str, str]]:
    """Yield the runs that a log comes from, how, and what it is without them."""
    if log.origin is not None:
        yield log.origin.run, "branches off", "the facts they share are written all the same"
    begun = [event for event in log if event.kind == "run.started" and event.parent is None]
    for event in begun:
        body: Any = event.body
        if body.continues and all(body.continues != one.id for one in begun):
            earlier = body.continues.rpartition(":")[0] or body.continues
            yield earlier, "goes on from", "it can be read, but no team be restored from it"


def _add(out: zipfile.ZipFile, log: RunLog, work: Path) -> dict[str, Any]:
    name = f"{log.path.stem if log.path is not None else f'run-{log.id[:8]}'}.jsonl"
    saved = log.save(work / name)
    raw = saved.read_bytes()
    _write(out, f"runs/{name}", raw)
    return {
        "run": log.id,
        "file": f"runs/{name}",
        "sha256": hashlib.sha256(raw).hexdigest(),
        "facts": len(log),
        "size_bytes": len(raw),
    }


def _write(out: zipfile.ZipFile, name: str, raw: bytes) -> None:
    about = zipfile.ZipInfo(name, _EPOCH)
    about.compress_type = zipfile.ZIP_DEFLATED
    about.external_attr = 0o600 << 16
    out.writestr(about, raw)


def import_run(path: str | PathLike[str], folder: Folder = None) -> RunLog:
    """Take a run that was exported, saved with `RunLog.save`, or lies in another folder of runs, into one.

    A run's file is written anew so that it needs no other: with the texts that lie in `blobs` beside it and, for a
    branch, the facts before it. One that is there already, with the same facts or more, is left as it is.

    Args:
        path: The file.
        folder: Where it is put; default: the default folder of runs. Made if there is none.

    Returns:
        The run's log, opened from where it is now.

    Raises:
        UserError: If the file is none that was exported, was changed since, or a different run of the same id is there
            already. Then nothing is taken.

    Warns:
        RuntimeWarning: If large texts of the run are missing. The file is taken as it is, so that they are found when
            the folder `blobs` is put beside it later.
    """
    source = Path(path)
    home = Path(folder).expanduser().absolute() if folder is not None else runs_folder()
    if home is None:
        raise UserError("Runs are not kept in files here (AGENTNB_RUNS=off). Name the folder that is to take it.")
    with tempfile.TemporaryDirectory() as work:
        unpacked = _unpacked(source, Path(work))
        places = [(held, _place(held, home)) for held in unpacked]
        try:
            home.mkdir(parents=True, exist_ok=True)
            for held, there in places:
                if not there.exists():
                    _put(held, there)
        except OSError as error:
            raise UserError(f"The run cannot be put into {home}: {error.strerror or error}.") from error
    return RunLog.open(places[0][1])


def _unpacked(source: Path, work: Path) -> list[Path]:
    """Return the files of the runs in an export, checked, that of the run itself first."""
    if source.is_dir():
        raise UserError(f"{source} is a folder; give the file of one run, such as those that `agentnb.runs` lists.")
    if not source.is_file():
        raise UserError(f"There is no file {source}.")
    if not zipfile.is_zipfile(source):
        if source.suffix == ".zip":
            raise UserError(f"{source} is damaged: it is no zip file, or only a part of one. Ask for it again.")
        return [_alone(source, work / source.name)]
    try:
        with zipfile.ZipFile(source) as held:
            contents = json.loads(held.read(CONTENTS))
            if contents["agentnb"] > FORMAT:
                raise UserError(f"{source} has format {contents['agentnb']}; update agentnb-toolkit to import it.")
            entries = sorted(contents["runs"], key=lambda entry: bool(entry["run"] != contents["run"]))
            if not entries:
                raise ValueError("it lists no run")
            return [_checked(held, entry, source, work) for entry in entries]
    except (KeyError, TypeError, ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        if isinstance(error, AgentnbError):
            raise
        raise UserError(f"{source} is no run that was exported, or is damaged: {error}.") from error


def _alone(source: Path, copy: Path) -> Path:
    """Copy a run's file so that it needs none beside it."""
    log, reader = _opened(source), LineReader(source)
    with warnings.catch_warnings(action="ignore"):
        reader.read()
    if reader.missing:
        copy.write_bytes(source.read_bytes())
        return copy
    return log.save(copy)


def _opened(held: Path) -> RunLog:
    try:
        # Of texts that are missing the log warns that is opened in the end.
        with warnings.catch_warnings(action="ignore"):
            log = RunLog.open(held)
    except LogUnreadable as error:
        raise UserError(f"{held.name} holds no run that can be read: {error}") from error
    if not len(log):
        raise UserError(f"{held.name} holds no run.")
    return log


def _checked(held: zipfile.ZipFile, entry: dict[str, Any], source: Path, work: Path) -> Path:
    raw = held.read(entry["file"])
    if hashlib.sha256(raw).hexdigest() != entry["sha256"]:
        raise UserError(f"{entry['file']} in {source} is not what was exported: its hash is another. Ask for it again.")
    # Its name, never a path: a file from elsewhere has no say in where things are put.
    copy = work / PurePosixPath(entry["file"].replace("\\", "/")).name
    copy.write_bytes(raw)
    return copy


def _place(held: Path, home: Path) -> Path:
    """Return where a run goes, or where it is already."""
    given = _opened(held)
    try:
        there = find_file(given.id, home)
    except UnknownName:
        name = held.name if held.suffix == ".jsonl" else f"{held.name}.jsonl"
        return home / name if not (home / name).exists() else home / f"{held.stem}-{given.id[:8]}.jsonl"
    kept = RunLog.open(there)
    for mine, theirs in zip(kept, given, strict=False):
        if mine != theirs:
            raise UserError(
                f"{there} holds a different run of the same id {given.id}: they part at fact {mine.seq}. "
                "Import it into another folder with folder=..., or delete the one that is there."
            )
    if len(given) > len(kept):
        state = "is being written" if is_written(there) else f"has only its first {len(kept)} facts"
        raise UserError(
            f"{there} holds the same run, but {state}; the file to import has {len(given)}. Delete the shorter one "
            "with `delete_runs`, or import it into another folder with folder=..."
        )
    return there


def _put(held: Path, there: Path) -> None:
    # Under another name first: who finds the file finds all of it.
    part = there.with_name(f".{there.name}-{new_id()[:8]}.part")
    try:
        part.touch(0o600)
        part.write_bytes(held.read_bytes())
        part.replace(there)
    finally:
        part.unlink(missing_ok=True)
