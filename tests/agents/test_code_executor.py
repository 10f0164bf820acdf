"""An agent that runs the code others wrote."""

from __future__ import annotations

import asyncio
import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentnb.agents import CodeExecutorAgent, approve_all, ask_person, code_blocks
from agentnb.base import Response
from agentnb.code_executors.base import CodeExecutor
from agentnb.core import CancellationToken
from agentnb.exceptions import KernelDied, KernelStartFailed, KernelTimeout
from agentnb.messages import CodeBlock, CodeResult, StopMessage, TextMessage
from tests.agents.conftest import names, turn
from tests.agents.executors import Processes, Recorder, agent, fenced

LANGUAGES = CodeExecutorAgent.DEFAULT_SUPPORTED_LANGUAGES


@pytest.fixture(autouse=True)
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTNB_TRUSTED_NAMESPACES", "tests")


async def said(executor: CodeExecutor, text: str, **options: Any) -> TextMessage:
    items = await turn(agent(executor, **options), text)
    assert names(items) == ["Response(TextMessage)"]
    message = items[0].chat_message
    assert isinstance(message, TextMessage)
    return message


# -- which code -------------------------------------------------------------------------------------------------------


def found(text: str, languages: Sequence[str] = LANGUAGES) -> list[tuple[str, str]]:
    return [(block.language, block.code) for block in code_blocks(textwrap.dedent(text), languages)]


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("```python\nprint(1)\n```", [("python", "print(1)\n")]),
        ("First:\n```python\n1\n```\nthen\n```sh\nls\n```", [("python", "1\n"), ("sh", "ls\n")]),
        ("```Python\n1\n```", [("python", "1\n")]),
        ("``` python\n1\n```  ", [("python", "1\n")]),
        ("```python\r\na = 1\r\nb = 2\r\n```\r\n", [("python", "a = 1\nb = 2\n")]),
        ('```python title="my file.py" {1,2}\n1\n```', [("python", "1\n")]),
        ("```javascript\n1\n```", []),
        ("```\nplain\n```", []),
        ("```python\nnever closed", []),
        ("no code at all", []),
        ("```python\n```", [("python", "")]),
    ],
    ids=[
        "one",
        "two languages",
        "capitals",
        "spaces",
        "CRLF",
        "info string",
        "unsupported",
        "no language",
        "not closed",
        "none",
        "empty",
    ],
)
def test_fenced_blocks_of_the_languages_are_found(text: str, blocks: list[tuple[str, str]]) -> None:
    assert found(text) == blocks


def test_a_longer_fence_quotes_a_shorter_one_and_its_code_does_not_run() -> None:
    text = "Write it so:\n````markdown\n```python\nrm_everything()\n```\n````\n```python\n1\n```\n"

    assert found(text) == [("python", "1\n")]


def test_a_longer_fence_may_hold_backticks_in_its_code() -> None:
    assert found('````python\ns = """\n```\n"""\n````\n') == [("python", 's = """\n```\n"""\n')]


def test_a_block_without_a_language_does_not_swallow_the_next() -> None:
    assert found("```\noutput\n```\n```python\n1\n```\n") == [("python", "1\n")]


def test_a_block_in_a_list_loses_the_lists_indentation_and_keeps_its_own() -> None:
    text = "1. Do this:\n   ```python\n   if True:\n       x = 1\n\n   y = 2\n   ```\n"

    assert found(text) == [("python", "if True:\n    x = 1\n\ny = 2\n")]


def test_backticks_within_a_line_are_no_fence() -> None:
    assert found("Use ```python 1``` or `x`.\n```python\n1\n```") == [("python", "1\n")]


def test_languages_may_hold_signs() -> None:
    assert found("```c++\n1\n```\n```C#\n2\n```", ["c++", "c#"]) == [("c++", "1\n"), ("c#", "2\n")]


@given(st.text(st.characters(exclude_characters="`\r", exclude_categories=["Cs"]), max_size=80))
def test_code_without_backticks_comes_out_as_it_went_in(code: str) -> None:
    assert [block.code for block in code_blocks(fenced(code), ["python"])] == [code + "\n"]


# -- what is answered -------------------------------------------------------------------------------------------------


