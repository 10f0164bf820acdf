# mypy: ignore-errors
"""A closure agent drains what workers publish into a queue."""

import asyncio
from dataclasses import dataclass

from autogen_core import (
    ClosureAgent,
    ClosureContext,
    DefaultSubscription,
    DefaultTopicId,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    TypeSubscription,
    message_handler,
)


@dataclass
class Job:
    number: int


@dataclass
class Result:
    square: int


class Worker(RoutedAgent):
    @message_handler
    async def on_job(self, message: Job, ctx: MessageContext) -> None:
        await self.publish_message(Result(message.number**2), DefaultTopicId(type="results"))


async def main() -> None:
    queue: asyncio.Queue[Result] = asyncio.Queue()

    async def collect(_agent: ClosureContext, message: Result, ctx: MessageContext) -> None:
        await queue.put(message)

    runtime = SingleThreadedAgentRuntime()
    await Worker.register(runtime, "worker", lambda: Worker("Squares."))
    await runtime.add_subscription(DefaultSubscription(agent_type="worker"))
    await ClosureAgent.register_closure(
        runtime,
        "collector",
        collect,
        subscriptions=lambda: [TypeSubscription(topic_type="results", agent_type="collector")],
    )
    runtime.start()
    for number in range(4):
        await runtime.publish_message(Job(number), DefaultTopicId())
    await runtime.stop_when_idle()
    squares = []
    while not queue.empty():
        squares.append((await queue.get()).square)
    print(sorted(squares))


if __name__ == "__main__":
    asyncio.run(main())
