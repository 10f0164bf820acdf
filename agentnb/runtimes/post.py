"""Takes messages in, keeps their order, and brings each to those it is for."""

from __future__ import annotations

import asyncio
import logging
from contextvars import Context, copy_context
from functools import partial
from threading import get_ident
from typing import Any, cast

from agentnb.core import AgentId, CancellationToken, TopicId
from agentnb.core.tasks import begun_later
from agentnb.exceptions import AgentBusy, MessageDroppedException, RuntimeFault, UndeliverableException, UserError
from agentnb.runtimes.base import Delivery
from agentnb.runtimes.capacity import Mailbox
from agentnb.runtimes.circles import Wait, at_work_here
from agentnb.runtimes.contexts import here
from agentnb.runtimes.delivery import Envelope, finish, first_step
from agentnb.runtimes.handling import DEPTH, STOPPED, Handling
from agentnb.runtimes.home import carried

_logger = logging.getLogger("autogen_core")

LEFT = (asyncio.CancelledError, GeneratorExit)


def checked_token(token: Any) -> CancellationToken:
    """Return a cancellation token; anything else is refused."""
    if not isinstance(token, CancellationToken):
        raise UserError(f"cancellation_token is {token!r}; give a CancellationToken(), or leave it out.")
    return token


class Post(Handling):
    """The way of every message: admitted, in its turn given to interventions, and begun."""

    _direct_allowed = True
    """False sends every message through the queue, as tests do."""

    # -- in -------------------------------------------------------------------------------------------------------

    async def _send_in_order(
        self, message: Any, recipient: AgentId, context: Delivery, depth: int, token: CancellationToken | None
    ) -> Any:
        kind = self._residents.kind(recipient)
        turn: asyncio.Future[Any] = cast(asyncio.AbstractEventLoop, self._home).create_future()
        envelope = Envelope(message, context, recipient, turn)
        envelope.apart = token is not None or depth > DEPTH
        if self._trace is not None:
            if not self._open:
                self._trace.at_rest()
            envelope.sent = self._trace.sent(message, context, recipient, "send")
        mailbox = self._residents.mailbox(recipient, kind)
        above = at_work_here(here.get())
        wait = None
        self._open += 1
        try:
            if above is not None:
                wait = above.waits = envelope.wait = Wait(mailbox, token)
            if mailbox is not None:
                if wait is not None:
                    self._check_circle(envelope, mailbox)
                envelope.rooms = {recipient: mailbox}
                await self._admit(envelope, recipient, mailbox, token)
            if token is not None:
                token.link_future(turn)
            if wait is not None:
                wait.until = turn
            if self._must_wait(envelope):
                self._put(envelope)
            else:
                self._give_turn(envelope, message, turn)
            try:
                message = await turn
            except BaseException as error:
                self._left(envelope, recipient, turn, mailbox, error)
                raise
            if wait is not None:
                wait.wants = wait.until = None
            if not envelope.apart:
                return await self._handle(envelope, recipient, message, depth, mailbox)
            return await self._answer_from_task(envelope, recipient, message, mailbox, token)
        finally:
            if above is not None:
                above.waits = None
            self._over()

    def _must_wait(self, envelope: Envelope) -> bool:
        behind = self._waiting or self._unbegun
        return bool(behind or envelope.apart or self._interventions or not self._running or not self._direct_allowed)

    def _left(
        self,
        envelope: Envelope,
        recipient: AgentId,
        turn: asyncio.Future[Any],
        mailbox: Mailbox | None,
        error: BaseException,
    ) -> None:
        """Give back what a send had that will not be handled."""
        had_its_turn = turn.done() and not turn.cancelled() and turn.exception() is None
        if had_its_turn:
            self._unbegun -= 1
            if mailbox is not None:
                mailbox.leave(error)
        elif mailbox is not None:
            mailbox.release()
        if had_its_turn or turn.cancelled():
            self._drop(envelope, recipient, by="sender", why="The sender left before its message was handled.")

    async def publish_message(
        self,
        message: Any,
        topic_id: TopicId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> None:
        """Give a message to everyone who hears the topic but its sender; returns before they handle it.

        Where a hearer declared a capacity, it waits for room, or raises `AgentBusy` once the others have the message.
        """
        if not isinstance(topic_id, TopicId):
            raise UserError(f"publish_message needs a TopicId, not {topic_id!r}; write TopicId('news', 'default').")
        if cancellation_token is not None:
            checked_token(cancellation_token)
        context = Delivery(sender, topic_id, False, cancellation_token, message_id)
        home = self._home
        # Not asked which loop this is where the thread says enough.
        home = self._elsewhere() if home is None or self._thread != get_ident() or home.is_closed() else None
        if home is None and not self._bounded:
            self._put(self._accepted(message, context, topic_id))
        elif home is None:
            await self._publish_bounded(self._accepted(message, context, topic_id), topic_id, cancellation_token)
        elif self._bounded:
            again: Any = {"sender": sender, "cancellation_token": cancellation_token, "message_id": message_id}
            await carried(self.publish_message(message, topic_id, **again), home)
        else:
            variables = copy_context()
            self._carry(lambda: self._put(variables.run(partial(self._accepted, message, context, topic_id))), home)

    def _accepted(self, message: Any, context: Delivery, topic_id: TopicId) -> Envelope:
        """Take on a message that is published."""
        envelope = Envelope(message, context, topic_id, None)
        if self._trace is not None:
            if not self._open:
                self._trace.at_rest()
            envelope.sent = self._trace.sent(message, context, topic_id, "publish")
        self._open += 1
        return envelope

    async def _publish_bounded(self, envelope: Envelope, topic_id: TopicId, token: CancellationToken | None) -> None:
        above = at_work_here(here.get())
        if above is not None:
            above.waits = envelope.wait = Wait(None, token)
        try:
            refusals = await self._take_rooms(envelope, topic_id, token)
        except BaseException as error:
            self._release(envelope)
            by = "sender"
            if isinstance(error, RuntimeFault):
                by = "stop" if isinstance(error, UndeliverableException) else "capacity"
            self._drop(envelope, topic_id, by=by, why=str(error) or "The sender left.")
            self._over()
            raise
        finally:
            if above is not None:
                above.waits = None
        self._put(envelope)
        if refusals:
            raise refusals[0]

    async def _take_rooms(
        self, envelope: Envelope, topic_id: TopicId, token: CancellationToken | None
    ) -> list[AgentBusy]:
        """Take a place in the mailbox of everybody who hears a topic, and return what those say who refuse."""
        refusals: list[AgentBusy] = []
        envelope.rooms = {}
        wanted: dict[AgentId, Mailbox] = {}
        for agent_id in self._routes.recipients(topic_id):
            kind = self._residents.kinds.get(agent_id.type)
            mailbox = None if kind is None else self._residents.mailbox(agent_id, kind)
            if mailbox is not None and agent_id != envelope.context.sender:
                wanted[agent_id] = mailbox
        while left := [one for one in wanted if one not in envelope.rooms and one not in envelope.refused]:
            full = [one for one in left if wanted[one].capacity.on_full == "wait" and not wanted[one].has_room]
            # Nobody waits with a place in hand: two who publish could wait for each other's.
            for agent_id in [one for one in envelope.rooms if full and wanted[one].capacity.on_full == "wait"]:
                envelope.rooms.pop(agent_id).release()
            agent_id = (full or left)[0]
            mailbox = wanted[agent_id]
            if full and envelope.wait is not None:
                envelope.wait.wants, envelope.wait.until = mailbox, None
                self._check_circle(envelope, mailbox)
            envelope.rooms[agent_id] = mailbox
            try:
                await self._admit(envelope, agent_id, mailbox, token)
            except MessageDroppedException:
                envelope.refused = (*envelope.refused, agent_id)
            except AgentBusy as error:
                envelope.refused = (*envelope.refused, agent_id)
                refusals.append(error)
        return refusals

    # -- order ----------------------------------------------------------------------------------------------------

    def _put(self, envelope: Envelope) -> None:
        self._waiting.append(envelope)
        if self._running and self._pumping is None:
            self._start_pump()
        if self._eager:
            self._wake()

    def _start_pump(self) -> None:
        # An empty context: the pump is nobody's, each message brings the variables of its sender.
        pump = self._pump()
        pump.send(None)
        self._pumping = begun_later(cast(asyncio.AbstractEventLoop, self._home), pump, context=Context())

    async def _pump(self) -> None:
        try:
            await first_step()
            while self._again and self._running:
                self._open -= 1
                self._start(*self._again.popleft())
            while self._waiting and self._running:
                await self._begin(self._waiting.popleft())
        except LEFT:
            self._pumping = None  # stopped, or cancelled with its loop; what comes next starts another
            raise
        except BaseException:
            self._pumping = None
            if self._waiting and self._running:
                self._start_pump()  # an interrupt came out of a handler; the others are not lost
            raise
        self._pumping = None

    async def _begin(self, envelope: Envelope) -> None:
        """Bring a message to those it is for; they begin in the order of these calls."""
        message, turn = envelope.message, envelope.turn
        if turn is not None and turn.done():
            return  # the sender has left
        self._unbegun += 1
        try:
            if self._interventions:
                try:
                    message = await self._intervene(envelope)
                except BaseException as error:
                    self._refuse(envelope, error)
                    if isinstance(error, Exception):
                        return
                    raise
            if turn is not None:
                self._give_turn(envelope, message, turn)
                if envelope.apart:
                    await asyncio.sleep(0)  # its task is made a turn later; what follows must not overtake it
            else:
                try:
                    await self._begin_published(envelope, message)
                except BaseException as error:  # stopped before anybody began, or a subscription of the user's raised
                    self._refuse(envelope, error)
                    if isinstance(error, Exception):
                        return
                    raise
                self._release(envelope)  # the rooms of those that unsubscribed meanwhile
                self._over()
        finally:
            self._unbegun -= 1

    def _give_turn(self, envelope: Envelope, message: Any, turn: asyncio.Future[Any]) -> None:
        def begin() -> bool:
            if turn.done():
                return False  # the sender has left
            self._unbegun += 1
            turn.set_result(message)
            return True

        recipient = cast(AgentId, envelope.recipient)
        mailbox = None if envelope.rooms is None else envelope.rooms.get(recipient)
        if mailbox is None:
            begin()
        else:
            mailbox.enter(begin, lambda: self._refuse(envelope, UndeliverableException(STOPPED)), lasts=False)

    async def _begin_published(self, envelope: Envelope, message: Any) -> None:
        context, refused = envelope.context, envelope.refused
        sender = None if context.sender is None else context.sender.pair
        made, copy, watched = self._made, envelope.variables.copy, self._trace is not None
        alone, begins, numbers = True, True, self._numbers
        plan = route = None
        for agent_id in self._routes.recipients(cast(TopicId, envelope.recipient)):
            pair = agent_id.pair
            if pair == sender or (refused and agent_id in refused):
                continue
            resident = made.get(pair)
            if resident is None or watched or resident.mailbox is not None:
                alone = False
                self._start(envelope, agent_id, message)
                continue
            if route is None or resident.plan is not plan:  # agents of one class answer alike
                try:
                    plan, route = resident.plan, envelope.variables.run(resident.route, message, context)
                except Exception as error:  # a `match` of the user's
                    route = None
                    resident.kind.failed += 1
                    self._unhandled(agent_id, error)
                    continue
            if not alone or route.suspends:
                # Once one hearer has a task the rest of them keep their order behind it, in tasks too.
                alone = False
                number = next(numbers)
                self._spawn(
                    number, resident.kind.name, self._hear_plainly(number, resident, route, envelope, message), envelope
                )
                continue
            if begins and self._unbegun > 1:
                await asyncio.sleep(0)  # those before this message take their first step
            begins = False
            try:
                # It cannot wait for anything, so it needs no task.
                result = copy().run(finish, resident.top, route.call(resident.agent, message, context))
                if route.produces is not None and type(result) not in route.produces:
                    route.check(result)
                resident.kind.delivered += 1
            except BaseException as error:
                resident.kind.failed += 1
                if isinstance(error, (KeyboardInterrupt, SystemExit)):
                    raise
                self._unhandled(agent_id, error)

    def _mailbox_of(self, envelope: Envelope, agent_id: AgentId) -> Mailbox | None:
        if envelope.rooms is None:
            return None
        mailbox = envelope.rooms.pop(agent_id, None)
        if mailbox is not None or agent_id.type not in self._residents.kinds:
            return mailbox
        mailbox = self._residents.mailbox(agent_id, self._residents.kinds[agent_id.type])
        if mailbox is not None:
            mailbox.taken += 1  # it subscribed after the message was published; what is promised is kept
        return mailbox

    def _start(self, envelope: Envelope, agent_id: AgentId, message: Any) -> None:
        mailbox = self._mailbox_of(envelope, agent_id)
        if mailbox is None:
            number = next(self._numbers)
            self._spawn(number, agent_id.type, self._hear(number, envelope, agent_id, message, None), envelope)
            return
        self._open += 1  # until its task counts for it
        mailbox.enter(*self._ways(envelope, agent_id, message, mailbox), lasts=True)

    # -- idle -------------------------------------------------------------------------------------------------------

    async def _wait(self, *, eager: bool) -> None:
        """Wait until a message comes or is over; not eagerly: until all are."""
        watcher = asyncio.Event()
        self._watchers.append(watcher)
        self._eager += eager
        try:
            await watcher.wait()
        finally:
            self._eager -= eager
            self._watchers.remove(watcher)

    def _discard(self) -> None:
        mailboxes = [mailbox for kind in self._residents.kinds.values() for mailbox in kind.mailboxes.values()]
        for mailbox in mailboxes:
            mailbox.turn_away(UndeliverableException(STOPPED))
        # Only then the rest: the room they give back would let those in who wait outside.
        for mailbox in mailboxes:
            mailbox.discard()
        while self._again:
            envelope, agent_id, _ = self._again.popleft()
            self._drop(envelope, agent_id, by="stop", why=STOPPED)
            self._over()
        while self._waiting:
            self._refuse(self._waiting.popleft(), UndeliverableException(STOPPED))
