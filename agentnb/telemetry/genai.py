"""Facts of runs as spans of OpenTelemetry's conventions for generative AI.

The conventions are those of the repository semantic-conventions-genai in 2026, which go on from version 1.41 of the
semantic conventions; all of them have the status "development". What was said is left out unless the variable
OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT asks for it ("true", "SPAN_ONLY" or "SPAN_AND_EVENT").
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from agentnb.core import well_formed
from agentnb.messages import (
    AssistantMessage,
    BaseChatMessage,
    CreateResult,
    FunctionCall,
    FunctionExecutionResultMessage,
    Image,
    LLMMessage,
    SystemMessage,
)
from agentnb.runlog import (
    AgentMade,
    CodeFinished,
    CodeStarted,
    Event,
    MemoryFinished,
    MemoryStarted,
    ModelFinished,
    ModelStarted,
    Participant,
    RunLog,
    RunStarted,
    Said,
    ToolFinished,
    ToolStarted,
)
from agentnb.telemetry.base import shown_to
from agentnb.telemetry.spans import PROVIDER, Closing, Kind, Opening

CONTENT_VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"

# The conventions' names of providers, by the prefix of a model's name.
_PROVIDERS = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "google": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "vertex": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
# To bring a context up to date is to search the memory for it.
_MEMORY = {
    "add": "create_memory",
    "clear": "delete_memory",
    "query": "search_memory",
    "update_context": "search_memory",
}
_HERE = ("local", "replay", "scripted")
_REQUEST: dict[str, tuple[str, type[Any]]] = {
    "frequency_penalty": ("gen_ai.request.frequency_penalty", float),
    "max_completion_tokens": ("gen_ai.request.max_tokens", int),
    "max_tokens": ("gen_ai.request.max_tokens", int),
    "n": ("gen_ai.request.choice.count", int),
    "presence_penalty": ("gen_ai.request.presence_penalty", float),
    "seed": ("gen_ai.request.seed", int),
    "temperature": ("gen_ai.request.temperature", float),
    "top_k": ("gen_ai.request.top_k", float),
    "top_p": ("gen_ai.request.top_p", float),
}
# A class's name at the head of an error's text: two capitals, or one of the plain ones.
_ERROR = re.compile(r"([A-Za-z_.]*[A-Z]\w*[A-Z]\w*|Exception)(?=:|$)")


def captures_content() -> bool:
    """Tell whether spans shall hold what was said."""
    return os.environ.get(CONTENT_VARIABLE, "").lower() in ("true", "1", "span_only", "span_and_event")


def is_agent(body: RunStarted) -> bool:
    """Tell whether a run is that of a single agent, not of a team that has the name of its only one."""
    if len(body.participants) != 1 or body.participants[0].name != body.runner:
        return False
    return body.participants[0].role in ("", body.runner_type)


class Work:
    """What an agent's models were asked and answered while its span is open."""

    def __init__(self) -> None:
        self._models: dict[str, None] = {}
        self._tokens: list[int] | None = None
        self._reason: str | None = None
        self._answer: BaseChatMessage | None = None

    def add(self, event: Event, body: ModelFinished | Said) -> None:
        """Take note of a call that ended, or of what the agent said."""
        if isinstance(body, Said):
            if isinstance(body.message, BaseChatMessage):
                self._answer = body.message
            return
        self._models[_model(body.model)] = None
        if body.result is not None:
            self._reason = body.result.finish_reason
        if event.usage is not None:  # else another client within this one has it
            before = self._tokens or [0, 0]
            new = (event.usage.prompt_tokens or 0, event.usage.completion_tokens or 0)
            self._tokens = [sum(pair) for pair in zip(before, new, strict=True)]

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes that are known when the span ends."""
        attributes: dict[str, Any] = {}
        if len(self._models) == 1:
            attributes["gen_ai.request.model"] = next(iter(self._models))
        if self._tokens is not None:
            attributes["gen_ai.usage.input_tokens"], attributes["gen_ai.usage.output_tokens"] = self._tokens
        if self._reason is not None:
            attributes["gen_ai.response.finish_reasons"] = [self._reason]
        if self._answer is not None and captures_content():
            parts = _parts(self._answer.to_model_message().content)
            said = {"role": "assistant", "name": self._answer.source, "parts": parts, "finish_reason": "stop"}
            attributes["gen_ai.output.messages"] = _json([said])
        return attributes


def of_run(log: RunLog, body: RunStarted) -> Opening:
    """Return the span of a run: a workflow's, or an agent's that was asked by itself."""
    if is_agent(body):
        return of_turn(log, body.participants[0])
    attributes = {
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.workflow.name": body.runner,
        "gen_ai.conversation.id": log.id,
    }
    return Opening(f"invoke_workflow {body.runner}", "INTERNAL", attributes)


def of_turn(log: RunLog, agent: Participant) -> Opening:
    """Return the span of an agent at work."""
    attributes = _agent("invoke_agent", agent.name, "", agent.description)
    return Opening(f"invoke_agent {agent.name}", "INTERNAL", attributes | {"gen_ai.conversation.id": log.id})


def of_participant(log: RunLog, agent: Participant) -> Opening:
    """Return the span of an agent that takes part in a conversation for the first time."""
    attributes = _agent("create_agent", agent.name, "", agent.description)
    return Opening(f"create_agent {agent.name}", "CLIENT", attributes | {"gen_ai.conversation.id": log.id})


def of_making(body: AgentMade) -> tuple[Opening, Closing]:
    """Return the span of a runtime that makes an agent."""
    name = body.agent.partition("/")[0]
    attributes = _agent("create_agent", name, body.agent, body.description)
    return Opening(f"create_agent {name}", "CLIENT", attributes), _closing({}, body.error)


def of_model(log: RunLog, event: Event, body: ModelStarted) -> Opening:
    """Return the span of a call of a model."""
    prefix, colon, model = body.model.partition(":")
    provider = _PROVIDERS.get(prefix, prefix) if colon else PROVIDER
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model if colon else body.model,
        "gen_ai.conversation.id": log.id,
        "gen_ai.output.type": "text" if body.output == "text" else "json",
    }
    if body.streaming:
        attributes["gen_ai.request.stream"] = True
    for name, value in body.options.items():
        key, kind = _REQUEST.get(name, ("", object))
        if key and isinstance(value, int | float) and not isinstance(value, bool):
            attributes[key] = kind(value)
    stop = body.options.get("stop")
    if stop:
        attributes["gen_ai.request.stop_sequences"] = [stop] if isinstance(stop, str) else [str(one) for one in stop]
    if captures_content():
        attributes["gen_ai.input.messages"] = _json(_message(message) for message in shown_to(log, event))
    kind_: Kind = "INTERNAL" if prefix in _HERE else "CLIENT"
    return Opening(f"chat {attributes['gen_ai.request.model']}", kind_, attributes)


def model_closing(body: ModelFinished) -> Closing:
    """Return how the span of a model's call ends."""
    result = body.result
    if result is None:
        return _closing({}, body.error or "")
    attributes: dict[str, Any] = {
        "gen_ai.response.model": _model(body.model),
        "gen_ai.response.finish_reasons": [result.finish_reason],
        "gen_ai.usage.input_tokens": result.usage.prompt_tokens,
        "gen_ai.usage.output_tokens": result.usage.completion_tokens,
    }
    if captures_content():
        attributes["gen_ai.output.messages"] = _json([_answer(result)])
    return _closing(attributes, body.error)


