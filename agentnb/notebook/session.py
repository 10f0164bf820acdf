"""Who asks: which kind of client sent the cell that runs now, and whether that cell should wait for its run.

Nothing here touches IPython but `here()`; the rest is a table, and tested as one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Kind = Literal["page", "voila", "console", "headless", "terminal", "plain"]
"""
- `page`: JupyterLab, Notebook 7, VS Code …: draws widgets and lives on after the cell
- `voila`: a page that appears only once every cell has returned
- `console`: `jupyter console` and unknown clients: text and questions, no widgets
- `headless`: nbclient, papermill, nbconvert: nobody is there, and the kernel ends with the last cell
- `terminal`: IPython in a terminal
- `plain`: no IPython
"""

Wish = Literal["auto", "wait", "background"]

CONCURRENT_COMMS = (7, 4)
"""From this ipykernel on a page's clicks reach a cell that awaits, whatever the page."""

_PAGE_VARIABLES = ("JPY_SESSION_NAME", "COLAB_RELEASE_TAG")


@dataclass(frozen=True, slots=True)
class Session:
    """The client of one cell."""

    kind: Kind
    allow_stdin: bool = False
    """Whether the client answers a kernel's questions for a line of text."""
    ipykernel: tuple[int, int] | None = None
    """Major and minor version; None without a kernel."""
    parent: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The execute request."""
    ident: Any = field(default=b"", repr=False)
    """Where replies to the client are sent; the messaging layer's own form."""

    @property
    def shows_widgets(self) -> bool:
        return self.kind in ("page", "voila")

    @property
    def prints(self) -> bool:
        """Whether the transcript is printed line by line."""
        return self.kind in ("console", "terminal", "plain")

    @property
    def someone_there(self) -> bool:
        """Whether a question can reach a person at all."""
        return self.shows_widgets or self.allow_stdin


class Waiting(NamedTuple):
    """Whether a cell waits for its run."""

    waits: bool
    may_detach: bool
    """Whether it may let the run go on alone when the page cannot be reached while the cell waits."""
    remark: str
    """What the person should know; empty if nothing."""


def kind_of(
    shell: str | None, parent: Mapping[str, Any], environ: Mapping[str, str], modules: Mapping[str, Any] = {}
) -> Kind:
    """Tell the kind of client.

    Args:
        shell: The class name of IPython's shell; None without IPython.
        parent: The execute request; empty outside of a kernel.
        environ: The kernel's environment.
        modules: The modules loaded in the kernel.
    """
    if shell is None:
        return "plain"
    if not parent:
        return "terminal"
    if environ.get("SERVER_SOFTWARE", "").startswith("voila") or "VOILA_KERNEL_ID" in environ:
        return "voila"
    if not parent.get("content", {}).get("allow_stdin", False):
        return "headless"
    if parent.get("metadata", {}).get("cellId") or any(name in environ for name in _PAGE_VARIABLES):
        return "page"
    return "page" if "google.colab" in modules else "console"


def here() -> Session:
    """Return the client of the cell that runs now."""
    ipython = sys.modules.get("IPython")
    ip = ipython.get_ipython() if ipython is not None else None
    kernel = getattr(ip, "kernel", None)
    if kernel is None:
        shell = None if ip is None else type(ip).__name__
        stdin = sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()
        return Session(kind_of(shell, {}, os.environ), allow_stdin=stdin)
    parent = kernel.get_parent()
    kind = kind_of(type(ip).__name__, parent, os.environ, sys.modules)
    return Session(
        kind="headless" if kind == "terminal" else kind,
        allow_stdin=bool(parent.get("content", {}).get("allow_stdin", False)),
        ipykernel=_version(sys.modules["ipykernel"].version_info),
        parent=parent,
        ident=kernel._parent_ident["shell"],
    )


def _version(parts: Any) -> tuple[int, int]:
    return int(parts[0]), int(parts[1])


def waiting(session: Session, *, asks_person: bool, wish: Wish = "auto") -> Waiting:
    """Decide whether the cell waits.

    Args:
        session: The client.
        asks_person: Whether the team may ask a person something.
        wish: What the person wants; `background` is refused where the run would be lost.
    """
    if not session.shows_widgets:
        lost = {
            "headless": "the kernel ends with the last cell, and the run would be lost",
            "console": "this client shows nothing once its cell has returned",
        }.get(session.kind, "nothing runs here while the prompt waits for you")
        return Waiting(
            True, False, f"--background is not possible here ({lost}); the cell waits." if wish == "background" else ""
        )
    if wish != "auto":
        return Waiting(wish == "wait", False, "")
    if session.kind == "voila":
        return Waiting(False, False, "")
    if asks_person and (session.ipykernel or CONCURRENT_COMMS) < CONCURRENT_COMMS:
        version = ".".join(map(str, session.ipykernel or ()))
        return Waiting(
            False,
            False,
            f"A person may be asked, and with ipykernel {version} a page can lose a cell that waits: "
            "the run goes on in the background.",
        )
    return Waiting(True, True, "")
