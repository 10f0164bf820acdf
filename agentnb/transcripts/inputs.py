"""The table of questions to a person."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from agentnb.core.clock import seconds_between
from agentnb.runlog import Event
from agentnb.runlog.glance import body_of
from agentnb.transcripts.places import Place
from agentnb.transcripts.rows import Logs, Rows
from agentnb.transcripts.said import as_json

if TYPE_CHECKING:
    import pandas as pd

_OVER = {"run.finished", "turn.finished", "tool.finished", "code.finished", "model.finished", "memory.finished"}
_WITHDRAWN = "The question was withdrawn"
"""How the log's note about a question that was withdrawn begins."""


def inputs_frame(logs: Logs) -> pd.DataFrame:
    """Return the questions to a person and their answers, one row each.

    Returns:
        One row per question, in the order asked; the columns are those of `columns.INPUTS`. A question is withdrawn
        when the turn, the call or the run that asked it ends without an answer, or another run of the log begins.
    """
    rows = Rows("inputs")
    for log, scan in rows.walk(logs):
        parents = dict(zip(scan.heads.ids, scan.heads.parents, strict=True))
        asked: dict[str, tuple[Event, Place]] = {}
        answers: dict[str, Event] = {}
        withdrawn: dict[str, datetime] = {}
        open_: dict[str, set[str]] = {}
        for event, kind, place in scan.among(log, "input.requested", "input.answered", "run.started", "note", *_OVER):
            body = body_of(event)
            if kind == "input.requested":
                asked[body.input_id] = (event, place)
                open_[body.input_id] = _above(event, parents)
            elif kind == "input.answered":
                if open_.pop(body.input_id, None) is not None:
                    answers[body.input_id] = event
            elif open_:
                for input_id in _ended(event, open_, asked):
                    del open_[input_id]
                    withdrawn[input_id] = event.at
        for input_id, (event, place) in asked.items():
            _add(rows, event, place, answers.get(input_id), withdrawn.get(input_id))
    return rows.frame()


def _above(event: Event, parents: dict[str, str | None]) -> set[str]:
    above: set[str] = set()
    parent: str | None = event.parent
    while parent is not None and parent not in above:
        above.add(parent)
        parent = parents.get(parent)
    return above


def _ended(event: Event, open_: dict[str, set[str]], asked: dict[str, tuple[Event, Place]]) -> list[str]:
    """Return the open questions that nobody waits for any more after this fact."""
    if event.kind == "run.started" and event.parent is None:
        return list(open_)
    if event.kind == "note":
        body = body_of(event)
        if body.by != "agentnb" or not body.text.startswith(_WITHDRAWN):
            return []
        return [input_id for input_id in open_ if asked[input_id][0].parent == event.parent][:1]
    return [input_id for input_id, above in open_.items() if event.kind in _OVER and event.parent in above]


def _add(rows: Rows, event: Event, place: Place, answer: Event | None, withdrawn: datetime | None) -> None:
    body = body_of(event)
    given = body_of(answer) if answer else None
    until = answer.at if answer else withdrawn
    rows.add(
        event,
        place,
        event.source or None,
        body.input_id,
        body.prompt,
        as_json(list(body.choices)) if body.choices else None,
        "answered" if answer else "withdrawn" if withdrawn else "open",
        event.at,
        answer.at if answer else None,
        given.text if given else None,
        given.by or None if given else None,
        seconds_between(event.at, until) if until else None,
    )
