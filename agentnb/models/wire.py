"""OpenAI's chat dialect as pure functions: messages and options out, server-sent pieces in."""

from __future__ import annotations

import copy
import json
import re
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from agentnb.core import inline_refs, well_formed
from agentnb.exceptions import ModelResponseInvalid, UserError
from agentnb.messages import (
    AssistantMessage,
    ChatCompletionTokenLogprob,
    CreateResult,
    FinishReasons,
    FunctionCall,
    FunctionExecutionResultMessage,
    Image,
    LLMMessage,
    RequestUsage,
    SystemMessage,
    TopLogprob,
    UserMessage,
)
from agentnb.models.base import ToolChoice, tool_schema
from agentnb.runlog.log import void

__all__ = [
    "Answer",
    "MessageWriter",
    "event_data",
    "json_bytes",
    "plain_name",
    "response_format",
    "strict_schema",
    "tool_choice_json",
    "tool_json",
    "unwrap_choice",
]

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")


def plain_name(name: str) -> str:
    """Return a name as servers take it: other characters become `_`, at most 64 are kept."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:64]


def _checked(name: str, what: str, way_out: str) -> str:
    if not _NAME.match(name):
        raise UserError(
            f"The {what} {name!r} cannot be sent to the model: 1 to 64 letters, digits, '_' and '-' are allowed. "
            + way_out
        )
    return name


def json_bytes(value: Any) -> bytes:
    return well_formed(json.dumps(value, ensure_ascii=False, separators=(",", ":"))).encode()


class MessageWriter:
    """Writes messages as JSON, each one once: a long history costs one look-up per message and call.

    Args:
        dialect: "openai", "gemini", "claude" or "mistral"; see `catalog.dialect`.
        name_prefixes: Whether a user message begins with "<source> said:".
        names: Whether a user message carries its source as `name`.
        merge_system: Whether neighbouring system messages are joined, for models that take one.
    """

    def __init__(self, dialect: str, *, name_prefixes: bool, names: bool, merge_system: bool) -> None:
        self.dialect = dialect
        self.name_prefixes = name_prefixes
        self.names = names and dialect != "mistral"
        self.merge_system = merge_system
        self._written: dict[int, tuple[weakref.ref[LLMMessage], Any, bytes]] = {}

    def write(self, messages: Sequence[LLMMessage]) -> bytes:
        """Return the JSON array of a conversation.

        Raises:
            ValueError: If a source cannot be sent as a name, or system messages of a model that takes one stand apart.
        """
        if self.merge_system:
            messages = _merged(messages)
        if self.dialect == "claude" and isinstance(messages[-1], AssistantMessage):
            messages = [*messages[:-1], _trimmed(messages[-1])]
        parts = [part for message in messages if (part := self._part(message))]
        return b"[" + b",".join(parts) + b"]"

    def _part(self, message: LLMMessage) -> bytes:
        key = id(message)
        seen = _fingerprint(message)
        known = self._written.get(key)
        if known is not None and known[0]() is message and known[1] == seen:
            return known[2]
        part = b",".join(json_bytes(item) for item in self._items(message))
        forget = self._written.pop
        self._written[key] = (weakref.ref(message, lambda _: void(forget(key, None))), seen, part)
        return part

    def _items(self, message: LLMMessage) -> list[dict[str, Any]]:
        match message:
            case SystemMessage():
                return self._kept({"role": "system", "content": message.content})
            case UserMessage():
                return self._kept(self._user(message))
            case AssistantMessage(content=str(text)):
                return self._kept({"role": "assistant", "content": text})
            case AssistantMessage():
                calls = [_call(call) for call in message.content if isinstance(call, FunctionCall)]
                return [{"role": "assistant", "tool_calls": calls, "content": message.thought or None}]
            case FunctionExecutionResultMessage():
                return [
                    {"role": "tool", "content": result.content, "tool_call_id": result.call_id}
                    for result in message.content
                ]

    def _user(self, message: UserMessage) -> dict[str, Any]:
        item: dict[str, Any] = {"role": "user"}
        if self.names:
            item["name"] = _checked(
                message.source, "source", "Rename it, or make the client with include_name_in_message=False."
            )
        said = f"{message.source} said:\n" if self.name_prefixes else ""
        if isinstance(message.content, str):
            return {**item, "content": said + message.content}
        parts = [
            part.to_openai_format("auto") if isinstance(part, Image) else {"type": "text", "text": part}
            for part in message.content
        ]
        if said and parts and parts[0]["type"] == "text":
            parts[0]["text"] = said + parts[0]["text"]
        elif said:
            parts.insert(0, {"type": "text", "text": said})
        return {**item, "content": parts}

    def _kept(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        content = item["content"]
        if isinstance(content, str) and not content.strip():
            if self.dialect == "claude":
                return []
            if self.dialect == "gemini" and not content:
                return [{**item, "content": " "}]
        return [item]


def _fingerprint(message: LLMMessage) -> Any:
    """Return what the JSON depends on: messages can be changed in place after they were written."""
    match message:
        case FunctionExecutionResultMessage():
            return tuple((result.content, result.call_id) for result in message.content)
        case AssistantMessage() if not isinstance(message.content, str):
            return (message.thought, tuple((call.id, call.name, call.arguments) for call in message.content))
        case UserMessage():
            content = message.content if isinstance(message.content, str) else tuple(message.content)
            return (content, message.source)
    return message.content


def _call(call: FunctionCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _trimmed(message: AssistantMessage) -> AssistantMessage:
    if isinstance(message.content, str) and message.content != message.content.rstrip():
        return message.model_copy(update={"content": message.content.rstrip()})
    return message


def _merged(messages: Sequence[LLMMessage]) -> Sequence[LLMMessage]:
    at = [i for i, message in enumerate(messages) if isinstance(message, SystemMessage)]
    if len(at) < 2:
        return messages
    if at[-1] - at[0] != len(at) - 1:
        raise UserError(
            "This model takes one system message, and those given stand apart. Put them side by side, or say "
            "'multiple_system_messages': True in model_info if the model takes several."
        )
    text = "\n".join(str(messages[i].content) for i in at)
    return [*messages[: at[0]], SystemMessage(content=text), *messages[at[-1] + 1 :]]


def tool_json(tool: Any) -> dict[str, Any]:
    """Return a tool, or its schema, as servers take it.

    Raises:
        ValueError: If its name cannot be sent.
    """
    schema = tool_schema(tool)
    return {
        "type": "function",
        "function": {
            "name": _checked(schema["name"], "tool name", "Rename the tool."),
            "description": schema.get("description", ""),
            "parameters": schema.get("parameters", {"type": "object", "properties": {}}),
            "strict": schema.get("strict", False),
        },
    }


def tool_choice_json(choice: ToolChoice) -> Any:
    """Return a tool choice as servers take it."""
    if isinstance(choice, str):
        return choice
    return {"type": "function", "function": {"name": tool_schema(choice)["name"]}}


def strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return a class's schema in the strict form: every property required, nothing else allowed, no defaults."""
    schema: dict[str, Any] = inline_refs(model.model_json_schema())
    return _strict(copy.deepcopy(schema))  # type: ignore[no-any-return]


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    for key in ("properties", "$defs"):
        if isinstance(node.get(key), dict):
            node[key] = {name: _strict(item) for name, item in node[key].items()}
    for key in ("items", "anyOf", "allOf", "prefixItems"):
        if key in node:
            node[key] = _strict(node[key])
    if node.get("type") == "object":
        node.setdefault("additionalProperties", False)
        if "properties" in node:
            node["required"] = list(node["properties"])
    if len(node.get("allOf", ())) == 1:
        node = {**node.pop("allOf")[0], **node}
    if "default" in node and node["default"] is None:
        del node["default"]
    return node


