"""Full-text search over the runs of a folder: what was said, what tools gave back, code, tasks."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentnb.core import well_formed
from agentnb.exceptions import LogUnreadable, UnknownName, UserError
from agentnb.messages import BaseMessage, ToolCallExecutionEvent, ToolCallRequestEvent
from agentnb.runlog import Event, LineReader
from agentnb.runlog.folder import run_files
from agentnb.runlog.glance import body_of
from agentnb.transcripts.columns import HITS
from agentnb.transcripts.index import (
    Stamp,
    forget_facts,
    forget_files,
    indexes_words,
    transaction,
    wipe,
    with_index,
)
from agentnb.transcripts.library import Folder, check_number, library_folder, table_of
from agentnb.transcripts.query import Query, words
from agentnb.transcripts.summary import is_written, said_text

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Hit:
    """One fact in which everything looked for occurs; the fields are those of `columns.HITS`."""

    run_id: str
    seq: int
    kind: str
    source: str | None
    snippet: str
    created_at: datetime
    path: Path


def search(
    text: str,
    folder: Folder = None,
    *,
    kinds: str | Iterable[str] | None = None,
    newest: int | None = None,
    marks: tuple[str, str] = ("«", "»"),
) -> pd.DataFrame:
    """Find facts by their words, newest first.

    All words have to occur in the fact; capitals and accents do not matter. Words in double quotes have to stand side
    by side, `word*` is the beginning of a word. A text without letters and digits, as `!=`, is looked for as it is.

    Args:
        text: What to look for.
        folder: Where the runs are; default: `.agentnb/runs` of the working folder, or what AGENTNB_RUNS names.
        kinds: Only facts of these kinds, as in "message" or "tool.finished"; default: all that have a text.
        newest: Only so many.
        marks: What is put before and after a hit.

    Returns:
        Shape (facts, 7); the columns are those of `columns.HITS`. A fact that a branch shares with its origin is one
        row.

    Raises:
        UserError: If there is nothing to look for, or no such folder.
        UnknownName: If there is no such kind.

    Files that cannot be read are left out with a `RuntimeWarning`.
    """
    found = hits(text, folder, kinds=kinds, newest=newest, marks=marks)
    return table_of(
        HITS, ({name: getattr(hit, name) for name in Hit.__slots__} | {"path": str(hit.path)} for hit in found)
    )


def hits(
    text: str,
    folder: Folder = None,
    *,
    kinds: str | Iterable[str] | None = None,
    newest: int | None = None,
    marks: tuple[str, str] = ("«", "»"),
) -> list[Hit]:
    """Find facts as `search` does, without a table."""
    if not isinstance(text, str) or not text.strip():
        raise UserError(f"There is nothing to look for in {text!r}. Give a word, or several.")
    wanted = _checked(kinds)
    check_number(newest)
    home = library_folder(folder)
    files = run_files(home)
    if not files:
        return []
    query = Query.of(well_formed(text))

    def work(connection: sqlite3.Connection) -> tuple[list[Any], dict[int, str], list[str]]:
        problems = _sync(connection, files)
        found = _select(connection, query, wanted, newest)
        # What many said is looked through once.
        places = {row[-1] for row in found}
        return found, {place: query.snippet(_text(connection, place), marks) for place in places}, problems

    found, snippets, problems = with_index(home, work)
    if problems:
        warnings.warn(
            f"{len(problems)} of {len(files)} runs in {home} are damaged; what cannot be read of them was not "
            f"searched: {', '.join(problems[:5])}. `agentnb.runs()` says what is wrong with them.",
            RuntimeWarning,
            stacklevel=3,
        )
    return [
        Hit(
            event_id.rpartition(":")[0],
            seq,
            kind,
            source,
            snippets[place],
            datetime.fromisoformat(at),
            home / name,
        )
        for name, event_id, seq, kind, source, at, place in found
    ]


def _checked(kinds: str | Iterable[str] | None) -> tuple[str, ...]:
    if kinds is None:
        return ()
    wanted = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    for kind in wanted:
        if kind not in TEXTS:
            raise UnknownName(f"Facts of kind {kind!r} have no text to search (those that do: {', '.join(TEXTS)}).")
    return wanted


def _select(connection: sqlite3.Connection, query: Query, kinds: tuple[str, ...], newest: int | None) -> list[Any]:
    where: list[str] = []
    values: list[Any] = []
    if not query.terms:
        where.append("instr(lower(contents.text), lower(?))")
        values.append(query.text)
    elif indexes_words(connection):
        where.append("texts MATCH ?")
        # Only letters and digits are left of what was typed: within quotes nothing of it is syntax.
        values.append(" AND ".join(f'"{" ".join(t.words)}"{"*" if t.beginning else ""}' for t in query.terms))
    else:
        for term in query.terms:
            where.append("instr(' ' || texts.folded || ' ', ?)")
            values.append(f" {' '.join(term.words)}" + ("" if term.beginning else " "))
    if kinds:
        where.append(f"facts.kind IN ({', '.join('?' * len(kinds))})")
        values += kinds
    return connection.execute(
        "SELECT searched.name, facts.event_id, facts.seq, facts.kind, facts.source, facts.created_at, contents.id "
        "FROM texts JOIN contents ON contents.id = texts.rowid JOIN facts ON facts.content = contents.id "
        "JOIN searched ON searched.id = facts.file "
        f"WHERE {' AND '.join(where)} ORDER BY facts.created_at DESC, facts.seq DESC LIMIT ?",
        (*values, -1 if newest is None else newest),
    ).fetchall()


def _text(connection: sqlite3.Connection, place: int) -> str:
    return str(connection.execute("SELECT text FROM contents WHERE id = ?", (place,)).fetchone()[0])


def _sync(connection: sqlite3.Connection, files: Sequence[Path]) -> list[str]:
    """Bring the index up to date with the files; return the names of those that cannot be read."""
    known = {row[0] for row in connection.execute("SELECT name FROM searched")}
    gone = known - {path.name for path in files}
    if gone:
        forget_files(connection, gone)
    state = {row[0]: row[1:] for row in connection.execute("SELECT name, size, modified, inode, problem FROM searched")}
    problems = []
    for path in files:
        stamp = Stamp.of(path)
        if stamp is None:  # deleted meanwhile
            continue
        kept = state.get(path.name)
        problem = kept[3] if kept is not None and kept[:3] == stamp else _list(connection, path, stamp)
        if problem:
            problems.append(path.name)
    return problems


_half_listed: dict[Path, tuple[int, LineReader, set[str | None]]] = {}
"""Readers of runs that are being written, with their files' inodes and the ids of the calls of tools so far."""


