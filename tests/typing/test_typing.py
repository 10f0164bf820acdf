"""User code is typed as far as Python allows: handlers, answers, contexts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.typing import actors, teams, tools

ROOT = Path(__file__).parent.parent.parent
USER_CODE = [Path(str(module.__file__)) for module in (actors, tools, teams)]

WRONG = """
from __future__ import annotations

from dataclasses import dataclass

from agentnb.core import AgentId
from agentnb.runtimes import AgentRuntime, BaseAgent, MessageContext, Request, RoutedAgent, event, message_handler


@dataclass
class Add(Request[int]):
    a: int


class Agent(RoutedAgent):
    @event  # returns nothing
    async def returns(self, message: Add, ctx: MessageContext) -> int:
        return 1

    @message_handler  # takes coroutine functions
    def not_async(self, message: Add, ctx: MessageContext) -> int:
        return 1


class Fine(RoutedAgent):
    @message_handler
    async def add(self, message: Add, ctx: MessageContext) -> int:
        return message.a


async def ask(runtime: AgentRuntime, agent: Fine, ctx: MessageContext) -> None:
    text: str = await runtime.send_message(Add(1), AgentId("a", "k"))  # the answer is an int
    await agent.add("one", ctx)  # takes an Add
    await runtime.send_message(Add(1), "a/k")  # needs an AgentId
    await runtime.publish_message(Add(1), "topic")  # needs a TopicId
"""
"""Six mistakes, each with the reason beside it."""

UNSEEN_BY_MYPY = "the answer is an int"
"""It takes the answer of an overload that does not fit for one of any type."""

MISTAKES = [number for number, line in enumerate(WRONG.splitlines(), 1) if "  # " in line]


async def test_the_user_code_runs() -> None:
    assert await actors.main() == ["3", "4 apples", "1.5", "hello", "heard"]
    assert await tools.main() == ['{"degrees": 4.0}', "to Oslo", "4", "population", "forecast"]
    assert await teams.main() == [
        "TextMessage of user",
        "TextMessage of ana",
        "ModelClientStreamingChunkEvent of ben",
        "TextMessage of ben",
        "3 messages",
        *("user", "ben", "ana", "user", "ana"),
        "TERMINATE",
        "3",
    ]


def mypy(*paths: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", *map(str, paths)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def pyright(*paths: Path) -> list[tuple[int, str]]:
    """Return the line and text of each error."""
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, *map(str, paths)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = json.loads(done.stdout)["generalDiagnostics"]
    return [
        (each["range"]["start"]["line"] + 1, each["message"])
        for each in said
        if each["severity"] in ("error", "warning")
    ]


def test_mypy_finds_nothing_in_user_code() -> None:
    done = mypy(*USER_CODE)

    assert (done.stdout, done.returncode) == ("", 0)


def test_mypy_finds_the_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(WRONG)

    done = mypy(path)

    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    seen = [number for number in MISTAKES if UNSEEN_BY_MYPY not in WRONG.splitlines()[number - 1]]
    assert sorted({int(line.split(":")[1]) for line in errors}) == seen


@pytest.mark.slow
def test_pyright_finds_nothing_in_user_code(tmp_path: Path) -> None:
    # A file says itself that it is to be read strictly; without that line it is read as most people's is.
    assert pyright(*USER_CODE) == []

    plain = [tmp_path / path.name for path in USER_CODE]
    for path, copy in zip(USER_CODE, plain, strict=True):
        copy.write_text(path.read_text().replace("# pyright: strict\n", ""))
    assert pyright(*plain) == []


@pytest.mark.slow
def test_pyright_finds_the_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(WRONG)

    assert sorted({line for line, _ in pyright(path)}) == MISTAKES
