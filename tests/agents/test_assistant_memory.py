"""An assistant that remembers."""

from __future__ import annotations

from typing import Any

import pytest

from agentnb.agents import AssistantAgent
from agentnb.core import CancellationToken
from agentnb.memory import ListMemory, Memory, MemoryQueryResult, UpdateContextResult
from agentnb.messages import (
    FunctionExecutionResult,
    LLMMessage,
    MemoryContent,
    MemoryMimeType,
    SystemMessage,
    UserMessage,
)
from agentnb.model_context import BufferedChatCompletionContext, ChatCompletionContext
from agentnb.models.base import ModelInfo
from agentnb.models.replay import able_to_everything
from tests.agents.conftest import Watched, answer, call, names, turn

METRIC = MemoryContent(content="Metric units, please.", mime_type=MemoryMimeType.TEXT)
SHORT = MemoryContent(content="Short answers.", mime_type=MemoryMimeType.TEXT)


def add(a: int, b: int) -> int:
    """Add."""
    return a + b


class Asking(Memory):
    """Adds a note about the last message of a context."""

    def __init__(self) -> None:
        self.seen: list[list[LLMMessage]] = []

    async def update_context(self, model_context: ChatCompletionContext) -> UpdateContextResult:
        self.seen.append(await model_context.get_messages())
        await model_context.add_message(UserMessage(content=f"about {self.seen[-1][-1].content}", source="notes"))
        return UpdateContextResult(memories=MemoryQueryResult(results=[SHORT]))

    async def query(
        self, query: str | MemoryContent, cancellation_token: CancellationToken | None = None, **kwargs: Any
    ) -> MemoryQueryResult:
        raise NotImplementedError

    async def add(self, content: MemoryContent, cancellation_token: CancellationToken | None = None) -> None: ...
    async def clear(self) -> None: ...
    async def close(self) -> None: ...


def roles(messages: list[LLMMessage]) -> list[str]:
    return [message.type.removesuffix("Message") for message in messages]


async def test_each_memory_that_has_something_speaks_before_all_else() -> None:
    client = Watched([answer([call("add", '{"a": 1, "b": 2}')], "hm")])
    memories = [ListMemory(memory_contents=[METRIC]), ListMemory(), ListMemory(memory_contents=[SHORT, METRIC])]
    items = await turn(AssistantAgent("ana", client, tools=[add], memory=memories), "hi")

    assert names(items) == [
        "MemoryQueryEvent",
        "MemoryQueryEvent",
        "ThoughtEvent",
        "ToolCallRequestEvent",
        "ToolCallExecutionEvent",
        "Response(ToolCallSummaryMessage)",
    ]
    assert [item.content for item in items[:2]] == [[METRIC], [SHORT, METRIC]]
    assert {item.source for item in items[:2]} == {"ana"}
    assert items[-1].inner_messages == items[:-1]


async def test_a_model_reads_the_memory_behind_the_newest_message() -> None:
    client = Watched(["one"])
    await turn(AssistantAgent("ana", client, system_message="s", memory=[ListMemory(memory_contents=[METRIC])]), "hi")

    assert roles(client.asked[0]) == ["System", "User", "System"]
    assert "1. Metric units, please." in str(client.asked[0][2].content)


async def test_memory_text_does_not_pile_up_in_the_conversation_turn_after_turn() -> None:
    client = Watched(["one", "two", "three"])
    agent = AssistantAgent("ana", client, system_message=None, memory=[ListMemory(memory_contents=[METRIC]), Asking()])
    for text in ("a", "b", "c"):
        await turn(agent, text)

    kept = await agent.model_context.get_messages()
    assert [message.content for message in kept] == ["a", "one", "b", "two", "c", "three"]
    assert [roles(asked).count("System") for asked in client.asked] == [1, 1, 1]
    assert [asked[-1].type for asked in client.asked] == ["UserMessage"] * 3


