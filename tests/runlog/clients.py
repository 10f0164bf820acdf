"""Models, workbenches and executors that do one thing, and a way to wait for a fact."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from agentnb.code_executors.base import CodeExecutor
from agentnb.core import CancellationToken
from agentnb.messages import CodeBlock, CodeResult, CreateResult, LLMMessage
from agentnb.models.base import ChatCompletionClient
from agentnb.models.scripted import ScriptedChatCompletionClient
from agentnb.runlog import RunLog
from agentnb.tools.workbench import TextResultContent, ToolResult, Workbench


def arrival(log: RunLog, kind: str, count: int = 1) -> asyncio.Event:
    """Return an event that is set once `count` facts of a kind have come."""
    event, seen = asyncio.Event(), 0

    def watcher(item: Any) -> None:
        nonlocal seen
        seen += getattr(item, "kind", "") == kind
        if seen >= count:
            event.set()

    log.watch(watcher)
    return event


class Wrapper(ScriptedChatCompletionClient):
    """Asks another client, as a cache or a retrying client does."""

    def __init__(self, inner: ChatCompletionClient) -> None:
        super().__init__(["unused"], name="wrapper")
        self.inner = inner

    async def create(self, messages: Sequence[LLMMessage], **options: Any) -> CreateResult:
        return await self.inner.create(messages, **options)

    async def create_stream(
        self, messages: Sequence[LLMMessage], **options: Any
    ) -> AsyncGenerator[str | CreateResult, None]:
        async for piece in self.inner.create_stream(messages, **options):
            yield piece


class Louder(ScriptedChatCompletionClient):
    """Calls its base class, as a subclass does."""

    async def create(self, messages: Sequence[LLMMessage], **options: Any) -> CreateResult:
        result = await super().create(messages, **options)
        return result.model_copy(update={"content": f"{result.content}!"})

    async def create_stream(
        self, messages: Sequence[LLMMessage], **options: Any
    ) -> AsyncGenerator[str | CreateResult, None]:
        async for piece in super().create_stream(messages, **options):
            yield piece


class Endless(ScriptedChatCompletionClient):
    """Streams without end, and says when it was closed."""

    closed = False

    async def create_stream(
        self, messages: Sequence[LLMMessage], **options: Any
    ) -> AsyncGenerator[str | CreateResult, None]:
        try:
            while True:
                await asyncio.sleep(0)  # a server's stream lets others work between its pieces
                yield "tick "
        finally:
            self.closed = True


class Unfinished(ScriptedChatCompletionClient):
    """Ends its stream without a result."""

    async def create_stream(
        self, messages: Sequence[LLMMessage], **options: Any
    ) -> AsyncGenerator[str | CreateResult, None]:
        yield "half "
        yield "an answer"


class Bench(Workbench):
    """`add` adds, `twice` calls `add`, `fail` raises."""

    async def list_tools(self) -> list[Any]:
        return [{"name": "add"}, {"name": "twice"}, {"name": "fail"}]

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> ToolResult:
        given = arguments or {}
        if name == "fail":
            raise ConnectionError("the server is gone")
        if name == "twice":
            return await self.call_tool("add", {"a": given["a"], "b": given["a"]})
        return ToolResult(name=name, result=[TextResultContent(content=str(given["a"] + given["b"]))])

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def reset(self) -> None: ...


class SubBench(Bench):
    """Calls its base class."""

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> ToolResult:
        return await super().call_tool(name, arguments, cancellation_token, call_id)


class RichResult(CodeResult):
    """A result with mime bundles."""

    outputs: Sequence[dict[str, Any]] = ()


class Interrupted(RuntimeError):
    """An error that carries what was shown before."""

    output = "before"
    outputs = ({"text/plain": "before"},)


class Machine(CodeExecutor):
    """Answers code with its length; `fail` raises, `wait` waits for ever."""

    async def execute_code_blocks(
        self, code_blocks: Sequence[CodeBlock], cancellation_token: CancellationToken
    ) -> CodeResult:
        code = code_blocks[0].code
        if code == "fail":
            raise Interrupted("stopped half way")
        if code == "wait":
            await asyncio.Event().wait()
        result = RichResult(exit_code=0, output=str(len(code)))
        result.outputs = [{"text/plain": str(len(code))}]
        return result

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def restart(self) -> None: ...
