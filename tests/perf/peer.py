"""The contestants of a benchmark: the same program, run by two interpreters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

WORKER = Path(__file__).with_name("worker.py")
TALKER = Path(__file__).with_name("talker.py")
ROOT = WORKER.parents[2]


class Contestant:
    """A fresh process that answers requests of measurement; idle, it takes no CPU time from the other.

    Args:
        python: Its interpreter; the peer's is that of an environment with AutoGen, None means agentnb and this one.
        program: What it runs.
    """

    def __init__(self, python: str | None = None, program: Path = WORKER) -> None:
        # Neither may find the files beside the program as modules of its own.
        command = [sys.executable, "-P", str(program), "--agentnb"] if python is None else [python, "-I", str(program)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def ask(self, **request: Any) -> Any:
        """Have something measured.

        Raises:
            RuntimeError: If the process ended; what it said is on standard error.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()} when asked for {request}.")
        return json.loads(line)
