"""What somebody writes who lets a team work; checked by mypy --strict and pyright, strict too, and run by the tests."""
# pyright: strict

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import assert_type

from agentnb.agents import AssistantAgent, BaseChatAgent, UserProxyAgent
from agentnb.base import ChatAgent, Handoff, Response, TaskResult, Team, TerminationCondition
from agentnb.conditions import (
    ExternalTermination,
    FunctionalTermination,
    HandoffTermination,
    MaxMessageTermination,
    TextMentionTermination,
    TokenUsageTermination,
)
from agentnb.core import CancellationToken
from agentnb.messages import BaseAgentEvent, BaseChatMessage, ModelClientStreamingChunkEvent, TextMessage
from agentnb.models import ScriptedChatCompletionClient
from agentnb.teams import (
    BaseGroupChat,
    Choice,
    DiGraphBuilder,
    GraphFlow,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
    TeamView,
)


class Echo(BaseChatAgent):
    """Says again what it heard."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "Says it again.")
        self.turns = 0

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage,)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        self.turns += 1
        heard = messages[-1].to_text() if messages else "nothing"
        return Response(chat_message=TextMessage(content=heard, source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        self.turns = 0


class Slow(Echo):
    """Shows something on the way."""

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | Response, None]:
        yield ModelClientStreamingChunkEvent(content="so", source=self.name)
        yield await self.on_messages(messages, cancellation_token)


def last_first(view: TeamView) -> str:
    return view.names[-1 - view.turns % len(view.names)]


async def with_a_reason(view: TeamView) -> Choice:
    return Choice((view.names[0],), why="always")


def long(messages: Sequence[BaseAgentEvent | BaseChatMessage]) -> bool:
    return sum(len(message.to_text()) for message in messages) > 1_000


def square(n: int) -> int:
    return n * n


def chosen(messages: Sequence[BaseAgentEvent | BaseChatMessage]) -> str | None:
    return "ben" if messages[-1].source == "ana" else None


async def main() -> list[str]:
    client = ScriptedChatCompletionClient(["hello", "TERMINATE"])
    helper = AssistantAgent(
        "helper",
        client,
        tools=[square],
        handoffs=["user", Handoff(target="ben", message="Your turn.")],
        system_message="Help.",
        model_client_stream=True,
    )
    agents: list[ChatAgent] = [Echo("ana"), Slow("ben")]
    stop = MaxMessageTermination(5) | (TextMentionTermination("TERMINATE") & FunctionalTermination(long))
    condition: TerminationCondition = stop | ExternalTermination() | HandoffTermination("user")

    team = RoundRobinGroupChat([Echo("ana"), Slow("ben")], termination_condition=condition, max_turns=2)
    result = await team.run(task="hi")
    assert_type(result, TaskResult)
    assert_type(result.stop_reason, str | None)
    kinds: list[str] = []
    async for item in team.run_stream(task=TextMessage(content="again", source="user")):
        assert_type(item, BaseAgentEvent | BaseChatMessage | TaskResult)
        if isinstance(item, TaskResult):
            kinds.append(f"{len(item.messages)} messages")
        else:
            kinds.append(f"{type(item).__name__} of {item.source}")
    await team.reset()
    state = await team.save_state()
    await team.load_state(state)

    policy = await BaseGroupChat([Echo("ana"), Echo("ben")], last_first, max_turns=2).run(task="hi")
    reasons = await BaseGroupChat(agents, with_a_reason, max_turns=1).run(task="hi")
    inner: Team = RoundRobinGroupChat([helper], max_turns=1)
    outer = RoundRobinGroupChat([inner, Echo("ben")], max_turns=2)
    await outer.run(task=[TextMessage(content="one", source="user"), TextMessage(content="two", source="user")])
    graph = DiGraphBuilder()
    graph.add_node(agents[0]).add_node(agents[1]).add_edge(agents[0], agents[1])
    others: list[Team] = [
        SelectorGroupChat(agents, client, selector_func=chosen, termination_condition=TokenUsageTermination(9)),
        Swarm([helper, UserProxyAgent("user"), Echo("ben")], termination_condition=stop),
        GraphFlow(graph.get_participants(), graph.build()),
    ]
    response = await helper.on_messages([TextMessage(content="bye", source="user")], CancellationToken())
    assert_type(response, Response)
    assert_type(response.chat_message, BaseChatMessage)
    sources = [message.source for done in (policy, reasons) for message in done.messages]
    return [*kinds, *sources, response.chat_message.to_text(), str(len(others))]