def of_tool(body: ToolStarted) -> Opening:
    """Return the span of a tool's call."""
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": body.tool,
        "gen_ai.tool.type": "function",
    }
    if body.call_id:
        attributes["gen_ai.tool.call.id"] = body.call_id
    if captures_content():
        attributes["gen_ai.tool.call.arguments"] = _json(body.arguments)
    return Opening(f"execute_tool {body.tool}", "INTERNAL", attributes)


def tool_closing(body: ToolFinished) -> Closing:
    """Return how the span of a tool's call ends."""
    if not body.is_error:
        return Closing({"gen_ai.tool.call.result": body.result} if captures_content() else {})
    return _closing({}, body.result)


def of_code(body: CodeStarted) -> Opening:
    """Return the span of code that runs: its executor taken as a tool."""
    attributes = _tool(body.executor, "extension")
    if captures_content():
        code = [{"language": block.language, "code": block.code} for block in body.blocks]
        attributes["gen_ai.tool.call.arguments"] = _json({"code_blocks": code})
    return Opening(f"execute_tool {body.executor}", "INTERNAL", attributes)


def code_closing(body: CodeFinished) -> Closing:
    """Return how the span of code ends; code that failed has its exit code as `error.type`."""
    attributes: dict[str, Any] = {} if body.exit_code is None else {"process.exit.code": body.exit_code}
    if captures_content():
        attributes["gen_ai.tool.call.result"] = body.output
    if body.error is None and body.exit_code:
        return Closing(attributes, str(body.exit_code), f"exit code {body.exit_code}")
    return _closing(attributes, body.error)


