# mypy: ignore-errors
"""A team is paused while an agent of one's own works, waits, and goes on."""

import asyncio
from collections.abc import Sequence

from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.base import Response
from autogen_agentchat.conditions import ExternalTermination, MaxMessageTermination
from autogen_agentchat.messages import BaseChatMessage, TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken


class Digger(BaseChatAgent):
    """Digs in strokes once the whistle was blown, and holds between them while paused."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "Digs.")
        self.strokes = 0
        self.paused = 0
        self.begun = asyncio.Event()
        self.whistle = asyncio.Event()
        self._goes = asyncio.Event()
        self._goes.set()

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage,)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        self.begun.set()
        await self.whistle.wait()
        for _ in range(3):
            await self._goes.wait()
            self.strokes += 1
        return Response(chat_message=TextMessage(content=f"{self.strokes} strokes", source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        self.strokes = 0

    async def on_pause(self, cancellation_token: CancellationToken) -> None:
        self.paused += 1
        self._goes.clear()

    async def on_resume(self, cancellation_token: CancellationToken) -> None:
        self._goes.set()


async def main() -> None:
    one, two = Digger("one"), Digger("two")
    external = ExternalTermination()
    team = RoundRobinGroupChat([one, two], termination_condition=external | MaxMessageTermination(4))
    try:
        await team.pause()
    except RuntimeError:
        print("nothing to pause yet")

    running = asyncio.create_task(team.run(task="Dig."))
    await one.begun.wait()
    await team.pause()
    one.whistle.set()
    two.whistle.set()
    for _ in range(20):
        await asyncio.sleep(0)
    print(running.done(), one.strokes, two.strokes, one.paused, two.paused)
    await team.resume()
    result = await running
    print([message.to_text() for message in result.messages])

    two.begun.clear()
    two.whistle.clear()
    running = asyncio.create_task(team.run(task="Dig on."))
    await two.begun.wait()
    external.set()
    two.whistle.set()
    result = await running
    print(external.terminated, [message.source for message in result.messages])


if __name__ == "__main__":
    asyncio.run(main())
