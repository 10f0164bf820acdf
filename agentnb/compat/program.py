"""What a program binds and uses of AutoGen: one file, or all code cells of a notebook."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from agentnb.compat.notes import NAMES
from agentnb.compat.paths import MODULES, ROOTS, near, new_path, there
from agentnb.compat.source import Edit, Finding, Kind, Source

__all__ = ["Function", "Import", "Program", "Reach", "collect", "missing", "stored_names"]

Placed = ast.expr | ast.keyword | ast.alias | ast.stmt
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Import:
    """One import statement."""

    source: Source
    node: ast.Import | ast.ImportFrom
    block: object
    """The list of statements it stands in; one for all cells' top level."""

    @property
    def modules(self) -> Iterator[ast.alias]:
        """Yield the clauses of a plain `import` that stand for modules which are here."""
        if isinstance(self.node, ast.Import):
            yield from (alias for alias in self.node.names if alias.name in MODULES and there(alias.name))

    @property
    def following(self) -> Iterator[ast.Import]:
        """Yield the plain imports after it, up to the first statement that could use what they bind."""
        block = self.block if isinstance(self.block, list) else self.source.tree.body
        for statement in block[block.index(self.node) + 1 :]:
            if isinstance(statement, ast.Import):
                yield statement
            elif not isinstance(statement, ast.ImportFrom):
                return


class Reach(NamedTuple):
    """One use that is written with the name `agentnb` from now on."""

    source: Source
    functions: tuple[Function, ...]
    """The functions it stands in, outermost first."""
    local: str
    """The name it started with."""
    module: str
    """The new module it reaches into."""
    place: tuple[float, float]
    """Its line and column."""


@dataclass
class Program:
    """What one file, or all cells of one notebook, bind and use together."""

    imports: list[Import] = field(default_factory=list)
    plain: set[str] = field(default_factory=set)
    """Roots bound by `import autogen_core…` that will be rewritten."""
    kept: set[str] = field(default_factory=set)
    """Modules of plain imports that stay."""
    modules: dict[str, str] = field(default_factory=dict)
    """Other local names of modules, and the old module each stands for."""
    names: dict[str, str] = field(default_factory=dict)
    """Local names of imported objects, and the old path of each."""
    unsure: set[str] = field(default_factory=set)
    """Local names of modules that are bound to something else too: what a use means cannot be told."""
    needed: dict[str, set[str]] = field(default_factory=dict)
    """For a local name or root: the new modules that its dotted uses reach into."""
    foreign: set[str] = field(default_factory=set)
    """Local names of what other libraries are imported for."""
    functions: dict[int, tuple[Function, ...]] = field(default_factory=dict)
    """The functions an import statement stands in, outermost first, by the node's id."""
    global_in: set[int] = field(default_factory=set)
    """Functions, by their ids, in which a root is declared `global`."""
    reached: list[Reach] = field(default_factory=list)
    told: set[str] = field(default_factory=set)
    """Names whose difference was told already."""
    findings: dict[int, list[Finding]] = field(default_factory=dict)
    edits: dict[int, list[Edit]] = field(default_factory=dict)

    def report(
        self, source: Source, node: Placed, kind: Kind, old: str, new: str | None = None, text: str = ""
    ) -> None:
        """Note a finding at a node's place."""
        line, column = source.place(node.lineno, node.col_offset)
        self.findings[id(source)].append(Finding(line, column, kind, old, new, text))

    def found(self, source: Source, node: Placed, old: str) -> None:
        """Report what becomes of an old path that is used here, and what differs there."""
        new = new_path(old)
        if new is None or not there(old):
            self.report(source, node, "missing", old, None, missing(old))
        else:
            self.report(source, node, _how(old, new), old, new)
        name = old.rpartition(".")[2]
        if new is not None and name in NAMES and name not in self.told:
            self.told.add(name)
            self.report(source, node, "differs", old, None, NAMES[name])


def collect(program: Program, source: Source) -> None:
    """Add a source's imports, and what they bind of AutoGen."""
    found = []
    for parent in ast.walk(source.tree):
        for _, block in ast.iter_fields(parent):
            if isinstance(block, list):
                shared = "module" if parent is source.tree else block
                found += [Import(source, n, shared) for n in block if isinstance(n, ast.Import | ast.ImportFrom)]
    found.sort(key=lambda each: (each.node.lineno, each.node.col_offset))
    program.imports += found
    for each in found:
        for alias in each.node.names:
            if isinstance(each.node, ast.Import):
                _bind_module(program, alias)
            else:
                _bind_name(program, each.node, alias)


def _bind_name(program: Program, node: ast.ImportFrom, alias: ast.alias) -> None:
    local = alias.asname or alias.name
    old = "" if node.level else f"{node.module}.{alias.name}"
    if old in MODULES and there(old):
        _bind(program, local, old)
    elif new_path(old):
        program.names[local] = old
        program.unsure |= {local} & set(program.modules)
    else:
        program.foreign.add(local)


def _bind_module(program: Program, alias: ast.alias) -> None:
    root = alias.name.partition(".")[0]
    if root not in ROOTS:
        program.foreign.add(alias.asname or root)
    elif not (alias.name in MODULES and there(alias.name)):
        program.kept.add(alias.name)
    elif alias.asname:
        _bind(program, alias.asname, alias.name)
    else:
        program.plain.add(root)


def _bind(program: Program, local: str, old: str) -> None:
    if program.modules.setdefault(local, old) != old or local in program.names:
        program.unsure.add(local)


def stored_names(tree: ast.Module) -> Iterator[str]:
    """Yield the names that something else than an import binds, in any scope."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name


def _how(old: str, new: str) -> Kind:
    return "maps" if new == "agentnb" + old[len(old.partition(".")[0]) :] else "renamed"


def missing(old: str) -> str:
    """Say of an old path without a new one whether it is still to come, and what is near it."""
    close = ", ".join(near(old))
    known = new_path(old) is not None
    said = "not there yet" if known else "no name of AutoGen 0.7.5 that is known here"
    return f"{said}; there is: {close}" if close else said
