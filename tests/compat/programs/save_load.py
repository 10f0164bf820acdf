# mypy: ignore-errors
"""Agents and teams are saved, and others go on in their place."""

import asyncio
import json
import tempfile
from pathlib import Path

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken
from autogen_core.models import AssistantMessage, UserMessage
from autogen_ext.models.replay import ReplayChatCompletionClient


def pair(*says: str) -> RoundRobinGroupChat:
    client = ReplayChatCompletionClient(list(says))
    return RoundRobinGroupChat(
        [AssistantAgent("ann", client, system_message="Be brief."), AssistantAgent("bob", client)],
        termination_condition=MaxMessageTermination(max_messages=2),
    )


async def main() -> None:
    agent = AssistantAgent("poet", ReplayChatCompletionClient(["Waves."]))
    await agent.on_messages([TextMessage(content="The sea?", source="user")], CancellationToken())
    state = await agent.save_state()
    print(state["type"], state["version"], [m["content"] for m in state["llm_context"]["messages"]])

    other = AssistantAgent("poet", ReplayChatCompletionClient(["Waves, as I said."]))
    await other.load_state(json.loads(json.dumps(state)))
    result = await other.run(task="What did you say?")
    print(result.messages[-1].to_text())
    context = await other.model_context.get_messages()
    print([type(message) in (UserMessage, AssistantMessage) for message in context])

    team = pair("I am Ann.")
    await team.run(task="Who are you?")
    saved = await team.save_state()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "team.json")
        path.write_text(json.dumps(saved))
        loaded = json.loads(path.read_text())
    print(saved["type"], sorted(saved["agent_states"]))
    manager = saved["agent_states"]["RoundRobinGroupChatManager"]
    print(manager["next_speaker_index"], [message["source"] for message in manager["message_thread"]])

    another = pair("I am Bob.", "Ann again.")
    await another.load_state(loaded)
    result = await another.run(task="And you?")
    print([(message.source, message.to_text()) for message in result.messages])
    bobs = (await another.save_state())["agent_states"]["bob"]["agent_state"]["llm_context"]["messages"]
    print([message["content"] for message in bobs])

    await another.reset()
    result = await another.run(task="Who is first?")
    print(result.messages[-1].source)
    try:
        await another.load_state({"type": "TeamState", "version": "1.0.0", "agent_states": {}})
    except ValueError:
        print("nobody is in that state")


if __name__ == "__main__":
    asyncio.run(main())
