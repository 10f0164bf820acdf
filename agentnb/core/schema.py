"""Functions as JSON schemas, and JSON arguments checked against them."""

from __future__ import annotations

import copy
import functools
import inspect
import typing
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, Field, create_model
from pydantic.fields import FieldInfo

from agentnb.exceptions import UserError

INJECTED = "cancellation_token"
"""A parameter of this name is filled in by the caller and never shown to a model."""


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    while isinstance(function, functools.partial):
        function = function.func
    target = function if inspect.isroutine(function) else type(function).__call__
    return typing.get_type_hints(target, include_extras=True)


def arguments_model(function: Callable[..., Any], name: str) -> type[BaseModel]:
    """Make the pydantic model of a function's parameters.

    `Annotated[T, "text"]` describes a parameter; without it the description is the parameter's name.

    Raises:
        UserError: If a parameter has no annotation, or is `*args` or `**kwargs`.
        ValueError: If an annotation's description is not a string.
    """
    hints = _hints(function)
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == INJECTED:
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise UserError(
                f"Tool {name!r}: the parameter '{parameter}' cannot be described to a model; name each one."
            )
        if parameter.name not in hints:
            raise UserError(
                f"Tool {name!r}: the parameter {parameter.name!r} has no type. "
                f"Write for example `{parameter.name}: str`, so that the model knows what to send."
            )
        fields[parameter.name] = _field(hints[parameter.name], parameter)
    return create_model(f"{name}args", **fields)


def _field(annotation: Any, parameter: inspect.Parameter) -> tuple[Any, Any]:
    default = ... if parameter.default is parameter.empty else parameter.default
    description = parameter.name
    if get_origin(annotation) is Annotated:
        first, *metadata = get_args(annotation)
        if isinstance(metadata[0], str):
            description, *others = metadata
            # Further metadata, such as a Field's bounds, still binds the model.
            annotation = Annotated[(first, *others)] if others else first
        elif not any(isinstance(m, FieldInfo) for m in metadata):
            raise ValueError(
                f"The description of the parameter {parameter.name!r} is {metadata[0]!r}; it must be a string."
            )
        else:
            return annotation, default
    return annotation, Field(default, description=description)


def inline_refs(schema: dict[str, Any]) -> dict[str, Any]:
    """Return `schema` with every `$ref` to its own `$defs` replaced by the definition.

    A definition that refers to itself is kept as a reference, with its `$defs`.
    """
    definitions = schema.get("$defs", {})
    recursive = False

    def expand(node: Any, inside: tuple[str, ...]) -> Any:
        nonlocal recursive
        if isinstance(node, list):
            return [expand(item, inside) for item in node]
        if not isinstance(node, dict):
            return node
        reference = node.get("$ref")
        if isinstance(reference, str) and reference.startswith("#/$defs/"):
            name = reference.removeprefix("#/$defs/")
            if name in inside:
                recursive = True
                return node
            others = {key: value for key, value in node.items() if key != "$ref"}
            return {**expand(definitions[name], (*inside, name)), **others}
        return {key: expand(value, inside) for key, value in node.items() if key != "$defs"}

    result: dict[str, Any] = expand(copy.deepcopy(schema), ())
    return {**result, "$defs": definitions} if recursive else result


def parameters_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the `parameters` object that model servers expect for a tool with these arguments."""
    schema = inline_refs(model.model_json_schema())
    parameters: dict[str, Any] = {
        "type": "object",
        "properties": schema.get("properties", {}),
        "required": schema.get("required", []),
        "additionalProperties": schema.get("additionalProperties", False),
    }
    if "$defs" in schema:
        parameters["$defs"] = schema["$defs"]
    return parameters
