"""What JSON schemas demand of single values, as annotations for pydantic."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter
from pydantic_core import SchemaError

from agentnb.core.formats import FORMATS
from agentnb.exceptions import FormatNotSupportedError, SchemaConversionError

PLAIN = {"string": str, "integer": int, "number": float, "boolean": bool, "null": type(None)}

# By type, pydantic's word for each limit.
_LIMITS: dict[str, dict[str, str]] = {
    "string": {"minLength": "min_length", "maxLength": "max_length"},
    "array": {"minItems": "min_length", "maxItems": "max_length"},
    "object": {"minProperties": "min_length", "maxProperties": "max_length"},
    "boolean": {},
    "null": {},
}
_LIMITS["integer"] = _LIMITS["number"] = {
    "minimum": "ge",
    "maximum": "le",
    "exclusiveMinimum": "gt",
    "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of",
}


class Says:
    """Annotation: adds keywords to the JSON schema of a type, or puts them in its place."""

    def __init__(self, keywords: Mapping[str, Any], *, instead: bool = False) -> None:
        self._keywords = dict(keywords)
        self._instead = instead

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return {**({} if self._instead else handler(schema)), **self._keywords}


def _limits(schema: Mapping[str, Any], kind: str) -> dict[str, Any]:
    limits = {word: schema[key] for key, word in _LIMITS[kind].items() if schema.get(key) is not None}
    for exclusive, inclusive in (("gt", "ge"), ("lt", "le")):
        if isinstance(limits.get(exclusive), bool):  # as drafts up to 4 have it
            is_exclusive = limits.pop(exclusive)
            if is_exclusive and inclusive in limits:
                limits[exclusive] = limits.pop(inclusive)
    return limits


def limited(made: Any, schema: Mapping[str, Any], kind: str) -> Any:
    """Return a type with the limits that a schema sets to a type of this kind."""
    limits = _limits(schema, kind)
    return Annotated[made, Field(**limits)] if limits else made


def scalar(schema: Mapping[str, Any], kind: str, where: str) -> Any:
    """Return the type of a text, a number, a truth value or null, with its limits and its format.

    Raises:
        FormatNotSupportedError: If the format is not known for the type.
        SchemaConversionError: If the pattern is no regular expression.
    """
    name = schema.get("format")
    made: Any
    if name is None:
        made = limited(PLAIN[kind], schema, kind)
        notes = matching(schema["pattern"], where) if kind == "string" and "pattern" in schema else ()
        return Annotated[(made, *notes)] if notes else made
    known = FORMATS.get(kind, {})
    if name not in known:
        raise FormatNotSupportedError(
            f"{where}: the format {name!r} is not known for the type {kind!r} "
            f"(known: {', '.join(map(repr, known)) or 'none'}). Leave it out, or check it with a pattern."
        )
    found = known[name]
    demands = {key: value for key, value in schema.items() if key in (*_LIMITS[kind], "pattern")}
    checks: list[Any] = list(found.checks)
    made = found.type
    if kind != "string":
        made = limited(made, schema, kind)
    elif demands:
        # The limits are those of the text, whatever it becomes.
        check = TypeAdapter(scalar(demands, "string", where)).validate_python
        checks.append(BeforeValidator(lambda value: check(value) if isinstance(value, str) else value))
    demands["format"] = name
    says = Says(demands) if found.known else Says({"type": kind, **demands}, instead=True)
    return Annotated[(made, *checks, says)]


def matching(pattern: str, where: str) -> tuple[Any, ...]:
    """Return what checks that a text holds a pattern, wherever in it."""
    try:
        TypeAdapter(Annotated[str, Field(pattern=pattern)])
        return (Field(pattern=pattern),)
    except SchemaError:
        pass  # pydantic's engine has no look-around and no back-references
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise SchemaConversionError(f"{where}: {pattern!r} is no regular expression: {error}.") from error

    def check(text: str) -> str:
        if not expression.search(text):
            raise ValueError(f"{text!r} does not match {pattern!r}")
        return text

    return AfterValidator(check), Says({"pattern": pattern})


def one_of(schema: Mapping[str, Any], where: str) -> Any:
    values = [schema["const"]] if "const" in schema else list(schema["enum"])
    if "const" in schema and "enum" in schema and schema["const"] not in schema["enum"]:
        raise SchemaConversionError(f"{where}: the const {schema['const']!r} is none of the enum {schema['enum']!r}.")
    if not values:
        raise SchemaConversionError(f"{where}: the enum is empty, so nothing can fit.")
    if all(isinstance(value, str | int | float | None) for value in values):
        return Literal[tuple(values)]

    def check(value: Any) -> Any:
        if value not in values:
            raise ValueError(f"it must be one of {values!r}")
        return value

    keywords = {key: schema[key] for key in ("const", "enum", "type") if key in schema}
    return Annotated[Any, AfterValidator(check), Says(keywords, instead=True)]


def without_repetition(items: list[Any]) -> list[Any]:
    for number, item in enumerate(items):
        if item in items[:number]:
            raise ValueError(f"{item!r} is there twice; every item must be another")
    return items
