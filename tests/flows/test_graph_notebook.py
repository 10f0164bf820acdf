"""The notebook about graphs from end to end, as machines execute it."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.flows.notebooks import NOTEBOOKS, Cells, execute, loud, needs_no_trust, pictures, saved_outputs, table, text

NAME = "22-graph.ipynb"

pytestmark = pytest.mark.timeout(90)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Cells:
    """The executed notebook; one kernel for all tests."""
    return execute(NAME, tmp_path_factory.mktemp("graph") / "notebooks")


@pytest.fixture(scope="module")
def penguins() -> pd.DataFrame:
    return pd.read_csv(NOTEBOOKS / "data" / "penguins.csv").dropna()


def ways(told: str) -> list[str]:
    """Return the rows of a picture's facts, single-spaced."""
    return [" ".join(line.split()) for line in told.partition("from ")[2].splitlines()[1:]]


def test_it_is_saved_without_outputs() -> None:
    assert not saved_outputs(NAME)


def test_nothing_is_said_on_standard_error(cells: Cells) -> None:
    assert not loud(cells)


def test_every_picture_is_stored_once_and_shown_in_a_way_that_needs_no_trust(cells: Cells) -> None:
    drawn = {name: pictures(outputs) for name, outputs in cells.items() if pictures(outputs)}

    assert {name: len(found) for name, found in drawn.items()} == dict.fromkeys(
        ("join", "conditions", "loop", "half", "on", "failure"), 1
    )
    assert all(needs_no_trust(cells[name]) for name in drawn)


def test_a_sequence_ends_when_no_node_is_left(cells: Cells, penguins: pd.DataFrame) -> None:
    told = text(cells["sequence"])

    assert "Done, 3 turns" in told
    assert "the graph is finished" in told
    assert f"{len(penguins)} penguins are ready" in told


def test_three_species_are_weighed_in_the_time_of_one_and_joined(cells: Cells, penguins: pd.DataFrame) -> None:
    told = text(cells["join"])
    mass = penguins.groupby("species")["body_mass_g"].agg(["mean", "count"])
    expected = ", ".join(f"{name} {row['mean']:.0f} g (n = {row['count']:.0f})" for name, row in mass.iterrows())

    assert float(told.split()[0]) < 0.6
    assert f"All together: {expected}." in told
    assert "writer: round 3 · waits for all" in told
    assert [row["nodes"] for row in table(cells["why"])] == ["planner", "adelie, chinstrap, gentoo", "writer"]


def test_a_join_does_not_wait_for_a_branch_that_was_not_taken(cells: Cells) -> None:
    told = text(cells["conditions"])

    assert "editor: round 4" in told
    assert "repairer: did not speak" in told
    assert ways(told) == [
        "checker repairer many_gaps() not taken",
        "checker plotter few_gaps() ×1",
        "repairer editor not taken",
        "plotter legend “LEGEND MISSING” ×1",
        "plotter editor “COMPLETE” not taken",
        "legend editor ×1",
    ]
    assert "without 'repairer' and 'plotter' (on 'COMPLETE'), which cannot come before it" in text(
        cells["conditions-why"]
    )


def test_a_condition_that_is_a_function_is_refused_with_its_edge_when_the_flow_is_dumped(cells: Cells) -> None:
    assert "the edge 'checker' -> 'repairer' is the function many_gaps" in text(cells["dump"])


def test_a_loop_goes_round_until_its_exit_opens(cells: Cells) -> None:
    told = text(cells["loop"])

    assert "author: rounds 2, 4, 6" in told
    assert ways(told) == [
        "outline author ×1",
        "author reviewer ×3",
        "reviewer author “REVISE” ×2",
        "reviewer printer “ACCEPTED” ×1",
    ]


def test_graphs_that_cannot_be_followed_are_refused_with_the_way_out(cells: Cells) -> None:
    told = text(cells["checks"]).splitlines()

    assert len(told) == 4
    assert told[0].startswith("- The cycle 'b' -> 'c' -> 'b' never ends")
    assert told[1].startswith("- The node 'a' has edges with and without a condition")
    assert told[2].startswith("- The edges into 'c' of the group 'c' disagree")
    assert told[3].startswith("- The target 'e' is not in the graph")


def test_a_filter_lets_the_summary_hear_the_last_draft_only(cells: Cells) -> None:
    everything, filtered = text(cells["filter"]).splitlines()

    assert everything.count("Draft") == 3
    assert everything.count("REVISE") == 2
    assert filtered == "['Draft three.']"


def test_the_next_run_goes_on_at_the_pending_node(cells: Cells) -> None:
    assert text(cells["half"]).startswith("the limit of 2 turns was reached")
    assert "judge: did not speak" in text(cells["half"])
    assert text(cells["on"]).startswith("['judge', 'report'] the graph is finished")
    assert "6 agents, 4 rounds, 5 turns in 2 runs" in text(cells["on"])


def test_after_an_error_only_what_failed_runs_again(cells: Cells) -> None:
    told = text(cells["failure"])

    assert "AgentFailed: The agent 'judge' failed: ConnectionError: no line to the station" in told
    assert "['judge', 'report']" in told
    assert "judge: rounds 3, 4 · waits for all, broken off in 1 round" in told
    assert "adelie: round 2\n" in told


def test_a_saved_flow_is_finished_by_another_one(cells: Cells) -> None:
    assert text(cells["state"]).splitlines() == [
        "ready: ['adelie', 'gentoo']",
        "['judge: The difference is large. CLEAR', 'report: Gentoos are heavier than Adelies.']",
        "the graph is finished: no node is left to run",
    ]
    assert text(cells["component"]).startswith("True")
    assert "DOUBTFUL" in text(cells["component"])
