# mypy: ignore-errors
"""A team saved as JSON and loaded again; and JSON that AutoGen itself wrote."""

import asyncio
import json

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import TerminationCondition
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import BaseGroupChat, RoundRobinGroupChat
from autogen_core import ComponentModel
from autogen_core.model_context import BufferedChatCompletionContext
from autogen_ext.models.replay import ReplayChatCompletionClient

SAVED = {
    "provider": "autogen_agentchat.base.OrTerminationCondition",
    "component_type": "termination",
    "version": 1,
    "component_version": 1,
    "config": {
        "conditions": [
            {
                "provider": "autogen_agentchat.conditions.MaxMessageTermination",
                "component_type": "termination",
                "version": 1,
                "component_version": 1,
                "config": {"max_messages": 2, "include_agent_event": False},
            },
            {
                "provider": "autogen_agentchat.conditions.TextMentionTermination",
                "component_type": "termination",
                "version": 1,
                "component_version": 1,
                "config": {"text": "STOP"},
            },
        ]
    },
}


async def main() -> None:
    agent = AssistantAgent(
        "parrot",
        ReplayChatCompletionClient(["one", "two", "three"]),
        model_context=BufferedChatCompletionContext(buffer_size=2),
    )
    team = RoundRobinGroupChat([agent], termination_condition=MaxMessageTermination(3))
    text = team.dump_component().model_dump_json()
    loaded = BaseGroupChat.load_component(ComponentModel.model_validate(json.loads(text)))
    result = await loaded.run(task="Speak.")
    print([message.to_text() for message in result.messages])
    condition = TerminationCondition.load_component(SAVED)
    print(type(condition).__name__, condition.terminated)


if __name__ == "__main__":
    asyncio.run(main())
