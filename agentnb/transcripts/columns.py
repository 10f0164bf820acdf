"""The columns of the tables drawn from logs: name, dtype and meaning, declared once.

Times are UTC, durations seconds, tokens counts as the server reported them. `run_id`, `seq`, `event_id` and `parent_id`
join the tables with each other; `turn` is the turn a row belongs to, missing outside of turns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from agentnb.runlog.events import BODIES

if TYPE_CHECKING:
    import pandas as pd

Dtype = Literal["string", "category", "Int64", "float64", "boolean", "datetime64[ns, UTC]"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    dtype: Dtype
    meaning: str
    categories: tuple[str, ...] = ()
    """For a category whose values are known beforehand, so that tables can be put together without losing it."""


KINDS = tuple(sorted(BODIES))
OUTCOMES = ("done", "failed", "running")
DELIVERY_OUTCOMES = ("done", "failed", "stopped", "dropped", "unheard", "waiting", "running")

RUN_ID = Column("run_id", "string", "the run's id")
SEQ = Column("seq", "Int64", "number of the fact in its run, from 1")
EVENT_ID = Column("event_id", "string", "the fact's id")
PARENT_ID = Column("parent_id", "string", "the fact that caused it")
TURN = Column("turn", "Int64", "the turn it belongs to, from 1")
SOURCE = Column("source", "category", "who")
TOOK = Column("took", "float64", "seconds it took; missing if not known or not over")
PROMPT_TOKENS = Column("prompt_tokens", "Int64", "tokens read by the model")
COMPLETION_TOKENS = Column("completion_tokens", "Int64", "tokens written by the model")
OUTCOME = Column("outcome", "category", "done, failed, or still running", OUTCOMES)
STARTED_AT = Column("started_at", "datetime64[ns, UTC]", "when it began")
ERROR = Column("error", "string", "what went wrong")

MESSAGES = (
    RUN_ID,
    SEQ,
    EVENT_ID,
    PARENT_ID,
    TURN,
    Column("message_id", "string", "the message's own id"),
    Column("type", "category", "the message's class"),
    Column("source", "category", "who said it"),
    Column("text", "string", "what was said, as a person reads it"),
    Column("created_at", "datetime64[ns, UTC]", "when it was said"),
    Column("is_chat", "boolean", "whether the other agents hear it; events are only to be watched"),
    PROMPT_TOKENS,
    COMPLETION_TOKENS,
    Column("took", "float64", "seconds from the beginning of its turn until it was said"),
)

EVENTS = (
    RUN_ID,
    SEQ,
    EVENT_ID,
    PARENT_ID,
    TURN,
    Column("kind", "category", "the fact's kind, as in model.finished", KINDS),
    SOURCE,
    Column("text", "string", "the fact in one short text"),
    Column("created_at", "datetime64[ns, UTC]", "when it happened"),
    PROMPT_TOKENS,
    COMPLETION_TOKENS,
    TOOK,
)

CALLS = (
    RUN_ID,
    SEQ,
    EVENT_ID,
    PARENT_ID,
    TURN,
    Column("kind", "category", "model or tool", ("model", "tool")),
    SOURCE,
    Column("name", "string", "the model or the tool"),
    STARTED_AT,
    OUTCOME,
    Column("arguments", "string", "what a tool was given, as JSON"),
    Column("text", "string", "what came back"),
    ERROR,
    Column("finish_reason", "category", "why the model stopped writing"),
    Column("cached", "boolean", "whether the answer was remembered, not asked for"),
    PROMPT_TOKENS,
    COMPLETION_TOKENS,
    TOOK,
)

CODE = (
    RUN_ID,
    SEQ,
    EVENT_ID,
    PARENT_ID,
    TURN,
    SOURCE,
    Column("executor", "category", "the class of what ran it"),
    Column("language", "category", "the first block's language"),
    Column("code", "string", "the blocks, one after the other"),
    STARTED_AT,
    OUTCOME,
    Column("exit_code", "Int64", "0 for success"),
    Column("output", "string", "what it printed"),
    ERROR,
    Column("figures", "Int64", "images among its outputs"),
    TOOK,
)

DELIVERIES = (
    RUN_ID,
    SEQ,
    EVENT_ID,
    PARENT_ID,
    TURN,
    Column("message_id", "string", "the message's own id; its answer has the same"),
    Column("sort", "category", "send, publish, or the response to a send", ("send", "publish", "response")),
    Column("type", "category", "the message's class"),
    Column("sender", "category", "the agent that sent it, as type/key; missing for code outside of the runtime"),
    Column("recipient", "category", "the agent it was for; missing for code outside, or if nobody has it"),
    Column("topic", "category", "where it was published, as type/source"),
    Column("payload", "string", "the message as JSON"),
    Column("sent_at", "datetime64[ns, UTC]", "when it was given to the runtime"),
    Column("began_at", "datetime64[ns, UTC]", "when its handler began; when an answer arrived"),
    Column("waited", "float64", "seconds from sent_at to began_at"),
    Column("took", "float64", "seconds in its handler; missing if not over"),
    Column("outcome", "category", "what became of it", DELIVERY_OUTCOMES),
    ERROR,
    Column("by", "string", "the intervention handler that dropped or changed it; capacity, factory, sender, stop"),
)


def frame(columns: Sequence[Column], data: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """Put lists of values together as a table with the declared columns and dtypes.

    Args:
        columns: What the table looks like.
        data: One list per column, all of one length; None is a missing value.
    """
    import pandas as pd

    return pd.DataFrame({column.name: _series(column, data[column.name]) for column in columns})


def _series(column: Column, values: Sequence[Any]) -> pd.Series[Any]:
    import pandas as pd

    match column.dtype:
        case "category":
            names = column.categories or sorted({value for value in values if value is not None})
            # Without a dtype an empty table's categories would be objects, and spoil the ones they are put beside.
            return pd.Series(pd.Categorical(values, categories=pd.Index(names, dtype="str")))
        case "datetime64[ns, UTC]":
            return pd.Series(pd.DatetimeIndex(pd.to_datetime(list(values), utc=True)).as_unit("ns"))
        case "float64":
            return pd.Series(values, dtype="float64")
        case _:
            return pd.Series(pd.array(list(values), dtype=column.dtype))
