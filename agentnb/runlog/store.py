"""A run's facts on disk: one file of JSON lines.

Line 1 is `{"agentnb": 1, "run": id}`. Every other line is one event, or `{"blob": hash, "value": …}`: a value above
16 KiB, written once and referred to as `{"$blob": hash}`. A line is written whole with one system call as its fact is
appended, so a crash loses at most the one being written.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any

from pydantic_core import PydanticSerializationError

from agentnb.core import well_formed
from agentnb.exceptions import LogUnreadable
from agentnb.runlog.events import Event, Usage

FORMAT = 1
BLOB_BYTES = 16 * 1024


class JsonLinesStore:
    """Appends events to a file.

    When the disk refuses (full, quota, gone), lines wait in memory and are tried again with each later event; the run
    goes on and `unsaved` says how many wait.
    """

    def __init__(self, path: Path, run_id: str) -> None:
        self.path = path
        self.error: OSError | None = None
        self._blobs: set[str] = set()
        self._waiting: list[bytes] = [json.dumps({"agentnb": FORMAT, "run": run_id}).encode() + b"\n"]
        self._file: int | None = None
        self._size = 0
        self._second = datetime.fromtimestamp(0, UTC)
        self._stamp = ""
        self.flush()

    @property
    def unsaved(self) -> int:
        """Lines that are not on disk."""
        return len(self._waiting)

    def write(self, event: Event) -> None:
        """Append one event; never raises for what the disk does."""
        line = self._encode(event)
        if self._waiting or self._file is None:
            self._waiting.append(line)
            self.flush()
            return
        try:
            self._put(line)
        except OSError as error:
            self._waiting.append(line)
            self.error = error

    def flush(self) -> bool:
        """Try to write what waits; return whether all of it is on disk."""
        try:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                self._size = os.fstat(self._file).st_size
            while self._waiting:
                self._put(self._waiting[0])
                self._waiting.pop(0)
        except OSError as error:
            self.error = error
            return False
        self.error = None
        return True

    def _put(self, line: bytes) -> None:
        assert self._file is not None
        try:
            written = os.write(self._file, line)
            if written < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        except OSError:
            # A line cut short would damage the file for its readers: take the piece back, write the whole line later.
            os.ftruncate(self._file, self._size)
            raise
        self._size += written

    def _encode(self, event: Event) -> bytes:
        try:
            line = self._line(event)
        except (PydanticSerializationError, UnicodeEncodeError):
            line = json.dumps(_mended(event.model_dump(mode="python", exclude_none=True)), default=str).encode()
        if len(line) <= BLOB_BYTES:
            return line + b"\n"
        lines: list[bytes] = []
        data = self._without_blobs(json.loads(line), lines)
        lines.append(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())
        return b"\n".join(lines) + b"\n"

    def _line(self, event: Event) -> bytes:
        """Return what `event.model_dump_json(exclude_none=True)` gives, at half its price."""
        fields = event.__dict__
        body, parent, took, usage, at = fields["body"], fields["parent"], fields["took"], fields["usage"], fields["at"]
        caused = "" if parent is None else f',"parent":{encode_basestring(parent)}'
        lasted = "" if took is None or not math.isfinite(took) else f',"took":{took!r}'
        cost = "" if usage is None else f',"usage":{_usage(usage)}'
        head = (
            f'{{"id":{encode_basestring(fields["id"])},"seq":{fields["seq"]}{caused},"at":"{self._time(at)}"{lasted},'
            f'"source":{encode_basestring(fields["source"])}{cost},"body":'
        )
        written: bytes = type(body).__pydantic_serializer__.to_json(body, exclude_none=True)
        return head.encode() + written + b"}"

    def _time(self, at: datetime) -> str:
        if at.tzinfo is not UTC:
            return at.isoformat()
        since = at - self._second
        if since.days or since.seconds:
            self._second = at.replace(microsecond=0)
            self._stamp = self._second.isoformat()[:19]
        return f"{self._stamp}.{at.microsecond:06}Z"

    def _without_blobs(self, value: Any, lines: list[bytes]) -> Any:
        if isinstance(value, str) and len(value) > BLOB_BYTES // 4:
            raw = value.encode()
            if len(raw) <= BLOB_BYTES:
                return value
            name = "sha256:" + hashlib.sha256(raw).hexdigest()
            if name not in self._blobs:
                self._blobs.add(name)
                lines.append(json.dumps({"blob": name, "value": value}, ensure_ascii=False).encode())
            return {"$blob": name}
        if isinstance(value, dict):
            return {key: self._without_blobs(item, lines) for key, item in value.items()}
        if isinstance(value, list):
            return [self._without_blobs(item, lines) for item in value]
        return value

    def close(self) -> None:
        """Write what waits, and let the file go."""
        self.flush()
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _usage(usage: Usage) -> str:
    if usage.cost_usd is not None or usage.prompt_tokens is None or usage.completion_tokens is None:
        return usage.model_dump_json(exclude_none=True)
    return f'{{"prompt_tokens":{usage.prompt_tokens:d},"completion_tokens":{usage.completion_tokens:d}}}'


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, dict):
        return {_mended(key): _mended(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mended(item) for item in value]
    return value


class LineReader:
    """Reads a run's file, also while another process writes it.

    `read()` returns the events that are new since the last call; a last line without its newline is left for later.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run_id: str | None = None
        self.cut_short = False
        """Whether the file ends in the middle of a line."""
        self._blobs: dict[str, Any] = {}
        self._offset = 0
        self._line = 0

    def read(self) -> list[Event]:
        """Return the new events.

        Raises:
            LogUnreadable: If the file is missing, of a newer format, or damaged before its last line.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except OSError as error:
            raise LogUnreadable(f"The run's file {self.path} cannot be read: {error.strerror or error}.") from error
        whole, newline, rest = data.rpartition(b"\n")
        self.cut_short = bool(rest)
        self._offset += len(whole) + len(newline)
        return list(self._events(whole)) if newline else []

    def _events(self, whole: bytes) -> Iterator[Event]:
        for line in whole.split(b"\n"):
            self._line += 1
            try:
                data = json.loads(line)
                if not isinstance(data, dict):
                    raise ValueError("not an object")
                if "agentnb" in data:
                    self._header(data)
                elif "blob" in data:
                    self._blobs[data["blob"]] = data["value"]
                else:
                    yield Event.model_validate(self._with_blobs(data))
            except (ValueError, KeyError) as error:
                raise LogUnreadable(f"The run's file {self.path} is damaged at line {self._line}: {error}.") from error

    def _header(self, data: dict[str, Any]) -> None:
        if data["agentnb"] > FORMAT:
            raise LogUnreadable(
                f"The run's file {self.path} has format {data['agentnb']}; this version reads up to {FORMAT}. "
                "Update agentnb-toolkit to open it."
            )
        self.run_id = data["run"]

    def _with_blobs(self, value: Any) -> Any:
        if isinstance(value, dict):
            # Data of a tool may look like a reference: only a hash that was written is one.
            name = value.get("$blob")
            if len(value) == 1 and isinstance(name, str) and name in self._blobs:
                return self._blobs[name]
            return {key: self._with_blobs(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._with_blobs(item) for item in value]
        return value
