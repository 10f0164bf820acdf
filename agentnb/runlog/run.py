"""Opens and closes a run: the frame of facts round whatever a team or an agent does."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import TracebackType
from typing import Any, Literal

from agentnb.core import monotonic
from agentnb.exceptions import AgentFailed
from agentnb.messages import BaseMessage, LLMMessage
from agentnb.messages.saved import apart
from agentnb.runlog.contexts import contexts_of
from agentnb.runlog.events import (
    AgentState,
    ErrorRaised,
    Event,
    Relayed,
    Retracted,
    RunFinished,
    RunStarted,
    Said,
)
from agentnb.runlog.gate import Gate
from agentnb.runlog.light import said, turn_finished, turn_started
from agentnb.runlog.log import RunLog
from agentnb.runlog.observers import announce
from agentnb.runlog.scopes import _scope, as_scope, current, leave, scope

Sink = Callable[[Any], None]


_messages: set[type[Any]] = set()
"""Classes that were found to be messages'."""


def _check_message(message: Any) -> None:
    if isinstance(message, BaseMessage):
        _messages.add(type(message))
    else:
        Said(message=message)  # which refuses what is none


class Run:
    """A run that goes on: who performs it says here what happens.

    Attributes:
        log: Where the facts go.
        messages: Chat messages and events said so far, without streamed chunks.
        stop_reason: Why it ended; set by who performs it.
        turns: Turns begun.
        gate: Holds the run between turns.
        task_is_logged: Whether the task's messages are in the log already, said in the run round this one.
        sink: Called with each message and piece that is shown; None where nobody iterates the run.
    """

    def __init__(self, log: RunLog, started: Event, sink: Sink | None, gate: Gate | None = None) -> None:
        self.log = log
        self.started = started
        self.messages: list[Any] = []
        self.stop_reason: str | None = None
        self.turns = 0
        # An agent that runs a team, or a tool that does, has no gate to give: that of the run round it is on the log.
        self.gate = gate or (log.gate if started.parent is not None else None) or Gate()
        if started.parent is None:
            log.gate = self.gate
        self.gate.begin(log, nested=started.parent is not None)
        self.task_is_logged = False
        self._nested = started.parent is not None
        self.sink = sink

    def say(self, message: BaseMessage, *, show: bool = True, heard: bool = True) -> None:
        """Log a message; `show=False` keeps it out of the result and the stream, `heard=False` from the participants.

        What a run within this one said is in the log already: it is only taken up.
        """
        within = self.log.said_within
        known = within.get(message.id) if show and within else None  # type: ignore[attr-defined]
        if known is not None:
            # Not where the scope is: it may be that of the run within, which tells this one of each message.
            self.log.append(Relayed(said=known), source=self.started.source, parent=self.started.id)
        else:
            if type(message) not in _messages:
                _check_message(message)
            fact = said(message, None if show else True, None if heard else False)
            seq = self.log.add(fact)
            if self._nested:
                within[message.id] = seq  # type: ignore[attr-defined]
        if show:
            self.messages.append(message)
            if self.sink is not None:
                self.sink(message)

    def chunk(self, piece: BaseMessage) -> None:
        """Show a piece of an answer that is still being written."""
        log, known = self.log, False
        if self._nested or log.pieces_within:
            key, within = getattr(piece, "id", ""), log.pieces_within
            known = key in within
            (within.add if self._nested else within.discard)(key)
        if log._watchers and not known:
            log.fan_out(piece)
        if self.sink is not None:
            self.sink(piece)

    def unsay(self, message: BaseMessage) -> None:
        """Log that something said is taken back: no participant was told, and none will be."""
        for event in reversed(self.log._events):
            if isinstance(event.body, Said) and event.body.message is message:
                self.log.append(Retracted(said=event.seq), source=self.started.source, parent=self.started.id)
                return

    async def note_state(self, whose: str, save: Callable[[], Awaitable[Mapping[str, Any]]]) -> None:
        """Log a state that cannot be rebuilt from other facts, unless it is the one logged last."""
        states = contexts_of(self.log).states
        try:
            state = apart(dict(await save()))
        except Exception as error:  # a user's method; what cannot be saved must not end what runs
            self.log.note(f"The state of {whose} cannot be saved, and is lost if the run breaks off: {error!r}")
            return
        if states.get(whose) != state:
            states[whose] = state
            self.log.append(AgentState.of(agent=whose, state=state))

    def turn(
        self, agent: str, *, keeps: Sequence[LLMMessage] | None = None, again: int | None = None
    ) -> AbstractContextManager[int]:
        """Give an agent the word while the block runs.

        Args:
            agent: Its name.
            keeps: Its model context, which grows from turn to turn; None where it has none.
            again: The `seq` of the turn that broke off and is taken up.
        """
        return _Turn(self, agent, keeps, again)

    def close(self, outcome: Literal["done", "stopped", "failed"], *, took: float) -> None:
        """Log that the run is over."""
        started = self.started
        self.log.append(
            RunFinished(outcome=outcome, stop_reason=self.stop_reason, turns=self.turns, messages=len(self.messages)),
            source=started.source,
            parent=started.id,
            took=took,
        )
        if self.log.gate is self.gate and not self._nested:
            self.log.gate = None  # which knows the log: everything said would else wait for the garbage collector


