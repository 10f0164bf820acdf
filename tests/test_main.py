"""agentnb in a terminal: real processes, a real kernel, no model but recorded answers and the embedded one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from agentnb.__main__ import main
from agentnb.messages import TextMessage
from agentnb.runlog import RunFinished, RunLog, RunStarted, Said

ROOT = Path(__file__).parent.parent


def notebook(folder: Path, *cells: str) -> Path:
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
    path = folder / "own.ipynb"
    path.write_text(json.dumps(content))
    return path


SETUP = "%load_ext agentnb\nfrom tests.notebook.runners import *\nteam = {runner}()"


def agentnb(folder: Path, *arguments: str, **popen: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(folder / "ipython"), **popen}
    return subprocess.Popen(
        [sys.executable, "-m", "agentnb", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_demo_prints_the_run_its_answer_and_where_everything_is(tmp_path: Path) -> None:
    path = notebook(tmp_path, SETUP.format(runner="Talker"), "%%agentteam team -o run\ncount to three", "run.state")

    process = agentnb(tmp_path, "demo", "--notebook", str(path))
    out, err = process.communicate(timeout=60)

    assert (process.returncode, err) == (0, "")
    assert out.index("count to three") < out.index("── ana ──\none") < out.index("Answer of ana:\n\nthree")
    assert "1 turn, 0 tokens, " in out
    assert f"Executed notebook: {Path('.demo', 'own.ipynb')}" in out
    (log,) = (tmp_path / ".demo" / "runs").glob("*.jsonl")
    assert f"The run's log: {log.relative_to(tmp_path)}" in out
    executed = json.loads((tmp_path / ".demo" / "own.ipynb").read_text())
    assert executed["cells"][2]["outputs"][0]["data"]["text/plain"] == ["'done'"]


def test_the_demo_shows_what_is_said_before_the_run_is_over(tmp_path: Path) -> None:
    """Ctrl-C in the middle ends the kernel, keeps the log, and says so in one line."""
    path = notebook(tmp_path, SETUP.format(runner="Waiter"), "%%agentteam team\nwait for me")
    process = agentnb(tmp_path, "demo", "--notebook", str(path), "--out", "out", PYTHONUNBUFFERED="1")
    assert process.stdout is not None
    while "before" not in process.stdout.readline():
        assert process.poll() is None
    children = psutil.Process(process.pid).children(recursive=True)
    assert children

    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)

    assert process.returncode == 130
    assert err.strip() == "Stopped."
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
    (log,) = (tmp_path / "out" / "runs").glob("*.jsonl")
    assert [event.kind for event in RunLog.open(log)][:2] == ["run.started", "message"]
    assert (tmp_path / "out" / "own.ipynb").exists()


def test_a_failing_demo_ends_with_one_clear_line(tmp_path: Path) -> None:
    path = notebook(tmp_path, SETUP.format(runner="Failer"), "%%agentteam team\ntry")

    process = agentnb(tmp_path, "demo", "--notebook", str(path))
    out, err = process.communicate(timeout=60)

    assert process.returncode == 1
    assert err.splitlines() == [
        "The notebook failed with ModelAuthError: The server refused the key in OPENAI_API_KEY."
    ]
    assert "so far" in out
    assert "The run's log: " in out


def test_a_second_demo_prints_only_its_own_run(tmp_path: Path) -> None:
    path = notebook(tmp_path, SETUP.format(runner="Talker"), "%%agentteam team\ncount")
    for _ in range(2):
        process = agentnb(tmp_path, "demo", "--notebook", str(path))
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0

    assert out.count("── ana ──\none") == 1
    assert len(list((tmp_path / ".demo" / "runs").glob("*.jsonl"))) == 2


def test_the_model_of_the_demo_reaches_the_notebook(tmp_path: Path) -> None:
    path = notebook(tmp_path, "import os\nprint(os.environ['AGENTNB_MODEL'])")

    process = agentnb(tmp_path, "demo", "--notebook", str(path), "--model", "openai:gpt-4o-mini")
    process.communicate(timeout=60)

    executed = json.loads((tmp_path / ".demo" / "own.ipynb").read_text())
    assert executed["cells"][0]["outputs"][0]["text"] == ["openai:gpt-4o-mini\n"]


def test_of_a_damaged_run_what_is_whole_is_shown(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = RunLog.create("team", folder=runs)
    run = log.append(RunStarted(runner="team", runner_type="T"), source="team")
    log.append(Said(message=TextMessage(content="so far", source="ana")), source="ana", parent=run.id)
    log.close()
    assert log.path is not None
    with log.path.open("ab") as file:
        file.write(b"garbage\n")

    assert main(["show", str(log.path)]) == 1

    out, err = capsys.readouterr()
    assert "so far" in out
    assert "damaged at line 4" in err


def test_a_run_without_facts_is_shown_as_one(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = RunLog.create("team", folder=runs)
    log.close()

    assert main(["show", str(log.path)]) == 0

    assert "No fact is written in" in capsys.readouterr().out


def test_who_reads_no_further_sees_no_traceback(runs: Path) -> None:
    log = RunLog.create("team", folder=runs)
    run = log.append(RunStarted(runner="team", runner_type="T"), source="team")
    for number in range(2_000):
        message = TextMessage(content=f"line {number} " * 10, source="ana")
        log.append(Said(message=message), source="ana", parent=run.id)
    log.close()

    process = agentnb(runs, "show", str(log.path))
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()

    assert process.stderr.read() == ""
    assert process.wait(60) == 141
    process.stderr.close()


def test_a_warning_is_a_line_in_a_terminal(runs: Path) -> None:
    runs.mkdir(parents=True, exist_ok=True)
    (runs / "odd.jsonl").write_text("garbage\n")

    process = agentnb(runs, "runs", "--folder", str(runs), "--search", "nothing")
    _, err = process.communicate(timeout=60)

    assert err.startswith("RuntimeWarning: 1 of 1 runs in")
    assert err.count("\n") == 1


def test_a_saved_run_is_shown(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = RunLog.create("writers")
    log.append(RunStarted(runner="writers", runner_type="Team"))
    log.append(Said(message=TextMessage(content="A <b>draft</b>.", source="ana")))
    log.close()
    (path,) = runs.glob("*.jsonl")

    assert main(["show", str(path)]) == 0

    assert "── ana ──\nA <b>draft</b>." in capsys.readouterr().out


def test_a_saved_run_that_broke_off_says_so_and_how_to_go_on(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = RunLog.create("writers")
    run = log.append(RunStarted(runner="writers", runner_type="Team"))
    log.append(Said(message=TextMessage(content="A draft.", source="ana")), parent=run.id)

    assert main(["show", log.id[:8]]) == 0
    assert capsys.readouterr().out.endswith("The run goes on: its log is being written.\n")

    log.close()
    assert main(["show", log.id[:8]]) == 0
    out = capsys.readouterr().out
    assert "writers: Broken off" in out
    assert f"The run broke off. To go on, make the same team again and `await team.resume('{log.path}')`." in out

    log.reopen().append(RunFinished(outcome="failed", stop_reason="No."), parent=run.id)
    log.close()
    assert main(["show", str(log.path)]) == 0
    assert "The run failed. To go on" in capsys.readouterr().out


def test_errors_are_one_line_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTNB_CACHE", str(tmp_path))
    calls = {
        ("show", "nothing.jsonl"): "UnknownName: 'nothing.jsonl' is no file in ",
        ("demo", "--notebook", "nothing.ipynb"): "UserError: There is no notebook nothing.ipynb.",
        ("demo", "--notebook", __file__): f"UserError: {__file__} is no notebook: ",
        ("run", "writers", "go"): "UnknownName: No team named 'writers' (known: 'analysts').",
        ("run", "analysts", "go"): "ModelNotConfigured: No model to work with.",
        ("run", "analysts", "go", "--model", "nobody:x"): "UnknownName: ",
        ("run", "analysts", "go", "--csv", "x=nothing.csv"): "UserError: The table nothing.csv cannot be read",
        ("models",): "ModelNotConfigured: No model to work with.",
    }
    for call, told in calls.items():
        assert main(call) == 1, call
        err = capsys.readouterr().err
        assert err.startswith(told), err
        assert err.count("\n") == 1, err


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ((), "required"),
        (("rum",), "invalid choice"),
        (("run", "analysts", "x", "--max-turns", "0"), "no whole number from 1 on"),
        (("run", "analysts", "x", "--csv", "penguins.csv"), "not of the form NAME=PATH"),
    ],
)
def test_a_wrong_call_is_explained(call: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(call)

    assert caught.value.code == 2
    assert told in capsys.readouterr().err


def test_the_models_command_says_what_is_taken_and_why(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-used")

    assert main(["models", "--model", "openai:gpt-4o-mini"]) == 0

    told = capsys.readouterr().out
    assert told.startswith("Model openai:gpt-4o-mini (as asked)")
    assert "sk-not-used" not in told


def test_the_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])

    assert capsys.readouterr().out.startswith("agentnb-toolkit 0.")


@pytest.mark.weights
def test_a_ready_made_team_works_in_the_terminal(tmp_path: Path) -> None:
    table = ROOT / "notebooks" / "data" / "penguins.csv"

    process = agentnb(
        tmp_path, "run", "analysts", "Which species is heaviest?", "--model", "local", "--csv", f"penguins={table}"
    )
    out, err = process.communicate(timeout=100)

    assert process.returncode == 0, err
    assert "Gentoo has the highest mean body_mass_g" in out
    assert "The run's log: " in out


def test_a_demo_whose_kernel_dies_says_so_in_one_line(tmp_path: Path) -> None:
    path = notebook(tmp_path, "import os, sys\nos.write(2, b'a last word')\nos._exit(3)")

    process = agentnb(tmp_path, "demo", "--notebook", str(path))
    _, err = process.communicate(timeout=60)

    assert process.returncode == 1
    assert len(err.splitlines()) == 1
    assert "Kernel died" in err
    assert "a last word" in err
