"""Dotted uses of AutoGen, arguments, attributes and strings, and what they become."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from agentnb.compat.notes import (
    AGENTCHAT_LOGGERS,
    ARGUMENTS,
    ATTRIBUTES,
    LOGGERS,
    PATH_IN_STRING,
    PROVIDER,
)
from agentnb.compat.paths import MODULES, ROOTS, new_path, there
from agentnb.compat.program import Function, Program, Reach, missing
from agentnb.compat.source import Edit, Kind, Source

__all__ = ["Uses"]

_STRING_PATH = re.compile(r"autogen_(?:core|agentchat|ext)(?:\.\w+)*")


class Uses(ast.NodeVisitor):
    """Finds dotted uses, arguments, attributes and strings that have to do with AutoGen."""

    def __init__(self, program: Program, source: Source) -> None:
        self._program = program
        self._source = source
        self._concerned = bool(program.plain or program.modules or program.names or program.kept)
        self._prose = {id(node.value) for node in ast.walk(source.tree) if isinstance(node, ast.Expr)}
        self._providers: set[int] = set()
        self._functions: tuple[Function, ...] = ()

    def visit_Import(self, node: ast.Import) -> None:
        self._program.functions[id(node)] = self._functions

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self._program.functions[id(node)] = self._functions

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit_function(node)

    def _visit_function(self, node: Function) -> None:
        around = self._functions
        for name, value in ast.iter_fields(node):
            self._functions = (*around, node) if name == "body" else around
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    self.visit(child)
        self._functions = around

    def visit_Global(self, node: ast.Global) -> None:
        if self._program.plain & set(node.names):
            self._program.global_in |= {id(function) for function in self._functions[-1:]}
            names = dict.fromkeys("agentnb" if name in self._program.plain else name for name in node.names)
            start, end = self._source.span(node)
            self._program.edits[id(self._source)].append(Edit(start, end, f"global {', '.join(names)}"))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        chain = _chain(node)
        if chain is None or not self._resolve(chain):
            self.generic_visit(node)
        if self._concerned and node.attr in ATTRIBUTES:
            self._program.report(self._source, node, "differs", f".{node.attr}", text=ATTRIBUTES[node.attr])

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in self._program.plain:
            self._replace([node], "agentnb")
            self._reach(node, "agentnb")

    def _reach(self, first: ast.Name | ast.Attribute, module: str) -> None:
        place = (first.lineno, first.col_offset)
        self._program.reached.append(Reach(self._source, self._functions, _last(first), module, place))

    def visit_Call(self, node: ast.Call) -> None:
        called = self._old(node.func)
        cls = called.rpartition(".")[2]
        for keyword in node.keywords:
            note = ARGUMENTS.get((cls, keyword.arg or ""))
            if note:
                self._program.report(self._source, keyword, "differs", f"{called}({keyword.arg}=)", text=note)
        if isinstance(node.func, ast.Name | ast.Attribute) and _last(node.func) == "getLogger":
            for argument in node.args:
                match argument:
                    case ast.Constant(value=str(name)) if name.partition(".")[0] in ROOTS:
                        self._prose.add(id(argument))
                        text = LOGGERS if name.startswith("autogen_core") else AGENTCHAT_LOGGERS
                        self._program.report(self._source, argument, "differs", name, text=text)
        self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> None:
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == "provider":
                self._providers.add(id(value))
        self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg == "provider":
            self._providers.add(id(node.value))
        self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                self.visit(part.value)

    def visit_Constant(self, node: ast.Constant) -> None:
        if not isinstance(node.value, str) or id(node) in self._prose:
            return
        old = _STRING_PATH.fullmatch(node.value.strip())
        if old:
            provider = id(node) in self._providers
            text = PROVIDER if provider else PATH_IN_STRING
            new = new_path(old[0])
            if provider and new and there(old[0]):
                self._program.report(self._source, node, "note", old[0], new, text)
            else:
                self._program.report(self._source, node, "by hand", old[0], new, text if new else missing(old[0]))
        elif re.search(r"[\"']provider[\"']", node.value):
            for path in sorted(set(_STRING_PATH.findall(node.value))):
                kind: Kind = "note" if there(path) else "missing"
                self._program.report(
                    self._source, node, kind, path, new_path(path), PROVIDER if there(path) else missing(path)
                )

    def _old(self, node: ast.expr) -> str:
        """Return the old path of what an expression names, empty if it names nothing of AutoGen."""
        chain = _chain(node)
        if chain is None:
            return ""
        first, *rest = _words(chain)
        if first in self._program.names:
            return ".".join([self._program.names[first], *rest])
        module = first if first in self._program.plain else self._program.modules.get(first)
        return ".".join([module, *rest]) if module else ""

    def _resolve(self, chain: list[ast.Name | ast.Attribute]) -> bool:
        words = _words(chain)
        plain = words[0] in self._program.plain
        base = words[0] if plain else self._program.modules.get(words[0])
        if base is None:
            return False
        if plain and any(f"{'.'.join(words)}.".startswith(f"{kept}.") for kept in self._program.kept):
            return True
        length, old = 0, base
        while length + 1 < len(words) and new_path(f"{old}.{words[length + 1]}"):
            length += 1
            old = f"{old}.{words[length]}"
        text, module = _written(words[0], base, old, plain=plain)
        if words[0] in self._program.unsure:
            if text != ".".join(words[: length + 1]):
                several = f"{words[0]} stands for several things here, and would not be {text} for each"
                self._program.report(self._source, chain[0], "by hand", old, new_path(old), several)
            return True
        following = words[length + 1] if length + 1 < len(words) else "__"
        if old in MODULES and not following.startswith("__"):
            self._program.report(
                self._source, chain[0], "missing", f"{old}.{following}", text=missing(f"{old}.{following}")
            )
        if not length:
            return not plain
        self._program.found(self._source, chain[0], old)
        if (home := MODULES.get(old) or MODULES[old.rpartition(".")[0]]) and home.there:
            self._replace(chain[: length + 1], text)
            if text.startswith("agentnb"):
                self._reach(chain[0], module)
            if module not in (new_path(base), "agentnb"):
                self._program.needed.setdefault(words[0], set()).add(module)
        return True

    def _replace(self, chain: Sequence[ast.Name | ast.Attribute], text: str) -> None:
        start, end = self._source.span(chain[0], chain[-1])
        words = ".".join(_words(chain))
        written = b"".join(self._source.data[start:end].split())
        # Python 3.11 gives what stands in an f-string no place of its own; a comment may stand between the dots.
        if written != words.encode():
            self._program.report(self._source, chain[0], "by hand", words, text, "cannot be rewritten in this place")
        elif text != words:
            self._program.edits[id(self._source)].append(Edit(start, end, text))


def _written(local: str, base: str, old: str, *, plain: bool) -> tuple[str, str]:
    """Return how an old path is written from now on, and the module that must be imported for it."""
    new, room = new_path(old) or "", new_path(base) or ""
    inside = new == room or new.startswith(f"{room}.")
    return new if plain or not inside else local + new[len(room) :], new if old in MODULES else new.rpartition(".")[0]


def _chain(node: ast.expr) -> list[ast.Name | ast.Attribute] | None:
    chain: list[ast.Name | ast.Attribute] = []
    while isinstance(node, ast.Attribute):
        chain.append(node)
        node = node.value
    return [node, *reversed(chain)] if isinstance(node, ast.Name) else None


def _last(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def _words(chain: Sequence[ast.Name | ast.Attribute]) -> list[str]:
    return [_last(node) for node in chain]
