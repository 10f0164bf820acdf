"""One turn of an assistant: ask, call tools, ask again, put into words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from agentnb.base import Response
from agentnb.core import CancellationToken, new_id
from agentnb.exceptions import ModelResponseInvalid
from agentnb.messages import (
    AssistantMessage,
    BaseAgentEvent,
    BaseChatMessage,
    CreateResult,
    FunctionCall,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    Image,
    LLMMessage,
    ModelClientStreamingChunkEvent,
    SystemMessage,
    TextMessage,
    ThoughtEvent,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
    ToolCallSummaryMessage,
    UserMessage,
)
from agentnb.model_context import ChatCompletionContext
from agentnb.models.base import ChatCompletionClient
from agentnb.tools import Workbench

Step = BaseAgentEvent | BaseChatMessage | Response


def without_images(messages: Sequence[LLMMessage]) -> list[LLMMessage]:
    """Return the messages with each picture as the text `<image>`."""
    return [
        message.model_copy(update={"content": "\n".join("<image>" if isinstance(p, Image) else p for p in content)})
        if isinstance(message, UserMessage) and isinstance(content := message.content, list)
        else message
        for message in messages
    ]


class Model:
    """A model as one agent asks it: with its instructions, its context, its wish to stream."""

    def __init__(
        self,
        agent: str,
        client: ChatCompletionClient,
        system: list[SystemMessage],
        context: ChatCompletionContext,
        *,
        stream: bool,
    ) -> None:
        self.agent = agent
        self.client = client
        self.context = context
        self._system = system
        self._stream = stream

    async def ask(
        self, message_id: str, cancellation_token: CancellationToken, **options: Any
    ) -> AsyncGenerator[ModelClientStreamingChunkEvent | CreateResult, None]:
        """Yield the pieces of the answer, if the agent streams, then the answer; keep it in the context."""
        messages: list[LLMMessage] = [*self._system, *await self.context.get_messages()]
        if not self.client.model_info["vision"]:
            messages = without_images(messages)
        result: CreateResult | None = None
        if self._stream:
            stream = self.client.create_stream(messages, cancellation_token=cancellation_token, **options)
            async with aclosing(stream) as pieces:
                async for piece in pieces:
                    if isinstance(piece, str):
                        yield ModelClientStreamingChunkEvent(
                            content=piece, source=self.agent, full_message_id=message_id
                        )
                    else:
                        result = piece
        else:
            result = await self.client.create(messages, cancellation_token=cancellation_token, **options)
        if result is None:
            raise ModelResponseInvalid(f"{self.client.model_name} ended its stream without a result.")
        await self.context.add_message(
            AssistantMessage(content=result.content, thought=result.thought, source=self.agent)
        )
        yield result


class ToolLoop:
    """The steps of one turn, shared by all agents that ask a model with tools."""

    def __init__(
        self,
        agent: str,
        model: Model,
        workbenches: list[Workbench],
        *,
        reflect: bool,
        iterations: int,
        summarise: Callable[[FunctionCall, FunctionExecutionResult], str],
    ) -> None:
        self._agent = agent
        self._model = model
        self._workbenches = workbenches
        self._reflect = reflect
        self._iterations = iterations
        self._summarise = summarise

    async def steps(self, cancellation_token: CancellationToken) -> AsyncGenerator[Step, None]:
        """Yield what happens, then the `Response`, without its inner messages."""
        for iteration in range(1, self._iterations + 1):
            tools, home = await self._tools()
            message_id = new_id()
            result: CreateResult | None = None
            async with aclosing(self._model.ask(message_id, cancellation_token, tools=tools)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, CreateResult):
                        result = piece
                    else:
                        yield piece
            assert result is not None
            if result.thought:
                yield ThoughtEvent(content=result.thought, source=self._agent)
            if isinstance(result.content, str):
                yield self._text(result, result.content, message_id)
                return
            calls = result.content
            yield ToolCallRequestEvent(content=calls, source=self._agent, models_usage=result.usage)
            results = await asyncio.gather(*(self._call(call, home, cancellation_token) for call in calls))
            yield ToolCallExecutionEvent(content=results, source=self._agent)
            await self._model.context.add_message(FunctionExecutionResultMessage(content=results))
            if iteration == self._iterations:
                if self._reflect:
                    async with aclosing(self._put_into_words(cancellation_token)) as steps:
                        async for step in steps:
                            yield step
                else:
                    yield self._summary(calls, results)

    async def _tools(self) -> tuple[list[Any], Mapping[str, Workbench]]:
        schemas: list[Any] = []
        home: dict[str, Workbench] = {}
        for workbench in self._workbenches:
            for schema in await workbench.list_tools():
                if schema["name"] not in home:
                    home[schema["name"]] = workbench
                    schemas.append(schema)
        return schemas, home

    async def _call(
        self, call: FunctionCall, home: Mapping[str, Workbench], cancellation_token: CancellationToken
    ) -> FunctionExecutionResult:
        def failed(text: str) -> FunctionExecutionResult:
            return FunctionExecutionResult(content=text, name=call.name, call_id=call.id, is_error=True)

        try:
            arguments = json.loads(call.arguments or "{}")
        except json.JSONDecodeError as error:
            return failed(f"The arguments of {call.name} are not JSON: {error}.")
        if not isinstance(arguments, dict):
            return failed(f"The arguments of {call.name} must be a JSON object, not {type(arguments).__name__}.")
        workbench = home.get(call.name)
        if workbench is None:
            return failed(f"No tool is named {call.name!r} (known: {', '.join(map(repr, home)) or 'none'}).")
        try:
            result = await workbench.call_tool(call.name, arguments, cancellation_token, call.id)
        except Exception as error:
            # What a tool did wrong is an answer to the model: it may try otherwise.
            return failed(f"{type(error).__name__}: {error}")
        return FunctionExecutionResult(
            content=result.to_text(), name=call.name, call_id=call.id, is_error=result.is_error
        )

    async def _put_into_words(self, cancellation_token: CancellationToken) -> AsyncGenerator[Step, None]:
        message_id = new_id()
        async with aclosing(self._model.ask(message_id, cancellation_token, tool_choice="none")) as pieces:
            async for piece in pieces:
                if not isinstance(piece, CreateResult):
                    yield piece
                    continue
                if not isinstance(piece.content, str):
                    raise ModelResponseInvalid(
                        f"{self._model.client.model_name} was asked to put tool results into words "
                        "but called tools again."
                    )
                if piece.thought:
                    yield ThoughtEvent(content=piece.thought, source=self._agent)
                yield self._text(piece, piece.content, message_id)

    def _text(self, result: CreateResult, content: str, message_id: str) -> Response:
        return Response(
            chat_message=TextMessage(id=message_id, content=content, source=self._agent, models_usage=result.usage)
        )

    def _summary(self, calls: list[FunctionCall], results: list[FunctionExecutionResult]) -> Response:
        text = "\n".join(self._summarise(call, result) for call, result in zip(calls, results, strict=True))
        return Response(
            chat_message=ToolCallSummaryMessage(content=text, source=self._agent, tool_calls=calls, results=results)
        )
