"""Facts looked at in passing: their fields are read one by one as they are asked for, and nothing is kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import from_json

from agentnb.messages import CreateResult
from agentnb.runlog.events import BODIES, Event, Usage
from agentnb.runlog.light import fields_of as fields_of_light
from agentnb.runlog.plain import UNSURE, Field, Types, fields_of
from agentnb.runlog.unread import Unread, own, read

Whole = Callable[[dict[str, Any]], Any]
"""Makes all of what a field belongs to, by what is known of the fact."""


def glance(event: Event) -> tuple[Any, Any]:
    """Return a fact's body and its usage, or what has their fields.

    It is for whoever reads a few fields of the many facts of a long log. Those of a fact that was opened and that
    nobody has looked at are made of its line as they are asked for, anew each time, and the fact stays as it is; so
    does one that was just added.

    Raises:
        LogUnreadable: If its line is damaged; where only a field is, by whoever asks for that field.
    """
    values = own(event)
    if "light" in values:
        return fields_of_light(values["light"])
    if type(event) is not Unread or "body" in values:
        return event.body, event.usage
    fields = _bodies().get(values["kind"])
    if fields is None:
        return read(values)
    try:
        # Their strings are seldom those of the next line.
        line = from_json(values["line"], cache_strings="keys")
    except ValueError:
        return read(values)
    body, usage = line["body"], line.get("usage")
    if usage is not None and type(usage) is not dict:
        return read(values)
    if "resolver" in values:
        body = values["resolver"].resolve(body)
    return fields(body, values), None if usage is None else _usage()(usage, values)


def body_of(event: Event) -> Any:
    """Return a fact's body, or what has its fields: see `glance`."""
    return event.body if type(event) is Event else glance(event)[0]


def usage_of(event: Event) -> Any:
    """Return what a fact cost, or what has the fields of that: see `glance`; None where nothing is said of it."""
    return event.usage if type(event) is Event else glance(event)[1]


class _Fields:
    """A body, a part of one, or a usage, as the JSON of its line."""

    __slots__ = ("_data", "_values")

    def __init__(self, data: dict[str, Any], values: dict[str, Any]) -> None:
        self._data = data
        self._values = values


class _Absent:
    """Stands for what the JSON does not have."""


_ABSENT = _Absent()


@cache
def _bodies() -> dict[str, type[_Fields]]:
    # What is of an unknown kind has no fields.
    return {kind: _class(cls, lambda values: read(values)[0]) for kind, cls in BODIES.items() if kind != "unknown"}


@cache
def _usage() -> type[_Fields]:
    return _class(Usage, lambda values: read(values)[1])


def _class(cls: type[BaseModel], whole: Whole) -> type[_Fields]:
    properties = {name: property(_getter(cls, name, whole)) for name in cls.model_fields}
    return type(cls.__name__, (_Fields,), {"__slots__": (), **properties})


def _getter(cls: type[BaseModel], name: str, whole: Whole) -> Callable[[_Fields], Any]:
    types = _types(fields_of(cls)[name])

    def get(self: _Fields) -> Any:
        value = self._data.get(name, _ABSENT)
        try:
            make = types[type(value)]
            return value if make is None else make(value)
        except UNSURE:
            return getattr(whole(self._values), name)

    def part(self: _Fields) -> Any:
        value = self._data.get(name)
        return fields(value, self._values) if type(value) is dict else get(self)

    if CreateResult not in get_args(cls.model_fields[name].annotation):
        return get
    fields = _class(CreateResult, lambda values: getattr(whole(values), name))
    return part


def _types(field: Field) -> Types:
    if field.needed:
        return field.types
    return {**field.types, _Absent: lambda _: field.default if field.fresh is None else field.fresh()}
