# mypy: ignore-errors
"""A swarm of assistants hands a customer around, waits for the customer's answer, and goes on with it."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import Handoff
from autogen_agentchat.conditions import HandoffTermination, MaxMessageTermination, TextMentionTermination
from autogen_agentchat.messages import HandoffMessage
from autogen_agentchat.teams import Swarm
from autogen_agentchat.ui import Console
from autogen_core import CancellationToken, FunctionCall
from autogen_core.models import (
    ChatCompletionClient,
    CreateResult,
    LLMMessage,
    ModelCapabilities,
    ModelFamily,
    ModelInfo,
    RequestUsage,
)
from autogen_core.tools import Tool, ToolSchema


class Actor(ChatCompletionClient):
    """A model that plays its lines: a text is said, and a text with a bracket is the call of a tool."""

    def __init__(self, *lines: str) -> None:
        self._lines = list(lines)
        self._usage = RequestUsage(prompt_tokens=0, completion_tokens=0)

    async def create(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = [],
        tool_choice: Any = "auto",
        json_output: Any = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
    ) -> CreateResult:
        line = self._lines.pop(0)
        offered = {tool["name"] if isinstance(tool, dict) else tool.name for tool in tools}
        name, bracket, rest = line.partition("(")
        if bracket and name in offered:
            call = FunctionCall(id=f"call_{len(self._lines)}", name=name, arguments=rest.rstrip(")") or "{}")
            return CreateResult(finish_reason="function_calls", content=[call], usage=self._usage, cached=False)
        return CreateResult(finish_reason="stop", content=line, usage=self._usage, cached=False)

    async def create_stream(
        self, messages: Sequence[LLMMessage], **kwargs: Any
    ) -> AsyncGenerator[str | CreateResult, None]:
        result = await self.create(messages, **kwargs)
        if isinstance(result.content, str):
            yield result.content
        yield result

    async def close(self) -> None:
        pass

    def actual_usage(self) -> RequestUsage:
        return self._usage

    def total_usage(self) -> RequestUsage:
        return self._usage

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = []) -> int:
        return 0

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = []) -> int:
        return 1000

    @property
    def capabilities(self) -> ModelCapabilities:
        return ModelCapabilities(vision=False, function_calling=True, json_output=False)

    @property
    def model_info(self) -> ModelInfo:
        return ModelInfo(
            vision=False, function_calling=True, json_output=False, family=ModelFamily.UNKNOWN, structured_output=False
        )


def cancel_seat(number: str) -> str:
    """Cancel a seat of a concert."""
    return f"Seat {number} is free again."


async def main() -> None:
    desk = AssistantAgent(
        "desk",
        model_client=Actor("transfer_to_seats()", "Thank you for calling. GOODBYE"),
        handoffs=["seats", "user"],
        system_message="You answer the phone of a concert hall.",
    )
    seats = AssistantAgent(
        "seats",
        model_client=Actor(
            "ask_customer()",
            'cancel_seat({"number": "12C"})',
            "transfer_to_desk()",
        ),
        tools=[cancel_seat],
        handoffs=[Handoff(target="user", name="ask_customer", message="Which seat is it?"), "desk"],
        description="Knows all seats.",
    )
    ends = HandoffTermination(target="user") | TextMentionTermination("GOODBYE") | MaxMessageTermination(20)
    team = Swarm([desk, seats], termination_condition=ends)
    result = await Console(team.run_stream(task="I cannot come to the concert."))
    asked = result.messages[-1]
    assert isinstance(asked, HandoffMessage)
    print("=====", asked.source, asked.target, asked.content)
    answer = HandoffMessage(source="user", target=asked.source, content="It is 12C.")
    result = await Console(team.run_stream(task=answer))
    print("=====")
    print(*(message.source for message in result.messages))
    print(*(type(message).__name__ for message in result.messages[:4]))
    print(result.messages[3].to_text(), "|", result.messages[-1].to_text())


if __name__ == "__main__":
    asyncio.run(main())
