"""The notebook about people, with a person: who answers, changes code, allows a tool, and stops a run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.browser.conftest import ARTIFACTS
from tests.browser.lab import LabServer, Notebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

NOTEBOOKS = Path(__file__).parent.parent.parent / "notebooks"
NAME = "23-human-in-the-loop.ipynb"


class Person:
    """Somebody at the page, who knows the notebook's cells by their names."""

    def __init__(self, page: Any, lab: LabServer) -> None:
        written = nbformat.read(NOTEBOOKS / NAME, as_version=4)
        (switch,) = (cell for cell in written.cells if cell.id == "person")
        switch.source = switch.source.replace("PERSON = False", "PERSON = True")
        nbformat.write(written, lab.notebooks / NAME)
        if not (lab.notebooks / "data").exists():
            lab.add(NOTEBOOKS / "data")
        self._places = {cell.id: place for place, cell in enumerate(written.cells)}
        self.book = Notebook(page, lab, NAME).open()
        for name in ("person", "setup"):
            self.finish(name)

    def finish(self, name: str) -> None:
        self.book.finish(self._places[name])

    def begin(self, name: str) -> None:
        self.book.run(self._places[name])

    def done(self, name: str) -> str:
        """Wait for a cell's end and return all that stands beneath it."""
        self.book.done(self._places[name])
        texts = []
        for output in self.book.outputs(self._places[name]):
            data = output.get("data", {})
            texts += [output.get("text", ""), data.get("text/plain", ""), data.get("text/html", "")]
        return "".join("".join(text) for text in texts)

    def shown(self, name: str) -> str:
        return str(self.book.cell(self._places[name]).inner_text())

    def press(self, name: str, button: str) -> None:
        self.book.cell(self._places[name]).get_by_role("button", name=button, exact=True).click()

    def write(self, name: str, text: str) -> None:
        """Write into the box of an open question, and send it."""
        self.book.until(lambda: "Send" in self.shown(name))
        self.book.cell(self._places[name]).get_by_role("textbox").last.fill(text)
        self.press(name, "Send")

    def enter(self, name: str, line: str) -> str:
        """Enter a line where the kernel asks for one, and return what stood above it."""
        box = self.book.cell(self._places[name]).locator(".jp-Stdin-input")
        box.wait_for()
        above = self.shown(name)
        box.fill(line)
        box.press("Enter")
        return above

    def look(self, name: str) -> str:
        """Run a cell that asks nothing, and return what it shows."""
        self.begin(name)
        return self.done(name)

    def picture(self, name: str) -> None:
        ARTIFACTS.mkdir(exist_ok=True)
        self.book.cell(self._places[name]).screenshot(path=ARTIFACTS / f"human-{name}.png")


@pytest.fixture
def person(page: Any, lab: LabServer) -> Iterator[Person]:
    yield Person(page, lab)
    lab.stop_kernels()


def test_a_person_answers_the_question_of_a_team(person: Person) -> None:
    person.finish("guide")

    person.begin("question")
    person.book.until(lambda: "Send" in person.shown("question"))
    person.picture("question")
    person.write("question", "the Chinstrap")
    said = person.done("question")

    assert "A Chinstrap weighs 3733 g on average" in said
    assert "widget" in person.look("answered")


def test_a_person_changes_code_before_it_runs_and_refuses_it_with_a_reason(person: Person) -> None:
    person.finish("careful")
    person.finish("coder")

    person.begin("approval")
    shown = person.book.cell(person._places["approval"]).locator(".anb-asked-code").inner_text()
    person.press("approval", "edit")
    person.picture("approval")
    field = person.book.cell(person._places["approval"]).get_by_role("textbox").last
    field.press("End")
    field.press("Enter")
    person.write("approval", 'print(penguins.groupby("sex")["body_mass_g"].median())')
    changed = person.done("approval")
    ran = person.look("what-ran")
    person.finish("coder")
    person.begin("approval")
    person.press("approval", "no")
    person.write("approval", "I know them already.")
    refused = person.done("approval")

    assert shown == 'print(penguins.groupby("island")["body_mass_g"].median())'
    assert "The medians: female 3,650 g, male 4,300 g." in changed
    assert "sex" in ran
    assert "island" not in ran
    assert "did not run: I know them already." in refused
    assert "Empty DataFrame" in person.look("what-ran")


def test_a_person_stops_a_run_and_what_was_said_is_kept(person: Person) -> None:
    person.finish("chatter")

    person.begin("stopped")
    person.book.until(lambda: person.shown("stopped").count("Count the Gentoo, too.") >= 2)
    person.picture("stopped")
    person.press("stopped", "Stop the run")
    said = person.done("stopped")

    assert "Stopped" in said
    last = r"\d messages, the last of them: (I counted the Adelie once more: 146|Count the Gentoo, too)\."
    assert re.search(rf"stopped: .*\n{last}", person.look("chatter-end"))


def test_a_person_allows_what_a_charter_asks_about(person: Person) -> None:
    for name in ("keeper", "verdicts", "keeper-asks"):
        person.finish(name)

    person.begin("ask-first")
    person.press("ask-first", "yes")
    said = person.done("ask-first")

    assert "Done." in said
    assert "HumanUnavailable" not in person.look("asked-first")


def test_a_person_answers_a_swarm_and_a_console_with_a_line_of_input(person: Person) -> None:
    for name in ("swarm", "guide"):
        person.finish(name)

    person.begin("reply")
    person.enter("reply", "Leave it out.")
    entered = person.done("reply")
    person.begin("console")
    before = person.enter("console", "the Adelie")
    person.done("console")

    assert "I noted it in the register: “Leave it out.”" in entered
    assert "Which species do you mean?" in before
    assert "Adelie weighs 3706 g on average" in person.shown("console")
