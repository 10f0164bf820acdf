"""Runs the suite as two processes side by side: `python -m tests.halves`.

One half waits for kernels and browsers most of its time, so two cores do both in two thirds of the time.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import IO

TESTS = Path(__file__).parent
WAITING = ("browser", "code_executors", "flows", "notebook", "widgets")


def halves() -> tuple[list[str], list[str]]:
    """Return the paths of both halves; every test is in one of them."""
    held = [path for path in sorted(TESTS.iterdir()) if path.name.startswith("test_") or any(path.rglob("test_*.py"))]
    waiting = [str(path) for path in held if path.name in WAITING]
    return waiting, [str(path) for path in held if path.name not in WAITING]


def show(half: IO[str]) -> list[str]:
    """Show the lines that a half has written since the last look, and return those that name a test that failed."""
    named = []
    for line in half:
        print(line, end="", flush=True)
        if line.startswith(("FAILED ", "ERROR ")):
            named.append(line.rstrip())
    return named


def main(options: list[str]) -> int:
    """Run both halves, show one's lines as they come and the other's after it, and return 0 if both pass."""
    pytest = [sys.executable, "-m", "pytest", *options]
    running: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        # Files, not pipes: a process that a test leaves behind would keep a pipe open.
        outputs = [Path(folder, name) for name in ("waiting", "rest")]
        for paths, output in zip(halves(), outputs, strict=True):
            into = stack.enter_context(output.open("wb"))
            running.append(subprocess.Popen([*pytest, *paths], stdout=into, stderr=subprocess.STDOUT))
            stack.callback(running[-1].kill)
        first, second = (stack.enter_context(output.open(encoding="utf-8", errors="replace")) for output in outputs)
        failed = []
        while running[0].poll() is None:
            failed += show(first)
            time.sleep(0.5)
        running[1].wait()
        failed += show(first) + show(second)
    # At the end, where whoever looks at a long output looks first.
    print(*failed, sep="\n")
    return next((half.returncode for half in running if half.returncode), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
