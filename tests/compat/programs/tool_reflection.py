# mypy: ignore-errors
"""An assistant looks something up with two tools at once, and puts the results into words."""

import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import TextMessage, ToolCallExecutionEvent, ToolCallRequestEvent
from autogen_core import CancellationToken, FunctionCall
from autogen_core.models import CreateResult, ModelFamily, ModelInfo, RequestUsage
from autogen_core.tools import FunctionTool
from autogen_ext.models.replay import ReplayChatCompletionClient

INFO = ModelInfo(
    vision=False, function_calling=True, json_output=True, family=ModelFamily.UNKNOWN, structured_output=False
)


async def tide_at(harbour: str) -> str:
    """Tell when the next high tide is."""
    return {"Husum": "14:20", "Emden": "15:05"}[harbour]


def wind_at(harbour: str, unit: str = "knots") -> str:
    return f"12 {unit} at {harbour}"


def calls(*wanted: FunctionCall) -> CreateResult:
    usage = RequestUsage(prompt_tokens=40, completion_tokens=9)
    return CreateResult(finish_reason="function_calls", content=list(wanted), usage=usage, cached=False)


async def main() -> None:
    client = ReplayChatCompletionClient(
        [
            calls(
                FunctionCall(id="a", name="tide_at", arguments='{"harbour": "Husum"}'),
                FunctionCall(id="b", name="wind", arguments='{"harbour": "Husum"}'),
            ),
            "High water is at 14:20, with 12 knots of wind.",
            calls(FunctionCall(id="c", name="tide_at", arguments='{"harbour": "Atlantis"}')),
            "I know nothing of Atlantis.",
        ],
        model_info=INFO,
    )
    pilot = AssistantAgent(
        name="pilot",
        model_client=client,
        tools=[tide_at, FunctionTool(wind_at, name="wind", description="Tell the wind.")],
        system_message="You help sailors.",
        reflect_on_tool_use=True,
        model_client_stream=True,
    )
    async for item in pilot.run_stream(task="Can I leave Husum today?"):
        if isinstance(item, ToolCallRequestEvent):
            print("asks", [call.name for call in item.content], item.models_usage.completion_tokens)
        elif isinstance(item, ToolCallExecutionEvent):
            print("hears", [result.content for result in item.content])
        elif isinstance(item, TextMessage):
            print(item.source, "says", item.content)
    response = await pilot.on_messages(
        [TextMessage(content="And Atlantis?", source="user")], cancellation_token=CancellationToken()
    )
    events = [type(event).__name__ for event in response.inner_messages or []]
    print(events, response.inner_messages[1].content[0].is_error, response.chat_message.to_text())
    await client.close()


if __name__ == "__main__":
    asyncio.run(main())