async def test_the_output_is_the_answer() -> None:
    executor = Recorder()

    message = await said(executor, "Run:\n" + fenced("print(42)"))

    assert executor.ran == [CodeBlock(code="print(42)\n", language="python")]
    assert (message.content, message.source) == ("42\n", "kernel")
    assert message.metadata["exit_code"] == "0"


async def test_without_code_a_hint_says_how_to_write_it_and_nothing_runs() -> None:
    executor = Recorder()

    message = await said(executor, "just words")

    assert message.content == CodeExecutorAgent.NO_CODE_BLOCKS_FOUND_MESSAGE
    assert "```python" in message.content
    assert executor.ran == []


async def test_code_that_prints_nothing_says_that_it_ran() -> None:
    message = await said(Recorder(CodeResult(exit_code=0, output=" \n")), fenced("x = 1"))

    assert message.content == "The code ran to its end with exit code 0 and printed nothing."


async def test_code_that_fails_is_told_by_its_exit_code_before_its_output() -> None:
    message = await said(Recorder(CodeResult(exit_code=3, output="NameError: x")), fenced("x"))

    assert message.content == "The code failed with exit code 3. Its output:\nNameError: x"
    assert message.metadata["exit_code"] == "3"


async def test_code_that_takes_too_long_is_an_answer() -> None:
    message = await said(Recorder(KernelTimeout("It took longer than 5 s; variables are kept.")), fenced("x"))

    assert "exit code 124" in message.content
    assert "variables are kept" in message.content


async def test_an_executor_that_breaks_ends_the_run_as_itself() -> None:
    with pytest.raises(KernelStartFailed, match="no such kernel"):
        await agent(Recorder(KernelStartFailed("no such kernel"))).run(task=fenced("1"))


async def test_a_kernel_that_dies_is_an_answer_with_what_the_code_had_shown() -> None:
    message = await said(Recorder(KernelDied("The kernel died.", output="so far")), fenced("x"))

    assert message.metadata["exit_code"] == "137"
    assert message.content.endswith("so far\nThe kernel died.")


async def test_fenced_python_and_sh_run(tmp_path: Path) -> None:
    text = f"First\n{fenced('print(6 * 7)')}\nthen\n{fenced('echo from the shell > left.txt; cat left.txt', 'sh')}"

    message = await said(Processes(str(tmp_path)), text)

    assert message.content == "42\nfrom the shell\n"
    assert (tmp_path / "left.txt").read_text() == "from the shell\n"


async def test_code_of_all_new_messages_runs_in_their_order() -> None:
    executor = Recorder()
    messages = [TextMessage(content=fenced(str(n)), source="ana") for n in (1, 2)]

    await turn(agent(executor), *messages, StopMessage(content=fenced("3"), source="ana"))

    assert [block.code for block in executor.ran] == ["1\n", "2\n"]


async def test_only_the_named_sources_code_runs() -> None:
    executor = Recorder()
    messages = [TextMessage(content=fenced(name), source=name) for name in ("ana", "eve")]

    await turn(agent(executor, sources=["ana"]), *messages)

    assert [block.code for block in executor.ran] == ["ana\n"]


async def test_other_languages_may_be_supported() -> None:
    executor = Recorder()

    await turn(agent(executor, supported_languages=["R"]), fenced("mean(x)", "r") + "\n" + fenced("1"))

    assert executor.ran == [CodeBlock(code="mean(x)\n", language="r")]


# -- the rest ---------------------------------------------------------------------------------------------------------


def test_without_an_approval_function_there_is_a_warning_at_the_callers_line() -> None:
    with pytest.warns(UserWarning, match=r"'kernel' will run code unasked.*approve_all") as caught:
        CodeExecutorAgent("kernel", Recorder())

    assert caught[0].filename == __file__


