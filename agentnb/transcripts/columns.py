"""The columns of the tables drawn from logs: name, dtype and meaning, declared once.

Times are UTC, durations seconds, tokens counts as the server reported them, money US dollars. Every table begins with
the same columns, `HEAD`, which say where in the log a row stands, and ends with the same, `KEYS`, which join the tables
with each other.

Installed packages add columns of their own: an entry point of the group `agentnb.columns` names a `Column` whose `of`
makes the value from the row's fact, as in `tone = "my_package:TONE"`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from agentnb.core import plugins
from agentnb.runlog.events import BODIES, Event

Dtype = Literal["string", "category", "Int64", "float64", "boolean", "datetime64[ns, UTC]"]

GROUP = "agentnb.columns"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    dtype: Dtype
    meaning: str
    categories: tuple[str, ...] = ()
    """All values of a category: only so can tables be put together without losing it. Names that anybody may choose,
    such as those of agents and tools, are strings."""
    of: Callable[[Event], Any] | None = None
    """For an added column: makes its value from the fact whose id is the row's `event_id`; None is a missing value."""
    tables: tuple[str, ...] = ("events",)
    """For an added column: the tables it is added to."""


KINDS = tuple(sorted(BODIES))
OUTCOMES = ("done", "failed", "running")
TURN_OUTCOMES = ("done", "stopped", "failed", "running")
INPUT_OUTCOMES = ("answered", "open", "withdrawn")
DELIVERY_OUTCOMES = ("done", "failed", "stopped", "dropped", "unheard", "waiting", "running")

HEAD = (
    Column("run", "Int64", "which of the log's runs, from 1; a conversation that was resumed has several"),
    Column("turn", "Int64", "the number, in its own run, of the innermost turn it belongs to, from 1"),
    Column("seq", "Int64", "number of the fact in its log, from 1"),
    Column("team", "string", "the team, or the agent on its own, whose run it belongs to"),
    Column("depth", "Int64", "0 in the outermost run, 1 in a run within it, and so on"),
    Column("is_shared", "boolean", "whether the log of which this one is a branch has the fact too"),
)

# At the end: they are long, and what a row says is to be seen first.
KEYS = (
    Column("run_id", "string", "the log's id"),
    Column("event_id", "string", "the fact's id; in a branch, facts of the origin keep theirs"),
    Column("parent_id", "string", "the fact that caused it"),
    Column("turn_id", "string", "event_id of the innermost turn it belongs to; missing outside of turns"),
)

SOURCE = Column("source", "string", "who")
TOOK = Column("took", "float64", "seconds it took; missing if not known or not over")
PROMPT_TOKENS = Column("prompt_tokens", "Int64", "tokens read by the model")
COMPLETION_TOKENS = Column("completion_tokens", "Int64", "tokens written by the model")
COST_USD = Column("cost_usd", "float64", "US dollars at the price when called; missing where that is not known")
OUTCOME = Column("outcome", "category", "done, failed, or still running", OUTCOMES)
STARTED_AT = Column("started_at", "datetime64[ns, UTC]", "when it began")
ERROR = Column("error", "string", "what went wrong")
CALL_ID = Column("call_id", "string", "the id the model gave the call of a tool")
MODEL_EVENT_ID = Column("model_event_id", "string", "event_id, in calls, of the model call that asked for the tool")
ARGUMENTS = Column("arguments", "string", "what a tool was given, as JSON")

MESSAGES = (
    *HEAD,
    Column("type", "string", "the message's class"),
    Column("source", "string", "who said it"),
    Column("text", "string", "what was said, as a person reads it"),
    Column("created_at", "datetime64[ns, UTC]", "when it was said"),
    Column("is_chat", "boolean", "whether it is part of the conversation; events are only to be watched"),
    Column("is_heard", "boolean", "whether the other agents are told: a chat message that was not taken back"),
    PROMPT_TOKENS,
    COMPLETION_TOKENS,
    Column("cost_usd", "float64", "US dollars of the model calls it was made with; missing where not known"),
    Column("took", "float64", "seconds from the beginning of its turn until it was said"),
    Column("message_id", "string", "the message's own id"),
    *KEYS,
)

TURNS = (
    *HEAD,
    Column("source", "string", "who had the word"),
    Column("outcome", "category", "done, stopped, failed, or still running", TURN_OUTCOMES),
    STARTED_AT,
    Column("waited", "float64", "seconds from the end of its run's turn before, or the run's begin; 0 beside another"),
    TOOK,
    Column("messages", "Int64", "chat messages said in it"),
    PROMPT_TOKENS,
    COMPLETION_TOKENS,
    COST_USD,
    Column("model_calls", "Int64", "models asked in it; like all sums, without those of turns within it"),
    Column("tool_calls", "Int64", "tools called in it"),
    Column("code_runs", "Int64", "runs of code in it"),
    Column("again", "Int64", "seq of the turn that broke off and is taken up here"),
    Column("outer_turn_id", "string", "turn_id of the turn in which its team's run goes on; missing in the outermost"),
    *KEYS,
)

