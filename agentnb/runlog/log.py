"""One conversation's facts, in memory and on disk, and the scope that says where the next one belongs."""

from __future__ import annotations

import asyncio
import logging
import os
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

from agentnb.core import EventId, monotonic, new_id, now
from agentnb.exceptions import UserError
from agentnb.runlog.events import Body, Event, InputAnswered, InputRequested, Noted, Usage, unchecked
from agentnb.runlog.store import JsonLinesStore, LineReader

if TYPE_CHECKING:
    from agentnb.runlog.gate import Gate

S = TypeVar("S")

_logger = logging.getLogger("agentnb.runlog")

RUNS_VARIABLE = "AGENTNB_RUNS"
"""Names the folder for runs; `off` keeps them in memory only."""


class Scope(NamedTuple):
    """Where the facts of the code that runs now belong."""

    log: RunLog
    parent: EventId | None
    source: str
    recorders: tuple[int, ...] = ()
    """The objects whose recorded method runs now, by identity: what a class leaves to its base is one call, not two."""


_scope: ContextVar[Scope | None] = ContextVar("agentnb_scope", default=None)


def current() -> Scope | None:
    """Return the scope of the code that runs now, None outside of a run."""
    return _scope.get()


class Entered:
    """Lets facts of the code in a block belong somewhere; may be entered again."""

    # A class, not a generator: every turn and every effect enters a scope, a streaming one for each piece.
    __slots__ = ("_here", "_token")

    def __init__(self, here: Scope) -> None:
        self._here = here

    def __enter__(self) -> None:
        self._token = _scope.set(self._here)

    def __exit__(self, *_: object) -> None:
        try:
            _scope.reset(self._token)
        except ValueError:
            pass  # a coroutine that is thrown away is closed in whatever context collects it


def scope(log: RunLog, parent: EventId | None, source: str) -> AbstractContextManager[None]:
    """Let facts of the code in the block belong to `parent`."""
    return Entered(Scope(log, parent, source))


def fan_out(item: Any) -> None:
    """Show something to those who watch the current run, without storing it."""
    here = _scope.get()
    if here is not None:
        here.log.fan_out(item)


def runs_folder() -> Path | None:
    """Return the folder for runs, `.agentnb/runs` of the working folder unless AGENTNB_RUNS says otherwise."""
    named = os.environ.get(RUNS_VARIABLE, "")
    if named.lower() == "off":
        return None
    return Path(named) if named else Path(".agentnb", "runs").absolute()


