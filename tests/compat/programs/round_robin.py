# mypy: ignore-errors
"""A writer and a critic in turns, printed by the console."""

import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.conditions import MaxMessageTermination, TextMentionTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_agentchat.ui import Console
from autogen_ext.models.replay import ReplayChatCompletionClient


async def main() -> None:
    writer = AssistantAgent("writer", ReplayChatCompletionClient(["A haiku.", "A better haiku."]))
    critic = AssistantAgent("critic", ReplayChatCompletionClient(["Too short.", "APPROVE"]))
    ends = TextMentionTermination("APPROVE") | MaxMessageTermination(10)
    team = RoundRobinGroupChat([writer, critic], termination_condition=ends)
    result = await Console(team.run_stream(task="Write a haiku."))
    assert isinstance(result, TaskResult)
    print([message.source for message in result.messages])


if __name__ == "__main__":
    asyncio.run(main())
