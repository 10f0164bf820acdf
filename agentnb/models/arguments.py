"""What a client of OpenAI's dialect is given: which arguments there are, and what becomes of each."""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel, SecretStr

from agentnb.exceptions import UserError
from agentnb.models import catalog, wire
from agentnb.models.base import ModelInfo, ToolChoice, validate_model_info
from agentnb.models.faults import without_login

__all__ = [
    "REQUEST_ARGUMENTS",
    "SDK_ARGUMENTS",
    "Fields",
    "check_extra",
    "check_given",
    "fields_of",
    "info_given",
    "of_requests",
    "of_sdk",
    "stream_options",
    "without_secrets",
]

REQUEST_ARGUMENTS = frozenset(
    {
        "audio",
        "extra_body",
        "extra_headers",
        "extra_query",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "metadata",
        "modalities",
        "moderation",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream_options",
        "temperature",
        "timeout",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    }
)
"""What a chat request may carry, as OpenAI's SDK 3 names it, besides what the client sets itself."""

SDK_ARGUMENTS = frozenset(
    {
        "admin_api_key",
        "data_residency",
        "default_query",
        "http_client",
        "project",
        "provider",
        "webhook_secret",
        "websocket_base_url",
        "workload_identity",
    }
)
"""What the SDK's client takes, besides the arguments of our own."""

_CAPABILITIES = frozenset(("grammar", "choices", "json_schema"))
_OF_A_CLIENT = REQUEST_ARGUMENTS | SDK_ARGUMENTS
_OF_ONE_REQUEST = REQUEST_ARGUMENTS | _CAPABILITIES
_OURS = frozenset(("stream", "messages", "function_call", "functions", "n"))
_SECRET_HEADER = re.compile(r"auth|key|token|secret|cookie", re.IGNORECASE)


def check_given(arguments: Mapping[str, Any]) -> None:
    """Refuse what a client cannot be made with.

    Raises:
        ValueError: If an argument is unknown, or one that the client sets itself.
    """
    _check(arguments, _OF_A_CLIENT)


def check_extra(arguments: Mapping[str, Any]) -> None:
    """Refuse what a single request cannot take.

    Raises:
        ValueError: If an argument is unknown, or one that the client sets itself.
    """
    _check(arguments, _OF_ONE_REQUEST)


