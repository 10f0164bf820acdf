"""A Python function as a tool."""

from __future__ import annotations

import asyncio
import functools
import gc
import json
import math
import subprocess
import sys
import textwrap
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from math import tau as full_turn
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import BaseModel, ValidationError

from agentnb.code_executors import ImportFromModule
from agentnb.core import CancellationToken, Component
from agentnb.exceptions import CodeNotAllowed, SourceNotPortable, UserError
from agentnb.tools import BaseTool, FunctionTool, FunctionToolConfig

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


def test_a_parameter_without_a_type_is_also_the_error_that_autogen_raises() -> None:
    def f(city) -> None: ...  # type: ignore[no-untyped-def]

    with pytest.raises(KeyError) as caught:
        FunctionTool(f, description="")
    assert str(caught.value).startswith("Tool 'f': the parameter 'city' has no type.")


@pytest.mark.parametrize("name", ["schema", "json", "copy", "model_config", "_inner"])
async def test_a_parameter_may_be_called_as_pydantic_calls_its_own(name: str) -> None:
    namespace: dict[str, Any] = {}
    exec(f"def f({name}: int) -> int:\n    return {name}", namespace)
    tool = FunctionTool(namespace["f"], description="")

    assert list(tool.schema["parameters"]["properties"]) == [name]
    assert tool.schema["parameters"]["required"] == [name]
    assert await run(tool, **{name: 3}) == 3


async def test_parameters_that_take_no_keyword_are_given_by_place() -> None:
    def f(a: int, b: int = 2, /, c: int = 3, *, d: int = 4) -> tuple[int, ...]:
        return a, b, c, d

    assert await run(FunctionTool(f, description=""), a=1, d=5) == (1, 2, 3, 5)


