"""The quick start as a newcomer sees it in JupyterLab."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import ARTIFACTS
from tests.browser.lab import LabServer, Notebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

ROOT = Path(__file__).parent.parent.parent

# A team whose model writes a word at a time until it is stopped: what is tested is the way to the page.
SLOW_TEAM = """
%load_ext agentnb
from agentnb.agents import AssistantAgent
from agentnb.conditions import MaxMessageTermination
from agentnb.models import ScriptedChatCompletionClient
from agentnb.teams import RoundRobinGroupChat

client = ScriptedChatCompletionClient(
    ["alpha " + "word " * 20 + "omega", "second " + "word " * 20 + "end", "third " + "word " * 400], delay=0.05)
agents = [AssistantAgent(name, client, model_client_stream=True) for name in ("ana", "ben", "cleo")]
team = RoundRobinGroupChat(agents, termination_condition=MaxMessageTermination(4))
"""

RUN_CELL = "%%agentteam team -o run\nSay something."


def static_html(notebook: Notebook, cell: int) -> str:
    return "".join(
        "".join(output["data"].get("text/html", "")) for output in notebook.outputs(cell) if "data" in output
    )


def live_text(notebook: Notebook, cell: int) -> str:
    card = notebook.cell(cell).locator("[role=log]")
    return str(card.first.inner_text()) if card.count() else ""


def test_messages_stream_into_the_cell_while_they_are_written(notebook: Callable[..., Notebook]) -> None:
    book = notebook("stream.ipynb", SLOW_TEAM, RUN_CELL)
    book.finish(0)

    book.run(1)
    book.until(lambda: "alpha" in live_text(book, 1))
    early = live_text(book, 1)
    book.until(lambda: "omega" in live_text(book, 1))
    book.page.get_by_role("button", name="Stop").click()
    book.done(1)

    assert "omega" not in early
    assert "second" not in early


def test_the_stop_button_of_jupyter_ends_the_run_within_half_a_second_and_keeps_everything(
    notebook: Callable[..., Notebook],
) -> None:
    book = notebook(
        "stop.ipynb",
        SLOW_TEAM,
        RUN_CELL,
        "from datetime import datetime, UTC\n"
        "finished = [e for e in run.log if e.kind == 'run.finished'][-1]\n"
        "print(run.state, len(run.to_df()), [m.source for m in run.result.messages])\n"
        "print(finished.at.timestamp())",
    )
    book.finish(0)
    book.run(1)
    book.until(lambda: "third" in live_text(book, 1))

    # The page's clock is the machine's: the kernel's own fact says when it was over.
    pressed = float(
        book.page.evaluate(
            "() => { const t = Date.now() / 1000; "
            "window.jupyterapp.commands.execute('notebook:interrupt-kernel'); return t; }"
        )
    )
    book.done(1)
    book.finish(2)
    first, second = "".join(book.outputs(2)[0]["text"]).split("\n")[:2]

    assert first == "stopped 3 ['user', 'ana', 'ben']"
    assert float(second) - pressed < 0.5
    texts = str(book.outputs(1))
    assert "RunStopped" in texts
    assert "Traceback" not in texts
    assert "omega" in static_html(book, 1)


def test_a_page_that_is_loaded_again_in_mid_run_finds_the_live_view(notebook: Callable[..., Notebook]) -> None:
    book = notebook("reload.ipynb", SLOW_TEAM, RUN_CELL)
    book.finish(0)
    book.run(1)
    book.until(lambda: "omega" in live_text(book, 1))
    book.save()

    book.page.reload()
    book.page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=60_000)
    book.until(lambda: "third" in live_text(book, 1), timeout=40)

    text = live_text(book, 1)
    assert "omega" in text
    assert "second" in text
    book.page.get_by_role("button", name="Stop").click()
    book.until(lambda: "topped" in book.cell(1).inner_text())


def test_two_cells_run_two_teams_at_the_same_time_each_in_its_own_place(notebook: Callable[..., Notebook]) -> None:
    setup = """
%load_ext agentnb
import asyncio
from agentnb.agents import AssistantAgent
from agentnb.models import ScriptedChatCompletionClient
from agentnb.teams import RoundRobinGroupChat

def make(word):
    client = ScriptedChatCompletionClient([f"{word} " * 60], delay=0.03)
    return RoundRobinGroupChat([AssistantAgent(word, client, model_client_stream=True)], max_turns=1)

first, second = make("apple"), make("pear")
"""
    book = notebook(
        "two.ipynb", setup, "%%agentteam first -o one --background\ngo", "%%agentteam second -o two\ngo",
        "await one\nprint(one.state, two.state)",
    )  # fmt: skip
    book.finish(0)
    book.finish(1)
    book.run(2)
    book.until(lambda: "apple" in live_text(book, 1) and "pear" in live_text(book, 2))
    book.done(2)
    book.finish(3)

    assert "done done" in str(book.outputs(3))
    assert "pear" not in static_html(book, 1)
    assert "apple" not in static_html(book, 2)
    assert "apple" in static_html(book, 1)
    assert "pear" in static_html(book, 2)


HOSTILE = """
%load_ext agentnb
from agentnb.agents import AssistantAgent
from agentnb.models import ScriptedChatCompletionClient
from agentnb.teams import RoundRobinGroupChat
attack = ("<script>window.hacked=1</script> <img src=x onerror='window.hacked=2'> [x](javascript:window.hacked=3) "
          "<svg onload='window.hacked=4'> {braces} %%magic !ls half \\ud83d "
          "<iframe srcdoc='<script>parent.hacked=5</script>'>")
team = RoundRobinGroupChat([AssistantAgent("eve", ScriptedChatCompletionClient([attack], delay=0.01),
                                           model_client_stream=True)], max_turns=1)
