"""Between messages and their saved forms, many at once: long conversations consist of texts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from types import NoneType
from typing import Any

from pydantic_core import to_jsonable_python

from agentnb.core import well_formed
from agentnb.messages.chat import BaseAgentEvent, BaseChatMessage, BaseMessage, TextMessage
from agentnb.messages.content import RequestUsage
from agentnb.messages.llm import AssistantMessage, LLMMessage, UserMessage
from agentnb.messages.saved import Ahead, Form, Loaded, Uncollected
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


def write_messages_ahead(messages: Sequence[LLMMessage]) -> Ahead | None:
    """Return the messages JSON-ready if they are nothing but text."""
    forms = [
        values
        for message in messages
        if type(message) in _PLAIN and type((values := message.__dict__)["content"]) is str
    ]
    return Ahead(forms) if len(forms) == len(messages) else None


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
        for form in saved:
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
            place = len(contents)
            others[place] = read(form, place + 1)
            contents.append("")
            sources.append("")
            thoughts.append(_USER)
    return Loaded((contents, sources, thoughts), others, _made_messages, _message_forms)


_USER = object()
"""Stands in place of the thought of one who has none to write."""
_THOUGHTS = (NoneType, str)


def _made_messages(contents: list[str], sources: list[str], thoughts: list[Any]) -> list[LLMMessage]:
    if not all(map(str.isascii, contents)):
        contents = [well_formed(content) for content in contents]
    thoughts = [well_formed(thought) if type(thought) is str else thought for thought in thoughts]
    # The form of a message that is nothing but text is its values, as in `write_messages`.
    return [
        unchecked(UserMessage, form) if form["type"] == "UserMessage" else unchecked(AssistantMessage, form)
        for form in _message_forms(contents, sources, thoughts)
    ]


def _message_forms(contents: list[str], sources: list[str], thoughts: list[Any]) -> list[Form]:
    return [
        {"content": content, "source": source, "type": "UserMessage"}
        if thought is _USER
        else {"content": content, "thought": thought, "source": source, "type": "AssistantMessage"}
        for content, source, thought in zip(contents, sources, thoughts, strict=True)
    ]


def write_said(messages: Sequence[BaseMessage]) -> list[Form]:
    """Return what each message dumps; the data must not be changed."""
    forms = [message.__dict__.copy() if type(message) is TextMessage else dict(message.dump()) for message in messages]
    texts = [form for form, message in zip(forms, messages, strict=True) if type(message) is TextMessage]
    times = to_jsonable_python([form["created_at"] for form in texts])
    for form, at in zip(texts, times, strict=True):
        form["created_at"] = at
        form["metadata"] = form["metadata"].copy() if form["metadata"] else _NOTHING
        usage: RequestUsage | None = form["models_usage"]
        if usage is not None:
            tokens = {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}
            form["models_usage"] = tokens
    return forms


def write_said_ahead(messages: Sequence[BaseMessage]) -> Ahead | None:
    """Return what each message dumps, if they are nothing but text."""
    metadata = [message.__dict__["metadata"] for message in messages if type(message) is TextMessage]
    if len(metadata) < len(messages) or any(metadata):
        return None
    return Ahead(write_said(messages), metadata)


_NOTHING: dict[str, str] = {}
"""Every empty metadata of a form."""


Said = BaseAgentEvent | BaseChatMessage


def load_said(saved: Iterable[Any], read: Callable[[Any, int], Said]) -> Loaded[Said]:
    """Look through saved messages of a conversation.

    Args:
        saved: Their forms.
        read: Makes a message of the form of anything but text, or of one written otherwise, given its place, from 1.
    """
    forms = list(saved)
    if not forms:  # as what most participants have not heard
        return Loaded(([],), {}, _made_said, _said_forms)
    others: list[int] = []
    columns: list[list[Any]] = [[] for _ in range(7)]
    ids, sources, prompts, completions, metadatas, times, contents = columns
    with Uncollected():
        for form in forms:
            try:
                id, source, content, at = form["id"], form["source"], form["content"], form["created_at"]
                usage, metadata = form["models_usage"], form["metadata"]
                if usage is None:
                    prompt = completion = None
                else:
                    prompt, completion = usage["prompt_tokens"], usage["completion_tokens"]
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
            others.append(len(contents))
            for column, value in zip(columns, _SOME_TEXT, strict=True):
                column.append(value)
        if times and not _as_dumped(times):
            odd = [place for place, at in enumerate(times) if not _as_dumped([at])]
            others = sorted({*others, *odd})
            for place in odd:
                times[place] = _SOME_TIME
        return Loaded(columns, {place: read(forms[place], place + 1) for place in others}, _made_said, _said_forms)


def _as_dumped(times: list[Any]) -> bool:
    """Tell whether each time is one just as it is dumped; `fromisoformat` reads more, such as weeks."""
    try:
        shapes = "\n".join([*times, ""]).translate(_DIGITS)
        deque(map(datetime.fromisoformat, times), maxlen=0)
    except (TypeError, ValueError):
        return False
    # None of these is the end of another, so that there is nothing else where together they are as long as it all.
    return sum([len(shape) * shapes.count(shape) for shape in _DUMPED]) == len(shapes)


_SOME_TIME = "1970-01-01T00:00:00Z"
_SOME_TEXT = ("", "", None, None, _NOTHING, _SOME_TIME, "")
_DIGITS = str.maketrans("123456789", "000000000")
_DUMPED = ("0000-00-00T00:00:00Z\n", "0000-00-00T00:00:00.000000Z\n")


def _made_said(*columns: list[Any]) -> list[Said]:
    return [
        unchecked(
            TextMessage,
            {
                "id": id,
                "source": source,
                "models_usage": None if prompt is None else RequestUsage(prompt, completion),
                "metadata": metadata.copy(),
                "created_at": datetime.fromisoformat(at),
                "content": well_formed(content),
                "type": "TextMessage",
            },
        )
        for id, source, prompt, completion, metadata, at, content in zip(*columns, strict=True)
    ]


def _said_forms(*columns: list[Any]) -> list[Form]:
    return [
        {
            "id": id,
            "source": source,
            "models_usage": None if prompt is None else {"prompt_tokens": prompt, "completion_tokens": completion},
            "metadata": metadata,
            "created_at": at,
            "content": content,
            "type": "TextMessage",
        }
        for id, source, prompt, completion, metadata, at, content in zip(*columns, strict=True)
    ]
