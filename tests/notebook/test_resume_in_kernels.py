"""Runs that are gone on from, on a real kernel with a hand-made page: ■, a kernel that is killed, the day after."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.notebook.front_end import CLIENTS, Kernel

pytestmark = [pytest.mark.parametrize("client", CLIENTS[:1], indirect=True), pytest.mark.timeout(120)]

WHOLE = ["count", "ana 1", "ben 1", "ana 2", "ben 2"]
LOADED = "%load_ext agentnb\nfrom tests.notebook.runners import *\nimport asyncio, agentnb, agentnb.notebook"


def said(kernel: Kernel, run: str = "run") -> list[str]:
    texts: list[str] = eval(kernel.value(f"[m.to_text() for m in {run}.messages]"))
    return texts


def break_off(kernel: Kernel) -> None:
    """Run a team, and press ■ while ben has the word."""
    page = kernel.page()
    kernel.do("team = Duo(waits=True)")
    cell = kernel.run("%%agentteam team -o run --wait\ncount")
    kernel.pump(lambda: "ana 1" in page.texts)
    kernel.manager.interrupt_kernel()
    cell.finish()
    assert said(kernel) == ["count", "ana 1"]


def test_a_run_that_was_stopped_is_taken_up_by_the_same_team_in_the_next_cell(kernel: Kernel) -> None:
    break_off(kernel)
    page = kernel.page()
    kernel.do("team.ben.gate.set()")

    cell = kernel.do("%%agentteam team --resume run -o again --wait")
    kernel.pump(lambda: "ben 2" in page.texts)

    assert cell.error is None
    assert [text for text in page.texts if text in WHOLE] == WHOLE
    assert any("broke off here" in text for text in page.texts)
    assert said(kernel, "again") == WHOLE
    assert kernel.value("team.ana.asked") == "2"
    assert "ana 1" in cell.shown[-1]["data"]["text/html"]
    assert cell.shown[-1]["data"]["text/plain"].startswith("duo: Done, 4 turns, ")


def test_two_views_of_one_run_do_not_share_what_they_show(kernel: Kernel) -> None:
    break_off(kernel)
    first = kernel.pages[-1].run_id
    page = kernel.page()
    kernel.do("team.ben.gate.set()")

    kernel.do("%%agentteam team --resume run --wait")

    assert page.run_id != first
    assert page.run_id.startswith(first)


def test_the_interrupt_button_ends_a_resumed_run_and_it_can_be_taken_up_again(kernel: Kernel) -> None:
    break_off(kernel)
    page = kernel.page()
    cell = kernel.run("%%agentteam team --resume run -o again --wait")
    kernel.pump(lambda: any("takes up the turn" in text for text in page.texts))

    pressed = datetime.now(UTC)
    kernel.manager.interrupt_kernel()
    cell.finish()

    assert (cell.ended_at - pressed).total_seconds() < 0.5
    assert cell.error is not None
    assert cell.error["ename"] == "RunStopped"
    assert said(kernel, "again") == ["count", "ana 1"]
    kernel.page()
    kernel.do("team.ben.gate.set()")
    kernel.do("%%agentteam team --resume again -o last --wait")
    assert said(kernel, "last") == WHOLE


def test_what_a_killed_kernel_was_at_is_found_shown_and_taken_up_by_the_next(kernel: Kernel) -> None:
    break_off(kernel)
    page = kernel.page()
    kernel.run("%%agentteam team --resume run -o again --wait")
    kernel.pump(lambda: any("takes up the turn" in text for text in page.texts))
    (name,) = {page.run_id[:8]}

    kernel.restart()
    assert kernel.do(LOADED).error is None
    listed = kernel.do("%agentteam runs").printed
    shown = kernel.do(f"%agentteam show {name} -o run")

    (line,) = (line for line in listed.splitlines() if line.startswith(name))
    assert "broken off" in line
    assert shown.error is None
    assert "ana 1" in shown.shown[0]["data"]["text/html"]
    assert kernel.value("run.state, len(run.to_df('turns')) > 0") == "('broken off', True)"
    kernel.page()
    kernel.do("team = Duo()")
    cell = kernel.do("%%agentteam team --resume run -o last --wait")
    assert cell.error is None
    assert said(kernel, "last") == WHOLE
    assert kernel.value("team.ana.asked") == "1"


def test_the_view_follows_a_team_that_goes_back_into_its_branch(kernel: Kernel) -> None:
    page = kernel.page()
    kernel.do("team = checked()")

    cell = kernel.do("%%agentteam team -o run --wait\ncount")
    kernel.pump(lambda: any("a branch of the run" in text for text in page.texts))

    assert cell.error is None
    back, again = (item for item in page.items if item.get("text") == "ana 2")
    assert (back["label"], back["open"], again.get("label", ""), again["open"]) == ("taken back", False, "", True)
    assert kernel.value("run.log.origin is not None and run.log.id != run.log.origin.run") == "True"
    assert "a branch of the run" in cell.shown[-1]["data"]["text/html"]


def test_a_question_asked_in_a_branch_is_answered_through_the_widget(kernel: Kernel) -> None:
    page = kernel.page()
    kernel.do("team = checked_person()")
    cell = kernel.run("%%agentteam team -o run --wait\ncount")
    kernel.pump(lambda: page.question)
    assert page.question is not None

    page.say({"t": "answer", "id": page.question["id"], "text": "Biscoe"})
    cell.finish()

    assert cell.error is None
    assert said(kernel)[-1] == "Biscoe"
    assert kernel.value("run.log.origin is None") == "False"
    assert kernel.value("[e.body.by for e in run.log if e.kind == 'input.answered']") == "['widget']"
    assert kernel.question() is None
