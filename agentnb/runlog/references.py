"""Texts of a fact that stand elsewhere, and data that only looks so.

A line of a run's file holds `{"$blob": name}` for a text in the folder of blobs, `{"$text": [seq, key, …]}` for one
that stands in the body of the same or an earlier fact of the file, and `{"$data": object}` for an object whose only key
is one of these three.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

LEAST = 256
"""Characters; shorter texts stand where they belong."""

MARK = b'"$'
"""A line without it holds no reference."""

_KEYS = ({"$blob"}, {"$text"}, {"$data"})

Path = list[str | int]
"""Keys and indices that lead to a value within a fact's body, as its line holds it."""
Keep = Callable[[str, Path], dict[str, Any] | None]
"""Gives the reference for a text at a path, None if it is to stand there."""


def may_refer(line: bytes) -> bool:
    """Tell whether a line may hold a text that is long enough to stand elsewhere, at a fraction of decoding it."""
    if len(line) < LEAST:
        return False
    if b"\\" in line and b'\\"' in line:
        line = line.replace(rb"\\", b"__").replace(rb"\"", b"__")
    place, last = line.find(b'"'), len(line) - LEAST
    while 0 <= place < last:
        # From quote to quote as far as one leap goes: a third of what a pattern costs.
        place = line.rfind(b'"', place + 1, place + 1 + LEAST)
        if place < 0:
            return True
    return False


def refer(value: Any, keep: Keep, path: Path) -> Any:
    """Return a value with long texts replaced by what `keep` gives for them; the same object if there are none."""
    if isinstance(value, str):
        reference = keep(value, path) if len(value) >= LEAST else None
        return value if reference is None else reference
    if not isinstance(value, dict | list):
        return value
    changed = None
    guarded = isinstance(value, dict) and value.keys() in _KEYS
    if guarded:
        path.append("$data")
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        path.append(key)
        referring = refer(item, keep, path)
        path.pop()
        if referring is not item:
            changed = value.copy() if changed is None else changed
            changed[key] = referring
    made = value if changed is None else changed
    if guarded:
        path.pop()
        return {"$data": made}
    return made


def resolve(value: Any, blob: Callable[[str], Any], text: Callable[[Path], Any]) -> Any:
    """Undo `refer`: `blob` gives the text of a name, `text` that at a fact's number and a path."""
    if isinstance(value, list):
        return [resolve(item, blob, text) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() in _KEYS:
        ((key, held),) = value.items()
        if key == "$blob" and isinstance(held, str):
            return blob(held)
        if key == "$text" and isinstance(held, list):
            return text(held)
        if key == "$data" and isinstance(held, dict):
            value = held
    return {key: resolve(item, blob, text) for key, item in value.items()}


def resolve_known(value: Any, known: Mapping[str, str]) -> Any:
    """Put texts where format 1 refers to them: only a name that was written is a reference, whatever looks like one."""
    if isinstance(value, dict):
        name = value.get("$blob")
        if len(value) == 1 and isinstance(name, str) and name in known:
            return known[name]
        return {key: resolve_known(item, known) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve_known(item, known) for item in value]
    return value