async def test_a_decorated_function_has_the_parameters_of_the_one_within() -> None:
    def doubled(function: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> int:
            return 2 * function(*args, **kwargs)

        return wrapper

    @doubled
    def f(a: int) -> int:
        return a

    tool = FunctionTool(f, description="")

    assert list(tool.schema["parameters"]["properties"]) == ["a"]
    assert await run(tool, a=2) == 4


async def test_a_plain_function_that_makes_a_coroutine_is_awaited() -> None:
    async def later(a: int) -> int:
        return a

    def f(a: int) -> Any:
        return later(a)

    assert await run(FunctionTool(f, description=""), a=2) == 2


def test_a_function_that_yields_is_refused_with_the_way_out() -> None:
    def f() -> Iterator[int]:
        yield 1

    async def g() -> AsyncIterator[int]:
        yield 1

    for function in (f, g):
        with pytest.raises(UserError, match=r"yields, and a function tool returns.*BaseStreamTool"):
            FunctionTool(function, description="")


def test_an_annotation_that_is_not_known_where_the_function_is_defined_is_named() -> None:
    class Local(BaseModel): ...

    def f(a: Local) -> None: ...

    with pytest.raises(UserError, match=r"Tool 'f': name 'Local' is not defined .*top level"):
        FunctionTool(f, description="")


def test_a_type_that_no_json_can_be_is_named() -> None:
    def f(a: threading.Event) -> None: ...

    with pytest.raises(UserError, match="Tool 'f': a parameter's type cannot be sent by a model"):
        FunctionTool(f, description="")


def test_the_places_of_the_parameters_are_autogens() -> None:
    def f() -> None: ...

    tool = FunctionTool(f, "words", "name", [], True)

    assert (tool.name, tool.description, tool.schema["strict"]) == ("name", "words", True)


# Written and made again


def area(radius: float, unit: Literal["m", "cm"] = "m", note: Optional[str] = None) -> str:  # noqa: UP045
    # A comment stays with it.
    return f"{math.pi * radius**2:.2f} {unit}{note or ''}"


async def waits(a: Annotated[int, "the a"], cancellation_token: CancellationToken) -> int:
    await asyncio.sleep(0)
    return a if not cancellation_token.is_cancelled() else 0


def turns(n: int) -> float:
    return n * full_turn


@functools.lru_cache
def cached(n: int) -> int:
    return n + 1


LIMIT = 3


def limited(n: int) -> int:
    return min(n, LIMIT)


def test_the_config_is_autogens() -> None:
    written = FunctionTool(area, description="an area", global_imports=["math"]).dump_component()

    assert written.provider == "agentnb.tools.FunctionTool"
    assert (written.component_type, written.version) == ("tool", 1)
    assert written.config == {
        "source_code": textwrap.dedent(
            """\
            def area(radius: float, unit: Literal["m", "cm"] = "m", note: Optional[str] = None) -> str:  # noqa: UP045
                # A comment stays with it.
                return f"{math.pi * radius**2:.2f} {unit}{note or ''}"
            """
        ),
        "name": "area",
        "description": "an area",
        "global_imports": [
            "math",
            {"module": "typing", "imports": ("Literal",)},
            {"module": "typing", "imports": ("Optional",)},
        ],
        "has_cancellation_support": False,
    }


def test_imports_that_were_not_named_are_found() -> None:
    config = FunctionTool(turns, description="")._to_config()

    assert config.global_imports == [ImportFromModule(__name__, ("full_turn",))]


def test_what_is_decorated_is_written_without_its_decorators() -> None:
    config = FunctionTool(cached, description="")._to_config()

    assert config.source_code == "def cached(n: int) -> int:\n    return n + 1\n"


def test_strict_is_kept_when_a_tool_is_written_and_made_again() -> None:
    tool = FunctionTool(turns, description="", strict=True)

    written = tool.dump_component()

    assert written.config["strict"] is True
    assert FunctionTool.load_component(written, allow_code=True).schema == tool.schema


async def test_a_tool_is_made_again_with_its_name_its_schema_and_its_token() -> None:
    tool = FunctionTool(waits, description="waits", name="wait_a_little")
    written = tool.dump_component()

    again = BaseTool.load_component(json.loads(written.model_dump_json()), FunctionTool, allow_code=True)

    assert written.config["has_cancellation_support"] is True
    assert again.schema == tool.schema
    assert await run(again, a=3) == 3
    assert again.dump_component().model_dump(mode="json") == written.model_dump(mode="json")


_FRESH = """
import asyncio, json, sys
from agentnb.core import CancellationToken, Component
from agentnb.exceptions import CodeNotAllowed

written = json.load(sys.stdin)
assert "math" not in written["config"] and "tests" not in str(sorted(sys.modules))
try:
    Component.load_component(written)
except CodeNotAllowed as error:
    refused = str(error)
tool = Component.load_component(written, allow_code=True)
value = asyncio.run(tool.run_json({"radius": 2, "unit": "cm"}, CancellationToken()))
print(json.dumps({"refused": refused, "schema": tool.schema, "value": value}))
"""


def test_a_tool_is_the_same_in_a_fresh_process() -> None:
    tool = FunctionTool(area, description="an area", name="circle")

    done = subprocess.run(
        [sys.executable, "-c", _FRESH],
        input=tool.dump_component().model_dump_json(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    there = json.loads(done.stdout)
    assert there["schema"] == tool.schema
    assert there["value"] == area(2, "cm") == "12.57 cm"
    assert "the tool 'circle' (FunctionTool) carries source code" in there["refused"]


def test_nothing_of_a_config_is_run_without_consent(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    config = {
        "source_code": f"open({str(mark)!r}, 'w')\ndef f() -> int:\n    return 1\n",
        "name": "f",
        "description": "",
        "global_imports": [f"os\nopen({str(mark)!r}, 'w')"],
        "has_cancellation_support": False,
    }
    written = {"provider": "autogen_core.tools.FunctionTool", "component_type": "tool", "config": config}

    with pytest.raises(CodeNotAllowed, match="allow_code=True"):
        Component.load_component(written)
    with pytest.raises(CodeNotAllowed):
        FunctionTool._from_config(FunctionToolConfig.model_validate(config))
    assert not mark.exists()


def config_of(source: str, *imports: Any) -> dict[str, Any]:
    return {
        "provider": "agentnb.tools.FunctionTool",
        "config": {
            "source_code": source,
            "name": "f",
            "description": "",
            "global_imports": list(imports),
            "has_cancellation_support": False,
        },
    }


_SOURCE = "def f(a: int) -> int:\n    return a\n"


@pytest.mark.parametrize(
    ("written", "error", "words"),
    [
        (
            config_of(_SOURCE, "no_such_module"),
            ModuleNotFoundError,
            r"'f' \(FunctionTool\) needs `import no_such_module`",
        ),
        (config_of(_SOURCE, {"module": "math", "imports": ["no_such"]}), ImportError, "`from math import no_such`"),
        (config_of(_SOURCE, "not a module"), ValueError, "no Python"),
        (config_of("def f(:"), ValueError, "the tool 'f' .*is no Python"),
        (config_of("x = 1"), ValueError, "exactly one function; it defines none"),
        (config_of(_SOURCE + _SOURCE.replace("f(", "g(")), ValueError, "it defines 'f', 'g'"),
        (config_of("def f(a: int = missing) -> int: ..."), ValueError, "fails with NameError: name 'missing'"),
    ],
)
def test_a_config_that_cannot_be_made_a_tool_is_explained(
    written: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        FunctionTool.load_component(written, allow_code=True)


async def test_a_function_that_uses_its_own_module_imports_from_it() -> None:
    tool = FunctionTool(limited, description="")

    config = tool._to_config()

    assert config.global_imports == [ImportFromModule(__name__, ("LIMIT",))]


def test_what_cannot_stand_alone_is_refused_when_it_is_written() -> None:
    factor = 2

    def closure(a: int) -> int:
        return a * factor

    class Adder:
        def add(self, a: int) -> int:
            return a

        def __call__(self, a: int) -> int:
            return a

    def plain(a: int) -> int:
        return a

    from_text: dict[str, Any] = {}
    exec("def typed(a: int) -> int: return a", from_text)
    nameless: Callable[[], int] = lambda: 1  # noqa: E731

    for function, words in [
        (nameless, "lambda"),
        (closure, "'closure' uses 'factor' of the function around it"),
        (functools.partial(plain, 1), "is a partial"),
        (Adder().add, "is a method"),
        (Adder(), "is a Adder"),
        (from_text["typed"], "source of the function 'typed' is not to be found"),
    ]:
        tool = FunctionTool(function, description="", name="t")
        with pytest.raises(SourceNotPortable, match=f"The tool 't' cannot be written down.*{words}"):
            tool.dump_component()


def test_what_only_a_script_defines_is_named_when_a_tool_is_written(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            from agentnb.tools import FunctionTool

            KEY = 1

            def f(a: int) -> int:
                return a + KEY + missing

            try:
                FunctionTool(f, description="").dump_component()
            except ValueError as error:
                print(error)
            """
        )
    )

    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, timeout=60)

    assert "The function 'f' uses 'KEY', 'missing', which its source does not define" in done.stdout


def test_a_tool_that_cannot_be_written_can_be_described() -> None:
    described = FunctionTool(lambda: 1, description="", name="t").describe_component()

    assert described.label == "FunctionTool"
    assert "lambda" in str(described.config)


# -- many tools of one function ---------------------------------------------------------------------------------------


def test_tools_of_one_function_share_nothing_that_can_be_changed() -> None:
    def add(a: int, b: int = 1) -> int:
        return a + b

    first, second = FunctionTool(add, "Add."), FunctionTool(add, "Add.")
    first.schema["parameters"]["properties"]["a"]["description"] = "changed"

    assert second.schema["parameters"]["properties"]["a"]["description"] == "a"
    assert FunctionTool(add, "Add.").schema == second.schema


def test_a_function_that_was_changed_is_read_again() -> None:
    """Reloading a module puts new code, defaults and annotations into the function that is there."""

    def work(a: int = 1) -> int:
        return a

    def other(a: int = 1) -> int:
        return a + 1

    before = FunctionTool(work, "Work.")
    work.__defaults__ = (2,)
    defaults = FunctionTool(work, "Work.")
    work.__annotations__["a"] = str
    annotations = FunctionTool(work, "Work.")
    work.__code__ = other.__code__
    code = FunctionTool(work, "Work.")
    named = FunctionTool(work, "Work.", name="toil")

    def seen(tool: FunctionTool) -> tuple[object, object]:
        parameter = tool.schema["parameters"]["properties"]["a"]
        return parameter["type"], parameter["default"]

    assert [seen(tool) for tool in (before, defaults, annotations)] == [("integer", 1), ("integer", 2), ("string", 2)]
    assert "return a + 1" in code.dump_component().config["source_code"]
    assert (code.args_type().__name__, named.args_type().__name__) == ("workargs", "toilargs")


def test_an_unused_function_is_not_kept_by_what_is_remembered_of_it() -> None:
    def make() -> weakref.ref[object]:
        def gone(a: int) -> int:
            return a

        FunctionTool(gone, "Go.").schema  # noqa: B018 - reading it makes it
        return weakref.ref(gone)

    kept = make()
    gc.collect()

    assert kept() is None
