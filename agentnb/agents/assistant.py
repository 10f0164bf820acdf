"""An agent that asks a model, calls tools and hands over."""

from __future__ import annotations

import inspect
import warnings
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Self

from pydantic import BaseModel, Field

from agentnb.agents.base import BaseChatAgent, check_state
from agentnb.agents.heard import Heard, Listener
from agentnb.agents.model import Model
from agentnb.agents.stream import streamed
from agentnb.agents.tool_calls import ToolCalls
from agentnb.agents.tool_loop import ToolLoop
from agentnb.base import Handoff, Response, TaskRunner
from agentnb.base.agent import shown_by
from agentnb.core import CancellationToken, Component, ComponentModel
from agentnb.core.arguments import at_least_one, require_function, require_model_class, require_text
from agentnb.core.component import as_shown, described
from agentnb.exceptions import UserError
from agentnb.memory import Memory
from agentnb.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    FunctionCall,
    FunctionExecutionResult,
    HandoffMessage,
    StructuredMessageFactory,
    SystemMessage,
    TextMessage,
    ToolCallSummaryMessage,
)
from agentnb.messages.structured import check_fields
from agentnb.model_context import ChatCompletionContext, UnboundedChatCompletionContext
from agentnb.model_context.base import require_context
from agentnb.models.base import ChatCompletionClient, name_of, require_client
from agentnb.tools import BaseTool, FunctionTool, StaticStreamWorkbench, StaticWorkbench, Workbench

DEFAULT_DESCRIPTION = "An assistant that answers questions and uses tools."
DEFAULT_SYSTEM_MESSAGE = (
    "You are a helpful assistant. Solve the task step by step, with your tools where they help. "
    "Write TERMINATE once it is done."
)


class AssistantAgentConfig(BaseModel, defer_build=True):
    """An assistant as it is written; its tools lie in workbenches, and `tools` is only read."""

    name: str
    model_client: ComponentModel
    tools: list[ComponentModel] | None = None
    workbench: list[ComponentModel] | ComponentModel | None = None
    handoffs: list[Handoff | str] | None = None
    model_context: ComponentModel | None = None
    memory: list[ComponentModel] | None = None
    description: str
    system_message: str | None = None
    model_client_stream: bool = False
    reflect_on_tool_use: bool
    tool_call_summary_format: str
    max_tool_iterations: int = Field(default=1, ge=1)
    metadata: dict[str, str] | None = None
    structured_message_factory: ComponentModel | None = None


_PARTS = frozenset({"model_client", "workbench", "model_context", "memory", "structured_message_factory"})
"""What of its config is described by itself."""


