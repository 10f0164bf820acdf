"""What OpenAI-compatible servers are asked: messages, tools and options as the bytes of a request."""

from __future__ import annotations

import copy
import json
import re
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_json

from agentnb.core import inline_refs, well_formed
from agentnb.exceptions import ModelResponseInvalid, UserError
from agentnb.messages import (
    AssistantMessage,
    FunctionCall,
    FunctionExecutionResultMessage,
    Image,
    LLMMessage,
    SystemMessage,
    UserMessage,
)
from agentnb.messages.llm import edits
from agentnb.models.base import ToolChoice, tool_schema
from agentnb.runlog.questions import void

__all__ = [
    "FieldWriter",
    "MessageWriter",
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


@lru_cache(maxsize=1024)
def _checked(name: str, what: str, way_out: str) -> str:
    if not _NAME.match(name):
        raise UserError(
            f"The {what} {name!r} cannot be sent to the model: 1 to 64 letters, digits, '_' and '-' are allowed. "
            + way_out
        )
    return name


def json_bytes(value: Any) -> bytes:
    """Return JSON as it is sent; half of a surrogate pair, which no UTF-8 can hold, becomes U+FFFD."""
    return well_formed(json.dumps(value, ensure_ascii=False, separators=(",", ":"))).encode()


def _text_bytes(value: Any) -> bytes:
    # The same for what holds texts alone, where it is an eighth of the price.
    try:
        return to_json(value)
    except PydanticSerializationError:
        return json_bytes(value)


class _Conversation:
    """What was written of one conversation that grows: its messages, their JSON, and what to look at again."""

    __slots__ = ("edits", "first", "loose", "parts", "rest", "systems")

    def __init__(self, first: weakref.ref[LLMMessage]) -> None:
        self.first = first
        self.rest: list[LLMMessage] = []
        self.parts: list[bytes] = []
        self.systems: list[int] = []
        self.loose: list[tuple[int, Any]] = []
        self.edits = edits.count

    def stands(self, messages: Sequence[LLMMessage]) -> bool:
        """Tell whether `messages` begin with those written, unchanged."""
        # Compared as lists, where the same object is equal without a look at it. A field that was set is counted;
        # what a list in a field holds has to be looked at.
        rest = messages[1 : len(self.parts)]
        return (
            self.edits == edits.count
            and self.first() is messages[0]
            and (rest if type(rest) is list else list(rest)) == self.rest
            and all(_fingerprint(messages[place]) == seen for place, seen in self.loose)
        )


class MessageWriter:
    """Writes messages as JSON, each one once: what a long history costs at a call is a comparison of two lists.

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
        self._needs_words = dialect in ("claude", "gemini")
        self._conversations: dict[int, _Conversation] = {}

    def write(self, messages: Sequence[LLMMessage], check: Callable[[Sequence[LLMMessage]], None]) -> Sequence[bytes]:
        """Return the JSON of a conversation's messages; what belongs to this writer is not to be changed.

        Args:
            messages: The conversation.
            check: Refuses messages that cannot be sent; it is given those that were not written before.

        Raises:
            ValueError: If a source cannot be sent as a name, or system messages of a model that takes one stand apart.
        """
        key = id(messages[0])
        known = self._conversations.get(key)
        if known is None or not known.stands(messages):
            forget = self._conversations.pop
            # A conversation is forgotten with its first message, so it must not hold that itself.
            known = _Conversation(weakref.ref(messages[0], lambda _: void(forget(key, None))))
        place = len(known.parts)
        new = messages[place:]
        check(new)
        parts = [self._part(message) for message in new]
        known.rest += new if place else new[1:]
        known.parts += parts
        for message in new:
            if message.type == "SystemMessage":
                known.systems.append(place)
            if not isinstance(message.content, str):
                known.loose.append((place, _fingerprint(message)))
            place += 1
        self._conversations[key] = known
        return self._sent(known, messages)

    def _sent(self, known: _Conversation, messages: Sequence[LLMMessage]) -> Sequence[bytes]:
        parts: Sequence[bytes] = known.parts
        if self.merge_system and len(known.systems) > 1:
            first, last = known.systems[0], known.systems[-1]
            parts = [*parts[:first], self._part(_merged(messages, known.systems)), *parts[last + 1 :]]
        if self.dialect == "claude":
            if isinstance(messages[-1], AssistantMessage):
                parts = [*parts[:-1], self._part(_trimmed(messages[-1]))]
            return [*filter(None, parts)]
        return parts

    def _part(self, message: LLMMessage) -> bytes:
        # By their tags: `isinstance` of a pydantic model is ten times as slow.
        if message.type == "FunctionExecutionResultMessage":
            results = [{"role": "tool", "content": r.content, "tool_call_id": r.call_id} for r in message.content]
            return b",".join([_text_bytes(result) for result in results])
        if message.type == "UserMessage":
            item = self._user(message)
        elif message.type == "SystemMessage":
            item = {"role": "system", "content": message.content}
        elif isinstance(message.content, str):
            item = {"role": "assistant", "content": message.content}
        else:
            calls = [_call(call) for call in message.content if isinstance(call, FunctionCall)]
            return _text_bytes({"role": "assistant", "tool_calls": calls, "content": message.thought or None})
        if self._needs_words and isinstance(item["content"], str) and not item["content"].strip():
            if self.dialect == "claude":
                return b""
            item["content"] = item["content"] or " "
        return _text_bytes(item)

    def _user(self, message: UserMessage) -> dict[str, Any]:
        item: dict[str, Any] = {"role": "user"}
        if self.names:
            item["name"] = _checked(
                message.source, "source", "Rename it, or make the client with include_name_in_message=False."
            )
        said = f"{message.source} said:\n" if self.name_prefixes else ""
        if isinstance(message.content, str):
            item["content"] = said + message.content
            return item
        parts = [
            part.to_openai_format("auto") if isinstance(part, Image) else {"type": "text", "text": part}
            for part in message.content
        ]
        if said and parts and parts[0]["type"] == "text":
            parts[0]["text"] = said + parts[0]["text"]
        elif said:
            parts.insert(0, {"type": "text", "text": said})
        return {**item, "content": parts}


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


def _merged(messages: Sequence[LLMMessage], at: Sequence[int]) -> SystemMessage:
    if at[-1] - at[0] != len(at) - 1:
        raise UserError(
            "This model takes one system message, and those given stand apart. Put them side by side, or say "
            "'multiple_system_messages': True in model_info if the model takes several."
        )
    return SystemMessage(content="\n".join(str(messages[i].content) for i in at))


class _Fields(NamedTuple):
    schemas: list[Any]
    fields: dict[str, Any]
    written: bytes


class FieldWriter:
    """Writes what stands round the messages of a request; what is the same again is not written again."""

    def __init__(self) -> None:
        self._known: deque[_Fields] = deque(maxlen=8)

    def body(self, model: str, messages: Sequence[bytes], tools: Sequence[Any], fields: Mapping[str, Any]) -> bytes:
        """Return the JSON of a request.

        Args:
            model: The model's name.
            messages: The JSON of each of the conversation's messages.
            tools: Tools or their schemas.
            fields: Everything else.

        Raises:
            ValueError: If a tool's name cannot be sent.
        """
        schemas = [tool_schema(tool) for tool in tools]
        for known in self._known:
            if known.schemas == schemas and known.fields == fields:
                tail = known.written
                break
        else:
            tail = json_bytes({**({"tools": [tool_json(schema) for schema in schemas]} if tools else {}), **fields})[1:]
            tail = b"," + tail if len(tail) > 1 else tail
            # Copies, which differ from what may be changed in place later.
            self._known.appendleft(_Fields(copy.deepcopy(schemas), copy.deepcopy(dict(fields)), tail))
        parts = [*messages] or [b""]
        # Joined with what stands round them: a long conversation is not copied twice.
        parts[0] = b'%b,"messages":[%b' % (_text_bytes({"model": model})[:-1], parts[0])
        parts[-1] = b"%b]%b" % (parts[-1], tail)
        return b",".join(parts)


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
