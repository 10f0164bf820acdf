"""Component classes written the way AutoGen asks for, letter for letter."""

from __future__ import annotations

import json
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, Self, TypeVar, assert_type

import pytest
from pydantic import BaseModel, SecretStr

from agentnb.agents import BaseChatAgent
from agentnb.base import Response
from agentnb.cache_store import CacheStore
from agentnb.core import (
    CancellationToken,
    Component,
    ComponentBase,
    ComponentFromConfig,
    ComponentLoader,
    ComponentModel,
    ComponentSchemaType,
    ComponentToConfig,
    ComponentType,
    is_component_class,
    is_component_instance,
)
from agentnb.exceptions import UserError
from agentnb.messages import BaseChatMessage, TextMessage
from agentnb.tools import BaseTool

T = TypeVar("T")


@pytest.fixture(autouse=True)
def _trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTNB_TRUSTED_NAMESPACES", __name__)


class PointConfig(BaseModel):
    x: int
    note: str | None = None


class Point(ComponentBase[PointConfig], Component[PointConfig]):
    """A point.

    More about it.
    """

    component_type = "point"
    component_config_schema = PointConfig
    component_version = 2

    def __init__(self, x: int, note: str | None = None, *, from_version: int = 2) -> None:
        self.x, self.note, self.from_version = x, note, from_version

    def _to_config(self) -> PointConfig:
        return PointConfig(x=self.x, note=self.note)

    @classmethod
    def _from_config(cls, config: PointConfig) -> Self:
        return cls(config.x, config.note)

    @classmethod
    def _from_config_past_version(cls, config: dict[str, Any], version: int) -> Self:
        return cls(config.pop("left"), from_version=version)


class LineConfig(BaseModel):
    ends: list[ComponentModel]


class Line(Component[LineConfig], ComponentBase[LineConfig]):
    component_type: ClassVar[ComponentType] = "line"
    component_config_schema = LineConfig
    component_label = "a line"
    component_description = "Between points."
    component_provider_override = f"{__name__}.Stroke"

    def __init__(self, ends: Sequence[Point]) -> None:
        self.ends = ends

    def _to_config(self) -> LineConfig:
        return LineConfig(ends=[end.dump_component() for end in self.ends])

    @classmethod
    def _from_config(cls, config: LineConfig) -> Self:
        return cls([Point.load_component(end) for end in config.ends])


Stroke = Line


class Greeting(BaseModel):
    name: str
    greeting: str = "Hello"


