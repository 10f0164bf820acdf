"""The client works with each major version of the `openai` package that pyproject.toml allows."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = ("tests/models/test_openai.py", "tests/models/test_arguments.py")
NEEDED = ("pydantic>=2.10", "pytest>=8.3", "pytest-asyncio>=0.25", "pytest-timeout>=2.3")


def run(*command: str, cwd: Path) -> str:
    """Run a command and return what it printed; fail with that if it fails."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("version", ["1.109.*", "2.*"])
def test_the_client_s_tests_pass_with_an_older_sdk(version: str, tmp_path: Path) -> None:
    folder = tmp_path / "venv"
    venv.create(folder, with_pip=True)
    python = str(folder / ("Scripts" if sys.platform == "win32" else "bin") / "python")
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, f"openai=={version}", *NEEDED, cwd=tmp_path)
    run(*pip, "--no-deps", "--editable", str(ROOT), cwd=tmp_path)

    installed = run(python, "-c", "import openai; print(openai.__version__)", cwd=tmp_path)
    said = run(python, "-m", "pytest", *TESTS, "-q", "-p", "no:cacheprovider", cwd=ROOT)

    assert installed.startswith(version.rstrip("*"))
    assert " passed" in said
