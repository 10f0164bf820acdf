"""The notebook about tables, figures and files from end to end, as machines execute it."""

from __future__ import annotations

import ast
import re

import pytest

from tests.flows.notebooks import Cells, column, execute, loud, saved_outputs, text

NAME = "60-transcripts-to-pandas.ipynb"

pytestmark = pytest.mark.timeout(90)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Cells:
    """The executed notebook; one kernel for all tests."""
    return execute(NAME, tmp_path_factory.mktemp("transcripts") / "notebooks")


def numbers(cells: Cells, cell: str, name: str) -> list[float]:
    return [float(value) for value in column(cells, cell, name)]


def test_it_is_saved_without_outputs() -> None:
    assert not saved_outputs(NAME)


def test_nothing_is_said_on_standard_error(cells: Cells) -> None:
    assert not loud(cells)


def test_the_figures_are_drawn_and_say_in_words_what_they_show(cells: Cells) -> None:
    figures = {
        name: [output["data"]["text/plain"] for output in outputs if "image/png" in output.get("data", {})]
        for name, outputs in cells.items()
    }
    drawn = {name: found for name, found in figures.items() if found}

    assert list(drawn) == [
        *("cost-plot", "timeline", "tokens", "turn-share", "transitions-plot", "latency", "tool-success", "panels")
    ]
    assert "analyst 1, coder 1, author 2, kim 1" in drawn["timeline"][0]
    assert drawn["turn-share"][0].startswith("Share of 21 turns: author 38%, analyst 24%")
    assert drawn["tool-success"] == ["Calls of tools that succeeded: how_many 8 of 8, mean_mass 6 of 8."]
    assert [int(n) for n in re.findall(r"\(n = (\d+)\)", drawn["latency"][0])] == [27, 9, 16]


def test_the_folder_lists_the_pilot_and_the_four_runs_of_the_study(cells: Cells) -> None:
    assert column(cells, "runs", "turns") == ["5", "5", "6", "5", "5"]
    assert column(cells, "runs", "outcome") == ["done"] * 5
    assert column(cells, "runs", "cost_usd")[-1] == "NaN"
    assert all(cost > 0 for cost in numbers(cells, "runs", "cost_usd")[:-1])


def test_a_design_joins_with_what_its_runs_spent(cells: Cells) -> None:
    html = next(output["data"]["text/html"] for output in cells["merge"] if "data" in output)
    shares = [float(found) for found in re.findall(r"<td>(0\.\d+)</td>", html)]

    assert len(shares) == 4
    assert shares[0] > shares[1]
    assert shares[2] > shares[3]


def test_tables_join_by_their_ids(cells: Cells) -> None:
    assert column(cells, "join", "tool") == ["mean_mass", "mean_mass"]
    assert column(cells, "join", "name") == ["small", "small"]
    assert all(cost > 0 for cost in numbers(cells, "join", "cost_usd"))
    assert numbers(cells, "join-choices", "attempts")[0] == 3


def test_the_reasons_of_choices_are_rows(cells: Cells) -> None:
    assert column(cells, "choices", "rule") == ["model", "model", "model", "model", "fallback"]
    assert column(cells, "choices", "names") == ["analyst", "author", "author", "analyst", "kim"]


def test_the_time_a_person_took_is_counted(cells: Cells) -> None:
    assert column(cells, "inputs", "by") == ["input_func"] * 4
    assert all(waited >= 0.2 for waited in numbers(cells, "inputs", "waited"))


def test_columns_say_what_they_mean(cells: Cells) -> None:
    assert column(cells, "describe", "column")[:3] == ["run", "turn", "seq"]
    assert all(column(cells, "describe", "meaning"))


def test_concatenation_and_saving_keep_every_value_and_dtype(cells: Cells) -> None:
    assert text(cells["concat"]).startswith("True\n")
    assert text(cells["save"]).count("the same: True") == 2


def test_money_of_calls_before_there_were_prices_is_missing_and_counted(cells: Cells) -> None:
    assert numbers(cells, "cost", "unpriced") == [0, 0, 0, 0]
    assert column(cells, "unpriced", "cost_usd") == ["NaN", "NaN", "NaN"]
    assert sum(numbers(cells, "unpriced", "unpriced")) == 11


def test_a_sentence_is_found_again_in_every_run_that_has_it(cells: Cells) -> None:
    assert column(cells, "search", "kind") == ["message", "tool.finished"] * 2
    assert all("«no Emperor»" in snippet for snippet in column(cells, "search", "snippet"))


def test_a_file_with_a_secret_is_refused_and_one_with_dots_is_written(cells: Cells) -> None:
    assert text(cells["careless"]).startswith("careless.html was not written: it would show 1 secret.")
    (markdown,) = (output["data"]["text/markdown"] for output in cells["mask"])
    assert "Our token is ••••." in markdown
    assert "e-mail removed" in markdown
    assert not re.search("ghp_|kim", markdown, re.IGNORECASE)


def test_the_page_stands_alone_and_the_notebook_holds_the_code(cells: Cells) -> None:
    (page,) = (output["data"]["text/html"] for output in cells["html"])
    assert "kim" not in page.lower()
    assert "data:image/png;base64," in page
    assert "import matplotlib.pyplot as plt" in dict(ast.literal_eval(text(cells["notebook"]))).values()
    assert text(cells["archive"]).endswith("True")


def test_the_methods_say_that_scripts_answered(cells: Cells) -> None:
    told = " ".join(text(cells["methods"]).split())

    assert told.startswith("The team weighers (SelectorGroupChat), with four participants")
    assert told.count("came from a script; no language model was called for them") == 3
    assert "one of them without success" in told
