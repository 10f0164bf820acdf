"""Conversations written by hand, fact by fact."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from agentnb.core import EventId
from agentnb.messages import CodeBlock, CreateResult, RequestUsage, TextMessage
from agentnb.runlog import (
    CodeFinished,
    CodeStarted,
    ModelFinished,
    ModelStarted,
    Participant,
    RunFinished,
    RunLog,
    RunStarted,
    Said,
    SpeakerChosen,
    ToolFinished,
    ToolStarted,
    TurnFinished,
    TurnStarted,
    Usage,
)


class Turn(NamedTuple):
    """A turn to be written."""

    who: str
    says: str
    tool: tuple[str, dict[str, Any], str] | None = None
    code: tuple[str, str] | None = None
    why: str | None = None
    usage: Usage | None = None
    outcome: Any = "done"


def begin(log: RunLog | None = None, *, task: str | None = "go", **fields: Any) -> tuple[RunLog, EventId]:
    """Start a run of a team of ana and ben; return its log and the id of the run."""
    log = log if log is not None else RunLog()
    people = (Participant(name="ana", role="AssistantAgent"), Participant(name="ben", role="AssistantAgent"))
    start = {"runner": "writers", "runner_type": "RoundRobinGroupChat", "participants": people, "model": "m", **fields}
    run = log.append(RunStarted(**start), source="writers").id
    if task is not None:
        log.append(Said(message=TextMessage(content=task, source="user")), parent=run, source="writers")
    return log, run


def take(log: RunLog, run: EventId, turn: Turn, number: int) -> None:
    """Write one turn."""
    who = turn.who
    if turn.why is not None:
        log.append(SpeakerChosen(names=(who,), why=turn.why, rule="model"), parent=run, source="writers")
    began = log.append(TurnStarted(agent=who, turn=number), source=who, parent=run).id
    if turn.usage is not None:
        asked = log.append(ModelStarted(model="m"), source=who, parent=began).id
        usage = RequestUsage(turn.usage.prompt_tokens or 0, turn.usage.completion_tokens or 0)
        result = CreateResult(finish_reason="stop", content=turn.says, usage=usage, cached=False)
        log.append(ModelFinished(model="m", result=result), source=who, parent=asked, took=0.5, usage=turn.usage)
    if turn.tool is not None:
        name, arguments, result_text = turn.tool
        call = f"call-{log.id}-{number}"
        called = log.append(ToolStarted(tool=name, call_id=call, arguments=arguments), source=who, parent=began).id
        log.append(ToolFinished(tool=name, call_id=call, result=result_text), source=who, parent=called, took=0.1)
    if turn.code is not None:
        code, output = turn.code
        blocks = (CodeBlock(code=code, language="python"),)
        ran = log.append(CodeStarted(executor="Kernel", blocks=blocks), source=who, parent=began).id
        log.append(CodeFinished(executor="Kernel", exit_code=0, output=output), source=who, parent=ran, took=0.1)
    if turn.says:
        log.append(Said(message=TextMessage(content=turn.says, source=who)), source=who, parent=began)
    log.append(TurnFinished(agent=who, turn=number, outcome=turn.outcome), source=who, parent=began, took=1.5)


def end(log: RunLog, run: EventId, turns: int, outcome: Any = "done", reason: str | None = "enough") -> RunLog:
    """End the run."""
    log.append(
        RunFinished(outcome=outcome, stop_reason=reason, turns=turns), source="writers", parent=run, took=float(turns)
    )
    return log


def talk(*turns: Turn | tuple[str, str], task: str | None = "go", **fields: Any) -> RunLog:
    """Write a whole run."""
    log, run = begin(task=task, **fields)
    for number, turn in enumerate(turns, 1):
        take(log, run, turn if isinstance(turn, Turn) else Turn(*turn), number)
    return end(log, run, len(turns))


def texts(values: Iterable[Any]) -> list[Any]:
    """Return a column's values with None for what is missing."""
    import pandas as pd

    return [None if pd.isna(value) else value for value in values]
