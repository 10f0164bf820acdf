"""Runs the suite as two processes side by side: `python -m tests.halves`.

One half waits for kernels and browsers most of its time, so two cores do both in two thirds of the time.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

TESTS = Path(__file__).parent
WAITING = ("browser", "code_executors", "flows", "notebook", "widgets")


def halves() -> tuple[list[str], list[str]]:
    """Return the paths of both halves; every test is in one of them."""
    held = [path for path in sorted(TESTS.iterdir()) if path.name.startswith("test_") or any(path.rglob("test_*.py"))]
    waiting = [str(path) for path in held if path.name in WAITING]
    return waiting, [str(path) for path in held if path.name not in WAITING]


def shown(half: IO[str]) -> list[str]:
    """Show a half's lines as they come, and return those that name a test that failed."""
    named = []
    for line in half:
        print(line, end="", flush=True)
        if line.startswith(("FAILED ", "ERROR ")):
            named.append(line.rstrip())
    return named


def main(options: list[str]) -> int:
    """Run both halves, show one's lines as they come and the other's after it, and return 0 if both pass."""
    waiting, rest = halves()
    pytest = [sys.executable, "-m", "pytest", *options]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as kept:
        other = subprocess.Popen([*pytest, *rest], stdout=kept, stderr=subprocess.STDOUT)
        try:
            with subprocess.Popen([*pytest, *waiting], stdout=subprocess.PIPE, text=True, errors="replace") as one:
                assert one.stdout is not None
                failed = shown(one.stdout)
            second = other.wait()
        finally:
            other.kill()
        kept.seek(0)
        failed += shown(kept)
    # At the end, where whoever looks at a long output looks first.
    print(*failed, sep="\n")
    return one.returncode or second


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