class _Turn:
    # A class, not a generator: a third of what a turn costs would be entering and leaving it.
    __slots__ = ("_again", "_agent", "_began", "_keeps", "_number", "_outer", "_run", "_started")

    def __init__(self, run: Run, agent: str, keeps: Sequence[LLMMessage] | None, again: int | None) -> None:
        self._run = run
        self._agent = agent
        self._keeps = keeps
        self._again = again

    def __enter__(self) -> int:
        run, agent = self._run, self._agent
        run.turns += 1
        self._number = run.turns
        # Said here: on a runtime with a log of its own, the scope is that log's.
        fact = turn_started(agent, self._number, self._again)
        self._started = run.log.add(fact, source=agent, parent=run.started.id)
        self._began = monotonic()
        self._outer = _scope.set(as_scope((run.log, self._started, agent, ())))
        return self._number

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        log = self._run.log
        keep = added = None
        if kind is None and self._keeps is not None:
            keep, added = contexts_of(log).kept(log, self._keeps, self._agent)
        leave(self._outer)
        outcome = "done"
        if kind is not None:
            outcome = "stopped" if issubclass(kind, asyncio.CancelledError | GeneratorExit) else "failed"
        log.add(
            turn_finished(self._agent, self._number, outcome, keep, added),
            source=self._agent,
            parent=self._started,
            took=monotonic() - self._began,
        )


def open_run(
    start: RunStarted, *, log: RunLog | None = None, sink: Sink | None = None, gate: Gate | None = None
) -> AbstractAsyncContextManager[Run]:
    """Open a run; whatever ends the block, `run.finished` is logged.

    Args:
        start: What is about to run.
        log: Where the facts go; default: the log of the run this is part of, else a new one.
        sink: Called with each message and chunk as it is said.
        gate: Holds the run between turns; a nested run is given that of the run round it.
    """
    return _Opened(start, log, sink, gate)


class _Opened:
    # A class, not a generator: an error that ends the run passes through fewer hands.
    def __init__(self, start: RunStarted, log: RunLog | None, sink: Sink | None, gate: Gate | None) -> None:
        self._start = start
        self._log = log
        self._sink = sink
        self._gate = gate

    async def __aenter__(self) -> Run:
        log, start = self._log, self._start
        source = start.runner
        self._own: RunLog | None = None
        if log is None:
            here = current()
            if here is not None and here.log.kept:
                log, source = here.log, f"{here.source}/{source}"
            else:  # no run, or a runtime's log that only passes facts on: this run's own are to stay
                log = self._own = RunLog.create(source)
        log.bind_loop()
        announce(log)
        opened = log.append(start, source=start.runner)
        self._run = run = Run(log, opened, self._sink, self._gate)
        self._began = monotonic()
        self._scope = scope(log, opened.id, source)
        self._scope.__enter__()
        return run

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        run = self._run
        log = run.log
        self._scope.__exit__(kind, error, where)
        outcome: Any = "done"
        try:
            if isinstance(error, asyncio.CancelledError | GeneratorExit | KeyboardInterrupt):
                outcome = "stopped"
                run.stop_reason = run.stop_reason or "stopped"
            elif error is not None:
                outcome = "failed"
                # Other errors say themselves what is wrong; their causes are for the traceback.
                cause = (isinstance(error, AgentFailed) and error.__cause__) or error
                run.stop_reason = f"{type(cause).__name__}: {cause}"
                text = "".join(traceback.format_exception(error))
                failed = ErrorRaised(type=type(cause).__name__, message=str(cause), traceback=text)
                log.append(failed, parent=run.started.id)
        finally:
            run.close(outcome, took=monotonic() - self._began)
            if self._own is not None:
                self._own.close()
