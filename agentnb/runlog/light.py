"""Facts as plain tuples, until somebody looks at them.

A turn leaves six facts, and few are looked at while the run goes on. A tuple of plain values costs a fraction of an
`Event` with its body, and the garbage collector passes it over.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

from pydantic import BaseModel

from agentnb.core import EventId
from agentnb.core.clock import moment
from agentnb.messages.unchecked import unchecked
from agentnb.runlog.events import (
    BODIES,
    ContextAdded,
    Event,
    ModelFinished,
    ModelStarted,
    Said,
    SpeakerChosen,
    ToolFinished,
    ToolStarted,
    TurnFinished,
    TurnStarted,
    Usage,
)

Values = tuple[Any, ...]
"""A body: the values of its fields in their order. Its kind is the first, and tells its class."""
Light = tuple[EventId | int | None, int | datetime, float | None, str, Usage | tuple[Any, ...] | None, Values]
"""A fact: parent, at as a `stamp`, took, source, usage, body. Its place in the log says its number."""


def _values(cls: type[BaseModel]) -> Callable[..., Values]:
    """Return a function that takes the fields of a body, known to be right, and gives its `Values`.

    They are given by name, or in their order: those first that have to be given, which are those without a default and
    those with a fresh one each time.
    """
    fields = cls.model_fields
    defaults = {
        name: field.get_default()
        for name, field in fields.items()
        if not field.is_required() and field.default_factory is None
    }
    kind = defaults.pop("kind")
    needed = [name for name in fields if name not in defaults and name != "kind"]
    taken = ", ".join([*needed, *(f"{name}=defaults[{name!r}]" for name in defaults)])
    values = ", ".join(repr(kind) if name == "kind" else name for name in fields)
    # As `dataclass` makes its `__init__`: of names of ours.
    function: Callable[..., Values] = eval(f"lambda {taken}: ({values})", {"defaults": defaults})
    return function


context_added = _values(ContextAdded)
model_finished = _values(ModelFinished)
model_started = _values(ModelStarted)
said = _values(Said)
speaker_chosen = _values(SpeakerChosen)
tool_finished = _values(ToolFinished)
tool_started = _values(ToolStarted)
turn_finished = _values(TurnFinished)
turn_started = _values(TurnStarted)


_SHAPES = {kind: (cls, tuple(cls.model_fields)) for kind, cls in BODIES.items()}
_USAGE = tuple(Usage.model_fields)


def head_of(run_id: str, seq: int, light: Light) -> dict[str, Any]:
    """Return what is known of a fact without a look at its body: its head, with `at` as a `stamp`, and the rest."""
    parent, at, took, source, _, values = light
    return {
        "id": f"{run_id}:{seq}",
        "seq": seq,
        "parent": f"{run_id}:{parent}" if type(parent) is int else parent,
        "at": at,
        "took": took,
        "source": source,
        "kind": values[0],
        "light": light,
    }


def content_of(light: Light) -> tuple[BaseModel, Usage | None]:
    """Return what happened and what it cost."""
    usage: Any = light[4]
    if type(usage) is tuple:
        usage = unchecked(Usage, dict(zip(_USAGE, usage, strict=True)))
    cls, names = _SHAPES[light[5][0]]
    return unchecked(cls, dict(zip(names, light[5], strict=True))), usage


@cache
def _named(kind: str) -> Any:
    return _tuple_of(*_SHAPES[kind])


def _tuple_of(cls: type[BaseModel], names: tuple[str, ...]) -> Any:
    return namedtuple(cls.__name__, names)


_Spent = _tuple_of(Usage, _USAGE)
_filled = tuple.__new__


def fields_of(light: Light) -> tuple[Any, Any]:
    """Return what has the fields of what happened and of what it cost, at a fraction of the price of these."""
    usage, values = light[4], light[5]
    return _filled(_named(values[0]), values), _filled(_Spent, usage) if type(usage) is tuple else usage


def event_of(run_id: str, seq: int, light: Light) -> Event:
    """Return a fact as those see it who look."""
    head = head_of(run_id, seq, light)
    del head["kind"], head["light"]
    body, usage = content_of(light)
    return unchecked(Event, {**head, "at": moment(light[1]), "usage": usage, "body": body})
