"""Asking work to stop."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest

from agentnb.core import CancellationToken
from agentnb.core.cancellation import Abort


def test_a_callback_runs_when_the_stop_is_asked_for() -> None:
    token, called = CancellationToken(), list[int]()
    token.add_callback(lambda: called.append(1))
    assert not token.is_cancelled()

    token.cancel()

    assert token.is_cancelled()
    assert called == [1]


def test_asking_twice_calls_back_once() -> None:
    token, called = CancellationToken(), list[int]()
    token.add_callback(lambda: called.append(1))

    token.cancel()
    token.cancel()

    assert called == [1]


def test_a_late_callback_runs_at_once() -> None:
    token, called = CancellationToken(), list[int]()
    token.cancel()

    token.add_callback(lambda: called.append(1))

    assert called == [1]


def test_one_function_added_twice_is_called_twice() -> None:
    token, called = CancellationToken(), list[int]()

    def note() -> None:
        called.append(1)

    token.add_callback(note)
    token.add_callback(note)
    token.cancel()

    assert called == [1, 1]


def test_a_callback_that_raises_does_not_keep_the_others_from_being_called() -> None:
    token, called = CancellationToken(), list[int]()

    def fail() -> None:
        raise ValueError("first")

    token.add_callback(fail)
    token.add_callback(lambda: called.append(1))

    with pytest.raises(ValueError, match="first"):
        token.cancel()
    assert called == [1]


def test_a_callback_may_use_the_token_it_belongs_to() -> None:
    token, called = CancellationToken(), list[int]()
    token.add_callback(lambda: token.add_callback(lambda: called.append(token.is_cancelled())))

    token.cancel()

    assert called == [True]


def test_a_token_never_asked_has_not_been_cancelled_and_stays_so_after_many_callbacks() -> None:
    token = CancellationToken()
    for _ in range(3):
        token.add_callback(lambda: None)

    assert not token.is_cancelled()


def test_callbacks_run_in_the_order_they_were_added_before_cancel_returns() -> None:
    token, called = CancellationToken(), list[int]()
    for number in range(5):
        token.add_callback(lambda number=number: called.append(number))  # type: ignore[misc]

    token.cancel()

    assert called == list(range(5))


async def test_a_linked_task_can_clean_up_when_it_is_cancelled() -> None:
    token, cleaned = CancellationToken(), list[str]()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append("done")

    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    token.link_future(task)
    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned == ["done"]


async def test_one_token_ends_all_that_is_linked_to_it_and_spares_what_is_over() -> None:
    token = CancellationToken()
    over: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    over.set_result(1)
    futures: list[asyncio.Future[int]] = [asyncio.get_running_loop().create_future() for _ in range(3)]
    for future in (over, *futures):
        token.link_future(future)

    token.cancel()
    await asyncio.wait(futures)

    assert [future.cancelled() for future in futures] == [True] * 3
    assert over.result() == 1


async def test_a_linked_future_is_cancelled_with_the_token() -> None:
    token = CancellationToken()
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    assert token.link_future(future) is future
    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await future


async def test_a_future_linked_late_is_cancelled_at_once() -> None:
    token = CancellationToken()
    token.cancel()
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    token.link_future(future)

    assert future.cancelled()


async def test_a_token_cancelled_in_another_thread_wakes_the_task_that_waits() -> None:
    token = CancellationToken()
    waiting = asyncio.ensure_future(asyncio.Event().wait())
    token.link_future(waiting)

    threading.Thread(target=token.cancel).start()

    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_future_may_be_linked_in_another_thread(when: str) -> None:
    """In debug mode asyncio raises for whatever touches a loop from a foreign thread."""
    asyncio.get_running_loop().set_debug(True)
    token, errors = CancellationToken(), list[RuntimeError]()
    waiting = asyncio.ensure_future(asyncio.Event().wait())

    def link() -> None:
        try:
            if when == "before":
                token.cancel()
            token.link_future(waiting)
            if when == "after":
                token.cancel()
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=link)
    thread.start()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    thread.join()
    assert errors == []


async def test_links_of_finished_futures_are_not_kept() -> None:
    token = CancellationToken()
    for _ in range(100):
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        token.link_future(future)
        future.set_result(None)
        await future
    await asyncio.sleep(0)  # done callbacks run in the loop's next turn

    assert len(token._callbacks) == 0


def test_a_future_of_a_closed_loop_does_not_hinder_cancelling() -> None:
    loop = asyncio.new_event_loop()
    token = CancellationToken()
    token.link_future(loop.create_future())
    loop.close()

    token.cancel()

    assert token.is_cancelled()


def test_many_threads_may_add_and_cancel_at_the_same_time() -> None:
    for _ in range(50):
        token, called = CancellationToken(), list[int]()
        start = threading.Barrier(5)

        def add(token: CancellationToken = token, called: list[int] = called, start: threading.Barrier = start) -> None:
            start.wait()
            token.add_callback(lambda: called.append(1))

        def cancel(token: CancellationToken = token, start: threading.Barrier = start) -> None:
            start.wait()
            token.cancel()

        threads = [threading.Thread(target=target) for target in (add, add, add, cancel, cancel)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert called == [1, 1, 1]


async def test_a_token_ends_a_wait_and_leaves_no_cancellation_behind() -> None:
    token, reached = CancellationToken(), asyncio.Event()

    async def wait() -> str:
        reached.set()
        try:
            await Abort(token).wait(asyncio.Event().wait())
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            return f"stopped, {task.cancelling()}"
        return "not stopped"

    task = asyncio.create_task(wait())
    await reached.wait()
    await asyncio.to_thread(token.cancel)

    assert await task == "stopped, 0"


async def test_work_that_is_done_in_spite_of_the_stop_leaves_no_cancellation_behind() -> None:
    token, reached = CancellationToken(), asyncio.Event()

    async def stubborn() -> str:
        reached.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "done"
        return "never stopped"

    async def wait() -> tuple[str, int]:
        said = await Abort(token).wait(stubborn())
        task = asyncio.current_task()
        assert task is not None
        return said, task.cancelling()

    task = asyncio.create_task(wait())
    await reached.wait()
    token.cancel()

    assert await task == ("done", 0)


async def test_a_wait_within_another_of_the_same_token_is_ended_by_that_one_and_once() -> None:
    token, reached = CancellationToken(), asyncio.Event()
    listening: list[int] = []

    async def waited() -> None:
        reached.set()
        await asyncio.Event().wait()

    async def inner() -> None:
        await Abort(token).wait(waited())

    async def outer() -> int:
        try:
            await Abort(token).wait(inner())
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            return task.cancelling()
        return -1

    task = asyncio.create_task(outer())
    await reached.wait()
    listening.append(len(token._waits))
    token.cancel()

    assert await task == 0
    assert listening == [1]


async def test_a_later_wait_is_ended_as_the_first_one_would_have_been() -> None:
    token = CancellationToken()
    abort = Abort(token)
    await abort.wait(asyncio.sleep(0))
    asyncio.get_running_loop().call_soon(token.cancel)
    with pytest.raises(asyncio.CancelledError):
        await abort.wait(asyncio.Event().wait())

    assert not token._waits


async def test_a_wait_in_a_task_of_its_own_is_ended_there() -> None:
    token, reached = CancellationToken(), asyncio.Event()

    async def waited() -> None:
        reached.set()
        await asyncio.Event().wait()

    async def inner() -> None:
        await Abort(token).wait(waited())

    async def outer() -> bool:
        task = asyncio.create_task(inner())
        with contextlib.suppress(asyncio.CancelledError):
            await Abort(token).wait(asyncio.Event().wait())
        await asyncio.wait([task])
        return task.cancelled()

    task = asyncio.create_task(outer())
    await reached.wait()
    token.cancel()

    assert await task


async def test_a_token_does_not_touch_a_task_that_is_not_waiting() -> None:
    token = CancellationToken()
    abort = Abort(token)
    await abort.wait(asyncio.sleep(0))
    token.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await abort.wait(asyncio.sleep(0))


async def test_a_used_token_forgets_those_it_was_given_to() -> None:
    token = CancellationToken()

    for _ in range(3):
        await Abort(token).wait(asyncio.sleep(0))
    await asyncio.sleep(0)

    assert not token._callbacks
    assert not token._waits
