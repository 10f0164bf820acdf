"""Functions with the packages and imports they need, so that they run elsewhere."""

from __future__ import annotations

import ast
import functools
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, ParamSpec, TypeVar

from agentnb.code_executors.source import (
    Alias,
    Import,
    ImportFromModule,
    function_source,
    import_to_str,
    single_function,
)
from agentnb.exceptions import UserError

__all__ = [
    "Alias",
    "FunctionWithRequirements",
    "FunctionWithRequirementsStr",
    "Import",
    "ImportFromModule",
    "build_python_functions_file",
    "import_to_str",
    "to_code",
    "to_stub",
    "with_requirements",
]

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class FunctionWithRequirements(Generic[T, P]):
    """A function that knows which packages and imports its source needs; call it like the function."""

    func: Callable[P, T]
    python_packages: Sequence[str] = field(default_factory=list)
    global_imports: Sequence[Import] = field(default_factory=list)

    def __post_init__(self) -> None:
        functools.update_wrapper(self, self.func)

    @classmethod
    def from_callable(
        cls,
        func: Callable[P, T],
        python_packages: Sequence[str] = (),
        global_imports: Sequence[Import] = (),
    ) -> FunctionWithRequirements[T, P]:
        """Take a function."""
        return cls(func, list(python_packages), list(global_imports))

    @staticmethod
    def from_str(
        func: str, python_packages: Sequence[str] = (), global_imports: Sequence[Import] = ()
    ) -> FunctionWithRequirementsStr:
        """Take the source of one function; nothing of it is run.

        Raises:
            ValueError: If it is no Python, or not exactly one function.
        """
        return FunctionWithRequirementsStr(func, list(python_packages), list(global_imports))

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.func(*args, **kwargs)

    def __reduce__(self) -> Any:
        # A decorated function's name finds this object, so the function itself could not be pickled by its name.
        name = getattr(self, "__qualname__", "")
        found: Any = sys.modules.get(getattr(self, "__module__", ""))
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is self:
            return name
        return type(self), (self.func, self.python_packages, self.global_imports)


@dataclass
class FunctionWithRequirementsStr:
    """The source of one function, with the packages and imports it needs; it is written to a file, never called.

    Raises:
        ValueError: If the text is no Python, or not exactly one function.
    """

    func: str
    python_packages: Sequence[str] = field(default_factory=list)
    global_imports: Sequence[Import] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.func = textwrap.dedent(self.func).strip()
        self.__name__ = single_function(self.func, "the text").name

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            f"The function {self.__name__!r} is known by its text only: give it to a code executor, which runs it."
        )


def with_requirements(
    python_packages: Sequence[str] = (), global_imports: Sequence[Import] = ()
) -> Callable[[Callable[P, T]], FunctionWithRequirements[T, P]]:
    """Decorate a function with what its source needs elsewhere.

    ```python
    @with_requirements(python_packages=["pandas"], global_imports=[Alias("pandas", "pd")])
    def rows(path: str) -> int:
        return len(pd.read_csv(path))
    ```
    """

    def decorate(func: Callable[P, T]) -> FunctionWithRequirements[T, P]:
        return FunctionWithRequirements(func, list(python_packages), list(global_imports))

    return decorate


Function = FunctionWithRequirements[Any, Any] | FunctionWithRequirementsStr | Callable[..., Any]


def to_code(func: Function) -> str:
    """Return the source of a function, without its decorators.

    Raises:
        SourceNotPortable: If it has none that can stand alone.
    """
    if isinstance(func, FunctionWithRequirementsStr):
        return func.func + "\n"
    return function_source(func.func if isinstance(func, FunctionWithRequirements) else func)


def to_stub(func: Function) -> str:
    """Return the signature and docstring of a function, as a model or a reader needs it to call it."""
    node = single_function(to_code(func), "the function")
    doc = node.body[:1] if ast.get_docstring(node) is not None else []
    node.body = [*doc, ast.Expr(ast.Constant(...))]
    node.decorator_list = []
    return ast.unparse(node) + "\n"


def build_python_functions_file(funcs: Sequence[Function]) -> str:
    """Return a module that defines functions, after the imports they need.

    Raises:
        SourceNotPortable: If a function has no source that can stand alone.
        ValueError: If two functions have one name.
    """
    known: dict[str, str] = {}
    imports: set[str] = set()
    for func in funcs:
        source = to_code(func)
        name = single_function(source, "the function").name
        if known.setdefault(name, source) != source:
            raise UserError(f"Two functions are named {name!r}; the file would keep only the last.")
        if isinstance(func, FunctionWithRequirements | FunctionWithRequirementsStr):
            imports.update(map(import_to_str, func.global_imports))
    return "\n\n".join(part for part in ("\n".join(sorted(imports)), *known.values()) if part)
