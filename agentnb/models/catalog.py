"""Models that are known by name: what they can do, how many tokens fit, and where their servers are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from agentnb.messages import (
    FunctionExecutionResultMessage,
    Image,
    LLMMessage,
    UserMessage,
)
from agentnb.models.base import ModelInfo, tool_schema

__all__ = [
    "ALIASES",
    "ENDPOINTS",
    "UNKNOWN_WINDOW",
    "Endpoint",
    "assumed_info",
    "dialect",
    "estimate_tokens",
    "family_of",
    "info_of",
    "resolve",
    "window_of",
]

UNKNOWN_WINDOW = 32_768
"""Tokens taken for a model that is not listed: small enough for most servers of today."""

ALIASES = {
    "o4-mini": "o4-mini-2025-04-16",
    "o3": "o3-2025-04-16",
    "o3-mini": "o3-mini-2025-01-31",
    "o1": "o1-2024-12-17",
    "o1-preview": "o1-preview-2024-09-12",
    "o1-mini": "o1-mini-2024-09-12",
    "gpt-5": "gpt-5-2025-08-07",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
    "gpt-5-nano": "gpt-5-nano-2025-08-07",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-4.1-nano": "gpt-4.1-nano-2025-04-14",
    "gpt-4.5-preview": "gpt-4.5-preview-2025-02-27",
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4-turbo": "gpt-4-turbo-2024-04-09",
    "gpt-4-turbo-preview": "gpt-4-0125-preview",
    "gpt-4": "gpt-4-0613",
    "gpt-4-32k": "gpt-4-32k-0613",
    "gpt-3.5-turbo": "gpt-3.5-turbo-0125",
    "gpt-3.5-turbo-16k": "gpt-3.5-turbo-16k-0613",
    "claude-3-haiku": "claude-3-haiku-20240307",
    "claude-3-sonnet": "claude-3-sonnet-20240229",
    "claude-3-opus": "claude-3-opus-20240229",
    "claude-3-5-haiku": "claude-3-5-haiku-20241022",
    "claude-3-5-sonnet": "claude-3-5-sonnet-20241022",
    "claude-3-7-sonnet": "claude-3-7-sonnet-20250219",
    "claude-4-sonnet": "claude-sonnet-4-20250514",
    "claude-4-opus": "claude-opus-4-20250514",
    "llama-3.3-8b": "Llama-3.3-8B-Instruct",
    "llama-3.3-70b": "Llama-3.3-70B-Instruct",
    "llama-4-scout": "Llama-4-Scout-17B-16E-Instruct-FP8",
    "llama-4-maverick": "Llama-4-Maverick-17B-128E-Instruct-FP8",
}

# Names | family | what it can do: vision, functions, json, structured output, multiple system messages | window.
_TABLE = """
gpt-5-2025-08-07 gpt-5-mini-2025-08-07 gpt-5-nano-2025-08-07                    | gpt-5   | vfjsm | 400000
gpt-4.1-2025-04-14 gpt-4.1-mini-2025-04-14 gpt-4.1-nano-2025-04-14              | gpt-41  | vfjsm | 1047576
gpt-4.5-preview-2025-02-27                                                      | gpt-45  | vfjsm | 128000
o4-mini-2025-04-16                                                              | o4      | vfjsm | 200000
o3-2025-04-16                                                                   | o3      | vfjsm | 200000
o3-mini-2025-01-31                                                              | o3      | -fjsm | 200000
o1-2024-12-17                                                                   | o1      | -f-sm | 200000
o1-preview-2024-09-12                                                           | o1      | -f-sm | 128000
o1-mini-2024-09-12                                                              | o1      | ----m | 128000
gpt-4o-2024-11-20 gpt-4o-2024-08-06 gpt-4o-mini-2024-07-18                      | gpt-4o  | vfjsm | 128000
gpt-4o-2024-05-13                                                               | gpt-4o  | vfj-m | 128000
gpt-4o-search-preview-2025-03-11 gpt-4o-mini-search-preview-2025-03-11          | gpt-4o  | -fjsm | 128000
gpt-4-turbo-2024-04-09                                                          | gpt-4   | vfj-m | 128000
gpt-4-0125-preview gpt-4-1106-preview                                           | gpt-4   | -fj-m | 128000
gpt-4-0613                                                                      | gpt-4   | -fj-m | 8192
gpt-4-32k-0613                                                                  | gpt-4   | -fj-m | 32768
gpt-4-1106-vision-preview                                                       | gpt-4   | v---m | 128000
gpt-3.5-turbo-0125 gpt-3.5-turbo-1106 gpt-3.5-turbo-16k-0613                    | gpt-35  | -fj-m | 16385
gpt-3.5-turbo-instruct gpt-3.5-turbo-0613 gpt-3.5-turbo-0301                    | gpt-35  | -fj-m | 4096
gemini-1.5-flash gemini-1.5-flash-8b                                            | gemini-1.5-flash | vfjs- | 1048576
gemini-1.5-pro                                                                  | gemini-1.5-pro   | vfjs- | 2097152
gemini-2.0-flash gemini-2.0-flash-lite                                          | gemini-2.0-flash | vfjs- | 1048576
gemini-2.5-pro                                                                  | gemini-2.5-pro   | vfjs- | 1048576
gemini-2.5-flash                                                                | gemini-2.5-flash | vfjs- | 1048576
claude-3-haiku-20240307                                                         | claude-3-haiku    | vfj-m | 50000
claude-3-sonnet-20240229                                                        | claude-3-sonnet   | vfj-m | 200000
claude-3-opus-20240229                                                          | claude-3-opus     | vfj-m | 200000
claude-3-5-haiku-20241022                                                       | claude-3-5-haiku  | vfj-m | 200000
claude-3-5-sonnet-20240620 claude-3-5-sonnet-20241022                           | claude-3-5-sonnet | vfj-m | 200000
claude-3-7-sonnet-20250219                                                      | claude-3-7-sonnet | vfj-m | 200000
claude-sonnet-4-20250514                                                        | claude-4-sonnet   | vfj-m | 200000
claude-opus-4-20250514                                                          | claude-4-opus     | vfj-m | 200000
Llama-3.3-8B-Instruct                                                           | llama-3.3-8b     | -fj-m | 128000
Llama-3.3-70B-Instruct                                                          | llama-3.3-70b    | -fj-m | 128000
Llama-4-Scout-17B-16E-Instruct-FP8                                              | llama-4-scout    | vfjsm | 128000
Llama-4-Maverick-17B-128E-Instruct-FP8                                          | llama-4-maverick | vfjsm | 128000
"""


class _Entry(NamedTuple):
    info: ModelInfo
    window: int


def _read_table() -> dict[str, _Entry]:
    entries: dict[str, _Entry] = {}
    for line in _TABLE.strip().splitlines():
        names, family, can, window = (cell.strip() for cell in line.split("|"))
        info = ModelInfo(
            vision="v" in can,
            function_calling="f" in can,
            json_output="j" in can,
            family=family,
            structured_output="s" in can,
            multiple_system_messages="m" in can,
            json_schema="s" in can,
            choices="s" in can,
        )
        for name in names.split():
            entries[name] = _Entry(info, int(window))
    return entries


_ENTRIES = _read_table()


def resolve(model: str) -> str:
    """Return the dated name an alias stands for; any other name as it is."""
    return ALIASES.get(model, model)


def _entry(model: str) -> _Entry | None:
    known = _ENTRIES.get(resolve(model))
    if known is not None:
        return known
    stems = [name for name in (*ALIASES, *_ENTRIES) if model.startswith(name + "-")]
    return _ENTRIES[resolve(max(stems, key=len))] if stems else None


def info_of(model: str) -> ModelInfo | None:
    """Return what a model can do; None if neither its name nor a listed one it begins with is known."""
    entry = _entry(model)
    return None if entry is None else entry.info.copy()


def window_of(model: str) -> int | None:
    """Return how many tokens a model's window holds; None if it is not known."""
    entry = _entry(model)
    return None if entry is None else entry.window


