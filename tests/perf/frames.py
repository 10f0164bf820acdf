"""What it costs to make a table of a log."""

from __future__ import annotations

import gc
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from agentnb.messages import CodeBlock, CreateResult, FunctionCall, RequestUsage, TextMessage, ThoughtEvent
from agentnb.runlog import (
    CodeFinished,
    CodeStarted,
    EnvelopeDelivered,
    EnvelopeHandled,
    EnvelopeSent,
    InputAnswered,
    InputRequested,
    ModelFinished,
    ModelStarted,
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
from agentnb.transcripts import FRAMES, to_df
from tests.perf.bench import FULL, Effort, Figure, Target, figure

FACTS = 100_000
AGAINST = "`pandas.DataFrame(rows)`, rows ready"
TARGET = Target("baseline", 3.0)
OPENED = ("events", "messages")
"""Tables made also of a log that was just made, and of one just opened; opening takes longer than they do."""
ADDED = ("speaker", "turn.started", "turn.finished", "message", "model.started", "model.finished")
"""Kinds of facts that a run adds as plain values."""


def long_log(facts: int) -> RunLog:
    """Return a log of about so many facts of all kinds, nineteen a turn."""
    log = RunLog()
    run = log.append(RunStarted(runner="team", runner_type="T"), source="team").id
    usage = RequestUsage(prompt_tokens=1200, completion_tokens=80)
    spent = Usage(prompt_tokens=1200, completion_tokens=80, cost_usd=0.0004)
    number = 0
    while len(log) < facts:
        number += 1
        agent = ("writer", "critic", "editor")[number % 3]
        call = FunctionCall(id=f"c{number}", name="add", arguments='{"a": 1}')
        asks = CreateResult(finish_reason="function_calls", content=[call], usage=usage, cached=False)
        says = CreateResult(finish_reason="stop", content="A sentence of common length.", usage=usage, cached=False)
        log.append(SpeakerChosen(names=(agent,), rule="in turn"), source="team", parent=run)
        turn = log.append(TurnStarted(agent=agent, turn=number), source=agent, parent=run).id
        for result in (asks, says):
            model = log.append(ModelStarted(model="m", keep=number), source=agent, parent=turn).id
            log.append(ModelFinished(model="m", result=result), source=agent, parent=model, took=0.5, usage=spent)
        tool = log.append(ToolStarted(tool="add", call_id=call.id, arguments={"a": 1}), source=agent, parent=turn).id
        log.append(ToolFinished(tool="add", call_id=call.id, result="2"), source=agent, parent=tool, took=0.1)
        code = log.append(CodeStarted(executor="X", blocks=(CodeBlock("print(1)", "python"),)), parent=turn).id
        log.append(CodeFinished(executor="X", exit_code=0, output="1\n"), parent=code, took=0.2)
        log.append(InputRequested(input_id=str(number), prompt="On?"), source=agent, parent=turn)
        log.append(InputAnswered(input_id=str(number), text="yes", by="cell"), source=agent, parent=turn)
        sent = log.append(EnvelopeSent(message_id="m", sort="send", recipient="a/k", type="T"), parent=turn).id
        given = log.append(EnvelopeDelivered(message_id="m", sort="send", agent="a/k"), parent=sent).id
        log.append(EnvelopeHandled(message_id="m", agent="a/k"), parent=given, took=0.1)
        log.append(Said(message=ThoughtEvent(content="A thought.", source=agent)), source=agent, parent=turn)
        text = "A sentence of common length. " * 5
        log.append(Said(message=TextMessage(content=text, source=agent, models_usage=usage)), source=agent, parent=turn)
        log.append(TurnFinished(agent=agent, turn=number), source=agent, parent=turn, took=1.0)
    return log


def just_made(log: RunLog) -> RunLog:
    """Return a log of the same facts as a run leaves them, nobody having looked at them."""
    made = RunLog(run_id=log.id)
    for event in log:
        if event.kind not in ADDED:
            body: Any = event.body
            made.append(body, source=event.source, parent=event.parent, took=event.took, usage=event.usage)
            continue
        usage = event.usage and (event.usage.prompt_tokens, event.usage.completion_tokens, event.usage.cost_usd)
        values = tuple(dict(event.body).values())
        made.add(values, source=event.source, parent=event.parent, took=event.took, usage=usage)
    return made


async def run(peer: str | None, effort: Effort) -> list[Figure]:
    """Every table of a long log in memory, and some of the same log just made by a run, and just opened from its file.

    The last pay for reading the fields they show of the facts they need, which opening leaves for later, and pay it
    each time: nothing of it is kept.
    """
    log = long_log(FACTS if effort == FULL else effort.crowd)
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        path = log.save(Path(folder, "run.jsonl"))
        for kind in FRAMES:
            rows, names = _ready(to_df(log, kind))
            rounds = [_round(log, path, kind, rows, names) for _ in range(effort.rounds + 1)][1:]
            ours, made, opened, theirs = (list(each) for each in zip(*rounds, strict=True))
            what = f"{kind} of {len(log):,} facts, {len(rows):,} rows"
            target = TARGET if kind == "events" else None
            figures.append(figure(what, ours, unit="ms", baseline=theirs, against=AGAINST, target=target))
            if kind in OPENED:
                new, file = f"{what}, just made", f"{what}, opened from its file"
                figures.append(figure(new, made, unit="ms", baseline=theirs, against=AGAINST, target=target))
                figures.append(figure(file, opened, unit="ms", baseline=theirs, against=AGAINST))
    return figures


def _round(log: RunLog, path: Path, kind: str, rows: list[Any], names: list[str]) -> tuple[float, ...]:
    """Return the ms of our table, of those of a log just made and just opened, and of pandas' own from ready rows."""
    theirs = _ms(lambda: pd.DataFrame(rows, columns=names))
    ours = _ms(lambda: to_df(log, kind))
    if kind not in OPENED:
        return ours, math.nan, math.nan, theirs
    # Opening does not count, what it leaves for later does.
    new, fresh = just_made(log), RunLog.open(path)
    return ours, _ms(lambda: to_df(new, kind)), _ms(lambda: to_df(fresh, kind)), theirs


def _ready(table: pd.DataFrame) -> tuple[list[tuple[Any, ...]], list[str]]:
    """Return a table's rows as Python values, as somebody who makes a frame of them would have them."""
    plain = [
        list(column.dt.to_pydatetime()) if str(column.dtype).startswith("datetime") else column.astype(object).tolist()
        for _, column in table.items()
    ]
    missing = [
        [None if value is pd.NA or value is pd.NaT or value != value else value for value in column] for column in plain
    ]
    return list(zip(*missing, strict=True)), list(table.columns)


def _ms(work: Callable[[], object]) -> float:
    gc.collect()
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1e3
