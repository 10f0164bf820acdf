"""The life of a runtime: it starts, steps, comes to rest, stops, closes, and starts again."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from threading import get_ident
from types import CodeType
from typing import Any

from agentnb.exceptions import RuntimeFault
from agentnb.runlog import RunLog
from agentnb.runtimes.handling import Handling
from agentnb.runtimes.home import at_home
from agentnb.runtimes.intervention import InterventionHandler
from agentnb.runtimes.post import Post
from agentnb.runtimes.trace import Trace

HANDLING: set[CodeType] = {
    function.__code__ for function in (Handling._hear_plainly, Handling._handle, Handling._intervene)
}
"""The code that calls handlers and interventions."""


class Life(Post):
    """When a runtime works, and how it ends."""

    def __init__(
        self,
        intervention_handlers: Sequence[InterventionHandler],
        *,
        ignore_errors: bool,
        tracer_provider: Any,
        log: RunLog | None,
        observable: bool,
    ) -> None:
        super().__init__(intervention_handlers, ignore_errors=ignore_errors)
        self._tracer_provider = tracer_provider
        self._log = log
        self._observable = observable
        # The thread in which sends are direct; None: in none.
        self._direct_in: int | None = None
        self._look_for_watchers()

    def start(self) -> None:
        """Begin to carry messages.

        Raises:
            RuntimeError: If it is started already.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            if self._waiting or self._again:
                raise  # without one nothing can begin: said before anything changes
            loop = None
        home = self._home
        open_elsewhere = home is not None and home is not loop and not home.is_closed()
        if self._running and (home is None or not home.is_closed()):
            raise RuntimeFault("The runtime is started already.")
        if open_elsewhere and self._is_bound():
            raise RuntimeFault("Another event loop still works for the runtime; start it there.")
        if self._running and self._trace is not None:
            self._trace.stopped(None)  # with its loop
        self._settle(loop)
        self._running = True
        self._look_for_watchers()
        if self._trace is not None:
            self._trace.started()
        self._settle(loop)
        self._resume()

    def _settle(self, loop: asyncio.AbstractEventLoop | None) -> None:
        super()._settle(loop)
        direct = self._running and self._direct_allowed and not self._interventions and self._trace is None
        self._direct_in = get_ident() if direct and loop is not None else None

    def _resume(self) -> None:
        self._come_home()
        if self._bounded and self._running:
            for kind in self._residents.kinds.values():
                for mailbox in kind.mailboxes.values():
                    mailbox.go_on()
        if (self._waiting or self._again) and self._pumping is None and self._running:
            self._start_pump()

    def _look_for_watchers(self) -> None:
        if not Trace.wanted(self._log, self._tracer_provider, observable=self._observable):
            self._trace = None
        elif self._trace is None:
            self._trace = Trace(self._log, self._tracer_provider)
        self._residents.on_made = None if self._trace is None else self._trace.made

    @at_home
    async def process_next(self) -> None:
        """Begin to deliver one message, waiting for one if there is none; for stepping instead of `start()`.

        Its handlers go on by themselves where they wait for something.

        Raises:
            Exception: The first error of a publish handler so far, unless `ignore_unhandled_exceptions`.
        """
        self._raise_unhandled()
        while not self._waiting:
            await self._wait(eager=True)
        await self._begin(self._waiting.popleft())
        await asyncio.sleep(0)
        self._raise_unhandled()

    @at_home
    async def stop(self) -> None:
        """End at once: waiting messages are discarded, their senders told, handlers of published messages cancelled.

        A handler whose sender waits for the answer belongs to the sender and goes on.

        Raises:
            RuntimeError: If it is not started.
            Exception: The first error of a publish handler, unless `ignore_unhandled_exceptions`.
        """
        self._check_started()
        self._halt()
        if self._pumping is not None and self._pumping is not asyncio.current_task():
            self._pumping.cancel()
            await asyncio.wait([self._pumping])
            self._pumping = None  # one that had not begun could not say so itself
        self._discard()
        await asyncio.sleep(0)  # who was given the word takes a first step, and can clean up
        answers, me = self._answers, asyncio.current_task()
        left = [
            task
            for number, task in self._tasks.items()
            if (number not in answers or answers[number].done()) and task is not me
        ]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
        self._ended()

    @at_home
    async def stop_when_idle(self) -> None:
        """End when every message, and every message they caused, is handled.

        Raises:
            RuntimeError: If it is not started.
            Exception: The first error of a publish handler, unless `ignore_unhandled_exceptions`.
        """
        self._check_started()
        if self._is_at_work_below():
            raise RuntimeFault(
                "stop_when_idle() was awaited within a handler, for whose own end it would wait for ever. Call it "
                "where the runtime was started, or `await runtime.stop()` to end at once."
            )
        self._resume()
        while self._open > 0 and self._running:
            await self._wait(eager=False)
        if self._open <= 0:
            self._waiting.clear()  # what is left there was cancelled before its turn
        self._halt()
        self._ended()

    def _is_at_work_below(self) -> bool:
        """Tell whether the code that runs now is called by a handler of this runtime, in the same task."""
        frame = sys._getframe(1)
        while frame.f_back is not None:
            frame = frame.f_back
            if frame.f_code in HANDLING and frame.f_locals.get("self") is self:
                return True
        return False

    def _halt(self) -> None:
        self._running = False
        self._direct_in = None

    @at_home
    async def stop_when(self, condition: Callable[[], bool]) -> None:
        """End as `stop` does once a condition holds; it is asked whenever a message is handled, and every 50 ms.

        Raises:
            RuntimeError: If it is not started.
        """
        self._check_started()
        self._resume()
        while self._running and not condition():
            try:
                async with asyncio.timeout(0.05):
                    await self._wait(eager=True)
            except TimeoutError:
                pass  # a condition may look at more than messages
        if self._running:
            await self.stop()

    @at_home
    async def close(self) -> None:
        """End, and close every agent; senders whose messages still wait for `start` are told."""
        try:
            if self._running:
                await self.stop()
            self._discard()
        finally:
            await self._residents.stop_making()
            for resident in self._residents:
                try:
                    await resident.agent.close()
                except Exception as error:  # the others are closed all the same
                    self._errors.append(error)
            self._raise_unhandled()

    def _ended(self) -> None:
        if self._trace is not None:
            self._trace.stopped(self._errors[0] if self._errors else None)
        self._raise_unhandled()

    def _raise_unhandled(self) -> None:
        errors, self._errors = self._errors, []
        if not errors:
            return
        for other in errors[1:]:
            errors[0].add_note(f"Another agent failed too: {type(other).__name__}: {other}")
        raise errors[0]

    def _check_started(self) -> None:
        if not self._running:
            raise RuntimeFault("The runtime is not started; call start() first.")
