"""Components written so that AutoGen itself can load them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentnb.compat.paths import old_path
from agentnb.core import ComponentModel
from agentnb.core.providers import PLAIN, looks_like_component

__all__ = ["to_autogen"]


def to_autogen(model: ComponentModel | Mapping[str, Any]) -> dict[str, Any]:
    """Return a dumped component as a JSON-ready dict whose providers carry AutoGen's names.

    Nested components are renamed too. A provider AutoGen has no name for, such as a class of your own, stays.
    """
    checked = ComponentModel.model_validate(model)
    renamed: dict[str, Any] = _renamed(checked.model_dump(mode="json", exclude_none=True))
    return renamed


def _renamed(value: Any) -> Any:
    if isinstance(value, list):
        return [_renamed(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    if set(value) == {PLAIN} and isinstance(value[PLAIN], Mapping):
        return {key: _renamed(item) for key, item in value[PLAIN].items()}  # a mark AutoGen does not know
    renamed = {key: _renamed(item) for key, item in value.items()}
    if looks_like_component(value):
        renamed["provider"] = old_path(value["provider"]) or value["provider"]
    return renamed
