"""The notebook about people from end to end, as machines execute it: nobody is there, and a program answers."""

from __future__ import annotations

import re

import nbformat
import papermill
import pytest

from tests.flows.notebooks import NOTEBOOKS, Cells, execute, loud, saved_outputs, table, text

NAME = "23-human-in-the-loop.ipynb"

pytestmark = pytest.mark.timeout(90)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Cells:
    """The outputs of the executed notebook, by cell; one kernel for all tests."""
    return execute(NAME, tmp_path_factory.mktemp("human") / "notebooks")


def test_it_is_saved_without_outputs_and_expects_nobody() -> None:
    assert not saved_outputs(NAME)
    assert papermill.inspect_notebook(str(NOTEBOOKS / NAME))["PERSON"]["default"] == "False"


def test_every_cell_that_waits_for_a_person_is_announced() -> None:
    saved = nbformat.read(NOTEBOOKS / NAME, as_version=4)
    waiting = [cell for cell in saved.cells if "person" in cell.metadata.get("tags", [])]
    announced = sum("**Your turn.**" in cell.source for cell in saved.cells if cell.cell_type == "markdown")

    assert len(waiting) == announced == 6
    for cell in waiting:
        assert cell.source.startswith("%%agentteam") or "input" in cell.source


def test_nothing_is_said_on_standard_error(cells: Cells) -> None:
    assert not loud(cells)


def test_a_program_answers_and_the_log_says_so(cells: Cells) -> None:
    assert "A Gentoo weighs 5092 g on average; the heaviest here 6300 g." in text(cells["question"])
    assert "you" in text(cells["guide"])
    assert [row["by"] for row in table(cells["answered"])] == ["input_func"]


def test_who_asks_where_nobody_is_fails_at_once_and_says_what_would_help(cells: Cells) -> None:
    told = text(cells["nobody"])

    assert "'you' wants to ask a person, but nobody is there to answer" in told
    assert "input_func=" in told


def test_an_approval_function_lets_run_refuses_and_changes(cells: Cells) -> None:
    ran, refused, changed = text(cells["careful"]).split(">>> ")[1:]

    assert "333 birds" in ran
    assert "The code was not approved and did not run: Nothing is written to disk." in refused
    assert "The code was changed before it ran (So that it can be repeated.)" in changed
    assert "random_state=1" in changed


def test_only_the_changed_code_ran(cells: Cells) -> None:
    (ran,) = table(cells["what-ran"])

    assert "The medians: Adelie 3,700 g, Chinstrap 3,700 g, Gentoo 5,050 g." in text(cells["approval"])
    assert (ran["outcome"], ran["code"]) == ("done", 'print(penguins.groupby("species")["body_mass_g"].median())')


def test_a_swarm_ends_where_it_hands_over_to_a_person(cells: Cells) -> None:
    drawn = text(cells["swarm"])

    assert "(registrar handed over to person)" in drawn
    assert "registrar · hands over to person" in drawn


def test_a_swarm_goes_on_with_a_plain_text_and_with_a_handoff(cells: Cells) -> None:
    assert "I noted it in the register: “Yes, I weighed it twice.”" in text(cells["reply"])
    assert [(row["type"], row["source"]) for row in table(cells["handoff"])] == [
        ("HandoffMessage", "person"),
        ("TextMessage", "statistician"),
    ]
    assert "2.5 standard deviations above the Gentoo mean" in text(cells["handoff"])


def test_a_run_is_held_stepped_and_let_go(cells: Cells) -> None:
    assert text(cells["start"]) == "<a run of 'RoundRobinGroupChat': paused, 0 messages>"
    assert "paused ['user', 'ana', 'ben']" in text(cells["step"])
    assert "done: the limit of 4 turns was reached, 5 messages" in text(cells["resume"])
    assert "['paused', 'step', 'step', 'resumed']" in text(cells["resume"])


def test_a_run_is_stopped_in_mid_word_and_the_team_works_again(cells: Cells) -> None:
    assert "stopped ['Talk.', 'Short.']" in text(cells["stop"])
    assert "['Still there?', 'Yes.', 'Here I am.']" in text(cells["stop"])


def test_a_condition_set_from_outside_ends_the_run_when_the_turn_ends(cells: Cells) -> None:
    drawn = text(cells["stopped"])

    assert "(it was ended from outside)" in drawn
    assert drawn.endswith("I counted the Adelie once more: 146.")
    assert "done: it was ended from outside\n6 messages" in text(cells["chatter-end"])


def test_a_charter_puts_off_the_end_and_refuses_a_tool(cells: Cells) -> None:
    drawn = text(cells["keeper"])
    judged = [(row["act"], row["allowed"]) for row in table(cells["verdicts"])]

    assert "Refused: to end now (reporter said 'DONE'). Nothing has been published yet." in drawn
    assert "ActRefused: mission_keeper refuses the call publish(text='Gentoo are heavy.')" in drawn
    assert drawn.endswith("Now we are DONE.")
    assert judged == [("done", "False"), ("tool", "False"), ("tool", "True"), ("done", "True")]


def test_what_a_person_would_have_to_allow_is_refused_where_nobody_is(cells: Cells) -> None:
    assert text(cells["ask-first"]).rstrip().endswith("Not this time.")
    (judged,) = table(cells["asked-first"])
    assert judged["allowed"] == "False"
    assert "HumanUnavailable" in judged["reason"]


def test_a_console_prints_what_led_to_a_question_before_it_is_answered(cells: Cells) -> None:
    told = text(cells["console"])
    headers = re.findall(r"-{10} (\w+) ?(?:\((\w+)\))? ?-{10}", told)

    assert [who for _, who in headers] == ["user", "guide", "you", "guide", ""]
    assert "A Chinstrap weighs 3733 g on average" in told
    assert "Number of messages: 5" in told


def test_an_agent_alone_on_a_console_is_answered_too(cells: Cells) -> None:
    assert "All is well." in text(cells["console-alone"])
    assert [(row["kind"], row["text"].strip()) for row in table(cells["end"])] == [
        ("input.requested", "Enter your answer:"),
        ("input.answered", "All is well."),
    ]
