"""The folder runs are kept in, and their files in it."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from agentnb.core import now
from agentnb.exceptions import UnknownName, UserError
from agentnb.runlog.reader import runs_of

_UNPLAIN = re.compile(r"[^\w-]")

RUNS_VARIABLE = "AGENTNB_RUNS"
"""Names the folder for runs; `off` keeps them in memory only."""


def runs_folder() -> Path | None:
    """Return the folder for runs, `.agentnb/runs` of the working folder unless AGENTNB_RUNS says otherwise."""
    named = os.environ.get(RUNS_VARIABLE, "")
    if named.lower() == "off":
        return None
    return _path(named) if named else Path(".agentnb", "runs").absolute()


@lru_cache(maxsize=16)
def _path(named: str) -> Path:
    return Path(named)


def new_file(folder: str | os.PathLike[str], name: str, run_id: str) -> Path:
    """Return the path for a new run of that name, which nobody else gets; the folder keeps itself out of git."""
    folder = Path(folder)
    keep_out_of_git(folder)
    plain = _UNPLAIN.sub("-", name)[:40]
    begins = f"{now():%Y%m%d-%H%M%S}-{plain}-"
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    # Of a thousand jobs that begin in one second on a shared disk, two may have ids that begin alike.
    for digits in (8, 13, 36):
        path = folder.absolute() / f"{begins}{run_id[:digits]}.jsonl"
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            continue
        except OSError:
            pass  # the store reports what the disk refuses
        break
    return path


def run_files(folder: Path) -> list[Path]:
    """Return the files of runs in a folder, oldest name first; none where there is no folder.

    Raises:
        UserError: If the folder cannot be read.
    """
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".jsonl"))
        return [path for path in map(folder.joinpath, names) if path.is_file()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise UserError(f"The folder {folder} cannot be read: {error.strerror or error}.") from error


def find_file(run_id: str, folder: Path) -> Path:
    """Return the file of a run.

    Args:
        run_id: The run's id, or its beginning.
        folder: Where to look; folders within are not searched.

    Raises:
        UnknownName: If none of its files is that run's.
        UserError: If several are.
    """
    if not run_id:
        raise UserError("An empty text names no run; give a run's id, or its beginning.")
    # Files say in their names whose they are, so most need not be opened; those that were renamed say it in line 1.
    found = _holding(run_id, sorted(folder.glob(f"*-{run_id[:8]}*.jsonl"))) or _holding(
        run_id, sorted(folder.glob("*.jsonl"))
    )
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(path.name for path in found)
        raise UserError(
            f"Several files in {folder} hold a run {run_id!r}: {names}. "
            "Open the one you mean with `RunLog.open(path)`, or give more of the id."
        )
    there = run_files(folder)
    if not there and not folder.is_dir():
        raise UnknownName(f"There is no run {run_id!r}: the folder {folder} does not exist.")
    last = f"{len(there)} run{'s' * (len(there) != 1)}, the last is {there[-1].name}" if there else "there are none"
    raise UnknownName(f"No file in {folder} holds a run {run_id!r} ({last}).")


def _holding(run_id: str, files: list[Path]) -> list[Path]:
    return [path for path, held in runs_of(files) if held.startswith(run_id)]


def keep_out_of_git(folder: Path) -> None:
    """Let the default folder for runs ignore itself, as other tools' caches do: transcripts may hold private data."""
    if folder.parent.name != ".agentnb":
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ignore = folder.parent / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
    except OSError:
        return  # the store reports what the disk refuses
