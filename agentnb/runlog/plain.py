"""Bodies whose every value is of the very type that its field has, read without pydantic at a fifth of its price.

What needs a second look, such as a class of the user's, a picture, or a number where a text should be, is left to
pydantic, which reads it or says what is wrong.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cache
from operator import itemgetter
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from agentnb.core.text import Text
from agentnb.messages import BaseMessage, CodeBlock, FunctionCall, RequestUsage, read_message
from agentnb.messages import chat as said
from agentnb.messages.unchecked import unchecked
from agentnb.runlog.events import BODIES, Usage

Read = Callable[[Any], Any]
Types = dict[type, Read | None]
"""What makes a field's value of one in JSON, by the type of the latter; None where it is that."""

# What is not plain is raised as one of these: by looking for a field, a type or a choice that is not known.
UNSURE = (KeyError, ValueError, TypeError)

_new = object.__new__

_SIMPLE = (str, int, bool, NoneType)
_CLEAN = get_args(Text)[1]
_DATACLASSES = (FunctionCall, RequestUsage, CodeBlock)
# As pydantic writes them in UTC.
_TIMES = {len("2026-01-01T00:00:00Z"), len("2026-01-01T00:00:00.000000Z")}


def plain_body(data: dict[str, Any]) -> Any:
    """Make the body of a fact of the JSON of its line.

    Raises:
        KeyError, ValueError, TypeError: If it is for pydantic to read.
    """
    return _reader(BODIES[data["kind"]])(data)


def plain_usage(data: dict[str, Any]) -> Usage:
    """Make what a fact cost of the JSON of its line.

    Raises:
        KeyError, ValueError, TypeError: If it is for pydantic to read.
    """
    return _reader(Usage)(data)  # type: ignore[no-any-return]


class Field(NamedTuple):
    """How a field of a model is read without a doubt."""

    types: Types
    needed: bool
    """Whether only pydantic can tell its value, or what is wrong, where the JSON has none."""
    default: Any = None
    fresh: Callable[[], Any] | None = None
    """Makes its value where the JSON has none, in place of the default."""


@cache
def fields_of(cls: type[BaseModel]) -> dict[str, Field]:
    """Return how each field of a model is read."""
    return {name: _field(field) for name, field in cls.model_fields.items()}


def _field(field: FieldInfo) -> Field:
    types = _types_of(field.annotation, field.metadata)
    if field.default_factory in (dict, list):
        return Field(types, False, fresh=field.default_factory)
    # What is made anew for each object, such as an id, is not to be made up here.
    needed = field.is_required() or field.default_factory is not None
    return Field(types, needed, None if needed else field.get_default())


@cache
def _reader(cls: type[BaseModel]) -> Read:
    fields = fields_of(cls)
    types = {name: field.types for name, field in fields.items()}
    fresh = {name: field.fresh for name, field in fields.items() if field.fresh is not None}
    blank = {name: field.default for name, field in fields.items()}
    needed = {name for name, field in fields.items() if field.needed}

    def read(data: dict[str, Any]) -> Any:
        for name in needed:
            data[name]
        values = blank.copy()
        for name, value in data.items():
            make = types[name][type(value)]
            values[name] = value if make is None else make(value)
        for name, make_fresh in fresh.items():
            if name not in data:
                values[name] = make_fresh()
        return unchecked(cls, values)

    return read


def _types_of(annotation: Any, metadata: Iterable[Any] = ()) -> Types:
    """Return what is read without a doubt for a field."""
    special = [one for one in metadata if isinstance(one, BeforeValidator)]
    if any(one.func is read_message for one in special):
        return {dict: _message}
    if any(one != _CLEAN for one in special):
        return {}
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in _SIMPLE:
        return {annotation: None}
    if annotation is float:
        return {float: None, int: float}
    if annotation is datetime:
        return {str: plain_time}
    if annotation in _DATACLASSES:
        return {dict: _dataclass(annotation)}
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {dict: lambda data: _reader(annotation)(data)}
    if origin is Annotated:
        return _types_of(arguments[0], arguments[1:])
    if origin is Literal:
        return {str: {one: one for one in arguments}.__getitem__}
    if origin in (Union, UnionType):
        return _one_of(arguments)
    if origin in (tuple, list):
        return {list: _several(origin, _types_of(arguments[0]))}
    if origin is dict:
        return {dict: None if arguments[1] is Any else _mapping(_types_of(arguments[1]))}
    return {}


def _one_of(choices: tuple[Any, ...]) -> Types:
    models = [one for one in choices if isinstance(one, type) and issubclass(one, BaseModel)]
    types: Types = {}
    for choice in choices:
        types |= _types_of(choice)
    if len(models) > 1:
        by_tag = {one.__name__: one for one in models}
        types[dict] = lambda data: _reader(by_tag[data["type"]])(data)
    return types


def _several(make: type, types: Types) -> Read:
    def read(items: list[Any]) -> Any:
        made = [one(item) if (one := types[type(item)]) is not None else item for item in items]
        return made if make is list else tuple(made)

    return read


def _mapping(types: Types) -> Read:
    def read(data: dict[str, Any]) -> dict[str, Any]:
        return {key: one(item) if (one := types[type(item)]) is not None else item for key, item in data.items()}

    return read


def _dataclass(cls: type[Any]) -> Read:
    types = get_type_hints(cls)
    assert all(field.type in ("str", "int", "Text") for field in dataclasses.fields(cls))

    def read(data: dict[str, Any]) -> Any:
        if data.keys() != types.keys():
            raise KeyError("not the fields it has")
        for key, item in data.items():
            if type(item) is not types[key]:
                raise KeyError("not the type it has")
        made = _new(cls)
        made.__dict__.update(data)
        return made

    return read


@cache
def _messages() -> dict[str, type[BaseMessage]]:
    classes = [one for one in vars(said).values() if isinstance(one, type) and issubclass(one, BaseMessage)]
    return {one.__name__: one for one in classes if "type" in one.model_fields}


def _message(data: dict[str, Any]) -> Any:
    return _reader(_messages()[data["type"]])(data)


def plain_time(text: str) -> datetime:
    """Read a time as it is written.

    Raises:
        ValueError: If it is written otherwise.
    """
    if len(text) not in _TIMES or text[-1] != "Z" or text[10] != "T":
        raise ValueError("not as it is written")
    return datetime.fromisoformat(text)


def are_plain_times(values: Sequence[Any]) -> bool:
    """Tell whether all of these are texts with the length and the marks of a time as it is written."""
    return (
        set(map(type, values)) == {str}
        and set(map(len, values)) <= _TIMES
        and set(map(itemgetter(10, 13, 16, -1), values)) == {("T", ":", ":", "Z")}
    )
