"""Facts as their lines gave them, or as light as they were added, made whole when somebody looks."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from pydantic import AwareDatetime, BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json

from agentnb.core.clock import moment
from agentnb.exceptions import LogUnreadable
from agentnb.messages.unchecked import set_extra, set_names, set_private, set_values
from agentnb.runlog.events import BODIES, Event, Usage, read_body
from agentnb.runlog.light import Light, content_of, head_of
from agentnb.runlog.plain import UNSURE, plain_body, plain_time, plain_usage


class Resolver(Protocol):
    """Puts texts where a line refers to them."""

    def resolve(self, body: dict[str, Any]) -> dict[str, Any]: ...


_new = object.__new__
_become = object.__setattr__
own = BaseModel.__dict__["__dict__"].__get__
_glimpse = BaseModel.__dict__["__pydantic_private__"].__get__
_NAMES = set(Event.model_fields)
_ID = (str, type(None))
_SECONDS = (float, int, type(None))


class Unread(Event, frozen=True, defer_build=True):
    """A fact of an opened log.

    Making one is a small part of the price of checking it. It becomes an `Event` like any other as soon as its body, or
    all of it, is asked for.
    """

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        values: dict[str, Any] = own(_whole(self))
        return values

    @property
    def kind(self) -> str:
        values = own(self)
        kind: str | None = values.get("kind")
        return values["body"].kind if kind is None else kind

    def __eq__(self, other: object) -> bool:
        return bool(_whole(self) == other)

    def __hash__(self) -> int:
        return hash(_whole(self))

    def __copy__(self) -> Any:
        return copy.copy(_whole(self))

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Any:
        return copy.deepcopy(_whole(self), memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _whole(self).__reduce_ex__(protocol)

    def __repr_name__(self) -> str:
        return Event.__name__


class Unseen(Unread, frozen=True, defer_build=True):
    """A fact that was just added to a log; it becomes an `Event` likewise, without anything to read."""


def unread(line: bytes, data: dict[str, Any], run_id: str | None, resolver: Resolver | None = None) -> Event:
    """Make a fact of a line, and of what it decodes to.

    Raises:
        ValueError, KeyError, TypeError: If the line is no fact's.
    """
    seq, at, kind = data["seq"], data["at"], data["body"]["kind"]
    if type(seq) is not int or type(at) is not str or type(kind) is not str:
        raise ValueError("no fact's number, time or kind")
    known, parent, took, source = data.get("id"), data.get("parent"), data.get("took"), data.get("source", "")
    if type(source) is not str or type(parent) not in _ID or type(known) not in _ID or type(took) not in _SECONDS:
        raise ValueError("no fact's source, id, parent or seconds")
    values = {
        "id": known or f"{run_id}:{seq}",
        "seq": seq,
        "parent": parent,
        "at": at,
        "took": took,
        "source": source,
        "kind": kind if kind in BODIES else "unknown",
        # The line, not what it holds: a tenth of the memory, and nothing the garbage collector would visit.
        "line": line,
    }
    if "usage" not in data:
        values["usage"] = None
    if resolver is not None:
        values["resolver"] = resolver
    made = _new(Unread)
    set_values(made, values)
    return made


def unseen(run_id: str, seq: int, light: Light) -> Event:
    """Make a fact of what was added to a log."""
    made = _new(Unseen)
    set_values(made, head_of(run_id, seq, light))
    return made


class Passing(Unseen, frozen=True, defer_build=True):
    """A fact that passes one who follows, and mostly looks at its kind; `Unseen` as soon as more is asked for."""

    @property
    def kind(self) -> str:
        seen = _glimpse(self)
        # Another thread may have looked at all of it meanwhile.
        return super().kind if seen is None else seen[2][5][0]


def passing(run_id: str, seq: int, light: Light) -> Event:
    """Make a fact of what was added to a log, for one who will hardly keep it: at half the price of `unseen`."""
    made = _new(Passing)
    set_private(made, (run_id, seq, light))  # there is no place of its own for it, and a dict costs half as much again
    return made


def decoded(line: bytes) -> Any:
    """Return what a line holds.

    Raises:
        ValueError: If it is no JSON.
    """
    try:
        return from_json(line)
    except ValueError:
        # What the faster parser does not take, such as a lone surrogate, may still be JSON.
        return json.loads(line)


def line_of(event: Event) -> bytes | None:
    """Return the line of a fact; None if it has been read."""
    line: bytes | None = own(event).get("line")
    return line


def check(event: Event) -> None:
    """Look at all of a fact, and keep nothing of it.

    Raises:
        LogUnreadable: If its line is damaged.
    """
    values = own(event)
    if "line" in values:
        _ = read(values), event.at


def read(values: dict[str, Any]) -> tuple[Any, Usage | None]:
    """Return the body and the usage of a fact, by what is known of it.

    Raises:
        LogUnreadable: If its line is damaged.
    """
    resolver = values.get("resolver")
    try:
        line, plain = from_json(values["line"]), True
    except ValueError:
        line, plain = decoded(values["line"]), False
    data = resolver.resolve(line["body"]) if resolver else line["body"]
    try:
        body = plain_body(data) if plain else None
    except UNSURE:
        body = None
    if body is None:
        body = _checked(values, lambda: read_body(data))
    return body, _checked(values, lambda: _usage_of(line)) if "usage" in line else None


def _headed(event: Event) -> Event:
    if type(event) is Passing and (seen := _glimpse(event)) is not None:
        set_values(event, head_of(*seen))
        _become(event, "__class__", Unseen)
    return event


def _whole(event: Event) -> Event:
    values = own(_headed(event))
    if "body" not in values:
        body, usage = content_of(values["light"]) if "light" in values else read(values)
        whole = {
            "id": values["id"],
            "seq": values["seq"],
            "parent": values["parent"],
            "at": _at(event),
            "took": values["took"],
            "source": values["source"],
            "usage": usage,
            "body": body,
        }
        set_values(event, whole)
        set_names(event, _NAMES)
        set_extra(event, None)
        set_private(event, None)
        # Another thread may be here too; it writes the same.
        _become(event, "__class__", Event)
    return event


def _body(event: Event) -> Any:
    return own(_whole(event))["body"]


def _at(event: Event) -> Any:
    values = own(event)
    at = values["at"]
    if type(at) is int:
        at = values["at"] = moment(at)
    elif type(at) is str:
        try:
            at = values["at"] = plain_time(at)
        except ValueError:
            at = values["at"] = _checked(values, lambda: _time(at))
    return at


def _usage(event: Event) -> Any:
    values = own(event)
    if "light" in values:
        values = own(_whole(event))
    if "usage" not in values:
        values["usage"] = _checked(values, lambda: _usage_of(decoded(values["line"])))
    return values["usage"]


def _usage_of(data: dict[str, Any]) -> Usage | None:
    usage = data.get("usage")
    if usage is None:
        return None
    try:
        return plain_usage(usage)
    except (*UNSURE, AttributeError):  # what is no object has no items
        return Usage.model_validate(usage)


def _time(text: str) -> datetime:
    at: datetime | None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        # What the standard library does not read, or not as pydantic does, is pydantic's to read or refuse.
        at = TypeAdapter(AwareDatetime).validate_python(text)
    return at


def _checked(values: dict[str, Any], read: Callable[[], Any]) -> Any:
    try:
        return read()
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        why = str(error)
        if isinstance(error, ValidationError):
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "its value"
            why = f"{where} is {str(first['input'])[:80]!r}: {first['msg']}"
        raise LogUnreadable(
            f"Fact {values['seq']} of the run {values['id'].rpartition(':')[0]} is damaged: {why.rstrip('.')}. "
            "`RunLog.open(path, until_damage=True)` opens the facts before it."
        ) from error


def _as_event(name: str) -> property:
    return property(lambda event: getattr(_whole(event), name))


def _as_unseen(name: str) -> property:
    return property(lambda event: getattr(_headed(event), name))


# What pydantic and its core read of an object makes it whole, so that they dump, compare and print an `Event`.
for _part in ("serializer", "fields_set", "extra", "private"):
    setattr(Unread, f"__pydantic_{_part}__", _as_event(f"__pydantic_{_part}__"))
for _name, _get in {"at": _at, "body": _body, "usage": _usage}.items():
    setattr(Unread, _name, property(_get))
for _name in ("id", "seq", "parent", "at", "took", "source", "usage", "body"):
    setattr(Passing, _name, _as_unseen(_name))
