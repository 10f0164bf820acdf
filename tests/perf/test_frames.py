"""The benchmarks of tables."""

from __future__ import annotations

import pytest

from agentnb.transcripts import FRAMES
from tests.perf.__main__ import main
from tests.perf.frames import OPENED


def test_the_quick_form_prints_a_row_for_every_table_and_for_opened_logs(capsys: pytest.CaptureFixture[str]) -> None:
    main(["frames", "--quick"])

    printed = capsys.readouterr().out
    for kind in FRAMES:
        assert f"| {kind} of " in printed
    assert printed.count("opened from its file") == printed.count("just made") == len(OPENED)
