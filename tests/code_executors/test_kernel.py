"""A real kernel: what it shows, how it is interrupted, how it dies, and what is left of it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from agentnb.code_executors import Kernel, engine
from agentnb.code_executors.outputs import Output
from agentnb.core import CancellationToken
from agentnb.core.sync import run_sync
from agentnb.exceptions import KernelDied, KernelError, KernelStartFailed, KernelTimeout

DEAF = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
print("deaf", flush=True)
while True:
    time.sleep(60)
"""


async def begun(kernel: Kernel, code: str) -> asyncio.Task[object]:
    """Start code and return its task as soon as it has shown something."""
    first = asyncio.Event()
    task: asyncio.Task[object] = asyncio.ensure_future(kernel.execute(code, on_output=lambda _: first.set()))
    await first.wait()
    return task


async def test_state_persists_from_call_to_call(kernel: Kernel) -> None:
    await kernel.execute("x = 41")
    execution = await kernel.execute("x + 1")

    assert execution.status == "ok"
    assert execution.outputs == [{"text/plain": "42"}]


async def test_output_comes_while_the_code_still_runs(kernel: Kernel, tmp_path: Path) -> None:
    go = tmp_path / "go"
    code = f"import os, time\nprint('first', flush=True)\nwhile not os.path.exists({str(go)!r}): time.sleep(.01)\n'end'"
    seen: list[Output] = []
    async for output in kernel.run(code, timeout=30):
        seen.append(output)
        go.touch()  # without it the code would never end

    assert [output.bundle["text/plain"] for output in seen] == ["first\n", "'end'"]
    assert [output.kind for output in seen] == ["stream", "display"]


async def test_leaving_a_run_early_interrupts_the_code(kernel: Kernel) -> None:
    stream = kernel.run("kept = 1\nprint('on', flush=True)\nimport time; time.sleep(60)")
    async for _ in stream:
        break
    await stream.aclose()

    assert (await kernel.execute("kept")).text == "1"


async def test_the_first_block_that_fails_ends_the_call(kernel: Kernel) -> None:
    execution = await kernel.execute("print(1)", "1 / 0", "print(3)")

    assert execution.status == "error"
    assert execution.error == "ZeroDivisionError: division by zero"
    assert execution.text.startswith("1\n")
    assert "3\n" not in execution.text.splitlines(keepends=True)


@pytest.mark.parametrize(
    "code", ["import time; time.sleep(60)", "import asyncio; await asyncio.sleep(60)", "while True: pass", "!sleep 60"]
)
async def test_a_time_out_interrupts_and_keeps_the_state(kernel: Kernel, code: str) -> None:
    await kernel.execute("kept = 'still here'")
    with pytest.raises(KernelTimeout, match=r"longer than 0.3 s. It was interrupted; .* are kept") as caught:
        await kernel.execute(f"print('so far', flush=True)\n{code}", timeout=0.3)

    assert isinstance(caught.value, asyncio.TimeoutError)
    assert caught.value.output.startswith("so far\n")
    assert (await kernel.execute("kept")).text == "'still here'"


async def test_code_deaf_to_interrupts_is_killed_and_it_is_said() -> None:
    async with Kernel() as kernel:
        before = kernel.pid
        with pytest.raises(
            KernelTimeout, match="did not react to the interrupt, so the kernel is restarted: state lost"
        ):
            await kernel.execute(DEAF, timeout=0.3)
        execution = await kernel.execute("6 * 7")

        assert kernel.pid != before
        assert execution.text.startswith("The kernel was restarted, because the code before took too long")
        assert execution.text.endswith("42")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os; os._exit(3)", "ended with exit code 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", r"killed \(SIGKILL\)"),
        ("import ctypes; ctypes.string_at(0)", r"crashed \(SIGSEGV\)"),
    ],
)
async def test_death_while_code_runs_is_noticed_and_what_was_shown_is_kept(code: str, said: str) -> None:
    async with Kernel() as kernel:
        began = time.monotonic()
        with pytest.raises(KernelDied, match=said) as caught:
            # The pause is the kernel's: what it has not sent yet dies with it.
            await kernel.execute(
                "print('before')", f"print('partial', flush=True)\n__import__('time').sleep(.3)\n{code}", timeout=30
            )

        assert time.monotonic() - began < 5
        assert caught.value.output == "before\npartial\n"
        assert [bundle["text/plain"] for bundle in caught.value.outputs] == ["before\n", "partial\n"]
        assert not kernel.alive