EVENTS = (
    *HEAD,
    Column("kind", "category", "the fact's kind, as in model.finished", KINDS),
    SOURCE,
    Column("text", "string", "the fact in one short text"),
    Column("created_at", "datetime64[ns, UTC]", "when it happened"),
    PROMPT_TOKENS,
    COMPLETION_TOKENS,
    COST_USD,
    TOOK,
    *KEYS,
)

CALLS = (
    *HEAD,
    Column("kind", "category", "model or tool", ("model", "tool")),
    SOURCE,
    Column("name", "string", "the model or the tool"),
    CALL_ID,
    MODEL_EVENT_ID,
    Column("choice_id", "string", "event_id of the choice of a speaker the model was asked for"),
    STARTED_AT,
    OUTCOME,
    ARGUMENTS,
    Column("text", "string", "what came back"),
    ERROR,
    Column("finish_reason", "string", "why the model stopped writing"),
    Column("cached", "boolean", "whether the answer was remembered, not asked for"),
    PROMPT_TOKENS,
    COMPLETION_TOKENS,
    COST_USD,
    TOOK,
    *KEYS,
)

TOOLS = (
    *HEAD,
    SOURCE,
    Column("tool", "string", "the tool's name"),
    CALL_ID,
    MODEL_EVENT_ID,
    STARTED_AT,
    OUTCOME,
    ARGUMENTS,
    Column("result", "string", "what the tool gave; missing if it failed"),
    ERROR,
    TOOK,
    *KEYS,
)

CODE = (
    *HEAD,
    SOURCE,
    Column("executor", "string", "the class of what ran it"),
    Column("language", "string", "the first block's language"),
    Column("code", "string", "the blocks, one after the other"),
    STARTED_AT,
    OUTCOME,
    Column("exit_code", "Int64", "0 for success"),
    Column("output", "string", "what it printed"),
    ERROR,
    Column("figures", "Int64", "images among its outputs"),
    TOOK,
    *KEYS,
)

CHOICES = (
    *HEAD,
    Column("source", "string", "the team that chose"),
    Column("names", "string", "who speaks next; several names are separated by a comma and a space"),
    Column("previous", "string", "who had the word before, in the same run"),
    Column("rule", "string", "what decided, in a word or two, such as in turn, model, fallback"),
    Column("why", "string", "the reason in a sentence"),
    Column("candidates", "string", "who could have been chosen, separated as in names; missing where everybody could"),
    Column("answer", "string", "what a model answered when it was asked, word for word"),
    Column("attempts", "Int64", "how often the model was asked"),
    Column("asked", "string", "event_ids, in calls, of the model calls, separated as in names"),
    Column("next_turn_id", "string", "turn_id of the first turn that followed from it"),
    Column("created_at", "datetime64[ns, UTC]", "when it was decided"),
    Column("prompt_tokens", "Int64", "tokens read by the model for it"),
    Column("completion_tokens", "Int64", "tokens written by the model for it"),
    COST_USD,
    Column("took", "float64", "seconds the model calls took"),
    *KEYS,
)

INPUTS = (
    *HEAD,
    Column("source", "string", "who asked"),
    Column("input_id", "string", "the question's own id"),
    Column("prompt", "string", "the question"),
    Column("choices", "string", "answers offered, as a JSON list; missing where any answer will do"),
    Column("outcome", "category", "answered, open, or withdrawn because what asked is over", INPUT_OUTCOMES),
    Column("asked_at", "datetime64[ns, UTC]", "when the question was asked"),
    Column("answered_at", "datetime64[ns, UTC]", "when the answer came"),
    Column("answer", "string", "what was answered"),
    Column("by", "string", "the way the answer came"),
    Column("waited", "float64", "seconds until the answer came or the question was withdrawn; missing while open"),
    *KEYS,
)

DELIVERIES = (
    *HEAD,
    Column("message_id", "string", "the message's own id; its answer has the same"),
    Column("sort", "category", "send, publish, or the response to a send", ("send", "publish", "response")),
    Column("type", "string", "the message's class"),
    Column("sender", "string", "the agent that sent it, as type/key; missing for code outside of the runtime"),
    Column("recipient", "string", "the agent it was for; missing for code outside, or if nobody has it"),
    Column("topic", "string", "where it was published, as type/source"),
    Column("payload", "string", "the message as JSON"),
    Column("sent_at", "datetime64[ns, UTC]", "when it was given to the runtime"),
    Column("began_at", "datetime64[ns, UTC]", "when its handler began; when an answer arrived"),
    Column("waited", "float64", "seconds from sent_at to began_at"),
    Column("took", "float64", "seconds in its handler; missing if not over"),
    Column("outcome", "category", "what became of it", DELIVERY_OUTCOMES),
    ERROR,
    Column("by", "string", "the intervention handler that dropped or changed it; capacity, factory, sender, stop"),
    *KEYS,
)

