"""What people meet in a notebook, on real kernels of several versions, with a hand-made page."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.notebook.front_end import CLIENTS, Cell, Client, Kernel

pytestmark = [pytest.mark.parametrize("client", CLIENTS, indirect=True), pytest.mark.timeout(180)]

HALF_A_SECOND = 0.5


def state_of(kernel: Kernel) -> str:
    return kernel.value("str(run.state)").strip("'")


def said(kernel: Kernel) -> str:
    return kernel.value("[m.to_text() for m in run.messages]")


def wait_for_state(kernel: Kernel, state: str) -> None:
    kernel.pump(lambda: state_of(kernel) == state)


def waiting_question(kernel: Kernel) -> str:
    asked: list[str] = []

    def come() -> bool:
        question = kernel.question()
        if question is not None:
            asked.append(question["content"]["prompt"])
        return bool(asked)

    kernel.pump(come)
    return asked[0]


def test_messages_reach_the_page_while_the_cell_waits_and_its_stop_button_works(kernel: Kernel) -> None:
    """Where a page cannot be heard while a cell waits, the cell lets the run go on alone, and Stop works then."""
    page = kernel.page()
    kernel.do("waiter = Waiter()")
    cell = kernel.run("%%agentteam waiter -o run\nweigh them")
    kernel.pump(lambda: "before" in page.texts)
    assert not cell.over

    page.say({"t": "stop"})
    cell.finish()
    wait_for_state(kernel, "stopped")

    assert "weigh them" in page.texts
    assert said(kernel) == "['weigh them', 'before']"


def test_the_interrupt_button_ends_the_cell_within_half_a_second_and_keeps_everything(kernel: Kernel) -> None:
    page = kernel.page()
    kernel.do("waiter = Waiter()")
    cell = kernel.run("%%agentteam waiter -o run --wait\nweigh them")
    kernel.pump(lambda: "before" in page.texts)

    pressed = datetime.now(UTC)
    kernel.manager.interrupt_kernel()
    cell.finish()

    assert (cell.ended_at - pressed).total_seconds() < HALF_A_SECOND
    assert cell.error is not None
    assert cell.error["ename"] == "RunStopped"
    assert len(cell.error["traceback"]) == 1
    assert state_of(kernel) == "stopped"
    assert said(kernel) == "['weigh them', 'before']"
    assert kernel.value("run.log.events[-1].kind, run.log.events[-1].body.outcome") == "('run.finished', 'stopped')"
    assert kernel.value("agentnb.RunLog.open(run.log.path).events == run.log.events") == "True"


def test_a_background_run_is_stopped_by_its_widget(kernel: Kernel) -> None:
    page = kernel.page()
    kernel.do("waiter = Waiter()")
    cell = kernel.do("%%agentteam waiter -o run --background\nweigh them")
    assert cell.error is None
    assert state_of(kernel) == "running"

    page.say({"t": "stop"})
    wait_for_state(kernel, "stopped")

    assert "before" in said(kernel)


def test_a_question_is_answered_through_the_widget_while_the_cell_waits(kernel: Kernel, client: Client) -> None:
    if not client.reaches_waiting_cells:
        pytest.skip("this page cannot be heard while a cell waits; see the test of the line of input")
    page = kernel.page()
    kernel.do("asker = Asker()")
    cell = kernel.run("%%agentteam asker -o run --wait\nask me")
    kernel.pump(lambda: page.question)
    assert not cell.over
    assert page.question is not None

    page.say({"t": "answer", "id": page.question["id"], "text": "Biscoe"})
    cell.finish()

    assert cell.error is None
    assert "heard Biscoe" in said(kernel)
    assert kernel.question() is None
    assert kernel.value("[e.body.by for e in run.log if e.kind == 'input.answered']") == "['widget']"


def test_a_run_is_paused_stepped_and_resumed_by_its_widget(kernel: Kernel, client: Client) -> None:
    """Also while the cell waits, where a page can be heard then; a reloaded page finds the run paused."""
    page = kernel.page()
    kernel.do("trio = person_first()")
    cell = kernel.run("%%agentteam trio -o run\ngo")
    kernel.pump(lambda: page.question)
    assert page.question is not None

    page.say({"t": "pause"})
    kernel.pump(lambda: page.status.get("pause") == "pausing")
    page.say({"t": "answer", "id": page.question["id"], "text": "Biscoe"})
    kernel.pump(lambda: page.status.get("pause") == "paused")
    before = page.texts
    page.say({"t": "step"})
    kernel.pump(lambda: "ana 1" in page.texts and page.status.get("pause") == "paused")
    fresh = page.reload()
    kernel.pump(lambda: fresh.run_id)
    fresh.n = fresh.snapshot.get("n", 0)
    fresh.say({"t": "replay", "since": fresh.n})
    kernel.pump(lambda: fresh.status.get("pause") == "paused")
    assert cell.over is (client.release < (7, 4))
    fresh.say({"t": "resume"})
    cell.finish()
    wait_for_state(kernel, "done")

    assert "Biscoe" in before
    assert "ana 1" not in before
    assert "pause" not in fresh.status
    assert said(kernel).endswith("'Biscoe', 'ana 1', 'ben 1']")


def test_a_team_with_a_person_leaves_the_cell_where_a_reload_would_lose_it(kernel: Kernel, client: Client) -> None:
    page = kernel.page()
    kernel.do("asker = Asker()")
    cell = kernel.run("%%agentteam asker -o run\nask me")
    kernel.pump(lambda: page.question)
    assert page.question is not None
    if client.release < (7, 4):
        cell.finish()
        assert "background" in cell.printed

    page.say({"t": "answer", "id": page.question["id"], "text": "Dream"})
    cell.finish()
    wait_for_state(kernel, "done")

    assert "heard Dream" in said(kernel)


def test_a_background_run_is_answered_through_the_widget(kernel: Kernel) -> None:
    page = kernel.page()
    kernel.do("asker = Asker()")
    kernel.do("%%agentteam asker -o run --background\nask me")
    kernel.pump(lambda: page.question)
    assert page.question is not None

    page.say({"t": "answer", "id": page.question["id"], "text": "Dream"})
    wait_for_state(kernel, "done")

    assert "heard Dream" in said(kernel)
    assert kernel.question() is None


def test_a_question_comes_as_a_line_of_input_where_no_page_answers(kernel: Kernel) -> None:
    kernel.page(answers=False)
    kernel.do("asker = Asker()")
    cell = kernel.run("%%agentteam asker -o run --wait\nask me")

    prompt = waiting_question(kernel)
    kernel.reply("Torgersen")
    cell.finish()

    assert prompt == "ana asks: Which island? "
    assert cell.error is None
    assert "heard Torgersen" in said(kernel)


def test_a_waiting_cell_falls_back_to_a_line_of_input_where_its_page_cannot_be_heard(
    kernel: Kernel, client: Client
) -> None:
    if client.reaches_waiting_cells:
        pytest.skip("this page is heard while a cell waits")
    page = kernel.page()
    kernel.do("asker = Asker()")
    kernel.do("%%agentteam asker -o run --background\nask me")
    kernel.pump(lambda: page.question)

    cell = kernel.run("await run")
    waiting_question(kernel)
    kernel.reply("Torgersen")
    cell.finish()

    assert cell.error is None
    assert "heard Torgersen" in said(kernel)


def test_the_interrupt_button_ends_an_open_line_of_input(kernel: Kernel) -> None:
    kernel.page(answers=False)
    kernel.do("asker = Asker()")
    cell = kernel.run("%%agentteam asker -o run --wait\nask me")
    waiting_question(kernel)

    pressed = datetime.now(UTC)
    kernel.manager.interrupt_kernel()
    cell.finish()

    assert (cell.ended_at - pressed).total_seconds() < HALF_A_SECOND
    assert state_of(kernel) == "stopped"
    assert kernel.value("run.question") == "None"


def test_an_answer_to_a_withdrawn_question_is_not_taken_for_the_next(kernel: Kernel) -> None:
    kernel.page(answers=False)
    kernel.do("asker = Asker()")
    cell = kernel.run("%%agentteam asker -o run --wait\nask me")
    kernel.pump(lambda: kernel.client.stdin_channel.msg_ready())
    stale = kernel.client.get_stdin_msg(timeout=1)
    kernel.manager.interrupt_kernel()
    cell.finish()
    again = kernel.run("%%agentteam asker -o run --wait\nask me again")
    waiting_question(kernel)

    late = kernel.client.session.msg("input_reply", {"value": "late", "status": "ok"}, parent=stale)
    kernel.client.stdin_channel.send(late)
    kernel.reply("right")
    again.finish()

    assert "heard right" in said(kernel)


def test_an_answer_from_outside_the_choices_is_asked_for_again(kernel: Kernel) -> None:
    kernel.page(answers=False)
    kernel.do("asker = Asker(choices=('Biscoe', 'Dream'))")
    cell = kernel.run("%%agentteam asker -o run --wait\nask me")
    first = waiting_question(kernel)
    kernel.reply("Atlantis")
    second = waiting_question(kernel)
    kernel.reply("dream")
    cell.finish()

    assert "[Biscoe / Dream]" in first
    assert "one of: Biscoe / Dream" in second
    assert "heard Dream" in said(kernel)


def test_run_answer_answers_from_another_cell(kernel: Kernel) -> None:
    page = kernel.page()
    kernel.do("asker = Asker()")
    kernel.do("%%agentteam asker -o run --background\nask me")
    kernel.pump(lambda: page.question)
    assert kernel.value("run.question") == "'Which island?'"

    kernel.do("run.answer('Dream')")
    wait_for_state(kernel, "done")

    assert "heard Dream" in said(kernel)
    error = kernel.do("run.answer('twice')").error
    assert error is not None
    assert error["evalue"].endswith("asks nothing just now.")


def test_without_a_person_a_question_is_refused_at_once_and_nothing_waits(kernel: Kernel) -> None:
    page = kernel.page()
    kernel.do("asker = Asker()")

    cell = kernel.do("%%agentteam asker -o run\nask me", stdin=False)

    assert cell.error is None
    assert "nobody: ana asks 'Which island?'" in said(kernel)
    assert kernel.question() is None
    assert page.comm_id is None, "a widget was shown where nobody can see it"


def test_a_headless_cell_waits_shows_the_still_and_refuses_the_background(kernel: Kernel) -> None:
    kernel.do("talker = Talker()")

    cell = kernel.do("%%agentteam talker -o run --background\ntalk", stdin=False)

    assert "--background is not possible here" in cell.printed
    assert state_of(kernel) == "done"
    (shown,) = cell.shown
    assert "text/html" in shown["data"]
    assert not any("widget" in mime for mime in shown["data"])


def test_at_the_end_the_still_takes_the_widgets_place(kernel: Kernel) -> None:
    kernel.page()
    kernel.do("talker = Talker()")

    cell = kernel.do("%%agentteam talker -o run --wait\ntalk")

    live, still = cell.shown
    assert "application/vnd.jupyter.widget-view+json" in live["data"]
    assert "text/html" in still["data"]
    assert not any("widget" in mime for mime in still["data"])
    assert live["transient"] == still["transient"]


def test_a_reloaded_page_finds_the_run_and_its_question_again(kernel: Kernel, client: Client) -> None:
    page = kernel.page()
    kernel.do("asker = Asker()")
    wait = "--wait" if client.release >= (7, 4) else "--background"
    cell = kernel.run(f"%%agentteam asker -o run {wait}\nask me")
    kernel.pump(lambda: page.question)

    fresh = page.reload()
    kernel.pump(lambda: fresh.run_id)
    fresh.n = fresh.snapshot.get("n", 0)
    fresh.say({"t": "replay", "since": fresh.n})
    kernel.pump(lambda: fresh.question)
    assert fresh.question is not None
    fresh.say({"t": "answer", "id": fresh.question["id"], "text": "Biscoe"})
    cell.finish()
    wait_for_state(kernel, "done")

    assert "ask me" in fresh.texts
    assert "heard Biscoe" in said(kernel)


def test_two_runs_in_two_cells_keep_their_output_apart(kernel: Kernel, client: Client) -> None:
    kernel.page()
    kernel.page()
    kernel.do("ana, ben = Printer('ana'), Printer('ben')")
    first = kernel.do("%%agentteam ana -o one --background\nprint")
    second = kernel.do("%%agentteam ben -o two --background\nprint")
    kernel.pump(lambda: kernel.value("one.state, two.state") == "('running', 'running')")

    third = kernel.do("ben.gate.set(); ana.gate.set(); await two; await one; None")

    assert third.error is None
    assert kernel.value("one.state, two.state") == "('done', 'done')"
    for name, cell, other in (("ana", first, "ben"), ("ben", second, "ana")):
        ids = {shown["transient"]["display_id"] for shown in cell.shown}
        assert len(ids) == 1, "each cell owns one display"
        if client.keeps_prints_apart:
            assert f"{name} ends" in cell.printed
            assert f"{other} ends" not in cell.printed
            assert len(cell.shown) == 2, "the still came to the cell of the run"
    if client.keeps_prints_apart:
        assert "ends" not in third.printed


def test_two_cells_run_at_the_same_time_and_one_is_stopped(kernel: Kernel) -> None:
    page = kernel.page()
    kernel.do("slow, talker = Waiter('slow'), Talker()")
    kernel.do("%%agentteam slow -o one --background\nwait")
    kernel.pump(lambda: "before" in page.texts)

    other = kernel.page()
    cell = kernel.do("%%agentteam talker -o run\ntalk")

    assert cell.error is None
    assert "three" in said(kernel)
    assert kernel.value("one.state") == "'running'"
    assert page.run_id != other.run_id
    kernel.do("%agentteam stop")
    kernel.pump(lambda: kernel.value("one.state") == "'stopped'")


def test_a_runner_is_at_one_run_at_a_time(kernel: Kernel) -> None:
    kernel.page()
    kernel.do("waiter = Waiter()")
    kernel.do("%%agentteam waiter -o run --background\nfirst")

    error = kernel.do("%%agentteam waiter -o other\nsecond").error

    assert error is not None
    assert error["ename"] == "UserError"
    assert "'waiter' is still at run" in error["evalue"]
    assert kernel.do("other").error is not None


def test_a_failed_run_says_why_in_one_line_and_is_kept(kernel: Kernel) -> None:
    kernel.page()
    kernel.do("failer = Failer()")

    cell = kernel.do("%%agentteam failer -o run --wait\ntry")

    assert cell.error is not None
    assert cell.error["traceback"] == ["ModelAuthError: The server refused the key in OPENAI_API_KEY."]
    assert state_of(kernel) == "failed"
    assert said(kernel) == "['try', 'so far']"
    assert kernel.value("type(run.error).__name__, run.stop_reason") == (
        "('AgentFailed', 'ModelAuthError: The server refused the key in OPENAI_API_KEY.')"
    )
    assert kernel.value("[e.kind for e in agentnb.RunLog.open(run.log.path)][-2:]") == "['error', 'run.finished']"


def test_hostile_and_broken_text_of_a_model_is_shown_as_text(kernel: Kernel) -> None:
    page = kernel.page()
    kernel.do("speaker = Speaker('<script>alert(1)</script> {braces} %%time !ls \\ud800 end')")

    cell = kernel.do("%%agentteam speaker -o run --wait\nspeak")
    kernel.pump(lambda: len(page.texts) > 1)

    assert cell.error is None
    assert "<script>alert(1)</script> {braces} %%time !ls \ufffd end" in page.texts
    assert "<script" not in cell.shown[-1]["data"]["text/html"]
    assert "&lt;script&gt;" in cell.shown[-1]["data"]["text/html"]


def task_of(kernel: Kernel, body: str) -> Cell:
    kernel.page()
    kernel.do("talker = Talker()")
    return kernel.do(f"%%agentteam talker -o run --wait\n{body}")


@pytest.mark.parametrize(
    "body",
    [
        "{braces} $x ${y} %%time !ls a\\b \\n 'one' \"two\" '''three''' \"\"\"four\"\"\" really?",
        "!ls\n%time 1\n%%bash\n?help\nprint??",
        ">>> 1 + 1\n... 2\nIn [3]: x",
        "  indented\n\n\ttabs  ",
        "text\x0cwith\u2028odd\x85ends\x1cof lines",
        "<script>alert(1)</script>",
    ],
)
def test_the_task_is_the_body_as_it_was_typed(kernel: Kernel, body: str) -> None:
    cell = task_of(kernel, body)

    assert cell.error is None
    assert kernel.value("run.messages[0].content") == repr(body)


def test_a_task_of_one_megabyte_is_taken(kernel: Kernel) -> None:
    cell = task_of(kernel, "word " * 200_000)

    assert cell.error is None
    assert kernel.value("len(run.messages[0].content)") == "1000000"
    assert kernel.value("len(agentnb.RunLog.open(run.log.path).events) == len(run.log)") == "True"


def test_time_above_the_magic_says_what_is_wrong(kernel: Kernel) -> None:
    kernel.do("talker = Talker()")

    cell = kernel.do("%%time\n%%agentteam talker\nhello")

    told = cell.printed + str(cell.error)
    assert "must be the first line of its cell" in told
    assert "SyntaxError" not in told


def test_a_run_that_a_cell_awaits_by_itself_asks_by_a_line_of_input(kernel: Kernel) -> None:
    kernel.do("from agentnb.agents import UserProxyAgent")
    cell = kernel.run("result = await UserProxyAgent('you').run(task='Which island?')")

    assert "Enter your answer" in waiting_question(kernel)
    kernel.reply("Biscoe")
    cell.finish()

    assert cell.error is None
    assert kernel.value("[m.to_text() for m in result.messages]") == "['Which island?', '', 'Biscoe']"
    assert kernel.value("[e.body.by for e in result.log if e.kind == 'input.answered']") == "['stdin']"
