"""The script compiles, whatever ran, and computes what the run computed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import PIL.Image

from agentnb import Image
from agentnb.agents import AssistantAgent
from agentnb.messages import MultiModalMessage
from agentnb.models import ScriptedChatCompletionClient
from agentnb.runlog import RunLog
from agentnb.transcripts.export import tell
from agentnb.ui import export
from agentnb.ui.documents.html import html_document
from agentnb.ui.documents.script import script_document
from tests.ui.documents.runs import Told
from tests.ui.sample import sample_log


def _script(log: RunLog) -> str:
    text = script_document(tell(log))
    compile(text, "run.py", "exec")
    return text


def test_the_script_runs_and_prints_what_the_run_printed(tmp_path: Path) -> None:
    told = Told("ana").task("Go.").turn("ana").says('A """ and a \\ in a message.')
    log = told.runs("x = 6 * 7").runs("print(x)", output="42\n").runs("1 / 0", exit_code=1).over()

    path = export(log, tmp_path / "run.py")

    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == "42\n"


def test_cells_and_talk_are_marked_as_editors_know_them() -> None:
    text = _script(sample_log())

    assert "# %% [markdown]\n# user:\n#\n# Describe the penguins" in text
    assert "# %%\nmass = penguins.groupby" in text
    assert "# person is asked: Good enough?\n#\n# yes" in text


def test_what_only_a_kernel_or_a_shell_runs_stands_in_comments() -> None:
    told = Told("k").task("Go.").turn("k").runs("%matplotlib inline\nx = 1").runs("!ls\nif x:\n    %time x")
    log = told.runs("await work()").runs("%%html\n<b>").runs("ls -l", language="bash").over()

    text = _script(log)

    assert "# %matplotlib inline\nx = 1" in text
    assert "# !ls\nif x:\n    pass  # %time x" in text
    assert "# await work()" in text
    assert "# In bash, not run by this script:\n# ls -l" in text


def test_imports_from_the_future_come_first() -> None:
    log = Told("k").task("Go.").turn("k").runs("x = 1").runs("from __future__ import annotations\ny = 2").over()

    text = _script(log)

    assert text.index("from __future__") < text.index("x = 1")
    assert text.count("from __future__") == 1


def test_failed_code_that_is_kept_says_whose_it_was_and_that_it_stands_below() -> None:
    told = Told("ana", "k").task("Go.").turn("ana").says("Try this:\n```python\n1 / 0\n```")
    log = told.turn("k").runs("1 / 0", exit_code=1).over()

    kept = script_document(tell(log), failures="text")

    assert "# k runs python · failed with exit code 1 · 0.2 s:\n# 1 / 0" in kept
    assert "runs the code above" in html_document(tell(log))


def test_one_picture_is_told_as_one() -> None:
    look = MultiModalMessage(source="user", content=["Look.", Image(PIL.Image.new("RGB", (2, 2)))])
    log = RunLog()
    AssistantAgent("ana", ScriptedChatCompletionClient(["I see."])).run_sync(task=look, log=log)

    assert "# Look.\n# [1 picture]" in _script(log)
