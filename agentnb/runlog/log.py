"""One conversation's facts, in memory and on disk."""

from __future__ import annotations

import asyncio
import errno
import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar
from weakref import WeakValueDictionary

from agentnb.core import EventId, clock, new_id, now
from agentnb.exceptions import LogUnreadable, UserError
from agentnb.runlog import saving
from agentnb.runlog.events import Body, Event, InputAnswered, Noted, Usage, unchecked
from agentnb.runlog.facts import Facts
from agentnb.runlog.folder import find_file, new_file, runs_folder
from agentnb.runlog.light import Values
from agentnb.runlog.questions import Questions
from agentnb.runlog.reader import LineReader, Origin, open_file
from agentnb.runlog.scopes import current
from agentnb.runlog.store import JsonLinesStore, way_out

if TYPE_CHECKING:
    from agentnb.runlog.contexts import Contexts
    from agentnb.runlog.gate import Gate
    from agentnb.runlog.replaying import Untold

S = TypeVar("S")

_logger = logging.getLogger("agentnb.runlog")

_live: WeakValueDictionary[str, RunLog] = WeakValueDictionary()


class RunLog(Facts, Questions):
    """The facts of one conversation, append-only.

    ```python
    log = RunLog.open(".agentnb/runs/20260101-120000-writers-1a2b3c4d.jsonl")
    [event.kind for event in log]
    ```

    `append` belongs to the thread of the run's event loop; other threads use `append_threadsafe`.
    """

    def __init__(self, store: JsonLinesStore | None = None, *, run_id: str | None = None) -> None:
        super().__init__()
        self.id = run_id or new_id()
        _live[self.id] = self
        self.store = store
        self.origin: Origin | None = None
        """Where a branch comes from."""
        self.damage: LogUnreadable | None = None
        """What is wrong with its file behind the last fact, if it was opened `until_damage`."""
        self._reader: LineReader | None = None
        self._read = 0
        """How many facts the reader has brought."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._warned = False
        self._told = 0
        """How many lines waited when a warning said so last."""
        self.gate: Gate | None = None
        """Holds the run that goes on, and the runs within it."""
        self.contexts: Contexts | None = None
        """What its models have been shown, see `agentnb.runlog.contexts`."""
        self.untold: Untold | None = None
        """What memories are still to be told of it, where something was restored from it."""
        self.said_within: dict[str, int] = {}
        """Messages of runs within runs, by `id`, with the `seq` of the fact."""
        self.pieces_within: set[str] = set()
        """Streamed pieces that a run within a run has shown and that the run round it has not taken up yet."""
        self.kept = True
        """Whether anybody keeps it; runs within one that is not have a log of their own."""

    @classmethod
    def create(cls, name: str = "run", *, folder: Path | None = None) -> Self:
        """Start a log in a new file of `folder` (default: `runs_folder()`); in memory if runs are switched off."""
        folder = folder or runs_folder()
        run_id = new_id()
        if folder is None:
            return cls(run_id=run_id)
        log = cls(JsonLinesStore(new_file(folder, name, run_id), run_id), run_id=run_id)
        log._check_disk()
        return log

    @classmethod
    def open(cls, path: str | Path, *, until_damage: bool = False) -> Self:
        """Read a run's file; a last line that was cut short by a crash is left out.

        The file may be that of a run that goes on elsewhere: `refresh` reads what came since. Nothing is written to it
        before `reopen`.

        Args:
            path: The file.
            until_damage: Whether to take the facts before the first damaged one and pass over the rest, instead of
                raising; `damage` then says what is wrong, and `branch(at=len(log))` goes on from what is whole. Each
                fact is looked at, which takes longer.

        Raises:
            LogUnreadable: If the file, or one it was branched from, is missing, damaged, no run's, or of a newer
                format.

        Warns:
            RuntimeWarning: If large texts of the run are missing; what is known of them stands in their place.
        """
        log = cls()
        log._take(Path(path).absolute(), until_damage=until_damage)
        return log

    @classmethod
    def find(cls, run_id: str, near: str | Path | None = None) -> Self:
        """Return the log of a run: of its file, or, where there is none, the one that is still in memory.

        Args:
            run_id: The run's id; of a file, its beginning will do.
            near: A folder with runs, or one of the runs in it; default: `runs_folder()`.

        Raises:
            UnknownName: If there is no such run.
            UserError: If several begin so, or runs are not kept.
        """
        folder = Path(near) if near is not None else runs_folder()
        live = _live.get(run_id)
        try:
            if folder is None:
                raise UserError(
                    f"The run {run_id!r} is in no folder: runs are switched off (AGENTNB_RUNS=off). Give `near`."
                )
            return cls.open(find_file(run_id, folder.parent if folder.is_file() else folder))
        except UserError:
            if isinstance(live, cls) and len(live):
                return live
            raise

    def _take(self, path: Path, *, until_damage: bool = False) -> None:
        reader, self._events, self.damage = open_file(path, until_damage=until_damage)
        self._reader, self._read, self.origin = reader, len(self._facts), reader.origin
        self.id = reader.run_id or self.id

    def refresh(self) -> list[Event]:
        """Read what another process has written to the file since; return the new facts.

        Watchers and followers are told of each. A log that writes to its file itself has nothing to read.

        Raises:
            UserError: If facts were added here meanwhile: two runs would share one log.
            LogUnreadable: If the file is gone, or damaged.
        """
        reader, known = self._reader, len(self._facts)
        if reader is None or self.store is not None:
            return []
        if self.damage is not None:
            raise self.damage
        if reader.run_id is None and not known:
            self._take(reader.path)  # the file had not even been begun
        else:
            fresh = reader.read()
            if fresh and known != self._read:
                raise UserError(
                    f"{reader.path} has {len(fresh)} new facts, and {known - self._read} were added here, unsaved. "
                    "Keep these with `log.save(path)`, then open the file anew."
                )
            self._events += fresh
            self._read += len(fresh)
        for event in self._events[known:]:
            self.fan_out(event)
        self.tell_followers()
        return self._events[known:]

    def reopen(self) -> Self:
        """Write again to the file this log was opened from, or has let go with `close`; return the log.

        A last line that was cut short by a crash is removed, and what another process has written since is read.
        Facts added since the log was opened are written too. A log in memory has nothing to reopen.

        Raises:
            UserError: If somebody else is writing it, or it cannot be written.
            LogUnreadable: If the file is gone, or damaged.
        """
        if self.damage is not None:
            raise LogUnreadable(
                f"Nothing can be added to {self.path}, which is damaged behind fact {len(self)}. Go on in a file of "
                f"its own: `log.branch(at={len(self)})`."
            ) from self.damage
        self._check_dense("be gone on with")
        if self.store is not None:
            self._acquire(self.store)
            self._hand_over(self.store)
            self.store.flush()
        elif self._reader is not None:
            self.refresh()
            store = JsonLinesStore(self._reader.path, self.id, again=True)
            self._acquire(store)
            try:
                self.refresh()  # what was written until nobody else could
                store.last = self._read
                store.go_on(self._reader.offset, header=self._reader.format != store.format)
            except Exception:
                store.close()
                raise
            self.store = store
            self._hand_over(store)
        self._check_disk()
        return self

    def _acquire(self, store: JsonLinesStore) -> None:
        try:
            store.acquire()
        except OSError as error:
            if self.store is not None and error.errno not in (errno.EAGAIN, errno.ESTALE):
                return  # what the disk refuses does not end what goes on: it is warned of
            raise UserError(
                f"The run's file {store.path} cannot be written: {error.strerror or error}. "
                f"{way_out(error)}; or go on in a file of its own: `log.branch(at=len(log))`."
            ) from error

    def branch(
        self,
        at: int | None = None,
        *,
        message: int | None = None,
        why: str = "",
        folder: Path | None = None,
        in_memory: bool = False,
    ) -> Self:
        """Return a new log that shares the beginning of this one: the same facts, not read or done again.

        Its next fact says where it comes from; what follows is its own. On disk it holds only that, as long as it lies
        beside the file it comes from; elsewhere it holds the shared facts too.

        ```python
        other = log.branch(message=2, why="what if the critic had been kinder?")
        ```

        Args:
            at: How many facts to share.
            message: How many messages of the last run's result to keep, as `result_of` gives it; those of a turn stay
                together. Give either this or `at`.
            why: A remark for who reads it later.
            folder: Where its file goes; default: `runs_folder()`, or memory if runs are switched off.
            in_memory: Whether it has no file, wherever runs go.

        Raises:
            UserError: If the log cannot be cut there; the message says where it can.
        """
        self._check_dense("be branched")
        # The fold of a result is made for logs: it stands on this module.
        from agentnb.runlog.branch import branched

        return branched(self, at, message, why=why, folder=None if in_memory else folder or runs_folder())

    def _is_dense(self) -> bool:
        return not self._events or self._events[-1].seq == len(self._facts)

    def _check_dense(self, what: str) -> None:
        if not self._is_dense():
            raise UserError(
                f"This log cannot {what}: it has {len(self)} of the first {self._events[-1].seq} facts of the run "
                f"{self.id}. Take the run's own file, with `RunLog.open(path)` or `RunLog.find(id)`."
            )

    @property
    def path(self) -> Path | None:
        """The file it is written to, or was opened from; None for a log in memory."""
        return self.store.path if self.store else self._reader.path if self._reader else None

    @property
    def unsaved(self) -> int:
        """Lines that could not be written to the file yet; facts added to an opened log that is not written to."""
        return self.store.unsaved if self.store else len(self._facts) - self._read if self._reader else 0

    def __repr__(self) -> str:
        until = " before the damage" if self.damage is not None else ""
        return f"RunLog({self.id!r}, {len(self)} events{until}, {self.path or 'in memory'})"

    def __deepcopy__(self, memo: Any) -> Self:
        return self  # there is one log of a run

    def __reduce__(self) -> Any:
        # In another process it is what it is on disk, or a log in memory of the same facts.
        if self.path is not None and self.path.exists():
            return type(self).open, (self.path,)
        return _of_facts, (type(self), self.id, tuple(self._events))

    def append(
        self,
        body: Body,
        *,
        source: str | None = None,
        parent: EventId | None = None,
        took: float | None = None,
        usage: Usage | None = None,
    ) -> Event:
        """Add a fact and return it; synchronous, never waits.

        Args:
            body: What happened.
            source: Who; default: the current scope's.
            parent: What caused it; default: the current scope's.
            took: Seconds, for facts that end something.
            usage: What it cost.
        """
        if parent is None or source is None:
            here = current()
            if here is not None and here.log is self:
                parent = parent or here.parent
                source = source if source is not None else here.source
        seq = len(self._facts) + 1
        # Every value is ours and typed: validating it again would be half the cost of an append.
        event = unchecked(
            Event,
            {
                "id": f"{self.id}:{seq}",
                "seq": seq,
                "parent": parent,
                "at": now(),
                "took": took,
                "source": source or "",
                "usage": usage,
                "body": body,
            },
        )
        self._facts.append(event)
        if self.store is not None:
            self._hand_over(self.store)
        # By its tag: `isinstance` of a pydantic model takes as long as writing the line.
        if body.kind == "message":
            self._said.append(seq)
        elif body.kind == "input.answered" and isinstance(body, InputAnswered):
            self._wake(body)
        if self._watchers:
            self.fan_out(event)
        if self._followers:
            self.tell_followers()
        return event

    def add(
        self,
        values: Values,
        *,
        source: str | None = None,
        parent: EventId | int | None = None,
        took: float | None = None,
        usage: Usage | tuple[Any, ...] | None = None,
    ) -> int:
        """Add a fact that is seldom looked at while the run goes on, and return its number.

        Args:
            values: What happened, as a function of `agentnb.runlog.light` gives it.
            source: As of `append`.
            parent: As of `append`; of a fact of this log, its number will do.
            took: As of `append`.
            usage: What it cost; a `Usage`, or its values.
        """
        if parent is None or source is None:
            here = current()
            if here is not None and here.log is self:
                parent = parent or here.cause
                source = source if source is not None else here.source
        facts, store = self._facts, self.store
        fact = (parent, clock.stamp(), took, source or "", usage, values)
        facts.append(fact)
        seq = len(facts)
        if store is not None and (store.last != seq - 1 or not store.add(seq, fact)):
            self._hand_over(store)
        if values[0] == "message":
            self._said.append(seq)
        if self._watchers:
            self.fan_out(self._events[seq - 1])
        if self._followers:
            self.tell_followers()
        return seq

    def id_of(self, seq: int) -> EventId:
        """Return the id of the fact with the number `seq`, one of those that were added here."""
        return EventId(f"{self.id}:{seq}")

    def _hand_over(self, store: JsonLinesStore) -> None:
        """Give the store what it was not given: the last fact, and what a Ctrl-C came before; warn if it is refused."""
        while store.last < len(self._facts):
            store.add(store.last + 1, self._facts[store.last])
        if store.error is not None:
            self._check_disk()

    def append_threadsafe(self, body: Body, **where: Any) -> None:
        """Add a fact from a thread that is not the event loop's."""
        if self._loop is None or self._loop.is_closed():
            self.append(body, **where)
        else:
            self._loop.call_soon_threadsafe(lambda: self.append(body, **where))

    def bind_loop(self) -> None:
        """Take the running event loop as the one this log belongs to."""
        self._loop = asyncio.get_running_loop()

    def note(self, text: str, *, by: str = "agentnb") -> Event:
        """Add a remark."""
        return self.append(Noted(text=text, by=by))

    def save(self, path: str | Path) -> Path:
        """Write all facts to another file and return its path; it stands alone, large texts included.

        Raises:
            UserError: If the file exists already or cannot be written; then nothing is left there.
        """
        path = Path(path)
        saving.save(self, path)
        return path

    def close(self) -> None:
        """Write what still waits, and let the file go.

        Warns:
            RuntimeWarning: If facts are not on disk, with the way to save them; if the file was deleted while it was
                written, and so was written anew.
        """
        if self.store is None:
            return
        self._hand_over(self.store)
        deleted = self.store.is_deleted()
        self.store.go_after()
        self.store.close()
        said = []
        if deleted:
            self.store = saving.write_anew(self, self.store.path)
            self.origin = self.origin and self.origin._replace(path=None)
            said.append(f"The run's file {self.store.path} was deleted while the run went on.")
        waiting = saving.not_on_disk(self, self.store)
        if waiting and self.store.unsaved != self._told:
            said.append(waiting)
            self._told, self._warned = self.store.unsaved, True
        elif deleted:
            said.append(f"It was written anew, with all its {len(self)} facts.")
        if said:
            warnings.warn(" ".join(said), RuntimeWarning, stacklevel=2)
        else:
            self._check_disk()

    def _check_disk(self) -> None:
        store = self.store
        if store is None or store.error is None or self._warned:
            return
        self._warned = True
        warnings.warn(
            f"The run's log {store.path} cannot be written: {store.error.strerror or store.error}. "
            "The run goes on and its facts are kept in memory; they are tried again with each new one. "
            f"{way_out(store.error)}, or save them elsewhere with `run.log.save(path)`.",
            RuntimeWarning,
            stacklevel=3,
        )


def _of_facts(kind: type[RunLog], run_id: str, events: tuple[Event, ...]) -> RunLog:
    log = kind(run_id=run_id)
    log._events = list(events)
    return log
