"""Imports and dotted uses of AutoGen in Python sources, rewritten."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from agentnb.compat.paths import MODULES, ROOTS, new_path, there
from agentnb.compat.program import Function, Import, Program, Reach, collect, stored_names
from agentnb.compat.source import Edit, Finding, Source
from agentnb.compat.uses import Uses

__all__ = ["Rewritten", "rewrite"]

_WIDTH = 100
_NOWHERE = (math.inf, math.inf)
_FROM = re.compile(rb"from[\s\\]+(?P<module>[\w.\s\\]*?)[\s\\]*\bimport\b")
_OTHERS = {
    "autogen": "AutoGen 0.2 and its forks are another library; only AutoGen 0.4 to 0.7 has its names here.",
    "autogenstudio": "AutoGen Studio has no counterpart to import from.",
}


class Rewritten(NamedTuple):
    """A source's new text and what was found in the old one."""

    text: str
    findings: list[Finding]


def rewrite(sources: Sequence[Source]) -> list[Rewritten]:
    """Rewrite sources that share their names: one file, or the code cells of one notebook in order."""
    program = Program()
    for source in sources:
        program.findings[id(source)], program.edits[id(source)] = [], []
        collect(program, source)
    stored = {name for source in sources for name in stored_names(source.tree)}
    program.unsure |= (stored | program.foreign) & set(program.modules)
    for source in sources:
        Uses(program, source).visit(source.tree)
    for found in program.imports:
        if isinstance(found.node, ast.Import):
            _rewrite_import(program, found, found.node)
        elif not found.node.level:
            _rewrite_from(program, found, found.node)
    _bind_early(program)
    return [
        Rewritten(
            source.edited(program.edits[id(source)]),
            sorted(set(program.findings[id(source)]), key=lambda finding: finding.order),
        )
        for source in sources
    ]


def _clause(name: str, asname: str | None) -> str:
    return f"{name} as {asname}" if asname else name


def _rewrite_import(program: Program, found: Import, node: ast.Import) -> None:
    clauses: list[str] = []
    wanted: set[str] = set()
    changed = False
    for alias in node.names:
        root = alias.name.partition(".")[0]
        if root in _OTHERS:
            program.report(found.source, alias, "by hand", alias.name, text=_OTHERS[root])
        if root in ROOTS:
            program.found(found.source, alias, alias.name)
        if root not in ROOTS or alias.name in program.kept:
            clauses.append(_clause(alias.name, alias.asname))
            continue
        changed = True
        clauses.append(_clause(new_path(alias.name) or "", alias.asname))
        wanted |= program.needed.get(alias.asname or root, set())
    if changed:
        clauses += sorted(wanted - _brought(program, found))
        _apply(program, found.source, node, [f"import {', '.join(dict.fromkeys(clauses))}"])


def _brought(program: Program, found: Import) -> set[str]:
    """Return the new modules that other imports of a block have brought before a use can follow this one."""
    brought = {
        new_path(alias.name) or ""
        for node in found.following
        for alias in node.names
        if not alias.asname and alias.name in MODULES and alias.name not in program.kept
    }
    for each in program.imports:
        if each.node is found.node:
            break
        if each.block is found.block:
            for name, module in _bound(each):
                brought |= program.needed.get(name, set()) | ({module} if module else set())
    return brought


def _bound(found: Import) -> Iterator[tuple[str, str]]:
    """Yield each local name an import binds of AutoGen, and the new module it brings under the name of `agentnb`."""
    if isinstance(found.node, ast.Import):
        for alias in found.modules:
            yield alias.asname or alias.name.partition(".")[0], "" if alias.asname else new_path(alias.name) or ""
    elif not found.node.level and str(found.node.module).partition(".")[0] in ROOTS:
        yield from ((alias.asname or alias.name, "") for alias in found.node.names)


