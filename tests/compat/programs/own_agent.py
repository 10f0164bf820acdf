# mypy: ignore-errors
"""An agent of one's own that streams its steps, with a message of its own, in a team."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Literal

from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.base import Response
from autogen_agentchat.conditions import FunctionalTermination
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage, TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_agentchat.ui import Console
from autogen_core import CancellationToken
from autogen_core.models import UserMessage
from pydantic import BaseModel


class Board(BaseModel):
    """A game of noughts and crosses."""

    fields: list[str] = [" "] * 9

    @property
    def full(self) -> bool:
        return " " not in self.fields


class Move(BaseChatMessage):
    """The board after a move."""

    board: Board
    type: Literal["Move"] = "Move"

    def to_text(self) -> str:
        return "/".join("".join(self.board.fields[row : row + 3]) for row in (0, 3, 6))

    def to_model_text(self) -> str:
        return self.to_text()

    def to_model_message(self) -> UserMessage:
        return UserMessage(content=self.to_text(), source=self.source)


class Thinking(BaseAgentEvent):
    about: int
    type: Literal["Thinking"] = "Thinking"

    def to_text(self) -> str:
        return f"thinks about {self.about}"


class Player(BaseChatAgent):
    def __init__(self, name: str, sign: str) -> None:
        super().__init__(name, description=f"Sets {sign}.")
        self._sign = sign
        self.moves = 0

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (Move,)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        response: Response | None = None
        async for item in self.on_messages_stream(messages, cancellation_token):
            if isinstance(item, Response):
                response = item
        assert response is not None
        return response

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | Response, None]:
        boards = [message.board for message in messages if isinstance(message, Move)]
        fields = list(boards[-1].fields if boards else Board().fields)
        free = fields.index(" ")
        event = Thinking(source=self.name, about=free)
        yield event
        fields[free] = self._sign
        self.moves += 1
        yield Response(chat_message=Move(source=self.name, board=Board(fields=fields)), inner_messages=[event])

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        self.moves = 0


async def main() -> None:
    first, second = Player("first", "x"), Player("second", "o")
    team = RoundRobinGroupChat(
        [first, second],
        custom_message_types=[Move, Thinking],
        termination_condition=FunctionalTermination(
            lambda messages: any(isinstance(message, Move) and message.board.full for message in messages)
        ),
    )
    result = await Console(team.run_stream(task="Play."))
    print("=====", len(result.messages), result.messages[-1].to_text(), first.moves, second.moves)
    print([type(message).__name__ for message in result.messages[:4]])
    copy = Move.load(result.messages[-1].dump())
    print(copy == result.messages[-1], copy.type)
    await team.reset()
    print(first.moves)

    alone = await first.run(task=[TextMessage(content="Begin.", source="user")])
    print([message.to_text() for message in alone.messages])
    try:
        await RoundRobinGroupChat([Player("third", "x")], max_turns=1).run(task="Play.")
    except RuntimeError:
        print("a message nobody announced")


if __name__ == "__main__":
    asyncio.run(main())
