"""An agent that asks a model and calls tools."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from agentnb.agents.base import BaseChatAgent
from agentnb.agents.tool_loop import Model, ToolLoop
from agentnb.base import Response
from agentnb.core import CancellationToken
from agentnb.exceptions import AgentFailed, UserError
from agentnb.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    FunctionCall,
    FunctionExecutionResult,
    HandoffMessage,
    ModelClientStreamingChunkEvent,
    SystemMessage,
    TextMessage,
    ToolCallSummaryMessage,
)
from agentnb.model_context import ChatCompletionContext, UnboundedChatCompletionContext
from agentnb.models.base import ChatCompletionClient
from agentnb.tools import BaseTool, FunctionTool, StaticWorkbench, Workbench

DEFAULT_DESCRIPTION = "An assistant that answers questions and uses tools."
DEFAULT_SYSTEM_MESSAGE = (
    "You are a helpful assistant. Solve the task step by step, with your tools where they help. "
    "Write TERMINATE once it is done."
)


def _workbench(tools: Sequence[Any] | None, workbench: Workbench | Sequence[Workbench] | None) -> list[Workbench]:
    if workbench is not None:
        if tools:
            raise UserError("An agent takes `tools` or `workbench`, not both; put the tools into a StaticWorkbench.")
        return [workbench] if isinstance(workbench, Workbench) else list(workbench)
    made = []
    for tool in tools or ():
        if isinstance(tool, BaseTool):
            made.append(tool)
        elif callable(tool):
            made.append(FunctionTool(tool, description=(tool.__doc__ or "").strip()))
        else:
            raise UserError(f"{tool!r} is no tool; give a function or a BaseTool.")
    return [StaticWorkbench(made)] if made else []


class AssistantAgent(BaseChatAgent):
    """Asks a model, calls the tools it wants, and answers.

    ```python
    agent = AssistantAgent("helper", model_client=client, tools=[get_weather], model_client_stream=True)
    await agent.run(task="Is it raining in Oslo?")
    ```

    Args:
        name: A Python identifier.
        model_client: The model.
        tools: Functions or tools the model may call; with their docstrings as descriptions.
        workbench: Sets of tools, in place of `tools`.
        model_context: What the model is shown of the conversation; default: all of it.
        description: What the agent is good for, as others read it.
        system_message: Instructions to the model; None for none.
        model_client_stream: Whether answers are shown while they are written.
        reflect_on_tool_use: Whether the model puts tool results into words; else they are the answer as they are.
        max_tool_iterations: How many times the model may ask for tools in one turn.
        tool_call_summary_format: Shapes a result, with `{tool_name}`, `{arguments}`, `{result}`, `{is_error}`.
        tool_call_summary_formatter: Shapes a result in its place.
        metadata: Added to each answer's metadata.

    Raises:
        ValueError: If the tools do not go together, or the model cannot call any.
    """

    def __init__(
        self,
        name: str,
        model_client: ChatCompletionClient,
        *,
        tools: Sequence[BaseTool[Any, Any] | Callable[..., Any]] | None = None,
        workbench: Workbench | Sequence[Workbench] | None = None,
        model_context: ChatCompletionContext | None = None,
        description: str = DEFAULT_DESCRIPTION,
        system_message: str | None = DEFAULT_SYSTEM_MESSAGE,
        model_client_stream: bool = False,
        reflect_on_tool_use: bool | None = None,
        max_tool_iterations: int = 1,
        tool_call_summary_format: str = "{result}",
        tool_call_summary_formatter: Callable[[FunctionCall, FunctionExecutionResult], str] | None = None,
        metadata: dict[str, str] | None = None,
    ) -> None:
        super().__init__(name, description)
        workbenches = _workbench(tools, workbench)
        if workbenches and not model_client.model_info["function_calling"]:
            raise UserError(
                f"The agent {name!r} has tools, but {model_client.model_name} cannot call any. "
                "Choose a model that can, or give the agent no tools."
            )
        if max_tool_iterations < 1:
            raise UserError(f"max_tool_iterations is {max_tool_iterations}; it must be at least 1.")
        self._context = model_context or UnboundedChatCompletionContext()
        self._system = [SystemMessage(content=system_message)] if system_message is not None else []
        self._model = Model(name, model_client, self._system, self._context, stream=model_client_stream)
        self._loop = ToolLoop(
            name,
            self._model,
            workbenches,
            reflect=bool(reflect_on_tool_use),
            iterations=max_tool_iterations,
            summarise=tool_call_summary_formatter or _formatter(tool_call_summary_format),
        )
        self._metadata = metadata or {}

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage, ToolCallSummaryMessage, HandoffMessage)

    @property
    def model_context(self) -> ChatCompletionContext:
        return self._context

    def _run_model(self) -> str:
        return self._model.client.model_name

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        async with aclosing(self.on_messages_stream(messages, cancellation_token)) as items:
            async for item in items:
                if isinstance(item, Response):
                    return item
        raise AgentFailed(f"The agent {self.name!r} ended without an answer.")

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | Response, None]:
        for message in messages:
            if isinstance(message, HandoffMessage):
                for before in message.context:
                    await self._context.add_message(before)
            await self._context.add_message(message.to_model_message())
        inner: list[BaseAgentEvent | BaseChatMessage] = []
        async with aclosing(self._loop.steps(cancellation_token)) as steps:
            async for item in steps:
                if isinstance(item, Response):
                    item.chat_message.metadata.update(self._metadata)
                    yield Response(chat_message=item.chat_message, inner_messages=inner)
                    return
                if not isinstance(item, ModelClientStreamingChunkEvent):
                    inner.append(item)
                yield item

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        await self._context.clear()

    async def save_state(self) -> Mapping[str, Any]:
        return {
            "type": "AssistantAgentState",
            "version": "1.0.0",
            "llm_context": await self._context.save_state(),
        }

    async def load_state(self, state: Mapping[str, Any]) -> None:
        await self._context.load_state(state["llm_context"])

    async def close(self) -> None:
        await self._model.client.close()


def _formatter(template: str) -> Callable[[FunctionCall, FunctionExecutionResult], str]:
    def summarise(call: FunctionCall, result: FunctionExecutionResult) -> str:
        return template.format(
            tool_name=call.name, arguments=call.arguments, result=result.content, is_error=result.is_error
        )

    return summarise
