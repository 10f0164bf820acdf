"""Bodies whose every value is of the very type that its field has, read without pydantic at a fifth of its price.

What needs a second look, such as a class of the user's, a picture, or a number where a text should be, is left to
pydantic, which reads it or says what is wrong.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, BeforeValidator

from agentnb.core.text import Text
from agentnb.messages import BaseMessage, FunctionCall, RequestUsage, read_message
from agentnb.messages import chat as said
from agentnb.messages.unchecked import unchecked
from agentnb.runlog.events import BODIES, Usage

Read = Callable[[Any], Any]
Types = dict[type, Read | None]
"""What makes a field's value of one in JSON, by the type of the latter; None where it is that."""

# What is not plain is raised as one of these: by looking for a field, a type or a choice that is not known.
UNSURE = (KeyError, ValueError, TypeError)

_SIMPLE = (str, int, bool, NoneType)
_CLEAN = get_args(Text)[1]
_DATACLASSES = (FunctionCall, RequestUsage)
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


@cache
def _reader(cls: type[BaseModel]) -> Read:
    fields = cls.model_fields
    types = {name: _types_of(field.annotation, field.metadata) for name, field in fields.items()}
    # What is made anew for each object, such as an id, is not to be made up here.
    plain = {name: field.get_default() for name, field in fields.items() if field.default_factory is None}
    fresh = {name: field.default_factory for name, field in fields.items() if field.default_factory in (dict, list)}
    blank = {name: None if fields[name].is_required() else plain.get(name) for name in fields}
    needed = {name for name in fields if name not in fresh and (name not in plain or fields[name].is_required())}

    def read(data: dict[str, Any]) -> Any:
        for name in needed:
            data[name]
        values = blank.copy()
        for name, value in data.items():
            make = types[name][type(value)]
            values[name] = value if make is None else make(value)
        for name, make in fresh.items():
            if name not in data:
                values[name] = make()
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
    assert all(field.type in ("str", "int") for field in dataclasses.fields(cls))

    def read(data: dict[str, Any]) -> Any:
        if data.keys() != types.keys() or any(type(item) is not types[key] for key, item in data.items()):
            raise KeyError("not the fields it has")
        return cls(**data)

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
