"""A run's facts on disk: one file of JSON lines.

Line 1 is `{"agentnb": 2, "run": id}`; every other line is one event. A text above 16 KiB lies once, by its hash, in the
folder `blobs` beside the runs; a shorter one that was said before is referred to where it stands. A line is written
whole with one system call as its fact is appended, so a crash loses at most the one being written.
`docs/log-format.md` says all of it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import sys
from contextlib import suppress
from pathlib import Path
from time import sleep
from typing import Any

from pydantic_core import to_json

from agentnb.core import EventId, well_formed
from agentnb.exceptions import LogUnreadable
from agentnb.messages import AssistantMessage, CreateResult, SystemMessage, TextMessage, UserMessage
from agentnb.runlog import blobs, references
from agentnb.runlog.events import CodeFinished, Event, Noted, ToolFinished
from agentnb.runlog.light import Light, event_of
from agentnb.runlog.lines import Unusual, line_of

if sys.platform != "win32":
    import fcntl

FORMAT = 2
BLOB_BYTES = 16 * 1024


class JsonLinesStore:
    """Appends events to a file, as its only writer.

    When the disk refuses (full, quota, gone), lines wait in memory and are tried again with each later event; the run
    goes on and `unsaved` says how many wait.

    Args:
        path: The file; made if there is none.
        run_id: The run.
        origin: For a branch, what the header says of where it comes from.
        inline: Whether large texts lie in the file itself and others wherever they were said, so that it can stand
            alone and be searched.
        again: Whether to go on with a file that exists: nothing is written before `go_on` was called.
        gaps: Whether facts of the run are left out on purpose, so that their numbers are not dense.

    Attributes:
        last: The number of the last fact that is on disk, or waits to be.
    """

    def __init__(
        self,
        path: Path,
        run_id: str,
        *,
        origin: dict[str, Any] | None = None,
        inline: bool = False,
        again: bool = False,
        gaps: bool = False,
    ) -> None:
        self.path = path
        self.last = 0
        self.format = FORMAT
        self.error: OSError | None = None
        self._own = f"{run_id}:"
        self._blobs: dict[str, int] = {}
        self._places: dict[bytes, tuple[str | int, ...]] = {}
        self._shared = None if inline else blobs.beside(path)
        self._waiting: list[bytes] = []
        self._file: int | None = None
        self._process = os.getpid()
        self._size = -1  # not opened yet
        self._causes: dict[EventId, int] = {}
        self._referred = 0
        """The last fact of whose texts one was kept while it was written by hand."""
        self._before: list[bytes] = []
        """Lines of blobs that a fact that is being written refers to, where they have no folder."""
        header = f'{{"agentnb": {FORMAT}, "run": {json.dumps(run_id)}'
        if origin:
            header += f', "origin": {json.dumps(origin)}'
        if gaps:
            header += ', "gaps": true'
        self._header = f"{header}}}\n".encode()
        self._again = again
        if not again:
            self._waiting.append(self._header)
            self.flush()

    @property
    def unsaved(self) -> int:
        """Lines that are not on disk."""
        return len(self._waiting)

    @property
    def unsaved_facts(self) -> int:
        """Facts that are not on disk."""
        return len(self._waiting) - self._waiting.count(self._header)

    def is_deleted(self) -> bool:
        """Tell whether the file it writes was deleted meanwhile: what is written there then is in no folder."""
        if self._file is None:
            return False
        mine = os.fstat(self._file)
        if mine.st_nlink:
            return False
        return not self._is_here(mine)  # some file systems count no links

    def go_after(self) -> bool:
        """Take up the name that its file has by now, if that was moved; return whether it is known."""
        if self._file is None or self._is_here(os.fstat(self._file)):
            return True
        before = self.path
        try:
            self.path = Path(os.readlink(f"/proc/self/fd/{self._file}"))
        except OSError:  # a system that does not tell
            return False
        if not self._is_here(os.fstat(self._file)):
            self.path = before
            return False
        self._shared = self._shared and blobs.beside(self.path)
        return True

    def _is_here(self, mine: os.stat_result) -> bool:
        try:
            return os.path.samestat(mine, self.path.stat())
        except OSError:
            return False

    def write(self, event: Event) -> None:
        """Append one event; never raises for what the disk does."""
        self.add(event.seq, event)

    def add(self, seq: int, fact: Event | Light) -> bool:
        """Append the fact with the number `seq`; never raises for what the disk does, but tells whether it took it."""
        before = self._size
        try:
            if type(fact) is tuple:
                cause: Any = fact[0]
                try:
                    caused = cause if type(cause) is int else self._causes.get(cause) or self._number(cause)
                    line = line_of(seq, caused, fact, self._refer)
                except Exception:  # not the usual form, or a value of another type: the serializer looks at it
                    if self._referred == seq:
                        self._take_back(seq)
                    line = self._encode(seq, fact)
                if self._before:
                    line = b"\n".join((*self._before, line))
                    self._before.clear()
            else:
                line = self._encode(seq, fact)
            if self._waiting or self._file is None:
                self._waiting.append(line)
                self.last = seq
                return self.flush()
            try:
                self._put(line)
            except OSError as error:
                self._waiting.append(line)
                self.error = error
            self.last = seq
        except BaseException:
            if self._file is not None and not self._waiting:
                self._settle(self._file, seq, fact, before)
            raise
        return self.error is None

    def _settle(self, file: int, seq: int, fact: Event | Light, before: int) -> None:
        """Let the file neither lack a fact nor hold it twice whose writing was interrupted, as by Ctrl-C."""
        self._size = os.fstat(file).st_size
        if self._size == before:
            self._take_back(seq)
            self._waiting.append(self._encode(seq, fact))
        self.last = seq
        self.flush()

    def _take_back(self, seq: int) -> None:
        """Forget where the texts of a fact stand: it was not written."""
        self._places = {digest: place for digest, place in self._places.items() if place[0] != seq}
        self._blobs = {name: first for name, first in self._blobs.items() if first != seq}
        self._before.clear()

    def flush(self) -> bool:
        """Try to write what waits; return whether all of it is on disk."""
        try:
            if self._file is None:
                try:
                    self.acquire()
                except FileNotFoundError:
                    self.path.parent.mkdir(parents=True, exist_ok=True)
                    self.acquire()
            while self._waiting:
                self._put(self._waiting[0])
                self._waiting.pop(0)
        except OSError as error:
            self.error = error
            return False
        self.error = None
        return True

    def acquire(self) -> None:
        """Open the file and take its writer's lock, unless this store has both.

        Raises:
            OSError: If the disk refuses, somebody else is writing, or has written since this store let the file go.
        """
        if self._file is not None:
            return
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | (0 if self._again else os.O_CREAT), 0o600)
        try:
            _lock(file)
            size = os.fstat(file).st_size
            if self._size not in (-1, size):
                raise OSError(errno.ESTALE, "something else has written to it since this log let it go")
        except OSError:
            os.close(file)
            raise
        self._file, self._size = file, size

    def go_on(self, size: int, *, header: bool) -> None:
        """Go on behind byte `size` of the file that was acquired, cutting off what a crash left there.

        Args:
            size: Where its last whole line ends.
            header: Whether it needs a header first: it has none, or one of an older format.

        Raises:
            LogUnreadable: If the file is shorter than that.
        """
        assert self._file is not None
        if self._size < size:
            raise LogUnreadable(
                f"The run's file {self.path} has lost facts since it was read. Save the log elsewhere, with "
                "`log.save(path)`."
            )
        os.ftruncate(self._file, size)
        self._size = size
        if header:
            self._waiting.append(self._header)
            self.flush()

    def _put(self, line: bytes) -> None:
        file: Any = self._file
        try:
            written = os.write(file, line)
            if written < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        except OSError:
            # A line cut short would damage the file for its readers: take the piece back, write the whole line later.
            os.ftruncate(file, self._size)
            raise
        self._size += written

    def _encode(self, seq: int, fact: Event | Light) -> bytes:
        event: Any = event_of(self._own[:-1], seq, fact) if isinstance(fact, tuple) else fact
        try:
            return self._lines(event, self._line(event))
        except (RecursionError, TypeError, ValueError):
            return self._mended_lines(event)

    def _refer(self, text: str, seq: int, path: tuple[str | int, ...]) -> Any:
        self._referred = seq
        return self._keep(text, seq, [*path], self._before) or text

    def _number(self, parent: EventId | None) -> int:
        if parent is None:
            return 0
        caused = self._cause(parent)
        if not isinstance(caused, int):
            raise Unusual
        if len(self._causes) > 100:
            self._causes.clear()  # the facts of a turn have a few parents in common
        self._causes[parent] = caused
        return caused

    def _mended_lines(self, event: Event) -> bytes:
        """Return the lines of a fact that JSON does not take as it is."""
        try:
            data = _mended(event.model_dump(mode="python", exclude_none=True))
            return self._lines(event, json.dumps(data, default=str).encode())
        except (RecursionError, TypeError, ValueError) as error:
            why = "is nested too deep to be written" if isinstance(error, RecursionError) else f"has no JSON: {error}"
            note = Noted(text=f"A fact of the kind {event.kind!r} {why}.", by="agentnb")
            return self._line(event.model_copy(update={"body": note})) + b"\n"

    def _lines(self, event: Event, line: bytes) -> bytes:
        """Return a line with its long texts where they belong, behind the lines of blobs that stand in the file."""
        if references.MARK not in line:
            short = line if not references.may_refer(line) else self._with_one(event, line)
            if short is not None:
                return short + b"\n"
        lines: list[bytes] = []
        data = json.loads(line)
        body = references.refer(data["body"], lambda text, path: self._keep(text, event.seq, path, lines), [])
        if body is not data["body"]:
            line = json.dumps({**data, "body": body}, ensure_ascii=False, separators=(",", ":")).encode()
        return b"\n".join((*lines, line, b""))

    def _with_one(self, event: Event, line: bytes) -> bytes | None:
        """Return a line whose one long text is where such facts have it; None if it has to be decoded to be sure."""
        path = _TEXTS.get(event.kind)
        if path is None:
            return None
        holder: Any = event.body
        for name in path[:-1]:
            holder = getattr(holder, name)
        text = getattr(holder, path[-1], None)
        if type(holder) not in _PLAIN or type(text) is not str or len(text) < references.LEAST:
            return None
        before, found, after = line.partition(b'"%b":%b' % (path[-1].encode(), to_json(text)))
        if not found or references.may_refer(before) or references.may_refer(after):
            return None
        lines: list[bytes] = []
        reference = self._keep(text, event.seq, [*path], lines)
        if reference is not None:
            line = b'%b"%b":%b%b' % (before, path[-1].encode(), to_json(reference), after)
        return b"\n".join((*lines, line))

    def _keep(self, text: str, seq: int, path: references.Path, lines: list[bytes]) -> dict[str, Any] | None:
        raw = text.encode()
        if len(raw) > BLOB_BYTES:
            name = blobs.name_of(raw)
            if name not in self._blobs:
                self._blobs[name] = seq
                if self._shared is None or not self.go_after() or not self._shared.put(name, raw):
                    # A folder that cannot be written, or is no longer beside the file, must not cost the text: the
                    # file may hold it too.
                    lines.append(json.dumps({"blob": name, "value": text}, ensure_ascii=False).encode())
            return {"$blob": name}
        # A digest, not the text: a log must not be held in memory twice.
        digest = hashlib.blake2b(raw, digest_size=16).digest()
        place = self._places.get(digest)
        if place is None:
            self._places[digest] = (seq, *path)
            return None
        return None if self._shared is None else {"$text": place}

    def _line(self, event: Event) -> bytes:
        """Return what `event.model_dump_json(exclude_none=True)` gives, at half its price.

        Less the ids that follow from the run's: its facts' own is left out, that of a parent is a number.
        """
        fields = event.__dict__
        seq, parent, took, usage = fields["seq"], fields["parent"], fields["took"], fields["usage"]
        written: dict[str, Any] = {"seq": seq}
        if fields["id"] != f"{self._own}{seq}":
            written = {"id": fields["id"], "seq": seq}
        if parent is not None:
            written["parent"] = self._cause(parent)
        written["at"] = fields["at"]
        if took is not None and math.isfinite(took):
            written["took"] = took
        written["source"] = fields["source"]
        if usage is not None:
            written["usage"] = usage
        written["body"] = fields["body"]
        return to_json(written, exclude_none=True)

    def _cause(self, parent: EventId) -> EventId | int:
        if not parent.startswith(self._own):
            return parent
        number = parent[len(self._own) :]
        return int(number) if number.isdecimal() and number.isascii() and str(int(number)) == number else parent

    def close(self) -> None:
        """Write what waits, and let the file go."""
        self.flush()
        if self._file is not None:
            _unlock(self._file)
            os.close(self._file)
            self._file = None

    def __del__(self) -> None:
        # A log that is thrown away must not keep others from writing its file; a copy of it in a forked process must.
        if getattr(self, "_file", None) is not None and self._process == os.getpid():
            self.close()


_TEXTS = {
    "message": ("message", "content"),
    "model.finished": ("result", "content"),
    "context": ("message", "content"),
    "tool.finished": ("result",),
    "code.finished": ("output",),
}
"""Where frequent facts have their one long text, if they have one."""

_PLAIN = (TextMessage, CreateResult, UserMessage, AssistantMessage, SystemMessage, ToolFinished, CodeFinished)
"""Classes that write it as it is."""


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, dict):
        return {_mended(key): _mended(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mended(item) for item in value]
    return value


def way_out(error: OSError) -> str:
    """Say what would let a file be written after all; a sentence without its end."""
    return _WAYS.get(error.errno or 0, "Set that right")


_WAYS = {
    errno.ENOSPC: "Free some space",
    getattr(errno, "EDQUOT", errno.ENOSPC): "Free some space",
    errno.EFBIG: "Let files grow larger (`ulimit -f`)",
    errno.EACCES: "Get yourself the right to write there",
    errno.EPERM: "Get yourself the right to write there",
    errno.EROFS: "Make that disk writable",
    errno.ENOENT: "Put the folder back",
    errno.EEXIST: "Move the file away that lies where a folder should be",
    errno.ENOTDIR: "Move the file away that lies where a folder should be",
    errno.EAGAIN: "Wait until that run is over, or close its log there",
    errno.ESTALE: "Open the file anew",
    errno.EIO: "Look after the disk, which may be failing",
}


def _lock(file: int) -> None:
    if sys.platform == "win32":
        return
    for wait in (*_WAITS, None):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if wait is None:
                raise OSError(errno.EAGAIN, f"{_holder(file)} is writing it") from None
            # Who looks whether a run is being written has its lock for an instant.
            sleep(wait)
        except OSError:
            return  # a file system without locks
        else:
            return


_WAITS = (0.01,) * 3
"""Seconds between attempts to get a lock."""


def _unlock(file: int) -> None:
    if sys.platform != "win32":
        # By name: a process that was forked meanwhile has the file open too.
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_UN)


def _holder(file: int) -> str:
    """Say who has the lock, as far as the system tells."""
    about = os.fstat(file)
    try:
        held = [line.split() for line in Path("/proc/locks").read_text().splitlines() if " FLOCK " in line]
    except OSError:
        held = []
    for lock in held:
        if lock[-3].endswith(f":{about.st_ino}") and lock[-4].isdigit() and lock[-4] != "0":
            return "another log of this process" if int(lock[-4]) == os.getpid() else f"the process {lock[-4]}"
    return "another process, or another log of this one,"
