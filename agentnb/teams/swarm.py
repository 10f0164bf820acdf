"""Whoever has the word says who has it next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from agentnb.base import ChatAgent, TerminationCondition
from agentnb.exceptions import AgentFailed, UserError
from agentnb.messages import BaseAgentEvent, BaseChatMessage, HandoffMessage
from agentnb.runtimes import AgentRuntime
from agentnb.teams.base import Choice, Item, RememberingPolicy, TeamView
from agentnb.teams.group_chat import BaseGroupChat


def _newest(messages: Sequence[Item]) -> HandoffMessage | None:
    return next((message for message in reversed(messages) if isinstance(message, HandoffMessage)), None)


def _last(messages: Sequence[Item]) -> BaseChatMessage | None:
    return next((message for message in reversed(messages) if isinstance(message, BaseChatMessage)), None)


class HandoffPolicy(RememberingPolicy):
    """Gives the word to the target of the newest handoff, and leaves it there until the next one."""

    state_type = "SwarmManagerState"
    follows = True

    def __init__(self) -> None:
        self._current = ""
        self._handoff: HandoffMessage | None = None
        self._answered = False
        self._loaded = False

    async def begin(self, view: TeamView) -> None:
        if self._loaded:
            self._loaded = False
            self._handoff = _newest(view.thread)
        given = _newest(view.task)
        if given is not None and given.target not in view.names:
            raise UserError(f"The task hands over to {_unknown(given, view)}.")
        handoff = self._handoff = given or self._handoff
        self._answered = handoff is not None and (bool(view.task) or _last(view.thread) is not handoff)
        if handoff is not None and handoff.target not in view.names and not self._answered:
            raise UserError(
                f"{handoff.source} handed over to {_unknown(handoff, view)}, and nobody has answered. "
                "Give the answer as the task: a text, or a HandoffMessage to one of the participants."
            )

    async def __call__(self, view: TeamView) -> Choice:
        handoff = self._handoff
        if handoff is not None and not any(message is handoff for message in reversed(view.thread)):
            handoff = self._handoff = None  # it was taken back
        current = self._current if self._current in view.names else ""
        if handoff is not None and handoff.target in view.names:
            return Choice((handoff.target,), rule="handoff", why=f"{handoff.source} handed over to {handoff.target}.")
        if handoff is not None and not self._answered:
            raise AgentFailed(
                f"The agent {handoff.source!r} handed over to {_unknown(handoff, view)}. "
                f"If that is a person, end the run with HandoffTermination({handoff.target!r})."
            )
        if not current:
            return Choice((view.names[0],), rule="first", why="Nobody has had the word; the first one begins.")
        if handoff is not None:
            why = f"{current} handed over to {handoff.target!r} and goes on with the answer."
            return Choice((current,), rule="answered", why=why)
        return Choice((current,), rule="no handoff", why=f"{current} did not hand over.")

    async def heard(self, view: TeamView, round: Mapping[str, Sequence[Item]]) -> None:
        ((self._current, said),) = round.items()
        self._handoff = _newest(said)
        self._answered = False

    async def reset(self) -> None:
        self._current = ""
        self._handoff = None
        self._answered = self._loaded = False

    async def save_state(self) -> dict[str, Any]:
        return {"current_speaker": self._current}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        current = state.get("current_speaker") or ""
        if not isinstance(current, str):
            raise UserError(f"The state's 'current_speaker' is {current!r}; it must be a name.")
        await self.reset()
        self._current = current
        self._loaded = True


def _unknown(handoff: HandoffMessage, view: TeamView) -> str:
    return f"{handoff.target!r}, who takes no part here (participants: {', '.join(map(repr, view.names))})"


class Swarm(BaseGroupChat):
    """Agents that hand the conversation over to each other: who is handed it speaks until it hands over in turn.

    ```python
    triage = AssistantAgent("triage", client, handoffs=["refunds"])
    refunds = AssistantAgent("refunds", client, handoffs=["triage", "user"])
    team = Swarm([triage, refunds], termination_condition=HandoffTermination("user") | MaxMessageTermination(8))
    result = await team.run(task="I want my money back.")
    ```

    The first participant begins. A handoff to a person ends the run with a `HandoffTermination`; the next run's task
    is the answer: a text, with which the agent who handed over goes on, or a `HandoffMessage` to any participant. A
    handoff to somebody unknown that ends no run is an error.

    Arguments and errors are those of `BaseGroupChat`, without the policy; teams may not take part.

    Raises:
        ValueError: If the first participant does not list `HandoffMessage` in its `produced_message_types`.
    """

    nests: ClassVar[bool] = False
    component_defaults: ClassVar[Mapping[str, Any]] = {"emit_team_events": False}

    def __init__(
        self,
        participants: Sequence[ChatAgent],
        *,
        name: str | None = None,
        description: str | None = None,
        termination_condition: TerminationCondition | None = None,
        max_turns: int | None = None,
        runtime: AgentRuntime | None = None,
        custom_message_types: Sequence[type[BaseAgentEvent | BaseChatMessage]] | None = None,
        emit_team_events: bool = False,
    ) -> None:
        super().__init__(
            participants,
            HandoffPolicy(),
            name=name,
            description=description,
            termination_condition=termination_condition,
            max_turns=max_turns,
            runtime=runtime,
            custom_message_types=custom_message_types,
            emit_team_events=emit_team_events,
        )
        first = participants[0]
        if not any(issubclass(kind, HandoffMessage) for kind in first.produced_message_types):
            raise UserError(
                f"The first participant, {first.name!r}, cannot hand over: give it handoffs, or list HandoffMessage "
                "in its produced_message_types."
            )

    @property
    def manager_name(self) -> str:
        return "SwarmGroupChatManager"
