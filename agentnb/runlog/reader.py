"""Reads runs' files, also while others write them, and those their branches come from."""

from __future__ import annotations

import json
import warnings
from array import array
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from agentnb.exceptions import LogUnreadable
from agentnb.runlog import blobs, references
from agentnb.runlog.events import Event
from agentnb.runlog.garbage import uncollected
from agentnb.runlog.store import FORMAT
from agentnb.runlog.unread import Resolver, check, decoded, line_of, unread

_BEGINS = b'{"agentnb":'


class Origin(NamedTuple):
    """Where a branch comes from."""

    run: str
    """The id of the other run."""
    at: int
    """How many of its facts are the branch's too."""
    path: Path | None = None
    """Its file; None where it has none, or the branch's own file holds those facts."""


class LineReader:
    """Reads a run's file, also while another process writes it.

    `read()` returns the events that are new since the last call; a last line without its newline is left for later. Of
    a branch it returns the branch's own.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.format: int | None = None
        """None as long as the file has no whole line."""
        self.run_id: str | None = None
        self.origin: Origin | None = None
        self.cut_short = False
        """Whether the file ends in the middle of a line."""
        self.offset = 0
        """Where the last whole line ends, in bytes."""
        self.damage: LogUnreadable | None = None
        """What is wrong with the line there, if it could not be read."""
        self._shared = blobs.beside(path)
        self._inline: dict[str, str] = {}
        self._last = ("", "")
        """The last shared text and its name: one that was said again is not read again."""
        self.missing: set[str] = set()
        """Names of the texts that it refers to and that are not there."""
        self._resolver: Resolver = self
        self._own: list[Event] = []
        self._starts = array("q")
        self._line = 0
        self._next = 0
        """The number of the fact that comes next; 0 before there was a header."""
        self._gaps = False

    def read(self, *, until_damage: bool = False) -> list[Event]:
        """Return the new events.

        Args:
            until_damage: Whether a damaged line is where it ends, and no error; `damage` then says what is wrong.

        Raises:
            LogUnreadable: If the file is missing, no run's, of a newer format, or damaged before its last line.

        Warns:
            RuntimeWarning: If texts that it refers to are missing; what is known of them stands in their place.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                data = file.read()
        except OSError as error:
            raise _not_opened(self.path, error) from error
        whole, newline, rest = data.rpartition(b"\n")
        self.cut_short = bool(rest)
        if not newline:
            if not self.offset and not (rest.startswith(_BEGINS) or _BEGINS.startswith(rest)):
                raise _no_run(self.path, rest)
            return []
        known, missing = len(self._own), len(self.missing)
        self.damage = None
        try:
            with uncollected():
                self._take(whole)
        except LogUnreadable as error:
            if not until_damage or not self._next:
                raise
            self.damage = error
        if len(self.missing) > missing:
            warnings.warn(
                f"The run's file {self.path} refers to {len(self.missing)} texts that are not in "
                f"{self._shared.folder}, such as {min(self.missing)}. The run opens without them; "
                "put the folder back beside it to see them.",
                RuntimeWarning,
                stacklevel=6,  # of those it has, the most usual caller's: `RunLog.open`
            )
        return self._own[known:]

    def _take(self, whole: bytes) -> None:
        own, starts = self._own, self._starts
        for line in whole.split(b"\n"):
            try:
                data = decoded(line)
                if "body" in data:
                    cause = data.get("parent")
                    if type(cause) is int:
                        # Ids that follow from the run's are not written.
                        fact = self._fact(cause)
                        data["parent"] = f"{self.run_id}:{cause}" if fact is None else fact.id
                    # One byte is found far sooner than two.
                    refers = b"$" in line and references.MARK in line
                    event = unread(line, data, self.run_id, self._resolver if refers else None)
                    seq = data["seq"]
                    if seq != self._next:
                        self._check_place(seq)
                    self._next = seq + 1
                    own.append(event)
                    starts.append(self.offset)
                    if refers and b'"$blob"' in line:
                        self._look_for_blobs(data["body"])
                elif "agentnb" in data:
                    self._header(data)
                elif "blob" in data:
                    self._inline[data["blob"]] = data["value"]
                else:
                    raise ValueError("neither a fact nor a header nor a text")
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise self._unreadable(line, error) from error
            self.offset += len(line) + 1
            self._line += 1

    def _check_place(self, seq: int) -> None:
        if not self._next:
            raise ValueError("it is a fact, and there is no header before it")
        if not self._gaps or seq < self._next:
            last = self._next - 1
            raise ValueError(f"fact {seq} follows fact {last}" if last else f"fact {seq} is the first one")

    def _unreadable(self, line: bytes, error: Exception) -> LogUnreadable:
        if not self._next and not line.startswith(_BEGINS) and b'"body":' not in line:
            return _no_run(self.path, line)
        said = f"The run's file {self.path} is damaged at line {self._line + 1}: {_fault(line, error)}."
        whole = self._next - 1
        if whole > 0:
            facts = f"{whole} facts before it are" if whole > 1 else "fact before it is"
            said += f" The {facts} whole: `RunLog.open(path, until_damage=True)` opens what is."
        return LogUnreadable(said)

    def _fact(self, seq: int) -> Event | None:
        own = self._own
        place = seq - own[0].seq if own else -1
        return own[place] if 0 <= place < len(own) and own[place].seq == seq else None

    def _header(self, data: dict[str, Any]) -> None:
        if data["agentnb"] > FORMAT:
            raise LogUnreadable(
                f"The run's file {self.path} has format {data['agentnb']}; this version reads up to {FORMAT}. "
                "Update agentnb-toolkit to open it."
            )
        run = data["run"]
        if type(run) is not str:
            raise ValueError(f"the header's run is {run!r:.80}, which is no id")
        if self.run_id not in (None, run):
            raise ValueError(f"the header is that of another run, {run}")
        self.format = data["agentnb"]
        self.run_id = run
        self._gaps = self._gaps or bool(data.get("gaps"))
        self._next = self._next or 1
        # A file may go on in a newer format than it began with.
        self._resolver = _Known(self._inline) if self.format == 1 else self
        origin = data.get("origin")
        if origin is not None:
            # A name, never a path: what stands beside it is all a file may ask for.
            name = origin.get("file")
            home = (self.path.resolve() if self.path.is_symlink() else self.path).parent
            self.origin = Origin(origin["run"], origin["at"], home / Path(name).name if name else None)
            if name:
                self._next = self.origin.at + 1

    def resolve(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return a fact's body as its line gave it with its texts where they belong."""
        return dict(references.resolve(body, self._blob, self._text))

    def _look_for_blobs(self, body: dict[str, Any]) -> None:
        def look(name: str) -> None:
            if name not in self._inline and name not in self._shared:
                self.missing.add(name)

        if self.format != 1:
            references.resolve(body, look, lambda _: None)

    def _blob(self, name: str) -> str:
        text = self._inline.get(name)
        if text is None:
            last, text = self._last
            if last != name:
                text = self._shared.get(name)
                if text is None:
                    return f"[missing: the text {name} is not in {self._shared.folder}]"
                self._last = name, text
        return text

    def _text(self, place: references.Path) -> str:
        seq, *path = place or (0,)
        found: Any = None
        with suppress(OSError, ValueError, LookupError, TypeError):
            event = self._fact(int(seq))
            line = None if event is None else line_of(event)
            if event is not None and line is None:
                with suppress(LookupError, TypeError, AttributeError):
                    found = _walked(event.body, path)
            if not isinstance(found, str):
                # Not read yet, or read into objects that spell it otherwise.
                found = _walked(decoded(line or self._line_at(int(seq)))["body"], path)
        return found if isinstance(found, str) else f"[missing: the text of fact {seq} in {self.path}]"

    def _line_at(self, seq: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(self._starts[seq - self._own[0].seq])
            return file.readline()


class _Known(NamedTuple):
    """Puts texts where format 1 refers to them."""

    known: dict[str, str]

    def resolve(self, body: dict[str, Any]) -> dict[str, Any]:
        return dict(references.resolve_known(body, self.known))


def _walked(value: Any, path: references.Path) -> Any:
    for key in path:
        held: Any = value
        value = held[key] if isinstance(value, dict | list | tuple) else getattr(held, str(key))
    return value


def _fault(line: bytes, error: Exception) -> str:
    """Say what is wrong with a line that was not taken."""
    try:
        data = decoded(line)
    except json.JSONDecodeError as no:
        why = f"no JSON: {no.msg.removesuffix(' at')} at character {no.pos + 1}"
        return why if line.strip() else "the line is empty"
    except ValueError:
        return "no JSON: it is not in UTF-8"
    sorts = {"body": "fact", "agentnb": "header", "blob": "text"}
    sort = next((sort for key, sort in sorts.items() if isinstance(data, dict) and key in data), None)
    if sort is None:
        return "neither a fact nor a header nor a text"
    if isinstance(error, KeyError):
        return f"the {sort} has no {error.args[0]}"
    return str(error) if isinstance(error, ValueError) else f"the {sort} holds something of another type than it may"


def _no_run(path: Path, begin: bytes) -> LogUnreadable:
    said = f"{path} is no run's file: it does not begin with a header."
    if begin.startswith(b"PK\3\4"):
        way = "If it is a run that was exported, `agentnb.import_run(path)` takes it to your runs and opens it."
    elif path.suffix == ".ipynb":
        way = "`agentnb.transcripts.from_notebook(path)` gives the runs that a notebook shows."
    else:
        way = "`agentnb.runs()` lists the runs that are there, with their files."
    return LogUnreadable(f"{said} {way}")


def _not_opened(path: Path, error: OSError) -> LogUnreadable:
    if path.is_dir():
        return LogUnreadable(f"{path} is a folder, not a run's file. `agentnb.runs(path)` lists the runs in it.")
    way = " `agentnb.runs()` lists the runs that are there, with their files." if not path.exists() else ""
    return LogUnreadable(f"The run's file {path} cannot be read: {error.strerror or error}.{way}")


def read_header(path: Path) -> str | None:
    """Return the id of the run a file holds; None if it was not begun."""
    reader = LineReader(path)
    try:
        with path.open("rb") as file:
            first = file.readline(65_536)
    except OSError as error:
        raise _not_opened(path, error) from error
    if first.endswith(b"\n"):
        reader._take(first[:-1])
    return reader.run_id


def runs_of(files: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Yield the files that tell a run, with its id."""
    for path in files:
        try:
            held = read_header(path)
        except LogUnreadable:
            continue  # what cannot be read at all cannot be meant
        if held is not None:
            yield path, held


def _renamed(folder: Path, run: str) -> Path | None:
    """Return the file of a folder that holds a run, whatever its name."""
    return next((path for path, held in runs_of(sorted(folder.glob("*.jsonl"))) if held == run), None)


class Opened(NamedTuple):
    """A run's file as it was read."""

    reader: LineReader
    """Goes on behind the last fact."""
    events: list[Event]
    """All facts, those of the runs it was branched from first."""
    damage: LogUnreadable | None = None
    """What is wrong behind the last of them."""


def open_file(path: Path, *, until_damage: bool = False) -> Opened:
    """Read a run's file and, where it is a branch, the files it comes from.

    Args:
        path: The file.
        until_damage: Whether damage is where it ends, and no error. Then each fact is looked at, which takes longer.

    Raises:
        LogUnreadable: If one of them is missing, damaged, too short, or of a newer format.
    """
    opened = _opened(path, ())
    if not until_damage:
        if opened.damage is not None:
            raise opened.damage
        return opened
    for place, event in enumerate(opened.events):
        try:
            check(event)
        except LogUnreadable as error:
            return opened._replace(events=opened.events[:place], damage=error)
    return opened


def _opened(path: Path, within: tuple[Path, ...]) -> Opened:
    reader = LineReader(path)
    own = reader.read(until_damage=True)
    origin = reader.origin
    if origin is None or origin.path is None:
        return Opened(reader, own, reader.damage)
    what = f"{path} is a branch of the run {origin.run}, whose first {origin.at} facts are in {origin.path.name}"
    if origin.path in (*within, path):
        raise LogUnreadable(f"{what}, which is a branch of it in turn: one of the two is damaged.")
    file = origin.path if origin.path.exists() else _renamed(origin.path.parent, origin.run)
    if file is None:
        raise LogUnreadable(
            f"{what}, and that file is not there. Put it back beside the branch; to give a branch away as one file, "
            "use `log.save(path)`."
        )
    reader.origin = origin._replace(path=file)
    # What is damaged behind the facts they share is no matter of the branch.
    before = _opened(file, (*within, path))
    if before.reader.run_id != origin.run:
        raise LogUnreadable(f"{what}, but that file holds the run {before.reader.run_id}. Put the right one there.")
    if len(before.events) < origin.at:
        there = len(before.events)
        short = f"{what}, but that file has only {there} facts that are whole. Put the whole file there"
        if there:
            short += ", or open those with `RunLog.open(path, until_damage=True)`"
        return Opened(reader, before.events, LogUnreadable(f"{short}. {before.damage or ''}".rstrip()))
    return Opened(reader, before.events[: origin.at] + own, reader.damage)
