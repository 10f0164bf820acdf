# mypy: ignore-errors
"""An assistant with a list of memories, and with one that comes from a class of one's own."""

import asyncio
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import MemoryQueryEvent
from autogen_core import CancellationToken
from autogen_core.memory import (
    ListMemory,
    Memory,
    MemoryContent,
    MemoryMimeType,
    MemoryQueryResult,
    UpdateContextResult,
)
from autogen_core.model_context import ChatCompletionContext
from autogen_core.models import SystemMessage
from autogen_ext.models.replay import ReplayChatCompletionClient


class Shown(ReplayChatCompletionClient):
    """Keeps what it was shown of memories."""

    async def create(self, messages, **kwargs):
        system = [message.content for message in messages if isinstance(message, SystemMessage)]
        self.memories = [text for text in system if "metric" in text or "Lisbon" in text]
        return await super().create(messages, **kwargs)


class Weather(Memory):
    """Knows the weather, whatever is asked."""

    async def update_context(self, model_context: ChatCompletionContext) -> UpdateContextResult:
        found = await self.query("")
        await model_context.add_message(SystemMessage(content=str(found.results[0].content)))
        return UpdateContextResult(memories=found)

    async def query(
        self, query: str | MemoryContent, cancellation_token: CancellationToken | None = None, **kwargs: Any
    ) -> MemoryQueryResult:
        return MemoryQueryResult(
            results=[MemoryContent(content="It is sunny in Lisbon.", mime_type=MemoryMimeType.TEXT)]
        )

    async def add(self, content: MemoryContent, cancellation_token: CancellationToken | None = None) -> None:
        raise NotImplementedError

    async def clear(self) -> None:
        pass

    async def close(self) -> None:
        pass


async def main() -> None:
    wishes = ListMemory(name="wishes")
    await wishes.add(MemoryContent(content="Units must be metric.", mime_type=MemoryMimeType.TEXT))
    await wishes.add(MemoryContent(content="Recipes must be vegan.", mime_type=MemoryMimeType.TEXT, metadata={"n": 1}))
    client = Shown(["25 degrees.", "Soup."])
    agent = AssistantAgent("helper", model_client=client, memory=[wishes, Weather()])
    result = await agent.run(task="How warm is it in Lisbon?")
    print([type(message).__name__ for message in result.messages])
    (first, second) = [message for message in result.messages if isinstance(message, MemoryQueryEvent)]
    print([item.content for item in first.content], second.content[0].mime_type)
    print(len(client.memories), "vegan" in client.memories[0])

    await wishes.clear()
    result = await agent.run(task="What do I cook?")
    print([type(message).__name__ for message in result.messages])
    print((await wishes.query("anything")).results)


if __name__ == "__main__":
    asyncio.run(main())
