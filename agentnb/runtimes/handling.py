"""Lets agents handle messages whose turn has come: capacity, interventions, answers, and what becomes of errors."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextvars import copy_context
from typing import Any, cast

from agentnb.core import AgentId, CancellationToken, TopicId
from agentnb.exceptions import AgentBusy, MessageDroppedException, RuntimeFault, UndeliverableException
from agentnb.runlog import Event
from agentnb.runtimes.base import AgentRuntime, Delivery
from agentnb.runtimes.capacity import Mailbox
from agentnb.runtimes.contexts import Here, here
from agentnb.runtimes.delivery import Envelope, InContext
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


class Handling:
    """What a runtime does with a message once it is its turn.

    Its subclasses decide when that is.
    """

    def __init__(self, intervention_handlers: Sequence[InterventionHandler], *, ignore_errors: bool) -> None:
        self._interventions = Interventions(intervention_handlers)
        self._ignore = ignore_errors
        self._trace: Trace | None = None
        self._residents = Residents(cast(AgentRuntime, self))
        self._residents.tell = self._capacity_changed
        self._made = self._residents.made
        self._routes = Routes()
        self._bounded = False
        self._waiting: deque[Envelope] = deque()
        # Each with the future of who waits for its answer; None for handlers of published messages.
        self._tasks: dict[asyncio.Task[Any], asyncio.Future[Any] | None] = {}
        self._pumping: asyncio.Task[None] | None = None
        self._running = False
        # Messages given to somebody who has not begun yet: what comes now must not overtake them.
        self._unbegun = 0
        # Everything accepted and not yet over; 0 means idle.
        self._open = 0
        self._watchers: list[asyncio.Event] = []
        # Watchers that want to know of every message; the others wait for the end of all.
        self._eager = 0
        self._errors: list[BaseException] = []

    # -- tasks ---------------------------------------------------------------------------------------------------------

    def _spawn(
        self, handling: Coroutine[Any, Any, None], envelope: Envelope, answer: asyncio.Future[Any] | None = None
    ) -> asyncio.Task[None]:
        self._unbegun += 1
        self._open += 1
        task = asyncio.get_running_loop().create_task(handling, context=envelope.variables.copy())
        self._tasks[task] = answer
        return task

    def _task_over(self) -> None:
        # At the task's own end: a callback of each task would cost as much as half the task.
        try:
            self._tasks.pop(cast(Any, asyncio.current_task()), None)
        except RuntimeError:
            return  # thrown away with its loop: nobody waits any more
        self._over()

    def _over(self) -> None:
        self._open -= 1
        if self._watchers and (self._eager or not self._open):
            self._wake()

    def _wake(self) -> None:
        for watcher in self._watchers:
            watcher.set()

    # -- handling -------------------------------------------------------------------------------------------------

    async def _hear_plainly(self, resident: Resident, route: Route, envelope: Envelope, message: Any) -> None:
        """Run a handler in this task, which is its own, where nobody watches and nothing is bounded."""
        self._unbegun -= 1
        kind = resident.kind
        kind.in_flight += 1
        try:
            here.set(resident.top)
            result = await route.call(resident.agent, message, envelope.context)
            if route.produces is not None and type(result) not in route.produces:
                route.check(result)
            kind.delivered += 1
        except BaseException as error:
            kind.failed += 1
            if isinstance(error, LEAVING):
                raise
            self._unhandled(resident.id, error)
        finally:
            kind.in_flight -= 1
            self._task_over()

    async def _hear(self, envelope: Envelope, agent_id: AgentId, message: Any, mailbox: Mailbox | None) -> None:
        try:
            await self._handle(envelope, agent_id, message, 0, mailbox)
        except LEAVING:
            raise
        except BaseException as error:
            self._unhandled(agent_id, error)
        finally:
            self._task_over()

    async def _handle(
        self, envelope: Envelope, agent_id: AgentId, message: Any, depth: int, mailbox: Mailbox | None
    ) -> Any:
        """Let an agent handle a message whose turn has come."""
        context, trace = envelope.context, self._trace
        kind: Kind | None = self._residents.kinds.get(agent_id.type)
        failure: BaseException | None = None
        begun = False
        answer: Event | None = None
        if kind is not None:
            kind.in_flight += 1
        try:
            resident = await self._residents.get(agent_id)
            self._unbegun -= 1
            begun = True
            holds = envelope.holds if mailbox is None else (*envelope.holds, mailbox)
            here_ = Here(agent_id, depth, holds, asyncio.current_task()) if holds else resident.here(depth)
            if trace is None:
                result = await _routed(resident, message, context, here_)
            else:
                with trace.handling(envelope.sent, agent_id, resident.agent, context) as delivered:
                    result = await _routed(resident, message, context, here_)
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
            # A coroutine that is thrown away with its loop leaves nobody a place to begin in.
            if mailbox is not None and not isinstance(failure, GeneratorExit):
                mailbox.leave(failure)
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
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        async def answering() -> None:
            try:
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
                self._task_over()

        task = self._spawn(answering(), envelope, answer)
        self._unbegun -= 1  # counted twice: its turn had come, and it gets a task
        if token is not None:
            token.link_future(answer)
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

    def _check_waits_for_itself(self, envelope: Envelope, mailbox: Mailbox) -> None:
        above = here.get()
        if above is None or not above.holds or above.task is not asyncio.current_task():
            return
        if above.holds.count(mailbox) == mailbox.at_work == mailbox.capacity.concurrency:
            text = (
                f"{mailbox.agent_id} would wait for itself for ever: the message is sent by a handler that one of its "
                f"own handlers awaits, and its capacity allows {mailbox.at_work} at once. "
                "Allow more, or send it from a task of its own."
            )
            if envelope.turn is not None:
                self._drop(envelope, mailbox.agent_id, by="capacity", why=text)
            raise RuntimeFault(text)

    async def _admit(
        self, envelope: Envelope, agent_id: AgentId, mailbox: Mailbox, token: CancellationToken | None
    ) -> None:
        try:
            await mailbox.admit(token)
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
        return await InContext(envelope.variables.copy(), envelope.variables.get(cast(Any, here)), passing)

    async def _intervene_answer(self, result: Any, context: Delivery, agent_id: AgentId, answer: Event | None) -> Any:
        try:
            return await self._interventions.through(
                "on_response", result, self._saw(answer, context, "response"), sender=agent_id, recipient=context.sender
            )
        except BaseException as error:
            by = error.by if isinstance(error, Dropped) else "error" if isinstance(error, Exception) else "sender"
            if self._trace is not None:
                to = context.answering(agent_id)
                self._trace.dropped(answer, to, context.sender, "response", by=by, why=str(error))
            raise

    def _saw(self, sent: Event | None, context: Delivery, sort: Any) -> Callable[[Intervened], None] | None:
        trace = self._trace
        return None if trace is None else lambda saw: trace.intercepted(sent, context.message_id, sort, saw)

    def _drop(self, envelope: Envelope, recipient: AgentId | TopicId, *, by: str, why: str) -> None:
        """Count and note that somebody will not get a message."""
        kind = self._residents.kinds.get(recipient.type) if isinstance(recipient, AgentId) else None
        if kind is not None:
            kind.dropped += 1
        if self._trace is not None:
            sort: Any = "publish" if envelope.turn is None else "send"
            self._trace.dropped(envelope.sent, envelope.context, recipient, sort, by=by, why=why)

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


async def _routed(resident: Resident, message: Any, context: Delivery, here_: Here) -> Any:
    route = resident.route(message, context)
    result = await InContext(copy_context(), here_, route.call(resident.agent, message, context))
    route.check(result)
    return result