def _check(arguments: Mapping[str, Any], known: frozenset[str]) -> None:
    for name in arguments:
        if name in _OURS:
            raise UserError(f"{name!r} is set by OpenAIChatCompletionClient itself and cannot be given.")
        if name not in known:
            near = difflib.get_close_matches(name, sorted(known), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UserError(
                f"OpenAIChatCompletionClient knows no argument {name!r}.{hint} "
                "What a server takes beyond OpenAI's arguments goes into extra_body={...}."
            )


def of_requests(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return those that go with every request."""
    return {name: value for name, value in arguments.items() if name in REQUEST_ARGUMENTS}


def of_sdk(arguments: Mapping[str, Any], *, timeout: float | None, **named: Any) -> dict[str, Any]:
    """Return those that the SDK's client is made with.

    Args:
        arguments: What the client was given beyond its own parameters.
        timeout: Seconds; 0 counts as given.
        named: Parameters of the client that the SDK knows by the same name.
    """
    given = {k: v for k, v in {**arguments, **named}.items() if k not in REQUEST_ARGUMENTS and v}
    return given if timeout is None else {**given, "timeout": timeout}


def info_given(model: str, info: ModelInfo | None, old: Mapping[str, Any] | None) -> ModelInfo | None:
    """Return what the user says a model can do, None if nothing was said.

    Args:
        model: Its name.
        info: `model_info`.
        old: `model_capabilities`, which is AutoGen's old name and form of it.

    Raises:
        ValueError: If both are given, or `info` lacks something.

    Warns:
        DeprecationWarning: If it is said by the old name.
    """
    if info is not None and old is not None:
        raise UserError("model_capabilities is the old name of model_info; give model_info alone.")
    if old is not None:
        # Shown where the client is made: behind its constructor, and the one that remembers what it was given.
        warnings.warn("model_capabilities is now called model_info.", DeprecationWarning, stacklevel=4)
        info = ModelInfo(
            vision=bool(old.get("vision")),
            function_calling=bool(old.get("function_calling")),
            json_output=bool(old.get("json_output")),
            family="unknown",
            structured_output=False,
        )
    if info is None:
        return None
    validate_model_info(info)
    bound = info.get("structured_output", False)
    family = info["family"] if info["family"] != "unknown" else catalog.family_of(model)
    return ModelInfo(**{"json_schema": bound, "choices": bound, **info, "family": family})


def without_secrets(arguments: Mapping[str, Any], headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as `dump_component` and the run's log may write them.

    Args:
        arguments: What a client, or a subclass that takes other arguments, was made with.
        headers: Its headers as they are sent.
    """
    shown = dict(arguments)
    if "default_headers" in shown:
        shown["default_headers"] = {
            name: SecretStr(str(value)) if _SECRET_HEADER.search(name) else value for name, value in headers.items()
        }
    if shown.get("base_url"):
        shown["base_url"] = without_login(shown["base_url"])
    for name in ("admin_api_key", "webhook_secret"):
        if name in shown:
            shown[name] = SecretStr(str(shown[name]))
    return shown


class Fields(NamedTuple):
    """What arguments say in a request: in its body, and beside it."""

    body: dict[str, Any]
    """Fields beside the messages and tools."""
    options: dict[str, Any]
    """The SDK's for one request: `headers`, `params`, `timeout`."""


def fields_of(
    given: Mapping[str, Any],
    *,
    json_output: bool | type[BaseModel] | None,
    tool_choice: ToolChoice | None,
    stream: bool,
) -> Fields:
    """Return what the arguments of one request say in it.

    Args:
        given: Of every request and of this one, by name.
        json_output: As of `create`.
        tool_choice: As of `create`; None for a request without tools.
        stream: Whether the answer is to come in pieces.

    Raises:
        ValueError: If more than one of them binds the form of the answer.
    """
    body, options = _divided(given) if given else ({}, {})
    form = body.get("response_format")
    if isinstance(form, type):
        if isinstance(json_output, type):
            raise UserError("response_format and json_output both name a class; give json_output alone.")
        json_output = form
        del body["response_format"]
    if given or json_output is not None:
        bound = wire.response_format(json_output, given.get("json_schema"), given.get("choices"))
        if bound is not None:
            body["response_format"] = bound
    if tool_choice is not None:
        body["tool_choice"] = wire.tool_choice_json(tool_choice)
    else:
        body.pop("parallel_tool_calls", None)
    if stream:
        body["stream"] = True
    else:
        body.pop("stream_options", None)
    body.update(given.get("extra_body") or {})
    return Fields(body, options)


def _divided(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    given = dict(given)
    headers, query = given.pop("extra_headers", None), given.pop("extra_query", None)
    options: dict[str, Any] = {"headers": headers} if headers else {}
    if query:
        options["params"] = dict(query)
    if "timeout" in given:
        options["timeout"] = given.pop("timeout")
    body = {k: v for k, v in given.items() if k not in _CAPABILITIES and k != "extra_body" and v is not None}
    if "grammar" in given:
        body["grammar"] = given["grammar"]
    return body, options


def stream_options(given: Sequence[Mapping[str, Any]], include_usage: bool | None) -> dict[str, Any] | None:
    """Return the `stream_options` of a request, None if it is to have none.

    Args:
        given: Arguments that may hold some, the last one winning.
        include_usage: As of `create_stream`.

    Raises:
        ValueError: If they contradict each other.
    """
    options: dict[str, Any] = {}
    for arguments in given:
        options.update(arguments.get("stream_options") or {})
    if include_usage is not None and options.get("include_usage", include_usage) != include_usage:
        raise UserError("include_usage and stream_options['include_usage'] say different things; give one.")
    if include_usage is False:
        return None
    if options.get("include_usage") is not False:
        options["include_usage"] = True
    return options