async def test_death_between_two_calls_is_told_with_the_next() -> None:
    async with Kernel() as kernel:
        assert kernel.pid is not None
        os.kill(kernel.pid, signal.SIGKILL)
        await asyncio.to_thread(os.waitid, os.P_PID, kernel.pid, os.WEXITED | os.WNOWAIT)
        execution = await kernel.execute("1")

    assert execution.status == "ok"
    assert execution.text.startswith("The kernel was restarted, because its process was killed")


async def test_exit_ends_the_kernel_before_the_next_block_runs() -> None:
    async with Kernel() as kernel:
        await kernel.execute("exit()")
        execution = await kernel.execute("'fresh'")

    assert "the code ended it with exit()" in execution.text
    assert execution.text.endswith("'fresh'")


async def test_what_a_kernel_provides_is_loaded_after_every_start() -> None:
    async with Kernel(preamble="base = 1") as kernel:
        kernel.provides["doubled"] = "doubled = base * 2"
        kernel.provides["broken"] = "1 / 0"
        with pytest.raises(KernelDied):
            await kernel.execute("import os; os._exit(1)")
        execution = await kernel.execute("doubled")

    assert "Loaded again: doubled; all other variables are lost. Could not be loaded again: broken." in execution.text
    assert execution.text.endswith("2")


async def test_cancelling_the_task_is_quick_and_keeps_the_state(kernel: Kernel) -> None:
    task = await begun(kernel, "kept = 'yes'\nprint('on', flush=True)\nimport time; time.sleep(60)")
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task

    assert time.monotonic() - began < 1
    assert caught.value.output.startswith("on\n")  # type: ignore[attr-defined]
    assert (await kernel.execute("kept")).text == "'yes'"


async def test_cancelling_the_token_is_cancelling_the_task(kernel: Kernel) -> None:
    token = CancellationToken()
    with pytest.raises(asyncio.CancelledError):
        await kernel.execute(
            "kept = 'too'\nprint('on', flush=True)\nimport asyncio; await asyncio.sleep(60)",
            on_output=lambda _: token.cancel(),
            cancellation_token=token,
        )

    assert (await kernel.execute("kept")).text == "'too'"


async def test_a_cancelled_caller_does_not_wait_for_deaf_code() -> None:
    async with Kernel() as kernel:
        task = await begun(kernel, DEAF)
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        took = time.monotonic() - began
        execution = await kernel.execute("'next'")

    assert took < 1
    assert "did not react to the interrupt" in execution.text
    assert execution.text.endswith("'next'")


def test_an_event_loop_that_ends_in_mid_run_leaves_a_kernel_that_works(kernel: Kernel) -> None:
    async def leave() -> None:
        await begun(kernel, "print('on', flush=True)\nimport time; time.sleep(60)")

    asyncio.run(leave())

    assert asyncio.run(kernel.execute("1 + 1")).text == "2"


def test_one_kernel_serves_several_event_loops(kernel: Kernel) -> None:
    asyncio.run(kernel.execute("loops = 1"))
    pid = kernel.pid
    asyncio.run(kernel.execute("loops += 1"))

    assert run_sync(lambda: kernel.execute("loops + 1")).text == "3"
    assert kernel.pid == pid


async def test_calls_at_the_same_time_wait_for_each_other(kernel: Kernel) -> None:
    await kernel.execute("order = []")
    code = "order.append('<'); __import__('time').sleep(0.02); order.append('>')"
    await asyncio.gather(*(kernel.execute(code) for _ in range(4)))

    assert (await kernel.execute("''.join(order)")).text == "'<><><><>'"


async def test_a_call_given_up_while_it_waits_never_runs(kernel: Kernel) -> None:
    first = await begun(kernel, "print('on', flush=True)\nimport time; time.sleep(60)")
    second = asyncio.ensure_future(kernel.execute("never = 1"))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait([second])
    first.cancel()
    await asyncio.wait([first])

    assert (await kernel.execute("'never' in globals()")).text == "False"


async def test_interrupt_is_a_keyboard_interrupt(kernel: Kernel) -> None:
    task = asyncio.ensure_future(begun(kernel, "print('on', flush=True)\nimport time; time.sleep(60)"))
    running = await task
    await kernel.interrupt()
    execution = await running

    assert execution.error.startswith("KeyboardInterrupt")  # type: ignore[attr-defined]


