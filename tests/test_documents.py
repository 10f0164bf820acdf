"""What the documents show works as it is written."""

from __future__ import annotations

import ast
import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from tests.models.conftest import openai_server
from tests.models.server import OpenAIServer

__all__ = ["openai_server"]

ROOT = Path(__file__).parent.parent


def blocks(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


async def test_the_readmes_python_runs_as_it_stands(
    openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.base_url)
    openai_server.say("```python\nprint('a plot')\n```\nTERMINATE")
    (block,) = (block for block in blocks((ROOT / "README.md").read_text()) if "RoundRobinGroupChat" in block)
    names: dict[str, Any] = {}

    code = compile(block, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    await eval(code, names)
    await names["team"].close()

    assert names["result"].stop_reason == "coder said 'TERMINATE'"
    assert "TERMINATE" in capsys.readouterr().out
    said = str(openai_server.request.body["messages"])
    assert len(openai_server.requests) == 3
    assert all(task in said for task in ("Plot sin(x)", "Now add cos(x).", "And a title."))


def test_the_first_notebook_is_saved_without_outputs() -> None:
    """Outputs belong to who runs it."""
    notebook = (ROOT / "notebooks" / "00-first-team.ipynb").read_text()

    assert '"outputs": []' in notebook
    assert '"output_type"' not in notebook


def test_no_file_names_a_machine_or_a_registry() -> None:
    files = [
        path
        for pattern in ("*.md", "*.toml", "*.yml", "Makefile", "agentnb/**/*.py", "tests/**/*.py", "widgets/*.json")
        for path in ROOT.glob(pattern)
        if "node_modules" not in path.parts
    ]
    told = re.compile(r"/(?:wo" r"rk|ro" r"ot)/[a-z]|registry\.npm" r"js|files\.python" r"hosted")

    assert len(files) > 100
    assert not [path for path in files if told.search(path.read_text())]


def test_the_event_loop_of_a_test_is_not_nested() -> None:
    """Nothing here patches asyncio: nest-asyncio is there for users' own cells only."""
    import agentnb.agents
    import agentnb.notebook  # noqa: F401

    assert not hasattr(asyncio, "_nest_patched")
