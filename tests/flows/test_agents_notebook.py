"""The notebook about agents from end to end, as machines execute it."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import pytest

from tests.flows.notebooks import NOTEBOOKS, Cells, execute, html, loud, saved_outputs, table, text

NAME = "20-agents.ipynb"

pytestmark = pytest.mark.timeout(90)

CALLED = ["ToolCallRequestEvent", "ToolCallExecutionEvent"]


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Cells:
    """The outputs of the executed notebook, by cell; one kernel for all tests."""
    return execute(NAME, tmp_path_factory.mktemp("agents") / "notebooks")


@pytest.fixture(scope="module")
def mass() -> Any:
    """The masses of each species, in grams."""
    return pd.read_csv(NOTEBOOKS / "data" / "penguins.csv").dropna().groupby("species")["body_mass_g"]


def lines(outputs: Any) -> list[str]:
    """Return the first word of each line that a cell prints."""
    return [line.split()[0] for line in text(outputs).splitlines() if line.strip()]


def test_it_is_saved_without_outputs() -> None:
    assert not saved_outputs(NAME)


def test_nothing_is_said_on_standard_error(cells: Cells) -> None:
    assert not loud(cells)


def test_a_reply_draws_itself_and_has_its_usage(cells: Cells) -> None:
    assert "Three: Adelie, Chinstrap and Gentoo." in html(cells["reply"])
    assert "of user: Which species live near Palmer Station?" in text(cells["reply-parts"])
    assert "RequestUsage(prompt_tokens=9, completion_tokens=5)" in text(cells["reply-parts"])


def test_a_stream_comes_in_pieces_of_the_message_to_come(cells: Cells) -> None:
    assert "Gentoo |penguins |are |the |heaviest |of |the |three.|" in text(cells["stream"])
    assert "8 pieces of the message to come: True" in text(cells["stream"])


def test_tools_are_called_on_the_data_and_their_results_are_the_answer(cells: Cells, mass: Any) -> None:
    assert lines(cells["tools"]) == ["TextMessage", *CALLED, "ToolCallSummaryMessage"]
    for species, birds in mass:
        assert f"{species}: {birds.mean():.1f} g, {len(birds)} birds" in text(cells["tools"])


def test_three_calls_take_the_time_of_one(cells: Cells) -> None:
    told = text(cells["parallel"])
    seconds = re.search(r"three calls of 0\.3 s in ([\d.]+) s", told)

    assert seconds
    assert float(seconds[1]) < 0.8
    assert 'count_slowly({"island": "Torgersen"}) gave Torgersen 47' in told


def test_what_tools_did_wrong_is_told_to_the_model_which_then_does_better(cells: Cells) -> None:
    told = text(cells["errors"])

    assert "mean_mass: LookupError: no Emperor here, only Adelie, Chinstrap, Gentoo" in told
    assert "weigh: No tool is named 'weigh' (known: 'mean_mass', 'heavier_than')." in told
    assert "unable to parse string as a number" in told
    assert "The arguments of heavier_than are not JSON" in told
    assert "ada: There are no Emperors here. The heaviest are the Gentoo. Gentoo: 5092.4 g, 119 birds." in told


def test_results_are_put_into_words_without_tools(cells: Cells) -> None:
    printed = text(cells["reflect"])

    assert printed.startswith("[['mean_mass'], []]")
    assert lines(cells["reflect"])[-4:] == ["TextMessage", *CALLED, "TextMessage"]
    assert "The Gentoo is the heaviest of the 3." in printed


def test_a_form_goes_together_with_tools(cells: Cells) -> None:
    told = text(cells["structured"])

    assert "[['mean_mass'], ['mean_mass'], []]" in told
    assert "StructuredMessage[Finding] Finding(species='Gentoo', mean_g=5092.4)" in told
    assert "Gentoo, at 5092.4 g on average" in told


def test_a_memory_is_in_every_request_once_and_never_in_the_context(cells: Cells) -> None:
    told = text(cells["memory"])

    assert "reminders in each request: [1, 1, 1]" in told
    assert "reminders kept in the context: 0" in told
    assert lines(cells["memory"])[-3:] == ["TextMessage", "MemoryQueryEvent", "TextMessage"]


def test_contexts_show_a_part_of_the_conversation(cells: Cells) -> None:
    told = text(cells["contexts"])

    assert "'the last three': ['Bird 4 was seen.', 'Noted.', 'Bird 5 was seen.']" in told
    assert "'Skipped 6 messages.'" in told
    assert told.count("Bird 1 was seen.") == 2


def test_workbenches_are_joined_and_give_tools_other_names(cells: Cells) -> None:
    assert "['mean_mass', 'count_heavy', 'count_slowly']\n2\nDream 123" in text(cells["workbenches"])


def test_a_handoff_carries_what_other_tools_gave(cells: Cells) -> None:
    told = text(cells["handoff"])

    assert "['mean_mass', 'transfer_to_statistician', 'transfer_to_librarian']" in told
    assert "HandoffMessage to statistician · Is that difference significant?" in told
    assert "content='Gentoo: 5092.4 g, 119 birds'" in told


def test_thoughts_are_shown_and_pictures_become_words_for_who_cannot_see(cells: Cells) -> None:
    assert "most likely the heaviest" in html(cells["thought"])
    assert "shown to the model: ['What do you see?', <agentnb.messages.content.Image" in text(cells["picture"])
    assert "shown to the model: What do you see?\n<image>" in text(cells["picture"])
    assert "data:image/png;base64," in html(cells["picture"])


def test_what_happens_inside_of_tools_is_part_of_the_stream(cells: Cells) -> None:
    assert lines(cells["agent-tool"]) == [
        "TextMessage",
        "ToolCallRequestEvent",
        *("TextMessage", *CALLED, "TextMessage"),
        *CALLED[::-1],
        *["TextMessage"] * 3,
        "ToolCallExecutionEvent",
        "TextMessage",
    ]
    assert "61 of 333 birds." in text(cells["agent-tool"])


def test_code_runs_on_a_kernel_that_was_given_the_data(cells: Cells) -> None:
    flippers = pd.read_csv(NOTEBOOKS / "data" / "penguins.csv").dropna().groupby("species")["flipper_length_mm"].mean()

    for species, length in flippers.items():
        assert re.search(rf"{species} +{length:.1f}", text(cells["kernel"]))


def test_code_that_failed_is_written_again(cells: Cells, mass: Any) -> None:
    drawn = text(cells["coder"])

    assert "KeyError: 'Column not found: weight' · exit code 1" in drawn
    assert drawn.count("runs python") == 2
    assert re.search(rf"Gentoo +{mass.median()['Gentoo']}", drawn)
    assert [(row["outcome"], row["exit_code"]) for row in table(cells["coder-code"])] == [
        ("failed", "1"),
        ("done", "0"),
    ]


def test_a_team_answers_with_one_voice_and_is_seen_discussing(cells: Cells) -> None:
    drawn = text(cells["society"])

    assert re.findall(r"── (\w+)", drawn) == ["user", "writer", "critic", "society"]
    assert drawn.endswith("They are black and white, and the Gentoo has an orange bill.")


def test_a_judge_hears_the_question_and_the_last_word_of_one_witness(cells: Cells) -> None:
    assert text(cells["filter"]) == "[('user', 'What was it?'), ('ana', 'Yes: a Gentoo, with an orange bill.')]"


def test_an_agent_without_a_model_takes_part(cells: Cells, mass: Any) -> None:
    means = mass.mean()

    assert lines(cells["own"]) == ["TextMessage"] * 4
    assert f"Adelie: {means['Adelie']:.1f} g, 146 birds; Chinstrap: {means['Chinstrap']:.1f} g" in text(cells["own"])


def test_another_agent_goes_on_from_a_saved_state(cells: Cells) -> None:
    assert "['Bird N7 is a Gentoo.', 'Noted: bird N7 is a Gentoo.', 'What is bird N7?']" in text(cells["state"])


def test_calls_and_facts_of_a_run_are_tables(cells: Cells) -> None:
    calls, facts = table(cells["log-calls"]), [row["kind"] for row in table(cells["log-facts"])]

    assert [(row["kind"], row["name"]) for row in calls] == [
        ("model", "scripted"),
        ("tool", "mean_mass"),
        ("tool", "heavier_than"),
        ("model", "scripted"),
    ]
    assert calls[2]["text"] == "2"
    assert facts[:3] == ["run.started", "message", "turn.started"]
    assert facts[-2:] == ["turn.finished", "run.finished"]
