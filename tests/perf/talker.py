"""One contestant of the benchmarks of agents and teams: a program in AutoGen's public names, run by either interpreter.

`python talker.py` measures the AutoGen installed beside that Python, `python talker.py --agentnb` measures agentnb; but
for the imports they run the same lines. Reads requests from standard input, one JSON object a line, and answers each
with one line.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
import tracemalloc
from collections.abc import AsyncGenerator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or "--agentnb" in sys.argv:
    from agentnb.agents import AssistantAgent, BaseChatAgent
    from agentnb.base import Response
    from agentnb.core import CancellationToken
    from agentnb.messages import CreateResult, FunctionCall, RequestUsage, TextMessage, UserMessage
    from agentnb.model_context import BufferedChatCompletionContext
    from agentnb.models import ChatCompletionClient, ModelInfo
    from agentnb.teams import RoundRobinGroupChat
else:
    from autogen_agentchat.agents import AssistantAgent, BaseChatAgent
    from autogen_agentchat.base import Response
    from autogen_agentchat.messages import TextMessage
    from autogen_agentchat.teams import RoundRobinGroupChat
    from autogen_core import CancellationToken, FunctionCall
    from autogen_core.model_context import BufferedChatCompletionContext
    from autogen_core.models import ChatCompletionClient, CreateResult, ModelInfo, RequestUsage, UserMessage

SAYS = "a message of ordinary length " * 5
NAMES = ("ana", "ben", "cleo")
INFO = ModelInfo(
    vision=False,
    function_calling=True,
    json_output=True,
    family="unknown",
    structured_output=True,
    multiple_system_messages=True,
)
RUNS = os.environ.get("AGENTNB_RUNS", "off")
"""The folder for runs; a request with `log` false keeps its facts in memory."""
cpu = time.process_time


class Says(BaseChatAgent):
    """Says the same and asks no model."""

    produced_message_types = (TextMessage,)

    def __init__(self, name: str) -> None:
        super().__init__(name, "says the same")

    async def on_messages(self, messages: Sequence[Any], cancellation_token: CancellationToken) -> Response:
        return Response(chat_message=TextMessage(content=SAYS, source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        return None


class Instant(ChatCompletionClient):
    """A model that answers at once: `calls` times with calls of a tool, `at_once` of them together; then with a text.

    With `pieces` it streams so many; with `delay` it lets so many seconds pass.
    """

    def __init__(self, *, calls: int = 0, at_once: int = 1, pieces: int = 0, delay: float = 0.0) -> None:
        self._calls, self._at_once, self._pieces, self._delay = calls, at_once, pieces, delay

    def call_again(self, times: int) -> None:
        """Ask for tools so many times more."""
        self._calls = times

    def _next(self) -> CreateResult:
        content: Any = SAYS
        if self._calls:
            content = [FunctionCall(f"{self._calls}.{n}", '{"a": 1, "b": 2}', "work") for n in range(self._at_once)]
            self._calls -= 1
        reason: Any = "stop" if isinstance(content, str) else "function_calls"
        return CreateResult(finish_reason=reason, content=content, usage=RequestUsage(5, 7), cached=False)

    async def create(self, messages: Sequence[Any], **options: Any) -> CreateResult:
        if self._delay:
            await asyncio.sleep(self._delay)
        return self._next()

    async def create_stream(self, messages: Sequence[Any], **options: Any) -> AsyncGenerator[str | CreateResult, None]:
        for number in range(self._pieces):
            yield f" word{number}"
        yield self._next()

    async def close(self) -> None:
        return None

    def actual_usage(self) -> RequestUsage:
        return RequestUsage(0, 0)

    def total_usage(self) -> RequestUsage:
        return RequestUsage(0, 0)

    def count_tokens(self, messages: Sequence[Any], **options: Any) -> int:
        return 0

    def remaining_tokens(self, messages: Sequence[Any], **options: Any) -> int:
        return 0

    @property
    def capabilities(self) -> Any:
        return INFO

    @property
    def model_info(self) -> ModelInfo:
        return INFO


def _openai(url: str) -> ChatCompletionClient:
    if TYPE_CHECKING or "--agentnb" in sys.argv:
        from agentnb.models.openai import OpenAIChatCompletionClient
    else:
        from autogen_ext.models.openai import OpenAIChatCompletionClient
    return OpenAIChatCompletionClient(model="m", base_url=url, api_key="none", model_info=INFO)


def _assistants(client: ChatCompletionClient, **options: Any) -> list[Any]:
    return [AssistantAgent(name, client, **options) for name in NAMES]


async def _team(agents: list[Any], turns: int) -> float:
    team = RoundRobinGroupChat(agents, max_turns=turns)
    began = cpu()
    result = await team.run(task="go")
    took = cpu() - began
    assert len(result.messages) == turns + 1, (len(result.messages), turns)
    return took


async def said(turns: int, request: Mapping[str, Any]) -> float:
    """Agents that ask nobody."""
    return await _team([Says(name) for name in NAMES], turns)


async def asked(turns: int, request: Mapping[str, Any]) -> float:
    """Assistants with a model that answers at once."""
    return await _team(_assistants(Instant()), turns)


async def asked_bounded(turns: int, request: Mapping[str, Any]) -> float:
    """Assistants that show their model the last ten messages."""
    agents = [AssistantAgent(name, Instant(), model_context=BufferedChatCompletionContext(10)) for name in NAMES]
    return await _team(agents, turns)


async def _streamed(agents: list[Any], chunks: int) -> float:
    team = RoundRobinGroupChat(agents, max_turns=1)
    seen = 0
    began = cpu()
    async for item in team.run_stream(task="go"):
        seen += getattr(item, "type", "") == "ModelClientStreamingChunkEvent"
    took = cpu() - began
    assert seen >= chunks, (seen, chunks)
    return took


async def streamed(chunks: int, request: Mapping[str, Any]) -> float:
    """Pieces of a model that has them ready, as a reader of the team's stream sees them."""
    return await _streamed(_assistants(Instant(pieces=chunks), model_client_stream=True), chunks)


