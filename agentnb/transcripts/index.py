"""What is remembered of a folder of runs, so that a table or a search need not read them all again.

`index.sqlite` lies beside the runs. It may be deleted at any time, several processes use it at once, and a run's file
is believed before it: an entry counts only while the file has the size, the time and the place on disk it had. Where
it cannot be written, an index in memory takes its place.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

T = TypeVar("T")

INDEX = "index.sqlite"
VERSION = 4
"""Of the tables; an index of another version is made anew."""
WAIT = 5.0
"""Seconds to wait for another process that writes it."""


class Stamp(NamedTuple):
    """What a file looks like from outside."""

    size: int
    modified: int
    """Nanoseconds."""
    inode: int

    @classmethod
    def of(cls, path: Path) -> Stamp | None:
        """Return a file's stamp, None if it is gone."""
        try:
            found = path.stat()
        except OSError:
            return None
        return cls(found.st_size, found.st_mtime_ns, found.st_ino)


def with_index(folder: Path, work: Callable[[sqlite3.Connection], T]) -> T:
    """Do some work with the index of a folder; with one in memory where there can be none.

    The work may be done again: an index that turns out to be damaged is made anew.
    """
    for _ in range(2):
        try:
            with closing(_opened(folder / INDEX)) as connection:
                return work(connection)
        except (sqlite3.OperationalError, OSError):  # read-only, no space, or written by another for long
            break
        except sqlite3.DatabaseError:
            try:
                (folder / INDEX).unlink(missing_ok=True)
            except OSError:
                break
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        _make_tables(connection)
        return work(connection)


def _opened(path: Path) -> sqlite3.Connection:
    # Texts of runs are as private as the runs.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, timeout=WAIT, isolation_level=None)
    try:
        connection.execute("PRAGMA secure_delete = ON")
        # After a power cut it may be damaged: that costs time, never a fact.
        connection.execute("PRAGMA synchronous = OFF")
        _make_tables(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def has_full_text(connection: sqlite3.Connection) -> bool:
    """Tell whether this Python's SQLite can index words."""
    return bool(connection.execute("SELECT sqlite_compileoption_used('ENABLE_FTS5')").fetchone()[0])


def indexes_words(connection: sqlite3.Connection) -> bool:
    """Tell whether this index does; one made by another Python may not."""
    made = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'texts'").fetchone()[0]
    return str(made).startswith("CREATE VIRTUAL")


def _make_tables(connection: sqlite3.Connection) -> None:
    if _version(connection) == VERSION:
        return
    with transaction(connection):
        if _version(connection) == VERSION:  # another process was faster
            return
        for name in ("texts", "contents", "facts", "searched", "summaries"):
            connection.execute(f"DROP TABLE IF EXISTS {name}")
        connection.execute(
            "CREATE TABLE summaries (name TEXT PRIMARY KEY, size INTEGER, modified INTEGER, inode INTEGER, data TEXT)"
        )
        connection.execute(
            "CREATE TABLE searched (id INTEGER PRIMARY KEY, name TEXT UNIQUE, size INTEGER, modified INTEGER, "
            "inode INTEGER, length INTEGER, digest BLOB, seq INTEGER, shared INTEGER, problem TEXT)"
        )
        connection.execute(
            "CREATE TABLE facts (id INTEGER PRIMARY KEY, file INTEGER, event_id TEXT UNIQUE, seq INTEGER, kind TEXT, "
            "source TEXT, created_at TEXT, content INTEGER)"
        )
        connection.execute("CREATE INDEX facts_of_file ON facts (file)")
        connection.execute("CREATE INDEX facts_of_content ON facts (content)")
        # What is said again, by a tool and by its agent or in another run, is kept once.
        connection.execute("CREATE TABLE contents (id INTEGER PRIMARY KEY, digest BLOB UNIQUE, text TEXT)")
        if has_full_text(connection):
            # The words are folded before they come here, the same way as for a plain scan.
            connection.execute(
                "CREATE VIRTUAL TABLE texts USING fts5 (folded, tokenize = 'unicode61 remove_diacritics 0')"
            )
        else:
            connection.execute("CREATE TABLE texts (folded TEXT)")
        connection.execute(f"PRAGMA user_version = {VERSION}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Write all of a block or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def forget_files(connection: sqlite3.Connection, names: Iterable[str]) -> None:
    """Take what is remembered of some files out, so that no text of theirs is left on disk."""
    with transaction(connection):
        for name in names:
            connection.execute("DELETE FROM summaries WHERE name = ?", (name,))
            connection.execute("UPDATE searched SET shared = 1 WHERE name = ?", (name,))
        # A fact that several files hold, as a branch and its origin do, is listed for one: the others are read again.
        for row in connection.execute("SELECT id FROM searched WHERE shared").fetchall():
            forget_facts(connection, row[0])
            connection.execute("DELETE FROM searched WHERE id = ?", row)
    wipe(connection)


def wipe(connection: sqlite3.Connection) -> None:
    """Let nothing of forgotten texts be left on disk."""
    if indexes_words(connection):
        # FTS5 keeps deleted words until its pieces are merged.
        connection.execute("INSERT INTO texts (texts) VALUES ('optimize')")


def forget_facts(connection: sqlite3.Connection, file: int) -> None:
    """Take the texts of one file out; within a transaction, and with `wipe` after the last."""
    texts = connection.execute("SELECT DISTINCT content, content FROM facts WHERE file = ?", (file,)).fetchall()
    connection.execute("DELETE FROM facts WHERE file = ?", (file,))
    others = "NOT EXISTS (SELECT 1 FROM facts WHERE content = ?)"
    connection.executemany(f"DELETE FROM texts WHERE rowid = ? AND {others}", texts)
    connection.executemany(f"DELETE FROM contents WHERE id = ? AND {others}", texts)
