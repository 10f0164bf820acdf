"""The one loop behind every team: choose who speaks, give them the word, see whether it is over."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from agentnb.base import ChatAgent, Team, TerminationCondition
from agentnb.core import AgentId, CancellationToken, new_id
from agentnb.exceptions import AgentFailed, HumanUnavailable, ModelError, RuntimeFault, ToolError, UserError
from agentnb.messages import BaseAgentEvent, BaseChatMessage, MessageFactory, SelectSpeakerEvent, StructuredMessage
from agentnb.runlog import Participant, Run, SpeakerChosen
from agentnb.runtimes import AgentRuntime, SingleThreadedAgentRuntime
from agentnb.teams.base import SpeakerPolicy, TeamView
from agentnb.teams.seat import Seat, Turn

Said = list[BaseAgentEvent | BaseChatMessage]


class BaseGroupChat(Team):
    """A team: participants, and a policy that says who speaks next.

    Args:
        participants: Agents with names of their own.
        policy: Chooses the next speakers.
        name: The team's name; default: its class.
        description: What it is good for.
        termination_condition: Ends a run; reset when it has.
        max_turns: Ends a run after so many rounds of speakers.
        runtime: Where the participants live; default: a runtime of the team's own.
        custom_message_types: Message classes of yours that the participants say.
        emit_team_events: Whether the choice of speakers is part of stream and result.

    Raises:
        ValueError: If there are no participants, two of one name, or `max_turns` is not positive.
    """

    def __init__(
        self,
        participants: Sequence[ChatAgent],
        policy: SpeakerPolicy,
        *,
        name: str | None = None,
        description: str | None = None,
        termination_condition: TerminationCondition | None = None,
        max_turns: int | None = None,
        runtime: AgentRuntime | None = None,
        custom_message_types: Sequence[type[BaseAgentEvent | BaseChatMessage]] | None = None,
        emit_team_events: bool = False,
    ) -> None:
        names = [_checked(participant).name for participant in participants]
        if not names:
            raise UserError("A team needs at least one participant.")
        if len(set(names)) != len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise UserError(f"Two participants are named {', '.join(map(repr, twice))}; names must differ.")
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
        for message_type in custom_message_types or ():
            self._factory.register(message_type)
        for participant in participants:
            for produced in participant.produced_message_types:
                if issubclass(produced, StructuredMessage) and not self._factory.is_registered(produced):
                    self._factory.register(produced)
        self._seated = False
        self._started_runtime = False
        self._running = False
        self._thread: Said = []
        # Who said each message of the thread, None for the task: its `source` may be another's name.
        self._speakers: list[str | None] = []
        self._turns = 0

    @property
    def name(self) -> str:
        return self._name

    @property
    def description(self) -> str:
        return self._description

    @property
    def participants(self) -> Sequence[ChatAgent]:
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
        if self._running:
            raise UserError(f"The team {self.name!r} is running already; wait for it, or make another team.")
        self._running = True
        try:
            await self._seat()
            run.stop_reason = await self._converse(task, run, cancellation_token, echo)
        finally:
            try:
                if self._started_runtime and isinstance(self._runtime, SingleThreadedAgentRuntime):
                    self._started_runtime = False
                    await self._runtime.stop()
            finally:
                self._running = False

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

    async def _converse(
        self, task: list[BaseChatMessage], run: Run, token: CancellationToken | None, echo: bool
    ) -> str:
        if self._condition is not None and self._condition.terminated:
            return "the termination condition had fired before the run began; reset it first"
        for message in task:
            self._check_task(message)
        for message in task:
            run.say(message, show=echo)
        self._add(task, None)
        try:
            rounds = 0
            reason = await self._over(task) if task else None
            while reason is None:
                names = await self._next(run)
                said = await self._speak(names, run, token)
                self._turns += 1
                rounds += 1
                reason = await self._over(said)
                if reason is None and self._max_turns is not None and rounds >= self._max_turns:
                    reason = f"the limit of {self._max_turns} turns was reached"
            return reason
        finally:
            # However a run ends, the next one's condition starts anew.
            if self._condition is not None:
                await self._condition.reset()

    def _add(self, messages: Sequence[BaseAgentEvent | BaseChatMessage], speaker: str | None) -> None:
        self._thread += messages
        self._speakers += [speaker] * len(messages)

    def _unheard(self, name: str) -> list[BaseChatMessage]:
        heard = self._seats[name].heard
        return [
            message
            for message, speaker in zip(self._thread[heard:], self._speakers[heard:], strict=True)
            if isinstance(message, BaseChatMessage) and speaker != name
        ]

    async def _over(self, said: Sequence[BaseAgentEvent | BaseChatMessage]) -> str | None:
        stop = await self._condition(said) if self._condition is not None else None
        return stop.content if stop is not None else None

    async def _next(self, run: Run) -> Sequence[str]:
        names = tuple(await self._policy(TeamView(self._names, self._thread, self._turns)))
        unknown = [name for name in names if name not in self._seats]
        if unknown or not names:
            raise UserError(
                f"The next speaker of {self.name!r} is {', '.join(map(repr, unknown)) or 'nobody'}; "
                f"it must be one of {', '.join(map(repr, self._names))}."
            )
        run.log.append(SpeakerChosen(names=names))
        if self._emit:
            run.say(SelectSpeakerEvent(content=list(names), source=f"{type(self).__name__}Manager"))
        return names

    async def _speak(self, names: Sequence[str], run: Run, token: CancellationToken | None) -> Said:
        if len(names) == 1:
            said = await self._turn(names[0], run, token)
            self._add(said, names[0])
            return said
        try:
            async with asyncio.TaskGroup() as group:
                turns = {name: group.create_task(self._turn(name, run, token)) for name in dict.fromkeys(names)}
        except BaseExceptionGroup as failed:
            # One failure ends the round, and the others with it: the first says why.
            raise failed.exceptions[0] from failed.exceptions[0].__cause__
        for name, turn in turns.items():
            self._add(turn.result(), name)
        return [message for turn in turns.values() for message in turn.result()]

    async def _turn(self, name: str, run: Run, token: CancellationToken | None) -> Said:
        seat = self._seats[name]
        new = tuple(self._unheard(name))
        seat.heard = len(self._thread)
        turn = Turn(new, run, token or CancellationToken())
        speaking = self._runtime.send_message(turn, self._seat_id(name))
        try:
            if token is None:
                said: Said = await speaking
            else:
                # Only a task can be ended from outside; without a token the turn needs none.
                task = asyncio.ensure_future(speaking)
                token.link_future(task)
                said = await task
        except (ModelError, ToolError, HumanUnavailable, AgentFailed):
            raise
        except Exception as error:
            raise AgentFailed(f"The agent {name!r} failed: {type(error).__name__}: {error}") from error
        for message in said:
            self._check(name, message)
        return said

    def _knows(self, message: BaseAgentEvent | BaseChatMessage) -> bool:
        return self._factory.is_registered(type(message)) or isinstance(message, StructuredMessage)

    def _check(self, name: str, message: BaseAgentEvent | BaseChatMessage) -> None:
        if not self._knows(message):
            raise AgentFailed(
                f"The agent {name!r} said a {type(message).__name__}, which the team does not know. "
                f"Pass custom_message_types=[{type(message).__name__}] to {type(self).__name__}."
            )

    def _check_task(self, message: BaseChatMessage) -> None:
        if not self._knows(message):
            raise UserError(
                f"The task holds a {type(message).__name__}, which the team does not know. "
                f"Pass custom_message_types=[{type(message).__name__}] to {type(self).__name__}."
            )

    # -- life -----------------------------------------------------------------------------------------------------

    def _not_running(self, what: str) -> None:
        if self._running:
            raise RuntimeFault(f"The team {self.name!r} cannot {what} while it is running; stop it first.")

    async def reset(self) -> None:
        self._not_running("be reset")
        for seat in self._seats.values():
            await seat.agent.on_reset(CancellationToken())
            seat.heard = 0
        self._thread.clear()
        self._speakers.clear()
        self._turns = 0
        if self._condition is not None:
            await self._condition.reset()

    async def pause(self) -> None:
        self._started("pause")
        for agent in self.participants:
            await agent.on_pause(CancellationToken())

    async def resume(self) -> None:
        self._started("resume")
        for agent in self.participants:
            await agent.on_resume(CancellationToken())

    def _started(self, what: str) -> None:
        if not self._seated:
            raise RuntimeFault(f"The team {self.name!r} cannot {what}: it has not run yet.")

    async def close(self) -> None:
        """Release what the agents hold, such as kernels and connections."""
        self._not_running("be closed")
        for agent in self.participants:
            await agent.close()

    @property
    def _manager(self) -> str:
        return f"{type(self).__name__}Manager"

    async def save_state(self) -> Mapping[str, Any]:
        """Return AutoGen's `TeamState`: each agent's state and unheard messages, and the thread."""
        agents: dict[str, Any] = {
            name: {
                "type": "ChatAgentContainerState",
                "version": "1.0.0",
                "agent_state": dict(await seat.agent.save_state()),
                "message_buffer": [dict(message.dump()) for message in self._unheard(name)],
            }
            for name, seat in self._seats.items()
        }
        agents[self._manager] = {
            "version": "1.0.0",
            "message_thread": [dict(message.dump()) for message in self._thread],
            "current_turn": 0,
            **self._policy_state(),
        }
        return {"type": "TeamState", "version": "1.0.0", "agent_states": agents}

    def _policy_state(self) -> dict[str, Any]:
        return {"type": "BaseGroupChatManagerState"}

    def _load_policy_state(self, state: Mapping[str, Any]) -> None:
        self._turns = 0

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state, also one of another team whose participants have the same names.

        Raises:
            ValueError: If a participant or the manager is missing, or a message cannot be read.
        """
        self._not_running("load a state")
        agents = state.get("agent_states")
        if not isinstance(agents, Mapping):
            raise UserError("The state has no 'agent_states'; is it a team's, saved by save_state()?")
        missing = [name for name in (*self._names, self._manager) if name not in agents]
        if missing:
            raise UserError(
                f"The state lacks {', '.join(map(repr, missing))} (it holds {', '.join(map(repr, agents))})."
            )
        try:
            said = list(agents[self._manager]["message_thread"])
            thread = [self._factory.create(data) for data in said]
            buffers = {name: list(agents[name]["message_buffer"]) for name in self._names}
            for name, seat in self._seats.items():
                await seat.agent.load_state(agents[name]["agent_state"])
        except (KeyError, TypeError, AttributeError, ValidationError) as error:
            raise UserError(f"The state cannot be read: {type(error).__name__}: {error}") from error
        self._thread, self._speakers = thread, [None] * len(thread)
        for name, seat in self._seats.items():
            seat.heard = self._heard(name, said, buffers[name])
        self._load_policy_state(agents[self._manager])

    def _heard(self, name: str, said: Sequence[Any], buffer: list[Any]) -> int:
        """Find where the unheard part of a loaded thread begins; what is not in the buffer there is the agent's own."""
        position = len(said)
        while buffer and position:
            position -= 1
            if said[position] == buffer[-1]:
                buffer.pop()
            else:
                self._speakers[position] = name
        return position


def _checked(participant: Any) -> ChatAgent:
    if not isinstance(participant, ChatAgent):
        raise TypeError(f"A participant must be an agent, not {type(participant).__name__}: {participant!r}.")
    return participant