def of_memory(body: MemoryStarted) -> Opening:
    """Return the span of a memory at work."""
    operation = _MEMORY[body.action]
    attributes = {"gen_ai.operation.name": operation, "gen_ai.memory.store.id": body.memory}
    if captures_content() and operation == "search_memory":
        attributes["gen_ai.memory.query.text"] = body.text
    return Opening(operation, "INTERNAL", attributes)


def memory_closing(body: MemoryFinished) -> Closing:
    """Return how the span of a memory at work ends."""
    found = _MEMORY[body.action] == "search_memory" and body.error is None
    return _closing({"gen_ai.memory.record.count": body.found} if found else {}, body.error)


def _model(name: str) -> str:
    return name.partition(":")[2] or name


def _closing(attributes: dict[str, Any], error: str | None) -> Closing:
    if error is None:
        return Closing(attributes)
    named = _ERROR.match(error)
    return Closing(attributes, named[1] if named else "_OTHER", error)


def _agent(operation: str, name: str, agent_id: str, description: str) -> dict[str, Any]:
    about = {"gen_ai.agent.name": name, "gen_ai.agent.id": agent_id, "gen_ai.agent.description": description}
    known = {key: value for key, value in about.items() if value}
    return {"gen_ai.operation.name": operation, "gen_ai.provider.name": PROVIDER, **known}


def _tool(name: str, sort: str) -> dict[str, Any]:
    return {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name, "gen_ai.tool.type": sort}


def _json(value: Mapping[str, Any] | Iterable[Any]) -> str:
    plain = value if isinstance(value, Mapping) else list(value)
    return well_formed(json.dumps(plain, ensure_ascii=False, default=str))


def _message(message: LLMMessage) -> dict[str, Any]:
    if isinstance(message, SystemMessage):
        return {"role": "system", "parts": [_text(message.content)]}
    if isinstance(message, FunctionExecutionResultMessage):
        answers = [
            {"type": "tool_call_response", "id": one.call_id, "response": one.content} for one in message.content
        ]
        return {"role": "tool", "parts": answers}
    if isinstance(message, AssistantMessage):
        return {"role": "assistant", "name": message.source, "parts": _parts(message.content, message.thought)}
    return {"role": "user", "name": message.source, "parts": _parts(message.content)}


def _answer(result: CreateResult) -> dict[str, Any]:
    reason = "tool_call" if result.finish_reason == "function_calls" else result.finish_reason
    return {"role": "assistant", "parts": _parts(result.content, result.thought), "finish_reason": reason}


def _parts(content: Any, thought: str | None = None) -> list[dict[str, Any]]:
    thoughts = [{"type": "reasoning", "content": thought}] if thought else []
    return thoughts + [_part(item) for item in ([content] if isinstance(content, str) else content)]


def _part(item: str | Image | FunctionCall) -> dict[str, Any]:
    if isinstance(item, str):
        return _text(item)
    if isinstance(item, FunctionCall):
        try:
            arguments = json.loads(item.arguments)
        except ValueError:  # what a model wrote
            arguments = item.arguments
        return {"type": "tool_call", "id": item.id, "name": item.name, "arguments": arguments}
    return {"type": "blob", "modality": "image", "mime_type": "image/png", "content": item.to_base64()}


def _text(content: str) -> dict[str, Any]:
    return {"type": "text", "content": content}
