"""What a tool is."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict, RootModel

from agentnb.core import CancellationToken
from agentnb.tools import BaseTool, FunctionTool, Tool


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
