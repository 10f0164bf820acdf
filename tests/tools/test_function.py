"""A Python function as a tool."""

from __future__ import annotations

import asyncio
import functools
import threading
from contextvars import ContextVar
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ValidationError

from agentnb.core import CancellationToken
from agentnb.tools import FunctionTool

colour: ContextVar[str] = ContextVar("colour", default="none")


class Point(BaseModel):
    x: int
    y: int = 0


async def run(tool: FunctionTool, **arguments: Any) -> Any:
    return await tool.run_json(arguments, CancellationToken())


async def test_the_schema_is_what_autogen_gives_for_the_same_function() -> None:
    def f(a: int, b: Annotated[str, "the b"] = "z") -> str:
        return b * a

    assert FunctionTool(f, description="d").schema == {
        "name": "f",
        "description": "d",
        "parameters": {
            "type": "object",
            "properties": {
                "a": {"description": "a", "title": "A", "type": "integer"},
                "b": {"default": "z", "description": "the b", "title": "B", "type": "string"},
            },
            "required": ["a"],
            "additionalProperties": False,
        },
        "strict": False,
    }


async def test_a_plain_function_is_called_with_checked_arguments_and_defaults() -> None:
    def f(point: Point, unit: Literal["m", "km"] = "m") -> str:
        return f"{type(point).__name__} {point.x + point.y} {unit}"

    tool = FunctionTool(f, description="")

    assert await run(tool, point={"x": 1, "y": 2}) == "Point 3 m"
    assert await run(tool, point={"x": "1"}, unit="km") == "Point 1 km"
    with pytest.raises(ValidationError, match="unit"):
        await run(tool, point={"x": 1}, unit="miles")


async def test_a_plain_function_runs_in_a_thread_with_the_callers_context() -> None:
    def f() -> tuple[str, int]:
        return colour.get(), threading.get_ident()

    token = colour.set("red")
    value, thread = await run(FunctionTool(f, description=""))
    colour.reset(token)

    assert value == "red"
    assert thread != threading.get_ident()


async def test_what_a_thread_sets_stays_there() -> None:
    def f() -> None:
        colour.set("blue")

    await run(FunctionTool(f, description=""))

    assert colour.get() == "none"


async def test_a_coroutine_function_runs_in_the_loop() -> None:
    async def f() -> asyncio.AbstractEventLoop:
        await asyncio.sleep(0)
        return asyncio.get_running_loop()

    assert await run(FunctionTool(f, description="")) is asyncio.get_running_loop()


async def test_objects_with_an_async_call_are_awaited() -> None:
    class Adder:
        async def __call__(self, a: int) -> int:
            return a + 1

    tool = FunctionTool(Adder(), description="adds")

    assert tool.name == "Adder"
    assert await run(tool, a=1) == 2


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_partial_is_called_with_what_it_binds(is_async: bool) -> None:
    def plain(a: int, b: int, c: int = 3) -> tuple[int, int, int]:
        return a, b, c

    async def waiting(a: int, b: int, c: int = 3) -> tuple[int, int, int]:
        return a, b, c

    function = waiting if is_async else plain
    tool = FunctionTool(functools.partial(functools.partial(function, 1), c=9), description="")

    assert tool.name == function.__name__
    assert await run(tool, b=2) == (1, 2, 9)


async def test_methods_may_be_tools() -> None:
    class Counter:
        count = 0

        def add(self, by: int) -> int:
            self.count += by
            return self.count

    counter = Counter()
    tool = FunctionTool(counter.add, description="")

    assert [await run(tool, by=1), await run(tool, by=2)] == [1, 3]


@pytest.mark.parametrize("is_async", [False, True])
async def test_the_cancellation_token_is_filled_in(is_async: bool) -> None:
    def plain(a: int, cancellation_token: CancellationToken) -> CancellationToken:
        return cancellation_token

    async def waiting(a: int, cancellation_token: CancellationToken) -> CancellationToken:
        return cancellation_token

    tool = FunctionTool(waiting if is_async else plain, description="")
    token = CancellationToken()

    assert await tool.run_json({"a": 1}, token) is token
    assert list(tool.schema["parameters"]["properties"]) == ["a"]


async def test_cancelling_frees_the_caller_while_the_thread_goes_on() -> None:
    begun, go_on = threading.Event(), threading.Event()
    done = threading.Event()

    def f() -> None:
        begun.set()
        go_on.wait()
        done.set()

    token = CancellationToken()
    running = asyncio.ensure_future(FunctionTool(f, description="").run_json({}, token))
    await asyncio.to_thread(begun.wait)
    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert not done.is_set()
    go_on.set()
    await asyncio.to_thread(done.wait)


async def test_ten_blocking_functions_run_at_the_same_time() -> None:
    """A barrier of ten opens only if all ten are there at once."""
    gate = threading.Barrier(10, timeout=20)

    def f(n: int) -> int:
        gate.wait()
        return n

    tool = FunctionTool(f, description="")

    assert await asyncio.gather(*(run(tool, n=n) for n in range(10))) == list(range(10))


@pytest.mark.parametrize("is_async", [False, True])
async def test_an_error_of_the_function_is_raised_as_it_is(is_async: bool) -> None:
    error = KeyError("mine")

    def plain() -> None:
        raise error

    async def waiting() -> None:
        raise error

    with pytest.raises(KeyError) as caught:
        await run(FunctionTool(waiting if is_async else plain, description=""))
    assert caught.value is error


async def test_a_stop_iteration_does_not_keep_the_caller_waiting() -> None:
    def f() -> Any:
        return next(iter([]))

    with pytest.raises(RuntimeError, match="StopIteration"):
        await run(FunctionTool(f, description=""))


def test_a_parameter_without_a_type_is_refused_when_the_tool_is_made() -> None:
    def f(city) -> None: ...  # type: ignore[no-untyped-def]

    with pytest.raises(ValueError, match="Tool 'weather': the parameter 'city' has no type"):
        FunctionTool(f, description="", name="weather")


def test_a_tool_may_have_a_name_of_its_own() -> None:
    def f() -> int:
        return 1

    tool = FunctionTool(f, description="one", name="uno")

    assert (tool.name, tool.description, tool.schema["name"]) == ("uno", "one", "uno")
    assert tool.return_type() is int
    assert list(tool.args_type().model_fields) == []
