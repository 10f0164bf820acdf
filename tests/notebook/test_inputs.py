"""Who is asked, and how: the page, the line of input, nobody."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentnb.exceptions import HumanUnavailable
from agentnb.notebook import inputs
from agentnb.notebook.inputs import Reception
from agentnb.notebook.session import Session
from agentnb.runlog import RunLog


class Widget:
    """A page that answers probes, or does not."""

    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)
        self.probed = asyncio.Event()

    async def probe(self, timeout: float = 3.0, every: float = 0.3) -> bool:
        await asyncio.sleep(0)
        self.probed.set()
        return self.answers.pop(0)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> asyncio.Queue[str]:
    """What a person types; the prompts are kept in `lines.prompts`."""
    typed: asyncio.Queue[str] = asyncio.Queue()
    typed.prompts = []  # type: ignore[attr-defined]

    async def line(*arguments: Any) -> str:
        typed.prompts.append(arguments[-1])  # type: ignore[attr-defined]
        text = await typed.get()
        if text == "^D":
            raise EOFError
        return text

    # A kernel's real line of input is tested over the wire; here only who is asked when.
    monkeypatch.setattr(inputs, "kernel_line", line)
    return typed


LAB = Session("page", allow_stdin=True, ipykernel=(7, 4))
OLD = Session("page", allow_stdin=True, ipykernel=(6, 31))
MUTE = Session("headless", ipykernel=(7, 4))


async def test_a_page_that_answers_is_left_to_it(lines: asyncio.Queue[str]) -> None:
    log, widget = RunLog(), Widget(True)
    reception = Reception(log, LAB, widget=widget)
    asking = asyncio.create_task(log.ask("Who?"))
    await widget.probed.wait()
    assert log.attended

    (question,) = reception.questions
    log.answer(question.input_id, "ana", by="widget")

    assert await asking == "ana"
    assert reception.questions == []
    assert lines.prompts == []  # type: ignore[attr-defined]
    reception.close()
    assert not log.attended


async def test_without_an_answering_page_the_line_of_input_asks(lines: asyncio.Queue[str]) -> None:
    log = RunLog()
    reception = Reception(log, LAB, widget=Widget(False))
    lines.put_nowait("ben")

    assert await log.ask("Who?", source="writers/ana") == "ben"
    assert lines.prompts == ["ana asks: Who? "]  # type: ignore[attr-defined]
    reception.close()


async def test_two_questions_are_asked_one_after_the_other(lines: asyncio.Queue[str]) -> None:
    log = RunLog()
    reception = Reception(log, LAB)
    first = asyncio.create_task(log.ask("First?", source="ana"))
    second = asyncio.create_task(log.ask("Second?", source="ben"))
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(lines.prompts) == 1  # type: ignore[attr-defined]

    lines.put_nowait("one")
    lines.put_nowait("two")

    assert (await first, await second) == ("one", "two")
    reception.close()


async def test_choices_are_matched_without_regard_to_case_and_asked_again(lines: asyncio.Queue[str]) -> None:
    log = RunLog()
    reception = Reception(log, LAB)
    for text in ("maybe", " YES "):
        lines.put_nowait(text)

    assert await log.ask("Sure?", choices=("yes", "no")) == "yes"
    assert lines.prompts == ["agentnb asks: Sure? [yes / no] ", "Please answer one of: yes / no "]  # type: ignore[attr-defined]
    reception.close()


async def test_without_anyone_the_question_is_refused_with_the_reason() -> None:
    log = RunLog()
    reception = Reception(log, MUTE)
    assert not log.attended

    with pytest.raises(HumanUnavailable, match="executed without a front end"):
        await log.ask("Who?", source="ana")
    reception.close()


async def test_a_closed_line_of_input_is_a_refusal(lines: asyncio.Queue[str]) -> None:
    log = RunLog()
    reception = Reception(log, LAB)
    lines.put_nowait("^D")

    with pytest.raises(HumanUnavailable, match="the input was closed"):
        await log.ask("Who?", source="ana")
    reception.close()


async def test_a_page_that_left_for_a_while_keeps_its_question(lines: asyncio.Queue[str]) -> None:
    log, widget = RunLog(), Widget(True, False)
    reception = Reception(log, LAB, widget=widget)
    first = asyncio.create_task(log.ask("First?"))
    await widget.probed.wait()
    log.answer(reception.questions[0].input_id, "here", by="widget")
    await first
    widget.probed.clear()

    second = asyncio.create_task(log.ask("Second?"))
    await widget.probed.wait()
    for _ in range(5):
        await asyncio.sleep(0)

    assert lines.prompts == []  # type: ignore[attr-defined]
    log.answer(reception.questions[0].input_id, "back", by="widget")
    assert await second == "back"
    reception.close()


async def test_a_cell_that_begins_to_wait_brings_open_questions_anew(lines: asyncio.Queue[str]) -> None:
    log, widget = RunLog(), Widget(True, False)
    reception = Reception(log, OLD, widget=widget)
    asking = asyncio.create_task(log.ask("Who?"))
    await widget.probed.wait()
    for _ in range(5):
        await asyncio.sleep(0)

    leave = reception.cell_waits(OLD)
    lines.put_nowait("ana")

    assert await asking == "ana"
    leave()
    reception.close()


async def test_an_answer_by_another_way_withdraws_the_line_of_input(lines: asyncio.Queue[str]) -> None:
    log = RunLog()
    reception = Reception(log, LAB)
    asking = asyncio.create_task(log.ask("Who?"))
    while not lines.prompts:  # type: ignore[attr-defined]  # noqa: ASYNC110
        await asyncio.sleep(0)

    log.answer(reception.questions[0].input_id, "ana", by="run.answer()")

    assert await asking == "ana"
    lines.put_nowait("next")
    assert await log.ask("And?") == "next"
    reception.close()


async def test_voila_waits_for_its_page() -> None:
    log, widget = RunLog(), Widget(False)
    reception = Reception(log, Session("voila", ipykernel=(7, 4)), widget=widget)
    asking = asyncio.create_task(log.ask("Who?"))
    await widget.probed.wait()
    for _ in range(5):
        await asyncio.sleep(0)

    assert not asking.done()
    log.answer(reception.questions[0].input_id, "ana", by="widget")
    assert await asking == "ana"
    reception.close()
