"""All facts of a log in a file: one asked for, or its own after that was deleted; and what is not in any."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from agentnb.core import new_id
from agentnb.exceptions import UserError
from agentnb.runlog.folder import keep_out_of_git
from agentnb.runlog.store import JsonLinesStore, way_out

if TYPE_CHECKING:
    from agentnb.runlog.log import RunLog


def save(log: RunLog, path: Path) -> None:
    """Write all facts of a log to another file that stands alone.

    Raises:
        UserError: If the file exists already or cannot be written; then nothing is left there.
    """
    if path.exists():
        raise UserError(f"{path} exists already; a log is never overwritten. Choose another name.")
    # Under another name first: a file that is there is whole.
    part = path.with_name(f".{new_id()[:8]}.part")
    try:
        store = _write_all(log, part, alone=True)
        if store.error is not None:
            raise store.error
        part.replace(path)
    except OSError as error:
        raise UserError(
            f"The log cannot be written to {path}: {error.strerror or error}. {way_out(error)}, or choose another "
            "place."
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_anew(log: RunLog, path: Path) -> JsonLinesStore:
    """Write all facts of a log where its own file was until somebody deleted it, as far as the disk takes them."""
    keep_out_of_git(path.parent)
    # What has taken its place meanwhile is somebody else's.
    there = path if not path.exists() else path.with_name(f"{path.stem}-{new_id()[:8]}{path.suffix}")
    return _write_all(log, there, alone=False)


def _write_all(log: RunLog, path: Path, *, alone: bool) -> JsonLinesStore:
    origin = {"run": log.origin.run, "at": log.origin.at} if log.origin else None
    gaps = bool(len(log)) and log.events[-1].seq != len(log)
    store = JsonLinesStore(path, log.id, origin=origin, inline=alone, gaps=gaps)
    for event in log:
        store.write(event)
        if alone and store.error is not None:
            break
    error = store.error
    store.close()
    store.error = store.error or (error if alone else None)
    return store


def not_on_disk(log: RunLog, store: JsonLinesStore) -> str:
    """Say what of a closed log is in memory only, and how to save it; empty if nothing is."""
    if not store.unsaved_facts or store.error is None:
        return ""
    return (
        f"{store.unsaved_facts} of the {len(log)} facts of the run are not on disk, but in this process only: "
        f"{store.path} cannot be written: {store.error.strerror or store.error}. {way_out(store.error)} and call "
        "`run.log.close()` again, or save them elsewhere with `run.log.save(path)`, before it ends."
    )
