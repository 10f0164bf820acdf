"""The one loop behind every team: choose who speaks, give them the word, see whether it is over."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import nullcontext
from contextvars import copy_context
from time import monotonic
from typing import TYPE_CHECKING, Any

from agentnb.base import BrokenOff
from agentnb.core import CancellationToken
from agentnb.core.cancellation import unless_cancelled
from agentnb.exceptions import ActRefused, AgentFailed, HumanUnavailable, ModelError, RuntimeFault, ToolError, UserError
from agentnb.messages import BaseChatMessage, SelectSpeakerEvent, StopMessage, StructuredMessage
from agentnb.runlog import Forgotten, ModelStarted, Run
from agentnb.runlog.guards import guarded
from agentnb.runlog.light import speaker_chosen
from agentnb.runlog.log import scope
from agentnb.runlog.replaying import replaying
from agentnb.runtimes.contexts import here
from agentnb.runtimes.delivery import InContext
from agentnb.teams.base import LIMIT, Choice, Chosen, Item, RememberingPolicy, TeamView
from agentnb.teams.seat import Turn
from agentnb.teams.watch import Watch

if TYPE_CHECKING:
    from agentnb.teams.group_chat import BaseGroupChat
    from agentnb.teams.resume import BrokenRun

Said = list[Item]
_NOTHING = nullcontext()
_SECONDS = 0.01
"""So long a run may go on before others in its event loop have their turn."""


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
        self._watch = Watch(run, team._thread, team._names, team.manager_name) if guarded() else None
        self._choosing = scope(run.log, run.started.id, team.manager_name)
        self._breath = monotonic() + _SECONDS
        self._others_ran = True
        self._told: Said = []
        self._asked: tuple[int, ...] = ()

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
        try:
            return await self._go_on()
        finally:
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
        team, broken = self._team, self._broken
        rounds = broken.rounds if broken is not None else 0
        reason = await (self._told_task() if broken is None else self._told_anew(broken))
        if self._watch is not None:
            reason = await self._done(reason, self._watch)
        unfinished = broken.round if broken is not None else None
        while (reason := self._limit(rounds) if reason is None else reason) is None:
            if self._is_held() or monotonic() > self._breath:
                await self._may_go_on()
            if unfinished is not None:
                names, by_policy = unfinished.names, unfinished.by_policy
                if not unfinished.announced:
                    self._announce(names)
                unfinished = None
            else:
                closings = self._run.gate.closings
                choice = await self._next()
                by_policy, self._told = self._told, []
                allowed = choice if self._watch is None else await self._allowed(choice, self._watch, by_policy)
                if allowed is None:
                    continue
                if isinstance(allowed, StopMessage):
                    return allowed.content
                if self._run.gate.closings != closings:
                    await self._may_go_on()  # a model that chooses takes its time, and the run was paused meanwhile
                self._log_choice(allowed)
                names = allowed.names
            turns = await self._speak(names)
            team._turns += 1
            team._last_speakers = names
            rounds += 1
            said = [message for turn in turns.values() for message in turn]
            ended = None
            if self._policy is not None:
                ended = await unless_cancelled(self._policy.heard(self._view(), turns), self._token)
            if ended:
                reason = ended.content
            elif self._condition is not None:
                reason = await self._over([*by_policy, *said] if self._counts else said)
            if self._watch is not None:
                reason = await self._watch.said(turns) or await self._done(reason, self._watch)
        return reason

    @property
    def _counts(self) -> bool:
        """Whether the condition is told the task, and what the policy says."""
        return self._policy is None or self._policy.asks_condition_of_task

    async def _told_task(self) -> str | None:
        return await self._over(self._task) if self._task and self._counts else None

    async def _told_anew(self, broken: BrokenRun) -> str | None:
        """Let the condition hear what it had been told before the run broke off."""
        for said in broken.told:
            reason = broken.ended if said is broken.told[-1] and broken.ended else await self._over(said)
            if reason is not None:
                return reason
        return None

    def _limit(self, rounds: int) -> str | None:
        most = self._team._max_turns
        if most is None or rounds < most:
            return None
        return f"the limit of {most} turn{'s' * (most != 1)} was reached"

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
        stop: Any = await unless_cancelled(condition(said), self._token)
        if stop is not None and not isinstance(stop, StopMessage):
            raise UserError(
                f"The {type(condition).__name__} of {self._team.name!r} returned {stop!r:.80}; a condition returns a "
                "StopMessage where the run is over, else None."
            )
        return None if stop is None else stop.content

    def _note_others(self) -> None:
        self._others_ran = True

    def _is_held(self) -> bool:
        return self._run.gate.closed or (self._token is not None and self._token.is_cancelled())

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
        before = len(self._run.log)
        broken, self._broken = self._broken, None
        with self._choosing, _NOTHING if broken is None else replaying(broken.choosing()):
            chosen: Any = self._team._policy(self._view())
            if type(chosen) is not Choice and inspect.isawaitable(chosen):
                chosen = await unless_cancelled(chosen, self._token)
        if self._policy is not None:
            await self._note_policy()
        if type(chosen) is not Choice and isinstance(chosen, StopMessage):
            return chosen
        choice = _choice(chosen)
        if not choice.names or not self._team._seats.keys() >= set(choice.names):
            unknown = [name for name in choice.names if name not in self._team._seats]
            raise UserError(
                f"The next speaker of {self._team.name!r} is {', '.join(map(repr, unknown)) or 'nobody'}; "
                f"it must be one of {', '.join(map(repr, self._team._names))}."
            )
        facts = self._run.log.since(before) if len(self._run.log) > before else ()
        self._asked = tuple(fact.seq for fact in facts if isinstance(fact.body, ModelStarted))
        return choice

    async def _note_policy(self) -> None:
        policy = self._policy
        if policy is not None and not policy.follows:
            with self._choosing:
                await self._run.note_state(self._team.manager_name, policy.save_state)

    def _log_choice(self, choice: Choice) -> None:
        self._run.log.add(
            speaker_chosen(
                names=choice.names,
                why=choice.why or None,
                rule=choice.rule or None,
                candidates=choice.candidates or None,
                answer=choice.answer or None,
                attempts=choice.attempts or None,
                asked=self._asked or None,
            )
        )
        self._announce(choice.names)

    def _announce(self, names: Sequence[str]) -> None:
        if self._team._emit:
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

    async def _speak(self, names: Sequence[str]) -> Mapping[str, Said]:
        broken, self._broken = self._broken, None
        if broken is not None:
            return await self._speak_on(names, broken)
        if len(names) == 1:
            turns = {names[0]: await self._turn(names[0])}
            self._hear(names[0], turns[names[0]])
            return turns
        order = tuple(dict.fromkeys(names))
        return await self._together(order, {name: self._turn(name) for name in order}, {})

    async def _speak_on(self, names: Sequence[str], broken: BrokenRun) -> Mapping[str, Said]:
        """Let those speak who had not come to their end; the others' answers count as they are."""
        done = broken.round.done if broken.round is not None else {}
        order = tuple(dict.fromkeys(names))
        rest = {name: self._turn(name, broken.again(name)) for name in order if name not in done}
        return await self._together(order, rest, done)

    async def _together(
        self, order: Sequence[str], turns: Mapping[str, Coroutine[Any, Any, Said]], done: Mapping[str, Said]
    ) -> Mapping[str, Said]:
        tasks: dict[str, asyncio.Task[Said]] = {}
        try:
            async with asyncio.TaskGroup() as group:
                for name, turn in turns.items():
                    tasks[name] = group.create_task(turn)
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

    async def _turn(self, name: str, again: BrokenOff | None = None) -> Said:
        team = self._team
        self._check_runtime()
        with team._thread.telling(name) as new:
            turn = Turn(new, self._run, self._token or CancellationToken(), again)
            given = self._given(name, turn)
            try:
                said = await (given if self._token is None else unless_cancelled(given, self._token))
            except (ModelError, ToolError, HumanUnavailable, AgentFailed, ActRefused):
                raise
            except Exception as error:
                raise AgentFailed(f"The agent {name!r} failed: {type(error).__name__}: {error}") from error
        for message in said:
            if not self._knows(message):
                raise AgentFailed(f"The agent {name!r} said a {self._unknown(message)}")
        return said

    async def _given(self, name: str, turn: Turn) -> Said:
        """Give a turn: as a message where the team lives on a runtime."""
        team = self._team
        said: Said
        if team._runtime is not None:
            said = await team._runtime.send_message(turn, team._seat_id(name))
        else:
            # What an agent sets in context variables is its own, as if it lived on a runtime.
            said = await InContext(copy_context(), here.get(), team._seats[name].take(turn))
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
