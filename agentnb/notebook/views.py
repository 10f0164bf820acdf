"""What a cell shows of its run: live while it goes on, and for good when it is over.

A page shows a widget, and at the end a static picture in its place, so that the saved notebook needs no kernel. That
last exchange cannot reach a page that was reloaded while the run went on: there, `run` in another cell shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Protocol

from agentnb.notebook.inputs import Probed
from agentnb.notebook.session import Session
from agentnb.runlog import RunLog

if TYPE_CHECKING:
    from agentnb.widgets.transcript import Pausable


class View(Protocol):
    """What a cell shows of its run."""

    widget: Probed | None
    """What a live page may answer; None where there is none."""

    def follow(self, branch: RunLog) -> None:
        """Go on with a branch of the log, in which the run goes on."""

    def finish(self) -> None:
        """Show what stays."""


class Page:
    """A widget; at the end a static picture takes its place."""

    def __init__(self, log: RunLog, on_stop: Callable[[], None], pauses: Pausable | None) -> None:
        from IPython.display import display

        from agentnb.widgets import TranscriptWidget

        self.log = log
        self._transcript = TranscriptWidget(log, on_stop=on_stop, pauses=pauses, context=copy_context())
        self.widget: Probed | None = self._transcript
        self._handle: Any = display(self._transcript, display_id=True)

    def follow(self, branch: RunLog) -> None:
        self.log = branch
        self._transcript.follow(branch)

    def finish(self) -> None:
        from agentnb.ui import bundle

        # Not closed: a page that was reloaded meanwhile keeps showing it.
        self._transcript.detach()
        self._handle.update(bundle(self.log), raw=True)


class Still:
    """The static picture, at the end: a widget would be saved without its state, and its code with every run."""

    widget: Probed | None = None

    def __init__(self, log: RunLog) -> None:
        self.log = log

    def follow(self, branch: RunLog) -> None:
        self.log = branch

    def finish(self) -> None:
        from IPython.display import display

        from agentnb.ui import bundle

        display(bundle(self.log), raw=True)


class Printed:
    """Lines of text as they are said."""

    widget: Probed | None = None

    def __init__(self, log: RunLog) -> None:
        from agentnb.ui import ConsoleFollower

        self._follower = ConsoleFollower()
        self._end = self._follower.follow(log)

    def follow(self, branch: RunLog) -> None:
        self._end()
        for event in branch.since(branch.origin.at if branch.origin else 0):
            self._follower.feed(event)
        self._end = branch.watch(self._follower.feed)

    def finish(self) -> None:
        self._end()


class Quiet:
    """Nothing: `run` shows it on demand."""

    widget: Probed | None = None

    def follow(self, branch: RunLog) -> None:
        return

    def finish(self) -> None:
        return


def view(
    log: RunLog,
    session: Session,
    *,
    on_stop: Callable[[], None],
    pauses: Pausable | None = None,
    quiet: bool = False,
) -> View:
    """Open the view that fits the client of the cell; `pauses` is the run where a person may hold it."""
    if quiet:
        return Quiet()
    if session.shows_widgets:
        return Page(log, on_stop, pauses)
    return Printed(log) if session.prints else Still(log)
