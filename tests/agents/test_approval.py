"""Asking before code runs: yes, no with a reason, or other code in its place."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from agentnb.agents import ApprovalRequest, ApprovalResponse, CodeExecutorAgent, approve_all, ask_person
from agentnb.code_executors.base import CodeExecutor
from agentnb.core import CancellationToken
from agentnb.exceptions import HumanUnavailable
from agentnb.messages import CodeBlock, CodeGenerationEvent, LLMMessage, UserMessage
from agentnb.runlog import CodeStarted, Event, InputAnswered, InputRequested, RunLog
from agentnb.teams import RoundRobinGroupChat
from tests.agents.conftest import names, turn
from tests.agents.executors import Processes, Recorder, agent, fenced
from tests.runlog.clients import arrival


@pytest.fixture(autouse=True)
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTNB_TRUSTED_NAMESPACES", "tests")


def by_rule(request: ApprovalRequest) -> ApprovalResponse:
    """Refuse what removes files."""
    return ApprovalResponse(approved="rm" not in request.code, reason="it removes files")


def edits(code: str, reason: str = "safer") -> Any:
    return lambda request: ApprovalResponse(approved=True, reason=reason, code=code)


def answering(log: RunLog, *answers: str, by: str = "widget") -> list[tuple[str, tuple[str, ...]]]:
    """Answer questions in turn as `by` does, and return what was asked."""
    asked, left = [], list(answers)

    def watcher(item: Any) -> None:
        if isinstance(item, Event) and isinstance(item.body, InputRequested):
            asked.append((item.body.prompt, item.body.choices))
            input_id, text = item.body.input_id, left.pop(0)
            asyncio.get_running_loop().call_soon(lambda: log.answer(input_id, text, by=by))

    log.attend(by)
    log.watch(watcher)
    return asked


# -- yes and no -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [False, True])
async def test_what_is_denied_does_not_run_and_the_reason_is_told(is_async: bool) -> None:
    executor, asked = Recorder(), []

    def deny(request: ApprovalRequest) -> ApprovalResponse:
        asked.append(request)
        return ApprovalResponse(approved=False, reason="it deletes files")

    async def deny_later(request: ApprovalRequest) -> ApprovalResponse:
        await asyncio.sleep(0)
        return deny(request)

    text = fenced("a") + "\n" + fenced("b", "sh")
    log = RunLog()
    kernel = agent(executor, approval_func=deny_later if is_async else deny)
    result = await kernel.run(task=text, log=log)

    assert executor.ran == []
    assert not [event for event in log if isinstance(event.body, CodeStarted)]
    assert result.messages[-1].to_text() == "The code was not approved and did not run: it deletes files"
    assert result.messages[-1].metadata["exit_code"] == "1"
    context: list[LLMMessage] = [UserMessage(content=text, source="user")]
    assert asked == [ApprovalRequest(code="```python\na\n```\n\n```sh\nb\n```", context=context)]


async def test_who_is_asked_sees_all_that_would_run_and_in_its_order() -> None:
    """A carriage return begins a terminal's line anew, and Unicode can turn the order of what is shown."""
    log, executor = RunLog(), Recorder()
    asked = answering(log, "no", "it hides something")

    await agent(executor, approval_func=ask_person).run(task=fenced("evil()\rok()  # \u202ex"), log=log)

    assert executor.ran == []
    assert asked[0][0] == "Run this code?\n\n```python\nevil()\nok()  # ⟨U+202E⟩x\n```\n\n"


async def test_denied_code_leaves_no_file(tmp_path: Path) -> None:
    kernel = agent(Processes(str(tmp_path)), approval_func=by_rule)

    await turn(kernel, fenced("touch a.txt; rm b.txt", "sh"))
    await turn(kernel, fenced("open('c.txt', 'w').close()"))

    assert [path.name for path in tmp_path.iterdir()] == ["c.txt"]


async def test_an_approval_function_that_waits_does_not_stop_the_loop() -> None:
    asked, allowed = threading.Event(), threading.Event()

    def wait(request: ApprovalRequest) -> ApprovalResponse:
        asked.set()
        assert allowed.wait(5)
        return ApprovalResponse(approved=True, reason="at last")

    executor = Recorder()
    running = asyncio.ensure_future(turn(agent(executor, approval_func=wait), fenced("1")))
    await asyncio.to_thread(asked.wait, 5)
    assert executor.ran == []

    allowed.set()
    await running
    assert executor.ran


