"""A participant's place on a runtime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agentnb.base import ChatAgent, take_turn
from agentnb.core import CancellationToken
from agentnb.exceptions import CantHandleException
from agentnb.messages import BaseAgentEvent, BaseChatMessage
from agentnb.runlog import Run
from agentnb.runtimes import BaseAgent, MessageContext


@dataclass(frozen=True, slots=True)
class Turn:
    """The word, and what is new since the agent had it last."""

    messages: tuple[BaseChatMessage, ...]
    run: Run
    cancellation_token: CancellationToken


class Seat(BaseAgent):
    """Lets one agent answer turns that come as messages of a runtime.

    Attributes:
        agent: Who sits here.
        heard: How much of the team's thread the agent was given.
    """

    def __init__(self, agent: ChatAgent) -> None:
        super().__init__(agent.description)
        self.agent = agent
        self.heard = 0

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> list[BaseAgentEvent | BaseChatMessage]:
        if not isinstance(message, Turn):
            raise CantHandleException(f"The seat of {self.agent.name!r} takes turns, not {type(message).__name__}.")
        return await take_turn(self.agent, message.messages, message.run, message.cancellation_token)
