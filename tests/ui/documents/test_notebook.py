"""The notebook is valid, holds the code that ran, and runs again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from agentnb.agents import AssistantAgent, CodeExecutorAgent, approve_all
from agentnb.code_executors.jupyter import JupyterCodeExecutor
from agentnb.models.scripted import ScriptedChatCompletionClient
from agentnb.runlog import RunLog, VariablesShared
from agentnb.teams import RoundRobinGroupChat
from agentnb.transcripts.export import tell
from agentnb.ui import export
from agentnb.ui.documents.notebook import notebook_document
from tests.ui.documents.runs import Told
from tests.ui.sample import PIXEL, sample_log


def _read(log: RunLog, **options: Any) -> dict[str, Any]:
    text = notebook_document(tell(log), **options)
    nbformat.validate(nbformat.reads(text, as_version=4))
    read: dict[str, Any] = json.loads(text)
    assert (read["nbformat"], read["nbformat_minor"]) == (4, 5)
    return read


def _codes(log: RunLog) -> list[str]:
    return [cell["source"] for cell in _read(log)["cells"] if cell["cell_type"] == "code"]


async def test_a_run_s_code_runs_again_in_a_fresh_kernel_and_gives_the_same(tmp_path: Path) -> None:
    script = [
        "First:\n\n```python\nx = 6 * undefined\n```",
        "Fixed:\n\n```python\nx = 6 * 7\nprint('x is', x)\n```",
        "And:\n\n```python\nx + 1\n```\n\nDONE",
    ]
    coder = AssistantAgent("coder", model_client=ScriptedChatCompletionClient(script))
    log = RunLog()
    async with JupyterCodeExecutor(timeout=60) as executor:
        kernel = CodeExecutorAgent("kernel", executor, approval_func=approve_all)
        await RoundRobinGroupChat([coder, kernel], max_turns=6).run(task="Compute.", log=log)

    book = nbformat.read(export(log, tmp_path / "run.ipynb"), as_version=4)
    kept = [cell.outputs for cell in book.cells if cell.cell_type == "code"]
    await NotebookClient(book, timeout=60).async_execute()
    again = [cell.outputs for cell in book.cells if cell.cell_type == "code"]

    assert [cell.source for cell in book.cells if cell.cell_type == "code"] == ["x = 6 * 7\nprint('x is', x)", "x + 1"]
    assert kept[0][0].text == again[0][0].text == "x is 42\n"
    assert kept[1][0].data["text/plain"] == again[1][0].data["text/plain"] == "43"


def test_messages_stand_between_the_code_without_repeating_it() -> None:
    log = Told("ana").task("Go.").turn("ana").says("I add:\n\n```python\n1 + 1\n```\nDone.").runs("1 + 1\n").over()

    kinds = [(cell["cell_type"], cell["source"]) for cell in _read(log)["cells"][1:]]

    assert kinds[0] == ("markdown", "**user**\n\nGo.")
    assert kinds[1][0] == "markdown"
    assert "1 + 1" not in kinds[1][1]
    assert kinds[2:] == [("code", "1 + 1")]


def test_outputs_are_kept_as_the_facts_hold_them() -> None:
    bundles = (
        {"text/plain": "a\n", "stream": "stdout"},
        {"text/plain": "b\n", "stream": "stdout"},
        {"text/html": "<table></table>", "text/plain": "t"},
        {"image/png": PIXEL, "text/plain": "<Figure>"},
    )
    log = Told("k").task("Go.").turn("k").runs("x = 1", "x", outputs=bundles).over()

    first, last = [cell for cell in _read(log)["cells"] if cell["cell_type"] == "code"]

    assert first["outputs"] == []
    assert last["outputs"] == [
        {"output_type": "stream", "name": "stdout", "text": "a\nb\n"},
        {"output_type": "display_data", "data": bundles[2], "metadata": {}},
        {"output_type": "display_data", "data": bundles[3], "metadata": {}},
    ]


def test_shell_blocks_become_bash_cells_and_other_languages_stay_text() -> None:
    told = Told("k").task("Go.").turn("k").runs("ls", language="sh").runs("SELECT 1", language="sql")

    cells = _read(told.over())["cells"]

    assert [cell["source"] for cell in cells if cell["cell_type"] == "code"] == ["%%bash\nls"]
    assert "```sql\nSELECT 1\n```" in cells[-1]["source"]


def test_failed_code_is_left_out_or_kept_as_text() -> None:
    log = Told("k").task("Go.").turn("k").runs("1 / 0", exit_code=1, output="ZeroDivisionError").runs("1").over()

    texts = [cell["source"] for cell in _read(log, failures="text")["cells"]]

    assert _codes(log) == ["1"]
    assert "1 / 0" not in notebook_document(tell(log))
    assert any("failed with exit code 1" in text and "```python\n1 / 0\n```" in text for text in texts)


def test_variables_that_were_handed_over_are_told_to_be_missing() -> None:
    log = sample_log()
    log.append(VariablesShared(executor="k", names=("penguins",), summary="344 rows"), source="notebook")

    assert "*These variables are not part of this notebook" in notebook_document(tell(log))
