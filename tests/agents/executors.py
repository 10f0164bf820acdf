"""Executors for agents that run code: one that only tells what it was given, one that really runs it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agentnb.agents import CodeExecutorAgent, approve_all
from agentnb.code_executors.base import CodeExecutor
from agentnb.core import CancellationToken
from agentnb.messages import CodeBlock, CodeResult


class Recorder(CodeExecutor):
    """Gives its results in turn, the last one over and over, or raises them; keeps what it was given."""

    def __init__(self, *gives: CodeResult | BaseException) -> None:
        self.gives = list(gives) or [CodeResult(exit_code=0, output="42\n")]
        self.ran: list[CodeBlock] = []
        self.shared: dict[str, Any] = {}
        self.stopped = False

    async def execute_code_blocks(
        self, code_blocks: Sequence[CodeBlock], cancellation_token: CancellationToken
    ) -> CodeResult:
        self.ran += code_blocks
        result = self.gives.pop(0) if len(self.gives) > 1 else self.gives[0]
        if isinstance(result, BaseException):
            raise result
        return result

    async def share(self, variables: Mapping[str, Any]) -> bool:
        self.shared.update(variables)
        return True

    async def start(self) -> None: ...
    async def stop(self) -> None:
        self.stopped = True

    async def restart(self) -> None: ...


class Processes(Recorder):
    """Runs each block in a process, in a folder."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder = folder

    async def execute_code_blocks(
        self, code_blocks: Sequence[CodeBlock], cancellation_token: CancellationToken
    ) -> CodeResult:
        output, exit_code = "", 0
        for block in code_blocks:
            program = [sys.executable, "-Ic"] if block.language == "python" else ["sh", "-c"]
            process = await asyncio.create_subprocess_exec(
                *program,
                block.code,
                cwd=Path(self.folder),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            said, _ = await process.communicate()
            output += said.decode()
            exit_code = process.returncode or 0
            if exit_code:
                break
        return CodeResult(exit_code=exit_code, output=output)


def agent(executor: CodeExecutor, **options: Any) -> CodeExecutorAgent:
    """Return an agent that runs everything."""
    return CodeExecutorAgent("kernel", executor, **{"approval_func": approve_all, **options})


def fenced(code: str, language: str = "python") -> str:
    """Return code in a fence."""
    return f"```{language}\n{code}\n```"