class Greeter(BaseChatAgent, Component[Greeting]):
    component_config_schema = Greeting

    def __init__(self, name: str, greeting: str) -> None:
        super().__init__(name, description="greets")
        self.greeting = greeting

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage,)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        return Response(chat_message=TextMessage(content=self.greeting, source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        self.greeting = "Hello"

    def _to_config(self) -> Greeting:
        return Greeting(name=self.name, greeting=self.greeting)

    @classmethod
    def _from_config(cls, config: Greeting) -> Self:
        return cls(config.name, config.greeting)


class Shape(ABC, ComponentBase[BaseModel]):
    """A family, as AutoGen writes one."""

    component_type = "shape"

    @abstractmethod
    def area(self) -> float: ...


class SquareConfig(BaseModel):
    side: float


class Square(Shape, Component[SquareConfig]):
    component_config_schema = SquareConfig

    def __init__(self, side: float) -> None:
        self.side = side

    def area(self) -> float:
        return self.side**2

    def _to_config(self) -> SquareConfig:
        return SquareConfig(side=self.side)

    @classmethod
    def _from_config(cls, config: SquareConfig) -> Self:
        return cls(config.side)


class Box(Shape, Component[BaseModel], Generic[T]):
    """Relies on its constructor."""

    def __init__(self, *items: T) -> None:
        self.items = items

    def area(self) -> float:
        return len(self.items)


class Add(BaseTool[PointConfig, int], Component[PointConfig]):
    """A tool that is written by its base class's means."""

    def __init__(self, more: int = 1) -> None:
        super().__init__(PointConfig, int, "add", "adds")
        self.more = more

    async def run(self, args: PointConfig, cancellation_token: CancellationToken) -> int:
        return args.x + self.more


class NullStore(CacheStore[str], Component[BaseModel]):
    def get(self, key: str, default: str | None = None) -> str | None:
        return default

    def set(self, key: str, value: str) -> None: ...


class Untyped(ComponentToConfig[PointConfig], ComponentLoader):
    """Without `component_type`, and without the parts it takes to be loaded."""

    def _to_config(self) -> PointConfig:
        return PointConfig(x=1)


class Parts(
    ComponentFromConfig[PointConfig], ComponentToConfig[PointConfig], ComponentSchemaType[PointConfig], ComponentLoader
):
    """All four parts, one by one."""

    component_type = "point"
    component_config_schema = PointConfig

    def _to_config(self) -> PointConfig:
        return PointConfig(x=7)

    @classmethod
    def _from_config(cls, config: PointConfig) -> Self:
        return cls()


class ServiceConfig(BaseModel):
    url: str
    api_key: SecretStr | None = None


class Service(Component[ServiceConfig]):
    component_type = "service"
    component_config_schema = ServiceConfig

    def __init__(self, url: str, api_key: str | None = None) -> None:
        self.url, self.api_key = url, api_key

    def _to_config(self) -> ServiceConfig:
        return ServiceConfig(url=self.url, api_key=SecretStr(self.api_key) if self.api_key else None)

    @classmethod
    def _from_config(cls, config: ServiceConfig) -> Self:
        return cls(config.url, config.api_key.get_secret_value() if config.api_key else None)


def test_the_config_a_class_writes_is_the_config() -> None:
    dumped = Point(3).dump_component()

    assert dumped == ComponentModel(
        provider=f"{__name__}.Point",
        component_type="point",
        version=2,
        component_version=2,
        description="A point.",
        label="Point",
        config={"x": 3},
    )


def test_what_is_none_is_nowhere_in_a_dump() -> None:
    assert "null" not in Line([Point(1)]).dump_component().model_dump_json(exclude_none=True)
    assert "note" not in Line([Point(1)]).dump_component().config["ends"][0]["config"]


def test_a_class_may_say_its_label_its_description_and_its_address() -> None:
    dumped = Line([]).dump_component()

    assert (dumped.label, dumped.description) == ("a line", "Between points.")
    assert dumped.provider == f"{__name__}.Stroke"
    assert type(Line.load_component(dumped)) is Line


def test_loading_checks_with_the_schema_and_calls_the_class() -> None:
    made = Point.load_component({"provider": f"{__name__}.Point", "config": {"x": "4"}})

    assert (made.x, made.note) == (4, None)
    with pytest.raises(ValueError, match="x"):
        Point.load_component({"provider": f"{__name__}.Point", "config": {}})


def test_an_outer_component_comes_back_with_its_inner_ones() -> None:
    line = Line([Point(1, "a"), Point(2)])

    made = Line.load_component(json.loads(line.dump_component().model_dump_json()))

    assert [(end.x, end.note) for end in made.ends] == [(1, "a"), (2, None)]
    assert made.dump_component() == line.dump_component()


def test_classes_of_both_styles_hold_each_other() -> None:
    box = Box(Point(1), [Square(2.0)], {"line": Line([Point(3)])})

    made: Box[Any] = Box.load_component(json.loads(box.dump_component().model_dump_json()))

    assert made.dump_component() == box.dump_component()
    assert made.items[0].x == 1


def test_an_agent_with_a_config_of_its_own_is_written_by_it() -> None:
    made = Greeter.load_component(Greeter("ana", "Hi").dump_component())

    assert (made.name, made.greeting) == ("ana", "Hi")
    assert made.dump_component().config == {"name": "ana", "greeting": "Hi"}
    assert made.dump_component().component_type == "agent"


def test_brackets_mean_the_same_class_in_any_order_of_bases() -> None:
    assert Component[PointConfig] is Component
    assert ComponentBase[PointConfig] is ComponentBase
    assert Point.__mro__.index(ComponentBase) < Point.__mro__.index(Component)
    assert Line.__mro__.index(Component) < Line.__mro__.index(ComponentBase)


def test_a_generic_component_keeps_its_own_brackets() -> None:
    assert Box[int](1, 2).dump_component().config == {"items": [1, 2]}


def test_families_tools_and_stores_are_told_apart_from_what_is_no_component() -> None:
    assert all(is_component_class(cls) for cls in (Point, Line, Greeter, Square, Box, Add, NullStore, Parts))
    assert not any(is_component_class(cls) for cls in (Shape, Untyped, PointConfig, int))
    assert is_component_instance(Point(1))
    assert not is_component_instance(Point)


@pytest.mark.parametrize("component", [Square(2), Add(3), NullStore(), Parts()], ids=lambda c: type(c).__name__)
def test_every_way_of_naming_the_bases_comes_back(component: Any) -> None:
    made = ComponentLoader.load_component(component.dump_component(), expected=type(component))

    assert type(made) is type(component)
    assert made.dump_component() == component.dump_component()


def test_type_checkers_know_what_is_loaded() -> None:
    dumped = Point(1).dump_component()

    assert_type(Point.load_component(dumped), Point)
    assert_type(ComponentLoader.load_component(dumped, Point), Point)
    assert_type(Point(1)._to_config(), PointConfig)
    assert isinstance(Component.load_component(dumped, expected=Point), Point)


def test_a_config_of_an_older_version_goes_through_its_own_door() -> None:
    model = ComponentModel(provider=f"{__name__}.Point", component_version=1, config={"left": 5})

    made = Point.load_component(model)

    assert (made.x, made.from_version) == (5, 1)
    assert model.config == {"left": 5}


def test_a_class_that_reads_no_older_version_says_which_it_got() -> None:
    class Old(Point):
        _from_config_past_version = Component._from_config_past_version  # type: ignore[assignment]

    with pytest.raises(NotImplementedError, match=r"is of version 1, and the Old here is version 2.*_past_version"):
        _make(Old, {"x": 1}, version=1)


def test_a_config_of_a_newer_version_is_refused_and_both_versions_are_named() -> None:
    """AutoGen gives it to the class as if it were of the present one."""
    with pytest.raises(UserError, match=r"Point is of version 3, and the Point here is version 2"):
        Point.load_component({"provider": f"{__name__}.Point", "component_version": 3, "config": {"x": 1}})


def _make(cls: type[Any], config: dict[str, Any], version: int) -> Any:
    globals()[cls.__name__] = cls
    try:
        return Component.load_component(
            {"provider": f"{__name__}.{cls.__name__}", "component_version": version, "config": config}
        )
    finally:
        del globals()[cls.__name__]


def test_a_class_without_a_component_type_is_not_written() -> None:
    with pytest.raises(AttributeError, match="Untyped lacks the class variable component_type"):
        Untyped().dump_component()


def test_a_class_without_a_schema_is_not_made() -> None:
    with pytest.warns(UserWarning, match="component_config_schema"):

        class Bare(Component[PointConfig]):
            component_type = "bare"

            @classmethod
            def _from_config(cls, config: PointConfig) -> Self:
                return cls()

    with pytest.raises(AttributeError, match="lacks the class variable component_config_schema"):
        _make(Bare, {"x": 1}, version=1)


def test_a_class_that_defines_its_configs_by_halves_is_warned_where_it_is_written() -> None:
    with pytest.warns(UserWarning, match="Half defines _to_config but no") as caught:

        class Half(Component[PointConfig]):
            component_config_schema = PointConfig

            def _to_config(self) -> PointConfig:
                return PointConfig(x=1)

    assert ["component_type" in str(w.message) for w in caught] == [True, False]
    assert "no _from_config" in str(caught[1].message)


def test_a_class_that_relies_on_its_constructor_is_not_warned() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        class Plain(Component[BaseModel]):
            def __init__(self, x: int) -> None:
                self.x = x

        class More(Plain):
            component_version = 2

    assert More(1).describe_component().config == {"x": 1}


def test_a_class_may_go_on_from_what_its_base_class_writes_and_makes() -> None:
    class ItemsConfig(BaseModel):
        items: list[Any]

    class Counted(Box[Any]):
        component_config_schema = ItemsConfig

        def _to_config(self) -> BaseModel:
            return ItemsConfig(items=[0, *super()._to_config().model_dump()["items"]])

        @classmethod
        def _from_config(cls, config: BaseModel) -> Self:
            assert isinstance(config, ItemsConfig)
            return super()._from_config(ItemsConfig(items=config.items[1:]))

    described = Counted(1, 2).describe_component()

    assert described.config == {"items": [0, 1, 2]}
    assert _make(Counted, described.config, version=1).items == (1, 2)


def test_a_description_survives_a_class_that_cannot_be_written() -> None:
    class Torn(Point):
        def _to_config(self) -> PointConfig:
            raise ZeroDivisionError("torn")

    assert Torn(1).describe_component().config == {"not written": "ZeroDivisionError: torn"}


def test_a_masked_key_of_autogens_never_becomes_the_key() -> None:
    written = json.loads(Service("http://a", api_key="hunter2").dump_component().model_dump_json())
    assert written["config"]["api_key"] == "**********"

    made = Service.load_component(written)

    assert made.api_key is None


def test_a_client_that_was_not_written_to_a_file_keeps_its_key() -> None:
    dumped = Service("http://a", api_key="hunter2").dump_component()

    assert "hunter2" not in repr(dumped) + dumped.model_dump_json()
    assert Service.load_component(dumped).api_key == "hunter2"


def test_a_declared_secret_of_such_a_class_is_written_as_its_variable() -> None:
    class Declared(Service):
        component_secrets = {"api_key": "DECLARED_KEY"}  # noqa: RUF012 - declared a ClassVar by the base

        __qualname__ = "Declared"

    dumped = Declared("http://a", api_key="hunter2").dump_component()

    assert dumped.config["api_key"] == {"env": "DECLARED_KEY"}
    assert _make(Declared, dumped.config, version=1).api_key is None
