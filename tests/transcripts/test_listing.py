"""Runs and hits as lines for a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentnb.__main__ import main
from agentnb.transcripts.library import summaries
from agentnb.transcripts.listing import list_hits, list_runs
from agentnb.transcripts.search import hits
from tests.transcripts.shelf import days_ago, made


def test_a_line_says_what_a_run_was(tmp_path: Path) -> None:
    log = made(tmp_path, task="count the bees\nin the garden", cost_usd=0.0125)

    head, line = list_runs(summaries(tmp_path))

    assert " ".join(head.split()) == "started run team outcome turns tokens USD seconds model task"
    assert " ".join(line.split()[2:]) == f"{log.id[:8]} team done 1 13 0.0125 2.0 m-1 count the bees in the garden"


@pytest.mark.parametrize("task", ["count the bees in the garden " * 5, "数一数花园里的蜜蜂" * 9])
def test_lines_fit_the_terminal(tmp_path: Path, task: str) -> None:
    made(tmp_path, task=task)

    lines = list_runs(summaries(tmp_path), 100)

    assert lines[1].endswith("…")
    assert all(sum(2 if ord(c) > 0x2E80 else 1 for c in line) <= 100 for line in lines)


def test_columns_stand_below_each_other(tmp_path: Path) -> None:
    with days_ago(1):
        made(tmp_path, runner="蜜蜂")
    made(tmp_path, runner="writers", cost_usd=1.0)

    lines = list_runs(summaries(tmp_path))
    places = [sum(2 if ord(c) > 0x2E80 else 1 for c in line[: line.index("say something")]) for line in lines[1:]]

    assert len(set(places)) == 1


def test_a_column_without_values_is_left_out(tmp_path: Path) -> None:
    made(tmp_path)

    assert "USD" not in list_runs(summaries(tmp_path))[0]


def test_a_task_cannot_move_the_terminal(tmp_path: Path) -> None:
    made(tmp_path, task="red \x1b[31m alert \x07")

    assert list_runs(summaries(tmp_path))[1].endswith("red  [31m alert")


def test_what_is_wrong_with_a_damaged_run_stands_in_its_line(tmp_path: Path) -> None:
    (tmp_path / "odd.jsonl").write_text("nothing\n")

    assert "is no run's file" in list_runs(summaries(tmp_path))[1]


def test_a_hit_is_a_line_with_its_text(tmp_path: Path) -> None:
    log = made(tmp_path, "bees dance")

    head, line = list_hits(hits("dance", tmp_path))

    assert head.split() == ["when", "run", "fact", "who", "kind", "text"]
    assert line.split()[2:] == [log.id[:8], "6", "ana", "message", "bees", "«dance»"]


def test_the_command_lists_runs_and_hits(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = made(runs, "bees dance")
    made(runs, "ants walk")

    assert main(["runs"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert main(["runs", "--newest", "1", "--folder", str(runs)]) == 0
    assert "The newest 1 of 2 runs; `--newest 2` lists all." in capsys.readouterr().out
    assert main(["runs", "--search", "dance"]) == 0
    out = capsys.readouterr().out
    assert first.id[:8] in out
    assert "bees «dance»" in out
    assert main(["runs", "--search", "wasps"]) == 0
    assert "'wasps' is not in" in capsys.readouterr().out


def test_the_command_says_if_there_is_nothing(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs"]) == 0
    assert capsys.readouterr().out.startswith("No runs in ")
    assert main(["runs", "--folder", str(runs / "nowhere")]) == 1
    assert "UserError: There is no folder" in capsys.readouterr().err
    assert main(["runs", "--search", ""]) == 1
    assert "nothing to look for" in capsys.readouterr().err
