"""The examples in docstrings run as they stand, on stand-ins for what they take for granted."""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import pytest
from PIL import Image as pil
from pydantic import BaseModel

import agentnb
from agentnb.models import ScriptedChatCompletionClient
from agentnb.runlog import Noted, RunLog
from agentnb.runtimes import BaseAgent, MessageContext, RoutedAgent, SingleThreadedAgentRuntime
from agentnb.tools import FunctionTool
from tests.models.conftest import openai_server
from tests.models.server import OpenAIServer

__all__ = ["openai_server"]

ROOT = Path(__file__).parent.parent / "agentnb"
RECORDED = "20260101-120000-writers-1a2b3c4d.jsonl"
# A progress ledger, which does for a plan as well.
PROGRESS = (
    '{"is_request_satisfied": true, "is_in_loop": false, "is_progress_being_made": true, '
    '"next_speaker": "writer", "instruction_or_question": "Go on."}'
)
# A page that answers, and a GGUF file of the user's: the browser tests and the tests of the local client have those.
ELSEWHERE = {"TranscriptWidget", "LocalChatCompletionClient"}


def examples() -> Iterator[Any]:
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            found = re.search(r"^```python\n(.*?)^```", inspect.cleandoc(ast.get_docstring(node) or ""), re.S | re.M)
            if found and node.name not in ELSEWHERE:
                yield pytest.param(found[1], id=f"{path.parent.name}.{node.name}")


def public_names() -> dict[str, Any]:
    names: dict[str, Any] = {"asyncio": asyncio, "Path": Path}
    for module in pkgutil.walk_packages(agentnb.__path__, "agentnb."):
        if not module.name.endswith("__main__"):
            held = importlib.import_module(module.name)
            for name in getattr(held, "__all__", ()):
                names.setdefault(name, getattr(held, name))
            names |= {name: value for name, value in vars(held).items() if inspect.isclass(value) and name not in names}
    return names


class Echo(BaseAgent):
    """Says what it hears."""

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
        return message


class Echoing(SingleThreadedAgentRuntime):
    """A runtime that has the agent the example sends to."""

    def start(self) -> None:
        super().start()
        self._residents.add_factory("echo", lambda: Echo("says it again"), None, None)
        self._residents.add_factory("adder", lambda: Echo("would add"), None, None)


class Searcher(RoutedAgent):
    """Finds things."""

    def __init__(self) -> None:
        super().__init__("finds things")


@dataclass
class Answer:
    """What was found."""

    text: str


class Place(BaseModel):
    """Where."""

    name: str


def search(query: str) -> str:
    """Find something."""
    return query


class Connection:
    """Something to read from."""

    async def read(self) -> bytes:
        return b"read"


@pytest.mark.parametrize("example", list(examples()))
async def test_the_example_of_a_docstring_runs(
    example: str, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    openai_server.say("four")
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.chdir(tmp_path)
    names = public_names()
    log = RunLog.create("writers", folder=tmp_path / "made")
    client = ScriptedChatCompletionClient(["APPROVE"], repeats=True)
    writer, critic = (names["AssistantAgent"](name, client) for name in ("writer", "critic"))
    team = names["RoundRobinGroupChat"]([writer, critic], max_turns=2)
    await team.run(task="go", log=log)
    log.append(Noted(text="recorded"))
    (tmp_path / ".agentnb" / "runs").mkdir(parents=True)
    log.save(tmp_path / ".agentnb" / "runs" / RECORDED)
    pil.new("RGB", (2, 2)).save(tmp_path / "plot.png")
    runtime = Echoing()
    runtime.start()
    names |= {
        "Annotated": Annotated,
        "Answer": Answer,
        "Searcher": Searcher,
        "Place": Place,
        "SingleThreadedAgentRuntime": Echoing,
        "client": client,
        "connection": Connection(),
        "critic": critic,
        "dataclass": dataclass,
        "fetch": FunctionTool(search, "Fetches.", name="fetch"),
        "get_weather": lambda: "rain",
        "input": lambda prompt: "yes",
        "log": log,
        "planner": ScriptedChatCompletionClient([PROGRESS], repeats=True),
        "penguins": pd.DataFrame({"species": ["a"]}),
        "runtime": runtime,
        "search": FunctionTool(search, "Searches."),
        "team": team,
        "token": names["CancellationToken"](),
        "writer": writer,
    }

    code = compile(example, "example", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    pending = eval(code, names)
    if inspect.isawaitable(pending):
        await pending
    await runtime.close()
