"""Run the programs of this folder and print what is seen of each, one JSON object a line.

`PYTHON -m tests.compat.same.driver autogen|agentnb [PROGRAM…]`, from the root of the repository. With `record` instead,
in an environment with AutoGen 0.7.5, what it does is kept in `recorded/*.json`, which the tests compare with.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

GROUPS = ("agents", "other_agents", "teams", "more_teams", "runs", "stops", "deeper", "corners", "left", "odd")
RECORDED = Path(__file__).parent / "recorded"


def load() -> Any:
    """Import the programs, by the names of whichever package AutoGen's names stand for now."""
    for group in GROUPS:
        importlib.import_module(f"tests.compat.same.{group}")
    return importlib.import_module("tests.compat.same.seen")


async def printed(names: list[str]) -> None:
    seen = load()
    for name in names or seen.PROGRAMS:
        print(json.dumps({"program": name, "seen": await seen.seen_of(name)}), flush=True)


async def record() -> None:
    seen = load()
    for group in GROUPS:
        own = [name for name, made in seen.PROGRAMS.items() if made.__module__.endswith(f".{group}")]
        lines = [f"{json.dumps(name)}: {json.dumps(await seen.seen_of(name))}" for name in own]
        (RECORDED / f"{group}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1] == "agentnb":
        from agentnb.compat import autogen

        autogen.install()
    asyncio.run(record() if sys.argv[1] == "record" else printed(sys.argv[2:]))
    sys.stdout.flush()
    os._exit(0)  # what hangs in a thread is left behind
