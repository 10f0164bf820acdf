"""What can be done with a run because it has a log, whether it goes on, is over, or was yesterday's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentnb.base import TaskResult
from agentnb.core import EventId
from agentnb.runlog import RunLog, result_of, totals

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from agentnb.transcripts import Provenance, RunDiff


class LoggedRun(ABC):
    """A run by its log: as a table, a figure, a file, beside another one, and as the beginning of a new one.

    A cell that ends with it shows its transcript.
    """

    @property
    @abstractmethod
    def log(self) -> RunLog:
        """Every fact so far."""

    @property
    @abstractmethod
    def state(self) -> str:
        """Whether it goes on, and how it ended."""

    @property
    def stop_reason(self) -> str | None:
        """Why it ended; None while it goes on."""
        return totals(self.log).stop_reason

    @property
    def messages(self) -> Sequence[Any]:
        """Chat messages and events said so far; of a run that was taken up, also those from before it broke off."""
        return result_of(self.log, EventId(totals(self.log).run) or None)

    @property
    def result(self) -> TaskResult:
        """What the run gave so far; after a stop or a failure what was said until then."""
        return TaskResult.model_construct(messages=self.messages, stop_reason=self.stop_reason, log=self.log)

    # -- as something else ----------------------------------------------------------------------------------------

    def to_df(self, kind: str = "messages", *, style: Any = "agentnb") -> pd.DataFrame:
        """Return the run as a data frame: one row per message, or per `kind` of `agentnb.transcripts.to_df`.

        Args:
            kind: "messages", "turns", "events", "calls", "tools", "code", "choices", "inputs" or "deliveries".
            style: "agentnb", or the columns of "inspect" or "openinference".
        """
        from agentnb.transcripts import to_df

        return to_df(self.log, kind, style=style)

    def plot(self, kind: str = "timeline", **options: Any) -> Axes:
        """Draw the run, also while it goes on: a figure of `agentnb.plot` by its name, with that function's options.

        Raises:
            UnknownName: If there is no such figure; the message lists those that are.
        """
        from agentnb.transcripts.plots import draw

        return draw(self.log, kind, **options)

    def provenance(self) -> Provenance:
        """Return where the run comes from: versions, code, models, prompts, tools, options; a cell shows it."""
        from agentnb.ui import provenance

        return provenance(self.log)

    def export(self, path: str | Path, **how: Any) -> Path:
        """Write the run so far as a file for others: `.html`, `.md`, `.ipynb` or `.py`.

        Args:
            path: The file; its suffix says of which kind.
            how: `secrets`, `names` and more, as of `agentnb.ui.export`.

        Raises:
            UserError: If it would show secrets, or the file cannot be written.
        """
        from agentnb.ui import export

        return export(self.log, path, **how)

    def to_html(self, path: str | Path, **how: Any) -> Path:
        """Write the run as one page that needs nothing else; see `export`."""
        return self.export(_suffixed(path, ".html", ".htm"), **how)

    def to_markdown(self, path: str | Path, **how: Any) -> Path:
        """Write the run as Markdown, its figures beside it; see `export`."""
        return self.export(_suffixed(path, ".md", ".markdown"), **how)

    def to_notebook(self, path: str | Path, **how: Any) -> Path:
        """Write the code that ran without an error as a notebook, with the talk between; see `export`."""
        return self.export(_suffixed(path, ".ipynb"), **how)

    def to_script(self, path: str | Path, **how: Any) -> Path:
        """Write the code that ran without an error as a script, the talk as comments; see `export`."""
        return self.export(_suffixed(path, ".py"), **how)

    def save(self, path: str | Path) -> Path:
        """Write all facts to one file that stands alone, and return its path; `agentnb.open_run(path)` shows it again.

        Raises:
            UserError: If the file exists already or cannot be written.
        """
        return self.log.save(path)

    # -- and another ----------------------------------------------------------------------------------------------

    def branch(
        self, at: int | None = None, *, message: int | None = None, why: str = "", folder: Path | None = None
    ) -> RunLog:
        """Return a new log that shares the run's beginning, for a team to go on from: nothing of it is done again.

        ```python
        run = NotebookRun(team, "Write a haiku about autumn.")
        await run
        kinder = run.branch(message=2, why="what if the critic had been kinder?")
        result = await team.resume(kinder)
        run.diff(result)
        ```

        Args:
            at: How many facts to share.
            message: How many of `messages` to keep; those of a turn stay together. Give either this or `at`.
            why: A remark for who reads it later.
            folder: Where its file goes; default: the folder of runs.

        Raises:
            UserError: If the run cannot be cut there; the message says where it can.
        """
        return self.log.branch(at, message=message, why=why, folder=folder)

    def diff(self, other: Any) -> RunDiff:
        """Compare with another run, step by step, this one to the left; a cell shows them side by side.

        Args:
            other: A run, a result, a log, or the path of one.
        """
        from agentnb.ui import diff

        return diff(self.log, other)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Mapping[str, Any]:
        from agentnb.ui import bundle

        data: Mapping[str, Any] = bundle(self.log)
        return data


def _suffixed(path: str | Path, suffix: str, *others: str) -> Path:
    path = Path(path)
    return path if path.suffix.lower() in (suffix, *others) else path.with_name(path.name + suffix)
