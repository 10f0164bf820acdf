"""Costs that can be counted: no noise, no bars in microseconds."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from agentnb.agents import AssistantAgent, BaseChatAgent
from agentnb.base import Response
from agentnb.core import CancellationToken
from agentnb.messages import BaseChatMessage, CreateResult, FunctionCall, RequestUsage, TextMessage, UserMessage
from agentnb.models import ChatCompletionClient, ModelInfo
from agentnb.models.openai import OpenAIChatCompletionClient
from agentnb.models.wire import MessageWriter
from agentnb.runlog import RunLog, lines
from agentnb.teams import RoundRobinGroupChat
from tests.models.server import OpenAIServer

INFO = ModelInfo(
    vision=False,
    function_calling=True,
    json_output=True,
    family="unknown",
    structured_output=True,
    multiple_system_messages=True,
)


async def double(n: int) -> int:
    """Double."""
    return 2 * n


class Says(BaseChatAgent):
    """Says the same and asks nobody."""

    produced_message_types: Sequence[type[BaseChatMessage]] = (TextMessage,)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        return Response(chat_message=TextMessage(content="a word", source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        return None


class Instant(ChatCompletionClient):
    """Answers at once, in so many pieces where it is asked to stream."""

    def __init__(self, pieces: int = 10) -> None:
        self._pieces = pieces

    async def create(self, messages: Sequence[Any], **options: Any) -> CreateResult:
        return CreateResult(finish_reason="stop", content="a word", usage=RequestUsage(1, 1), cached=False)

    async def create_stream(self, messages: Sequence[Any], **options: Any) -> AsyncGenerator[str | CreateResult, None]:
        for number in range(self._pieces):
            yield f"{number}"
        yield await self.create(messages)

    async def close(self) -> None:
        return None

    def actual_usage(self) -> RequestUsage:
        return RequestUsage(0, 0)

    total_usage = actual_usage

    def count_tokens(self, messages: Sequence[Any], **options: Any) -> int:
        return 0

    remaining_tokens = count_tokens

    @property
    def model_info(self) -> ModelInfo:
        return INFO


class Calls(Instant):
    """Calls a tool so many times before it answers."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self._calls = calls

    async def create(self, messages: Sequence[Any], **options: Any) -> CreateResult:
        if not self._calls:
            return await super().create(messages)
        self._calls -= 1
        content = [FunctionCall(id=f"{self._calls}", name="double", arguments='{"n": 2}')]
        return CreateResult(finish_reason="function_calls", content=content, usage=RequestUsage(1, 1), cached=False)


async def counted(work: Callable[[], Awaitable[object]]) -> Counter[str]:
    """Return how often tasks were made and JSON was written and read, by the names of the functions, by `work`."""
    counts: Counter[str] = Counter()
    loop = asyncio.get_running_loop()

    def make(loop: asyncio.AbstractEventLoop, coroutine: Any, **how: Any) -> asyncio.Task[Any]:
        counts["tasks"] += 1
        return asyncio.Task(coroutine, loop=loop, **how)

    def look(frame: Any, event: str, called: Any) -> None:
        in_c = event == "c_call" and getattr(called, "__name__", "") in ("to_json", "to_python")
        # A line that is put together by hand is written once, of whatever it is put together.
        in_c = in_c and frame.f_code.co_filename != lines.__file__
        by_hand = event == "return" and frame.f_code is lines.line_of.__code__ and called is not None
        if in_c or by_hand or (event == "call" and frame.f_code is json.dumps.__code__):
            counts["dumps"] += 1
        if event == "c_call" and getattr(called, "__name__", "") == "from_json":
            counts["reads"] += 1
        if event == "call" and frame.f_code is json.loads.__code__:
            counts["loads"] += 1

    loop.set_task_factory(make)
    before = sys.getprofile()
    sys.setprofile(look)
    try:
        await work()
    finally:
        sys.setprofile(before)
        loop.set_task_factory(None)
    return counts


def _team(kind: str, turns: int) -> RoundRobinGroupChat:
    names = ("ana", "ben", "cleo")
    agents: list[Any] = [Says(name, "says") if kind == "says" else AssistantAgent(name, Instant()) for name in names]
    return RoundRobinGroupChat(agents, max_turns=turns)


async def per_turn(kind: str, log: Callable[[], RunLog]) -> tuple[Counter[str], float]:
    """Return the counts of ten turns more, and the facts they wrote."""
    counts, facts = [], []
    for turns in (12, 22):
        written = log()
        team = _team(kind, turns)
        counts.append(await counted(lambda team=team, written=written: team.run(task="go", log=written)))  # type: ignore[misc]
        facts.append(len(written))
    counts[1].subtract(counts[0])
    return counts[1], facts[1] - facts[0]


