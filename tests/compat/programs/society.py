# mypy: ignore-errors
"""A team speaks with one voice within another team."""

import asyncio

from autogen_agentchat.agents import AssistantAgent, SocietyOfMindAgent
from autogen_agentchat.conditions import MaxMessageTermination, SourceMatchTermination, TextMentionTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core.model_context import BufferedChatCompletionContext
from autogen_ext.models.replay import ReplayChatCompletionClient


async def main() -> None:
    writer = AssistantAgent("writer", ReplayChatCompletionClient(["A tale.", "A better tale.", "A third tale."]))
    editor = AssistantAgent("editor", ReplayChatCompletionClient(["Longer, please.", "APPROVE", "APPROVE"]))
    inner = RoundRobinGroupChat([writer, editor], termination_condition=TextMentionTermination("APPROVE"))
    society = SocietyOfMindAgent(
        "society",
        team=inner,
        model_client=ReplayChatCompletionClient(["Our tale of the sea.", "Our tale of the wood."]),
        response_prompt="Give the final tale alone.",
        model_context=BufferedChatCompletionContext(buffer_size=5),
    )
    translator = AssistantAgent("translator", ReplayChatCompletionClient(["Nuestro cuento.", "Otro cuento."]))
    outer = RoundRobinGroupChat(
        [society, translator], termination_condition=SourceMatchTermination(["translator"]) | MaxMessageTermination(30)
    )
    stream = outer.run_stream(task="Write a tale and translate it.")
    seen = [(item.source, item.to_text()) async for item in stream if hasattr(item, "source")]
    print(*(source for source, _ in seen))
    print(seen[-2], seen[-1])

    again = await outer.run(task="Another one.")
    print([message.source for message in again.messages], again.messages[-1].to_text())
    state = await society.save_state()
    print(state["type"], "agent_states" in state["inner_team_state"])


if __name__ == "__main__":
    asyncio.run(main())
