"""The logs that somebody means: given as such, by what has one, by file, or by id."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

from agentnb.exceptions import UnknownName, UserError
from agentnb.runlog.log import RunLog

WAYS = "Give a RunLog, what has one as its `log` (a result, a run), the path of its file, or its id"


class HasLog(Protocol):
    """A run, or what it gave."""

    @property
    def log(self) -> RunLog | None: ...


Given = RunLog | HasLog | str | PathLike[str]
"""What names one log; a text that is no file is the id of a run, or its beginning."""
Folder = str | PathLike[str] | None
"""Where runs are; None for the folder of runs."""
Logs = Given | Iterable[Given]
"""What names one log or several."""


def log_of(given: Any, what: str = "This", *, folder: Folder = None) -> RunLog:
    """Return the log that is meant.

    ```python
    log_of(log) is log
    ```

    Args:
        given: A log; what has one as its `log`, such as a result; the path of its file; a run's id or its beginning.
        what: Who wants it, as the subject of an error's sentence.
        folder: Where runs are looked for; default: the folder of runs.

    Raises:
        UnknownName: If a text is neither a file nor the id of a run.
        UserError: If it is none of these, or several runs begin so.
        LogUnreadable: If a file is missing or cannot be read.
    """
    if isinstance(given, RunLog):
        return given
    if isinstance(given, str | PathLike):
        file = named_file(given, folder)
        if file is not None:
            return RunLog.open(file)
        return _by_id(given, folder) if isinstance(given, str) else RunLog.open(Path(given).expanduser())
    found = getattr(given, "log", None)
    if isinstance(found, RunLog):
        return found
    sort = type(given).__name__
    if found is None and hasattr(given, "log"):
        raise UserError(f"{what} needs the log of a run, and this {sort} has none. {WAYS}.")
    raise UserError(f"{what} needs the log of a run, not {sort}: {given!r:.80}. {WAYS}.")


def logs_of(given: Any, what: str = "This") -> tuple[RunLog, ...]:
    """Return the logs that are meant; arguments and errors are those of `log_of`, for one or several in a list."""
    # Tables are no lists of runs, though they can be iterated over: `runs().path` is.
    several = isinstance(given, Iterable) and not isinstance(given, RunLog | str | bytes | PathLike | Mapping)
    if not several or hasattr(given, "log") or hasattr(given, "columns"):
        return (log_of(given, what),)
    return tuple(log_of(one, what) for one in given)


def path_of(given: Any, what: str) -> Path:
    """Return the path of a file that is named.

    Args:
        given: A text or a path.
        what: What the file is, as in "The file for a table".

    Raises:
        UserError: If it is neither.
    """
    if not isinstance(given, str | PathLike):
        raise UserError(f"{what} is named by a text or a Path, not {type(given).__name__}: {given!r:.80}.")
    return Path(given).expanduser()


def named_file(given: str | PathLike[str], folder: Folder = None) -> Path | None:
    """Return the file that a text or a path names, as such or in a folder; None if there is none."""
    path = Path(given).expanduser()
    within = () if folder is None else (Path(folder).expanduser() / path,)
    return next((one.absolute() for one in (path, *within) if _is_file(one)), None)


def log_by_id(text: str, folder: Folder = None, *, here: Iterable[RunLog] = ()) -> RunLog:
    """Return the log of the run whose id a text is, or begins.

    Args:
        text: The id, or its beginning.
        folder: Where it is looked for; default: the folder of runs.
        here: Logs that are looked at before, oldest first, such as those of this kernel's runs.

    Raises:
        UnknownName: If there is no such run.
        UserError: If several begin so.
    """
    known = [log for log in here if log.id.startswith(text)]
    return known[-1] if known else RunLog.find(text, near=None if folder is None else Path(folder).expanduser())


def _by_id(text: str, folder: Folder) -> RunLog:
    path = Path(text).expanduser()
    try:
        return log_by_id(text, folder)
    except UserError as error:
        kind = UnknownName if isinstance(error, UnknownName) else UserError
        where = "" if path.is_absolute() else f" in {os.getcwd()}"
        raise kind(f"{text[:80]!r} is no file{where}, and it names no run: {error} {WAYS}.") from None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long for a name, or with a character no name has
        return False
