"""Notebooks executed without a front end: they finish, wait for nobody, and keep a still of the run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.notebook.front_end import ROOT

CELLS = (
    "%load_ext agentnb\nfrom tests.notebook.runners import *\ntalker, asker, waiter = Talker(), Asker(), Waiter()",
    "%%agentteam talker -o run\nsay <b>three</b>",
    "%%agentteam asker -o asked\nask",
    "%%agentteam talker -o behind --background\nin the background",
    "print([m.to_text() for m in asked.messages], behind.state)",
    "run",
    "run.to_df()[['source', 'text']]",
)


def notebook(path: Path, cells: tuple[str, ...]) -> Path:
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    content = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "cells": [
            {"cell_type": "code", "id": f"c{n}", "metadata": {}, "outputs": [], "execution_count": None, "source": cell}
            for n, cell in enumerate(cells)
        ],
    }
    path.write_text(json.dumps(content))
    return path


def execute(how: str, source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    command = {
        "nbclient": ["-m", "nbconvert", "--to", "notebook", "--execute", "--output", str(target), str(source)],
        "papermill": ["-m", "papermill", "--no-progress-bar", "--cwd", str(source.parent), str(source), str(target)],
    }[how]
    return subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(source.parent / "ipython")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize("how", ["nbclient", "papermill"])
def test_a_notebook_runs_to_its_end_without_a_person(how: str, tmp_path: Path) -> None:
    target = tmp_path / "out.ipynb"

    done = execute(how, notebook(tmp_path / "in.ipynb", CELLS), target)

    assert done.returncode == 0, done.stderr
    cells = [c for c in json.loads(target.read_text())["cells"] if c["cell_type"] == "code"]
    outputs: list[list[dict[str, Any]]] = [cell["outputs"] for cell in cells]
    (still,) = outputs[1]
    assert "&lt;b&gt;three" in "".join(still["data"]["text/html"])
    assert "application/vnd.agentnb.transcript.v1+json" in still["data"]
    assert not [mime for output in outputs for o in output for mime in o.get("data", {}) if "widget" in mime]
    told = "".join(outputs[4][0]["text"])
    assert "nobody: ana asks 'Which island?'" in told
    assert told.endswith("done\n")
    assert "text/html" in outputs[5][0]["data"]


@pytest.mark.parametrize("how", ["nbclient", "papermill"])
def test_a_failed_run_fails_the_notebook_in_one_line(how: str, tmp_path: Path) -> None:
    cells = ("%load_ext agentnb\nfrom tests.notebook.runners import *\nfailer = Failer()", "%%agentteam failer\ntry")

    done = execute(how, notebook(tmp_path / "in.ipynb", cells), tmp_path / "out.ipynb")

    assert done.returncode != 0
    assert "ModelAuthError: The server refused the key in OPENAI_API_KEY." in done.stderr