async def test_restart_forgets_the_variables() -> None:
    async with Kernel() as kernel:
        await kernel.execute("x = 1")
        await kernel.restart()
        execution = await kernel.execute("x")

    assert execution.error == "NameError: name 'x' is not defined"


async def test_stop_ends_running_code_and_leaves_no_process_and_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    # A folder of the test's own: others on this machine may have kernels, too. Its path is short, as sockets need it.
    own = Path(tempfile.mkdtemp(prefix="t-"))
    monkeypatch.setattr(tempfile, "tempdir", str(own))
    kernel = Kernel()
    task = await begun(
        kernel, "import subprocess, time\nprint(subprocess.Popen(['sleep', '600']).pid, flush=True)\ntime.sleep(60)"
    )
    assert kernel.pid is not None
    family = [psutil.Process(kernel.pid), *psutil.Process(kernel.pid).children(recursive=True)]
    await kernel.stop()
    with pytest.raises(KernelError, match="stopped while the code ran"):
        await task

    _, left = psutil.wait_procs(family, timeout=5)
    assert len(family) >= 2
    assert left == []
    assert not kernel.alive
    assert list(own.iterdir()) == []
    own.rmdir()


async def test_stopping_what_never_started_does_nothing() -> None:
    kernel = Kernel()
    await kernel.stop()

    assert not kernel.alive


async def test_a_kernel_thrown_away_is_killed_with_a_warning_that_says_where_it_was_made() -> None:
    made = [Kernel()]
    await made[0].start()
    process = psutil.Process(made[0].pid)
    with pytest.warns(ResourceWarning, match=r"made at .*test_kernel\.py:\d+ was not stopped"):
        made.clear()

    _, left = psutil.wait_procs([process], timeout=5)
    assert left == []


def test_a_program_that_ends_takes_its_kernels_with_it_silently(tmp_path: Path) -> None:
    program = "import asyncio, sys\nfrom agentnb.code_executors import Kernel\nk = Kernel()\n"
    program += "asyncio.run(k.execute('1'))\nprint(k.pid)"
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", program], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )

    assert not psutil.pid_exists(int(done.stdout))
    assert "ResourceWarning" not in done.stderr


async def test_an_unknown_kernel_is_named_beside_those_that_exist() -> None:
    with pytest.raises(KernelStartFailed, match=r"No kernel is named 'fortran' \(known: .*'python3'"):
        await Kernel("fortran").start()


async def test_a_kernel_that_cannot_start_says_what_it_wrote(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit('no luck today')")
    with pytest.raises(KernelStartFailed, match=r"(?s)did not start.*exit code 1.*no luck today"):
        await Kernel(env={"PYTHONPATH": str(tmp_path)}).start()


async def test_without_unix_sockets_it_talks_over_tcp(monkeypatch: pytest.MonkeyPatch) -> None:
    # Stands for a system whose temporary folders are too deep for socket paths.
    monkeypatch.setattr(engine, "_SOCKET_PATH", 0)
    async with Kernel() as kernel:
        execution = await kernel.execute("from ipykernel.connect import get_connection_info", "get_connection_info()")

    assert '"transport": "tcp"' in execution.text
    assert "127.0.0.1" in execution.text


async def test_it_works_in_the_callers_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").write_text("a\n1\n")
    async with Kernel() as kernel:
        execution = await kernel.execute("open('data.csv').read()")

    assert execution.text == "'a\\n1\\n'"


async def test_a_kernel_may_be_used_from_a_notebooks_kernel_and_does_not_outlive_it() -> None:
    async with Kernel(cwd=Path.cwd()) as notebook:
        inner = await notebook.execute(
            "from agentnb.code_executors import Kernel\nkernel = Kernel()",
            "place = await kernel.execute('from ipykernel.connect import *', 'print(get_connection_file())')",
            "print((await kernel.execute('6 * 7')).text, kernel.pid, place.text)",
        )
        answer, pid, place = inner.text.split()
        assert notebook.pid is not None
        process = psutil.Process(int(pid))
        os.kill(notebook.pid, signal.SIGKILL)

        _, left = await asyncio.to_thread(psutil.wait_procs, [process], timeout=5)
        shutil.rmtree(Path(place).parent)  # a process killed that way cannot tidy up
        assert answer == "42"
        assert left == []