def response_format(
    json_output: bool | type[BaseModel] | None, schema: Mapping[str, Any] | None, choices: Sequence[str] | None
) -> dict[str, Any] | None:
    """Return what binds the answer's form, None if nothing does.

    Args:
        json_output: True for any JSON, False for text, a class for JSON of its schema.
        schema: A JSON schema that the answer is to match.
        choices: Texts, one of which is to be the answer; it comes as `{"answer": text}`, see `unwrap_choice`.

    Raises:
        ValueError: If more than one is asked for, or there are no choices.
    """
    asked = [name for name, value in (("json_schema", schema), ("choices", choices)) if value is not None]
    if isinstance(json_output, type):
        asked.append("json_output")
    if len(asked) > 1:
        raise UserError(f"Only one of {' and '.join(sorted(asked))} can bind an answer; give one of them.")
    if choices is not None:
        if not choices:
            raise UserError("choices is empty; give at least one text to choose.")
        answer = {"type": "string", "enum": list(choices)}
        schema = {
            "type": "object",
            "properties": {"answer": answer},
            "required": ["answer"],
            "additionalProperties": False,
        }
        return _json_schema("answer", schema)
    if schema is not None:
        return _json_schema(str(schema.get("title", "answer")), schema)
    if isinstance(json_output, type):
        return _json_schema(json_output.__name__, strict_schema(json_output))
    if json_output is None:
        return None
    return {"type": "json_object" if json_output else "text"}


