# mypy: ignore-errors
"""A handler on AutoGen's event logger counts what happens."""

import asyncio
import json
import logging
from collections import Counter
from dataclasses import dataclass

from autogen_core import (
    EVENT_LOGGER_NAME,
    AgentId,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    message_handler,
)
from autogen_core.logging import MessageEvent


@dataclass
class Ping:
    text: str


class Echo(RoutedAgent):
    @message_handler
    async def on_ping(self, message: Ping, ctx: MessageContext) -> Ping:
        return message


class Counting(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.msg, MessageEvent):
            event = json.loads(str(record.msg))
            self.seen[f"{event['kind']} {event['delivery_stage']}"] += 1


async def main() -> None:
    logger = logging.getLogger(EVENT_LOGGER_NAME)
    logger.setLevel(logging.INFO)
    handler = Counting()
    logger.addHandler(handler)
    try:
        runtime = SingleThreadedAgentRuntime()
        await Echo.register(runtime, "echo", lambda: Echo("Echoes."))
        runtime.start()
        await runtime.send_message(Ping("hello"), AgentId("echo", "default"))
        await runtime.stop_when_idle()
    finally:
        logger.removeHandler(handler)
    print(sorted(handler.seen.items()))


if __name__ == "__main__":
    asyncio.run(main())
