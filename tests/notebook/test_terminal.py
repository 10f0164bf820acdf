"""The same cell in IPython's terminal: text as it is said, questions by a line of input, Ctrl-C that keeps the run."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect  # type: ignore[import-untyped]
import pytest

from tests.notebook.front_end import ROOT

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Any]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(tmp_path), "TERM": "dumb"}
    flags = ["--simple-prompt", "--no-banner", "--colors=nocolor", "--no-confirm-exit"]
    child = pexpect.spawn(
        sys.executable, ["-m", "IPython", *flags], env=environment, encoding="utf-8", timeout=30, echo=False
    )
    child.expect(r"In \[1\]")
    child.sendline("%load_ext agentnb")
    child.expect(r"In \[2\]")
    child.sendline("from tests.notebook.runners import *; waiter = Waiter(); asker = Asker(); talker = Talker()")
    child.expect(r"In \[3\]")
    yield child
    child.close(force=True)


def test_a_cell_prints_its_run_and_waits_for_the_end(terminal: Any) -> None:
    terminal.sendline("%%agentteam talker -o run\nsay three\n\n")
    for told in ("say three", "one", "two", "three", "Done", r"In \[4\]"):
        terminal.expect(told)

    terminal.sendline("run.state, len(run.messages)")

    terminal.expect(r"\('done', 4\)")


def test_ctrl_c_stops_the_run_and_keeps_it(terminal: Any) -> None:
    terminal.sendline("%%agentteam waiter -o run\nwait\n\n")
    terminal.expect("before")

    terminal.sendintr()

    terminal.expect(r"RunStopped: run 1 was stopped; 2 messages and all facts are kept\.")
    terminal.expect(r"In \[4\]")
    terminal.sendline("run.state, run.log.events[-1].kind")
    terminal.expect(r"\('stopped', 'run.finished'\)")


def test_a_question_is_answered_at_the_prompt(terminal: Any) -> None:
    terminal.sendline("%%agentteam asker -o run\nask\n\n")
    terminal.expect(r"ana asks")
    terminal.expect(r"Which island\?")
    terminal.expect("> ")

    terminal.sendline("Biscoe")

    terminal.expect("heard Biscoe")
    terminal.expect(r"In \[4\]")


def test_ctrl_c_ends_a_question_and_leaves_the_prompt_usable(terminal: Any) -> None:
    terminal.sendline("%%agentteam asker -o run\nask\n\n")
    terminal.expect("> ")

    terminal.sendintr()

    terminal.expect("RunStopped")
    terminal.expect(r"In \[4\]")
    terminal.sendline("6 * 7")
    terminal.expect("42")
