"""Configs drawn from constructors."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar
from uuid import UUID

import pytest
from pydantic import BaseModel

from agentnb.agents import AssistantAgent
from agentnb.base import TerminationCondition
from agentnb.conditions import MaxMessageTermination
from agentnb.core import Component, ComponentModel
from agentnb.core.drawn import Constructor
from agentnb.exceptions import UserError
from agentnb.models.replay import ReplayChatCompletionClient

if TYPE_CHECKING:
    from nowhere import Unreadable  # type: ignore[import-not-found]


@pytest.fixture(autouse=True)
def _trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTNB_TRUSTED_NAMESPACES", __name__)


T = TypeVar("T", bound=Component)


def again(component: T) -> T:
    """Dump to JSON text and load."""
    return type(component).load_component(json.loads(component.dump_component().model_dump_json(exclude_none=True)))


class Timed(Component):
    def __init__(self, name: str, /, timeout: float | None = 60, *others: str, strict: bool | None = None, **rest: Any):
        self.name, self.timeout, self.others, self.strict, self.rest = name, timeout, others, strict, rest


class Level(IntEnum):
    LOW = 1


class Colour(Enum):
    RED = "red"


@dataclass
class Span:
    start: int
    end: Path


class Range(BaseModel):
    low: int | None
    high: int | None = 9
    within: Range | None = None


class Mixed(Component):
    def __init__(
        self,
        *,
        level: Level = Level.LOW,
        span: Span | None = None,
        took: timedelta | None = None,
        amount: Decimal | None = None,
        number: UUID | None = None,
        tags: frozenset[str] = frozenset(),
        by_colour: Mapping[Colour, int] | None = None,
        pairs: Sequence[tuple[int, str]] = (),
        limits: Range | None = None,
        data: bytes = b"",
        limit: float = 0.0,
    ) -> None:
        self.held = (level, span, took, amount, number, tags, by_colour, pairs, limits, data, limit)


@dataclass
class Point(Component):
    """A dataclass that is a component."""

    x: int
    where: Path = Path()
    tags: list[str] = field(default_factory=list)
    seen: int = field(default=0, init=False)


class Named:
    """No component, and it has the constructor."""

    def __init__(self, name: str) -> None:
        self.name = name


class Person(Named, Component):
    pass


class Speaking(Protocol):
    def speak(self) -> str: ...


class Speaker(Speaking, Component):
    def speak(self) -> str:
        return "hello"


class Half(Component):
    """One annotation is for type checkers alone."""

    def __init__(self, path: Path, other: Unreadable | None = None) -> None:
        self.path, self.other = path, other


class Renamed(Component):
    """Version 1 called its argument `left`."""

    component_version = 2

    def __init__(self, x: int, inside: Sequence[TerminationCondition] = ()) -> None:
        self.x, self.inside = x, inside

    @classmethod
    def _from_config_past_version(cls, config: dict[str, Any], version: int) -> Self:
        config["x"] = config.pop("left")
        return cls._from_config(config)


class Changing(Component):
    """Changes what it is given."""

    def __init__(self, options: dict[str, Any]) -> None:
        options["changed"] = True
        self.options = options


def test_none_survives_where_leaving_it_out_would_mean_something_else() -> None:
    """AutoGen writes no None at all; a timeout that was switched off would come back."""
    made = again(Timed("a", None))

    assert made.timeout is None
    assert Timed("a", strict=None).dump_component().config == {"name": "a"}


def test_an_agent_without_a_system_message_stays_without() -> None:
    agent = AssistantAgent("ana", ReplayChatCompletionClient(["a"]), system_message=None)

    made = again(agent)

    assert made.dump_component() == agent.dump_component()
    assert made._system_message is None


def test_arguments_by_place_by_name_and_left_over_come_back() -> None:
    made = again(Timed("a", 1.5, "b", "c", strict=True, more={"x": [1]}))

    assert (made.name, made.timeout, made.others, made.strict) == ("a", 1.5, ("b", "c"), True)
    assert made.rest == {"more": {"x": [1]}}


def test_values_of_many_kinds_come_back_as_what_the_annotations_say() -> None:
    component = Mixed(
        level=Level.LOW,
        span=Span(1, Path("a/b")),
        took=timedelta(minutes=1),
        amount=Decimal("1.50"),
        number=UUID(int=7),
        tags=frozenset({"b", "a"}),
        by_colour={Colour.RED: 1},
        pairs=[(1, "a"), (2, "b")],
        limits=Range(low=None, high=None, within=Range(low=1)),
        data=b"abc",
        limit=math.inf,
    )

    made = again(component)

    assert made.held == component.held
    assert made.dump_component() == component.dump_component()


def test_a_dataclass_is_written_by_its_fields() -> None:
    made = again(Point(3, Path("a")))

    assert made == Point(3, Path("a"))
    assert Point(3).dump_component().config == {"x": 3, "where": ".", "tags": []}


def test_a_constructor_that_comes_from_elsewhere_is_seen_running() -> None:
    assert again(Person("ana")).name == "ana"


def test_a_class_with_a_protocol_among_its_bases_comes_back() -> None:
    assert again(Speaker()).speak() == "hello"


def test_an_annotation_that_cannot_be_read_spoils_no_other() -> None:
    assert again(Half(Path("a/b"))).path == Path("a/b")


def test_an_object_made_without_its_constructor_is_not_written_as_something_else() -> None:
    person = Person.__new__(Person)

    with pytest.raises(UserError, match=r"How this Person was made is not known; define Person\._to_config"):
        person.dump_component()
    assert "not written" in person.describe_component().config


def test_keys_that_json_does_not_know_are_named() -> None:
    with pytest.raises(UserError, match=r"Timed\.table is \{\(1, 2\): 3\}"):
        Timed("a", table={(1, 2): 3}).dump_component()


def test_text_that_no_file_takes_is_mended() -> None:
    assert Timed("a\ud800").dump_component().config == {"name": "a\ufffd"}


def test_what_a_model_said_never_becomes_an_object() -> None:
    said = {"provider": "agentnb.conditions.MaxMessageTermination", "config": {"max_messages": 1}}

    made = again(Timed("a", said=said, models=[ComponentModel.model_validate(said)]))

    assert made.rest["said"] == said
    assert made.rest["models"][0]["provider"] == said["provider"]


def test_an_older_config_is_brought_up_to_date_and_goes_on_as_any_other() -> None:
    inside = [MaxMessageTermination(3).dump_component().model_dump()]
    model = ComponentModel(provider=f"{__name__}.Renamed", component_version=1, config={"left": 5, "inside": inside})

    made = Renamed.load_component(model)

    assert made.x == 5
    assert isinstance(made.inside[0], MaxMessageTermination)
    assert "left" in model.config
    assert made.dump_component().component_version == 2


def test_a_class_that_reads_no_older_config_says_so() -> None:
    model = ComponentModel(
        provider="agentnb.conditions.MaxMessageTermination", component_version=0, config={"max_messages": 1}
    )

    with pytest.raises(NotImplementedError, match="is of version 0, and the MaxMessageTermination here is version 1"):
        Component.load_component(model)


def test_a_class_that_changes_what_it_is_given_leaves_the_model_alone() -> None:
    model = ComponentModel(provider=f"{__name__}.Changing", config={"options": {"a": [1]}})

    made = Changing.load_component(model)

    assert made.options == {"a": [1], "changed": True}
    assert model.config == {"options": {"a": [1]}}


def test_a_constructor_is_read_once_per_class() -> None:
    assert Constructor.of(Timed) is Constructor.of(Timed)
    assert Constructor.of(Timed) is not Constructor.of(Person)
