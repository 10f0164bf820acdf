# mypy: ignore-errors
"""A handler that reads everything and stops one message: a person has not agreed to it."""

import asyncio
from dataclasses import dataclass
from typing import Any

from autogen_core import (
    AgentId,
    DefaultInterventionHandler,
    DropMessage,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    message_handler,
)
from autogen_core.exceptions import MessageDroppedException


@dataclass
class Order:
    item: str


class Shop(RoutedAgent):
    @message_handler
    async def on_order(self, message: Order, ctx: MessageContext) -> str:
        return f"sold: {message.item}"


class Guard(DefaultInterventionHandler):
    async def on_send(
        self, message: Any, *, message_context: MessageContext, recipient: AgentId
    ) -> Any | type[DropMessage]:
        if isinstance(message, Order) and message.item == "dynamite":
            return DropMessage
        return message


async def main() -> None:
    runtime = SingleThreadedAgentRuntime(intervention_handlers=[Guard()])
    await Shop.register(runtime, "shop", lambda: Shop("Sells."))
    runtime.start()
    shop = AgentId("shop", "default")
    print(await runtime.send_message(Order("bread"), shop))
    try:
        await runtime.send_message(Order("dynamite"), shop)
    except MessageDroppedException:
        print("not sold")
    await runtime.stop_when_idle()


if __name__ == "__main__":
    asyncio.run(main())