async def test_cancelling_ends_the_wait_for_approval_and_nothing_runs() -> None:
    executor, token, asked = Recorder(), CancellationToken(), asyncio.Event()

    async def never(request: ApprovalRequest) -> ApprovalResponse:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    kernel = agent(executor, approval_func=never)
    running = asyncio.ensure_future(turn(kernel, fenced("1"), token=token))
    await asked.wait()
    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert executor.ran == []


async def test_an_answer_that_is_none_is_an_error_and_nothing_runs() -> None:
    executor = Recorder()

    with pytest.raises(ValueError, match=r"answered True, and nothing has run. It must return ApprovalResponse"):
        await turn(agent(executor, approval_func=lambda request: True), fenced("1"))
    assert executor.ran == []


# -- other code in its place ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "runs"),
    [
        ("print(1)", [("python", "print(1)")]),
        (fenced("ls", "sh"), [("sh", "ls\n")]),
        (f"{fenced('a')}\nand\n{fenced('b', 'sh')}", [("python", "a\n"), ("sh", "b\n")]),
    ],
    ids=["plain", "another language", "a whole set"],
)
async def test_edited_code_runs_in_place_of_all_that_was_proposed(code: str, runs: list[tuple[str, str]]) -> None:
    executor = Recorder()

    await turn(agent(executor, approval_func=edits(code)), fenced("x") + "\n" + fenced("y", "sh"))

    assert [(block.language, block.code) for block in executor.ran] == runs


async def test_an_edit_is_an_event_a_fact_and_told_in_the_answer() -> None:
    log = RunLog()
    items: list[Any] = [
        item
        async for item in agent(Recorder(), approval_func=edits("print(1)", "fewer")).run_stream(
            task=fenced("print(2)"), log=log
        )
    ]

    event: Any = items[1]
    assert names(items) == ["TextMessage", "CodeGenerationEvent", "TextMessage", "TaskResult"]
    assert isinstance(event, CodeGenerationEvent)
    assert (event.content, event.retry_attempt, event.metadata) == (fenced("print(1)"), 0, {"edited": "fewer"})
    assert event.code_blocks == [CodeBlock(code="print(1)", language="python")]
    (ran,) = [fact.body.blocks for fact in log if isinstance(fact.body, CodeStarted)]
    assert [block.code for block in ran] == ["print(1)"]
    text = items[2].to_text()
    assert text.startswith("The code was changed before it ran (fewer), to:\n")
    assert "print(1)" in text
    assert text.endswith("\n42\n")


async def test_edited_code_that_is_told_does_not_run_a_second_time_elsewhere() -> None:
    first, second = Recorder(), Recorder()
    team = RoundRobinGroupChat(
        [
            agent(first, approval_func=edits("print(1)")),
            CodeExecutorAgent("other", second, sources=["kernel"], approval_func=approve_all),
        ],
        max_turns=2,
    )

    await team.run(task=fenced("print(2)"))

    assert len(first.ran) == 1
    assert second.ran == []


async def test_denied_code_is_not_edited_either() -> None:
    executor = Recorder()

    def deny(request: ApprovalRequest) -> ApprovalResponse:
        return ApprovalResponse(approved=False, reason="no", code="print(1)")

    items = await turn(agent(executor, approval_func=deny), fenced("x"))

    assert executor.ran == []
    assert names(items) == ["Response(TextMessage)"]


@pytest.mark.parametrize("code", ["", "  \n", fenced("x", "ruby")], ids=["empty", "blank", "another language"])
async def test_an_edit_without_code_that_runs_here_is_an_error_and_nothing_runs(code: str) -> None:
    executor = Recorder()

    with pytest.raises(ValueError, match=r"nothing has run. Give plain code, or blocks in fences of python or sh"):
        await turn(agent(executor, approval_func=edits(code)), fenced("x"))
    assert executor.ran == []


# -- asking a person --------------------------------------------------------------------------------------------------


async def asked_and_ran(*answers: str, by: str = "widget") -> tuple[list[Any], list[str], str]:
    executor, log = Recorder(), RunLog()
    asked = answering(log, *answers, by=by)
    result = await agent(executor, approval_func=ask_person).run(task=fenced("x = 1"), log=log)
    assert log.open_questions == ()
    return asked, [block.code for block in executor.ran], result.messages[-1].to_text()


async def test_a_person_is_shown_the_code_and_says_yes() -> None:
    asked, ran, _ = await asked_and_ran("yes")

    ((prompt, choices),) = asked
    assert fenced("x = 1") in prompt
    assert choices == ("yes", "no", "edit")
    assert ran == ["x = 1\n"]


