"""A run's file that is written again, and one that another process writes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentnb.exceptions import LogUnreadable, UserError
from agentnb.runlog import RunFinished, RunLog, RunStarted
from tests.runlog.conftest import texts_of

needs_locks = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")


def kept(log: RunLog) -> Path:
    log.close()
    assert log.path is not None
    return log.path


# -- reopen -----------------------------------------------------------------------------------------------------------


def test_an_opened_log_knows_its_file_and_leaves_it_alone(log: RunLog) -> None:
    log.note("one")
    path = kept(log)
    before = path.read_bytes()

    again = RunLog.open(path)
    again.note("not saved")

    assert again.path == path
    assert again.unsaved == 1
    assert path.read_bytes() == before


def test_a_reopened_log_goes_on_in_its_file(log: RunLog) -> None:
    log.note("one")
    path = kept(log)

    again = RunLog.open(path).reopen()
    again.note("two")

    assert [(event.id, event.seq) for event in RunLog.open(path)] == [(f"{log.id}:1", 1), (f"{log.id}:2", 2)]
    assert texts_of(RunLog.open(path)) == ["one", "two"]
    assert again.unsaved == 0


def test_what_was_added_to_an_opened_log_is_written_when_it_is_reopened(log: RunLog) -> None:
    path = kept(log)
    again = RunLog.open(path)
    again.note("before")

    again.reopen()
    again.note("after")

    assert texts_of(RunLog.open(path)) == ["before", "after"]


def test_a_half_written_line_is_cut_off_when_the_file_is_reopened(log: RunLog) -> None:
    log.note("whole")
    log.note("half")
    path = kept(log)
    path.write_bytes(path.read_bytes()[:-20])

    again = RunLog.open(path).reopen()
    again.note("next")

    assert texts_of(RunLog.open(path)) == ["whole", "next"]
    assert path.read_bytes().endswith(b"\n")


@pytest.mark.parametrize("left", [0, 10])
def test_a_file_that_was_hardly_begun_is_begun_again(log: RunLog, left: int) -> None:
    path = kept(log)
    path.write_bytes(path.read_bytes()[:left])

    again = RunLog.open(path).reopen()
    again.note("first")

    assert texts_of(RunLog.open(path)) == ["first"]
    assert RunLog.open(path).id == again.id


def test_reopening_reads_what_came_since_the_file_was_opened(log: RunLog) -> None:
    path = kept(log)
    early = RunLog.open(path)
    RunLog.open(path).reopen().note("by another")

    early.reopen()
    early.note("by this one")

    assert texts_of(early) == texts_of(RunLog.open(path)) == ["by another", "by this one"]


def test_two_logs_that_both_went_on_are_not_mixed(log: RunLog) -> None:
    path = kept(log)
    early = RunLog.open(path)
    early.note("mine")
    other = RunLog.open(path).reopen()
    other.note("theirs")
    other.close()

    with pytest.raises(UserError, match=r"1 new facts, and 1 were added here, unsaved.*log\.save"):
        early.reopen()

    assert texts_of(RunLog.open(path)) == ["theirs"]
    RunLog.open(path).reopen().note("nobody holds the file")


def test_a_log_in_memory_has_nothing_to_reopen() -> None:
    log = RunLog()
    log.note("x")

    assert log.reopen() is log
    assert log.path is None


def test_a_file_that_is_gone_cannot_be_reopened(log: RunLog) -> None:
    path = kept(log)
    again = RunLog.open(path)
    path.unlink()

    with pytest.raises(LogUnreadable, match="cannot be read: No such file"):
        again.reopen()
    assert not path.exists()


def test_a_file_that_lost_facts_is_not_written_to(log: RunLog) -> None:
    log.note("one")
    log.note("two")
    path = kept(log)
    again = RunLog.open(path)
    path.write_bytes(path.read_bytes()[:-60])
    before = path.read_bytes()

    with pytest.raises(LogUnreadable, match="has lost facts since it was read"):
        again.reopen()
    assert path.read_bytes() == before


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="root may write everywhere")
def test_a_file_that_may_not_be_written_says_what_to_do_instead(log: RunLog) -> None:
    path = kept(log)
    path.chmod(0o400)

    with pytest.raises(UserError, match=r"Permission denied.*log\.branch\(at=len\(log\)\)"):
        RunLog.open(path).reopen()


# -- one writer -------------------------------------------------------------------------------------------------------


@needs_locks
def test_a_file_has_one_writer_in_a_process(log: RunLog) -> None:
    log.note("x")
    assert log.path is not None

    with pytest.raises(UserError, match=r"another log of this.*is writing it.*log\.branch\(at=len\(log\)\)"):
        RunLog.open(log.path).reopen()

    log.close()
    RunLog.open(log.path).reopen().note("y")
    assert texts_of(RunLog.open(log.path)) == ["x", "y"]


@needs_locks
def test_a_log_that_is_thrown_away_lets_its_file_go() -> None:
    def leave() -> Path:
        log = RunLog.create("x")
        assert log.path is not None
        return log.path

    RunLog.open(leave()).reopen().note("x")


_WRITER = """
import sys
from pathlib import Path
from agentnb.runlog import RunLog
log = RunLog.create("elsewhere", folder=Path(sys.argv[1]))
log.note("0")
print(log.path, flush=True)
for number, _ in enumerate(sys.stdin, start=1):
    log.note(str(number))
    print(number, flush=True)
