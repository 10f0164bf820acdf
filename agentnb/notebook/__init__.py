"""Teams in notebook cells: `%load_ext agentnb`, then `%%agentteam NAME` and the task below it.

`%%agentteam NAME --resume RUN` goes on from a run; `open_run` shows a saved one, with all that a run can do.
`last_run` is the newest run of this kernel, None before the first.
"""

from __future__ import annotations

from typing import Any

from agentnb.notebook.runs import NotebookRun, runs
from agentnb.notebook.saved import SavedRun, open_run

__all__ = [
    "NotebookRun",
    "SavedRun",
    "last_run",
    "load_ipython_extension",
    "open_run",
    "runs",
    "unload_ipython_extension",
]

last_run: NotebookRun | None


def load_ipython_extension(ip: Any) -> None:
    """Add `%%agentteam`, `%agentteam` and the display of messages and logs to an IPython shell."""
    from agentnb.notebook.magics import install
    from agentnb.ui.render import register

    install(ip)
    register(ip)


def unload_ipython_extension(ip: Any) -> None:
    """Take them away again; runs go on."""
    from agentnb.notebook.magics import remove
    from agentnb.ui.render import unregister

    remove(ip)
    unregister(ip)


def __getattr__(name: str) -> Any:
    if name == "last_run":
        known = runs()
        return known[-1] if known else None
    raise AttributeError(f"module 'agentnb.notebook' has no attribute {name!r}")
