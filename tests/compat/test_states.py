"""States saved by AutoGen 0.7.5 go on here, and ours go on there.

`states/*.json` were saved by AutoGen itself, with what it then said and showed its models: `states/make.py` makes them.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.compat.states.programs import CASES, gone_on, until_saved

STATES = Path(__file__).parent / "states"
OURS = {
    "ended",
    "images",
    "last_speakers",
    "llm_context",
    "taken",
    "termination_condition",
    "triggered",
    "turns",
    "type",
    "unanswered",
    "version",
    "wrapped_agent",
}
"""Keys that AutoGen's loader skips: what it does not save."""
each_case = pytest.mark.parametrize("name", CASES)


def _theirs(name: str) -> Any:
    return json.loads((STATES / f"{name}.json").read_text(encoding="utf-8"))


def _same(name: str, ours: Any, theirs: Any, *, shown: bool = True) -> None:
    assert "error" not in theirs, (name, theirs)
    if CASES[name].loose:
        ours, theirs = ([said[:2] for said in went["said"]] for went in (ours, theirs))
    elif CASES[name].cut:
        count = min(len(ours["said"]), len(theirs["said"]))
        ours, theirs = ((went["said"][:count], shown and _first(went, count)) for went in (ours, theirs))
    elif not shown:
        ours, theirs = ours["said"], theirs["said"]
    assert ours == theirs, name


def _first(went: Any, count: int) -> Any:
    """Return what each of those who spoke first was shown."""
    order = [name for name, *_ in went["said"]][: min(count, 3)]
    return [went["shown"][("ana", "ben", "cleo").index(name)][0] for name in order]


@each_case
async def test_a_team_goes_on_from_a_state_of_autogens_as_autogen_does(name: str) -> None:
    saved = _theirs(name)

    went = await gone_on(name, saved["state"])

    _same(name, went, saved["then"])


@each_case
async def test_a_state_of_autogens_is_saved_again_as_it_was(name: str) -> None:
    state = _theirs(name)["state"]
    team = CASES[name].make(True)

    await team.load_state(state)
    again = json.loads(json.dumps(await team.save_state()))

    assert _without_ours(again, state) == _between_runs(state)


def _without_ours(ours: Any, theirs: Any) -> Any:
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        both = {key: one for key, one in ours.items() if key in theirs or key not in OURS}
        return {key: _without_ours(one, theirs.get(key)) for key, one in both.items()}
    return ours


def _between_runs(state: Any) -> Any:
    if isinstance(state, Mapping):
        return {key: 0 if key == "current_turn" else _between_runs(value) for key, value in state.items()}
    return state


@each_case
async def test_our_states_have_the_shape_of_autogens(name: str) -> None:
    theirs = _theirs(name)["state"]

    ours = json.loads(json.dumps(await until_saved(name)))

    assert _shape(_without_ours(ours, theirs)) == _shape(theirs)


def _shape(value: Any) -> Any:
    # Our orchestrator says what it spent, and a society's inner messages are part of our threads.
    if isinstance(value, Mapping):
        usage = {"models_usage": "usage"} if "models_usage" in value else {}
        return {key: one if key in ("type", "version") else _shape(one) for key, one in value.items()} | usage
    if isinstance(value, list):
        return sorted({json.dumps(_shape(one), sort_keys=True) for one in value})
    return type(value).__name__


@pytest.mark.slow
def test_autogen_goes_on_from_our_states_as_we_do(tmp_path: Path) -> None:
    peer = os.environ.get("AGENTNB_AUTOGEN")
    if not peer:
        pytest.skip("AGENTNB_AUTOGEN names no Python of an environment with autogen-agentchat 0.7.5")
    states = {name: asyncio.run(until_saved(name)) for name in CASES}
    file = tmp_path / "states.json"
    file.write_text(json.dumps(states), encoding="utf-8")

    done = subprocess.run(
        [peer, "-B", str(STATES / "make.py"), "--load", str(file)], capture_output=True, text=True, timeout=100
    )

    went = json.loads(done.stdout)
    for name, state in states.items():
        # AutoGen tells an agent twice what it heard in a turn that failed, and loads nothing behind a message filter.
        _same(name, asyncio.run(gone_on(name, state)), went[name], shown=name != "filtered" and not CASES[name].cut)