async def called(turns: int, request: Mapping[str, Any]) -> float:
    """Assistants with a model behind HTTP."""
    client = _openai(request["url"])
    await client.create(
        [UserMessage(content="go", source="user")]
    )  # the connection and the SDK's import are no part of a call
    took = await _team(_assistants(client), turns)
    await client.close()
    return took


async def called_streaming(chunks: int, request: Mapping[str, Any]) -> float:
    """Pieces that come over HTTP, as a reader of the team's stream sees them."""
    client = _openai(request["url"])
    await client.create([UserMessage(content="go", source="user")])
    took = await _streamed(_assistants(client, model_client_stream=True), chunks)
    await client.close()
    return took


async def posted(calls: int, request: Mapping[str, Any]) -> float:
    """One finished body of 150 messages, without agents and log.

    `via` is "sdk" for the SDK's `post`, "transport" for the same over our transport, "sender" for our client's way.
    """
    import openai

    said = [{"role": "user", "content": SAYS, "name": "ana"}] * 150
    body = json.dumps({"model": "m", "messages": said}).encode()
    http: Any = None
    if request["via"] == "transport":
        from agentnb.models.transport import http_client

        http = http_client(openai)
    sdk: Any = openai.AsyncOpenAI(api_key="none", base_url=request["url"], max_retries=0, http_client=http)
    options = {"headers": {"X-Stainless-Raw-Response": "stream"}}
    post: Any = partial(sdk.post, "/chat/completions", cast_to=object, options=options, content=body)
    if request["via"] == "sender":
        from agentnb.models.sender import Sender

        sdk = Sender("none", request["url"], {})
        post = partial(sdk.post, body, {})
    began = cpu()
    for number in range(calls + 3):
        if number == 3:  # the connection, and the requests that the head is taken from, are no part of a call
            began = cpu()
        response = await post()
        json.loads(await response.read())
        await response.close()
    took = cpu() - began
    await sdk.close()
    return took


async def _work(a: int, b: int) -> int:
    return a + b


async def looped(calls: int, request: Mapping[str, Any]) -> float:
    """One turn that calls a tool and asks the model again, so many times."""
    agent = _worker(_work, Instant(calls=calls), max_tool_iterations=calls + 1)
    began = cpu()
    result = await agent.run(task="go")
    took = cpu() - began
    assert len(result.messages) == 2 * calls + 2, len(result.messages)
    return took


def _worker(tool: Any, client: ChatCompletionClient, **options: Any) -> Any:
    tool.__name__, tool.__doc__ = "work", "Work."
    return AssistantAgent("ana", client, tools=[tool], **options)


async def parallel(at_once: int, *, blocking: bool, seconds: float) -> float:
    """Return the wall time of tool calls that wait, all of one model answer."""

    async def wait(a: int, b: int) -> int:
        await asyncio.sleep(seconds)
        return a + b

    def wait_blocking(a: int, b: int) -> int:
        time.sleep(seconds)
        return a + b

    client = Instant(calls=1, at_once=at_once)
    agent = _worker(wait_blocking if blocking else wait, client)
    await agent.run(task="go")  # the tool's schema is made once
    client.call_again(1)
    began = time.perf_counter()
    await agent.run(task="go")
    return time.perf_counter() - began


async def crowd(teams: int, *, turns: int, seconds: float) -> float:
    """Return the wall time of so many teams at once, whose model takes its time."""
    running = [RoundRobinGroupChat(_assistants(Instant(delay=seconds)), max_turns=turns) for _ in range(teams)]
    began = time.perf_counter()
    await asyncio.gather(*(team.run(task="go") for team in running))
    return time.perf_counter() - began


async def held(turns: int) -> dict[str, float | None]:
    """Return what a conversation holds in memory when it is over, in bytes per turn, less one of a tenth of it."""

    async def talk(length: int) -> Any:
        team = RoundRobinGroupChat(_assistants(Instant()), max_turns=length)
        return team, await team.run(task="go")

    await talk(10)

    async def allocated(length: int) -> int:
        gc.collect()
        tracemalloc.start()
        kept = await talk(length)
        gc.collect()
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        del kept
        return size

    few, many = await allocated(turns // 10), await allocated(turns)
    return {"allocated": (many - few) / (turns - turns // 10)}


TIMED = {
    "said": said,
    "asked": asked,
    "asked_bounded": asked_bounded,
    "streamed": streamed,
    "called": called,
    "called_streaming": called_streaming,
    "posted": posted,
    "looped": looped,
}


async def answer_request(request: dict[str, Any]) -> Any:
    os.environ["AGENTNB_RUNS"] = RUNS if request.get("log", True) else "off"
    match request["what"]:
        case "timed":
            units = request["units"]
            await TIMED[request["name"]](max(3, min(units, 10)), request)
            gc.collect()
            times = request.get("times", 1)
            return sum([await TIMED[request["name"]](units, request) for _ in range(times)]) / units / times * 1e6
        case "parallel":
            return await parallel(request["units"], blocking=request["blocking"], seconds=request["seconds"])
        case "crowd":
            await crowd(2, turns=1, seconds=0.001)
            return await crowd(request["units"], turns=request["turns"], seconds=request["seconds"])
        case "held":
            return await held(request["units"])
    raise ValueError(f"No benchmark {request['what']!r}.")


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(asyncio.run(answer_request(json.loads(line)))), flush=True)


if __name__ == "__main__":
    main()
