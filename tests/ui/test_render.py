"""What IPython shows for agentnb's values."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from agentnb.base import TaskResult
from agentnb.messages import TextMessage, ThoughtEvent
from agentnb.runlog import RunLog
from agentnb.transcripts import MIME
from agentnb.ui.render import register, unregister


def shown(shell: InteractiveShell, value: object) -> dict[str, Any]:
    """Return the mime bundle that the shell makes of a value."""
    formatter: Any = shell.display_formatter
    data: dict[str, Any] = formatter.format(value)[0]
    return data


def test_runs_results_messages_and_teams_are_shown_richly(shell: InteractiveShell, run_log: RunLog) -> None:
    register(shell)

    for value in (run_log, TaskResult(messages=[], log=run_log)):
        assert {MIME, "text/html", "text/markdown", "text/plain"} <= set(shown(shell, value))
    for message in (TextMessage(content="hi", source="a"), ThoughtEvent(content="hi", source="a")):
        assert "hi" in shown(shell, message)["text/html"]


def test_unregistering_leaves_nothing_behind(shell: InteractiveShell, run_log: RunLog) -> None:
    register(shell)
    shown(shell, run_log)
    unregister(shell)

    assert set(shown(shell, run_log)) == {"text/plain"}


def test_the_room_needs_no_pandas_ipython_or_markdown_to_be_imported() -> None:
    heavy = ("pandas", "IPython", "markdown_it", "nh3", "anywidget", "matplotlib", "PIL")
    program = (
        "import sys, agentnb.ui, agentnb.ui.render, agentnb.transcripts, agentnb.widgets\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert shown.strip() == "[]"