class RunLog:
    """The facts of one conversation, append-only.

    ```python
    log = RunLog.open(".agentnb/runs/20260101-120000-writers-1a2b3c4d.jsonl")
    [event.kind for event in log]
    ```

    `append` belongs to the thread of the run's event loop; other threads use `append_threadsafe`.
    """

    def __init__(self, store: JsonLinesStore | None = None, *, run_id: str | None = None) -> None:
        self.id = run_id or new_id()
        self.store = store
        self._events: list[Event] = []
        self._watchers: dict[object, Callable[[Any], None]] = {}
        self._answers: dict[str, asyncio.Future[str]] = {}
        self._attendants: dict[str, str] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._warned = False
        self.gate: Gate | None = None
        """Holds the run that goes on, and the runs within it."""
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
        plain = "".join(c if c.isalnum() or c in "-_" else "-" for c in name)[:40]
        path = folder / f"{now():%Y%m%d-%H%M%S}-{plain}-{run_id[:8]}.jsonl"
        _keep_out_of_git(folder)
        log = cls(JsonLinesStore(path, run_id), run_id=run_id)
        log._check_disk()
        return log

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Read a run's file; a last line that was cut short by a crash is left out.

        Raises:
            LogUnreadable: If the file is missing, of a newer format, or damaged before its last line.
        """
        reader = LineReader(Path(path))
        events = reader.read()
        log = cls(run_id=reader.run_id)
        log._events = events
        return log

    @property
    def path(self) -> Path | None:
        """The file; None for a log in memory."""
        return self.store.path if self.store else None

    @property
    def events(self) -> tuple[Event, ...]:
        """All facts so far."""
        return tuple(self._events)

    @property
    def unsaved(self) -> int:
        """Facts that could not be written to the file yet."""
        return self.store.unsaved if self.store else 0

    def since(self, seq: int) -> list[Event]:
        """Return the facts after `seq`."""
        return self._events[seq:]

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    def __len__(self) -> int:
        return len(self._events)

    def __repr__(self) -> str:
        return f"RunLog({self.id!r}, {len(self)} events, {self.path or 'in memory'})"

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
        here = _scope.get()
        if here is not None and here.log is self:
            parent = parent or here.parent
            source = source if source is not None else here.source
        seq = len(self._events) + 1
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
        self._events.append(event)
        if self.store is not None:
            self.store.write(event)
            if self.store.error is not None:
                self._check_disk()
        # By its tag: `isinstance` of a pydantic model takes as long as writing the line.
        if body.kind == "input.answered" and isinstance(body, InputAnswered):
            self._wake(body)
        if self._watchers:
            self.fan_out(event)
        return event

    def append_threadsafe(self, body: Body, **where: Any) -> None:
        """Add a fact from a thread that is not the event loop's."""
        if self._loop is None or self._loop.is_closed():
            self.append(body, **where)
        else:
            self._loop.call_soon_threadsafe(lambda: self.append(body, **where))

    def bind_loop(self) -> None:
        """Take the running event loop as the one this log belongs to."""
        self._loop = asyncio.get_running_loop()

    def watch(self, watcher: Callable[[Any], None]) -> Callable[[], None]:
        """Call `watcher` with every new event and every fanned-out item; return the way to end that.

        Watchers run inside `append`: they take note and return. One that raises is reported to the logger
        `agentnb.runlog` and called no more: who looks must not stop who acts.
        """
        key = object()
        self._watchers[key] = watcher
        return lambda: void(self._watchers.pop(key, None))

    def fan_out(self, item: Any) -> None:
        """Show something to those who watch, without storing it."""
        for key, watcher in tuple(self._watchers.items()):
            try:
                watcher(item)
            except Exception:
                self._watchers.pop(key, None)
                _logger.exception("A watcher of the run %s failed and is called no more.", self.id)

    async def follow(self, since: int = 0, *kinds: str) -> AsyncIterator[Event]:
        """Yield the facts after seq `since`, then new ones as they come, until no run goes on in this log.

        Args:
            since: The last `seq` already known.
            kinds: Only these kinds, as in `"message"`; all if none is given.
        """
        arrived = asyncio.Event()
        stop = self.watch(lambda _: arrived.set())
        seen = 0
        runs: set[EventId] = set()
        finished = False
        try:
            while not finished:
                arrived.clear()
                while seen < len(self._events):
                    event = self._events[seen]
                    seen = event.seq
                    if event.kind == "run.started" and event.parent is None:
                        runs.add(event.id)
                        finished = False
                    elif event.kind == "run.finished" and event.parent in runs:
                        finished = True
                    if seen > since and (not kinds or event.kind in kinds):
                        yield event
                if not finished:
                    await arrived.wait()
        finally:
            stop()

    def fold(self, reducer: Callable[[S, Event], S], start: S) -> S:
        """Reduce the facts in order."""
        for event in self._events:
            start = reducer(start, event)
        return start

    async def ask(self, prompt: str, *, choices: tuple[str, ...] = (), source: str | None = None) -> str:
        """Ask a person: log the question, wait for `answer`, return its text."""
        self.bind_loop()
        input_id = new_id()
        future: asyncio.Future[str]
        future = self._answers[input_id] = asyncio.get_running_loop().create_future()
        began = monotonic()
        try:
            self.append(InputRequested(input_id=input_id, prompt=prompt, choices=choices), source=source)
            return await future
        except asyncio.CancelledError:
            self.note(f"The question was withdrawn after {monotonic() - began:.1f} s without an answer.")
            raise
        finally:
            self._answers.pop(input_id, None)

    def answer(self, input_id: str, text: str, *, by: str = "") -> bool:
        """Answer an open question, from any thread; return False if it was answered before, or never asked."""

        def answer() -> None:
            if self._is_open(input_id):
                self.append(InputAnswered(input_id=input_id, text=text, by=by))

        return self._settle(input_id, answer)

    def refuse(self, input_id: str, error: BaseException) -> bool:
        """End an open question with an error, from any thread; return False if it is not open."""

        def refuse() -> None:
            if self._is_open(input_id):
                self._answers[input_id].set_exception(error)

        return self._settle(input_id, refuse)

    def _is_open(self, input_id: str) -> bool:
        future = self._answers.get(input_id)
        return future is not None and not future.done()

    def _settle(self, input_id: str, settle: Callable[[], None]) -> bool:
        if not self._is_open(input_id):
            return False
        loop = self._answers[input_id].get_loop()
        if in_loop(loop) or not loop.is_running():
            settle()
        else:
            # A future set from a foreign thread would not wake its loop.
            loop.call_soon_threadsafe(settle)
        return True

    def attend(self, name: str) -> Callable[[], None]:
        """Say that `name` shows questions to a person and brings the answers; return the way to end that."""
        key = new_id()
        self._attendants[key] = name
        return lambda: void(self._attendants.pop(key, None))

    @property
    def attended(self) -> bool:
        """Whether somebody shows questions to a person."""
        return bool(self._attendants)

    def _wake(self, body: InputAnswered) -> None:
        future = self._answers.get(body.input_id)
        if future is not None and not future.done():
            future.set_result(body.text)

    @property
    def open_questions(self) -> tuple[str, ...]:
        """Ids of questions that wait for an answer."""
        return tuple(self._answers)

    def note(self, text: str, *, by: str = "agentnb") -> Event:
        """Add a remark."""
        return self.append(Noted(text=text, by=by))

    def save(self, path: str | Path) -> Path:
        """Write all facts to another file and return its path.

        Raises:
            UserError: If the file exists already or cannot be written.
        """
        path = Path(path)
        if path.exists():
            raise UserError(f"{path} exists already; a log is never overwritten. Choose another name.")
        store = JsonLinesStore(path, self.id)
        for event in self._events:
            store.write(event)
        store.close()
        if store.error is not None:
            raise UserError(f"The log cannot be written to {path}: {store.error.strerror}.")
        return path

    def close(self) -> None:
        """Write what still waits, and let the file go."""
        if self.store is not None:
            self.store.close()
            self._check_disk()

    def _check_disk(self) -> None:
        store = self.store
        if store is None or store.error is None or self._warned:
            return
        self._warned = True
        warnings.warn(
            f"The run's log {store.path} cannot be written: {store.error.strerror or store.error}. "
            "The run goes on and its facts are kept in memory; they are tried again with each new one. "
            "Free some space, or save them elsewhere with `run.log.save(path)`.",
            RuntimeWarning,
            stacklevel=3,
        )


def _keep_out_of_git(folder: Path) -> None:
    # Transcripts may hold private data: like other tools' caches, the folder ignores itself.
    if folder.parent.name != ".agentnb":
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ignore = folder.parent / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
    except OSError:
        return  # the store reports what the disk refuses


def in_loop(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether this code runs in `loop`."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def void(_: object) -> None:
    """Take anything, return nothing."""
