"""The columns of every table as a page of Markdown: `python -m agentnb.transcripts.reference > docs/columns.md`."""

from __future__ import annotations

from collections.abc import Sequence

from agentnb.transcripts.columns import EXPENDABLE, HEAD, HITS, KEYS, RUNS, TABLES, Column
from agentnb.transcripts.diff import DIFF
from agentnb.transcripts.foreign import FOREIGN

_INTRO = """\
# Tables and their columns

`to_df(log, "turns")` makes a table of a log, or of several. Times are UTC, durations seconds, tokens counts as the
server reported them, money US dollars at the price when called. A missing value means: not known, or there is none.

All tables of one kind have the same columns and dtypes, also when they are empty, so `pandas.concat` puts them
together and keeps every dtype: a category has all its values from the beginning, and names that anybody may choose,
such as those of agents, tools and models, are strings. `df.agents.describe()` shows the same about a table at hand.
"""

_JOINS = """\
`run_id` and `event_id` join a row with its fact in `events`; `turn_id` joins it with its turn in `turns`. Tools find
the model call that asked for them by `model_event_id`, model calls the choice of a speaker they were made for by
`choice_id`, choices the turn that followed by `next_turn_id`. `df.agents.join(other)` does each of these. A branch
shares its first facts with another log: in a table of both, leave out the rows where `is_shared`.
"""


_LIBRARY = (
    ("runs()", "`agentnb.runs()` lists the runs of a folder. A row is a run's file.", RUNS),
    ("search()", "`agentnb.search(text)` finds what was said and done in them. A row is a fact with the words.", HITS),
    (
        "keep_runs()",
        "`agentnb.keep_runs(newest=200)` says which runs are beyond a measure. A row is a run that goes, or went.",
        EXPENDABLE,
    ),
    ("diff()", "`agentnb.diff(left, right).to_df()` sets two runs side by side. A row is a step of one or both.", DIFF),
)


def page() -> str:
    """Return the page."""
    parts = [_INTRO, "## Every table\n", "At its beginning:\n", _listed(HEAD), "At its end:\n", _listed(KEYS), _JOINS]
    for table in TABLES.values():
        parts += [f"## {table.name}\n", f"A row is {table.row}.\n", _listed(table.columns[len(HEAD) : -len(KEYS)])]
    for name, about, columns in _LIBRARY:
        parts += [f"## {name}\n", f"{about}\n", _listed(columns)]
    for style, tables in FOREIGN.items():
        for name, columns in tables.items():
            parts += [f'## {name}, style="{style}"\n', _listed(columns)]
    return "\n".join(parts)


def _listed(columns: Sequence[Column]) -> str:
    lines = ["| column | dtype | meaning |", "| --- | --- | --- |"]
    lines += [f"| `{column.name}` | {column.dtype} | {column.meaning} |" for column in columns]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
