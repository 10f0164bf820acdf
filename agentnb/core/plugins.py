"""Things found by name: those shipped here and those that installed packages declare.

A name is `<type>.<name>` ("team.analysts", "model.openai"). Packages declare theirs as entry points of the group
`agentnb.components`; nothing is imported before it is asked for.
"""

from __future__ import annotations

import difflib
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from agentnb.exceptions import UnknownName, UserError

GROUP = "agentnb.components"

_SHIPPED = {
    "choice.model": "agentnb.models.naming:choose",
    "compat.paths": "agentnb.compat.paths:new_path",
    "context.handling": "agentnb.runtimes.contexts:MessageHandlerContext",
    "context.making": "agentnb.runtimes.contexts:AgentInstantiationContext",
    "team.analysts": "agentnb.recipes:analysts",
    "model.local": "agentnb.models.naming:local_model",
    "model.openai": "agentnb.models.naming:openai_model",
    "model.replay": "agentnb.models.naming:replay_model",
    "tool.function": "agentnb.tools.function:FunctionTool",
    "person.cell": "agentnb.notebook.inputs:attend_in_cell",
    "table.frame": "agentnb.transcripts:to_df",
    "telemetry.otel": "agentnb.telemetry.otel:follow_log",
}


@cache
def _table() -> dict[str, EntryPoint]:
    table = {point.name: point for point in entry_points(group=GROUP)}
    shipped = {name: EntryPoint(name=name, value=value, group=GROUP) for name, value in _SHIPPED.items()}
    return table | shipped


def names(kind: str) -> list[str]:
    """List the known names of a kind, such as `"team"`, sorted and without the kind."""
    return sorted(name.partition(".")[2] for name in _table() if name.startswith(kind + "."))


def packages() -> set[str]:
    """List the top-level packages that declare something, without importing them."""
    return {point.module.partition(".")[0] for point in _table().values()}


def load(kind: str, name: str) -> Any:
    """Import what a name stands for.

    Raises:
        UnknownName: If nothing of that kind has the name; the message lists those that do.
        UserError: If the package that declares the name cannot be imported.
    """
    point = _table().get(f"{kind}.{name}")
    if point is None:
        known = names(kind)
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UnknownName(f"No {kind} named {name!r} (known: {', '.join(map(repr, known)) or 'none'}).{hint}")
    try:
        return point.load()
    except Exception as error:  # importing a package runs its code, which may raise anything
        if point.name in _SHIPPED:
            raise
        what = f"{type(error).__name__}: {error}"
        raise UserError(f"The plugin {point.name!r} ({point.value}) cannot be loaded: {what}") from error


@cache
def declared(group: str) -> dict[str, Any]:
    """Return what installed packages declare in another group, by name; the error for what cannot be loaded."""
    found: dict[str, Any] = {}
    for point in entry_points(group=group):
        try:
            found[point.name] = point.load()
        except Exception as error:  # importing a package runs its code, which may raise anything
            found[point.name] = UserError(f"{point.value} cannot be loaded: {type(error).__name__}: {error}")
    return found
