"""The tables of what was said, and of every fact."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from agentnb.core.clock import seconds_between
from agentnb.messages import BaseChatMessage
from agentnb.runlog import RunLog, Usage
from agentnb.runlog.glance import body_of, glance
from agentnb.transcripts.places import Scan
from agentnb.transcripts.rows import Logs, Rows, stamps
from agentnb.transcripts.said import SHORT, SUMMARIES, message_text, type_name

if TYPE_CHECKING:
    import pandas as pd


def messages_frame(logs: Logs) -> pd.DataFrame:
    """Return what was said, one row per chat message or event.

    Returns:
        One row per message, in the order said; the columns are those of `columns.MESSAGES`.
    """
    rows = Rows("messages")
    for log, scan in rows.walk(logs):
        retracted = retracted_in(log, scan)
        spent: dict[str | None, list[Usage]] = defaultdict(list)
        for event, kind, place in scan.among(log, "message", "model.finished"):
            body, usage = glance(event)
            if kind == "model.finished":
                if usage is not None:
                    spent[place.turn_id].append(usage)
                continue
            message = body.message
            usage = message.models_usage
            is_chat = isinstance(message, BaseChatMessage)
            rows.add(
                event,
                place,
                type_name(message),
                message.source,
                message_text(message),
                message.created_at,
                is_chat,
                is_chat and body.heard is not False and event.seq not in retracted,
                usage.prompt_tokens if usage else None,
                usage.completion_tokens if usage else None,
                _cost(usage, spent[place.turn_id]) if usage else None,
                seconds_between(place.first.at, event.at) if place.first else None,
                message.id,
            )
    return rows.frame()


def events_frame(logs: Logs) -> pd.DataFrame:
    """Return every fact, one row each.

    Returns:
        One row per fact, in order; the columns are those of `columns.EVENTS`. `text` is cut at 200 characters.
    """
    rows = Rows("events")
    for log, scan in rows.walk(logs):
        events, heads = log.events, scan.heads
        kinds = heads.kinds
        texts: list[str] = []
        usages: list[Usage | None] = []
        for event, kind, known in zip(events, kinds, heads.values, strict=True):
            # What somebody has looked at is there: a call less for each.
            body, usage = (known["body"], known["usage"]) if "body" in known else glance(event)
            texts.append(SUMMARIES.get(kind, _nothing)(body)[:SHORT])
            usages.append(usage)
        rows.extend(
            events,
            scan,
            (
                kinds,
                [source or None for source in heads.sources],
                texts,
                stamps(events, scan),
                [None if usage is None else usage.prompt_tokens for usage in usages],
                [None if usage is None else usage.completion_tokens for usage in usages],
                [None if usage is None else usage.cost_usd for usage in usages],
                heads.took,
            ),
        )
    return rows.frame()


def _nothing(_: Any) -> str:
    return ""


def _cost(wanted: Any, spent: list[Usage]) -> float | None:
    """Return what the calls cost whose tokens a message claims; those of its turn since the last that claimed some."""
    calls, spent[:] = tuple(spent), ()
    for few in (calls[-1:], calls):
        if few and all(
            sum(getattr(usage, name) or 0 for usage in few) == getattr(wanted, name)
            for name in ("prompt_tokens", "completion_tokens")
        ):
            return total_cost(few)
    return None


def retracted_in(log: RunLog, scan: Scan) -> set[int]:
    """Return the `seq`s of the messages that were taken back."""
    return {body_of(event).said for event, _, _ in scan.among(log, "retracted")}


def total_cost(spent: tuple[Usage, ...] | list[Usage]) -> float | None:
    """Return what calls cost together; None if the price of one is not known."""
    costs = [usage.cost_usd for usage in spent]
    return None if None in costs else sum(cost for cost in costs if cost is not None)