class AssistantAgent(Listener, BaseChatAgent, Component[AssistantAgentConfig]):
    """Asks a model, calls the tools it wants, and answers or hands over.

    ```python
    agent = AssistantAgent("helper", model_client=client, tools=[get_weather], model_client_stream=True)
    await agent.run(task="Is it raining in Oslo?")
    ```

    A turn: the memories speak, the model is asked, its calls are carried out at the same time, and so on up to
    `max_tool_iterations`; then the last results are the answer, or are put into words. A call of a handoff ends the
    turn with a `HandoffMessage`. What goes wrong in a tool is told to the model. Cancelling the token ends the turn at
    once; the agent can be asked again.

    Args:
        name: A Python identifier.
        model_client: The model.
        tools: Functions or tools the model may call; functions with their docstrings as descriptions.
        workbench: Sets of tools, in place of `tools`. Of two tools with one name the first counts.
        handoffs: Who may get the word, as names or `Handoff`s; of several in one answer the first counts.
        model_context: What the model is shown of the conversation; default: all of it.
        description: What the agent is good for, as others read it.
        system_message: Instructions to the model; None for none.
        model_client_stream: Whether answers are shown while they are written. Each piece has the id of the message
            that it becomes part of.
        reflect_on_tool_use: Whether the model puts tool results into words; else they are the answer as they are.
            Default: only with `output_content_type`.
        max_tool_iterations: How many times the model may ask for tools in one turn.
        tool_call_summary_format: Shapes a result, with `{tool_name}`, `{arguments}`, `{result}`, `{is_error}`.
        tool_call_summary_formatter: Shapes a result in its place; it is not written by `dump_component`.
        output_content_type: What answers are to look like; they are then `StructuredMessage`s. A request that offers
            tools does not bind the model, for many servers could then call none: an answer in words that does not
            fit is asked for again, bound and without tools.
        output_content_type_format: Shapes their text, with the fields' names in braces.
        memory: Shown to the model in each request of a turn, and kept in no conversation.
        metadata: Added to each answer's metadata.

    Raises:
        ValueError: If tools and handoffs do not go together, the model cannot call any, or a format names an unknown
            field.
        TypeError: If an argument is of another kind: the name of a model as its client, one function as `tools`.
    """

    component_config_schema = AssistantAgentConfig
    component_version = 2

    def __init__(
        self,
        name: str,
        model_client: ChatCompletionClient,
        *,
        tools: Sequence[BaseTool[Any, Any] | Callable[..., Any]] | None = None,
        workbench: Workbench | Sequence[Workbench] | None = None,
        handoffs: Sequence[Handoff | str] | None = None,
        model_context: ChatCompletionContext | None = None,
        description: str = DEFAULT_DESCRIPTION,
        system_message: str | None = DEFAULT_SYSTEM_MESSAGE,
        model_client_stream: bool = False,
        reflect_on_tool_use: bool | None = None,
        max_tool_iterations: int = 1,
        tool_call_summary_format: str = "{result}",
        tool_call_summary_formatter: Callable[[FunctionCall, FunctionExecutionResult], str] | None = None,
        output_content_type: type[BaseModel] | None = None,
        output_content_type_format: str | None = None,
        memory: Sequence[Memory] | None = None,
        metadata: dict[str, str] | None = None,
    ) -> None:
        super().__init__(name, description)
        require_client(model_client, f"the agent {name!r}")
        require_context(model_context, f"the agent {name!r}")
        made = _tools(name, tools)
        if made and workbench is not None:
            raise UserError(
                f"The agent {name!r} is given both `tools` and a `workbench`; put the tools into one, too: "
                "workbench=[…, StaticWorkbench([…])]."
            )
        self._workbenches = [StaticStreamWorkbench(made)] if workbench is None else _workbenches(name, workbench)
        self._handoffs = _handoffs(name, handoffs, {tool.name for tool in made})
        able = made or workbench is not None or self._handoffs
        if able and not model_client.model_info["function_calling"]:
            raise UserError(
                f"The agent {name!r} has {'tools' if made or workbench is not None else 'handoffs'}, but "
                f"{name_of(model_client)} cannot call any. Choose a model that can, or give the agent none."
            )
        at_least_one("max_tool_iterations", max_tool_iterations)
        if system_message is not None:
            require_text(f"The system_message of the agent {name!r}", system_message)
        if tool_call_summary_formatter is not None:
            what = f"The tool_call_summary_formatter of the agent {name!r}"
            require_function(what, tool_call_summary_formatter, "a function of a call and its result")
        else:
            check_fields(
                tool_call_summary_format, {"tool_name", "arguments", "result", "is_error"}, "tool_call_summary_format"
            )
        self._context = model_context or UnboundedChatCompletionContext()
        self._heard = Heard(self._context)
        self._system_message = system_message
        self._stream = model_client_stream
        self._reflects = output_content_type is not None if reflect_on_tool_use is None else reflect_on_tool_use
        self._iterations = max_tool_iterations
        self._summary_format = tool_call_summary_format
        self._summary_formatter = tool_call_summary_formatter
        self._memories = _memories(name, memory)
        self._metadata = metadata or {}
        self._client = model_client
        self._still = {tool.name for tool in made if not hasattr(tool, "run_json_stream")}
        self._answers: StructuredMessageFactory | None = None
        if output_content_type is not None:
            require_model_class(f"The output_content_type of the agent {name!r}", output_content_type)
            self._answers = StructuredMessageFactory(
                input_model=output_content_type, format_string=output_content_type_format
            )
        self._loop = self._made_ready()

    def _made_ready(self) -> ToolLoop:
        system = [SystemMessage(content=self._system_message)] if self._system_message is not None else []
        model = Model(self._name, self._client, system, self._context, stream=self._stream)
        handing = StaticWorkbench([handoff.handoff_tool for handoff in self._handoffs.values()])
        calls = ToolCalls(self._name, self._workbenches, handing if self._handoffs else None, self._still)
        return ToolLoop(
            self._heard,
            model,
            calls,
            handoffs=self._handoffs,
            memories=self._memories,
            answers=self._answers,
            reflect=self._reflects,
            iterations=self._iterations,
            summarise=self._summary_formatter or _formatter(self._summary_format),
            metadata=self._metadata,
        )

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        plain = (TextMessage, ToolCallSummaryMessage, HandoffMessage)
        return plain if self._answers is None else (*plain, self._answers.StructuredMessage)

    @property
    def model_context(self) -> ChatCompletionContext:
        """What the model is shown."""
        return self._context

    def _run_model(self) -> str:
        return name_of(self._client)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        return await self._answer_streamed(messages, cancellation_token)

    @shown_by(lambda agent: agent._loop.turn)
    def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | Response, None]:
        return streamed(partial(self._loop.turn, messages, cancellation_token))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        await self._context.clear()
        self._heard.clear()

    async def save_state(self) -> Mapping[str, Any]:
        return {
            "type": "AssistantAgentState",
            "version": "1.0.0",
            "llm_context": await self._context.save_state(),
            **self._heard.save_state(),
        }

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state, AutoGen's too.

        Raises:
            ValueError: If it is no assistant's.
        """
        check_state(self, state, "llm_context")
        await self._context.load_state(state["llm_context"])
        self._heard.load_state(state)

    def _inside(self) -> Iterable[TaskRunner]:
        called = [runner for bench in self._workbenches for runner in bench._inside()]
        return [one for runner in called for one in (runner, *runner._inside())]

    async def close(self) -> None:
        await self._client.close()

    # -- as JSON --------------------------------------------------------------------------------------------------

    def _config(self, write: Callable[[Any], Any]) -> dict[str, Any]:
        return {
            "name": self._name,
            "model_client": write(self._client),
            "workbench": [write(workbench) for workbench in self._workbenches],
            "handoffs": list(self._handoffs.values()) or None,
            "model_context": write(self._context),
            "memory": [write(memory) for memory in self._memories] or None,
            "description": self._description,
            "system_message": self._system_message,
            "model_client_stream": self._stream,
            "reflect_on_tool_use": self._reflects,
            "tool_call_summary_format": self._summary_format,
            "max_tool_iterations": self._iterations,
            "metadata": self._metadata,
            "structured_message_factory": write(self._answers) if self._answers else None,
        }

    def _to_config(self) -> AssistantAgentConfig:
        return AssistantAgentConfig(**self._config(lambda part: part.dump_component()))

    def dump_component(self) -> ComponentModel:
        """Write the agent as JSON-ready data.

        Raises:
            UserError: If a part cannot be written, such as a tool that is a lambda.
        """
        if self._summary_formatter is not None:
            warnings.warn(
                f"The tool_call_summary_formatter of the agent {self.name!r} is a function and is not written; "
                "tool_call_summary_format is.",
                UserWarning,
                stacklevel=2,
            )
        return super().dump_component()

    def _describe_config(self) -> dict[str, Any]:
        # Part by part: one tool that cannot be written shall not hide the rest.
        config = {name: held for name, held in self._config(described).items() if held is not None}
        own: dict[str, Any] = as_shown({name: held for name, held in config.items() if name not in _PARTS})
        return config | own

    @classmethod
    def _from_config(cls, config: AssistantAgentConfig) -> Self:
        given = config.workbench
        benches = [given] if isinstance(given, ComponentModel) else given
        client = ChatCompletionClient.load_component(config.model_client)
        if not client.model_info["function_calling"] and all(b.config.get("tools") == [] for b in benches or ()):
            benches = None  # how an agent without tools is written, whose model need not be able to call any
        factory = config.structured_message_factory
        answers = StructuredMessageFactory.load_component(factory) if factory else None
        options: dict[str, Any] = {
            "tools": [BaseTool.load_component(tool) for tool in config.tools] if config.tools else None,
            "workbench": [Workbench.load_component(bench) for bench in benches] if benches else None,
            "handoffs": config.handoffs,
            "model_context": ChatCompletionContext.load_component(config.model_context)
            if config.model_context
            else None,
            "description": config.description,
            "system_message": config.system_message,
            "model_client_stream": config.model_client_stream,
            "reflect_on_tool_use": config.reflect_on_tool_use,
            "max_tool_iterations": config.max_tool_iterations,
            "tool_call_summary_format": config.tool_call_summary_format,
            "output_content_type": answers.ContentModel if answers else None,
            "output_content_type_format": answers.format_string if answers else None,
            "memory": [Memory.load_component(memory) for memory in config.memory] if config.memory else None,
            "metadata": config.metadata,
        }
        try:
            inspect.signature(cls).bind(config.name, client, **options)
        except TypeError as error:
            raise UserError(
                f"A {cls.__name__} is not made with an AssistantAgent's arguments ({error}). "
                f"Define {cls.__name__}._to_config and {cls.__name__}._from_config."
            ) from error
        made = cls(config.name, client, **options)
        if answers is not None:
            # The factory that was read, which writes its schema as it was.
            made._answers, made._loop = answers, made._made_ready()
        return made

    @classmethod
    def _from_config_past_version(cls, config: dict[str, Any], version: int) -> Self:
        # AutoGen's first version differs only in that it knew no workbench.
        return cls._from_config(AssistantAgentConfig.model_validate(config))


def _tools(agent: str, tools: Any) -> list[BaseTool[Any, Any]]:
    if tools is not None and (isinstance(tools, str) or not isinstance(tools, Iterable)):
        name = getattr(tools, "__name__", "…")
        raise TypeError(
            f"The tools of the agent {agent!r} are {tools!r:.80}; give a list of functions or tools: tools=[{name}]."
        )
    made: list[BaseTool[Any, Any]] = []
    for tool in tools or ():
        if isinstance(tool, BaseTool):
            made.append(tool)
        elif callable(tool):
            made.append(FunctionTool(tool, description=(tool.__doc__ or "").strip()))
        else:
            raise UserError(f"{tool!r:.80} is no tool; give the agent {agent!r} functions or BaseTools.")
    return made


def _workbenches(agent: str, given: Any) -> list[Workbench]:
    many = isinstance(given, Iterable) and not isinstance(given, str | Workbench)
    benches = list(given) if many else [given]
    for one in benches:
        if not isinstance(one, Workbench):
            raise TypeError(
                f"The workbench of the agent {agent!r} is {given!r:.80}; give a Workbench, such as "
                "StaticWorkbench([…]), or a list of them."
            )
    return benches


def _handoffs(agent: str, handoffs: Any, taken: set[str]) -> dict[str, Handoff]:
    if handoffs is not None and (isinstance(handoffs, str | Handoff) or not isinstance(handoffs, Iterable)):
        raise TypeError(
            f"The handoffs of the agent {agent!r} are {handoffs!r:.80}; give a list of names or Handoffs: "
            f"handoffs=[{handoffs if isinstance(handoffs, str) else '…'!r}]."
        )
    made: list[Handoff] = []
    for handoff in handoffs or ():
        if isinstance(handoff, str):
            handoff = Handoff(target=handoff)
        if not isinstance(handoff, Handoff):
            raise UserError(f"{handoff!r:.80} is no handoff; give the agent {agent!r} names or Handoffs.")
        made.append(handoff)
    twice = [name for name, count in Counter(handoff.name for handoff in made).items() if count > 1]
    if twice:
        raise UserError(
            f"Two handoffs of the agent {agent!r} are named {', '.join(map(repr, twice))}; give each a name of its own."
        )
    both = [handoff.name for handoff in made if handoff.name in taken]
    if both:
        raise UserError(
            f"The agent {agent!r} has both a tool and a handoff named {', '.join(map(repr, both))}; give the handoff "
            "another name: Handoff(target=…, name=…)."
        )
    return {handoff.name: handoff for handoff in made}


def _memories(agent: str, memory: Any) -> list[Memory]:
    if memory is None:
        return []
    if not isinstance(memory, list | tuple):
        raise TypeError(f"The memory of the agent {agent!r} is {memory!r:.80}; it must be a list: memory=[...].")
    for one in memory:
        if not isinstance(one, Memory):
            raise TypeError(
                f"The memory of the agent {agent!r} holds {one!r:.80}, which is no Memory; give some, such as a "
                "ListMemory."
            )
    return list(memory)


def _formatter(template: str) -> Callable[[FunctionCall, FunctionExecutionResult], str]:
    def summarise(call: FunctionCall, result: FunctionExecutionResult) -> str:
        return template.format(
            tool_name=call.name, arguments=call.arguments, result=result.content, is_error=result.is_error
        )

    return summarise
