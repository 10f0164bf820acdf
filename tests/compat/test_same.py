"""AutoGen's programs give the same messages in the same order here as with AutoGen 0.7.5.

`same/*.py` holds the programs, and `same/recorded/*.json` what AutoGen did: messages, results, and what its models were
asked (`same/driver.py` writes it). Left out are ids, times, the words of stop reasons and prompts, and what the README
lists as different.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentnb.compat import autogen
from tests.compat.same import driver

ROOT = Path(__file__).parents[2]
RECORDED: dict[str, Any] = {
    name: seen
    for group in driver.GROUPS
    for name, seen in json.loads((driver.RECORDED / f"{group}.json").read_text(encoding="utf-8")).items()
}


@pytest.fixture(scope="module")
def programs() -> Iterator[Any]:
    kept = set(sys.modules)
    with autogen.installed():
        yield driver.load()
    for name in set(sys.modules) - kept:
        if name.startswith("tests.compat.same."):
            del sys.modules[name]


@pytest.fixture(autouse=True)
def a_place_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AGENTNB_RUNS", str(tmp_path))


def differences(theirs: Any, ours: Any, where: str = "") -> Iterator[str]:
    """Say where two things that were seen differ; an error of ours may be of a narrower class."""
    if isinstance(theirs, dict) and isinstance(ours, dict) and theirs.keys() == ours.keys():
        if "raised" in theirs and theirs["raised"][0] in ours["raised"]:
            return
        for key in theirs:
            yield from differences(theirs[key], ours[key], f"{where}.{key}")
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for place, (one, other) in enumerate(zip(theirs, ours, strict=True)):
            yield from differences(one, other, f"{where}[{place}]")
    elif theirs != ours:
        yield f"{where}: AutoGen has {theirs!r:.500}, we have {ours!r:.500}"


@pytest.mark.parametrize("program", RECORDED)
async def test_a_program_says_and_asks_what_it_does_with_autogen(program: str, programs: Any) -> None:
    ours = await programs.seen_of(program)

    assert list(differences(RECORDED[program], ours)) == []


def test_every_program_was_recorded_and_none_failed(programs: Any) -> None:
    ends = {name: seen[-1].get("said") for name, seen in RECORDED.items()}

    assert sorted(RECORDED) == sorted(programs.PROGRAMS)
    assert [name for name, said in ends.items() if said in ("failed", "hangs")] == []


@pytest.mark.slow
def test_autogen_still_does_what_was_recorded() -> None:
    peer = os.environ.get("AGENTNB_AUTOGEN")
    if not peer:
        pytest.skip("AGENTNB_AUTOGEN names no Python of an environment with autogen-agentchat 0.7.5")

    done = subprocess.run(
        [peer, "-B", "-m", "tests.compat.same.driver", "autogen"], capture_output=True, text=True, timeout=100, cwd=ROOT
    )

    seen = {line["program"]: line["seen"] for line in map(json.loads, done.stdout.splitlines())}
    assert seen == RECORDED
