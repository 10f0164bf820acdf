"""The tables of turns, and of who was chosen to take them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from agentnb.core.clock import seconds_between
from agentnb.messages import BaseChatMessage
from agentnb.runlog import Event, Usage
from agentnb.runlog.glance import body_of, usage_of
from agentnb.runlog.scopes import name_of
from agentnb.transcripts.calls import ends_of
from agentnb.transcripts.messages import retracted_in, total_cost
from agentnb.transcripts.places import Place
from agentnb.transcripts.rows import Logs, Rows

if TYPE_CHECKING:
    import pandas as pd


_COUNTED = (
    *("run.started", "turn.started", "turn.finished", "message"),
    *("model.started", "model.finished", "tool.started", "code.started"),
)


class _Turn:
    """What happened in one turn; grows as its facts are read."""

    __slots__ = ("code", "end", "event", "messages", "models", "place", "spent", "tools", "waited")

    def __init__(self, event: Event, place: Place, waited: float | None) -> None:
        self.event, self.place, self.waited = event, place, waited
        self.end: Event | None = None
        self.messages = self.models = self.tools = self.code = 0
        self.spent: list[Usage] = []


class _Pauses:
    """How long each run has waited for its next turn."""

    def __init__(self) -> None:
        self._since: dict[str | None, datetime] = {}
        self._open: dict[str | None, int] = {}

    def began(self, run: str | None, at: datetime) -> None:
        self._since[run] = at

    def turn(self, run: str | None, at: datetime) -> float | None:
        beside = self._open.get(run, 0)
        self._open[run] = beside + 1
        since = self._since.get(run)
        return None if since is None else 0.0 if beside else seconds_between(since, at)

    def over(self, run: str | None, at: datetime) -> None:
        self._open[run] = max(0, self._open.get(run, 0) - 1)
        self._since[run] = at


def turns_frame(logs: Logs) -> pd.DataFrame:
    """Return the turns, one row each.

    Returns:
        One row per turn, in the order begun; the columns are those of `columns.TURNS`. What happened in a run within a
        turn counts for the turns of that run, so that sums over rows count everything once.
    """
    rows = Rows("turns")
    for log, scan in rows.walk(logs):
        retracted = retracted_in(log, scan)
        turns: dict[str | None, _Turn] = {}
        pauses = _Pauses()
        for event, kind, place in scan.among(log, *_COUNTED):
            if kind == "run.started":
                pauses.began(event.id, event.at)
            elif kind == "turn.started":
                turns[event.id] = _Turn(event, place, pauses.turn(place.started, event.at))
            turn = turns.get(place.turn_id)
            if turn is None:
                continue
            match kind:
                case "turn.finished" if event.parent == turn.event.id:
                    turn.end = event
                    pauses.over(place.started, event.at)
                case "message":
                    message = body_of(event).message
                    turn.messages += isinstance(message, BaseChatMessage) and event.seq not in retracted
                case "model.started":
                    turn.models += 1
                case "tool.started":
                    turn.tools += 1
                case "code.started":
                    turn.code += 1
                case "model.finished":
                    usage = usage_of(event)
                    if usage is not None:
                        turn.spent.append(usage)
        for turn in turns.values():
            _add(rows, turn)
    return rows.frame()


def _add(rows: Rows, turn: _Turn) -> None:
    event, end = turn.event, turn.end
    body = body_of(event)
    done: Any = body_of(end) if end else None
    outer = turn.place.outer
    prompt, completion, cost = _sums(turn.spent, asked=bool(turn.models))
    rows.add(
        event,
        turn.place,
        body.agent,
        done.outcome if done else "running",
        event.at,
        turn.waited,
        end.took if end else None,
        turn.messages,
        prompt,
        completion,
        cost,
        turn.models,
        turn.tools,
        turn.code,
        body.again,
        outer.turn_id if outer else None,
    )


def choices_frame(logs: Logs) -> pd.DataFrame:
    """Return who was chosen to speak next, and why.

    Returns:
        One row per choice, in order; the columns are those of `columns.CHOICES`. `next_turn_id` joins the turn that
        followed, `choice_id` of `calls` the models that were asked.
    """
    rows = Rows("choices")
    for log, scan in rows.walk(logs):
        ends = ends_of(log, scan)
        events = log.events
        previous: dict[str | None, str] = {}
        chosen: list[tuple[Event, Place, str | None]] = []
        followed: dict[str, str] = {}
        latest: dict[str | None, Event] = {}
        for event, kind, place in scan.among(log, "speaker", "turn.started"):
            body = body_of(event)
            if kind == "speaker":
                chosen.append((event, place, previous.get(place.started)))
                latest[place.started] = event
            else:
                previous[place.started] = body.agent
                choice = latest.get(place.started)
                if choice is not None and body.agent in body_of(choice).names:
                    followed.setdefault(choice.id, event.id)
        for event, place, before in chosen:
            body = body_of(event)
            asked = [events[seq - 1] for seq in body.asked or ()]
            answers = [ends[call.id] for call in asked if call.id in ends]
            spent = [usage for end in answers if (usage := usage_of(end)) is not None]
            prompt, completion, cost = _sums(spent, asked=bool(asked or body.attempts))
            rows.add(
                event,
                place,
                name_of(event.source) or None,
                ", ".join(body.names),
                before,
                body.rule,
                body.why,
                None if body.candidates is None else ", ".join(body.candidates),
                body.answer,
                body.attempts,
                ", ".join(call.id for call in asked) or None,
                followed.get(event.id),
                event.at,
                prompt,
                completion,
                cost,
                sum(end.took or 0.0 for end in answers) if answers else None,
            )
    return rows.frame()


def _sums(spent: list[Usage], *, asked: bool) -> tuple[int | None, int | None, float | None]:
    """Return tokens and money; nothing was spent where no model was asked, and not known where none said."""
    if not spent:
        return (None, None, None) if asked else (0, 0, 0.0)
    prompt = [usage.prompt_tokens for usage in spent if usage.prompt_tokens is not None]
    completion = [usage.completion_tokens for usage in spent if usage.completion_tokens is not None]
    return sum(prompt) if prompt else None, sum(completion) if completion else None, total_cost(spent)
