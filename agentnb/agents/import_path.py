"""Functions in configs: written as the path they are imported from, never as code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from agentnb.core import providers
from agentnb.exceptions import UserError


def path_of(function: Callable[..., Any]) -> str | None:
    """Return the path a function can be imported from, `room.function` where the room exports it, or None.

    A lambda, a function within a function, a method and an object that can be called have none.
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    found: Any = sys.modules.get(module or "")
    for part in (name or "").split("."):
        found = getattr(found, part, None)
    if found is not function:
        return None
    return providers.provider_of(function, strict=False)


def imported(path: str, what: str) -> Callable[..., Any]:
    """Return the function at a path that a config holds.

    Args:
        path: As `path_of` wrote it.
        what: Whose function it is, for errors.

    Raises:
        UserError: If the path is outside the trusted namespaces (see `load_component`), or nothing that can be called
            is there.
    """
    address = providers.address(path)
    providers.require_trusted(path, address)
    found = providers.find(address)
    if not callable(found):
        raise UserError(
            f"The {what} is written as {path!r}, and that is {found!r:.80}, which cannot be called; write the path of "
            "a function."
        )
    return found  # type: ignore[no-any-return]


def keep_path(
    component: Any, argument: str, function: Callable[..., Any] | str | None, *, or_drop: bool = False
) -> bool:
    """Let a component be written with the path of its function; return False if the function has none.

    Call it in the component's constructor.

    Args:
        component: The component that is being made.
        argument: The keyword its function was given by.
        function: What was given.
        or_drop: Whether a function without a path is left out of what is written.
    """
    call = vars(component)["_arguments"]
    if function is None or isinstance(function, str) or call.kwargs.get(argument) is not function:
        return True  # a subclass brings the function itself, and is written without
    path = path_of(function)
    if path is not None or or_drop:
        kwargs = {name: value for name, value in call.kwargs.items() if name != argument}
        vars(component)["_arguments"] = call._replace(kwargs=kwargs if path is None else kwargs | {argument: path})
    return path is not None
