"""Between messages and their saved forms, many at once: long conversations consist of texts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cache
from types import NoneType
from typing import Any

from pydantic_core import SchemaSerializer, core_schema

from agentnb.core import well_formed
from agentnb.messages.chat import BaseAgentEvent, BaseChatMessage, BaseMessage, TextMessage
from agentnb.messages.content import RequestUsage
from agentnb.messages.llm import AssistantMessage, LLMMessage, UserMessage
from agentnb.messages.saved import Form, Loaded, Uncollected
from agentnb.messages.unchecked import unchecked


def write_messages(messages: Iterable[LLMMessage]) -> list[Form]:
    """Return the messages JSON-ready; the data must not be changed.

    A message that is nothing but text gives its own values: where it is set to others, it gets a dict of its own first.
    """
    return [
        values
        if type(message) in _PLAIN and type((values := message.__dict__)["content"]) is str
        else message.model_dump(mode="json")
        for message in messages
    ]


_PLAIN = (UserMessage, AssistantMessage)


def load_messages(saved: Iterable[Any], read: Callable[[Any, int], LLMMessage]) -> Loaded[LLMMessage]:
    """Look through saved messages of a model's context.

    Args:
        saved: Their forms.
        read: Makes a message of the form of anything but text, or of one written otherwise, given its place, from 1.
    """
    contents: list[Any] = []
    sources: list[Any] = []
    thoughts: list[Any] = []
    others: dict[int, LLMMessage] = {}
    with Uncollected():
        for place, form in enumerate(saved):
            try:
                content, source, kind = form["content"], form["source"], form["type"]
                if type(content) is type(source) is str and type(form) is dict:
                    if kind == "UserMessage":
                        contents.append(content)
                        sources.append(source)
                        thoughts.append(_USER)
                        continue
                    if kind == "AssistantMessage" and type(thought := form["thought"]) in _THOUGHTS:
                        contents.append(content)
                        sources.append(source)
                        thoughts.append(thought)
                        continue
            except (LookupError, TypeError):
                pass  # who reads it finds out what is wrong with it
            others[place] = read(form, place + 1)
            contents.append(None)
            sources.append(None)
            thoughts.append(None)
    return Loaded((contents, sources, thoughts), others, _text_read, _text_read_form)


_USER = object()
"""Stands in place of the thought of one who has none to write."""
_THOUGHTS = (NoneType, str)


def _text_read(content: str, source: str, thought: Any) -> LLMMessage:
    if not content.isascii():
        content = well_formed(content)
    if thought is _USER:
        return unchecked(UserMessage, {"content": content, "source": source, "type": "UserMessage"})
    thought = thought and well_formed(thought)
    values = {"content": content, "thought": thought, "source": source, "type": "AssistantMessage"}
    return unchecked(AssistantMessage, values)


def _text_read_form(content: str, source: str, thought: Any) -> Form:
    if thought is _USER:
        return {"content": content, "source": source, "type": "UserMessage"}
    return {"content": content, "thought": thought, "source": source, "type": "AssistantMessage"}


def write_said(messages: Sequence[BaseMessage]) -> list[Form]:
    """Return what each message dumps; the data must not be changed."""
    forms: list[Form] = []
    texts: list[Form] = []
    for message in messages:
        if type(message) is TextMessage:
            form = message.__dict__.copy()
            usage: RequestUsage | None = form["models_usage"]
            if usage is not None:
                tokens = {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}
                form["models_usage"] = tokens
            form["metadata"] = form["metadata"].copy() if form["metadata"] else _NOTHING
            texts.append(form)
        else:
            form = dict(message.dump())
        forms.append(form)
    times = _times().to_python([form["created_at"] for form in texts], mode="json")
    for form, at in zip(texts, times, strict=True):
        form["created_at"] = at
    return forms


_NOTHING: dict[str, str] = {}
"""Every empty metadata of a form."""


@cache
def _times() -> SchemaSerializer:
    return SchemaSerializer(core_schema.list_schema(core_schema.datetime_schema()))


Said = BaseAgentEvent | BaseChatMessage


def load_said(saved: Iterable[Any], read: Callable[[Any, int], Said]) -> Loaded[Said]:
    """Look through saved messages of a conversation.

    Args:
        saved: Their forms.
        read: Makes a message of the form of anything but text, or of one written otherwise, given its place, from 1.
    """
    forms = list(saved)
    others: list[int] = []
    columns: list[list[Any]] = [[] for _ in range(7)]
    ids, sources, prompts, completions, metadatas, times, contents = columns
    with Uncollected():
        for place, form in enumerate(forms):
            try:
                id, source, content, at = form["id"], form["source"], form["content"], form["created_at"]
                usage, metadata = form["models_usage"], form["metadata"]
                prompt, completion = (
                    (None, None) if usage is None else (usage["prompt_tokens"], usage["completion_tokens"])
                )
                if (
                    form["type"] == "TextMessage"
                    and type(id) is type(source) is type(content) is str
                    and (usage is None or type(prompt) is type(completion) is int)
                    and type(form) is type(metadata) is dict
                    and (not metadata or {*map(type, metadata), *map(type, metadata.values())} == {str})
                ):
                    ids.append(id)
                    sources.append(source)
                    prompts.append(prompt)
                    completions.append(completion)
                    metadatas.append(metadata.copy() if metadata else _NOTHING)
                    times.append(at)
                    contents.append(content)
                    continue
            except (LookupError, TypeError):
                pass  # who reads it finds out what is wrong with it
            others.append(place)
            for column in columns:
                column.append(_NO_TEXT)
        if not _as_dumped(times):
            found = {*others}
            others = [place for place, at in enumerate(times) if place in found or not _as_dumped([at])]
        return Loaded(columns, {place: read(forms[place], place + 1) for place in others}, _text_said, _text_said_form)


def _as_dumped(times: list[Any]) -> bool:
    """Tell whether each time is one just as it is dumped; `fromisoformat` reads more, such as weeks."""
    try:
        shapes = {*"\n".join(times).translate(_DIGITS).split("\n")}
        deque(map(datetime.fromisoformat, times), maxlen=0)
    except (TypeError, ValueError):
        return False
    return not times or shapes <= _DUMPED


_NO_TEXT = "1970-01-01T00:00:00Z"
"""Fills the columns where no text is; all times are looked at together."""
_DIGITS = str.maketrans("123456789", "000000000")
_DUMPED = {"0000-00-00T00:00:00Z", "0000-00-00T00:00:00.000000Z"}


def _text_said(
    id: str, source: str, prompt: int, completion: int, metadata: dict[str, str], at: str, content: str
) -> TextMessage:
    values = {
        "id": id,
        "source": source,
        "models_usage": None if prompt is None else RequestUsage(prompt, completion),
        "metadata": metadata.copy(),
        "created_at": datetime.fromisoformat(at),
        "content": well_formed(content),
        "type": "TextMessage",
    }
    return unchecked(TextMessage, values)


def _text_said_form(
    id: str, source: str, prompt: int, completion: int, metadata: dict[str, str], at: str, content: str
) -> Form:
    return {
        "id": id,
        "source": source,
        "models_usage": None if prompt is None else {"prompt_tokens": prompt, "completion_tokens": completion},
        "metadata": metadata,
        "created_at": at,
        "content": content,
        "type": "TextMessage",
    }
