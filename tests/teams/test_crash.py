from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import pytest


async def killed(kills: int, seed: int) -> list[dict[str, Any]]:
    """Return what became of runs that were killed so often in all."""
    at_work = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.teams.crash", str(kills), str(seed)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, wrong = await at_work.communicate()

    assert at_work.returncode == 0, wrong.decode()[-2000:]
    found: list[dict[str, Any]] = json.loads(told)
    return found


def check(told: list[dict[str, Any]], kills: int) -> None:
    assert sum(one["kills"] for one in told) >= kills
    for one in told:
        assert one["ended"] == "run.finished", one
        assert one["dense"], one
        assert one["twice"] == [], one
        assert one["unknown"] == [], one
        assert one["folds"], one
        assert one["same"], one


@pytest.mark.skipif(sys.platform == "win32", reason="processes are forked and killed")
async def test_teams_killed_two_hundred_times_lose_nothing_and_do_nothing_twice() -> None:
    check(await killed(200, 1), 200)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="processes are forked and killed")
@pytest.mark.parametrize("seed", range(2, 6))
async def test_other_two_hundred_kills_lose_nothing_and_do_nothing_twice(seed: int) -> None:
    check(await killed(200, seed), 200)