def _list(connection: sqlite3.Connection, path: Path, stamp: Stamp) -> str | None:
    """List the texts of a file that are new."""
    row = connection.execute("SELECT length FROM searched WHERE name = ?", (path.name,)).fetchone()
    # Taken out: of two threads only one may go on with it.
    inode, reader, calls = _half_listed.pop(path, (stamp.inode, None, set()))
    written = is_written(path)  # a file that nobody writes may have been changed anywhere
    if reader is None or not row or (stamp.inode, row[0]) != (inode, reader.offset) or not written:
        reader, calls = LineReader(path), set()
    texts: list[tuple[Event, str]] = []
    seq: int | None = None
    try:
        events = reader.read(until_damage=True)
    except LogUnreadable as error:
        problem: str | None = str(error)
    else:
        texts, problem = texts_of(events, calls)
        problem = str(reader.damage) if reader.damage is not None else problem
        seq = events[-1].seq if events else None
    with transaction(connection):
        row = connection.execute(
            "SELECT id, length, digest, seq, shared FROM searched WHERE name = ?", (path.name,)
        ).fetchone()
        file, length, digest, since, shared = row or (None, 0, None, 0, 0)
        begins, whole = _digests(path, length, reader.offset)
        if file is None:
            file = connection.execute("INSERT INTO searched (name) VALUES (?)", (path.name,)).lastrowid
        elif begins != digest:  # not what it was, and more
            forget_facts(connection, file)
            since = shared = 0
            wipe(connection)
        for event, text in texts:
            if event.seq <= since:
                continue
            if connection.execute("SELECT 1 FROM facts WHERE event_id = ?", (event.id,)).fetchone():
                shared = 1
                continue
            connection.execute(
                "INSERT INTO facts (file, event_id, seq, kind, source, created_at, content) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    file,
                    event.id,
                    event.seq,
                    event.kind,
                    well_formed(event.source) or None,
                    event.at.isoformat(),
                    _content(connection, text),
                ),
            )
        connection.execute(
            "UPDATE searched SET size = ?, modified = ?, inode = ?, length = ?, digest = ?, seq = ?, shared = ?, "
            "problem = ? WHERE id = ?",
            (*stamp, reader.offset, whole, seq or since, shared, problem, file),
        )
    if written and problem is None:
        _half_listed[path] = stamp.inode, reader, calls
    return problem