async def test_a_person_says_no_and_why() -> None:
    asked, ran, text = await asked_and_ran("no", "use polars")

    assert [choices for _, choices in asked] == [("yes", "no", "edit"), ()]
    assert ran == []
    assert text.endswith("did not run: use polars")


async def test_a_person_who_gives_no_reason_is_quoted_as_saying_no() -> None:
    _, _, text = await asked_and_ran("no", " ")

    assert text.endswith("did not run: a person said no")


async def test_a_person_edits_the_code() -> None:
    asked, ran, text = await asked_and_ran("edit", "x = 2\nprint(x)")

    assert len(asked) == 2
    assert ran == ["x = 2\nprint(x)"]
    assert "a person changed the code" in text


async def test_where_only_lines_come_through_code_is_edited_line_by_line() -> None:
    _, ran, _ = await asked_and_ran("edit", "if True:", "    x = 2", "", "    print(x)", ".", by="stdin")

    assert ran == ["if True:\n    x = 2\n\n    print(x)"]


async def test_an_edit_that_is_empty_is_asked_for_anew() -> None:
    asked, ran, _ = await asked_and_ran("edit", "  ", "x = 3")

    assert len(asked) == 3
    assert ran == ["x = 3"]


async def test_with_nobody_there_nothing_runs_and_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    executor = Recorder()

    with pytest.raises(HumanUnavailable, match=r"nobody is there to answer. Nothing has run.*approve_all"):
        await agent(executor, approval_func=ask_person).run(task=fenced("1"))
    assert executor.ran == []


async def test_in_a_terminal_the_question_is_a_line_of_input(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        closed = False

        def isatty(self) -> bool:
            return True

    shown, left = [], ["what?", "NO", "too slow"]

    def line(prompt: str) -> str:
        shown.append(prompt)
        return left.pop(0)

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("builtins.input", line)
    log = RunLog()
    result = await agent(Recorder(), approval_func=ask_person).run(task=fenced("1"), log=log)

    assert shown[0].endswith("[yes / no / edit] ")
    assert shown[1] == "Please answer one of: yes / no / edit "
    assert result.messages[-1].to_text().endswith("did not run: too slow")
    assert [(body.text, body.by) for e in log if isinstance(body := e.body, InputAnswered)] == [
        ("no", "terminal"),
        ("too slow", "terminal"),
    ]


async def test_cancelling_withdraws_the_question() -> None:
    log, token, executor = RunLog(), CancellationToken(), Recorder()
    log.attend("widget")
    asked = arrival(log, "input.requested")
    kernel = agent(executor, approval_func=ask_person)
    running = asyncio.ensure_future(kernel.run(task=fenced("1"), cancellation_token=token, log=log))
    await asked.wait()
    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert log.open_questions == ()
    assert executor.ran == []


# -- configs ----------------------------------------------------------------------------------------------------------


def test_an_approval_function_of_a_module_is_written_by_its_path_and_found_again() -> None:
    model = agent(Recorder(), approval_func=by_rule).dump_component()
    again = CodeExecutorAgent.load_component(model)

    assert model.config["approval_func"] == f"{__name__}.by_rule"
    assert again._approval is by_rule
    assert again.dump_component() == model


def test_an_approval_function_without_a_path_is_refused_with_the_way_out() -> None:
    kernel = agent(Recorder(), approval_func=edits("1"))

    with pytest.raises(ValueError, match=r"approval_func of 'kernel' cannot be written .* function of a module"):
        kernel.dump_component()


class Careful(CodeExecutorAgent):
    """Brings its own approval function."""

    def __init__(self, name: str, code_executor: CodeExecutor) -> None:
        super().__init__(name, code_executor, approval_func=edits("1"))


def test_a_subclass_that_brings_its_approval_function_is_written_without() -> None:
    model = Careful("kernel", Recorder()).dump_component()

    assert model.config.keys() == {"name", "code_executor"}
    assert isinstance(CodeExecutorAgent.load_component(model), Careful)


def test_a_config_does_not_bring_in_functions_of_modules_nobody_trusts() -> None:
    model = agent(Recorder()).dump_component()
    model.config["approval_func"] = "subprocess.getoutput"

    with pytest.raises(ValueError, match=r"'subprocess.getoutput' is outside the trusted namespaces"):
        CodeExecutorAgent.load_component(model)


def test_a_path_to_something_that_is_no_function_is_refused() -> None:
    model = agent(Recorder()).dump_component()
    model.config["approval_func"] = "agentnb.core.consent._CONSENT"

    with pytest.raises(ValueError, match="which cannot be called; write the path of a function"):
        CodeExecutorAgent.load_component(model)
