"""The first notebook from end to end, as machines execute it: nobody waits, nothing is canned."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

from agentnb.runlog import CodeFinished, RunLog, fold

pytestmark = [pytest.mark.weights, pytest.mark.timeout(180)]

NOTEBOOKS = Path(__file__).parent.parent.parent / "notebooks"
NAME = "00-first-team.ipynb"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the notebook and its data."""
    target = tmp_path / "notebooks"
    shutil.copytree(NOTEBOOKS, target, ignore=shutil.ignore_patterns(".agentnb", ".ipynb_checkpoints"))
    return target


def execute(folder: Path, *, cells: int | None = None) -> Any:
    notebook = nbformat.read(folder / NAME, as_version=4)
    if cells is not None:
        notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "code"][:cells]
    client = NotebookClient(notebook, timeout=150, resources={"metadata": {"path": str(folder)}})
    return client.execute()


def log_of(runs: Path) -> RunLog:
    (path,) = runs.glob("*analysts*.jsonl")
    return RunLog.open(path)


def report(log: RunLog) -> str:
    return fold.thread(log)[-1].to_model_text()


def test_nbclient_executes_it_without_a_widget_and_keeps_the_transcript(folder: Path, runs: Path) -> None:
    done = execute(folder)
    outputs = [output for cell in done.cells for output in cell.get("outputs", [])]
    bundles = [
        output["data"] for output in outputs if "application/vnd.agentnb.transcript.v1+json" in output.get("data", {})
    ]
    log = log_of(runs)

    assert not [output for output in outputs if output["output_type"] == "error"]
    assert not [output for output in outputs if "application/vnd.jupyter.widget-view+json" in output.get("data", {})]
    assert bundles
    assert "Gentoo" in bundles[0]["text/html"]
    assert "135M demonstration model" in bundles[0]["text/plain"]
    assert [m.source for m in fold.thread(log)][:2] == ["user", "notebook"]
    assert fold.totals(log).state == "done"
    assert any("image/png" in out for e in log if isinstance(e.body, CodeFinished) for out in e.body.outputs)


def test_papermill_executes_it_and_does_not_wait_for_a_person(folder: Path, runs: Path) -> None:
    import papermill

    papermill.execute_notebook(
        str(folder / NAME), str(folder / "out.ipynb"), cwd=str(folder), progress_bar=False, log_output=False
    )

    assert fold.totals(log_of(runs)).state == "done"


def test_the_report_follows_the_data(folder: Path, runs: Path) -> None:
    """Other weights in the file give other numbers and another heaviest species in what the team says."""
    penguins = pd.read_csv(folder / "data" / "penguins.csv")
    chinstrap = penguins["species"] == "Chinstrap"
    penguins.loc[chinstrap, "body_mass_g"] += 3000
    heaviest = float(penguins.loc[chinstrap, "body_mass_g"].mean())
    lead = heaviest - float(penguins.loc[penguins["species"] == "Gentoo", "body_mass_g"].mean())
    penguins["bill_length_mm"] *= 2
    bill = float(penguins["bill_length_mm"].mean())
    penguins.to_csv(folder / "data" / "penguins.csv", index=False)

    execute(folder, cells=2)
    said = report(log_of(runs))

    assert "Chinstrap has the highest mean body_mass_g" in said
    assert f"{heaviest:.1f}" in said
    assert f"{lead:.1f}" in said
    assert f"{bill:.2f}" in said
    assert "43.92" not in said


def test_what_was_said_was_shown_as_it_is_logged(folder: Path, runs: Path) -> None:
    done = execute(folder, cells=2)
    log = log_of(runs)
    html = "".join(output["data"].get("text/html", "") for output in done.cells[1].outputs if "data" in output)

    assert {message.source for message in fold.thread(log)} >= {
        "planner",
        "coder",
        "kernel",
        "reporter",
    }
    assert all(name in html for name in ("planner", "coder", "kernel", "reporter"))
