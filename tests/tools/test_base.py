"""What a tool is."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, RootModel, ValidationError

from agentnb.core import CancellationToken, Component
from agentnb.exceptions import ToolError
from agentnb.tools import BaseStreamTool, BaseTool, BaseToolWithState, FunctionTool, StreamTool, Tool


class Arguments(BaseModel):
    city: str


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    city: str


class Weather(BaseModel):
    city: str
    degrees: float


class Forecast(BaseTool[Arguments, Weather]):
    def __init__(self, strict: bool = False) -> None:
        super().__init__(Arguments, Weather, "forecast", "Tell the weather.", strict)

    async def run(self, args: Arguments, cancellation_token: CancellationToken) -> Weather:
        return Weather(city=args.city, degrees=4)


async def test_a_tool_checks_its_arguments_and_returns_its_type() -> None:
    tool = Forecast()

    assert isinstance(tool, Tool)
    assert await tool.run_json({"city": "Oslo"}, CancellationToken()) == Weather(city="Oslo", degrees=4)
    with pytest.raises(ValueError, match="city"):
        await tool.run_json({}, CancellationToken())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Weather(city="Oslo", degrees=4), '{"city": "Oslo", "degrees": 4.0}'),
        (RootModel[str]("plain"), "plain"),
        ("text", "text"),
        (3.5, "3.5"),
        (None, "None"),
        ([1, {"a": 2}], "[1, {'a': 2}]"),
    ],
)
def test_a_result_is_json_for_models_and_str_for_the_rest(value: object, text: str) -> None:
    assert Forecast().return_value_as_string(value) == text


def test_a_strict_tool_says_so_in_its_schema() -> None:
    assert Forecast(strict=True).schema["strict"] is True


def test_a_strict_tool_with_an_optional_parameter_is_refused_when_its_schema_is_read() -> None:
    def f(a: int, b: int = 1, c: int = 2) -> None: ...

    tool = FunctionTool(f, description="", strict=True)

    with pytest.raises(ValueError, match=r"'f' is strict, but 'b', 'c' may be left out"):
        _ = tool.schema


def test_a_strict_tool_that_takes_anything_is_refused() -> None:
    class Loose(BaseTool[Open, str]):
        def __init__(self) -> None:
            super().__init__(Open, str, "loose", "", True)

        async def run(self, args: Open, cancellation_token: CancellationToken) -> str:
            return args.city

    with pytest.raises(ValueError, match="'loose' is strict, but takes additional properties"):
        _ = Loose().schema


class Place(BaseModel):
    city: str = "Oslo"


class ForecastConfig(BaseModel):
    country: str


class Configured(BaseTool[Arguments, Weather], Component[ForecastConfig]):
    """A tool as AutoGen's users write it."""

    component_config_schema = ForecastConfig
    component_provider_override = "tests.tools.test_base.Configured"

    def __init__(self, country: str) -> None:
        super().__init__(args_type=Arguments, return_type=Weather, name="forecast", description="Tell the weather.")
        self.country = country

    async def run(self, args: Arguments, cancellation_token: CancellationToken) -> Weather:
        return Weather(city=f"{args.city}, {self.country}", degrees=4)

    def _to_config(self) -> ForecastConfig:
        return ForecastConfig(country=self.country)

    @classmethod
    def _from_config(cls, config: ForecastConfig) -> Configured:
        return cls(config.country)


def test_a_tool_with_a_config_of_its_own_is_written_by_it() -> None:
    written = Configured("Norway").dump_component()

    assert (written.component_type, written.config) == ("tool", {"country": "Norway"})
    assert Configured._from_config(ForecastConfig.model_validate(written.config)).country == "Norway"


def test_a_schema_is_made_once() -> None:
    tool = Forecast()

    assert tool.schema is tool.schema


async def test_a_tool_without_state_saves_nothing_and_takes_it_back() -> None:
    tool = Forecast()

    await tool.load_state_json(await tool.save_state_json())

    assert await tool.save_state_json() == {}
    assert tool.state_type() is None


class Remembering(BaseToolWithState[Place, str, Place]):
    def __init__(self) -> None:
        super().__init__(Place, str, Place, "remember", "Remember a place.")
        self.last = Place()

    async def run(self, args: Place, cancellation_token: CancellationToken) -> str:
        before, self.last = self.last, args
        return before.city

    def save_state(self) -> Place:
        return self.last

    def load_state(self, state: Place) -> None:
        self.last = state


async def test_a_tool_with_state_goes_on_where_another_was() -> None:
    tool, other = Remembering(), Remembering()
    await tool.run_json({"city": "Rome"}, CancellationToken())
    await other.load_state_json(await tool.save_state_json())

    assert isinstance(tool, Tool)
    assert tool.state_type() is Place
    assert await tool.save_state_json() == {"city": "Rome"}
    assert await other.run_json({}, CancellationToken()) == "Rome"
    with pytest.raises(ValidationError, match="city"):
        await tool.load_state_json({"city": 3})


class Steps(BaseStreamTool[Place, str, Weather]):
    def __init__(self, *items: Any) -> None:
        super().__init__(Place, Weather, "steps", "Tell the weather step by step.")
        self.items = items

    async def run_stream(
        self, args: Place, cancellation_token: CancellationToken
    ) -> AsyncGenerator[str | Weather, None]:
        for item in self.items:
            yield item


sunny = Weather(city="Oslo", degrees=20)


async def test_a_stream_tool_yields_its_steps_and_its_result_and_returns_the_result() -> None:
    tool = Steps("looking", "asking", sunny)

    assert isinstance(tool, StreamTool)
    assert not isinstance(Forecast(), StreamTool)
    assert [item async for item in tool.run_json_stream({}, CancellationToken())] == ["looking", "asking", sunny]
    assert await tool.run_json({}, CancellationToken()) == sunny


async def test_a_stream_tool_checks_its_arguments_before_anything() -> None:
    with pytest.raises(ValidationError, match="city"):
        await anext(Steps(sunny).run_json_stream({"city": []}, CancellationToken()))


@pytest.mark.parametrize(
    ("items", "error", "words"),
    [((), ToolError, "without an item"), (("only words",), TypeError, "a str; its result must be a Weather")],
)
async def test_a_stream_that_ends_wrong_says_so(items: tuple[Any, ...], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        async for _ in Steps(*items).run_json_stream({}, CancellationToken()):
            pass
    with pytest.raises(error, match=words):
        await Steps(*items).run_json({}, CancellationToken())


async def test_a_stream_of_a_generic_type_is_checked_by_its_class() -> None:
    class Lists(BaseStreamTool[Place, str, list[str]]):
        def __init__(self, last: Any) -> None:
            super().__init__(Place, list[str], "lists", "")
            self.last = last

        async def run_stream(
            self, args: Place, cancellation_token: CancellationToken
        ) -> AsyncGenerator[str | list[str], None]:
            yield self.last

    assert await Lists(["a"]).run_json({}, CancellationToken()) == ["a"]
    with pytest.raises(TypeError, match="a str"):
        await Lists("a").run_json({}, CancellationToken())
