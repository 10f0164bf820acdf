# mypy: ignore-errors
"""Two agents, direct messages: a checker asks a modifier to count down."""

import asyncio
from dataclasses import dataclass

from autogen_core import AgentId, MessageContext, RoutedAgent, SingleThreadedAgentRuntime, message_handler


@dataclass
class Number:
    value: int


@dataclass
class Trace:
    values: list[int]


class Modifier(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("Takes one away.")

    @message_handler
    async def on_number(self, message: Number, ctx: MessageContext) -> Number:
        assert ctx.is_rpc
        return Number(message.value - 1)


class Checker(RoutedAgent):
    def __init__(self, modifier: str) -> None:
        super().__init__("Asks until nothing is left.")
        self._modifier = AgentId(modifier, self.id.key)

    @message_handler
    async def on_number(self, message: Number, ctx: MessageContext) -> Trace:
        values = [message.value]
        while values[-1] > 0:
            reply = await self.send_message(
                Number(values[-1]), self._modifier, cancellation_token=ctx.cancellation_token
            )
            values.append(reply.value)
        return Trace(values)


async def main() -> None:
    runtime = SingleThreadedAgentRuntime()
    await Modifier.register(runtime, "modifier", lambda: Modifier())
    await Checker.register(runtime, "checker", lambda: Checker("modifier"))
    runtime.start()
    trace = await runtime.send_message(Number(3), AgentId("checker", "default"))
    await runtime.stop_when_idle()
    print(*trace.values)


if __name__ == "__main__":
    asyncio.run(main())