def _content(connection: sqlite3.Connection, text: str) -> int:
    """Return where a text is kept, which is listed unless it was said before."""
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    known = connection.execute("SELECT id FROM contents WHERE digest = ?", (digest,)).fetchone()
    if known:
        return int(known[0])
    place = connection.execute("INSERT INTO contents (digest, text) VALUES (?, ?)", (digest, text)).lastrowid
    assert place is not None
    connection.execute("INSERT INTO texts (rowid, folded) VALUES (?, ?)", (place, " ".join(words(text))))
    return place


def _digests(path: Path, *lengths: int) -> list[bytes]:
    """Return hashes of a file's beginnings; a file may be shorter."""
    found = []
    for length in lengths:
        hashed = hashlib.blake2b(digest_size=16)
        with suppress(OSError), path.open("rb") as file:
            while length > 0 and (piece := file.read(min(length, 1 << 20))):
                hashed.update(piece)
                length -= len(piece)
        found.append(hashed.digest())
    return found


def texts_of(events: Sequence[Event], calls: set[str | None]) -> tuple[list[tuple[Event, str]], str | None]:
    """Return the facts that can be found with what they say, and what is wrong with the first that cannot be read.

    Args:
        events: The facts of a log, or those that are new.
        calls: Ids of the calls of tools that are known; those of `events` are added.
    """
    calls |= _calls(events)
    found: list[tuple[Event, str]] = []
    problem = None
    for event in events:
        read = TEXTS.get(event.kind)
        if read is None:
            continue
        try:
            body, _ = body_of(event), event.at
            text = read(body) if event.kind != "message" or not _told_by_tools(body.message, calls) else ""
        except LogUnreadable as error:
            problem = problem or str(error)
            continue
        if text.strip():
            found.append((event, well_formed(text)))
    return found, problem


def _calls(events: Sequence[Event]) -> set[str | None]:
    found: set[str | None] = set()
    for event in events:
        if event.kind == "tool.started":
            with suppress(LogUnreadable):
                found.add(body_of(event).call_id)
    return found


def _told_by_tools(message: BaseMessage, calls: set[str | None]) -> bool:
    """Tell whether a message only repeats the facts of tools, which would be found as well."""
    if isinstance(message, ToolCallRequestEvent):
        return all(call.id in calls for call in message.content)
    if isinstance(message, ToolCallExecutionEvent):
        return all(result.call_id in calls for result in message.content)
    return False


def _flat(value: Any) -> str:
    """Return the words of a tool's arguments; their JSON would hide those after an escape."""
    if isinstance(value, dict):
        return "\n".join(f"{key}: {_flat(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return "\n".join(map(_flat, value))
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _output(body: Any) -> str:
    shown = [output["text/plain"] for output in body.outputs if isinstance(output.get("text/plain"), str)]
    return "\n".join(filter(None, (body.output, *(text for text in shown if text not in body.output), body.error)))


def _prompt(body: Any) -> str:
    # What else a model was shown was said, or is a tool's.
    return body.message.content if body.role == "SystemMessage" and body.message is not None else ""


# Given a fact's body; `Any` because the key says which class it is.
TEXTS: dict[str, Callable[[Any], str]] = {
    "message": lambda body: said_text(body.message),
    "tool.started": lambda body: f"{body.tool}\n{_flat(body.arguments)}",
    "tool.finished": lambda body: body.result,
    "code.started": lambda body: "\n\n".join(block.code for block in body.blocks),
    "code.finished": _output,
    "context": _prompt,
    "model.finished": lambda body: "\n".join(filter(None, (body.error, body.partial))),
    "memory.started": lambda body: body.text,
    "input.requested": lambda body: body.prompt,
    "input.answered": lambda body: body.text,
    "note": lambda body: body.text,
    "verdict": lambda body: f"{body.text}\n{body.reason}",
    "envelope.sent": lambda body: body.payload,
    "error": lambda body: f"{body.type}: {body.message}\n{body.traceback}",
}
"""How a fact's text is read, for the kinds that have one."""
