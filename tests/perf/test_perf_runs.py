from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.perf import calls, core, state, teams, tools
from tests.perf.__main__ import main
from tests.perf.bench import Effort, Target, figure, table
from tests.perf.peer import Contestant


def test_the_quick_form_prints_every_row_of_the_core(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    main(["core", "--quick", "--json", str(tmp_path / "figures.json")])

    printed = capsys.readouterr().out
    written = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))["figures"]
    rows = [*core.TIMED, *(row for row, _ in core.WATCHED), *core.HELD, *core.HELD_BY_US]
    for row in rows:
        assert f"| {row.label}" in printed
    for row, _ in core.GROWTH:
        assert f"| {row.label.format(200)} |" in printed
    assert "| import agentnb.runtimes |" in printed
    assert all(isinstance(row["ours"], float) for row in written)
    assert [row["name"] for row in written] == [line.split(" | ")[0][2:] for line in printed.splitlines()[2:]]
    assert {row["met"] for row in written if row["target"] and row["target"]["of"] == "peer"} == {"no peer"}


def test_the_quick_form_prints_every_row_of_teams_calls_and_tools(capsys: pytest.CaptureFixture[str]) -> None:
    main(["teams", "calls", "tools", "--quick"])

    printed = capsys.readouterr().out
    for row in (*teams.TURNS, *calls.CALLS, *tools.LOOPS):
        assert f"| {row.label} |" in printed
    for row in teams.LONG:
        assert f"| {row.label.format(100)} |" in printed
    assert "2 teams at once" in printed
    assert "memory of a turn" in printed
    assert "over our transport" in printed
    assert "10 calls at once of 50 ms, plain functions (wall)" in printed


def test_the_quick_form_prints_every_row_of_logs(capsys: pytest.CaptureFixture[str]) -> None:
    main(["logs", "--quick"])

    printed = capsys.readouterr().out
    for row in ("append to memory", "append written through, 150 ch", "append written through, 1,500 ch"):
        assert f"| {row}" in printed
    assert "| open a run of 2,000 events |" in printed
    assert "| open a run of 2,000 events and look at each |" in printed
    assert printed.count("| its distinct contents |") == 2
    assert printed.count("| size of a turn, 30 turns") == 2
    assert "| team turn, followed, 30 turns |" in printed


def test_the_quick_form_prints_every_row_of_states(capsys: pytest.CaptureFixture[str]) -> None:
    main(["state", "--quick"])

    printed = capsys.readouterr().out
    for label in state.ROWS.values():
        for size in state.SIZES:
            assert f"| {label.format(size)} |" in printed
    assert "| save after 10 new messages of 10,000, per new message |" in printed


class _Answers(Contestant):
    """Says the same whatever it is asked, in no process."""

    def __init__(self, name: str, us: float, asked: list[str]) -> None:
        self._name, self._us, self._asked = name, us, asked

    def ask(self, **request: Any) -> Any:
        self._asked.append(self._name)
        return {row.name: self._us for row, _ in core.GROWTH}


def test_ours_and_the_peer_take_turns_and_turns_at_being_first() -> None:
    asked: list[str] = []

    figures = core.growth(
        Effort(rounds=2, seconds=0, crowd=100), lambda _: [_Answers("ours", 1, asked), _Answers("peer", 50, asked)]
    )

    assert asked == ["ours"] * 2 + ["peer"] * 4 + ["ours"] * 2
    assert [f.of_peer for f in figures] == [1 / 50] * len(core.GROWTH)


def test_a_peer_without_the_program_to_measure_is_reported() -> None:
    with Contestant() as contestant, pytest.raises(RuntimeError, match="when asked for"):
        contestant.ask(what="nothing known")


def test_ratios_to_the_peer_are_medians_of_the_rounds_ratios() -> None:
    made = figure("x", [1, 2, 30], baseline=[1, 1, 1], peer=[100, 100, 100], target=Target("peer", 1 / 50))

    assert made.ours == made.ratio == 2
    assert made.of_peer == pytest.approx(1 / 50)
    assert made.met == "met"


def test_a_ratio_above_its_target_is_called_missed() -> None:
    made = figure("x", [6], baseline=[5], target=Target("baseline", 1.1), against="y")

    assert made.met == "missed"
    assert table([made]).splitlines()[-1] == "| x | 6 µs | 5 µs | 1.20 | y |  |  | ≤ 1.10 of the baseline | missed |"