@pytest.mark.parametrize("kind", ["says", "asks a model"])
async def test_a_turn_makes_no_task_and_writes_no_json_where_nobody_listens(kind: str) -> None:
    counts, _ = await per_turn(kind, RunLog)

    assert counts["tasks"] == 0
    assert counts["dumps"] == 0


@pytest.mark.parametrize("kind", ["says", "asks a model"])
async def test_turns_of_our_agents_make_no_generators(kind: str) -> None:
    team, begun = _team(kind, 10), list[str]()
    before = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(firstiter=lambda generator: begun.append(getattr(generator, "__qualname__", "")))
    try:
        await team.run(task="go", log=RunLog())
    finally:
        sys.set_asyncgen_hooks(*before)

    assert [name for name in begun if name != "open_run"] == []


@pytest.mark.parametrize("kind", ["says", "asks a model"])
async def test_with_a_file_each_fact_is_written_once_and_nothing_else(kind: str, tmp_path: Path) -> None:
    counts, facts = await per_turn(kind, lambda: RunLog.create("counts", folder=tmp_path))

    assert counts["tasks"] == 0
    assert counts["dumps"] == facts
    assert counts["loads"] == 0


@pytest.mark.parametrize("kept", [False, True])
async def test_a_tool_that_is_called_alone_makes_no_task_and_its_facts_are_written_once(
    kept: bool, tmp_path: Path
) -> None:
    counts, facts = [], []
    for calls in (5, 15):
        log = RunLog.create("counts", folder=tmp_path) if kept else RunLog()
        agent = AssistantAgent("ana", Calls(calls), tools=[double], max_tool_iterations=calls + 1)
        counts.append(await counted(lambda agent=agent, log=log: agent.run(task="go", log=log)))  # type: ignore[misc]
        facts.append(len(log))
        log.close()
    counts[1].subtract(counts[0])

    assert facts[1] - facts[0] == 10 * 6
    assert counts[1]["tasks"] == 0
    assert counts[1]["dumps"] == (60 if kept else 0)


async def test_a_stream_makes_one_task_and_nothing_for_its_pieces() -> None:
    counts = []
    for pieces in (10, 50):
        agent = AssistantAgent("ana", Instant(pieces), model_client_stream=True)
        stream = RoundRobinGroupChat([agent], max_turns=1).run_stream(task="go", log=RunLog())

        async def read(stream: AsyncGenerator[Any, None] = stream, pieces: int = pieces) -> None:
            assert len([item async for item in stream]) == pieces + 3

        counts.append(await counted(read))

    assert counts[0] == counts[1]
    assert counts[1]["tasks"] == 1


async def test_the_json_of_a_stream_is_read_as_often_however_many_pieces_it_has() -> None:
    counts = []
    with OpenAIServer() as server:
        server.say(*(" ".join(["word"] * pieces) for pieces in (10, 50)))
        client = OpenAIChatCompletionClient(model="m", base_url=server.base_url, model_info=INFO)
        for pieces in (10, 50):

            async def read(pieces: int = pieces) -> None:
                said = [UserMessage(content="go", source="user")]
                assert len([piece async for piece in client.create_stream(said)]) == pieces + 1

            counts.append(await counted(read))
        await client.close()

    assert counts[0]["reads"] == counts[1]["reads"]


async def test_each_message_is_written_for_the_server_once(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Any] = []
    write = MessageWriter._part

    def note(self: MessageWriter, message: Any) -> bytes:
        written.append(message)
        return write(self, message)

    monkeypatch.setattr(MessageWriter, "_part", note)
    with OpenAIServer() as server:
        client = OpenAIChatCompletionClient(model="m", base_url=server.say("ok").base_url, model_info=INFO)
        agents: list[Any] = [AssistantAgent(name, client, system_message="Be brief.") for name in ("ana", "ben")]
        await RoundRobinGroupChat(agents, max_turns=20).run(task="go", log=RunLog())
        await client.close()
        asked = [request.body["messages"] for request in server.requests]

    assert len(asked) == 20
    assert len(written) == len({id(message) for message in written}) == len(asked[-1]) + len(asked[-2])
    assert [len(messages) for messages in asked] == list(range(2, 22))


async def test_a_client_keeps_nothing_of_a_conversation_that_is_gone() -> None:
    with OpenAIServer() as server:
        client = OpenAIChatCompletionClient(model="m", base_url=server.say("ok").base_url, model_info=INFO)
        for number in range(5):
            said = [UserMessage(content=f"{number}", source="user"), UserMessage(content="more", source="user")]
            await client.create(said)
        del said
        await client.close()

    assert not client._writer._conversations