async def test_every_request_of_a_turn_shows_the_memory_at_the_same_place() -> None:
    client = Watched([answer([call("add", '{"a": 1, "b": 2}')]), answer("3")])
    memory = ListMemory(memory_contents=[METRIC])
    agent = AssistantAgent("ana", client, tools=[add], reflect_on_tool_use=True, system_message=None, memory=[memory])
    await turn(agent, "hi")

    assert roles(client.asked[0]) == ["User", "System"]
    assert roles(client.asked[1]) == ["User", "System", "Assistant", "FunctionExecutionResult"]
    assert client.asked[1][:2] == client.asked[0]


async def test_a_model_with_one_system_message_reads_the_memory_beside_its_instructions() -> None:
    info: ModelInfo = {**able_to_everything(), "multiple_system_messages": False}
    client = Watched(["one", "two"], model_info=info)
    memory = ListMemory(memory_contents=[METRIC])
    agent = AssistantAgent("ana", client, system_message="s", memory=[memory, Asking()])
    await turn(agent, "a")
    await turn(agent, "b")

    assert roles(client.asked[1]) == ["System", "System", "User", "Assistant", "User", "User"]


async def test_a_memory_is_asked_with_what_the_model_is_shown_and_not_more() -> None:
    memory = Asking()
    agent = AssistantAgent(
        "ana", Watched(["one", "two"]), model_context=BufferedChatCompletionContext(1), memory=[memory]
    )
    await turn(agent, "a")
    await turn(agent, "b")

    assert [[message.content for message in seen] for seen in memory.seen] == [["a"], ["b"]]


async def test_a_context_that_shows_its_end_only_shows_the_memory_still() -> None:
    client = Watched([answer([call("add", '{"a": 1, "b": 2}')]), answer("3")])
    agent = AssistantAgent(
        "ana",
        client,
        tools=[add],
        max_tool_iterations=2,
        system_message=None,
        model_context=BufferedChatCompletionContext(2),
        memory=[ListMemory(memory_contents=[METRIC])],
    )
    await turn(agent, "hi")

    assert roles(client.asked[1]) == ["System", "Assistant", "FunctionExecutionResult"]
    assert client.asked[1][2].content == [
        FunctionExecutionResult(content="3", name="add", call_id="c1", is_error=False)
    ]


async def test_what_is_remembered_later_is_shown_in_the_next_turn() -> None:
    client = Watched(["one", "two"])
    memory = ListMemory()
    agent = AssistantAgent("ana", client, system_message=None, memory=[memory])
    first = await turn(agent, "a")
    await memory.add(METRIC)
    second = await turn(agent, "b")

    assert names(first) == ["Response(TextMessage)"]
    assert names(second) == ["MemoryQueryEvent", "Response(TextMessage)"]
    assert isinstance(client.asked[1][-1], SystemMessage)


async def test_a_memory_that_fails_says_whose_it_was_and_the_agent_goes_on_later() -> None:
    class Lost(Asking):
        found = False

        async def update_context(self, model_context: ChatCompletionContext) -> UpdateContextResult:
            if not self.found:
                raise ConnectionError("the store is away")
            return await super().update_context(model_context)

    memory = Lost()
    agent = AssistantAgent("ana", Watched(["one"]), memory=[memory])

    with pytest.raises(ConnectionError) as caught:
        await turn(agent, "a")
    assert caught.value.__notes__ == ["The agent 'ana' was asking its memories."]
    memory.found = True
    assert names(await turn(agent, "b"))[0] == "MemoryQueryEvent"


async def test_a_reset_leaves_the_memory_as_it_is() -> None:
    memory = ListMemory(memory_contents=[METRIC])
    agent = AssistantAgent("ana", Watched(["one", "two"]), memory=[memory])
    await turn(agent, "a")
    await agent.on_reset(CancellationToken())

    assert memory.content == [METRIC]
    assert names(await turn(agent, "b"))[0] == "MemoryQueryEvent"


@pytest.mark.parametrize(
    ("memory", "says"),
    [
        (ListMemory(), "is .*; it must be a list"),
        ("notes", "is 'notes'; it must be a list"),
        (["notes"], "holds 'notes', which is no Memory; give some, such as a ListMemory"),
    ],
)
def test_what_is_no_list_of_memories_is_refused(memory: Any, says: str) -> None:
    with pytest.raises(TypeError, match=f"The memory of the agent 'ana' {says}"):
        AssistantAgent("ana", Watched(["a"]), memory=memory)
