"""The one loop behind every team: choose who speaks, give them the word, see whether it is over."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from time import monotonic
from typing import TYPE_CHECKING, Any

from agentnb.base import BrokenOff
from agentnb.core import CancellationToken
from agentnb.core.cancellation import Abort, unless_cancelled
from agentnb.exceptions import ActRefused, AgentFailed, HumanUnavailable, ModelError, RuntimeFault, ToolError, UserError
from agentnb.messages import BaseChatMessage, SelectSpeakerEvent, StopMessage, StructuredMessage
from agentnb.runlog import Forgotten, ModelStarted, Run
from agentnb.runlog.guards import guarded
from agentnb.runlog.light import speaker_chosen
from agentnb.runlog.replaying import replaying
from agentnb.runlog.scopes import scope
from agentnb.runtimes.contexts import here
from agentnb.runtimes.delivery import in_context
from agentnb.teams.base import LIMIT, Choice, Chosen, Item, RememberingPolicy, TeamView
from agentnb.teams.seat import Turn
from agentnb.teams.watch import Watch

if TYPE_CHECKING:
    from agentnb.teams.group_chat import BaseGroupChat
    from agentnb.teams.resume import BrokenRun

Said = list[Item]
_SECONDS = 0.01
"""So long a run may go on before others in its event loop have their turn."""
_LAST_SECONDS = 1.0
"""So long condition and policy may take to note that a run was stopped."""


class Conversation:
    """One run of a team; what its policy may do besides choosing (`Floor`) it does here.

    Args:
        team: The team; its thread, turns and last speakers go on from run to run.
        task: What it was given.
        run: Where things are said.
        token: Ends it when it is cancelled.
        broken: Where the run was broken off that is taken up.
    """

    def __init__(
        self,
        team: BaseGroupChat,
        task: Sequence[BaseChatMessage],
        run: Run,
        token: CancellationToken | None,
        broken: BrokenRun | None = None,
    ) -> None:
        self._team = team
        self._task = task if broken is None else broken.task
        self._broken = broken
        self._run = run
        self._token = token
        self._policy = team._policy if isinstance(team._policy, RememberingPolicy) else None
        self._condition = team._condition
        # Whether the condition is told the task, and what the policy says.
        self._counts = self._policy is None or self._policy.asks_condition_of_task
        self._watch = Watch(run, team._thread, team._names, team.manager_name) if guarded() else None
        self._choosing = scope(run.log, run.started.id, team.manager_name)
        self._breath = monotonic() + _SECONDS
        self._others_ran = True
        self._told: Said = []
        self._asked: tuple[int, ...] = ()
        self._own_token = CancellationToken()
        # Classes of messages that were found to be known to the team.
        self._known: set[type[Any]] = set()

    async def hold(self, *, echo: bool) -> str:
        """Let the team speak until it is over, and return why it is.

        Args:
            echo: Whether the task's messages are part of the result.
        """
        if self._condition is not None and self._condition.terminated:
            return "the termination condition had fired before the run began; reset it first"
        self._check_runtime()
        if self._broken is None:
            await self._begin(echo=echo)
        stopped = False
        try:
            return await self._go_on()
        except asyncio.CancelledError:
            stopped = True
            raise
        finally:
            await self._end(stopped=stopped)

    async def _end(self, *, stopped: bool) -> None:
        token = self._token
        if not stopped and (token is None or not token.is_cancelled()):
            await Abort(token).wait(self._tell_end())
            return
        try:
            async with asyncio.timeout(_LAST_SECONDS) as last:
                await self._tell_end()
        except TimeoutError:
            if not last.expired():
                raise
            self._run.log.note(
                f"The run was stopped, and the team {self._team.name!r} was not done with that after {_LAST_SECONDS} s "
                "(its condition's `reset`, its policy's `over` and `save_state`): this was given up."
            )

    async def _tell_end(self) -> None:
        # However a run ends, the next one's condition starts anew.
        if self._condition is not None:
            await self._condition.reset()
        if self._policy is not None:
            await self._policy.over()
            await self._note_policy()

    async def _begin(self, *, echo: bool) -> None:
        for message in self._task:
            self._check_task(message)
        if self._watch is not None:
            await self._watch.goal(self._task)
        if self._policy is not None:
            await unless_cancelled(self._policy.begin(self._view()), self._token)
        if not self._run.task_is_logged:
            for message in self._task:
                self._run.say(message, show=echo)
        self._team._thread.add(self._task, None)

    async def _go_on(self) -> str:
        team, gate, token, broken = self._team, self._run.gate, self._token, self._broken
        most = team._max_turns
        rounds = broken.rounds if broken is not None else 0
        reason = await (self._told_task() if broken is None else self._told_anew(broken))
        if self._watch is not None:
            reason = await self._done(reason, self._watch)
        unfinished = broken.round if broken is not None else None
        while reason is None:
            if most is not None and rounds >= most:
                return f"the limit of {most} turn{'s' * (most != 1)} was reached"
            if gate.closed or monotonic() > self._breath or (token is not None and token.is_cancelled()):
                await self._may_go_on()
            if unfinished is not None:
                names, by_policy = unfinished.names, unfinished.by_policy
                if team._emit and not unfinished.announced:
                    self._announce(names)
                unfinished = None
            else:
                closings = gate.closings
                choice = await self._next()
                by_policy, self._told = self._told, []
                allowed = choice if self._watch is None else await self._allowed(choice, self._watch, by_policy)
                if allowed is None:
                    continue
                if isinstance(allowed, StopMessage):
                    return allowed.content
                if gate.closings != closings:
                    await self._may_go_on()  # a model that chooses takes its time, and the run was paused meanwhile
                self._log_choice(allowed)
                names = allowed.names
            if len(names) == 1 and self._broken is None:
                if self._own_token.is_cancelled():
                    self._own_token = CancellationToken()  # who cancels what it was given means its own turn
                turn = await self._turn(names[0], self._own_token)
                self._hear(names[0], turn)
                turns: Mapping[str, Said] = {names[0]: turn}
            else:
                turns = await self._together(names)
            team._turns += 1
            team._last_speakers = names
            rounds += 1
            ended = None
            if self._policy is not None:
                ended = await unless_cancelled(self._policy.heard(self._view(), turns), token)
            if ended:
                reason = ended.content
            elif self._condition is not None:
                said = [*by_policy] if self._counts else []
                for turn in turns.values():
                    said += turn
                reason = await self._over(said)
            if self._watch is not None:
                reason = await self._watch.said(turns) or await self._done(reason, self._watch)
        return reason

    async def _told_task(self) -> str | None:
        return await self._over(self._task) if self._task and self._counts else None

    async def _told_anew(self, broken: BrokenRun) -> str | None:
        """Let the condition hear what it had been told before the run broke off."""
        for said in broken.told:
            reason = broken.ended if said is broken.told[-1] and broken.ended else await self._over(said)
            if reason is not None:
                return reason
        return None

    def _view(self) -> TeamView:
        team = self._team
        return TeamView(
            team._names,
            team._thread.messages,
            team._turns,
            team._descriptions,
            team._last_speakers,
            self._task,
            self._token,
            self,
        )

    async def _over(self, said: Sequence[Item]) -> str | None:
        condition = self._condition
        if condition is None:
            return None
        asked = condition(said)
        stop: Any = await (asked if self._token is None else unless_cancelled(asked, self._token))
        if stop is not None and not isinstance(stop, StopMessage):
            raise UserError(
                f"The {type(condition).__name__} of {self._team.name!r} returned {stop!r:.80}; a condition returns a "
                "StopMessage where the run is over, else None."
            )
        return None if stop is None else stop.content

    def _note_others(self) -> None:
        self._others_ran = True

    async def _may_go_on(self) -> None:
        if monotonic() > self._breath:
            # Agents that answer at once never let go of the loop: nobody could watch, hold or stop such a run.
            if not self._others_ran:
                await asyncio.sleep(0)
            self._others_ran = False
            asyncio.get_running_loop().call_soon(self._note_others)
            self._breath = monotonic() + _SECONDS
        if self._token is not None and self._token.is_cancelled():
            raise asyncio.CancelledError("The cancellation token was cancelled.")
        if self._run.gate.closed:
            await unless_cancelled(self._run.gate.passed(), self._token)

    # -- what a policy may do -----------------------------------------------------------------------------------------

    def say(self, message: Item, *, heard: bool = True) -> None:
        self._run.say(message, heard=heard)
        if heard:
            self._team._thread.add([message], self._team.manager_name)
            self._told.append(message)

    def chunk(self, piece: Item) -> None:
        self._run.chunk(piece)

    async def forget(self) -> None:
        await self._team._forget()
        self._run.log.append(Forgotten.of(), source=self._team.manager_name, parent=self._run.started.id)

    # -- choosing -------------------------------------------------------------------------------------------------

    async def _next(self) -> Choice | StopMessage:
        broken, self._broken, self._asked = self._broken, None, ()
        with self._choosing if broken is None else self._choosing_again(broken):
            chosen: Any = self._team._policy(self._view())
            if type(chosen) is not Choice and inspect.isawaitable(chosen):
                before = len(self._run.log)
                chosen = await unless_cancelled(chosen, self._token)
                facts = self._run.log.since(before)
                self._asked = tuple(fact.seq for fact in facts if isinstance(fact.body, ModelStarted))
        if self._policy is not None:
            await Abort(self._token).wait(self._note_policy())
        if type(chosen) is Choice:
            choice = chosen
        elif isinstance(chosen, StopMessage):
            return chosen
        else:
            choice = _choice(chosen)
        seats = self._team._seats
        if not choice.names or not seats.keys() >= set(choice.names):
            unknown = [name for name in choice.names if name not in seats]
            raise UserError(
                f"The next speaker of {self._team.name!r} is {', '.join(map(repr, unknown)) or 'nobody'}; "
                f"it must be one of {', '.join(map(repr, self._team._names))}."
            )
        return choice

    @contextmanager
    def _choosing_again(self, broken: BrokenRun) -> Iterator[None]:
        with self._choosing, replaying(broken.choosing()):
            yield

    async def _note_policy(self) -> None:
        policy = self._policy
        if policy is not None and not policy.follows:
            with self._choosing:
                await self._run.note_state(self._team.manager_name, policy.save_state)

    def _log_choice(self, choice: Choice) -> None:
        self._run.log.add(
            speaker_chosen(
                choice.names,
                choice.why or None,
                choice.rule or None,
                choice.candidates or None,
                choice.answer or None,
                choice.attempts or None,
                self._asked or None,
            )
        )
        if self._team._emit:
            self._announce(choice.names)

    def _announce(self, names: Sequence[str]) -> None:
        self._run.say(SelectSpeakerEvent(content=list(names), source=self._team.manager_name), heard=False)

    async def _allowed(
        self, choice: Choice | StopMessage, watch: Watch, by_policy: Sequence[Item]
    ) -> Choice | StopMessage | None:
        """Ask the run's guards about a choice; None if another one is to be made."""
        await watch.plan(by_policy)
        if isinstance(choice, StopMessage):
            if LIMIT in choice.metadata:
                return choice
            reason = await watch.done(choice.content)
            return None if reason is None else StopMessage(content=reason, source=choice.source)
        allowed = await watch.delegation(choice, self._team._last_speakers) if watch.ends is None else None
        ends = watch.ends
        return allowed if ends is None else StopMessage(content=ends, source=self._team.manager_name)

    async def _done(self, reason: str | None, watch: Watch) -> str | None:
        """Ask the run's guards whether it may end; a condition whose end was refused starts anew."""
        if reason is None:
            return None
        allowed = await watch.done(reason)
        if allowed is None and self._condition is not None:
            await self._condition.reset()
        return allowed

    # -- speaking -------------------------------------------------------------------------------------------------

    async def _together(self, names: Sequence[str]) -> Mapping[str, Said]:
        """Let several speak at the same time; where a round broke off, those who had not come to their end."""
        broken, self._broken = self._broken, None
        done = broken.round.done if broken is not None and broken.round is not None else {}
        order = tuple(dict.fromkeys(names))
        tasks: dict[str, asyncio.Task[Said]] = {}
        try:
            async with asyncio.TaskGroup() as group:
                for name in order:
                    if name not in done:
                        again = None if broken is None else broken.again(name)
                        tasks[name] = group.create_task(self._turn(name, CancellationToken(), again))
        except BaseExceptionGroup as failed:
            # One failure ends the round, and the others with it: the first says why.
            raise failed.exceptions[0] from failed.exceptions[0].__cause__
        finally:
            said = dict(done)
            for name, task in tasks.items():
                if task.done() and not task.cancelled() and task.exception() is None:
                    said[name] = task.result()
            for name in order:
                if name in said:
                    self._hear(name, said[name])
        return {name: said[name] if name in said else tasks[name].result() for name in order}

    def _hear(self, name: str, said: Said) -> None:
        # Others hear an agent's answer, and everything that was said in a team.
        self._team._thread.add(said, name, last_only=self._team._seats[name].is_agent)

    async def _turn(self, name: str, own: CancellationToken, again: BrokenOff | None = None) -> Said:
        """Let somebody have a turn.

        Args:
            name: Who.
            own: What it is given to be ended by where the run has no token.
            again: What is known of the turn that broke off, if this one takes it up.
        """
        team, run, token = self._team, self._run, self._token
        thread = team._thread
        if team._runtime is not None:
            self._check_runtime()
        new, place = thread.unheard(name), len(thread)
        said: Said
        try:
            if team._runtime is not None:
                sent = team._runtime.send_message(Turn(new, run, token or own, again), team._seat_id(name))
                said = await unless_cancelled(sent, token)
            elif token is not None:
                said = await unless_cancelled(team._seats[name].take(new, run, token, again), token)
            else:
                # What an agent sets in context variables is its own, as if it lived on a runtime.
                turn = team._seats[name].take(new, run, own, again)
                said = await in_context(copy_context(), here.get(), turn)
        except (ModelError, ToolError, HumanUnavailable, AgentFailed, ActRefused):
            raise
        except Exception as error:
            raise AgentFailed(f"The agent {name!r} failed: {type(error).__name__}: {error}") from error
        thread.note_told(name, place)  # not if it failed: it is told again
        for message in said:
            if type(message) not in self._known:
                if not self._knows(message):
                    raise AgentFailed(f"The agent {name!r} said a {self._unknown(message)}")
                self._known.add(type(message))
        return said

    def _check_runtime(self) -> None:
        if self._team._runtime is not None and not getattr(self._team._runtime, "running", True):
            raise RuntimeFault(
                f"The runtime of {self._team.name!r} is not started, so nobody would ever answer: "
                "call runtime.start() before the run, and stop it afterwards."
            )

    def _knows(self, message: Item) -> bool:
        return self._team._factory.is_registered(type(message)) or isinstance(message, StructuredMessage)

    def _check_task(self, message: BaseChatMessage) -> None:
        if not self._knows(message):
            raise UserError(f"The task holds a {self._unknown(message)}")

    def _unknown(self, message: Item) -> str:
        kind = type(message).__name__
        return (
            f"{kind}, which the team does not know. Pass custom_message_types=[{kind}] to {type(self._team).__name__}."
        )


def _choice(chosen: Chosen) -> Choice:
    if isinstance(chosen, Choice):
        return chosen
    return Choice((chosen,) if isinstance(chosen, str) else tuple(chosen))  # type: ignore[arg-type]
