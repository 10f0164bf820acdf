"""A log on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentnb.runlog import RunLog


@pytest.fixture
def log(runs: Path) -> RunLog:
    return RunLog.create("test")