"""


def test_what_a_model_writes_is_shown_and_never_run(notebook: Callable[..., Notebook]) -> None:
    book = notebook("hostile.ipynb", HOSTILE, "%%agentteam team -o run\nattack {x} %%y !z", "run")
    book.finish(0)
    book.finish(1)
    book.finish(2)
    book.page.wait_for_timeout(500)

    assert book.page.evaluate("() => window.hacked") is None
    assert "<script>window.hacked=1</script>" in book.cell(1).inner_text()
    assert "{braces} %%magic !ls" in book.cell(2).inner_text()


FORMULAS = r"""
%load_ext agentnb
from agentnb.agents import AssistantAgent
from agentnb.models import ScriptedChatCompletionClient

said = r"It costs $5 and then $10. But \(a^2\), $b_1$ and \[\int c\,dx\] are formulas; "
said += r"$\href{javascript:window.hacked=1}{x}$ is none."
ana = AssistantAgent("ana", ScriptedChatCompletionClient([said]))
"""


def test_formulas_are_typeset_and_prices_are_not(notebook: Callable[..., Notebook]) -> None:
    book = notebook("formulas.ipynb", FORMULAS, "%%agentteam ana -o run\nBetween $5 and $10, please.")
    book.finish(0)
    book.finish(1)
    cell = book.cell(1)
    book.until(lambda: cell.locator("mjx-container").count() == 3)
    book.page.wait_for_timeout(500)

    assert cell.locator("mjx-container").count() == 3
    assert cell.locator("a").count() == 0
    for words in (
        "Between $5 and $10, please.",
        "It costs $5 and then $10. But",
        r"$\href{javascript:window.hacked=1}{x}$",
    ):
        assert words in cell.inner_text()


def test_a_saved_notebook_shows_the_transcript_without_a_kernel_trusted_or_not(
    notebook: Callable[..., Notebook], lab: LabServer, page: Any
) -> None:
    short = SLOW_TEAM.replace("* 400", "* 5").replace("delay=0.05", "delay=0.0")
    book = notebook("saved.ipynb", short, RUN_CELL)
    book.finish(0)
    book.finish(1)
    book.save()
    lab.stop_kernels()

    trusted = Notebook(page, lab, "saved.ipynb").open(kernel=False)
    trusted.until(lambda: "omega" in trusted.cell(1).inner_text())
    saved = lab.read("saved.ipynb")
    for cell in saved.cells:
        cell.metadata.pop("trusted", None)
    copy = lab.notebooks / "copied.ipynb"
    copy.write_text((lab.notebooks / "saved.ipynb").read_text().replace("alpha", "alpha "))
    untrusted = Notebook(page, lab, "copied.ipynb").open(kernel=False)
    untrusted.until(lambda: "omega" in untrusted.cell(1).inner_text())

    assert "model not found" not in trusted.cell(1).inner_text()
    assert "second" in untrusted.cell(1).inner_text()
    assert all("application/vnd.jupyter.widget-view+json" not in o.get("data", {}) for o in saved.cells[1].outputs)


@pytest.mark.weights
def test_the_first_notebook_streams_computes_and_draws(lab: LabServer, page: Any) -> None:
    lab.add(ROOT / "notebooks" / "00-first-team.ipynb")
    if not (lab.notebooks / "data").exists():
        lab.add(ROOT / "notebooks" / "data")
    page.set_viewport_size({"width": 1200, "height": 3600})
    book = Notebook(page, lab, "00-first-team.ipynb").open()
    book.command("application:toggle-left-area")
    cells = [i for i, cell in enumerate(lab.read("00-first-team.ipynb").cells) if cell.cell_type == "code"]

    book.finish(cells[0])
    book.run(cells[1])
    book.until(lambda: "kernel" in live_text(book, cells[1]) and "Gentoo" in live_text(book, cells[1]), timeout=120)
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / "first-team-live.png")
    book.done(cells[1], timeout=60)
    book.cell(cells[1]).screenshot(path=ARTIFACTS / "first-team.png")
    for cell in cells[2:]:
        book.finish(cell)

    team = book.cell(cells[1]).inner_text()
    assert "135M demonstration model" in team
    assert "Gentoo" in team
    assert book.cell(cells[1]).locator("img[src^='data:image/png']").count() >= 1
    assert not [o for i in cells for o in book.outputs(i) if o["output_type"] == "error"]
    lab.stop_kernels()


ASKING_TEAM = """
%load_ext agentnb
from agentnb.agents import AssistantAgent, UserProxyAgent
from agentnb.models import ScriptedChatCompletionClient
from agentnb.teams import RoundRobinGroupChat
client = ScriptedChatCompletionClient(["Which species do you mean?", lambda messages: f"Then {messages[-1].content}."])
team = RoundRobinGroupChat([AssistantAgent("ana", client), UserProxyAgent("me")], max_turns=3)
"""


def test_a_question_is_asked_and_answered_in_the_cell(notebook: Callable[..., Notebook]) -> None:
    book = notebook(
        "ask.ipynb",
        ASKING_TEAM,
        "%%agentteam team -o run\nHow heavy are they?",
        "print(run.result.messages[-1].content)",
    )
    book.finish(0)

    book.run(1)
    field = book.cell(1).get_by_role("textbox").last
    book.until(lambda: book.cell(1).get_by_role("button", name="Send").count() == 1)
    book.page.screenshot(path=ARTIFACTS / "question.png")
    field.fill("the Gentoo")
    field.press("Enter")
    book.done(1)
    book.finish(2)

    assert "Then the Gentoo." in str(book.outputs(2))
    assert "the Gentoo" in static_html(book, 1)
