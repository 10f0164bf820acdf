"""Every team: who takes part, what they have said, and their life between runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import ValidationError

from agentnb.base import ChatAgent, Team, TerminationCondition
from agentnb.core import AgentId, CancellationToken, new_id
from agentnb.exceptions import RuntimeFault, UserError
from agentnb.messages import BaseChatMessage, MessageFactory, SelectorEvent, StructuredMessage
from agentnb.runlog import Participant, Run
from agentnb.runtimes import AgentRuntime, SingleThreadedAgentRuntime
from agentnb.teams.base import Item, RememberingPolicy, SpeakerPolicy
from agentnb.teams.conversation import Conversation
from agentnb.teams.seat import Seat
from agentnb.teams.thread import Thread

# Conditions of runs that go on, by identity, with the name of their team.
_in_use: dict[int, str] = {}


class BaseGroupChat(Team):
    """A team: participants, and a policy that says who speaks next.

    Args:
        participants: Agents, or teams whose whole runs count as one turn, with names of their own.
        policy: Chooses the next speakers: a function of a `TeamView`, or a `RememberingPolicy`.
        name: The team's name; default: its class.
        description: What it is good for.
        termination_condition: Ends a run; reset when it has.
        max_turns: Ends a run after so many rounds of speakers.
        runtime: Where the participants live; default: a runtime of the team's own.
        custom_message_types: Message classes of yours that the participants say.
        emit_team_events: Whether the choice of speakers is part of stream and result.

    Raises:
        ValueError: If there are no participants, two of one name, or `max_turns` is not positive.
        TypeError: If a participant is no agent, or a team where only agents may take part.
    """

    nests: ClassVar[bool] = True
    """Whether teams may take part."""

    def __init__(
        self,
        participants: Sequence[ChatAgent | Team],
        policy: SpeakerPolicy,
        *,
        name: str | None = None,
        description: str | None = None,
        termination_condition: TerminationCondition | None = None,
        max_turns: int | None = None,
        runtime: AgentRuntime | None = None,
        custom_message_types: Sequence[type[Item]] | None = None,
        emit_team_events: bool = False,
    ) -> None:
        names = [self._checked(participant).name for participant in participants]
        if not names:
            raise UserError("A team needs at least one participant.")
        if len(set(names)) != len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise UserError(f"Two participants are named {', '.join(map(repr, twice))}; names must differ.")
        if self.manager_name in names:
            raise UserError(f"No participant may be named {self.manager_name!r}: that is who chooses the speakers.")
        if max_turns is not None and max_turns < 1:
            raise UserError(f"max_turns is {max_turns}; it must be at least 1, or None for no limit.")
        self._name = name or type(self).__name__
        self._description = description or f"A team of {', '.join(names)}."
        self._policy = policy
        self._condition = termination_condition
        self._max_turns = max_turns
        self._emit = emit_team_events
        self._id = new_id()
        self._own = runtime is None
        self._runtime = runtime or SingleThreadedAgentRuntime(ignore_unhandled_exceptions=False, observable=False)
        self._seats = {participant.name: Seat(participant) for participant in participants}
        self._names = tuple(names)
        self._factory = MessageFactory()
        self._factory.register(SelectorEvent)  # said by a selector within a team, or within an agent
        for message_type in custom_message_types or ():
            self._factory.register(message_type)
        for participant in participants:
            self._know_messages_of(participant)
        self._seated = False
        self._started_runtime = False
        self._run: Run | None = None
        self._thread = Thread(names)
        self._turns = 0
        self._last_speakers: tuple[str, ...] = ()
        self._descriptions = {participant.name: participant.description for participant in participants}

    def _checked(self, participant: Any) -> ChatAgent | Team:
        if isinstance(participant, ChatAgent) or (self.nests and isinstance(participant, Team)):
            return participant
        if isinstance(participant, Team):
            raise TypeError(
                f"{type(self).__name__} takes agents only, and {participant.name!r} is a team. "
                "Wrap it in a SocietyOfMindAgent, or nest it in a RoundRobinGroupChat or SelectorGroupChat."
            )
        raise TypeError(f"A participant must be an agent, not {type(participant).__name__}: {participant!r}.")

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
        return [
            Participant(name=agent.name, description=agent.description, role=type(agent).__name__)
            for agent in self.participants
        ]

    def _run_model(self) -> str:
        models = {model for agent in self.participants if (model := agent._run_model())}
        return ", ".join(sorted(models))

    async def share(self, variables: Mapping[str, Any]) -> list[str]:
        takers: list[str] = []
        for agent in self.participants:
            takers += await agent.share(variables)
        return takers

    # -- the loop -------------------------------------------------------------------------------------------------

    async def _perform(
        self, task: list[BaseChatMessage], run: Run, cancellation_token: CancellationToken | None, echo: bool
    ) -> None:
        if self._run is not None:
            raise UserError(f"The team {self.name!r} is running already; wait for it, or make another team.")
        self._run = run
        conditions = self._condition._parts() if self._condition is not None else []
        try:
            self._occupy(conditions)
            await self._seat()
            run.stop_reason = await Conversation(self, task, run, cancellation_token).hold(echo=echo)
        finally:
            for condition in conditions:
                if _in_use.get(id(condition)) == self._id:
                    del _in_use[id(condition)]
            try:
                if self._started_runtime and isinstance(self._runtime, SingleThreadedAgentRuntime):
                    self._started_runtime = False
                    await self._runtime.stop()
            finally:
                self._run = None

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
            for seat in self._seats.values():
                await self._runtime.register_agent_instance(seat, self._seat_id(seat.agent.name))
            self._seated = True
        if self._own and isinstance(self._runtime, SingleThreadedAgentRuntime):
            self._runtime.start()
            self._started_runtime = True

    def _seat_id(self, name: str) -> AgentId:
        return AgentId(f"{name}_{self._id}", self._id)

    async def _forget(self) -> None:
        for seat in self._seats.values():
            if isinstance(seat.agent, ChatAgent):
                await seat.agent.on_reset(CancellationToken())
            else:
                await seat.agent.reset()
        self._thread.clear()
        self._last_speakers = ()

    # -- life -----------------------------------------------------------------------------------------------------

    def _not_running(self, what: str) -> None:
        if self._run is not None:
            raise RuntimeFault(f"The team {self.name!r} cannot {what} while it is running; stop it first.")

    async def reset(self) -> None:
        self._not_running("be reset")
        await self._forget()
        self._turns = 0
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

    async def resume(self) -> None:
        """Let the run go on, and call `on_resume` of every agent.

        Raises:
            RuntimeError: If the team has not run yet.
        """
        self._started("resume")
        if self._run is not None:
            self._run.gate.open()
        await self._told_to_resume()

    async def _told_to_pause(self) -> None:
        for participant in self.participants:
            await participant._told_to_pause()

    async def _told_to_resume(self) -> None:
        for participant in self.participants:
            await participant._told_to_resume()

    def _started(self, what: str) -> None:
        if not self._seated:
            raise RuntimeFault(f"The team {self.name!r} cannot {what}: it has not run yet.")

    async def close(self) -> None:
        """Release what the agents hold, such as kernels and connections."""
        self._not_running("be closed")
        for agent in self.participants:
            await agent.close()

    @property
    def manager_name(self) -> str:
        """AutoGen's name for who chooses the speakers: the source of such events, and a key of the saved state."""
        return f"{type(self).__name__}Manager"

    async def save_state(self) -> Mapping[str, Any]:
        """Return AutoGen's `TeamState`: each agent's state and unheard messages, the thread, and the policy's memory.

        The termination condition's count is saved as well, for a run that is paused.
        """
        agents: dict[str, Any] = {
            name: {
                "type": "ChatAgentContainerState",
                "version": "1.0.0",
                "agent_state": dict(await seat.agent.save_state()),
                "message_buffer": [dict(message.dump()) for message in self._thread.unheard(name)],
            }
            for name, seat in self._seats.items()
        }
        agents[self.manager_name] = {
            "version": "1.0.0",
            "message_thread": [dict(message.dump()) for message in self._thread.messages],
            "current_turn": 0,
            **await self._policy_state(),
        }
        state = {"type": "TeamState", "version": "1.0.0", "agent_states": agents}
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

    async def _load_policy_state(self, state: Mapping[str, Any]) -> None:
        if isinstance(self._policy, RememberingPolicy):
            await self._policy.load_state(state)

    def _turns_of(self, state: Mapping[str, Any], turns: int) -> int:
        """Return the count of rounds a saved state stands for; `turns` is 0 where it was saved by AutoGen."""
        return turns

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state, also one of another team whose participants have the same names.

        Raises:
            ValueError: If a participant or the manager is missing, or a message cannot be read.
        """
        self._not_running("load a state")
        agents = state.get("agent_states")
        if not isinstance(agents, Mapping):
            raise UserError("The state has no 'agent_states'; is it a team's, saved by save_state()?")
        missing = [name for name in (*self._names, self.manager_name) if name not in agents]
        if missing:
            raise UserError(
                f"The state lacks {', '.join(map(repr, missing))} (it holds {', '.join(map(repr, agents))})."
            )
        try:
            said = list(agents[self.manager_name]["message_thread"])
            thread = [self._factory.create(data) for data in said]
            buffers = {name: list(agents[name]["message_buffer"]) for name in self._names}
            counted = state.get("termination_condition")
            if counted is not None and self._condition is not None:
                self._condition._check_state(counted)  # before anything is changed
            for name, seat in self._seats.items():
                await seat.agent.load_state(agents[name]["agent_state"])
            if counted is not None and self._condition is not None:
                self._condition.load_state(counted)
            manager = agents[self.manager_name]
            turns, last = int(manager.get("turns", 0)), tuple(manager.get("last_speakers", ()))
            await self._load_policy_state(manager)
        except (KeyError, TypeError, AttributeError, ValidationError) as error:
            raise UserError(f"The state cannot be read: {type(error).__name__}: {error}") from error
        self._thread.load(thread, said, buffers)
        self._turns, self._last_speakers = self._turns_of(manager, turns), last
