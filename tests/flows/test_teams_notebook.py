"""The notebook about teams from end to end, as machines execute it."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.flows.notebooks import NOTEBOOKS, Cells, column, execute, loud, needs_no_trust, pictures, saved_outputs, text

NAME = "21-teams.ipynb"

pytestmark = pytest.mark.timeout(90)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Cells:
    """The executed notebook; one kernel for all tests."""
    return execute(NAME, tmp_path_factory.mktemp("teams") / "notebooks")


@pytest.fixture(scope="module")
def masses() -> dict[str, str]:
    """What the tool says of each species."""
    penguins = pd.read_csv(NOTEBOOKS / "data" / "penguins.csv").dropna()
    return {
        str(species): f"{species} {mass.mean():.0f} g (n = {len(mass)})"
        for species, mass in penguins.groupby("species")["body_mass_g"]
    }


def test_it_is_saved_without_outputs() -> None:
    assert not saved_outputs(NAME)


def test_nothing_is_said_on_standard_error(cells: Cells) -> None:
    assert not loud(cells)


def test_every_picture_is_stored_once_and_shown_in_a_way_that_needs_no_trust(cells: Cells) -> None:
    drawn = {name: pictures(outputs) for name, outputs in cells.items() if pictures(outputs)}

    assert {name: len(found) for name, found in drawn.items()} == dict.fromkeys(
        ("round-robin-picture", "selector", "swarm-answer", "policy-picture", "nested-picture"), 1
    )
    assert all(needs_no_trust(cells[name]) for name in drawn)


def test_the_critic_sends_the_draft_back_until_it_holds_computed_numbers(cells: Cells, masses: dict[str, str]) -> None:
    told = text(cells["round-robin"])

    assert f"Gentoos are heavy: {masses['Gentoo']}, against {masses['Adelie']}." in told
    assert "Done, 4 turns" in told
    assert "(critic said 'APPROVED')" in told
    assert "writer: rounds 1, 3" in text(cells["round-robin-picture"])


def test_each_choice_of_a_model_says_why_and_the_fallback_is_in_the_open(cells: Cells) -> None:
    assert column(cells, "why", "speaker") == ["analyst", "reader", "author"]
    assert column(cells, "why", "rule") == ["model", "model", "fallback"]
    assert column(cells, "why", "asked") == ["1", "2", "3"]
    assert column(cells, "why", "candidates") == ["analyst, reader, author", "reader, author", "analyst, author"]
    assert column(cells, "why", "last answer") == ["analyst", "reader", "Hm."]
    assert "named nobody who may speak: author does, the next in order" in column(cells, "why", "why")[2]
    assert "reader   author   fallback" in text(cells["selector"])


def test_the_prompt_of_a_choice_can_be_read_with_the_reason_for_asking_again(cells: Cells) -> None:
    told = text(cells["prompt"])

    assert told.count("--- ") == 3
    assert "reader: Knows the literature." in told
    assert "Your answer names analyst and reader; only one may speak." in told


def test_functions_choose_and_narrow_down_and_the_model_is_asked_only_for_the_rest(cells: Cells) -> None:
    assert column(cells, "functions", "rule") == [
        *("only candidate", "model", "selector_func", "model", "selector_func"),
    ]
    assert column(cells, "functions", "asked") == ["", "1", "", "1", ""]


def test_a_swarm_stops_for_a_visitor_and_goes_on_with_a_plain_text(cells: Cells) -> None:
    assert text(cells["swarm"]).splitlines() == [
        "desk handed over to visitor",
        "These are two species. Do you want the third one too?",
    ]
    assert "GOODBYE" in text(cells["swarm-answer"])
    assert "2 agents, 8 rounds in 2 runs" in text(cells["swarm-answer"])
    assert column(cells, "swarm-why", "rule") == ["answered", "handoff", "no handoff", "handoff"]


def test_a_rule_of_ones_own_lets_three_speak_at_once_and_ends_the_run(cells: Cells) -> None:
    assert text(cells["policy"]).startswith("the chair has closed the hearing")
    assert column(cells, "policy", "speaker") == ["biscoe, dream, torgersen", "torgersen", "chair"]
    assert column(cells, "policy", "rule") == ["all at once", "the quietest", ""]
    assert "4 agents, 3 rounds, 5 turns" in text(cells["policy-picture"])


def test_a_team_within_a_team_speaks_one_level_deeper_and_counts_as_one(cells: Cells) -> None:
    lines = [(len(line) - len(line.lstrip()), line.strip()) for line in text(cells["nested"]).splitlines()]
    outer = min(depth for depth, _ in lines)

    assert [name for depth, name in lines if depth == outer] == ["lab", "editor", "lab", "editor"]
    assert [name for depth, name in lines if depth > outer] == ["analyst", "checker"] * 2
    assert "2 agents, 4 rounds" in text(cells["nested-picture"])


def test_the_orchestrator_plans_anew_and_asks_again_for_somebody_who_is_there(
    cells: Cells, masses: dict[str, str]
) -> None:
    told = text(cells["magentic"])

    assert told.count("We work on the following task") == 2
    assert "Gentoo, of the three species in the data: " + ", ".join(masses.values()) + "." in told
    assert column(cells, "magentic-why", "speaker") == ["guide", "analyst"]
    assert column(cells, "magentic-why", "asked") == ["1", "2"]


def test_the_ledgers_are_a_table_and_facts_and_plan_are_state(cells: Cells) -> None:
    assert column(cells, "ledgers", "next_speaker") == ["guide", "guide", "zoologist", "analyst", "analyst"]
    assert column(cells, "ledgers", "is_progress_being_made") == ["True", "False", "True", "True", "True"]
    assert column(cells, "ledgers", "is_request_satisfied") == [*["False"] * 4, "True"]
    assert "the data holds Adelie, Chinstrap, Gentoo" in text(cells["ledgers-state"])
    assert "rounds: 4  ended: satisfied" in text(cells["ledgers-state"])


def test_the_keeper_lets_nothing_be_bought_and_no_run_end_without_a_number(cells: Cells) -> None:
    told = text(cells["keeper"])

    assert told.startswith("bought: []")
    assert "mission_keeper refuses the call order_fish(tons=12)" in told
    assert "Refused: to end now (analyst said 'READY'). Nobody has said a mass yet." in told
    assert column(cells, "verdicts", "act") == ["goal", "tool", "done", "tool", "done"]
    assert column(cells, "verdicts", "allowed") == ["True", "False", "False", "True", "True"]
    assert text(cells["refused-goal"]).strip() == "mission_keeper refuses the task: This is about buying."


def test_each_condition_ends_the_endless_thanks_for_its_own_reason(cells: Cells) -> None:
    reasons = column(cells, "conditions", "stop reason")

    assert column(cells, "conditions", "messages") == ["4", "6", "8", "8", "8", "4", "6"]
    assert reasons[1] == "ann said 'again'"
    assert "was said 3 times by ann and ben" in reasons[2]
    assert "300 total tokens" in reasons[3]
    assert "0.001 US dollars" in reasons[4]
    assert reasons[5] == "the function 'something_long' says so"
    assert reasons[6].startswith("ben has spoken, the limit of 6 messages")


def test_a_run_is_paused_stepped_and_resumed_from_cell_to_cell(cells: Cells) -> None:
    assert text(cells["start"]) == "<a run of 'RoundRobinGroupChat': paused, 0 messages>"
    assert text(cells["step"]).splitlines() == ["['user', 'ann'] paused", "['user', 'ann', 'ben'] paused"]
    assert "7 messages: the limit of 7 messages" in text(cells["resume"])
    assert "['paused', 'step', 'step', 'resumed']" in text(cells["resume"])


def test_a_run_that_was_stopped_keeps_what_was_said_and_the_next_one_works(cells: Cells) -> None:
    assert text(cells["stop"]).splitlines() == [
        "stopped - three messages kept, or more: True",
        "the limit of 50 turns was reached",
    ]


def test_a_state_goes_on_in_another_team_where_the_first_one_ended(cells: Cells) -> None:
    assert text(cells["save"]).startswith("the limit of 1 turn")
    assert text(cells["load"]).splitlines() == [
        "critic said: True in these data, for all 68 of them. APPROVED",
        "having been shown: ['One sentence about Chinstraps.', 'Chinstraps live on Dream only.']",
    ]
