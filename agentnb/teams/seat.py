"""A participant's place on a runtime."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from agentnb.base import BrokenOff, ChatAgent, Team, take_turn
from agentnb.core import CancellationToken
from agentnb.exceptions import CantHandleException
from agentnb.messages import BaseAgentEvent, BaseChatMessage, ModelClientStreamingChunkEvent
from agentnb.messages.saved import apart
from agentnb.runlog import Run
from agentnb.runlog.replaying import replaying
from agentnb.runtimes import BaseAgent, MessageContext

Said = list[BaseAgentEvent | BaseChatMessage]


@dataclass(slots=True)
class Turn:
    """The word, and what is new since the participant had it last."""

    messages: tuple[BaseChatMessage, ...]
    run: Run
    cancellation_token: CancellationToken
    again: BrokenOff | None = None
    """What is known of the turn that broke off, if this one takes it up."""


class Seat(BaseAgent):
    """Lets one agent, or one team, have its turns, given by the team or as messages of a runtime.

    Attributes:
        agent: Who sits here.
        is_agent: Whether it is an agent and no team.
    """

    def __init__(self, agent: ChatAgent | Team) -> None:
        super().__init__(agent.description)
        self.agent = agent
        self.is_agent = isinstance(agent, ChatAgent)

    async def save_state(self) -> dict[str, Any]:
        # An agent of a user's may return what it goes on with.
        return apart(dict(await self.agent.save_state()))  # type: ignore[no-any-return]

    async def load_state(self, state: Mapping[str, Any]) -> None:
        await self.agent.load_state(state)

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> Said:
        if not isinstance(message, Turn):
            raise CantHandleException(f"The seat of {self.agent.name!r} takes turns, not {type(message).__name__}.")
        return await self.take(message.messages, message.run, message.cancellation_token, message.again)

    def take(
        self,
        messages: tuple[BaseChatMessage, ...],
        run: Run,
        cancellation_token: CancellationToken,
        again: BrokenOff | None = None,
    ) -> Coroutine[Any, Any, Said]:
        """Return a turn, not yet begun; it gives what was said, the answer last.

        Args:
            messages: What is new since the participant had the word last.
            run: Where it speaks.
            cancellation_token: Ends the turn.
            again: What is known of the turn that broke off, if this one takes it up.
        """
        if self.is_agent:
            return take_turn(self.agent, messages, run, cancellation_token, again=again)  # type: ignore[arg-type]
        return _team_turn(self.agent, messages, run, cancellation_token, again)  # type: ignore[arg-type]


async def _team_turn(
    team: Team,
    messages: tuple[BaseChatMessage, ...],
    run: Run,
    cancellation_token: CancellationToken,
    again: BrokenOff | None,
) -> Said:
    """Let a whole run of a team be one turn; its facts go into the same log, one level deeper."""
    said: Said = []

    def hear(item: Any) -> None:
        if isinstance(item, ModelClientStreamingChunkEvent):
            run.chunk(item)
        else:
            run.say(item)
            said.append(item)

    with run.turn(team.name, again=again and again.seq):
        # A team with nothing new to hear goes on where it stands.
        task = list(messages) or None
        with replaying(again.recording) if again else nullcontext():
            await team._run_task(task, cancellation_token, False, None, sink=hear, gate=run.gate, logged=True)
        if again:
            await again.recording.over()
        if not team._from_facts:
            await run.note_state(team.name, team.save_state)
    return said
