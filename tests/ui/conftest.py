"""A sample run, and a clock that makes it the same each time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from IPython.core.interactiveshell import InteractiveShell

from agentnb.core import Clock, set_clock
from agentnb.runlog import RunLog
from tests.ui.sample import sample_log


class Ticking(Clock):
    """A clock that moves a quarter of a second whenever somebody looks at it."""

    def __init__(self) -> None:
        super().__init__()
        self.time = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        self.made = 0

    def now(self) -> datetime:
        self.time += timedelta(seconds=0.25)
        return self.time

    def new_id(self) -> str:
        self.made += 1
        return f"00000000-0000-4000-8000-{self.made:012d}"


@pytest.fixture
def clock() -> Iterator[Clock]:
    with set_clock(Ticking()) as clock:
        yield clock


@pytest.fixture
def run_log(clock: Clock) -> RunLog:
    return sample_log()


@pytest.fixture
def shell(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell = InteractiveShell.instance()
    yield shell
    InteractiveShell.clear_instance()
