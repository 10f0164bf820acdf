"""The executor agents use: rich results, shared variables, clear ends, and facts in the log."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from agentnb.code_executors import CodeBlock, JupyterCodeExecutor, JupyterCodeResult
from agentnb.code_executors.base import CodeExecutor
from agentnb.core import CancellationToken
from agentnb.core.sync import run_sync
from agentnb.exceptions import KernelDied, UserError
from agentnb.runlog import CodeFinished, CodeStarted, OutputChunk, RunLog, VariablesShared, scope

FIGURE = "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3]);"


async def run(executor: JupyterCodeExecutor, *codes: str, language: str = "python") -> JupyterCodeResult:
    blocks = [CodeBlock(code=code, language=language) for code in codes]
    return await executor.execute_code_blocks(blocks, CancellationToken())


@pytest.fixture
async def fresh() -> AsyncIterator[JupyterCodeExecutor]:
    """Give an executor of the test's own."""
    async with JupyterCodeExecutor(timeout=30) as executor:
        yield executor


async def test_state_persists_and_the_last_value_is_the_output(executor: JupyterCodeExecutor) -> None:
    await run(executor, "x = 6")
    result = await run(executor, "x * 7")

    assert (result.exit_code, result.output, result.output_files) == (0, "42", [])
    assert result.outputs == [{"text/plain": "42"}]


