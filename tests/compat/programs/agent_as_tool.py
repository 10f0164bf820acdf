# mypy: ignore-errors
"""An assistant calls another agent, and a whole team, as tools."""

import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import SourceMatchTermination
from autogen_agentchat.messages import ToolCallExecutionEvent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_agentchat.tools import AgentTool, TeamTool
from autogen_agentchat.ui import Console
from autogen_core import FunctionCall
from autogen_core.models import CreateResult, ModelFamily, ModelInfo, RequestUsage
from autogen_ext.models.replay import ReplayChatCompletionClient

INFO = ModelInfo(
    vision=False, function_calling=True, json_output=False, family=ModelFamily.UNKNOWN, structured_output=False
)


def call(name: str, task: str) -> CreateResult:
    wanted = FunctionCall(id=name, name=name, arguments=f'{{"task": "{task}"}}')
    usage = RequestUsage(prompt_tokens=1, completion_tokens=1)
    return CreateResult(finish_reason="function_calls", content=[wanted], usage=usage, cached=False)


async def main() -> None:
    mathematician = AssistantAgent(
        "mathematician", ReplayChatCompletionClient(["It is 55."]), description="Solves equations."
    )
    writer = AssistantAgent("writer", ReplayChatCompletionClient(["Ten numbers met."]))
    reviewer = AssistantAgent("reviewer", ReplayChatCompletionClient(["Charming."]))
    story = RoundRobinGroupChat([writer, reviewer], termination_condition=SourceMatchTermination(sources=["reviewer"]))
    client = ReplayChatCompletionClient(
        [call("mathematician", "1+2+...+10?"), call("storytellers", "A tale of 55."), "55, and a tale."],
        model_info=INFO,
    )
    host = AssistantAgent(
        "host",
        model_client=client,
        tools=[
            AgentTool(agent=mathematician, return_value_as_last_message=True),
            TeamTool(team=story, name="storytellers", description="Tells tales."),
        ],
        max_tool_iterations=5,
    )
    result = await Console(host.run_stream(task="Add up to ten and tell a tale of it."))
    print("=====")
    print(*(message.source for message in result.messages))
    for message in result.messages:
        if isinstance(message, ToolCallExecutionEvent):
            print(repr(message.content[0].content))
    print(result.messages[-1].to_text())


if __name__ == "__main__":
    asyncio.run(main())
