"""A log on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentnb.runlog import Noted, RunLog


@pytest.fixture
def log(runs: Path) -> RunLog:
    return RunLog.create("test")


def texts_of(log: RunLog) -> list[str]:
    """Return its remarks."""
    return [event.body.text for event in log if isinstance(event.body, Noted)]