def test_saying_that_all_is_approved_is_no_cause_for_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        agent(Recorder())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"model_client": "gpt-4o"}, "The model_client of the agent 'kernel' is 'gpt-4o'; give a model client"),
        ({"model_context": 3}, "The model_context of the agent 'kernel' is 3"),
        ({"sources": "ana"}, r"sources of the agent 'kernel' is the text 'ana'; give a list: \['ana'\]"),
        ({"supported_languages": "sh"}, r"supported_languages of the agent 'kernel' is the text 'sh'; .*\['sh'\]"),
        ({"approval_func": 3}, "The approval_func of the agent 'kernel' is 3, which cannot be called; .* ask_person"),
    ],
)
def test_an_argument_of_another_kind_is_refused_by_name(options: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        CodeExecutorAgent("kernel", Recorder(), **{"approval_func": approve_all, **options})


def test_what_is_no_executor_is_refused() -> None:
    with pytest.raises(ValueError, match="code_executor of 'kernel' is 3; give a CodeExecutor"):
        CodeExecutorAgent("kernel", 3, approval_func=approve_all)  # type: ignore[arg-type]


async def test_variables_are_handed_to_the_executor_and_closing_stops_it() -> None:
    executor = Recorder()
    kernel = agent(executor)

    assert await kernel.share({"x": 1}) == ["kernel"]
    await kernel.close()

    assert (executor.shared, executor.stopped) == ({"x": 1}, True)


async def test_cancelling_ends_the_wait_for_code() -> None:
    begun = asyncio.Event()

    class Slow(Recorder):
        async def execute_code_blocks(
            self, code_blocks: Sequence[CodeBlock], cancellation_token: CancellationToken
        ) -> CodeResult:
            begun.set()
            await asyncio.Event().wait()
            raise AssertionError

    token = CancellationToken()
    running = asyncio.ensure_future(agent(Slow()).run(task=fenced("1"), cancellation_token=token))
    await begun.wait()
    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running


async def test_the_answer_tells_which_turns_code_it_is_the_output_of() -> None:
    result = await agent(Recorder()).run(task=fenced("1"))
    assert result.log is not None
    turn_started = next(event for event in result.log if event.kind == "turn.started")

    assert result.messages[-1].metadata["code_output"] == turn_started.id


async def test_an_answer_is_a_response_without_inner_messages() -> None:
    (item,) = await turn(agent(Recorder()), fenced("1"))

    assert isinstance(item, Response)
    assert not item.inner_messages


async def test_without_a_model_resetting_and_state_are_those_of_an_agent_without_state() -> None:
    kernel = agent(Recorder())
    await kernel.on_reset(CancellationToken())

    assert await kernel.save_state() == {"type": "BaseState", "version": "1.0.0"}
    assert kernel.description == CodeExecutorAgent.DEFAULT_TERMINAL_DESCRIPTION


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_retries_on_error": -1}, r"of 'kernel' is -1; it must be 0 or more"),
        ({"max_retries_on_error": 2}, r"of 'kernel' is 2, which needs .* there is no model_client"),
    ],
)
def test_retries_that_cannot_be_are_refused(options: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        agent(Recorder(), **options)


# -- configs ----------------------------------------------------------------------------------------------------------


def test_an_agent_is_made_again_from_its_config(tmp_path: Path) -> None:
    kernel = agent(Processes(str(tmp_path)), sources=["ana"], supported_languages=["sh"], approval_func=ask_person)
    model = kernel.dump_component()
    again = CodeExecutorAgent.load_component(model)

    assert (model.provider, model.component_type, model.version) == ("agentnb.agents.CodeExecutorAgent", "agent", 1)
    assert model.config["approval_func"] == "agentnb.agents.ask_person"
    assert again.asks_person
    assert again.dump_component() == model


def test_autogens_config_is_read(tmp_path: Path) -> None:
    executor = Processes(str(tmp_path)).dump_component().model_dump(exclude_none=True)
    config = {
        "name": "kernel",
        "code_executor": executor,
        "model_client": None,
        "description": None,
        "sources": None,
        "system_message": "Write code.",
        "model_client_stream": False,
        "model_context": None,
        "supported_languages": ["python", "sh"],
    }
    data = {
        "provider": "autogen_agentchat.agents.CodeExecutorAgent",
        "component_type": "agent",
        "version": 1,
        "component_version": 1,
        "config": config,
    }

    with pytest.warns(UserWarning, match="will run code unasked"):
        kernel = CodeExecutorAgent.load_component(data)
    assert (kernel.name, kernel.description) == ("kernel", CodeExecutorAgent.DEFAULT_TERMINAL_DESCRIPTION)