def _bind_early(program: Program) -> None:
    """Import at a function's start what it uses as `agentnb…` before an import of its own has bound that name."""
    old: dict[int, set[str]] = {}
    new: dict[int, tuple[float, float]] = {}  # from where on the name is surely bound
    for found in program.imports:
        for function in program.functions[id(found.node)][-1:]:
            for name, module in _bound(found):
                old.setdefault(id(function), set()).add(name)
                if (module or program.needed.get(name)) and id(function) not in program.global_in:
                    here = (found.node.lineno, found.node.col_offset) if found.block is function.body else _NOWHERE
                    new[id(function)] = min(here, new.get(id(function), _NOWHERE))
    early: dict[int, tuple[Reach, Function, set[str]]] = {}
    for use in program.reached:
        inner_first = use.functions[::-1]
        now = next((function for function in inner_first if id(function) in new), None)
        before = next((function for function in inner_first if use.local in old.get(id(function), ())), None)
        if now is not None and now is not before and use.place < new[id(now)]:
            early.setdefault(id(now), (use, now, set()))[2].add(use.module)
    for use, function, modules in early.values():
        source, documented = use.source, ast.get_docstring(function, clean=False) is not None
        start, end = source.span(function.body[1 if documented and len(function.body) > 1 else 0])
        before_it, _ = source.around(start, end)
        between = "; " if before_it.strip() else source.newline + before_it.decode()
        program.edits[id(source)].append(Edit(start, start, f"import {', '.join(sorted(modules))}{between}"))


def _rewrite_from(program: Program, found: Import, node: ast.ImportFrom) -> None:
    module = node.module or ""
    root = module.partition(".")[0]
    if root in _OTHERS:
        program.report(found.source, node, "by hand", module, text=_OTHERS[root])
    if root not in ROOTS:
        return
    groups: dict[str, list[str]] = {}
    wanted: set[str] = set()
    for alias in node.names:
        if alias.name == "*":
            program.found(found.source, node, module)
            for target, name in _star(module):
                groups.setdefault(target, []).append(name)
            continue
        old = f"{module}.{alias.name}"
        program.found(found.source, alias, old)
        new = new_path(old)
        if new is None or not there(old):
            groups.setdefault(module, []).append(_clause(alias.name, alias.asname))
            continue
        target, _, name = new.rpartition(".")
        asname = alias.asname or (alias.name if alias.name != name else None)
        groups.setdefault(target, []).append(_clause(name, asname))
        wanted |= program.needed.get(alias.asname or alias.name, set())
    if list(groups) == [module]:
        return
    wanted -= _brought(program, found)
    kept = [_clause(alias.name, alias.asname) for alias in node.names]
    if len(groups) == 1 and kept in groups.values() and not wanted and "" not in groups:
        start, end = found.source.span(node)
        place = _FROM.match(found.source.data[start:end])
        assert place is not None
        program.edits[id(found.source)].append(
            Edit(start + place.start("module"), start + place.end("module"), *groups)
        )
        return
    statements = [
        f"from {target} import {', '.join(names)}" if target else f"import {', '.join(names)}"
        for target, names in groups.items()
    ]
    statements += [f"import {', '.join(sorted(wanted))}"] if wanted else []
    _apply(program, found.source, node, statements)


def _star(module: str) -> Iterator[tuple[str, str]]:
    home = MODULES.get(module)
    if home is None or not home.there or not home.names:
        yield module, "*"
        return
    public = {name: new.rpartition(".")[0] for name, new in home.names.items() if there(f"{module}.{name}")}
    public.pop("__version__", None)
    if len(set(public.values())) == 1:
        yield public.popitem()[1], "*"
    else:
        yield from ((target, name) for name, target in sorted(public.items()))


def _apply(program: Program, source: Source, node: ast.stmt, statements: list[str]) -> None:
    """Put statements in the place of one: each on a line if it had a line to itself."""
    start, end = source.span(node)
    before, after = source.around(start, end)
    alone = not before.strip() and (not after.strip() or after.lstrip().startswith(b"#"))
    comments = source.comments(start, end)
    if comments and not alone:
        program.report(
            source, node, "by hand", source.data[start:end].decode(), text="has comments, and shares its line"
        )
        return
    if alone:
        tall = b"\n" in source.data[start:end]
        statements = comments + [
            _tall(each) if tall or len(before) + len(each) > _WIDTH else each for each in statements
        ]
        text = "\n".join(statements).replace("\n", source.newline + before.decode())
    else:
        text = "; ".join(statements)
    program.edits[id(source)].append(Edit(start, end, text))


def _tall(statement: str) -> str:
    head, _, names = statement.partition(" import ")
    if not names or ", " not in names:
        return statement
    return "\n".join([f"{head} import (", *(f"    {name}," for name in names.split(", ")), ")"])
