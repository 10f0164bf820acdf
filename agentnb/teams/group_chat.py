"""Every team: who takes part, what they have said, and their life between runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Never, overload

from agentnb.base import ChatAgent, Task, TaskResult, TaskRunner, Team, TerminationCondition, models_of
from agentnb.base.reader import Reader
from agentnb.base.restoring import Told
from agentnb.base.runner import taking_part
from agentnb.core import AgentId, CancellationToken, new_id, well_formed
from agentnb.core.arguments import at_least_one, require_text
from agentnb.core.cancellation import Abort
from agentnb.exceptions import AgentFailed, RuntimeFault, UserError
from agentnb.messages import BaseChatMessage, MessageFactory, SelectorEvent, StructuredMessage
from agentnb.runlog import Participant, Run, current
from agentnb.runlog.given import Given
from agentnb.runtimes import AgentRuntime
from agentnb.teams.base import Item, RememberingPolicy, SpeakerPolicy
from agentnb.teams.conversation import Conversation
from agentnb.teams.resume import BrokenRun, Restoring
from agentnb.teams.seat import Seat
from agentnb.teams.state import VERSION, container_state, take_over, taken_apart
from agentnb.teams.thread import Thread

# Conditions of runs that go on, by identity, with the name of their team.
_in_use: dict[int, str] = {}


class BaseGroupChat(Team):
    """A team: participants, and a policy that says who speaks next.

    Args:
        participants: Agents, or teams whose whole runs count as one turn, with names of their own.
        policy: Chooses the next speakers: a function of a `TeamView`, or a `RememberingPolicy`; every team needs one.
        name: The team's name; default: its class.
        description: What it is good for.
        termination_condition: Ends a run; reset when it has.
        max_turns: Ends a run after so many rounds of speakers.
        runtime: Where the participants live, so that its handlers and readers see every turn; default: on none, the
            team gives them the word itself.
        custom_message_types: Message classes of yours that the participants say.
        emit_team_events: Whether the choice of speakers is part of stream and result.

    Raises:
        ValueError: If there are no participants, two of one name, or `max_turns` is not positive.
        TypeError: If a participant is no agent, or a team where only agents may take part; if there is no policy, or
            what is to end a run is no condition.
    """

    nests: ClassVar[bool] = True
    """Whether teams may take part."""
    _from_facts = True
    _broken: BrokenRun | None = None

    def __init__(
        self,
        participants: Sequence[ChatAgent | Team],
        policy: SpeakerPolicy | None = None,
        *,
        name: str | None = None,
        description: str | None = None,
        termination_condition: TerminationCondition | None = None,
        max_turns: int | None = None,
        runtime: AgentRuntime | None = None,
        custom_message_types: Sequence[type[Item]] | None = None,
        emit_team_events: bool = False,
        **manager: Never,
    ) -> None:
        if not callable(policy) or manager:
            raise TypeError(self._without_policy(manager))
        if isinstance(participants, str) or not isinstance(participants, Iterable):
            raise TypeError(f"The participants are {participants!r:.80}; give a list of agents: [ana, ben].")
        if termination_condition is not None and not isinstance(termination_condition, TerminationCondition):
            raise TypeError(
                f"The termination_condition is {termination_condition!r:.80}; give a condition, such as "
                f"{_condition_for(termination_condition)}."
            )
        names = [self._checked(participant).name for participant in participants]
        if not names:
            raise UserError(f"{type(self).__name__} has no participants; give it agents: [ana, ben].")
        if len(set(names)) != len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise UserError(f"Two participants are named {', '.join(map(repr, twice))}; names must differ.")
        if self.manager_name in names:
            raise UserError(f"No participant may be named {self.manager_name!r}: that is who chooses the speakers.")
        at_least_one("max_turns", max_turns, none="no limit")
        self._name = well_formed(name or type(self).__name__)
        if description is not None:
            require_text("The description of the team", description)
        self._description = description or f"A team of {', '.join(names)}."
        self._policy = policy
        self._condition = termination_condition
        self._max_turns = max_turns
        self._emit = emit_team_events
        self._id = new_id()
        self._runtime = runtime
        self._seats = {participant.name: Seat(participant) for participant in participants}
        self._names = tuple(names)
        self._factory = MessageFactory()
        self._factory.register(SelectorEvent)  # said by a selector within a team, or within an agent
        for message_type in custom_message_types or ():
            self._factory.register(message_type)
        for participant in participants:
            self._know_messages_of(participant)
        self._seated = False
        self._run: Run | None = None
        self._thread = Thread(names)
        self._turns = 0
        self._last_speakers: tuple[str, ...] = ()
        self._descriptions = {participant.name: participant.description for participant in participants}

    def _without_policy(self, unknown: Mapping[str, Any]) -> str:
        """Say what is wrong with arguments that are AutoGen's for a team with a manager, or lack a policy."""
        strange = [name for name in unknown if not name.startswith("group_chat_manager")]
        if strange:
            return f"{type(self).__name__} takes no {' and no '.join(map(repr, strange))}."
        return (
            f"{type(self).__name__} needs a policy: teams have no manager class here, but a function that says who "
            "speaks next. Write\n"
            "    def in_turn(view: TeamView) -> str:\n"
            "        return view.names[view.turns % len(view.names)]\n"
            "and BaseGroupChat(participants, in_turn, termination_condition=…), or super().__init__(participants, "
            "in_turn, …) in a class of your own. What a manager kept from turn to turn goes into a RememberingPolicy; "
            "see agentnb.teams.SpeakerPolicy."
        )

    def _checked(self, participant: Any) -> ChatAgent | Team:
        if isinstance(participant, ChatAgent) or (self.nests and isinstance(participant, Team)):
            return participant
        if isinstance(participant, Team):
            raise TypeError(
                f"{type(self).__name__} takes agents only, and {participant.name!r} is a team. "
                "Wrap it in a SocietyOfMindAgent, or nest it in a RoundRobinGroupChat or SelectorGroupChat."
            )
        made = f" Make one of the class: {participant.__name__}(…)." if isinstance(participant, type) else ""
        raise TypeError(f"A participant must be an agent, not {type(participant).__name__}: {participant!r:.80}.{made}")

    def _know_messages_of(self, participant: ChatAgent | Team) -> None:
        if isinstance(participant, ChatAgent):
            produced: Sequence[Any] = participant.produced_message_types
            types = [kind for kind in produced if issubclass(kind, StructuredMessage)]
        else:
            types = participant._factory.types() if isinstance(participant, BaseGroupChat) else []
        for kind in types:
            if not self._factory.is_registered(kind):
                self._factory.register(kind)

    @property
    def name(self) -> str:
        return self._name

    @property
    def description(self) -> str:
        return self._description

    @property
    def participants(self) -> Sequence[ChatAgent | Team]:
        """Who takes part, in their order."""
        return [seat.agent for seat in self._seats.values()]

    @property
    def asks_person(self) -> bool:
        return any(agent.asks_person for agent in self.participants)

    def _run_participants(self) -> Sequence[Participant]:
        return [taking_part(agent.name, agent.description, type(agent).__name__) for agent in self.participants]

    def _run_model(self) -> str:
        return models_of([agent._run_model() for agent in self.participants])

    async def share(self, variables: Mapping[str, Any]) -> list[str]:
        takers: list[str] = []
        for agent in self.participants:
            takers += await agent.share(variables)
        return takers

    # -- the loop -------------------------------------------------------------------------------------------------

    async def _perform(
        self, task: list[BaseChatMessage], run: Run, cancellation_token: CancellationToken | None, echo: bool
    ) -> None:
        await self._until_left(within=run.started.parent is not None)
        if self._run is not None:
            raise UserError(
                f"The team {self.name!r} is running already; wait for it, or make another team. A stream of it that "
                "was left early and is still at hand ends with `await stream.aclose()`."
            )
        self._run = run
        conditions = self._condition._parts() if self._condition is not None else []
        try:
            self._occupy(conditions)
            await self._seat()
            broken = await Abort(cancellation_token).wait(self._taken_up(run))
            run.stop_reason = await Conversation(self, task, run, cancellation_token, broken).hold(echo=echo)
        finally:
            for condition in conditions:
                if _in_use.get(id(condition)) == self._id:
                    del _in_use[id(condition)]
            self._run = None

    async def _taken_up(self, run: Run) -> BrokenRun | None:
        """Return where the run was broken off that this one takes up; note what this one begins with otherwise."""
        started: Any = run.started.body
        broken, self._broken = self._broken, None
        if started.resumed:
            return broken
        if broken is not None:
            await broken.settle()
        elif started.continues is None and self._has_past():
            await run.note_state(self.name, self.save_state)
        return None

    def _has_past(self) -> bool:
        kept = (agent._keeps() for agent in self.participants if isinstance(agent, ChatAgent))
        return bool(self._thread.messages) or any(kept)

    def _inside(self) -> Iterable[TaskRunner]:
        return [runner for participant in self.participants for runner in participant._inside()]

    async def _retell(self, told: Sequence[Told]) -> None:
        await self._not_running("be restored")
        self._check_participants(told[-1])
        await self.reset()
        restoring = Restoring(self)
        for here, story in told:
            await restoring.tell(here, story)
        self._broken = restoring.broken(*told[-1])
        await restoring.finish(broken=self._broken is not None)

    def _check_participants(self, last: Told) -> None:
        log, story = last
        began: Any = story.started.body
        missing = [one.name for one in began.participants if one.name not in self._seats]
        if missing:
            raise UserError(
                f"In the run in {log.path or log.id} {', '.join(map(repr, missing))} took part, and in {self.name!r} "
                f"there is nobody of that name (participants: {', '.join(map(repr, self._names))}). Restore it with a "
                "team of the same participants; it may have more."
            )

    def _coders(self) -> Mapping[str, ChatAgent]:
        return {name: agent for participant in self.participants for name, agent in participant._coders().items()}

    def _knows(self, factory: MessageFactory) -> None:
        for kind in self._factory.types():
            if not factory.knows(kind.__name__):
                factory.register(kind)
        for participant in self.participants:
            participant._knows(factory)

    def _occupy(self, conditions: Sequence[TerminationCondition]) -> None:
        for condition in conditions:
            if id(condition) in _in_use:
                raise UserError(
                    f"The {type(condition).__name__} of {self.name!r} counts for another run that goes on. "
                    "Give each team a condition of its own."
                )
        _in_use.update((id(condition), self._id) for condition in conditions)

    async def _seat(self) -> None:
        if not self._seated:
            if self._runtime is not None:
                for seat in self._seats.values():
                    await self._runtime.register_agent_instance(seat, self._seat_id(seat.agent.name))
            self._seated = True

    def _seat_id(self, name: str) -> AgentId:
        return AgentId(f"{name}_{self._id}", self._id)

    async def _forget(self) -> None:
        failed: list[tuple[str, Exception]] = []
        for name, seat in self._seats.items():
            try:
                if isinstance(seat.agent, ChatAgent):
                    await seat.agent.on_reset(CancellationToken())
                else:
                    await seat.agent.reset()
            except Exception as error:  # the others' memory must not stay because one cannot forget
                failed.append((name, error))
        self._thread.clear()
        self._last_speakers = ()
        if failed:
            whose = "; ".join(f"{name!r}: {type(error).__name__}: {error}" for name, error in failed)
            raise AgentFailed(f"{self.name!r} was reset, but for what failed in {whose}") from failed[0][1]

    # -- life -----------------------------------------------------------------------------------------------------

    async def _until_left(self, *, within: bool) -> None:
        """Wait for the end of a run whose reader has left its stream; not within a run, which may be that one."""
        if self._run is not None and not within and isinstance(self._run.sink, Reader):
            await self._run.sink.gone()

    async def _not_running(self, what: str) -> None:
        await self._until_left(within=current() is not None)
        if self._run is not None:
            raise RuntimeFault(f"The team {self.name!r} cannot {what} while it is running; stop it first.")

    async def reset(self) -> None:
        await self._not_running("be reset")
        self._last_run = self._restored = self._broken = None
        self._turns = 0
        try:
            await self._forget()
        finally:
            if isinstance(self._policy, RememberingPolicy):
                await self._policy.reset()
            if self._condition is not None:
                await self._condition.reset()

    async def pause(self) -> None:
        """Hold the run behind the turn that goes on, and call `on_pause` of every agent.

        Raises:
            RuntimeError: If the team has not run yet.
        """
        self._started("pause")
        if self._run is not None:
            self._run.gate.close()
        await self._told_to_pause()

    @overload
    async def resume(self) -> None: ...

    @overload
    async def resume(
        self,
        log: Given,
        *,
        task: Task = None,
        cancellation_token: CancellationToken | None = None,
        output_task_messages: bool = True,
        rerun_code: bool = False,
    ) -> TaskResult: ...

    async def resume(
        self,
        log: Given | None = None,
        *,
        task: Task = None,
        cancellation_token: CancellationToken | None = None,
        output_task_messages: bool = True,
        rerun_code: bool = False,
    ) -> TaskResult | None:
        """Let a paused run go on, and call `on_resume` of every agent; or go on from a run's log.

        ```python
        result = await team.resume(".agentnb/runs/20260101-120000-writers-1a2b3c4d.jsonl")
        ```

        Args:
            log: The log, a result, the file, or the id of a run that was broken off by a crash, an error or a person,
                or of a branch. None lets the run of this team go on that is paused.
            task: Something new to do; default: take up what was broken off.
            cancellation_token: Cancelling it ends the run with `asyncio.CancelledError`.
            output_task_messages: Whether the task's messages are part of the result.
            rerun_code: Whether the run begins with the code that ran to its end: a new kernel then has the variables.

        Returns:
            With a log, the result: of the whole run, with what was said before it broke off. A run that had come to
            its end gives its result, if there is no new task.

        Raises:
            RuntimeError: Without a log, if the team has not run yet.
            ValueError: If the log is of another team, or there is none and something is to be done with it.
        """
        if log is not None:
            return await self._resume(
                log,
                task=task,
                cancellation_token=cancellation_token,
                output_task_messages=output_task_messages,
                rerun_code=rerun_code,
            )
        no_log_for(task=task, cancellation_token=cancellation_token, rerun_code=rerun_code or None)
        self._started("resume")
        if self._run is not None:
            self._run.gate.open()
        await self._told_to_resume()
        return None

    async def _told_to_pause(self) -> None:
        for participant in self.participants:
            await participant._told_to_pause()

    async def _told_to_resume(self) -> None:
        for participant in self.participants:
            await participant._told_to_resume()

    def _started(self, what: str) -> None:
        if not self._seated:
            raise RuntimeFault(f"The team {self.name!r} cannot {what}: it has not run yet. Run it first.")

    async def close(self) -> None:
        """Release what the agents hold, such as kernels and connections."""
        await self._not_running("be closed")
        for agent in self.participants:
            await agent.close()

    @property
    def manager_name(self) -> str:
        """AutoGen's name for who chooses the speakers: the source of such events, and a key of the saved state."""
        return f"{type(self).__name__}Manager"

    async def save_state(self) -> Mapping[str, Any]:
        """Return AutoGen's `TeamState`: each agent's state and unheard messages, the thread, and the policy's memory.

        The termination condition's count is saved as well, for a run that is paused. The state is the caller's own;
        it costs what was said since the last one, for a message is written once: one that is changed later in its
        parts, such as its metadata, is saved as it was.
        """
        said, unheard = self._thread.saved()
        agents = {name: await container_state(seat, unheard[name]) for name, seat in self._seats.items()}
        agents[self.manager_name] = {
            "version": VERSION,
            "message_thread": said,
            "current_turn": 0,
            **await self._policy_state(),
        }
        state = {"type": "TeamState", "version": VERSION, "agent_states": agents}
        if self._condition is not None and self._run is not None:  # between runs it has counted nothing
            state["termination_condition"] = self._condition.save_state()
        return state

    async def _policy_state(self) -> dict[str, Any]:
        if isinstance(self._policy, RememberingPolicy):
            return {"type": self._policy.state_type, **await self._policy.save_state()}
        return {
            "type": "BaseGroupChatManagerState",
            "turns": self._turns,
            "last_speakers": list(self._last_speakers),
        }

    async def _load_policy_state(self, state: Mapping[str, Any], turns: int) -> int:
        turns = self._turns_of(state, turns)
        if isinstance(self._policy, RememberingPolicy):
            await self._policy.load_state(state)
        return turns

    def _turns_of(self, state: Mapping[str, Any], turns: int) -> int:
        """Return the count of rounds a saved state stands for; `turns` is 0 where it was saved by AutoGen."""
        return turns

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state, also of another team of this kind whose participants have the same names.

        Raises:
            ValueError: If a participant or the manager is missing, or anything cannot be read; nothing is changed then.
        """
        await self._not_running("load a state")
        parts = taken_apart(state, self._names, self.manager_name, self._factory)
        turns = await take_over(self._seats, parts, self._condition, self._load_policy_state)
        self._thread.load(parts.said, parts.unheard)
        self._last_run = self._restored = self._broken = None
        self._turns, self._last_speakers = turns, parts.last_speakers


def _condition_for(given: Any) -> str:
    """Return a condition that could be meant by something that is none."""
    if isinstance(given, str):
        return f"TextMentionTermination({given!r})"
    if isinstance(given, type):
        return f"{given.__name__}(…)"
    if isinstance(given, int):
        return f"MaxMessageTermination({given})"
    return "FunctionalTermination(…)" if callable(given) else "MaxMessageTermination(10); join several with | or &"


def no_log_for(**options: Any) -> None:
    """Refuse what only makes sense with a log.

    Raises:
        ValueError: If any option is given.
    """
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise UserError(
            f"resume() without a log lets a paused run go on, and takes no {' or '.join(given)}. "
            "Use run(task=...), or give the log to go on from."
        )
