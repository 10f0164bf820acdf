"""`make perf`: the actor core, team turns, model calls, tools, log appends, tables, states, imports, kernel blocks.

`make perf PEER=PATH` measures AutoGen in the same run, in turns, where PATH is the Python of an environment that holds
autogen-agentchat and, for model calls, autogen-ext[openai]. Ratios hold from machine to machine; µs do not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import platform
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from tests.perf import calls, core, frames, imports, kernels, logs, state, teams, tools
from tests.perf.bench import FULL, QUICK, Effort, Figure, table

Benchmarks = Callable[[str | None, Effort], Coroutine[Any, Any, list[Figure]]]
"""Measures, given the peer's interpreter and how long."""

SUBJECTS: dict[str, Benchmarks] = {
    "core": core.run,
    "teams": teams.run,
    "calls": calls.run,
    "tools": tools.run,
    "logs": logs.run,
    "frames": frames.run,
    "state": state.run,
    "imports": imports.run,
    "kernels": kernels.run,
}


def as_json(figures: Sequence[Figure]) -> str:
    """Return the figures with their ratios; what was not measured is null."""

    def number(value: float) -> float | None:
        return None if math.isnan(value) else value

    rows = [
        {
            "name": f.name,
            "unit": f.unit,
            "ours": f.ours,
            "baseline": number(f.baseline),
            "against": f.against,
            "ratio": number(f.ratio),
            "peer": number(f.peer),
            "of_peer": number(f.of_peer),
            "target": None if f.target is None else f.target._asdict(),
            "met": f.met,
        }
        for f in figures
    ]
    return json.dumps({"python": platform.python_version(), "figures": rows}, indent=1, ensure_ascii=False)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.perf", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"any of {', '.join(SUBJECTS)}; default: all")
    parser.add_argument("--peer", metavar="PYTHON", help="Python of an environment with autogen-agentchat")
    parser.add_argument("--quick", action="store_true", help="a smoke run: every row, no figure to rely on")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures here too")
    chosen = parser.parse_args(arguments)
    unknown = [subject for subject in chosen.subjects if subject not in SUBJECTS]
    if unknown:
        parser.error(f"no benchmarks of {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AGENTNB_RUNS"] = folder
        for subject in chosen.subjects or SUBJECTS:
            figures += asyncio.run(SUBJECTS[subject](chosen.peer, QUICK if chosen.quick else FULL))
    print(table(figures))
    if chosen.json is not None:
        chosen.json.write_text(as_json(figures) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
