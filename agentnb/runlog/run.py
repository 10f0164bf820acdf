"""Opens and closes a run: the frame of facts round whatever a team or an agent does."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from agentnb.core import monotonic
from agentnb.exceptions import AgentFailed
from agentnb.messages import BaseMessage
from agentnb.runlog import log as runlog
from agentnb.runlog.events import ErrorRaised, Event, RunFinished, RunStarted, Said, TurnFinished, TurnStarted
from agentnb.runlog.gate import Gate
from agentnb.runlog.log import RunLog
from agentnb.runlog.observers import announce

Sink = Callable[[Any], None]


class Run:
    """A run that goes on: who performs it says here what happens.

    Attributes:
        log: Where the facts go.
        messages: Chat messages and events said so far, without streamed chunks.
        stop_reason: Why it ended; set by who performs it.
        turns: Turns begun.
        gate: Holds the run between turns.
    """

    def __init__(self, log: RunLog, started: Event, sink: Sink | None, gate: Gate | None = None) -> None:
        self.log = log
        self.started = started
        self.messages: list[Any] = []
        self.stop_reason: str | None = None
        self.turns = 0
        self.gate = gate or Gate()
        self.gate.begin(log)
        self._sink = sink

    def say(self, message: BaseMessage, *, show: bool = True) -> Event:
        """Log a message; `show=False` keeps it out of the result and the stream."""
        event = self.log.append(Said(message=message))
        if show:
            self.messages.append(message)
            if self._sink is not None:
                self._sink(message)
        return event

    def relay(self, item: BaseMessage, *, stored: bool = True) -> None:
        """Take up what a nested run said: it is in the log already.

        Args:
            item: A message, or a streamed piece.
            stored: Whether it is part of the result.
        """
        if stored:
            self.messages.append(item)
        if self._sink is not None:
            self._sink(item)

    def chunk(self, piece: BaseMessage) -> None:
        """Show a piece of an answer that is still being written."""
        self.log.fan_out(piece)
        if self._sink is not None:
            self._sink(piece)

    @asynccontextmanager
    async def turn(self, agent: str) -> AsyncIterator[int]:
        """Give an agent the word while the block runs."""
        self.turns += 1
        number = self.turns
        started = self.log.append(TurnStarted(agent=agent, turn=number), source=agent)
        began = monotonic()
        outcome: Any = "failed"
        try:
            with runlog.scope(self.log, started.id, agent):
                yield number
            outcome = "done"
        except (asyncio.CancelledError, GeneratorExit):
            outcome = "stopped"
            raise
        finally:
            self.log.append(
                TurnFinished(agent=agent, turn=number, outcome=outcome),
                source=agent,
                parent=started.id,
                took=monotonic() - began,
            )


def versions() -> dict[str, str]:
    """Return the versions a run depends on."""
    try:
        own = version("agentnb-toolkit")
    except PackageNotFoundError:
        own = "source tree"
    return {"agentnb-toolkit": own, "python": ".".join(map(str, sys.version_info[:3]))}


@asynccontextmanager
async def open_run(
    start: RunStarted, *, log: RunLog | None = None, sink: Sink | None = None, gate: Gate | None = None
) -> AsyncIterator[Run]:
    """Open a run; whatever ends the block, `run.finished` is logged.

    Args:
        start: What is about to run.
        log: Where the facts go; default: the log of the run this is part of, else a new one.
        sink: Called with each message and chunk as it is said.
        gate: Holds the run between turns; a nested run is given that of the run round it.
    """
    here = runlog.current()
    if here is not None and not here.log.kept:
        here = None  # a runtime's log that only passes facts on: this run's own are to stay
    nested = log is None and here is not None
    own = log is None and here is None
    if log is None:
        log = here.log if here is not None else RunLog.create(start.runner)
    log.bind_loop()
    announce(log)
    opened = log.append(start, source=start.runner)
    run = Run(log, opened, sink, gate)
    began = monotonic()
    outcome: Any = "failed"
    try:
        with runlog.scope(log, opened.id, f"{here.source}/{start.runner}" if nested and here else start.runner):
            yield run
        outcome = "done"
    except (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt):
        outcome = "stopped"
        run.stop_reason = run.stop_reason or "stopped"
        raise
    except BaseException as error:
        # Other errors say themselves what is wrong; their causes are for the traceback.
        cause = (isinstance(error, AgentFailed) and error.__cause__) or error
        run.stop_reason = f"{type(cause).__name__}: {cause}"
        text = "".join(traceback.format_exception(error))
        log.append(ErrorRaised(type=type(cause).__name__, message=str(cause), traceback=text), parent=opened.id)
        raise
    finally:
        log.append(
            RunFinished(outcome=outcome, stop_reason=run.stop_reason, turns=run.turns, messages=len(run.messages)),
            source=start.runner,
            parent=opened.id,
            took=monotonic() - began,
        )
        if own:
            log.close()
