"""From logs to tables, by the table's name.

Every function takes one log or several; the tables of one kind have the same columns and dtypes, also when they are
empty, so `pandas.concat` puts them together and keeps every dtype.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, get_args

from agentnb.exceptions import UnknownName, UserError
from agentnb.runlog.garbage import uncollected
from agentnb.transcripts.calls import calls_frame, code_frame, tools_frame
from agentnb.transcripts.deliveries import fold_deliveries
from agentnb.transcripts.inputs import inputs_frame
from agentnb.transcripts.messages import events_frame, messages_frame
from agentnb.transcripts.rows import Logs, Rows
from agentnb.transcripts.said import message_text as message_text
from agentnb.transcripts.turns import choices_frame, turns_frame

if TYPE_CHECKING:
    import pandas as pd

Style = Literal["agentnb", "inspect", "openinference"]


def deliveries_frame(logs: Logs) -> pd.DataFrame:
    """Return what a runtime's agents were sent, one row per message and recipient.

    Returns:
        One row per delivery, in order; the columns are those of `columns.DELIVERIES`. A message that was sent from a
        handler has the `event_id` of that handler's delivery as its `parent_id`.
    """
    rows = Rows("deliveries")
    for log, scan in rows.walk(logs):
        places = dict(zip(scan.heads.ids, scan.places, strict=True))
        for delivery in fold_deliveries(log).deliveries:
            event, sent = delivery.event, delivery.sent
            rows.add(
                event,
                places[event.id],
                delivery.message_id,
                delivery.sort,
                delivery.type,
                delivery.sender,
                delivery.recipient,
                delivery.topic,
                delivery.payload,
                sent.at if sent else None,
                delivery.began_at,
                delivery.waited,
                delivery.took,
                delivery.outcome,
                delivery.error,
                delivery.by,
            )
            rows.parent(sent.parent if sent else event.parent)
    return rows.frame()


FRAMES: dict[str, Callable[[Logs], pd.DataFrame]] = {
    "messages": messages_frame,
    "turns": turns_frame,
    "events": events_frame,
    "calls": calls_frame,
    "tools": tools_frame,
    "code": code_frame,
    "choices": choices_frame,
    "inputs": inputs_frame,
    "deliveries": deliveries_frame,
}


def to_df(logs: Logs, kind: str = "messages", *, style: Style = "agentnb") -> pd.DataFrame:
    """Return a table of one or several logs.

    ```python
    to_df(log, "turns").groupby("source").cost_usd.sum()
    ```

    Args:
        logs: A log, what has one (a result, a run), the path of its file, its id or the beginning of that; or several
            of them.
        kind: "messages", "turns", "events", "calls", "tools", "code", "choices", "inputs" or "deliveries".
        style: "inspect" gives "messages" and "events" the columns of inspect_ai's `messages_df` and `events_df`;
            "openinference" gives "calls" the keys of OpenInference's semantic conventions as columns.

    Raises:
        UnknownName: If there is no such table.
        UserError: If the style has no such table, or something given is no log.
    """
    make = FRAMES.get(kind) if isinstance(kind, str) else None
    if make is None:
        near = difflib.get_close_matches(str(kind), FRAMES, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UnknownName(f"No table named {kind!r} (known: {', '.join(map(repr, FRAMES))}).{hint}")
    if style == "agentnb":
        with uncollected():
            return make(logs)
    from agentnb.transcripts.foreign import STYLES

    if not isinstance(style, str) or style not in STYLES:
        raise UnknownName(f"No style named {style!r} (known: {', '.join(map(repr, get_args(Style)))}).")
    foreign = STYLES[style].get(kind)
    if foreign is None:
        raise UserError(f"The style {style!r} has no table {kind!r}, only {', '.join(map(repr, STYLES[style]))}.")
    return foreign(logs)
