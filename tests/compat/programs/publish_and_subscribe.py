# mypy: ignore-errors
"""A pipeline over topics: a writer hears the default topic, an editor hears drafts, a printer hears the end."""

import asyncio
from dataclasses import dataclass

from autogen_core import (
    DefaultTopicId,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    TopicId,
    TypeSubscription,
    default_subscription,
    message_handler,
    type_subscription,
)


@dataclass
class Task:
    text: str


@dataclass
class Draft:
    text: str


@dataclass
class Final:
    text: str


@default_subscription
class Writer(RoutedAgent):
    @message_handler
    async def on_task(self, message: Task, ctx: MessageContext) -> None:
        assert ctx.topic_id is not None
        await self.publish_message(Draft(f"{message.text}, written"), TopicId("drafts", self.id.key))


@type_subscription(topic_type="drafts")
class Editor(RoutedAgent):
    @message_handler
    async def on_draft(self, message: Draft, ctx: MessageContext) -> None:
        await self.publish_message(Final(f"{message.text}, edited"), DefaultTopicId(type="final"))


class Printer(RoutedAgent):
    @message_handler
    async def on_final(self, message: Final, ctx: MessageContext) -> None:
        print(f"{self.id}: {message.text}")


async def main() -> None:
    runtime = SingleThreadedAgentRuntime()
    await Writer.register(runtime, "writer", lambda: Writer("Writes."))
    await Editor.register(runtime, "editor", lambda: Editor("Edits."))
    printer = await Printer.register(runtime, "printer", lambda: Printer("Prints."))
    await runtime.add_subscription(TypeSubscription(topic_type="final", agent_type=printer.type))
    runtime.start()
    await runtime.publish_message(Task("A poem"), topic_id=DefaultTopicId())
    await runtime.publish_message(Task("A song"), topic_id=TopicId("default", "customer-2"))
    await runtime.stop_when_idle()


if __name__ == "__main__":
    asyncio.run(main())
