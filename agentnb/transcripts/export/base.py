"""What of a log is exported, and how it is made fit to be shown to others first.

Exported is what was said, done, asked, decided and judged, with its outputs, times and costs. Left at home are what
models were shown (prompts may repeat everything), components and states, a runtime's envelopes, and facts of kinds
that are not known here. Nothing else is read by an exporter, so nothing else needs to be clean.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from agentnb.runlog import Event
from agentnb.transcripts.record import event_data

Secrets = Literal["refuse", "mask", "keep"]
Names = Mapping[str, str] | Literal["remove"]
Place = tuple[str, ...]
"""Where in a fact a text stands, as in ("body", "outputs", "0", "text/html")."""

KINDS = frozenset(
    (
        "run.started",
        "run.finished",
        "error",
        "turn.started",
        "turn.finished",
        "message",
        "retracted",
        "forgotten",
        "branch",
        "speaker",
        "pause",
        "model.finished",
        "tool.started",
        "tool.finished",
        "memory.finished",
        "code.started",
        "code.finished",
        "variables",
        "input.requested",
        "input.answered",
        "note",
        "verdict",
    )
)
"""The kinds of facts that are exported."""

_UNREAD = {"run.started": ("component",), "model.finished": ("result",)}
_PICTURES = ("image/png", "image/jpeg")
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]{200,}")
# Terminal colours glue themselves to the word that follows: "\x1b[31msk-…".
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


def exported(events: Iterable[Event]) -> list[Event]:
    """Return the facts that are exported."""
    return [event for event in events if event.kind in KINDS]


def readable_data(event: Event) -> dict[str, Any]:
    """Return a fact as JSON-ready data, without what no exporter reads."""
    data = event_data(event)
    for name in _UNREAD.get(event.kind, ()):
        data["body"].pop(name, None)
    return data


def texts(data: Mapping[str, Any]) -> Iterable[tuple[Place, str]]:
    """Return every text of a fact that somebody could read, with its place."""
    found: list[tuple[Place, str]] = []

    def note(place: Place, text: str) -> str:
        found.append((place, text))
        return text

    rewritten(data, note)
    return found


def rewritten(data: Mapping[str, Any], change: Callable[[Place, str], str]) -> dict[str, Any]:
    """Return a fact with its source and every text of its body passed through `change`; pictures stay as they are."""
    body = _rewritten(data["body"], change, ("body",))
    source = change(("source",), data["source"]) if data.get("source") else ""
    return {**data, "source": source, "body": body}


def _rewritten(value: Any, change: Callable[[Place, str], str], place: Place) -> Any:
    if isinstance(value, str):
        return value if _is_picture(place, value) else change(place, value)
    if isinstance(value, dict):
        changed: dict[str, Any] = {}
        for key, item in value.items():
            name = change((*place, "key"), key) if is_free((*place, key)) else key
            while name in changed:  # two that read alike now
                name += "'"
            changed[name] = _rewritten(item, change, (*place, key))
        return changed
    if isinstance(value, list):
        return [_rewritten(item, change, (*place, str(number))) for number, item in enumerate(value)]
    return value


def is_free(place: Place) -> bool:
    """Tell whether a place is within data of a user's own, whose keys are texts like others."""
    match place[1:]:
        case ("arguments", _, *_) | ("outputs", _, _, _, *_) | ("message", "metadata", _, *_):
            return True
        case ("message", "content", key, *_):  # of a structured message; lists are ours
            return not key.isdigit()
    return False


def _is_picture(place: Place, text: str) -> bool:
    return place[-1] in _PICTURES or (place[-1] in ("data", "base64") and _BASE64.fullmatch(text) is not None)


def plainly(text: str, change: Callable[[str], str]) -> str:
    """Change a text as a reader sees it; only where that changes something are its terminal colours lost."""
    if "\x1b" not in text:
        return change(text)
    plain = _ANSI.sub("", text)
    changed = change(plain)
    return text if changed == plain else changed
