"""The notebook about branches, resumed runs and comparisons from end to end, as machines execute it."""

from __future__ import annotations

import pytest

from tests.flows.notebooks import Cells, column, execute, loud, saved_outputs, text

NAME = "61-branch-and-compare.ipynb"

pytestmark = pytest.mark.timeout(90)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Cells:
    """The executed notebook; one kernel for all tests."""
    return execute(NAME, tmp_path_factory.mktemp("branches") / "notebooks")


def test_it_is_saved_without_outputs() -> None:
    assert not saved_outputs(NAME)


def test_nothing_is_said_on_standard_error(cells: Cells) -> None:
    assert not loud(cells)


def test_a_branch_shares_its_facts_and_takes_hardly_any_room(cells: Cells) -> None:
    shared, whole, branch, fact = text(cells["branch"]).splitlines()

    assert shared == "True"
    assert int(whole.split()[2].replace(",", "")) > 10 * int(branch.split()[2].replace(",", ""))
    assert f"at={int(branch.split()[0]) - 1}, why='What if another author had begun?'" in fact


def test_a_cut_within_a_turn_is_refused_and_says_where_one_is_possible(cells: Cells) -> None:
    assert "The nearest are message=1 or message=4" in text(cells["cut-error"])


def test_nobody_is_asked_for_what_a_branch_shares(cells: Cells) -> None:
    told = text(cells["zero"])

    assert text(cells["asked"]) == "({'analyst': 3, 'author': 2, 'critic': 2}, ['mean_masses'])"
    assert told.startswith("{'analyst': 0, 'author': 1, 'critic': 1} ['mean_masses']\n")
    assert "UserMessage: The means: Adelie 3706 g, Chinstrap 3733 g, Gentoo 5092 g." in told


def test_a_branch_goes_on_with_another_task(cells: Cells) -> None:
    assert text(cells["task"]).startswith("{'analyst': 0, 'author': 1, 'critic': 1}\n")
    assert column(cells, "task", "is_shared") == ["True", "True", "False", "False", "False"]
    assert column(cells, "task", "text")[3] == "The Chinstrap, with 3733 g, is 1 % heavier than the Adelie."


def test_two_runs_are_compared_in_the_cell_and_as_a_table(cells: Cells) -> None:
    assert "7 steps: 3 the same, 1 changed, 3 only left." in text(cells["diff"])
    assert "= 1 message and 1 turn are the same: the first" in text(cells["diff"])
    assert "facts are shared by branching" in text(cells["diff"])
    assert column(cells, "diff-df", "status") == ["same", "same", *["only left"] * 3, "changed", "same"]


def test_the_figures_of_two_runs_are_drawn(cells: Cells) -> None:
    drawn = {
        name: output["data"]["text/plain"]
        for name, outputs in cells.items()
        for output in outputs
        if "image/png" in output.get("data", {})
    }

    assert list(drawn) == ["overlay", "overlay-timeline"]
    assert "plain author 400 after" in drawn["overlay"]
    assert "exact author 196 after" in drawn["overlay"]


def test_many_branches_of_one_moment_count_what_they_share_once(cells: Cells) -> None:
    assert column(cells, "many", "turns") == ["9", "9", "3", "3", "3"]
    assert text(cells["shared"]).startswith("45 rows, 30 of them made\n")
    assert column(cells, "shared", "n") == ["7", "11", "11"]
    origins = column(cells, "origin", "origin")
    assert len(origins) == 8
    assert set(origins[:-1]) == {column(cells, "origin", "run")[-1]}


def test_a_failed_check_takes_the_turn_back_and_keeps_it_in_the_log_before(cells: Cells) -> None:
    assert column(cells, "checked", "source") == ["user", "analyst", "check", "author", "critic"]
    assert column(cells, "checked", "text")[3] == "The Gentoo is 37 % heavier (265 birds)."
    assert text(cells["rolled"]).splitlines() == [
        "check: Say how many birds were weighed.",
        "taken back: The Gentoo is 37 % heavier.",
        "{'analyst': 2, 'author': 2, 'critic': 1}",
    ]


def test_a_killed_run_is_broken_off_with_its_tools_at_work(cells: Cells) -> None:
    assert text(cells["kill"]).startswith("ended by signal 9\n")
    assert column(cells, "broken", "outcome") == ["broken off"]
    assert column(cells, "broken-log", "outcome") == ["done", "running", "running"]


def test_a_resumed_run_repeats_only_the_tool_that_may_be_repeated(cells: Cells) -> None:
    told = text(cells["resume-path"])

    assert "count_birds: 333 birds" in told
    assert "order_rings: The run broke off during this call; whether it took effect is not known." in told
    assert "clerk: Was order_rings done or not?" in told
    *diary, requests = text(cells["diary"]).strip().split("\n")
    assert sorted(filter(None, diary)) == ["333 rings ordered", "birds counted", "birds counted"]
    assert requests == "requests this morning: 1"


def test_a_run_that_failed_goes_on_behind_what_was_said(cells: Cells) -> None:
    failed, went_on = text(cells["error"]).splitlines()

    assert failed == "AgentFailed: The agent 'author' failed: ConnectionError: the model's server does not answer"
    assert went_on == "critic said 'APPROVED' {'analyst': 0, 'author': 1, 'critic': 1}"
    assert column(cells, "error-turns", "outcome") == ["done", "failed", "done", "done"]


def test_a_new_kernel_has_the_variables_only_if_code_is_run_again(cells: Cells) -> None:
    drawn = text(cells["code"]).strip().removeprefix("It says: ")
    numbers = sorted(int(number) for number in drawn.strip("[]").split(","))

    assert text(cells["rerun"]).splitlines() == [
        "rerun_code=False: It says: NameError: name 'drawn' is not defined",
        f"rerun_code=True: It says: {numbers}",
    ]


def test_a_replayed_run_says_the_same_and_the_comparison_names_the_other_model(cells: Cells) -> None:
    assert text(cells["replay"]).strip() == "True {'same': 7, 'changed': 0, 'only left': 0, 'only right': 0}"
    assert "The models asked differ: plain, small | replay:" in text(cells["replay-diff"])
