"""The tables of what models, tools and executors were asked to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentnb.runlog import Event, RunLog
from agentnb.runlog.glance import body_of, glance
from agentnb.transcripts.places import Place, Scan
from agentnb.transcripts.rows import Logs, Rows
from agentnb.transcripts.said import answer_text, as_json

if TYPE_CHECKING:
    import pandas as pd

_ENDS = ("model.finished", "tool.finished", "code.finished")


def calls_frame(logs: Logs) -> pd.DataFrame:
    """Return the calls of models and tools, one row each.

    Returns:
        One row per call, in the order begun; the columns are those of `columns.CALLS`. A call that is not over has the
        outcome `running`.
    """
    rows = Rows("calls")
    for log, scan in rows.walk(logs):
        ends = ends_of(log, scan)
        choices = {seq: event.id for event, _, _ in scan.among(log, "speaker") for seq in _asked(event)}
        askers = Askers()
        for event, kind, place in scan.among(log, "model.started", "tool.started", "model.finished"):
            if kind == "model.finished":
                askers.note(event, place)
                continue
            body = body_of(event)
            end = ends.get(event.id)
            done, usage = _end(end)
            if kind == "model.started":
                result = done.result if done else None
                error = done.error if done else None
                rows.add(
                    event,
                    place,
                    "model",
                    event.source or None,
                    body.model,
                    None,
                    None,
                    choices.get(event.seq),
                    event.at,
                    outcome(done, error),
                    None,
                    answer_text(result) if result else (done.partial or None) if done else None,
                    error,
                    result.finish_reason if result else None,
                    result.cached if result else None,
                    usage.prompt_tokens if usage else None,
                    usage.completion_tokens if usage else None,
                    usage.cost_usd if usage else None,
                    end.took if end else None,
                )
            else:
                failed = bool(done and done.is_error)
                rows.add(
                    event,
                    place,
                    "tool",
                    event.source or None,
                    body.tool,
                    body.call_id,
                    askers.of(body.call_id, place),
                    None,
                    event.at,
                    outcome(done, failed),
                    as_json(body.arguments),
                    done.result if done else None,
                    done.result if failed else None,
                    *[None] * 5,
                    end.took if end else None,
                )
    return rows.frame()


def tools_frame(logs: Logs) -> pd.DataFrame:
    """Return the calls of tools, one row each.

    Returns:
        One row per call, in the order begun; the columns are those of `columns.TOOLS`. `event_id` joins the same call
        in `calls`, `model_event_id` the model's call that asked for it.
    """
    rows = Rows("tools")
    for log, scan in rows.walk(logs):
        ends = ends_of(log, scan)
        askers = Askers()
        for event, kind, place in scan.among(log, "tool.started", "model.finished"):
            if kind == "model.finished":
                askers.note(event, place)
                continue
            body = body_of(event)
            end = ends.get(event.id)
            done, _ = _end(end)
            failed = bool(done and done.is_error)
            rows.add(
                event,
                place,
                event.source or None,
                body.tool,
                body.call_id,
                askers.of(body.call_id, place),
                event.at,
                outcome(done, failed),
                as_json(body.arguments),
                done.result if done and not failed else None,
                done.result if failed else None,
                end.took if end else None,
            )
    return rows.frame()


def code_frame(logs: Logs) -> pd.DataFrame:
    """Return the code that was run, one row per hand-over to an executor.

    Returns:
        One row per run of code, in the order begun; the columns are those of `columns.CODE`.
    """
    rows = Rows("code")
    for log, scan in rows.walk(logs):
        ends = ends_of(log, scan)
        for event, _, place in scan.among(log, "code.started"):
            body = body_of(event)
            end = ends.get(event.id)
            done, _ = _end(end)
            rows.add(
                event,
                place,
                event.source or None,
                body.executor,
                body.blocks[0].language if body.blocks else None,
                "\n\n".join(block.code.rstrip("\n") for block in body.blocks),
                event.at,
                outcome(done, done and (done.error or done.exit_code)),
                done.exit_code if done else None,
                done.output if done else None,
                done.error if done else None,
                sum(1 for output in done.outputs if any(key.startswith("image/") for key in output)) if done else None,
                end.took if end else None,
            )
    return rows.frame()


class Askers:
    """Which model call asked for which call of a tool."""

    def __init__(self) -> None:
        self._here: dict[tuple[str | None, str], str | None] = {}
        self._anywhere: dict[str, str | None] = {}

    def note(self, event: Event, place: Place) -> None:
        """Take the next `model.finished` fact of the log into account."""
        result = body_of(event).result
        content = result.content if result else ""
        if isinstance(content, str):
            return
        for call in content:
            self._here[place.turn_id, call.id] = self._anywhere[call.id] = event.parent

    def of(self, call_id: str | None, place: Place) -> str | None:
        """Return the `model.started` fact's id; a turn that is taken up again makes calls of the turn before."""
        if call_id is None:
            return None
        return self._here.get((place.turn_id, call_id)) or self._anywhere.get(call_id)


def ends_of(log: RunLog, scan: Scan) -> dict[str | None, Event]:
    """Return what ended each call, by the id of what began it."""
    return {event.parent: event for event, _, _ in scan.among(log, *_ENDS)}


def _end(end: Event | None) -> tuple[Any, Any]:
    return glance(end) if end else (None, None)


def outcome(done: Any, failed: Any) -> str:
    """Return a call's outcome in a word."""
    return "running" if not done else "failed" if failed else "done"


def _asked(event: Event) -> tuple[int, ...]:
    return body_of(event).asked or ()