async def test_a_figure_comes_back_as_a_picture_and_leaves_no_file(
    executor: JupyterCodeExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = await run(executor, FIGURE)

    (bundle,) = result.outputs
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert result.output == "[image/png]"
    assert result.output_files == []
    assert list(tmp_path.iterdir()) == []


async def test_figures_and_tables_are_saved_where_one_asks_for_it(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    async with JupyterCodeExecutor(output_dir=folder) as executor:
        result = await run(executor, FIGURE, "import pandas as pd; pd.DataFrame({'a': [1]})")

    picture, table = result.output_files
    assert picture.parent == table.parent == folder
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "<table" in table.read_text()


async def test_a_data_frame_comes_as_html_and_as_unwrapped_text(executor: JupyterCodeExecutor) -> None:
    result = await run(executor, "import pandas as pd", "pd.DataFrame([range(10_000, 10_025)])")

    (bundle,) = result.outputs
    assert "<table" in bundle["text/html"]
    assert len(bundle["text/plain"].splitlines()) == 2
    assert result.output == bundle["text/plain"]


async def test_an_error_is_exit_code_1_and_a_traceback_without_escapes(executor: JupyterCodeExecutor) -> None:
    result = await run(executor, "1 / 0")

    assert result.exit_code == 1
    assert result.output.endswith("ZeroDivisionError: division by zero")
    assert "\x1b" not in result.output
    assert result.outputs[0]["error"]["ename"] == "ZeroDivisionError"


async def test_the_first_failure_stops_the_blocks_after_it(executor: JupyterCodeExecutor) -> None:
    result = await run(executor, "print('one')", "raise ValueError('two')", "print('three')")

    assert result.exit_code == 1
    assert result.output.startswith("one\n")
    assert "three" not in result.output


async def test_ipython_syntax_and_top_level_await_work(executor: JupyterCodeExecutor) -> None:
    result = await run(
        executor,
        "!echo bang",
        "\n\n%%bash\necho cell",
        "%timeit -n1 -r1 pass",
        "import asyncio; await asyncio.sleep(0, 'waited')",
    )

    assert result.exit_code == 0
    assert result.output.startswith("bang\n")
    assert "cell\n" in result.output
    assert "per loop" in result.output
    assert result.output.endswith("'waited'")


@pytest.mark.parametrize("language", ["sh", "bash", "Shell"])
async def test_shell_blocks_run(executor: JupyterCodeExecutor, language: str) -> None:
    good = await run(executor, "echo $((6 * 7))", language=language)
    bad = await run(executor, "echo no; exit 3", language=language)

    assert (good.exit_code, good.output) == (0, "42\n")
    assert bad.exit_code == 1
    assert "exit status 3" in bad.output


async def test_a_block_in_another_language_is_refused_after_those_before_it_ran(executor: JupyterCodeExecutor) -> None:
    blocks = [CodeBlock(code="print(1)", language="python"), CodeBlock(code="print(2)", language="julia")]
    result = await executor.execute_code_blocks(blocks, CancellationToken())

    assert result.exit_code == 1
    assert result.output.startswith("1\nThis kernel runs Python and shell blocks; a block in 'julia' was not run.")


async def test_input_is_refused_at_once(executor: JupyterCodeExecutor) -> None:
    result = await run(executor, "input('your name?')")

    assert result.exit_code == 1
    assert "does not support input requests" in result.output


async def test_lone_surrogates_arrive_as_replacement_characters(executor: JupyterCodeExecutor) -> None:
    result = await run(executor, "print('a\\ud83db')", "raise ValueError('c\\ud83dd')")

    assert result.outputs[0] == {"text/plain": "a\ufffdb\n", "stream": "stdout"}
    assert result.outputs[1]["error"]["evalue"] == "c\ufffdd"


async def test_five_megabytes_of_print_are_cut_in_the_middle(executor: JupyterCodeExecutor) -> None:
    result = await run(executor, "print('a' * 2_500_000 + 'b' * 2_500_000)")

    (bundle,) = result.outputs
    assert 1_000_000 < len(bundle["text/plain"]) < 1_000_100
    assert "… 4,000,001 characters left out …" in bundle["text/plain"]
    assert bundle["text/plain"].startswith("aaa")
    assert bundle["text/plain"].endswith("bbb\n")
    assert len(result.output) < 21_000


async def test_markup_of_the_code_is_left_untouched(executor: JupyterCodeExecutor) -> None:
    page = "<script>alert('x')</script>"
    result = await run(executor, f'from IPython.display import HTML\nHTML("""{page}""")', f'print("""{page}""")')

    assert result.outputs[0]["text/html"] == page
    assert result.outputs[1]["text/plain"] == page + "\n"


async def test_widgets_leave_no_widget_behind(executor: JupyterCodeExecutor) -> None:
    result = await run(executor, "import ipywidgets; ipywidgets.IntSlider()")

    assert [list(bundle) for bundle in result.outputs] == [["text/plain"]]


async def test_a_time_out_is_asyncios_and_the_variables_are_kept() -> None:
    async with JupyterCodeExecutor(timeout=0.5) as executor:
        await run(executor, "kept = 1")
        with pytest.raises(asyncio.TimeoutError, match="variables are kept"):
            await run(executor, "import time; time.sleep(60)")

        assert (await run(executor, "kept")).output == "1"


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_time_out_must_be_positive(timeout: float) -> None:
    with pytest.raises(UserError, match="more than 0"):
        JupyterCodeExecutor(timeout=timeout)


async def test_a_shared_data_frame_is_a_copy(executor: JupyterCodeExecutor) -> None:
    penguins = pd.DataFrame({"species": ["Adelie"] * 344, "body_mass_g": range(344)})
    shared = await executor.share({"penguins": penguins, "limit": 5})
    result = await run(executor, "penguins['body_mass_g'] = 0; penguins.shape, limit, int(penguins.body_mass_g.sum())")

    assert shared is True
    assert result.output == "((344, 2), 5, 0)"
    assert penguins["body_mass_g"].sum() == sum(range(344))


async def test_sharing_leaves_no_names_of_ours_in_the_kernel(executor: JupyterCodeExecutor) -> None:
    await executor.share({"one": 1})
    result = await run(executor, "[name for name in globals() if 'agentnb' in name]")

    assert result.output == "[]"


async def test_shared_variables_survive_the_kernels_death_and_are_named(fresh: JupyterCodeExecutor) -> None:
    await fresh.share({"table": pd.DataFrame({"a": [1, 2]}), "name": "first"})
    await fresh.share({"name": "second"})
    with pytest.raises(KernelDied):
        await run(fresh, "lost = 1\nimport os; os._exit(1)")
    again = await run(fresh, "table.shape, name, 'lost' in globals()")

    assert again.exit_code == 0
    assert "Loaded again: table, name; all other variables are lost." in again.output
    assert again.output.endswith("((2, 1), 'second', False)")


async def test_shared_variables_survive_a_restart(fresh: JupyterCodeExecutor) -> None:
    await fresh.share({"x": [1, 2]})
    await fresh.restart()

    assert (await run(fresh, "x")).output == "[1, 2]"


async def test_stopping_removes_the_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    executor = JupyterCodeExecutor()
    await executor.share({"x": 1})
    (copy,) = tmp_path.glob("anb-*/*.pickle")
    mode = copy.parent.stat().st_mode & 0o777
    await executor.stop()

    assert mode == 0o700
    assert list(tmp_path.iterdir()) == []


class OnlyHere:
    """A class the kernel cannot import."""


@pytest.mark.parametrize(("value", "kind"), [(threading.Lock(), "_thread's lock"), (lambda: 1, "function")])
async def test_what_cannot_be_copied_is_named_with_its_type_and_the_way_out(
    executor: JupyterCodeExecutor, value: Any, kind: str
) -> None:
    with pytest.raises(UserError, match=rf"The variable 'thing' \({kind}\) cannot be copied.*Pass plain data instead"):
        await executor.share({"fine": 1, "thing": value})


async def test_what_the_kernel_cannot_load_is_explained(
    executor: JupyterCodeExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    import __main__

    monkeypatch.setattr(OnlyHere, "__module__", "__main__")
    monkeypatch.setattr(__main__, "OnlyHere", OnlyHere, raising=False)
    with pytest.raises(UserError, match=r"'thing' \(__main__'s OnlyHere\).*cannot load it.*defined in this notebook"):
        await executor.share({"thing": OnlyHere()})


@pytest.mark.parametrize("name", ["two words", "class", "1st"])
async def test_a_shared_name_must_be_a_python_name(executor: JupyterCodeExecutor, name: str) -> None:
    with pytest.raises(UserError, match="cannot be the name of a variable"):
        await executor.share({name: 1})


async def test_two_executors_do_not_see_each_other(executor: JupyterCodeExecutor, fresh: JupyterCodeExecutor) -> None:
    await asyncio.gather(run(executor, "mine = 1"), run(fresh, "mine = 2"))
    first, second = await asyncio.gather(run(executor, "mine"), run(fresh, "mine"))

    assert (first.output, second.output) == ("1", "2")


def test_it_may_be_used_from_any_event_loop(executor: JupyterCodeExecutor) -> None:
    asyncio.run(run(executor, "steps = ['asyncio.run']"))
    asyncio.run(run(executor, "steps.append('again')"))
    result = run_sync(lambda: run(executor, "steps"))

    assert result.output == "['asyncio.run', 'again']"


async def test_output_is_fanned_out_before_the_block_ends(executor: JupyterCodeExecutor, tmp_path: Path) -> None:
    go = tmp_path / "go"
    log = RunLog()
    seen: list[Any] = []

    def watch(item: Any) -> None:
        seen.append(item)
        if isinstance(item, OutputChunk):
            go.touch()  # without it the code would never end

    log.watch(watch)
    with scope(log, None, "coder"):
        await run(
            executor,
            "import os, time\nprint('now', flush=True)\n"
            f"while not os.path.exists({str(go)!r}): time.sleep(.01)\n"
            "print(2)",
        )

    started, first, second, finished = seen
    assert isinstance(started.body, CodeStarted)
    assert [first.data, second.data] == [
        {"text/plain": "now\n", "stream": "stdout"},
        {"text/plain": "2\n", "stream": "stdout"},
    ]
    assert first.code == second.code == started.id
    assert isinstance(finished.body, CodeFinished)
    assert finished.parent == started.id
    assert finished.took is not None
    assert (finished.body.exit_code, finished.body.output) == (0, "now\n2\n")
    assert finished.body.outputs == ({"text/plain": "now\n2\n", "stream": "stdout"},)
    assert len(log) == 2  # chunks are shown, not stored


async def test_what_was_shown_before_a_death_or_a_stop_is_in_the_log(fresh: JupyterCodeExecutor) -> None:
    log = RunLog()
    with scope(log, None, "coder"):
        with pytest.raises(KernelDied):
            await run(fresh, "print('almost', flush=True)\nimport os, time; time.sleep(.3); os._exit(9)")
        token = CancellationToken()
        log.watch(lambda item: token.cancel() if isinstance(item, OutputChunk) and "on" in str(item.data) else None)
        block = CodeBlock(code="import time\nprint('going on', flush=True)\ntime.sleep(60)", language="python")
        with pytest.raises(asyncio.CancelledError):
            await fresh.execute_code_blocks([block], token)

    died, stopped = (event.body for event in log if isinstance(event.body, CodeFinished))
    assert died.output == "almost\n"
    assert died.error is not None
    assert died.error.startswith("KernelDied: ")
    assert "going on\n" in stopped.output


async def test_sharing_is_a_fact_of_the_run(executor: JupyterCodeExecutor) -> None:
    log = RunLog()
    with scope(log, None, "team"):
        await executor.share({"frame": pd.DataFrame({"a": [1, 2]}), "words": ["x"], "city": "Oslo", "n": 3})

    (event,) = log
    assert event.body == VariablesShared(
        executor="JupyterCodeExecutor",
        names=("frame", "words", "city", "n"),
        summary="frame: DataFrame 2 × 1, words: list of 1, city: str of 4 characters, n: int",
    )


async def test_a_token_that_is_cancelled_already_runs_nothing(executor: JupyterCodeExecutor) -> None:
    token = CancellationToken()
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await executor.execute_code_blocks([CodeBlock(code="ran = 1", language="python")], token)

    assert (await run(executor, "'ran' in globals()")).output == "False"


def test_it_is_a_component() -> None:
    model = JupyterCodeExecutor("python3", timeout=5, output_dir="out").dump_component()
    made = CodeExecutor.load_component(model)

    assert model.provider == "agentnb.code_executors.JupyterCodeExecutor"
    assert isinstance(made, JupyterCodeExecutor)
    assert (made.timeout, made.output_dir) == (5, Path("out"))
