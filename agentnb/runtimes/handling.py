"""Lets agents handle messages whose turn has come: capacity, interventions, answers, and what becomes of errors."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextvars import copy_context
from typing import Any, cast

from agentnb.core import AgentId, CancellationToken, TopicId
from agentnb.core.tasks import begun_later
from agentnb.exceptions import AgentBusy, MessageDroppedException, RuntimeFault, UndeliverableException
from agentnb.runlog import Event
from agentnb.runtimes.base import AgentRuntime, Delivery
from agentnb.runtimes.capacity import Mailbox
from agentnb.runtimes.circles import circle
from agentnb.runtimes.contexts import Here
from agentnb.runtimes.contexts import here as here_var
from agentnb.runtimes.delivery import Envelope, first_step, in_context
from agentnb.runtimes.home import Homed
from agentnb.runtimes.intervention import Dropped, Intervened, InterventionHandler, Interventions
from agentnb.runtimes.residents import Kind, Resident, Residents
from agentnb.runtimes.routed import Route
from agentnb.runtimes.routes import Routes
from agentnb.runtimes.trace import Trace

_logger = logging.getLogger("autogen_core")

DEPTH = 32
"""Handlers awaiting each other in one task; the next one gets a task, and with it a fresh stack, of its own."""

LEAVING = (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit)

STOPPED = "The runtime was stopped before the message was delivered."


class Handling(Homed):
    """What a runtime does with a message once it is its turn.

    Its subclasses decide when that is.
    """

    def __init__(self, intervention_handlers: Sequence[InterventionHandler], *, ignore_errors: bool) -> None:
        super().__init__()
        self._interventions = Interventions(intervention_handlers)
        self._ignore = ignore_errors
        self._trace: Trace | None = None
        self._residents = Residents(cast(AgentRuntime, self))
        self._residents.tell = self._capacity_changed
        self._made = self._residents.made
        self._routes = Routes()
        self._bounded = False
        self._waiting: deque[Envelope] = deque()
        # By numbers that their coroutines know: to ask which task is the current one costs as much as a small handler.
        self._tasks: dict[int, asyncio.Task[Any]] = {}
        self._numbers = itertools.count()
        # The futures of those who wait for an answer from one of them.
        self._answers: dict[int, asyncio.Future[Any]] = {}
        # Messages whose task was cancelled before its first step, each with who was to hear it.
        self._again: deque[tuple[Envelope, AgentId, Any]] = deque()
        self._pumping: asyncio.Task[None] | None = None
        # Messages given to somebody who has not begun yet: what comes now must not overtake them.
        self._unbegun = 0
        # Everything accepted and not yet over; 0 means idle.
        self._open = 0
        self._watchers: list[asyncio.Event] = []
        # Watchers that want to know of every message; the others wait for the end of all.
        self._eager = 0
        self._errors: list[BaseException] = []
        # Messages to nobody of a known type that were dropped.
        self._dropped = 0

    # -- tasks ---------------------------------------------------------------------------------------------------------

    def _spawn(
        self, number: int, name: str, handling: Coroutine[Any, Any, None], envelope: Envelope
    ) -> asyncio.Task[None]:
        """Make a task of a coroutine that begins with `first_step()`."""
        self._unbegun += 1
        self._open += 1
        handling.send(None)
        loop = cast(asyncio.AbstractEventLoop, self._home)
        # Named after the agent's type, which costs less than the number it would be named by.
        task = self._tasks[number] = begun_later(loop, handling, name=name, context=envelope.variables.copy())
        return task

    def _task_over(self, number: int) -> None:
        # At the task's own end: a callback of each task would cost as much as half the task.
        self._tasks.pop(number, None)
        self._over()

    def _never_begun(
        self, envelope: Envelope, agent_id: AgentId, message: Any, mailbox: Mailbox | None, error: BaseException
    ) -> None:
        """Keep a published message whose task was cancelled before its first step, unless the runtime was stopped."""
        self._unbegun -= 1
        if self._running and envelope.turn is None:
            self._open += 1
            if mailbox is None:
                self._again.append((envelope, agent_id, message))
            else:
                mailbox.put_back(*self._ways(envelope, agent_id, message, mailbox))
            return
        self._drop(envelope, agent_id, by="stop", why=STOPPED)
        if mailbox is not None and not isinstance(error, GeneratorExit):
            mailbox.leave(error)

    def _ways(
        self, envelope: Envelope, agent_id: AgentId, message: Any, mailbox: Mailbox
    ) -> tuple[Callable[[], bool], Callable[[], None]]:
        """Return what begins a published message at a bounded agent, and what ends it instead."""

        def begin() -> bool:
            number = next(self._numbers)
            self._spawn(number, agent_id.type, self._hear(number, envelope, agent_id, message, mailbox), envelope)
            self._over()
            return True

        def refuse() -> None:
            mailbox.release()
            self._drop(envelope, agent_id, by="stop", why=STOPPED)
            self._over()

        return begin, refuse

    async def _first_step(self, envelope: Envelope, agent_id: AgentId, message: Any, mailbox: Mailbox | None) -> None:
        try:
            await first_step()
        except BaseException as error:
            self._never_begun(envelope, agent_id, message, mailbox, error)
            raise

    def _over(self) -> None:
        self._open -= 1
        if self._watchers and (self._eager or self._open <= 0):
            self._wake()

    def _wake(self) -> None:
        for watcher in self._watchers:
            watcher.set()

    # -- another event loop -------------------------------------------------------------------------------------------

    def _is_bound(self) -> bool:
        return self._open > len(self._again) + sum(envelope.turn is None for envelope in self._waiting)

    def _abandon(self) -> None:
        """Give up handlers and sends of a loop that is closed; what was published and waits is kept."""
        for task in [*self._tasks.values(), *([] if self._pumping is None else [self._pumping])]:
            if not task.done():
                cast(Coroutine[Any, Any, Any], task.get_coro()).close()
        self._tasks.clear()
        self._answers.clear()
        self._pumping = None
        kept = [envelope for envelope in self._waiting if envelope.turn is None]
        self._waiting.clear()
        self._waiting.extend(kept)
        self._unbegun, self._open = 0, len(kept) + len(self._again)
        self._watchers.clear()
        self._eager = 0
        for kind in self._residents.kinds.values():
            kind.in_flight = 0
            self._open += sum(mailbox.abandon() for mailbox in kind.mailboxes.values())
        for envelope in kept:
            for mailbox in (envelope.rooms or {}).values():
                mailbox.taken += 1

    # -- handling -------------------------------------------------------------------------------------------------

    async def _hear_plainly(
        self, number: int, resident: Resident, route: Route, envelope: Envelope, message: Any
    ) -> None:
        """Run a handler in this task, which is its own, where nobody watches and nothing is bounded."""
        kind = resident.kind
        begun = False
        try:
            await first_step()
            self._unbegun -= 1
            begun = True
            kind.in_flight += 1
            here_var.set(resident.top)
            result = await route.call(resident.agent, message, envelope.context)
            if route.produces is not None and type(result) not in route.produces:
                route.check(result)
            kind.delivered += 1
        except BaseException as error:
            if begun:
                kind.failed += 1
            else:
                self._never_begun(envelope, resident.id, message, None, error)
            if isinstance(error, LEAVING):
                raise
            self._unhandled(resident.id, error)
        finally:
            if begun:
                kind.in_flight -= 1
            self._task_over(number)

    async def _hear(
        self, number: int, envelope: Envelope, agent_id: AgentId, message: Any, mailbox: Mailbox | None
    ) -> None:
        try:
            await self._first_step(envelope, agent_id, message, mailbox)
            await self._handle(envelope, agent_id, message, 0, mailbox)
        except LEAVING:
            raise
        except BaseException as error:
            self._unhandled(agent_id, error)
        finally:
            self._task_over(number)

    async def _handle(
        self, envelope: Envelope, agent_id: AgentId, message: Any, depth: int, mailbox: Mailbox | None
    ) -> Any:
        """Let an agent handle a message whose turn has come."""
        context, trace = envelope.context, self._trace
        kind: Kind | None = self._residents.kinds.get(agent_id.type)
        failure: BaseException | None = None
        begun = False
        here: Here | None = None
        wait = envelope.wait
        answer: Event | None = None
        if kind is not None:
            kind.in_flight += 1
        try:
            resident = await self._residents.get(agent_id)
            self._unbegun -= 1
            begun = True
            if mailbox is None and wait is None:
                here = resident.here(depth)
            else:
                here = Here(agent_id, depth, asyncio.current_task())
                if mailbox is not None:
                    mailbox.hands[here] = None
                if wait is not None:
                    wait.handler = here
            if trace is None:
                result = await _routed(resident, message, context, here)
            else:
                with trace.handling(envelope.sent, agent_id, resident.agent, context) as delivered:
                    result = await _routed(resident, message, context, here)
                if context.is_rpc:
                    to = context.answering(agent_id)
                    answer = trace.sent(result, to, context.sender, "response", parent=delivered.id)
        except BaseException as error:
            failure = error
            raise
        finally:
            if not begun:
                self._unbegun -= 1
                if trace is not None:
                    sort: Any = "send" if context.is_rpc else "publish"
                    trace.dropped(envelope.sent, context, agent_id, sort, by="factory", why=str(failure))
            if kind is not None:
                kind.in_flight -= 1
                kind.delivered += failure is None
                kind.failed += failure is not None
            if wait is not None:
                wait.handler = None
            # A coroutine that is thrown away with its loop leaves nobody a place to begin in.
            if mailbox is not None and not isinstance(failure, GeneratorExit):
                mailbox.leave(failure, here)
        if context.is_rpc:
            if self._interventions:
                result = await self._intervene_answer(result, context, agent_id, answer)
            if trace is not None and answer is not None:
                trace.answered(answer, context, agent_id)
        return result

    async def _answer_from_task(
        self,
        envelope: Envelope,
        agent_id: AgentId,
        message: Any,
        mailbox: Mailbox | None,
        token: CancellationToken | None,
    ) -> Any:
        """Handle a message in a task of its own, which a token's sender leaves behind."""
        answer: asyncio.Future[Any] = cast(asyncio.AbstractEventLoop, self._home).create_future()

        async def answering() -> None:
            try:
                await self._first_step(envelope, agent_id, message, mailbox)
                result = await self._handle(envelope, agent_id, message, 0, mailbox)
            except LEAVING:
                if not answer.done():
                    answer.set_exception(UndeliverableException(f"The handler of {agent_id} was cancelled."))
                raise
            except BaseException as error:
                if answer.done():
                    _logger.error("The agent %s failed on a message whose sender had left.", agent_id, exc_info=error)
                else:
                    answer.set_exception(error)
            else:
                if not answer.done():
                    answer.set_result(result)
            finally:
                del self._answers[number]
                self._task_over(number)

        number = next(self._numbers)
        self._answers[number] = answer
        task = self._spawn(number, agent_id.type, answering(), envelope)
        self._unbegun -= 1  # counted twice: its turn had come, and it gets a task
        if token is not None:
            token.link_future(answer)
        if envelope.wait is not None:
            envelope.wait.until = answer
        try:
            return await answer
        except asyncio.CancelledError:
            if not task.done() and (token is None or not token.is_cancelled()):
                task.cancel()
                await asyncio.wait([task])
            raise

    def _unhandled(self, agent_id: AgentId, error: BaseException) -> None:
        _logger.error("The agent %s failed on a published message.", agent_id, exc_info=error)
        if not self._ignore:
            self._errors.append(error)

    # -- capacity -------------------------------------------------------------------------------------------------

    def _check_circle(self, envelope: Envelope, mailbox: Mailbox) -> None:
        """Refuse a message, sent by a handler at work, that nobody could ever handle."""
        found = circle(mailbox)
        if found is None:
            return
        out = (
            "give it room to wait with Capacity(queue=None)"
            if envelope.turn is None
            else "publish the message instead of awaiting its answer"
        )
        text = f"{found} Allow more with Capacity(concurrency=…), or {out}."
        if envelope.turn is not None:
            self._drop(envelope, mailbox.agent_id, by="capacity", why=text)
        raise RuntimeFault(text)

    async def _admit(
        self, envelope: Envelope, agent_id: AgentId, mailbox: Mailbox, token: CancellationToken | None
    ) -> None:
        try:
            await mailbox.admit(token, envelope.wait)
        except AgentBusy as error:
            assert envelope.rooms is not None
            del envelope.rooms[agent_id]
            self._drop(envelope, agent_id, by="capacity", why=str(error))
            if mailbox.capacity.on_full == "drop":
                raise MessageDroppedException(str(error)) from error
            raise
        except BaseException as error:
            assert envelope.rooms is not None
            del envelope.rooms[agent_id]
            envelope.refused = (*envelope.refused, agent_id)
            self._drop(envelope, agent_id, by="stop" if isinstance(error, Exception) else "sender", why=str(error))
            raise

    def _release(self, envelope: Envelope) -> None:
        for mailbox in (envelope.rooms or {}).values():
            mailbox.release()
        envelope.rooms = None

    def _capacity_changed(self, agent_id: AgentId, state: str, failures: int, retry_after: float | None) -> None:
        if self._trace is not None:
            self._trace.capacity(agent_id, state, failures, retry_after)

    # -- interventions --------------------------------------------------------------------------------------------

    async def _intervene(self, envelope: Envelope) -> Any:
        context, recipient = envelope.context, envelope.recipient
        sort: Any = "send" if envelope.turn is not None else "publish"
        about = {"message_context": context, "recipient": recipient} if sort == "send" else {"message_context": context}
        saw = self._saw(envelope.sent, context, sort)
        passing = self._interventions.through(f"on_{sort}", envelope.message, saw, **about)
        return await in_context(envelope.variables.copy(), envelope.variables.get(cast(Any, here_var)), passing)

    async def _intervene_answer(self, result: Any, context: Delivery, agent_id: AgentId, answer: Event | None) -> Any:
        try:
            return await self._interventions.through(
                "on_response", result, self._saw(answer, context, "response"), sender=agent_id, recipient=context.sender
            )
        except BaseException as error:
            by = error.by if isinstance(error, Dropped) else "error" if isinstance(error, Exception) else "sender"
            self._residents.kind(agent_id).dropped += 1
            if self._trace is not None:
                to = context.answering(agent_id)
                self._trace.dropped(answer, to, context.sender, "response", by=by, why=str(error))
            raise

    def _saw(self, sent: Event | None, context: Delivery, sort: Any) -> Callable[[Intervened], None] | None:
        trace = self._trace
        return None if trace is None else lambda saw: trace.intercepted(sent, context.message_id, sort, saw)

    def _drop(self, envelope: Envelope, recipient: AgentId | TopicId, *, by: str, why: str) -> None:
        """Count and note that somebody will not get a message."""
        for agent_id in (recipient,) if isinstance(recipient, AgentId) else self._hearers(envelope, recipient):
            kind = None if agent_id is None else self._residents.kinds.get(agent_id.type)
            if kind is None:
                self._dropped += 1
            else:
                kind.dropped += 1
        if self._trace is not None:
            sort: Any = "publish" if envelope.turn is None else "send"
            self._trace.dropped(envelope.sent, envelope.context, recipient, sort, by=by, why=why)

    def _hearers(self, envelope: Envelope, topic_id: TopicId) -> Sequence[AgentId | None]:
        """Return who would have heard a message; None for nobody that is known."""
        try:
            heard_by = self._routes.recipients(topic_id)
        except Exception:  # a subscription of the user's
            return (None,)
        not_meant = (*envelope.refused, envelope.context.sender)  # the refused are counted already
        return [agent_id for agent_id in heard_by if agent_id not in not_meant] if heard_by else (None,)

    def _refuse(self, envelope: Envelope, error: BaseException) -> None:
        """End a message that will not be delivered; who sent it is told."""
        turn, recipient = envelope.turn, envelope.recipient
        if turn is not None and turn.done():
            return  # the sender has left, and says so itself
        stopped = not isinstance(error, Exception)
        if stopped:
            error = UndeliverableException(STOPPED)
        by = (
            error.by if isinstance(error, Dropped) else "stop" if isinstance(error, UndeliverableException) else "error"
        )
        self._drop(envelope, recipient, by=by, why=str(error))
        if turn is not None:
            turn.set_exception(error)
            return
        self._release(envelope)
        if by == "error":
            _logger.error("A message published to %s could not be delivered.", recipient, exc_info=error)
        self._over()


async def _routed(resident: Resident, message: Any, context: Delivery, here: Here) -> Any:
    route = resident.route(message, context)
    result = await in_context(copy_context(), here, route.call(resident.agent, message, context))
    route.check(result)
    return result
