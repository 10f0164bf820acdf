"""Two JSON schemas as one that demands both: what `allOf` means."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from agentnb.exceptions import SchemaConversionError, UnsupportedKeywordError

ANNOTATIONS = frozenset(
    {
        *("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"),
        *("$comment", "$schema", "$id", "$anchor", "$defs", "definitions"),
        *("contentMediaType", "contentEncoding", "contentSchema"),
    }
)
"""Keywords that say something and demand nothing."""

_LARGEST = frozenset(["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"])
_SMALLEST = frozenset(["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"])


class NothingFits(SchemaConversionError):
    """No value fits a schema."""


def both(one: Mapping[str, Any], other: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a schema that takes what two schemas take; of what they only say, `one` comes first.

    Raises:
        NothingFits: If nothing can fit both.
        UnsupportedKeywordError: If no single schema can say it.
    """
    merged = dict(one)
    for key, value in other.items():
        if key not in merged:
            merged[key] = value
        elif merged[key] != value and key not in ANNOTATIONS and not key.startswith("x-"):
            merge = _MERGES.get(key)
            if merge is None:
                raise UnsupportedKeywordError(
                    f"{where}: allOf brings the keyword {key!r} twice, as {merged[key]!r} and {value!r}, "
                    "and a model cannot keep both. Write it once."
                )
            merged[key] = merge(merged[key], value, where)
    return merged


def _together(one: Any, other: Any, where: str) -> Any:
    if one is False or other is False:
        return False
    return other if one is True else one if other is True else {"allOf": [one, other]}


def _properties(one: Mapping[str, Any], other: Mapping[str, Any], where: str) -> dict[str, Any]:
    merged = {**one, **{key: value for key, value in other.items() if key not in one}}
    for key in one.keys() & other.keys():
        merged[key] = one[key] if one[key] == other[key] else {"allOf": [one[key], other[key]]}
    return merged


def _types(one: Any, other: Any, where: str) -> list[str]:
    first, second = ([given] if isinstance(given, str) else list(given) for given in (one, other))
    found = [name for name in first if name in second or (name == "integer" and "number" in second)]
    found += [name for name in second if name == "integer" and "number" in first and name not in found]
    return _some(found, f"the types {one!r} and {other!r}", where)


def _some(found: list[Any], what: str, where: str) -> list[Any]:
    if not found:
        raise NothingFits(f"{where}: nothing fits {what}, which allOf demands together.")
    return found


def _same(one: Any, other: Any, where: str) -> Any:
    raise NothingFits(f"{where}: nothing is both {one!r} and {other!r}, which allOf demands together.")


def _patterns(one: str, other: str, where: str) -> str:
    return rf"^(?=[\s\S]*(?:{one}))(?=[\s\S]*(?:{other}))"


def _multiple(one: Any, other: Any, where: str) -> Any:
    if isinstance(one, int) and isinstance(other, int):
        return math.lcm(one, other)
    raise UnsupportedKeywordError(f"{where}: allOf demands multiples of {one} and of {other}; write one multipleOf.")


def _choices(one: list[Any], other: list[Any], where: str) -> list[Any]:
    return [{"allOf": [first, second]} for first in one for second in other]


_MERGES: dict[str, Callable[[Any, Any, str], Any]] = {
    **dict.fromkeys(_LARGEST, lambda one, other, where: max(one, other)),
    **dict.fromkeys(_SMALLEST, lambda one, other, where: min(one, other)),
    "properties": _properties,
    "patternProperties": _properties,
    "required": lambda one, other, where: [*one, *(name for name in other if name not in one)],
    "type": _types,
    "enum": lambda one, other, where: _some([v for v in one if v in other], f"the enums {one!r} and {other!r}", where),
    "const": _same,
    "additionalProperties": _together,
    "unevaluatedProperties": _together,
    "items": _together,
    "propertyNames": _together,
    "nullable": lambda one, other, where: one and other,
    "uniqueItems": lambda one, other, where: one or other,
    "pattern": _patterns,
    "multipleOf": _multiple,
    "anyOf": _choices,
    "oneOf": _choices,
}
