"""A run as one JSON value, and back: what a notebook's file keeps of it.

The record is `{"v": 1, "run": id, "totals": {…}, "complete": bool, "events": [fact, …], "blobs": {hash: text}}`. Facts
are those of the run's own file; a longer text that occurs in several of them, such as an answer and what the next model
was shown, or a figure, is kept once under its hash and referred to as `{"$blob": hash}`.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, to_json

from agentnb.core import well_formed
from agentnb.exceptions import LogUnreadable
from agentnb.runlog import Event, RunLog, log_of, totals
from agentnb.runlog.garbage import uncollected
from agentnb.runlog.given import Given

MIME = "application/vnd.agentnb.transcript.v1+json"
VERSION = 1

BLOB_CHARACTERS = 200
"""Texts longer than this are kept once."""
RECORD_BYTES = 16_000_000
"""A run whose record is larger keeps only what was said and run, without figures."""

_FAMILY = "application/vnd.agentnb.transcript."
_ESSENTIAL = {
    "run.started",
    "run.finished",
    "error",
    "turn.started",
    "turn.finished",
    "message",
    "code.started",
    "code.finished",
    "note",
}


@uncollected()
def to_record(run: Given) -> dict[str, Any]:
    """Return a run as one JSON value.

    A run of more than 16 MB is thinned: `complete` is false, its tables of messages and code stay right, and the log's
    own file has the rest.

    Args:
        run: A log, what has one, the path of its file, or its id.
    """
    log = log_of(run, "A record")
    events = [event_data(event) for event in log]
    packed, blobs = _packed(events)
    complete = _size(packed, blobs) <= RECORD_BYTES
    if not complete:
        packed, blobs = _packed([_thinned(event) for event in events if event["body"]["kind"] in _ESSENTIAL])
    return {
        "v": VERSION,
        "run": log.id,
        "totals": _plain(totals(log).model_dump()),
        "complete": complete,
        "events": packed,
        "blobs": blobs,
    }


def from_record(record: Mapping[str, Any]) -> RunLog:
    """Return the run a record holds, as a log in memory.

    Raises:
        LogUnreadable: If the record is of a newer format, or damaged.
    """
    try:
        if record["v"] > VERSION:
            raise LogUnreadable(
                f"The transcript has format {record['v']}; this version reads up to {VERSION}. "
                "Update agentnb-toolkit to open it."
            )
        blobs = record["blobs"]
        log = RunLog(run_id=record["run"])
        log._events = [Event.model_validate(_unpacked(data, blobs)) for data in record["events"]]
    except (KeyError, TypeError, ValidationError) as error:
        raise LogUnreadable(f"The transcript is damaged: {type(error).__name__}: {error}.") from error
    return log


def from_notebook(notebook: str | Path | Mapping[str, Any]) -> list[RunLog]:
    """Return the runs whose transcripts a saved notebook shows, in the order of its cells.

    Args:
        notebook: An `.ipynb` file, or its content as `nbformat` or `json` read it.

    Raises:
        LogUnreadable: If the file cannot be read, or a transcript in it is damaged or of a newer format.
    """
    content, name = (
        (notebook, "the notebook") if isinstance(notebook, Mapping) else (_read(Path(notebook)), str(notebook))
    )
    runs: dict[str, RunLog] = {}
    for number, mime, record in _records(content):
        try:
            if mime != MIME:
                raise LogUnreadable(f"it is of the newer format {mime!r}. Update agentnb-toolkit to open it.")
            log = from_record(record)
        except LogUnreadable as error:
            raise LogUnreadable(f"Cell {number} of {name} holds a transcript that cannot be read: {error}") from error
        # A run shown twice, once before it was over: the longer transcript is the later one.
        if log.id not in runs or len(log) > len(runs[log.id]):
            runs[log.id] = log
    return list(runs.values())


def _read(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LogUnreadable(f"The notebook {path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise LogUnreadable(f"{path} is no notebook: {error}.") from error
    if not isinstance(content, dict):
        raise LogUnreadable(f"{path} is no notebook: it holds no object.")
    return content


def _records(content: Mapping[str, Any]) -> Iterator[tuple[int, str, Mapping[str, Any]]]:
    for number, cell in enumerate(content.get("cells", ()), start=1):
        for output in cell.get("outputs", ()):
            for mime, data in output.get("data", {}).items():
                if mime.startswith(_FAMILY):
                    yield number, mime, data


def event_data(event: Event) -> dict[str, Any]:
    """Return a fact as JSON-ready data, whatever a model or a tool put into it."""
    try:
        data = event.model_dump(mode="json", exclude_none=True)
        if _is_plain(data):
            return data
    except (PydanticSerializationError, UnicodeEncodeError):
        data = event.model_dump(mode="python", exclude_none=True)
    mended: dict[str, Any] = _plain(data)
    return mended


def _is_plain(data: dict[str, Any]) -> bool:
    """Tell whether JSON-ready data can be written as it is: to write it is quicker than to look at each value."""
    try:
        written = to_json(data)
    except (PydanticSerializationError, UnicodeEncodeError):
        return False
    return b"NaN" not in written and b"Infinity" not in written


def _plain(value: Any) -> Any:
    match value:
        case str():
            return well_formed(value)
        case None | bool() | int():
            return value
        case float():
            # JSON has no NaN and no infinity.
            return value if value - value == 0 else str(value)
        case dict():
            return {well_formed(str(key)): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else well_formed(str(value))


def _packed(events: list[dict[str, Any]]) -> tuple[list[Any], dict[str, str]]:
    counts: Counter[str] = Counter()
    long = [_count(event, counts) for event in events]
    names = {text: hashlib.sha256(text.encode()).hexdigest() for text, count in counts.items() if count > 1}
    packed = [_pack(event, names) if is_long else event for event, is_long in zip(events, long, strict=True)]
    return packed, {name: text for text, name in names.items()}


def _count(value: dict[str, Any] | list[Any], counts: Counter[str]) -> bool:
    """Count the longer texts, and tell whether there are any."""
    found = False
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, str):
            if len(item) > BLOB_CHARACTERS:
                counts[item] += 1
                found = True
        elif isinstance(item, dict | list):
            found |= _count(item, counts)
    return found


def _pack(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return {"$blob": names[value]} if len(value) > BLOB_CHARACTERS and value in names else value
    if isinstance(value, dict):
        return {key: _pack(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_pack(item, names) for item in value]
    return value


def _unpacked(value: Any, blobs: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        if len(value) == 1 and isinstance(name := value.get("$blob"), str) and name in blobs:
            return blobs[name]
        return {key: _unpacked(item, blobs) for key, item in value.items()}
    if isinstance(value, list):
        return [_unpacked(item, blobs) for item in value]
    return value


def _thinned(event: dict[str, Any]) -> dict[str, Any]:
    body = event["body"]
    if body["kind"] != "code.finished":
        return event
    outputs = [
        {mime: data for mime, data in output.items() if not mime.startswith("image/")}
        for output in body.get("outputs", ())
    ]
    return {**event, "body": {**body, "outputs": outputs}}


def _size(packed: list[Any], blobs: Mapping[str, str]) -> int:
    return len(to_json([packed, blobs]))
