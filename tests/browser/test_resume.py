"""A run that is stopped, taken up, branched, and found again after the kernel was restarted, in JupyterLab."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.browser.conftest import ARTIFACTS
from tests.browser.lab import READY, Notebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

TEAM = """
%load_ext agentnb
import agentnb
from agentnb.agents import AssistantAgent
from agentnb.models import ScriptedChatCompletionClient
from agentnb.teams import CheckedTeam, RoundRobinGroupChat, rollback

def writers(delay=0.0):
    def agent(name, *says):
        client = ScriptedChatCompletionClient([*says], delay=delay, repeats=True)
        return AssistantAgent(name, client, model_client_stream=True)
    ana = agent("ana", "An old silent pond.", "A frog jumps in.")
    ben = agent("ben", "Good, and what " + "then " * 60 + "happens?", "Splash.")
    return RoundRobinGroupChat([ana, ben], name="writers", max_turns=4)

team = writers(0.05)
"""

CHECKED = """
passes = iter([True, True, False])
team = CheckedTeam(writers(0.05), lambda said: next(passes, True) or "It must be about a frog.",
                   on_fail=rollback(1, attempts=1))
"""


def live(book: Notebook, cell: int) -> str:
    card = book.cell(cell).locator("[role=log]")
    return str(card.first.inner_text()) if card.count() else ""


def shown(book: Notebook, cell: int) -> str:
    return str(book.cell(cell).locator(".jp-Cell-outputArea").inner_text())


def test_a_run_goes_on_over_cells_and_kernels(notebook: Callable[..., Notebook]) -> None:
    book = notebook(
        "resume.ipynb",
        TEAM,
        "%%agentteam team -o run\nWrite a haiku.",
        "%%agentteam team --resume run -o again",
        "%%agentteam team --resume again --branch 2 -o other\nMore cheerful, please.",
        "again.diff(other)",
        CHECKED,
        "%%agentteam team -o checked\nWrite a haiku.",
        "print(run.log.id[:8])",
        "%agentteam runs",
        "old = agentnb.open_run(agentnb.runs().run_id.iloc[-1])\nold",
        "%%agentteam team --resume old --branch 2",
    )
    book.page.set_viewport_size({"width": 1100, "height": 2600})
    book.finish(0)
    book.run(1)
    book.until(lambda: "Good, and what" in live(book, 1))
    book.page.get_by_role("button", name="Stop").click()
    book.done(1)
    assert "Stopped" in shown(book, 1)

    book.run(2)
    book.until(lambda: "takes up the turn that broke off" in live(book, 2))
    early = live(book, 2)
    book.page.screenshot(path=ARTIFACTS / "resume-live.png")
    book.done(2)
    assert "An old silent pond." in early
    assert "The run broke off here" in shown(book, 2)
    assert "Splash." in shown(book, 2)

    for cell in (3, 4, 5):
        book.finish(cell)
    book.run(6)
    book.until(lambda: "taken back" in live(book, 6))
    book.cell(6).screenshot(path=ARTIFACTS / "resume-back.png")
    book.done(6)
    assert "More cheerful, please." in shown(book, 3)
    assert "Splash." not in shown(book, 3).split("More cheerful, please.")[0]
    assert "It must be about a frog." in shown(book, 6)
    book.page.screenshot(path=ARTIFACTS / "resume-branch.png")

    book.finish(7)
    name = shown(book, 7).strip()
    book.page.evaluate("() => { void window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart(); }")
    book.page.wait_for_timeout(500)
    book.page.wait_for_function(READY, timeout=60_000)
    book.finish(0)
    book.finish(8)
    book.finish(9)
    book.finish(10)

    assert re.search(rf"{name}\s+writers\s+done", shown(book, 8))
    assert "Splash." in shown(book, 9)
    assert f"From here on a branch of the run {name} goes on." in shown(book, 10)
    book.cell(8).scroll_into_view_if_needed()
    book.page.screenshot(path=ARTIFACTS / "resume-next-day.png")