"""


class Elsewhere:
    """Another process that writes a run, one fact for each `step`."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.path = Path(self._line())

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def step(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self._line()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Elsewhere]:
    other = Elsewhere(tmp_path)
    yield other
    other.kill()


@needs_locks
def test_a_run_that_goes_on_in_another_process_is_not_taken_from_it(elsewhere: Elsewhere) -> None:
    log = RunLog.open(elsewhere.path)

    with pytest.raises(UserError, match=rf"(the process {elsewhere.process.pid}|another process).* is writing it"):
        log.reopen()

    assert texts_of(log) == ["0"]


@needs_locks
def test_the_run_of_a_process_that_was_killed_can_be_taken_over(elsewhere: Elsewhere) -> None:
    elsewhere.step()
    elsewhere.kill()
    assert elsewhere.process.returncode == -signal.SIGKILL

    log = RunLog.open(elsewhere.path).reopen()
    log.note("taken over")

    assert texts_of(RunLog.open(elsewhere.path)) == ["0", "1", "taken over"]


def test_facts_added_after_somebody_else_wrote_stay_in_memory_with_a_warning(log: RunLog) -> None:
    path = kept(log)
    other = RunLog.open(path).reopen()
    other.note("theirs")
    other.close()

    with pytest.warns(RuntimeWarning, match="has written to it since this log let it go"):
        log.note("mine")
    with pytest.raises(UserError, match="has written to it since"):
        log.reopen()

    assert log.unsaved == 1
    assert texts_of(RunLog.open(path)) == ["theirs"]


# -- refresh ----------------------------------------------------------------------------------------------------------


def test_an_opened_log_is_brought_up_to_date_while_another_process_writes(elsewhere: Elsewhere) -> None:
    log = RunLog.open(elsewhere.path)
    assert log.refresh() == []

    elsewhere.step()
    elsewhere.step()
    fresh = log.refresh()

    assert [event.seq for event in fresh] == [2, 3]
    assert texts_of(log) == ["0", "1", "2"]
    assert log.refresh() == []


def test_a_log_whose_file_was_hardly_begun_is_brought_up_to_date(log: RunLog) -> None:
    log.note("x")
    path = kept(log)
    whole = path.read_bytes()
    path.write_bytes(whole[:10])
    early = RunLog.open(path)

    path.write_bytes(whole)

    assert [event.seq for event in early.refresh()] == [1]
    assert early.id == log.id


async def test_a_follower_of_an_opened_log_gets_what_is_read_later(log: RunLog) -> None:
    started = log.append(RunStarted(runner="team", runner_type="T"))
    assert log.path is not None
    opened = RunLog.open(log.path)
    seen: list[str] = []
    first = asyncio.Event()

    async def follow() -> None:
        async for event in opened.follow():
            seen.append(event.kind)
            first.set()

    following = asyncio.create_task(follow())
    await first.wait()
    log.append(RunFinished(outcome="done"), parent=started.id)
    opened.refresh()
    await following

    assert seen == ["run.started", "run.finished"]


def test_a_log_that_writes_has_nothing_to_read(log: RunLog) -> None:
    log.note("x")

    assert log.refresh() == []
    assert RunLog().refresh() == []
