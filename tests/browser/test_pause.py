"""A run that a person pauses, steps and lets go on, in JupyterLab."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import ARTIFACTS
from tests.browser.lab import Notebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

TEAM = """
%load_ext agentnb
from agentnb.agents import AssistantAgent
from agentnb.models import ScriptedChatCompletionClient
from agentnb.teams import RoundRobinGroupChat

def agent(name, *says):
    return AssistantAgent(name, ScriptedChatCompletionClient([*says], delay=0.05), model_client_stream=True)

ana = agent("ana", "An old silent " + "very " * 40 + "pond.", "A frog jumps in.")
ben = agent("ben", "Good, and what happens?", "Splash.")
team = RoundRobinGroupChat([ana, ben], name="writers", max_turns=4)
"""


class Card:
    """The transcript beneath the second cell, as somebody with a keyboard sees it."""

    def __init__(self, book: Notebook) -> None:
        self.book = book
        self.place = book.cell(1).locator(".jp-Cell-outputArea")

    def state(self) -> str:
        return str(self.place.locator("[role=status]").first.inner_text())

    def said(self) -> str:
        return str(self.place.locator("[role=log]").inner_text())

    def button(self, name: str) -> Any:
        return self.place.get_by_role("button", name=name)

    def focused(self) -> str:
        return str(self.book.page.evaluate("() => document.activeElement.textContent"))

    def until_state(self, state: str) -> None:
        self.book.until(lambda: self.state() == state)

    def picture(self, name: str) -> None:
        ARTIFACTS.mkdir(exist_ok=True)
        self.place.screenshot(path=ARTIFACTS / f"pause-{name}.png")


def test_a_person_pauses_a_run_takes_one_turn_and_lets_it_go_on(notebook: Callable[..., Notebook]) -> None:
    book = notebook("pause.ipynb", TEAM, "%%agentteam team -o run\nWrite a haiku.", "print(run.state, run.stop_reason)")
    card = Card(book)
    book.finish(0)
    book.run(1)
    card.button("Pause the run").wait_for()
    book.until(lambda: "very" in card.said())
    card.picture("running")

    card.button("Pause the run").focus()
    book.page.keyboard.press("Enter")
    card.until_state("Pausing after this turn…")
    card.picture("pausing")
    focused = card.focused()
    card.until_state("Paused")
    held = card.said()
    card.picture("paused")

    card.button("One turn").click()
    book.until(lambda: "what happens?" in card.said() and card.state() == "Paused")
    stepped = card.said()
    card.button("Resume the run").click()
    book.done(1)
    book.finish(2)

    assert focused == "Resume"
    assert "pond." in held
    assert "The run was paused." in held
    assert "ben" not in held
    assert "The run took one more turn." in stepped
    assert "A frog" not in stepped
    assert "The run went on." in card.place.inner_text()
    assert card.place.get_by_role("button").count() == 0
    assert book.outputs(2)[0]["text"] == "done the limit of 4 turns was reached\n"
