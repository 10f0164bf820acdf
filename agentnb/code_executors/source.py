"""Functions as source text: what they import, whether they can stand alone, and back to functions."""

from __future__ import annotations
import __future__

import ast
import builtins
import inspect
import symtable
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import FunctionType, ModuleType
from typing import Any

from agentnb.exceptions import SourceNotPortable, UserError


@dataclass(frozen=True)
class Alias:
    """A name imported under another: `import name as alias`."""

    name: str
    alias: str


@dataclass(frozen=True)
class ImportFromModule:
    """Names imported from a module: `from module import …`."""

    module: str
    imports: Sequence[str | Alias]

    def __post_init__(self) -> None:
        object.__setattr__(self, "imports", tuple(self.imports))  # so that it can be hashed, whatever was given


Import = str | ImportFromModule | Alias
"""A module's name, names from a module, or a module under another name."""


def import_to_str(im: Import) -> str:
    """Return an import as the statement it stands for."""
    match im:
        case str():
            return f"import {im}"
        case Alias():
            return f"import {im.name} as {im.alias}"
    names = (f"{name.name} as {name.alias}" if isinstance(name, Alias) else name for name in im.imports)
    return f"from {im.module} import {', '.join(names)}"


def single_function(source: str, what: str) -> ast.FunctionDef | ast.AsyncFunctionDef:
    """Return the one function that a source defines at its top level.

    Raises:
        ValueError: If it is no Python, or there is none, or more than one.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise UserError(f"The source of {what} is no Python: {error}.") from error
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    if len(found) != 1:
        names = ", ".join(repr(node.name) for node in found) or "none"
        raise UserError(f"The source of {what} must define exactly one function; it defines {names}.")
    return found[0]


def function_source(func: Callable[..., Any]) -> str:
    """Return the source of a function, from its `def` on: not indented, without decorators and what they do.

    Raises:
        SourceNotPortable: If it is no function with a source of its own: a lambda, a method, a partial, a closure.
    """
    func = inspect.unwrap(func)
    if not isinstance(func, FunctionType):
        kind = f"a {type(func).__name__}"
        raise SourceNotPortable(f"{func!r} is {kind}, not a function with a source; wrap it in a `def` of its own.")
    name = func.__name__
    if name == "<lambda>":
        raise SourceNotPortable("A lambda has no source of its own; write it as a `def`.")
    if func.__code__.co_freevars:
        names = ", ".join(map(repr, func.__code__.co_freevars))
        raise SourceNotPortable(
            f"The function {name!r} uses {names} of the function around it, which its source lacks; "
            "make it an argument, or define it inside."
        )
    try:
        source = textwrap.dedent(inspect.getsource(func))
    except (OSError, TypeError) as error:
        raise SourceNotPortable(f"The source of the function {name!r} is not to be found: {error}.") from error
    if source[:1].isspace():
        # A comment or a text that begins further left than the `def` keeps it indented.
        block: Any = ast.parse(f"if True:\n{source}").body[0]
        block.body[0].decorator_list = []
        return ast.unparse(block.body[0]) + "\n"
    node = single_function(source, f"the function {name!r}")
    return "\n".join(source.splitlines()[node.lineno - 1 :]) + "\n"


def imports_of(func: Callable[..., Any], source: str, given: Sequence[Import]) -> list[Import]:
    """Return `given` and the imports of whatever else the source uses.

    Raises:
        SourceNotPortable: If it uses something that only a notebook or a script has.
    """
    func = inspect.unwrap(func)
    made: list[Import] = []
    lacking = []
    known = {func.__name__, *imported_names(given)} if given else {func.__name__}
    for name in sorted(name for name in used_names(source) - known if not hasattr(builtins, name)):
        value = getattr(func, "__globals__", {}).get(name, _MISSING)
        found = _import_of(name, value, func.__module__)
        if found is None:
            lacking.append(name)
        else:
            made.append(found)
    if lacking:
        raise SourceNotPortable(
            f"The function {func.__name__!r} uses {', '.join(map(repr, lacking))}, which its source does not define "
            "and no import brings. Define it inside the function, or put it into a module and import it from there."
        )
    return [*given, *made]


_MISSING = object()


def _import_of(name: str, value: Any, module: str) -> Import | None:
    if isinstance(value, ModuleType):
        return name if value.__name__ == name else Alias(value.__name__, name)
    home, own = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if isinstance(home, str) and isinstance(own, str):
        parts = home.split(".")
        # The shortest path is the public one: pandas, not pandas.core.frame.
        for path in (".".join(parts[:length]) for length in range(1, len(parts) + 1)):
            if path != "__main__" and getattr(sys.modules.get(path), own, _MISSING) is value:
                return ImportFromModule(path, (own if own == name else Alias(own, name),))
    if module != "__main__" and value is not _MISSING and getattr(sys.modules.get(module), name, _MISSING) is value:
        return ImportFromModule(module, (name,))
    return None


def imported_names(imports: Iterable[Import]) -> Iterator[str]:
    """Yield the names that imports bind."""
    for node in ast.walk(ast.parse("\n".join(map(import_to_str, imports)))):
        if isinstance(node, ast.alias):
            yield node.asname or node.name.partition(".")[0]


@lru_cache(maxsize=256)  # each run writes down the tools it has
def used_names(source: str) -> frozenset[str]:
    """Return the global names that a source reads, those of annotations in quotes among them, but does not define."""
    table = symtable.symtable(source, "<function>", "exec")
    top = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    names: set[str] = set()

    def visit(scope: symtable.SymbolTable) -> None:
        outermost = scope.get_type() == "module"
        for symbol in scope.get_symbols():
            if symbol.is_referenced() and (symbol.is_global() or outermost):
                names.add(symbol.get_name())
        for child in scope.get_children():
            visit(child)

    visit(table)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            names |= _quoted(node.annotation)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            names |= _quoted(node.returns)
    return frozenset(names - top)


def _quoted(annotation: ast.expr) -> set[str]:
    if not (isinstance(annotation, ast.Constant) and isinstance(annotation.value, str)):
        return set()
    try:
        return {node.id for node in ast.walk(ast.parse(annotation.value, mode="eval")) if isinstance(node, ast.Name)}
    except SyntaxError:
        return set()


def run_source(source: str, imports: Sequence[Import], what: str) -> Callable[..., Any]:
    """Run imports and a function's source, and return the function; the caller has seen to it that this is wanted.

    Raises:
        ImportError: If an import fails; a `ModuleNotFoundError` if the module is not installed.
        ValueError: If the source is no Python, defines not exactly one function, or fails.
    """
    node = single_function(source, what)
    namespace: dict[str, Any] = {"__name__": f"agentnb_loaded_{node.name}"}
    for im in imports:
        statement = import_to_str(im)
        try:
            exec(_compiled(statement, what), namespace)
        except ImportError as error:
            kind = ModuleNotFoundError if isinstance(error, ModuleNotFoundError) else ImportError
            raise kind(f"{what} needs `{statement}`: {error}.", name=error.name, path=error.path) from error
    try:
        exec(_compiled(source, what), namespace)
    except Exception as error:
        if isinstance(error, UserError | ImportError):
            raise
        raise UserError(f"The source of {what} fails with {type(error).__name__}: {error}.") from error
    function: Callable[..., Any] = namespace[node.name]
    return function


def _compiled(source: str, what: str) -> Any:
    # Annotations stay text, as in the module this may come from; whoever reads them finds their names in the imports.
    flags = __future__.annotations.compiler_flag
    try:
        return compile(source, f"<source of {what}>", "exec", flags=flags, dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise UserError(f"The source of {what} is no Python: {error}.") from error
