"""Tools as an actor, and the loop of a model that calls it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from agentnb.core import AgentId, CancellationToken
from agentnb.core.arguments import at_least_one
from agentnb.exceptions import (
    InvalidToolArgumentsException,
    ToolException,
    ToolExecutionException,
    ToolNotFoundException,
)
from agentnb.messages import (
    AssistantMessage,
    FunctionCall,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
)
from agentnb.models.base import ChatCompletionClient
from agentnb.runlog.recorded import error_text
from agentnb.runtimes import AgentRuntime, BaseAgent, MessageContext, RoutedAgent, message_handler
from agentnb.tools import StaticWorkbench, TextResultContent, Tool, ToolResult, ToolSchema


class _RaisingWorkbench(StaticWorkbench):
    """Lets a tool's error out, to the one who sent the call; recorded as every workbench is."""

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> ToolResult:
        tool = self._find(name)
        value = await tool.run_json(arguments or {}, cancellation_token or CancellationToken(), call_id)
        return ToolResult(name=name, result=[TextResultContent(content=tool.return_value_as_string(value))])


class ToolAgent(RoutedAgent):
    """An actor that answers a `FunctionCall` with a `FunctionExecutionResult`.

    ```python
    await ToolAgent.register(runtime, "tools", lambda: ToolAgent("Looks things up.", [search]))
    result = await runtime.send_message(FunctionCall("1", '{"query": "x"}', "search"), AgentId("tools", "default"))
    ```

    What goes wrong is raised where the call was sent: `ToolNotFoundException`, `InvalidToolArgumentsException` or
    `ToolExecutionException`.

    Raises:
        ValueError: If two tools have one name.
    """

    def __init__(self, description: str, tools: Sequence[Tool]) -> None:
        super().__init__(description)
        self._tools = list(tools)
        self._workbench = _RaisingWorkbench(self._tools)

    @property
    def tools(self) -> list[Tool]:
        """The tools."""
        return list(self._tools)

    @message_handler
    async def handle_function_call(self, message: FunctionCall, ctx: MessageContext) -> FunctionExecutionResult:
        """Call the tool.

        Raises:
            ToolException: One of its subclasses; `content` says what went wrong.
        """
        names = [tool.name for tool in self._tools]
        if message.name not in names:
            known = ", ".join(map(repr, names)) or "none"
            raise ToolNotFoundException(
                message.id, f"No tool is named {message.name!r} (known: {known}).", message.name
            )
        try:
            arguments = json.loads(message.arguments or "{}")
        except json.JSONDecodeError as error:
            text = f"The arguments of {message.name} are not JSON: {error}."
            raise InvalidToolArgumentsException(message.id, text, message.name) from error
        if not isinstance(arguments, dict):
            text = f"The arguments of {message.name} must be a JSON object, not {type(arguments).__name__}."
            raise InvalidToolArgumentsException(message.id, text, message.name)
        try:
            result = await self._workbench.call_tool(message.name, arguments, ctx.cancellation_token, message.id)
        except Exception as error:
            raise ToolExecutionException(message.id, error_text(error), message.name) from error
        return FunctionExecutionResult(
            content=result.to_text(), name=message.name, call_id=message.id, is_error=result.is_error
        )


async def tool_agent_caller_loop(
    caller: BaseAgent | AgentRuntime,
    tool_agent_id: AgentId,
    model_client: ChatCompletionClient,
    input_messages: Sequence[LLMMessage],
    tool_schema: Sequence[ToolSchema | Tool],
    cancellation_token: CancellationToken | None = None,
    caller_source: str = "assistant",
    *,
    max_rounds: int | None = None,
) -> list[LLMMessage]:
    """Ask a model, send the calls it wants to a tool agent at the same time, and ask again until it answers in words.

    Args:
        caller: Who sends the calls: an agent, or a runtime for nobody in particular.
        tool_agent_id: The `ToolAgent`.
        model_client: The model.
        input_messages: What it is asked; left as it is.
        tool_schema: The tools it is told of.
        cancellation_token: Ends the loop.
        caller_source: Whose name the model's messages get.
        max_rounds: Ends the loop after so many rounds of calls; None sets no bound.

    Returns:
        The messages that came to be: the model's, and one with results after each round of calls. A tool's error is a
        result with `is_error` that says what went wrong.

    Raises:
        ValueError: If `max_rounds` is not positive.
        Exception: Whatever the model client raises, or sending a call beyond a tool's own error.
    """
    at_least_one("max_rounds", max_rounds, none="no bound")
    generated: list[LLMMessage] = []

    async def answer() -> str | list[FunctionCall]:
        result = await model_client.create(
            [*input_messages, *generated], tools=tool_schema, cancellation_token=cancellation_token
        )
        generated.append(AssistantMessage(content=result.content, thought=result.thought, source=caller_source))
        return result.content

    async def call(wanted: FunctionCall) -> FunctionExecutionResult:
        try:
            result = await caller.send_message(wanted, tool_agent_id, cancellation_token=cancellation_token)
        except ToolException as error:
            return FunctionExecutionResult(
                content=f"Error: {error}", name=wanted.name, call_id=error.call_id, is_error=True
            )
        return FunctionExecutionResult.model_validate(result)

    content = await answer()
    rounds = 0
    while isinstance(content, list) and content and (max_rounds is None or rounds < max_rounds):
        rounds += 1
        results = await asyncio.gather(*(call(wanted) for wanted in content))
        generated.append(FunctionExecutionResultMessage(content=results))
        content = await answer()
    return generated
