# mypy: ignore-errors
"""A whole team written as JSON and made again, and a team somebody wrote by hand in AutoGen's format."""

import asyncio
import json

from autogen_agentchat.agents import AssistantAgent, UserProxyAgent
from autogen_agentchat.base import Handoff, Team
from autogen_agentchat.conditions import HandoffTermination, MaxMessageTermination, TextMentionTermination
from autogen_agentchat.teams import BaseGroupChat, DiGraphBuilder, GraphFlow, RoundRobinGroupChat, Swarm
from autogen_core import ComponentLoader, ComponentModel
from autogen_core.models import ModelFamily, ModelInfo
from autogen_ext.models.replay import ReplayChatCompletionClient

INFO = ModelInfo(
    vision=False, function_calling=True, json_output=False, family=ModelFamily.UNKNOWN, structured_output=False
)


def replay(*says: str) -> dict:
    return {
        "provider": "autogen_ext.models.replay.ReplayChatCompletionClient",
        "component_type": "model",
        "version": 1,
        "component_version": 1,
        "description": "Answers prepared beforehand.",
        "label": "ReplayChatCompletionClient",
        "config": {"chat_completions": list(says)},
    }


def assistant(name: str, *says: str) -> dict:
    return {
        "provider": "autogen_agentchat.agents.AssistantAgent",
        "component_type": "agent",
        "version": 2,
        "component_version": 2,
        "config": {
            "name": name,
            "model_client": replay(*says),
            "workbench": [],
            "model_context": {
                "provider": "autogen_core.model_context.UnboundedChatCompletionContext",
                "component_type": "chat_completion_context",
                "version": 1,
                "config": {},
            },
            "description": f"The {name}.",
            "system_message": "Help.",
            "model_client_stream": False,
            "reflect_on_tool_use": False,
            "tool_call_summary_format": "{result}",
            "max_tool_iterations": 1,
            "metadata": {},
        },
    }


SELECTOR = {
    "provider": "autogen_agentchat.teams.SelectorGroupChat",
    "component_type": "team",
    "version": 1,
    "component_version": 1,
    "description": "Somebody is chosen.",
    "label": "SelectorGroupChat",
    "config": {
        "participants": [assistant("cook", "Soup is ready."), assistant("waiter", "Served. DONE")],
        "model_client": replay("cook"),
        "termination_condition": {
            "provider": "autogen_agentchat.base.OrTerminationCondition",
            "component_type": "termination",
            "version": 1,
            "config": {
                "conditions": [
                    {
                        "provider": "autogen_agentchat.conditions.TextMentionTermination",
                        "component_type": "termination",
                        "version": 1,
                        "config": {"text": "DONE"},
                    },
                    {
                        "provider": "autogen_agentchat.conditions.MaxMessageTermination",
                        "component_type": "termination",
                        "version": 1,
                        "config": {"max_messages": 9, "include_agent_event": False},
                    },
                ]
            },
        },
        "selector_prompt": "{roles}\n{history}\nOne of {participants}:",
        "allow_repeated_speaker": False,
        "max_selector_attempts": 3,
        "emit_team_events": False,
        "model_client_streaming": False,
    },
}

GRAPH = {
    "provider": "autogen_agentchat.teams.GraphFlow",
    "component_type": "team",
    "version": 1,
    "config": {
        "participants": [
            assistant("start", "Yes."),
            {
                "provider": "autogen_agentchat.agents.MessageFilterAgent",
                "component_type": "agent",
                "version": 1,
                "config": {
                    "name": "end",
                    "wrapped_agent": assistant("inner", "Over."),
                    "filter": {"per_source": [{"source": "start", "position": "last", "count": 1}]},
                },
            },
        ],
        "graph": {
            "nodes": {
                "start": {
                    "name": "start",
                    "edges": [
                        {
                            "target": "end",
                            "condition": "Yes",
                            "activation_group": "end",
                            "activation_condition": "all",
                        }
                    ],
                    "activation": "all",
                },
                "end": {"name": "end", "edges": [], "activation": "all"},
            },
        },
    },
}


async def main() -> None:
    client = ReplayChatCompletionClient(["One.", "Two.", "END"], model_info=INFO)
    planner = AssistantAgent(
        "planner", client, handoffs=[Handoff(target="user"), "helper"], metadata={"colour": "blue"}
    )
    team = Swarm(
        [planner, AssistantAgent("helper", client, description="Helps.")],
        termination_condition=HandoffTermination("user") | TextMentionTermination("END") | MaxMessageTermination(8),
    )
    text = team.dump_component().model_dump_json(exclude_none=True)
    again = Swarm.load_component(ComponentModel.model_validate_json(text))
    print(again.dump_component() == team.dump_component(), json.loads(text)["component_type"])
    result = await again.run(task="Plan.")
    print([message.to_text() for message in result.messages])

    builder = DiGraphBuilder()
    first, second = AssistantAgent("first", client), AssistantAgent("second", client)
    builder.add_node(first).add_node(second).add_edge(first, second, condition="go")
    flow = GraphFlow(builder.get_participants(), builder.build())
    edge = flow.dump_component().config["graph"]["nodes"]["first"]["edges"][0]
    print(edge["target"], edge["condition"], edge["activation_condition"])

    chosen = BaseGroupChat.load_component(SELECTOR)
    result = await chosen.run(task="We are hungry.")
    print(type(chosen).__name__, [(message.source, message.to_text()) for message in result.messages])
    flow = ComponentLoader.load_component(json.loads(json.dumps(GRAPH)), expected=Team)
    result = await flow.run(task="Ready?")
    print(isinstance(flow, GraphFlow), [message.to_text() for message in result.messages[:3]])

    person = UserProxyAgent("person", description="A reader")
    config = RoundRobinGroupChat([person], name="readers", max_turns=3).dump_component().config
    print(config["name"], config["max_turns"], config["participants"][0]["config"]["description"])


if __name__ == "__main__":
    asyncio.run(main())
