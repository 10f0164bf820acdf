"""Facts of an opened log: checked when somebody looks, and then like any other."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from agentnb.exceptions import LogUnreadable
from agentnb.messages import TextMessage
from agentnb.runlog import Event, Noted, RunLog, Said, Usage
from agentnb.runlog.unread import Unread


def opened(log: RunLog) -> RunLog:
    assert log.path is not None
    return RunLog.open(log.path)


@pytest.fixture
def fact(log: RunLog) -> Event:
    """A fact with everything, appended to the log."""
    log.note("cause")
    message = TextMessage(content="hi", source="ana", id="m", created_at=datetime(2026, 1, 1, tzinfo=UTC))
    where = {"source": "ana", "parent": log.events[0].id, "took": 0.5, "usage": Usage(prompt_tokens=1)}
    return log.append(Said(message=message), **where)  # type: ignore[arg-type]


@pytest.fixture
def unread(log: RunLog, fact: Event) -> Event:
    return opened(log).events[1]


def test_the_head_of_a_fact_is_known_before_its_body_is_checked(fact: Event, unread: Event) -> None:
    heads = [(e.id, e.seq, e.parent, e.at, e.took, e.source, e.usage, e.kind) for e in (unread, fact)]

    assert type(unread) is Unread
    assert heads[0] == heads[1]
    assert unread.at.tzinfo is UTC


def test_a_fact_whose_body_was_looked_at_is_an_event(fact: Event, unread: Event) -> None:
    assert isinstance(unread, Event)
    assert unread.body == fact.body
    assert type(unread) is Event


USES: dict[str, Callable[[Event], Any]] = {
    "model_dump": lambda event: event.model_dump(),
    "model_dump(json)": lambda event: event.model_dump(mode="json", exclude_none=True),
    "model_dump(include)": lambda event: event.model_dump(include={"id", "body"}),
    "model_dump_json": lambda event: event.model_dump_json(),
    "model_copy": lambda event: event.model_copy(),
    "model_copy(update)": lambda event: event.model_copy(update={"seq": 9}),
    "model_copy(deep)": lambda event: event.model_copy(deep=True),
    "model_fields_set": lambda event: event.model_fields_set,
    "model_extra": lambda event: event.model_extra,
    "model_validate": Event.model_validate,
    "within a list, dumped": lambda event: TypeAdapter(list[Event]).dump_python([event]),
    "within a list, dumped as JSON": lambda event: TypeAdapter(list[Event]).dump_json([event]),
    "within anything, dumped": lambda event: TypeAdapter(object).dump_python({"event": event}),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda event: pickle.loads(pickle.dumps(event)),
    "dict": dict,
    "vars": lambda event: dict(vars(event)),
    "set": lambda event: {event},
    "str": lambda event: str(event),
}


@pytest.mark.parametrize("use", USES)
def test_an_unread_fact_does_what_a_fact_does(log: RunLog, use: str) -> None:
    fact = log.append(Noted(text="x", by="ana"), source="ana")
    (unread,) = opened(log)

    assert USES[use](unread) == USES[use](fact)


@pytest.mark.parametrize("use", ["copy", "deepcopy", "pickle", "model_copy"])
def test_what_is_made_of_an_unread_fact_is_an_event(unread: Event, use: str) -> None:
    assert type(USES[use](unread)) is Event


def test_unread_facts_are_equal_to_facts_from_either_side(log: RunLog, fact: Event) -> None:
    def unread() -> Event:
        return opened(log).events[1]

    assert fact == unread()
    assert unread() == fact
    assert unread() == unread()
    assert not unread() != fact  # noqa: SIM202 - this is what is asked
    assert unread() != fact.model_copy(update={"seq": 9})
    assert unread().__eq__("something else") is False


def test_an_unread_fact_says_it_is_an_event(unread: Event) -> None:
    assert repr(unread).startswith("Event(id=")


def test_an_unread_fact_cannot_be_changed(unread: Event) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        unread.seq = 5  # type: ignore[misc]


def test_what_a_fact_does_not_have_is_named(unread: Event) -> None:
    with pytest.raises(AttributeError, match="'Event' object has no attribute 'nothing'"):
        _ = unread.nothing  # type: ignore[attr-defined]


def test_a_fact_of_a_kind_of_the_future_keeps_its_data(log: RunLog, fact: Event) -> None:
    assert log.path is not None
    log.path.write_text(log.path.read_text().replace('"kind":"note"', '"kind":"hologram"'))

    future, _ = RunLog.open(log.path)

    assert future.kind == "unknown"
    assert future.body.data["text"] == "cause"  # type: ignore[attr-defined]
    assert future.kind == "unknown"


DAMAGE: dict[str, tuple[str, Any, Callable[[Event], Any]]] = {
    "body": ("body", {"kind": "note", "text": 5}, lambda event: event.body),
    "at": ("at", "yesterday", lambda event: event.at),
    "at without a zone": ("at", "2026-01-01T12:00:00", lambda event: event.at),
    "usage": ("usage", {"prompt_tokens": "many"}, lambda event: event.usage),
    "dumped": ("body", {"kind": "note"}, lambda event: event.model_dump()),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_fact_that_is_damaged_within_says_which_when_it_is_looked_at(log: RunLog, damage: str) -> None:
    key, value, look = DAMAGE[damage]
    log.note("x")
    assert log.path is not None
    header, line = log.path.read_text().splitlines()
    log.path.write_text(f"{header}\n{json.dumps({**json.loads(line), key: value})}\n")
    (event,) = RunLog.open(log.path)

    with pytest.raises(LogUnreadable, match=f"Fact 1 of the run {log.id} is damaged"):
        look(event)


@pytest.mark.parametrize(
    "line", ["5", "[]", '"x"', '{"seq":1}', '{"body":{}}', '{"seq":"1","at":"","body":{"kind":""}}']
)
def test_a_line_that_is_no_fact_is_named_when_the_file_is_opened(log: RunLog, line: str) -> None:
    assert log.path is not None
    with log.path.open("a") as file:
        file.write(line + "\n")

    with pytest.raises(LogUnreadable, match="damaged at line 2"):
        RunLog.open(log.path)


@pytest.mark.parametrize("said", ["2026-01-01T12:00:00Z", "2026-01-01T17:30:00+05:30", "2026-01-01 12:00:00.000000Z"])
def test_times_are_read_as_pydantic_reads_them(log: RunLog, said: str) -> None:
    log.note("x")
    assert log.path is not None
    header, line = log.path.read_text().splitlines()
    data = {"id": f"{log.id}:1", **json.loads(line), "at": said}
    log.path.write_text(f"{header}\n{json.dumps(data)}\n")

    (event,) = RunLog.open(log.path)

    assert event.at == Event.model_validate(data).at == datetime(2026, 1, 1, 12, tzinfo=UTC)
