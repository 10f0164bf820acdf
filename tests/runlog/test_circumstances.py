"""What is noted when a run starts."""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import cast

import pytest

from agentnb.models import ScriptedChatCompletionClient
from agentnb.runlog import RunLog, RunStarted
from agentnb.runlog.circumstances import circumstances, file_only, versions
from tests.steps import steps


def told(program: str, **environment: str) -> dict[str, object]:
    """Return the circumstances in a process of its own, as `versions` and `circumstances`."""
    ask = "import json\nfrom agentnb.runlog.circumstances import circumstances, versions\n"
    ask += "print(json.dumps({'versions': versions(), **circumstances()}))"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\n{ask}"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_versions_are_those_of_what_is_in_use() -> None:
    import pydantic

    found = versions()

    assert found["python"] == platform.python_version()
    assert found["pydantic"] == pydantic.VERSION
    assert "agentnb-toolkit" in found


def test_a_package_counts_only_once_it_is_imported() -> None:
    without, with_it = (told(program)["versions"] for program in ("pass", "import pandas"))

    assert isinstance(without, dict)
    assert isinstance(with_it, dict)
    assert "pandas" not in without
    assert with_it["pandas"]


def test_what_an_adapter_will_import_with_its_first_request_counts() -> None:
    found = told("import agentnb.models.openai, sys\nassert 'openai' not in sys.modules")["versions"]

    assert isinstance(found, dict)
    assert found["openai"]


def test_the_machine_is_known_and_neither_its_name_nor_its_user() -> None:
    found = told("import sys\nsys.argv[0] = '/home/ana/study/run.py'", HOME="/home/ana", USER="ana-the-user")

    text = json.dumps(found)
    assert found["machine"] == platform.machine()
    assert str(found["os"]).startswith(("Linux", "macOS", "Windows"))
    assert (found["place"], found["file"]) == ("script", "run.py")
    assert not [secret for secret in (socket.gethostname(), "ana-the-user", "/home/ana") if secret in text]


def test_code_given_on_the_command_line_has_no_file() -> None:
    found = told("pass")

    assert found["place"] == "python"
    assert "file" not in found


def test_a_module_that_is_run_is_named(tmp_path: Path) -> None:
    program = "import json\nfrom agentnb.runlog.circumstances import circumstances\n"
    (tmp_path / "study.py").write_text(f"{program}print(json.dumps(circumstances()))\n")

    done = subprocess.run(
        [sys.executable, "-m", "study"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )

    assert json.loads(done.stdout)["file"] == "-m study"


def test_a_notebook_is_named_without_its_folder() -> None:
    program = (
        "from ipykernel.inprocess import InProcessKernelManager\n"
        "manager = InProcessKernelManager()\nmanager.start_kernel()\nip = manager.kernel.shell"
    )
    found = told(program, JPY_SESSION_NAME="/home/ana/work/60-transcripts.ipynb")

    assert (found["place"], found["kernel"], found["file"]) == ("notebook", "ipykernel", "60-transcripts.ipynb")


class Kernel:
    """Stands in for a kernel."""


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ({"__vsc_ipynb_file__": "c:\\work\\study.ipynb"}, {"file": "study.ipynb"}),
        ({"__vsc_ipynb_file__": 3}, {}),
        ({}, {}),
    ],
)
def test_a_notebook_is_named_by_its_editor_or_not_at_all(
    names: dict[str, object], found: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    shell = SimpleNamespace(kernel=Kernel(), user_ns=names)
    monkeypatch.setitem(sys.modules, "IPython", cast(ModuleType, SimpleNamespace(get_ipython=lambda: shell)))

    noted = circumstances()

    assert noted["place"] == "notebook"
    assert {key: noted[key] for key in ("file",) if key in noted} == found


def test_settings_are_noted_without_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTNB_MODEL", "replay:/home/ana/runs/old.jsonl")
    monkeypatch.setenv("PYTHONHASHSEED", "0")

    assert circumstances()["settings"] == {"AGENTNB_MODEL": "replay:old.jsonl", "PYTHONHASHSEED": "0"}


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("openai:gpt-4o-mini", "openai:gpt-4o-mini"),
        ("openai:meta-llama/Llama-3", "openai:meta-llama/Llama-3"),
        ("local:~/models/tiny.gguf", "local:tiny.gguf"),
        ("/srv/models/tiny.gguf", "tiny.gguf"),
        ("C:\\models\\tiny.gguf", "tiny.gguf"),
        ("./tiny.gguf", "tiny.gguf"),
        ("local:/home/ana maria/models/tiny.gguf", "local:tiny.gguf"),
    ],
)
def test_of_a_path_the_name_is_left(text: str, short: str) -> None:
    assert file_only(text) == short


async def test_a_run_says_under_what_circumstances_it_started_and_one_within_it_does_not() -> None:
    from agentnb.agents import AssistantAgent, SocietyOfMindAgent
    from agentnb.teams import RoundRobinGroupChat

    client = ScriptedChatCompletionClient(["yes"], repeats=True)
    inner = RoundRobinGroupChat([AssistantAgent("ana", client)], max_turns=1)
    log = (await SocietyOfMindAgent("society", inner, client).run(task="go")).log
    assert log is not None

    outer, within = [event.body for event in log if isinstance(event.body, RunStarted)]

    assert outer.circumstances is not None
    assert outer.circumstances["os"]
    assert outer.versions["python"] == platform.python_version()
    assert (within.circumstances, within.versions) == (None, {})


async def test_circumstances_are_kept_in_the_file(runs: Path) -> None:
    from agentnb.agents import AssistantAgent

    log = (await AssistantAgent("ana", ScriptedChatCompletionClient(["yes"])).run(task="go")).log
    assert log is not None
    assert log.path is not None

    again = RunLog.open(log.path).events[0].body

    assert isinstance(again, RunStarted)
    assert again == log.events[0].body
    assert again.circumstances


def test_after_the_first_time_a_run_pays_for_look_ups_only() -> None:
    versions(), circumstances()

    assert steps(lambda: (versions(), circumstances())) < 200  # a look at the metadata of a package takes thousands
