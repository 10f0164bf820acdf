"""Imports in fresh processes, less an empty one."""

from __future__ import annotations

import resource
import subprocess
import sys

from tests.perf.bench import Effort, Figure, figure


def _cpu_ms(python: str, statement: str) -> float:
    """Return the CPU milliseconds of one fresh process that runs `statement`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([python, "-c", statement], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e3


def _import_ms(python: str, statement: str) -> float:
    return _cpu_ms(python, statement) - _cpu_ms(python, "pass")


def imports(name: str, ours: str, baseline: str, peer: tuple[str, str] | None, *, rounds: int) -> Figure:
    """Measure one import statement beside another and, given its Python and statement, a peer's."""
    mine, bare, theirs = [], [], []
    for number in range(rounds + 1):  # the first writes the bytecode and does not count
        a, b = _import_ms(sys.executable, ours), _import_ms(sys.executable, baseline)
        c = _import_ms(*peer) if peer is not None else 0.0
        if number:
            mine.append(a)
            bare.append(b)
            theirs += [c] if peer is not None else []
    return figure(name, mine, unit="ms", baseline=bare, against=f"`{baseline}`", peer=theirs)


async def run(peer: str | None, effort: Effort) -> list[Figure]:
    """Measure the package, and the rooms a team needs."""
    beside = None
    if peer is not None:
        beside = peer, "import autogen_agentchat.agents, autogen_agentchat.teams, autogen_agentchat.conditions"
    rooms = "import agentnb, agentnb.agents, agentnb.teams, agentnb.conditions"
    return [
        imports("import agentnb", "import agentnb", "import pydantic", beside, rounds=effort.rounds),
        imports("import agents, teams, conditions", rooms, "import pydantic", beside, rounds=effort.rounds),
    ]
