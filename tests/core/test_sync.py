"""Awaiting from code that cannot."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from contextvars import ContextVar

import pytest

from agentnb.core.sync import run_sync
from agentnb.exceptions import UserError

place: ContextVar[str] = ContextVar("place", default="nowhere")


async def where() -> str:
    await asyncio.sleep(0)
    return place.get()


def test_a_script_gets_the_coroutines_value() -> None:
    async def add() -> int:
        await asyncio.sleep(0)
        return 3

    assert run_sync(add) == 3


async def test_it_works_where_an_event_loop_runs_already() -> None:
    assert run_sync(where) == "nowhere"


def test_the_callers_context_goes_along() -> None:
    token = place.set("here")
    try:
        assert run_sync(where) == "here"
    finally:
        place.reset(token)


def test_the_error_raised_is_the_very_object() -> None:
    error = KeyError("mine")

    async def fail() -> None:
        raise error

    with pytest.raises(KeyError) as caught:
        run_sync(fail)
    assert caught.value is error


def test_work_that_cannot_even_begin_raises_instead_of_waiting() -> None:
    def no_coroutine() -> asyncio.Future[int]:
        raise LookupError("before the first await")

    with pytest.raises(LookupError, match="before the first await"):
        run_sync(no_coroutine)  # type: ignore[arg-type]


def test_cancelled_work_raises_asyncios_error() -> None:
    async def give_up() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run_sync(give_up)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_coroutine_that_exits_ends_its_caller_not_the_loop() -> None:
    async def leave() -> None:
        sys.exit(3)

    with pytest.raises(SystemExit) as caught:
        run_sync(leave)
    assert caught.value.code == 3
    assert run_sync(where) == "nowhere"


def test_a_call_inside_such_a_coroutine_is_refused() -> None:
    async def nested() -> None:
        run_sync(where)

    with pytest.raises(UserError, match="use `await` there"):
        run_sync(nested)


def test_a_thread_started_by_such_a_coroutine_may_call() -> None:
    async def outer() -> str:
        return await asyncio.to_thread(run_sync, where)

    assert run_sync(outer) == "nowhere"


def test_several_threads_may_wait_at_the_same_time() -> None:
    arrived: list[asyncio.Event] = []

    async def meet() -> int:
        mine = asyncio.Event()
        arrived.append(mine)
        if len(arrived) == 4:
            for event in arrived:
                event.set()
        await mine.wait()
        return len(arrived)

    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(run_sync(meet))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [4, 4, 4, 4]


_INTERRUPTED = """
import asyncio
from agentnb.core.sync import run_sync

async def work():
    try:
        print("working", flush=True)
        await asyncio.Event().wait()
    finally:
        print("cleaned up", flush=True)

try:
    run_sync(work)
except KeyboardInterrupt:
    print("interrupted", flush=True)

async def after():
    return "usable"
print(run_sync(after), flush=True)
"""


def test_ctrl_c_cancels_the_work_and_the_next_call_works() -> None:
    process = subprocess.Popen([sys.executable, "-c", _INTERRUPTED], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"

    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=20)

    assert rest.splitlines() == ["cleaned up", "interrupted", "usable"]
    assert process.returncode == 0
