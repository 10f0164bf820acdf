"""Functions as JSON schemas, and JSON arguments checked against them."""

from __future__ import annotations

import copy
import functools
import inspect
import typing
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Required, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, create_model
from pydantic.fields import FieldInfo

# Before 3.12 pydantic reads only this one; it is its own dependency.
from typing_extensions import TypedDict

from agentnb.exceptions import ParameterUntyped, UserError

INJECTED = "cancellation_token"
"""A parameter of this name is filled in by the caller and never shown to a model."""


ParametersSchema = TypedDict(
    "ParametersSchema",
    {
        "type": Required[str],
        "properties": Required[dict[str, Any]],
        "required": Sequence[str],
        "additionalProperties": bool,
        "$defs": dict[str, Any],
    },
    total=False,
)
"""The parameters of a tool, as JSON schema; `$defs` only where a definition holds itself."""

# A server's schema may say more, such as anyOf; read from a config, it must stay whole.
setattr(ParametersSchema, "__pydantic_config__", ConfigDict(extra="allow"))  # noqa: B010 - mypy knows no such field


def plain_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function that partials and wrappers of `functools.wraps` finally call."""
    while True:
        inner = function.func if isinstance(function, functools.partial) else getattr(function, "__wrapped__", None)
        if inner is None:
            return function
        function = inner


def function_hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    """Return the annotations of a function or callable object, evaluated.

    Raises:
        UserError: If one names something that is not known where the function is defined.
    """
    plain = plain_function(function)
    target = plain if inspect.isroutine(plain) else type(plain).__call__
    try:
        return typing.get_type_hints(target, include_extras=True)
    except NameError as error:
        raise UserError(
            f"Tool {name!r}: {error} where the function is defined; an annotation needs it. "
            "Define or import it at the top level of the module or notebook."
        ) from error


def field_name(name: str) -> str:
    """Return the name under which a model can hold a field: its own, or one that pydantic does not claim."""
    claimed = name.startswith("_") or (name.startswith("model_") and hasattr(BaseModel, name))
    return f"field_{name}" if claimed else name


def make_model(
    name: str,
    fields: Mapping[str, tuple[Any, Mapping[str, Any]]],
    *,
    base: type[BaseModel] | None = None,
    doc: str | None = None,
) -> type[BaseModel]:
    """Make a model whose fields may have any name; those that pydantic claims have the name as their alias.

    Args:
        name: The name of the model.
        fields: By name, an annotation and the arguments of its `pydantic.Field`.
        base: What it derives from.
        doc: Its docstring.
    """
    definitions: dict[str, Any] = {}
    for key, (annotation, options) in fields.items():
        inner = field_name(key)
        definitions[inner] = (annotation, Field(**options) if inner == key else Field(**options, alias=key))
    with warnings.catch_warnings():
        # `schema`, `json` and `copy` are good names for an argument, whatever BaseModel calls its methods.
        warnings.filterwarnings("ignore", message='Field name "', category=UserWarning)
        return create_model(name, __base__=base or _Arguments, __doc__=doc, **definitions)


class _Arguments(BaseModel):
    model_config = ConfigDict(protected_namespaces=())


def arguments_model(function: Callable[..., Any], name: str) -> type[BaseModel]:
    """Make the pydantic model of a function's parameters.

    `Annotated[T, "text"]` describes a parameter; without it the description is the parameter's name.

    Raises:
        ParameterUntyped: If a parameter has no annotation (a `ValueError` and a `KeyError`).
        UserError: If a parameter is `*args` or `**kwargs`, or of a type that no JSON can be.
        ValueError: If an annotation's description is not a string.
    """
    hints = function_hints(function, name)
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == INJECTED:
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise UserError(
                f"Tool {name!r}: the parameter '{parameter}' cannot be described to a model; name each one."
            )
        if parameter.name not in hints:
            raise ParameterUntyped(
                f"Tool {name!r}: the parameter {parameter.name!r} has no type. "
                f"Write for example `{parameter.name}: str`, so that the model knows what to send."
            )
        fields[parameter.name] = _field(hints[parameter.name], parameter)
    try:
        return make_model(f"{name}args", fields)
    except PydanticUserError as error:
        raise UserError(f"Tool {name!r}: a parameter's type cannot be sent by a model: {error.message}") from error


def _field(annotation: Any, parameter: inspect.Parameter) -> tuple[Any, dict[str, Any]]:
    default: Any = ... if parameter.default is parameter.empty else parameter.default
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
            return annotation, {"default": default}
    return annotation, {"default": default, "description": description}


def inline_refs(schema: dict[str, Any]) -> dict[str, Any]:
    """Return `schema` with every `$ref` to its own `$defs` replaced by the definition.

    A definition that refers to itself is kept as a reference, with those of the `$defs` that it needs.
    """
    definitions = schema.get("$defs", {})
    kept: dict[str, Any] = {}

    def keep(node: Any) -> None:
        for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            keep(item)
        if isinstance(node, dict) and isinstance(node.get("$ref"), str):
            name = node["$ref"].removeprefix("#/$defs/")
            if name in definitions and name not in kept:
                kept[name] = definitions[name]
                keep(definitions[name])

    def expand(node: Any, inside: tuple[str, ...]) -> Any:
        if isinstance(node, list):
            return [expand(item, inside) for item in node]
        if not isinstance(node, dict):
            return node
        reference = node.get("$ref")
        if isinstance(reference, str) and reference.startswith("#/$defs/"):
            name = reference.removeprefix("#/$defs/")
            if name in inside:
                keep(node)
                return node
            others = {key: value for key, value in node.items() if key != "$ref"}
            return {**expand(definitions[name], (*inside, name)), **others}
        return {key: expand(value, inside) for key, value in node.items() if key != "$defs"}

    result: dict[str, Any] = expand(copy.deepcopy(schema), ())
    return {**result, "$defs": {name: definitions[name] for name in definitions if name in kept}} if kept else result


def parameters_schema(model: type[BaseModel]) -> ParametersSchema:
    """Return the `parameters` object that model servers expect for a tool with these arguments."""
    try:
        schema = inline_refs(model.model_json_schema())
    except PydanticUserError as error:
        raise UserError(f"{model.__name__} has no JSON schema: {error.message}") from error
    parameters: ParametersSchema = {
        "type": "object",
        "properties": schema.get("properties", {}),
        "required": schema.get("required", []),
        "additionalProperties": schema.get("additionalProperties", False),
    }
    if "$defs" in schema:
        parameters["$defs"] = schema["$defs"]
    return parameters