RUN_OUTCOMES = ("done", "stopped", "failed", "running", "broken off", "damaged")

RUNS = (
    Column("run_id", "string", "the log's id"),
    STARTED_AT,
    Column("notebook", "string", "the notebook or script that made it"),
    Column("team", "string", "the team or agent"),
    Column("task", "string", "the beginning of what it was asked to do"),
    Column("model", "string", "the models that answered, in the order they first did"),
    Column("turns", "Int64", "outermost turns begun; one that broke off and was taken up again counts once"),
    Column("messages", "Int64", "chat messages said, without those taken back"),
    PROMPT_TOKENS,
    COMPLETION_TOKENS,
    Column("cost_usd", "float64", "US dollars at the prices when called; missing if that of a call is not known"),
    Column("seconds", "float64", "seconds it took; up to the last fact if it is not over"),
    Column(
        "outcome",
        "category",
        "how it ended; broken off: without an end, and nobody writes it; missing if no run was begun in it",
        RUN_OUTCOMES,
    ),
    Column("stop_reason", "string", "why it ended; what is wrong with the file of one that is damaged or has no facts"),
    Column("origin", "string", "run_id of the run it branches off"),
    Column("path", "string", "its file"),
    Column("facts", "Int64", "facts of its own; those before a branch are its origin's"),
    Column("size_bytes", "Int64", "bytes of its file, without values it may share with other runs"),
)

EXPENDABLE = (*RUNS, Column("why", "string", "the rule by which it goes"))

HITS = (
    Column("run_id", "string", "the log's id"),
    Column("seq", "Int64", "number of the fact in its log, from 1"),
    Column("kind", "category", "the fact's kind, as in tool.finished", KINDS),
    SOURCE,
    Column("snippet", "string", "the text round the hit, which is marked"),
    Column("created_at", "datetime64[ns, UTC]", "when it happened"),
    Column("path", "string", "the run's file"),
)


@dataclass(frozen=True, slots=True)
class Table:
    """One kind of table."""

    name: str
    row: str
    """What a row stands for."""
    columns: tuple[Column, ...]


TABLES = {
    table.name: table
    for table in (
        Table("messages", "a message or event that was said", MESSAGES),
        Table("turns", "a turn of an agent", TURNS),
        Table("events", "a fact of the log", EVENTS),
        Table("calls", "a call of a model or a tool", CALLS),
        Table("tools", "a call of a tool", TOOLS),
        Table("code", "a hand-over of code to an executor", CODE),
        Table("choices", "a choice of who speaks next", CHOICES),
        Table("inputs", "a question to a person", INPUTS),
        Table("deliveries", "a message of a runtime, for each of those it was for", DELIVERIES),
    )
}

_reported: set[str] = set()


def added(table: str) -> tuple[Column, ...]:
    """Return the columns that installed packages add to a table.

    One that cannot be used is reported by a `RuntimeWarning`, once, and left out.
    """
    found: dict[str, Column] = {}
    taken = {column.name for column in TABLES[table].columns}
    for name, value in plugins.declared(GROUP).items():
        fault = value if isinstance(value, Exception) else _unfit(value)
        if fault is None and table in value.tables and (value.name in taken or value.name in found):
            fault = f"the table {table!r} has a column {value.name!r} already"
        if fault is not None:
            report(name, str(fault))
        elif table in value.tables:
            found[value.name] = value
    return tuple(found.values())


def report(name: str, fault: str) -> None:
    """Say once that an added column cannot be used."""
    text = f"The column {name!r} of an installed package cannot be used: {fault}."
    if text not in _reported:
        _reported.add(text)
        warnings.warn(text, RuntimeWarning, stacklevel=5)


def _unfit(value: Any) -> str | None:
    if not isinstance(value, Column):
        return f"it is a {type(value).__name__}, not an agentnb.transcripts.Column"
    if value.of is None:
        return "it has no function `of` to make its values"
    if value.dtype not in get_args(Dtype):
        return f"its dtype {value.dtype!r} is none of {', '.join(get_args(Dtype))}"
    if value.dtype == "category" and not value.categories:
        return "it is a category without its categories; where not all values are known beforehand, make it a string"
    unknown = [name for name in value.tables if name not in TABLES]
    return f"there is no table {unknown[0]!r} (known: {', '.join(TABLES)})" if unknown else None
