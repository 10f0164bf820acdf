# mypy: ignore-errors
"""A flow: two drafts side by side, an editor who joins them, a loop until the editor approves, and a last word."""

import asyncio

from autogen_agentchat.agents import AssistantAgent, MessageFilterAgent, MessageFilterConfig, PerSourceFilter
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import DiGraphBuilder, GraphFlow
from autogen_core.models import UserMessage
from autogen_ext.models.replay import ReplayChatCompletionClient


class Remembering(ReplayChatCompletionClient):
    """Keeps what it was shown."""

    async def create(self, messages, **kwargs):
        self.shown = [message.content for message in messages if isinstance(message, UserMessage)]
        return await super().create(messages, **kwargs)


async def drafts_and_a_loop() -> None:
    poet = AssistantAgent("poet", ReplayChatCompletionClient(["Grey sea.", "Grey sea, white gulls."]))
    critic = AssistantAgent("critic", ReplayChatCompletionClient(["REVISE: too short.", "APPROVE"]))
    last_words = Remembering(["Printed."])
    printer = MessageFilterAgent(
        name="printer",
        wrapped_agent=AssistantAgent("printer", last_words, system_message=None),
        filter=MessageFilterConfig(per_source=[PerSourceFilter(source="poet", position="last", count=1)]),
    )
    builder = DiGraphBuilder()
    builder.add_node(poet).add_node(critic).add_node(printer)
    builder.add_edge(poet, critic)
    builder.add_edge(critic, poet, condition=lambda message: "REVISE" in message.to_model_text())
    builder.add_edge(critic, printer, condition="APPROVE")
    builder.set_entry_point(poet)
    graph = builder.build()
    print(graph.get_has_cycles(), sorted(graph.get_leaf_nodes()))
    flow = GraphFlow(
        participants=builder.get_participants(), graph=graph, termination_condition=MaxMessageTermination(12)
    )
    async for item in flow.run_stream(task="Write two lines about the sea."):
        if isinstance(item, TextMessage):
            print(f"{item.source}: {item.content}")
    print(last_words.shown)


async def fan_out_and_in() -> None:
    names = {"start": "Go.", "left": "Left.", "right": "Right.", "end": "Both came."}
    agents = {name: AssistantAgent(name, ReplayChatCompletionClient([says] * 2)) for name, says in names.items()}
    builder = DiGraphBuilder()
    for agent in agents.values():
        builder.add_node(agent, activation="all")
    builder.add_edge("start", "left").add_edge("start", "right")
    builder.add_edge("left", "end").add_edge("right", "end")
    flow = GraphFlow(builder.get_participants(), builder.build())
    for _ in range(2):
        result = await flow.run(task="Split up.")
        sources = [message.source for message in result.messages]
        print(sources[:2], sorted(sources[2:4]), sources[4:5])


async def main() -> None:
    await fan_out_and_in()
    await drafts_and_a_loop()


if __name__ == "__main__":
    asyncio.run(main())