def assumed_info() -> ModelInfo:
    """Return what is taken for a model nobody listed: most servers of today give tools and JSON, not all see."""
    return ModelInfo(
        vision=False,
        function_calling=True,
        json_output=True,
        family="unknown",
        structured_output=True,
        multiple_system_messages=True,
        json_schema=True,
        choices=True,
    )


_MISTRAL = ("mistral", "codestral", "open-codestral-mamba", "open-mistral", "ministral", "pixtral")


def dialect(model: str, family: str = "unknown") -> str:
    """Return whose rules the messages follow: `"gemini"`, `"claude"`, `"mistral"` or `"openai"`.

    The family decides where it is known, else the beginning of the model's name.
    """
    name = (family if family not in ("", "unknown") else model).lower()
    if name.startswith(_MISTRAL):
        return "mistral"
    return next((kind for kind in ("gemini", "claude") if name.startswith(kind)), "openai")


def family_of(model: str) -> str:
    """Return a model's family, `"unknown"` if it is not listed."""
    entry = _entry(model)
    return "unknown" if entry is None else entry.info["family"]


class Endpoint(NamedTuple):
    """Where models with a name of this beginning are served in OpenAI's dialect, and which variable holds the key."""

    prefix: str
    url: str
    key_variable: str


ENDPOINTS = (
    Endpoint("gemini-", "https://generativelanguage.googleapis.com/v1beta/openai/", "GEMINI_API_KEY"),
    Endpoint("claude-", "https://api.anthropic.com/v1/", "ANTHROPIC_API_KEY"),
    Endpoint("Llama-", "https://api.llama.com/compat/v1/", "LLAMA_API_KEY"),
)

_IMAGE_TOKENS = 765
"""A picture of 1024 by 1024 pixels by OpenAI's tile rule: 85 + 4 * 170."""


def estimate_tokens(messages: Sequence[LLMMessage], tools: Sequence[Any] = ()) -> int:
    """Estimate tokens as UTF-8 bytes / 4, 4 more per message, 765 per picture; exact for no model, near for English."""
    size = images = 0
    for message in messages:
        for part in _parts(message):
            if isinstance(part, Image):
                images += 1
            else:
                size += len(part) if part.isascii() else len(part.encode("utf-8", "replace"))
    for tool in tools:
        size += len(json.dumps(tool_schema(tool), default=str))
    return size // 4 + 4 * len(messages) + _IMAGE_TOKENS * images


def _parts(message: LLMMessage) -> list[str | Image]:
    if isinstance(message, FunctionExecutionResultMessage):
        return [result.content for result in message.content]
    if isinstance(message.content, str):
        return [message.content]
    if isinstance(message, UserMessage):
        return list(message.content)
    calls = [call.name + call.arguments for call in message.content if not isinstance(call, str)]
    return [message.thought or "", *calls]
