# mypy: ignore-errors
"""A routed agent whose model calls tools through a tool agent, until it answers."""

import asyncio
from dataclasses import dataclass

from autogen_core import AgentId, FunctionCall, MessageContext, RoutedAgent, SingleThreadedAgentRuntime, message_handler
from autogen_core.models import (
    ChatCompletionClient,
    CreateResult,
    LLMMessage,
    ModelInfo,
    RequestUsage,
    SystemMessage,
    UserMessage,
)
from autogen_core.tool_agent import ToolAgent, tool_agent_caller_loop
from autogen_core.tools import FunctionTool, Tool, ToolSchema
from autogen_ext.models.replay import ReplayChatCompletionClient


@dataclass
class Message:
    content: str


class Assistant(RoutedAgent):
    def __init__(self, model_client: ChatCompletionClient, tools: list[ToolSchema], tool_agent_type: str) -> None:
        super().__init__("Uses tools.")
        self._system: list[LLMMessage] = [SystemMessage(content="You are helpful.")]
        self._model_client = model_client
        self._tools = tools
        self._tool_agent_id = AgentId(tool_agent_type, self.id.key)

    @message_handler
    async def on_message(self, message: Message, ctx: MessageContext) -> Message:
        session = [*self._system, UserMessage(content=message.content, source="user")]
        messages = await tool_agent_caller_loop(
            self,
            tool_agent_id=self._tool_agent_id,
            model_client=self._model_client,
            input_messages=session,
            tool_schema=self._tools,
            cancellation_token=ctx.cancellation_token,
        )
        print(*(type(each).__name__ for each in messages))
        assert isinstance(messages[-1].content, str)
        return Message(content=messages[-1].content)


async def price_of(ticker: str) -> float:
    return {"ANB": 12.5}[ticker]


def answers() -> list[CreateResult]:
    usage = RequestUsage(prompt_tokens=1, completion_tokens=1)
    call = FunctionCall(id="1", name="price_of", arguments='{"ticker": "ANB"}')
    return [
        CreateResult(finish_reason="function_calls", content=[call], usage=usage, cached=False),
        CreateResult(finish_reason="stop", content="It costs 12.5.", usage=usage, cached=False),
    ]


async def main() -> None:
    tools: list[Tool] = [FunctionTool(price_of, description="Get the price of a share.")]
    info = ModelInfo(vision=False, function_calling=True, json_output=False, family="unknown", structured_output=False)
    client = ReplayChatCompletionClient(answers(), model_info=info)
    runtime = SingleThreadedAgentRuntime()
    await ToolAgent.register(runtime, "tools", lambda: ToolAgent("Runs tools.", tools))
    await Assistant.register(runtime, "assistant", lambda: Assistant(client, [tool.schema for tool in tools], "tools"))
    runtime.start()
    reply = await runtime.send_message(Message("What does ANB cost?"), AgentId("assistant", "default"))
    print(reply.content)
    await runtime.stop()


if __name__ == "__main__":
    asyncio.run(main())