def _json_schema(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "json_schema",
        "json_schema": {"name": plain_name(name) or "answer", "strict": True, "schema": schema},
    }


def unwrap_choice(model: str, text: str, choices: Sequence[str]) -> str:
    """Return the text chosen.

    Raises:
        ModelResponseInvalid: If the answer is none of the choices.
    """
    try:
        chosen = json.loads(text)["answer"]
    except (ValueError, TypeError, KeyError):
        chosen = text.strip()  # servers that ignore the schema often answer with the bare text
    if chosen not in choices:
        raise ModelResponseInvalid(
            f"{model} was to choose one of {list(choices)} and answered {text[:200]!r}.", partial=text
        )
    return str(chosen)


async def event_data(pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield the data of server-sent events from bytes cut anywhere (WHATWG HTML, 9.2.6; lines end with LF or CRLF)."""
    rest = b""
    data: list[bytes] = []
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            line = line.rstrip(b"\r")
            if line.startswith(b"data:"):
                data.append(line[5:].strip())
            elif not line and data:
                yield b"\n".join(data)
                data = []
    if rest.startswith(b"data:"):
        data.append(rest[5:].strip())
    if data:
        yield b"\n".join(data)


_FINISH: dict[str, FinishReasons] = {
    "stop": "stop",
    "end_turn": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "tool_calls": "function_calls",
    "function_call": "function_calls",
    "function_calls": "function_calls",
}

_THINK = re.compile(r"\s*<think>(.*?)</think>\s*", re.DOTALL)


class _Channel:
    """Text that arrives in pieces; half a surrogate pair is held back until its other half comes."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self._held = ""

    def add(self, piece: str) -> str:
        """Take a piece and return what can be shown of it."""
        if self._held:
            piece, self._held = self._held + piece, ""
        if piece and "\ud800" <= piece[-1] <= "\udbff":
            piece, self._held = piece[:-1], piece[-1]
        piece = well_formed(piece)
        if piece:
            self.pieces.append(piece)
        return piece

    def text(self) -> str:
        return "".join(self.pieces) + ("\ufffd" if self._held else "")


class Answer:
    """An answer that grows: from the pieces of a stream, or from a whole message at once.

    Args:
        model: The model in one short text, for errors.
        thinks_in_text: Whether reasoning comes as `<think>…</think>` at the head of the text (family `r1`).
    """

    def __init__(self, model: str, *, thinks_in_text: bool = False) -> None:
        self.model = model
        self.thinks_in_text = thinks_in_text
        self.finish_reason: str | None = None
        self.usage = RequestUsage(0, 0)
        self._content = _Channel()
        self._thought = _Channel()
        self._thinking = False
        self._calls: dict[int, dict[str, str]] = {}
        self._logprobs: list[ChatCompletionTokenLogprob] = []

    @property
    def partial(self) -> str:
        """The text so far."""
        return self._content.text()

    def add(self, chunk: Mapping[str, Any]) -> list[str]:
        """Take a chunk, or a whole completion, and return the texts to show.

        Reasoning is shown between `<think>` and `</think>`.
        """
        usage = chunk.get("usage")
        if usage:
            self.usage = RequestUsage(usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0)
        choices = chunk.get("choices")
        if not choices:
            return []
        choice = choices[0]
        # A whole message is complete however it ended; only a stream can be cut off unnoticed.
        self.finish_reason = choice.get("finish_reason") or ("unknown" if "message" in choice else self.finish_reason)
        message = choice.get("delta") or choice.get("message") or {}
        if message.get("function_call"):
            raise ModelResponseInvalid(
                f"{self.model} answered with the withdrawn 'function_call'; ask a server that sends 'tool_calls'.",
                partial=self.partial,
            )
        logprobs = choice.get("logprobs")
        if logprobs:
            self._logprobs += [_logprob(item) for item in logprobs.get("content") or ()]
        for position, call in enumerate(message.get("tool_calls") or ()):
            self._add_call(call, position)
        return self._texts(message)

    def _texts(self, message: Mapping[str, Any]) -> list[str]:
        shown: list[str] = []
        reasoning = message.get("reasoning_content") or message.get("reasoning")
        if isinstance(reasoning, str) and reasoning:
            if not self._thinking:
                self._thinking = True
                shown.append("<think>")
            shown.append(self._thought.add(reasoning))
        content = message.get("content")
        if content:
            if self._thinking:
                self._thinking = False
                shown.append("</think>")
            shown.append(self._content.add(content))
        return [text for text in shown if text]

    def _add_call(self, delta: Mapping[str, Any], position: int) -> None:
        index = delta.get("index")
        call = self._calls.setdefault(position if index is None else index, {"id": "", "name": "", "arguments": ""})
        function = delta.get("function") or delta.get("custom") or {}
        call["id"] = call["id"] or delta.get("id") or ""
        call["name"] = call["name"] or function.get("name") or ""
        call["arguments"] += function.get("arguments") or function.get("input") or ""

    def result(self) -> CreateResult:
        """Return the whole answer.

        Raises:
            ModelResponseInvalid: If it was cut off: no finish reason came.
        """
        if self.finish_reason is None:
            raise ModelResponseInvalid(
                f"The answer of {self.model} was cut off: it ended without a finish reason after "
                f"{len(self.partial)} characters.",
                partial=self.partial,
            )
        text, thought = self._content.text(), self._thought.text()
        if self.thinks_in_text and not thought and (match := _THINK.match(text)):
            text, thought = text[match.end() :], match[1].strip()
        content: str | list[FunctionCall] = text
        finish = _FINISH.get(self.finish_reason, "unknown")
        if self._calls:
            content, finish = self._function_calls(), "function_calls"
            thought = "\n".join(part for part in (thought, text) if part)
        return CreateResult(
            finish_reason=finish,
            content=content,
            usage=self.usage,
            cached=False,
            logprobs=self._logprobs or None,
            thought=thought or None,
        )

    def _function_calls(self) -> list[FunctionCall]:
        return [
            FunctionCall(
                # A server that numbers nothing still gets answers it can match.
                id=call["id"] or f"call_{index}",
                name=plain_name(call["name"]),
                arguments=well_formed(call["arguments"]),
            )
            for index, call in sorted(self._calls.items())
        ]


def _logprob(item: Mapping[str, Any]) -> ChatCompletionTokenLogprob:
    top = item.get("top_logprobs")
    return ChatCompletionTokenLogprob(
        token=well_formed(item.get("token") or ""),
        logprob=item["logprob"],
        top_logprobs=[TopLogprob(logprob=t["logprob"], bytes=t.get("bytes")) for t in top] if top else None,
        bytes=item.get("bytes"),
    )
