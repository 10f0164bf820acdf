"""AutoGen's names for what is here: the table of paths, the import hook, the migration of sources."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["autogen", "migrate", "new_path", "old_path", "paths", "to_autogen"]

_HOMES = {"new_path": "paths", "old_path": "paths", "to_autogen": "components"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = importlib.import_module(f"{__name__}.{_HOMES.get(name, name)}")
    return getattr(value, name) if name in _HOMES else value
