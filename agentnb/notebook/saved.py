"""Saved runs: found by what a person calls them, and shown with all that a run can do."""

from __future__ import annotations

from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Any

from agentnb.exceptions import LogUnreadable, UserError
from agentnb.notebook.logged import LoggedRun
from agentnb.notebook.runs import runs
from agentnb.runlog import RunLog, given, totals
from agentnb.runlog.story import stories

LEAST = 4
"""Characters of an id that name a run; fewer may name another one tomorrow."""


class SavedRun(LoggedRun):
    """A run that this kernel did not start, or no longer knows: what `open_run` returns.

    It shows and tells what its file holds at the moment of asking, also while another process writes it.
    """

    def __init__(self, log: RunLog) -> None:
        self._log = log

    @property
    def log(self) -> RunLog:
        # What was read stays good if the file is gone since.
        with suppress(LogUnreadable):
            self._log.refresh()
        return self._log

    @property
    def state(self) -> str:
        """`done`, `stopped`, `failed`, `broken off`, or `running` while somebody writes it."""
        log = self.log
        ended = totals(log).state
        if ended != "running":
            return ended
        from agentnb.transcripts.summary import is_written

        return "running" if log.path is not None and is_written(log.path) else "broken off"

    def __repr__(self) -> str:
        log = self.log
        so_far = totals(log)
        began = f", {log.events[0].at:%Y-%m-%d %H:%M} UTC" if len(log) else ""
        return f"<run {log.id[:8]} of {so_far.runner!r}: {self.state}, {so_far.messages} messages{began}>"


def open_run(run: Any, folder: str | PathLike[str] | None = None) -> SavedRun:
    """Return a saved run; a cell that ends with it shows its transcript.

    ```python
    import agentnb

    run = agentnb.open_run(".agentnb/runs/20260101-120000-writers-1a2b3c4d.jsonl")
    run.to_df("calls")
    ```

    `agentnb.runs()` lists them. `%%agentteam NAME --resume run` takes it up where it broke off.

    Args:
        run: Its id or the beginning of it, its file, or what has its log, such as a result.
        folder: Where it is looked for; default: the folder of runs.

    Raises:
        UnknownName: If there is no such run.
        UserError: If several begin so, or it names none.
        LogUnreadable: If its file cannot be read.
    """
    return SavedRun(log_of(run, folder))


def log_of(run: Any, folder: str | PathLike[str] | None = None) -> RunLog:
    """Return the log of a run; arguments and errors are those of `open_run`."""
    if isinstance(run, str | PathLike) and given.named_file(run, folder) is None:
        path = Path(folder or "", Path(run).expanduser())
        if isinstance(run, PathLike) or path.suffix == ".jsonl" or len(Path(run).parts) > 1:
            raise UserError(f"There is no file {path.absolute()}. `agentnb.runs().path` lists the saved runs' files.")
        if len(run) < LEAST:
            raise UserError(f"{run!r} is too short to name a run: give at least {LEAST} characters of its id.")
        return given.log_by_id(run, folder, here=(one.log for one in runs()))
    return given.log_of(run, folder=folder)


def broken_off(log: RunLog, runner: str) -> bool:
    """Return whether the last run of `runner` in a log did not come to its end by itself."""
    own = [story for story in stories(log.events).values() if story.started.parent is None and story.runner == runner]
    return bool(own) and not own[-1].done
