"""What a program binds and uses of AutoGen: one file, or all code cells of a notebook."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from agentnb.compat.notes import NAMES
from agentnb.compat.paths import MODULES, ROOTS, near, new_path, there
from agentnb.compat.source import Edit, Finding, Kind, Source

__all__ = ["Import", "Program", "collect", "missing", "stored_names"]

Placed = ast.expr | ast.keyword | ast.alias | ast.stmt


@dataclass
class Import:
    """One import statement."""

    source: Source
    node: ast.Import | ast.ImportFrom
    block: object
    """The list of statements it stands in; one for all cells' top level."""


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
            elif each.node.module and not each.node.level:
                old = f"{each.node.module}.{alias.name}"
                if old in MODULES and there(old):
                    _bind(program, alias.asname or alias.name, old)
                elif new_path(old):
                    program.names[alias.asname or alias.name] = old
                    program.unsure |= {alias.asname or alias.name} & set(program.modules)


def _bind_module(program: Program, alias: ast.alias) -> None:
    root = alias.name.partition(".")[0]
    if root not in ROOTS:
        return
    if not (alias.name in MODULES and there(alias.name)):
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
