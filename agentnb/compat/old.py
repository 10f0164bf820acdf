"""AutoGen's few names that belong to no room: kept for programs that import them."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, Field, create_model

__all__ = [
    "EVENT_LOGGER_NAME",
    "TRACE_LOGGER_NAME",
    "args_base_model_from_signature",
    "get_typed_signature",
    "normalize_annotated_type",
]

TRACE_LOGGER_NAME = "autogen_agentchat"
EVENT_LOGGER_NAME = "autogen_agentchat.events"


def get_typed_signature(call: Callable[..., Any]) -> inspect.Signature:
    """Return a function's signature with every annotation as the type it names."""
    target: Any = call
    while isinstance(target, functools.partial):
        target = target.func
    hints = typing.get_type_hints(target if inspect.isroutine(target) else target.__call__, include_extras=True)
    signature = inspect.signature(call)
    parameters = [p.replace(annotation=hints.get(p.name, p.annotation)) for p in signature.parameters.values()]
    return signature.replace(parameters=parameters, return_annotation=hints.get("return", signature.return_annotation))


def normalize_annotated_type(type_hint: Any) -> Any:
    """Return the type inside `Annotated[type, …]`, any other type as it is."""
    return get_args(type_hint)[0] if get_origin(type_hint) is Annotated else type_hint


def args_base_model_from_signature(name: str, sig: inspect.Signature) -> type[BaseModel]:
    """Make the model of a signature's parameters, all but `cancellation_token`.

    Raises:
        ValueError: If a parameter has no annotation, or its description in `Annotated` is not a string.
    """
    fields: dict[str, Any] = {}
    for parameter in sig.parameters.values():
        if parameter.name == "cancellation_token":
            continue
        if parameter.annotation is parameter.empty:
            raise ValueError(f"The parameter {parameter.name!r} of {name!r} has no annotation.")
        described = [*getattr(parameter.annotation, "__metadata__", ()), parameter.name][0]
        if not isinstance(described, str):
            raise ValueError(f"The description of {name}.{parameter.name} is {described!r}, not a string.")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (
            normalize_annotated_type(parameter.annotation),
            Field(default, description=described),
        )
    return create_model(name, **fields)
