"""Functions with the packages and imports they need."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentnb.code_executors import (
    Alias,
    FunctionWithRequirements,
    FunctionWithRequirementsStr,
    ImportFromModule,
    with_requirements,
)
from agentnb.code_executors.requirements import build_python_functions_file, import_to_str, to_code, to_stub
from agentnb.exceptions import SourceNotPortable
from agentnb.tools import FunctionTool


@with_requirements(
    python_packages=["pandas"],
    global_imports=[
        "math",
        Alias("statistics", "stat"),
        ImportFromModule("itertools", ["chain", Alias("count", "numbers")]),
    ],
)
def spread(values: list[float], power: int = 2) -> float:
    """Tell how far values lie apart.

    Args:
        values: Some numbers.
    """
    middle = stat.fmean(chain(values))  # type: ignore[name-defined]  # noqa: F821
    return math.sqrt(sum(abs(v - middle) ** power for v in values))  # type: ignore[name-defined,no-any-return]  # noqa: F821


def plain(a: int) -> int:
    return a + 1


async def later(a: int) -> int:
    """Wait a little."""
    return a


TEXT = '''
    def shout(text: str) -> str:
        """Say it loudly."""
        return text.upper() + str(os.sep)
'''


@pytest.mark.parametrize(
    ("im", "text"),
    [
        ("os.path", "import os.path"),
        (Alias("numpy", "np"), "import numpy as np"),
        (ImportFromModule("a.b", ("c", Alias("d", "e"))), "from a.b import c, d as e"),
        (ImportFromModule("a", ["c"]), "from a import c"),
    ],
)
def test_an_import_is_the_statement_it_stands_for(im: Any, text: str) -> None:
    assert import_to_str(im) == text


def test_imports_are_values() -> None:
    assert ImportFromModule("a", ["c"]) == ImportFromModule("a", ("c",))
    assert len({ImportFromModule("a", ["c"]), ImportFromModule("a", ("c",)), Alias("a", "b"), Alias("a", "b")}) == 2
    with pytest.raises(AttributeError):
        ImportFromModule("a", ["c"]).module = "b"  # type: ignore[misc]


def test_a_decorated_function_is_called_like_the_function() -> None:
    @with_requirements(python_packages=["x"])
    def double(a: int) -> int:
        """Twice as much."""
        return 2 * a

    assert double(4) == 8
    assert isinstance(double, FunctionWithRequirements)
    assert (double.__name__, double.__doc__) == ("double", "Twice as much.")  # type: ignore[attr-defined]
    assert (double.python_packages, double.global_imports) == (["x"], [])


def test_a_function_without_requirements_has_empty_ones() -> None:
    made = FunctionWithRequirements.from_callable(plain)

    assert (made(1), made.python_packages, made.global_imports) == (2, [], [])


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda f: pickle.loads(pickle.dumps(f))])
def test_a_function_with_requirements_can_be_copied_and_pickled(again: Callable[[Any], Any]) -> None:
    """Pickle finds a decorated function by a name that now is the decorated object's."""
    bare = FunctionWithRequirements(plain, ["x"], ["math"])
    text = FunctionWithRequirementsStr(TEXT, ["x"])

    assert again(spread) is spread
    assert again(bare) == bare
    assert again(bare)(1) == 2
    assert again(text) == text


def test_a_text_is_not_called_and_nothing_of_it_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    made = FunctionWithRequirements.from_str(f"open({str(mark)!r}, 'w')\ndef f(): ...")

    with pytest.raises(NotImplementedError, match="'f' is known by its text only"):
        made()
    assert not mark.exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def f(): ...\ndef g(): ...", "exactly one function; it defines 'f', 'g'"),
        ("def f(): ...\nasync def g(): ...", "it defines 'f', 'g'"),
        ("x = 1", "it defines none"),
        ("def f(:", "is no Python"),
        ("", "it defines none"),
    ],
)
def test_a_text_must_be_one_function(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        FunctionWithRequirementsStr(text)


def test_a_stub_has_the_signature_and_the_docstring() -> None:
    assert to_stub(plain) == "def plain(a: int) -> int:\n    ...\n"
    assert to_stub(later) == 'async def later(a: int) -> int:\n    """Wait a little."""\n    ...\n'
    assert to_stub(FunctionWithRequirementsStr(TEXT)).startswith('def shout(text: str) -> str:\n    """Say it')
    stub = to_stub(spread)
    assert stub.startswith("def spread(values: list[float], power: int=2) -> float:")
    assert "values: Some numbers." in stub
    assert "fmean" not in stub


def test_code_begins_at_the_function_and_is_not_indented() -> None:
    def inner(a: int) -> str:
        text = """
begins further left
"""
        return text * a

    assert to_code(spread).startswith("def spread(values")
    assert to_code(plain) == "def plain(a: int) -> int:\n    return a + 1\n"
    assert to_code(FunctionWithRequirementsStr(TEXT)).startswith("def shout")
    namespace: dict[str, Any] = {}
    exec(to_code(inner), namespace)
    assert namespace["inner"](1) == inner(1)


def test_what_has_no_source_of_its_own_is_refused() -> None:
    for function in (lambda: 1, len, print):
        with pytest.raises(SourceNotPortable):
            to_code(function)


def test_a_module_of_functions_is_imported_and_runs(tmp_path: Path) -> None:
    shout = FunctionWithRequirementsStr(TEXT, global_imports=["os", "math"])
    (tmp_path / "functions.py").write_text(build_python_functions_file([spread, plain, later, shout]))
    program = (
        "import asyncio, functions as f\n"
        "print(f.spread([1, 3]), f.plain(1), asyncio.run(f.later(5)), f.shout('a'), next(f.numbers(7)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.split() == ["1.4142135623730951", "2", "5", "A/", "7"]


def test_an_import_stands_once_in_the_module() -> None:
    one, other = (FunctionWithRequirementsStr(f"def {name}(): ...", global_imports=["math"]) for name in "fg")

    text = build_python_functions_file([one, other])

    assert text == "import math\n\ndef f(): ...\n\n\ndef g(): ...\n"
    assert build_python_functions_file([]) == ""


def test_two_functions_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="Two functions are named 'plain'"):
        build_python_functions_file([plain, FunctionWithRequirementsStr("def plain(): ...")])


async def test_a_function_with_requirements_may_be_a_tool() -> None:
    tool = FunctionTool(FunctionWithRequirements(plain, ["x"]), description="")

    assert tool.name == "plain"
    assert list(tool.schema["parameters"]["properties"]) == ["a"]
    assert tool._to_config().source_code == "def plain(a: int) -> int:\n    return a + 1\n"
