# mypy: ignore-errors
"""Each of the conditions that AutoGen has, ending a run of its own."""

import asyncio
from collections.abc import Sequence

from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.base import Response, TerminationCondition
from autogen_agentchat.conditions import (
    ExternalTermination,
    FunctionalTermination,
    FunctionCallTermination,
    HandoffTermination,
    MaxMessageTermination,
    SourceMatchTermination,
    StopMessageTermination,
    TextMentionTermination,
    TextMessageTermination,
    TimeoutTermination,
    TokenUsageTermination,
)
from autogen_agentchat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    HandoffMessage,
    StopMessage,
    TextMessage,
    ToolCallExecutionEvent,
)
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken
from autogen_core.models import FunctionExecutionResult, RequestUsage


class Reciter(BaseChatAgent):
    """Says a message of another kind at each turn."""

    def __init__(self) -> None:
        super().__init__("reciter", "Recites.")
        self._turn = 0

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage, StopMessage, HandoffMessage)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        self._turn += 1
        if self._turn == 1:
            usage = RequestUsage(prompt_tokens=10, completion_tokens=5)
            return Response(chat_message=TextMessage(content="one", source=self.name, models_usage=usage))
        if self._turn == 2:
            done = FunctionExecutionResult(call_id="1", name="save", content="saved", is_error=False)
            event = ToolCallExecutionEvent(source=self.name, content=[done])
            return Response(
                chat_message=HandoffMessage(content="two", source=self.name, target="user"), inner_messages=[event]
            )
        return Response(chat_message=StopMessage(content="three", source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        self._turn = 0


def many(messages: Sequence[BaseAgentEvent | BaseChatMessage]) -> bool:
    return any(message.to_text() == "two" for message in messages)


async def said_before(condition: TerminationCondition) -> int:
    team = RoundRobinGroupChat([Reciter()], termination_condition=condition, max_turns=5)
    result = await team.run(task="Begin.")
    assert not condition.terminated
    return len([message for message in result.messages if message.source == "reciter"])


async def main() -> None:
    external = ExternalTermination()
    external.set()
    print(await said_before(external))
    print(await said_before(MaxMessageTermination(3)), await said_before(MaxMessageTermination(3, True)))
    print(await said_before(TextMentionTermination("three")), await said_before(TextMentionTermination("Begin")))
    print(await said_before(TextMentionTermination("Begin", sources=["reciter"])))
    print(await said_before(StopMessageTermination()), await said_before(HandoffTermination(target="user")))
    print(await said_before(TextMessageTermination("reciter")), await said_before(TextMessageTermination()))
    print(await said_before(SourceMatchTermination(["reciter"])), await said_before(FunctionCallTermination("save")))
    print(await said_before(TokenUsageTermination(max_total_token=15)), await said_before(FunctionalTermination(many)))
    print(await said_before(TimeoutTermination(timeout_seconds=3600)))
    both = HandoffTermination("user") & TextMentionTermination("one")
    print(await said_before(both), await said_before(both | StopMessageTermination()))


if __name__ == "__main__":
    asyncio.run(main())
