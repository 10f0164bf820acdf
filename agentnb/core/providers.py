"""Where component classes are found: their addresses, AutoGen's old ones, and whom to trust."""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from agentnb.core import plugins
from agentnb.exceptions import UnknownName, UserError

WELL_KNOWN_PROVIDERS: dict[str, str] = {
    "azure_openai_chat_completion_client": "autogen_ext.models.openai.AzureOpenAIChatCompletionClient",
    "AzureOpenAIChatCompletionClient": "autogen_ext.models.openai.AzureOpenAIChatCompletionClient",
    "openai_chat_completion_client": "autogen_ext.models.openai.OpenAIChatCompletionClient",
    "OpenAIChatCompletionClient": "autogen_ext.models.openai.OpenAIChatCompletionClient",
    "OllamaChatCompletionClient": "autogen_ext.models.ollama.OllamaChatCompletionClient",
}
"""Short names of providers."""

PLAIN = "plain data"
"""The key that marks data which only looks like a component; loading takes it as it stands."""

_OLD_ROOTS = ("autogen_agentchat", "autogen_core", "autogen_ext")
_VARIABLES = ("AGENTNB_TRUSTED_NAMESPACES", "AUTOGEN_ALLOWED_PROVIDER_NAMESPACES")


def provider_of(cls: type[Any], *, strict: bool = True) -> str:
    """Return the path a component's class is loaded from, `room.Class` where the room exports it.

    Args:
        cls: A component class.
        strict: False for a reader's eyes: then it need not load.

    Raises:
        TypeError: If the class is local to a function.

    A path through a private module warns: it may change without notice.
    """
    override: str | None = getattr(cls, "component_provider_override", None)
    if override:
        return override
    module, name = cls.__module__, cls.__qualname__
    if strict and "<locals>" in name:
        raise TypeError(f"{name} is local to a function and cannot be loaded again; define it in a module.")
    room = ".".join(module.split(".")[:2])
    if module.startswith("agentnb.") and getattr(importlib.import_module(room), cls.__name__, None) is cls:
        return f"{room}.{cls.__name__}"
    if strict and "._" in module:
        warnings.warn(
            f"{name} is written with the private module {module}, which may move; "
            f"name a public one: component_provider_override = 'package.{name}'.",
            UserWarning,
            stacklevel=3,
        )
    return f"{module}.{name}"


def looks_like_component(data: Any) -> bool:
    """Whether data has the shape of a written component."""
    return (
        isinstance(data, Mapping) and isinstance(data.get("provider"), str) and isinstance(data.get("config"), Mapping)
    )


def nested_providers(data: Any) -> Iterator[str]:
    """Yield the providers of all components within a config."""
    if isinstance(data, Mapping):
        if set(data) == {PLAIN} and isinstance(data[PLAIN], Mapping):
            data = data[PLAIN]
        elif looks_like_component(data):
            yield data["provider"]
        for item in data.values():
            yield from nested_providers(item)
    elif isinstance(data, list | tuple):
        for item in data:
            yield from nested_providers(item)


def address(provider: str) -> str:
    """Return a provider as a path of today: aliases and AutoGen's addresses are replaced.

    Raises:
        UserError: If it names no module, or is no path at all.
    """
    path = WELL_KNOWN_PROVIDERS.get(provider, provider)
    root, *rest = path.split(".")
    if not rest:
        raise UserError(f"The provider {provider!r} names no module; write 'package.module.Class'.")
    if not all(part.isidentifier() for part in (root, *rest)):
        raise UserError(f"The provider {provider!r} is no path; write 'package.module.Class'.")
    if root not in _OLD_ROOTS:
        return path
    try:
        known: str | None = plugins.load("compat", "paths")(path)
    except ModuleNotFoundError:
        known = None  # an installation without agentnb.compat
    # AutoGen's rooms are ours: where the table says nothing, the class lies in the room of the same name.
    return known or ".".join(["agentnb", *(part for part in rest if not part.startswith("_"))])


def require_trusted(provider: str, path: str) -> None:
    """Go on only if a class may be looked for at `path`, the address of `provider`.

    Raises:
        UserError: If it may not; nothing was imported.
    """
    root = path.partition(".")[0]
    named = (name.strip().rstrip(".") for variable in _VARIABLES for name in os.environ.get(variable, "").split(","))
    trusted = {"agentnb", *plugins.packages(), *filter(None, named)}
    if _is_running(root) or any(path.startswith(f"{name}.") for name in trusted):
        return
    raise UserError(
        f"The provider {provider!r} is outside the trusted namespaces, and loading it would run its code. "
        f"If you trust it, add {root!r} to the environment variable {_VARIABLES[0]} (a comma list)."
    )


def find(path: str) -> Any:
    """Import what lies at a trusted path; what the running program defines is looked up, never imported.

    Raises:
        UnknownName: If nothing is there.
    """
    parts = path.split(".")
    if _is_running(parts[0]):
        found = _within(sys.modules[parts[0]], parts[1:])
        if getattr(found, "__module__", None) != parts[0]:
            raise UnknownName(
                f"{path} is not defined in the running program. Run the cell that defines it, then load again."
            )
        return found
    for length in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:length])
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise  # the module is there, and something it needs is not
            continue
        found = _within(module, parts[length:])
        if found is None:
            near = difflib.get_close_matches(parts[-1], dir(module), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UnknownName(f"{name} has no {'.'.join(parts[length:])!r}.{hint}")
        return found
    raise UnknownName(f"No module {parts[0]!r} is installed here; {path} cannot be loaded.")


def _is_running(root: str) -> bool:
    # AutoGen trusts modules named test_*; here they must be loaded already, so that nothing is imported for a config.
    return root == "__main__" or (root.startswith("test_") and root in sys.modules)


def _within(module: Any, names: list[str]) -> Any:
    found = module
    for depth, name in enumerate(names):
        if depth and not inspect.isclass(found):
            return None  # only classes hold classes; what a module has imported is not its own
        found = getattr(found, name, None)
    return found
