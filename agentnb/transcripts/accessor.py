"""What one asks of a table again and again, as `df.agents`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentnb.exceptions import UnknownName, UserError
from agentnb.transcripts.columns import HEAD, KEYS, TABLES
from agentnb.transcripts.rows import declared_columns
from agentnb.transcripts.said import AGAIN

if TYPE_CHECKING:
    import pandas as pd

_IDS = ("run_id", "seq", "event_id")
_KNOWN = "joins"
"""A column that is there while two tables are joined."""

_KEYS: dict[tuple[str, str], tuple[str, str]] = {
    ("tools", "calls"): ("model_event_id", "event_id"),
    ("calls", "choices"): ("choice_id", "event_id"),
    ("choices", "calls"): ("event_id", "choice_id"),
    ("turns", "choices"): ("turn_id", "next_turn_id"),
    ("choices", "turns"): ("next_turn_id", "turn_id"),
}
"""For two tables, the columns that join them besides `run_id`, where it is not the id both have."""


class AgentsAccessor:
    """A table of agentnb, as `df.agents`.

    ```python
    to_df(log, "calls").agents.cost()
    to_df(log, "turns").agents.transitions()
    ```

    Rows that a branch shares with the log it came from count once, however many logs the table was made of.

    Raises:
        AttributeError: If the frame is no table of agentnb: `run_id`, `seq` or `event_id` is missing.
    """

    def __init__(self, df: pd.DataFrame) -> None:
        missing = [name for name in _IDS if name not in df.columns]
        if missing:
            raise AttributeError(
                f"`.agents` needs a table made by agentnb.transcripts.to_df, in no other style; this frame has no "
                f"{', '.join(missing)}."
            )
        self._df = df

    @property
    def table(self) -> str:
        """The kind of table it is, as in "messages"; found by its columns, of which some may have been dropped."""
        names = set(self._df.columns)
        head = {column.name for column in (*HEAD, *KEYS)}

        def fit(table: str) -> int:
            own = {column.name for column in TABLES[table].columns} - head
            return 2 * len(own & names) - len(own)

        return max(TABLES, key=fit)

    def cost(self, by: Sequence[str] | None = None) -> pd.DataFrame:
        """Sum tokens and money, of a table of calls, turns, messages, choices or events.

        Args:
            by: Column names to group on, outermost first; "model" is the name of the model, which calls have. Default:
                who, and the model where the table knows it.

        Returns:
            One row per group that spent tokens or money: the columns of `by`, `n` (rows), `prompt_tokens`,
            `completion_tokens` (counts), `cost_usd` (US dollars, of the rows whose price is known; missing if none is)
            and `unpriced` (rows with tokens but without a price).

        Raises:
            UnknownName: If the table has no such column.
        """
        df = self._once("prompt_tokens", "completion_tokens", "cost_usd")
        if by is None:
            by = ("source", "model") if self.table == "calls" or "model" in df.columns else ("source",)
        by = _listed(by)
        if "model" in by and "model" not in df.columns and self.table == "calls":
            df = df[df["kind"] == "model"].assign(model=df["name"])
        self._check(by, df, hint="`to_df(log, 'calls')` knows the models; of other tables, try by=('source',)")
        spent = df["prompt_tokens"].notna() | df["completion_tokens"].notna() | df["cost_usd"].notna()
        df = df[spent].assign(
            unpriced=lambda rows: (
                rows["cost_usd"].isna() & (rows["prompt_tokens"].fillna(0) + rows["completion_tokens"].fillna(0) > 0)
            )
        )
        groups = df.groupby(list(by), observed=True, dropna=False, sort=True)
        sums: pd.DataFrame = groups[["prompt_tokens", "completion_tokens", "cost_usd"]].sum(min_count=1)
        sums.insert(0, "n", groups.size().astype("Int64"))
        sums["unpriced"] = groups["unpriced"].sum().astype("Int64")
        return sums.reset_index()

    def turn_share(self, by: Sequence[str] = ()) -> pd.DataFrame:
        """Count who had the word how often, of a table of turns, events or messages.

        A turn that broke off and was taken up again counts once.

        Args:
            by: Column names within which shares are taken, such as ("run_id",) or ("team",).

        Returns:
            One row per agent, in falling order: the columns of `by`, `source`, `turns` and `share` (of 1).
        """
        turns = self._turns()
        by = _listed(by)
        self._check(by, turns)
        groups = turns.groupby([*by, "source"], observed=True, dropna=False)
        counts = groups.size().rename("turns").astype("Int64").reset_index()
        whole = counts.groupby(list(by), observed=True, dropna=False)["turns"].transform("sum") if by else len(turns)
        counts["share"] = (counts["turns"] / whole).astype("float64")
        falling = [True] * len(by) + [False, True]
        return counts.sort_values([*by, "turns", "source"], ascending=falling, ignore_index=True)

    def transitions(self, *, normalize: bool = False) -> pd.DataFrame:
        """Count who spoke after whom, of a table of turns, events or messages.

        A turn's successor is the next turn of the same run; turns of a team within a turn are a run of their own.

        Args:
            normalize: Give each row's shares, which sum to 1, instead of counts.

        Returns:
            A square frame: who had the word (index `source`) by who had it next (columns `next`).
        """
        import pandas as pd

        turns = self._turns()
        keys = [turns["run_id"], turns["conversation"]]
        after = turns["source"].astype("string").groupby(keys, dropna=False).shift(-1)
        names = pd.Index(sorted(turns["source"].dropna().astype(str).unique()), name="source")
        pairs = pd.DataFrame({"source": turns["source"].astype("string"), "next": after}).dropna()
        counts = pairs.groupby(["source", "next"]).size().unstack(fill_value=0) if len(pairs) else pd.DataFrame()
        matrix = counts.reindex(index=names, columns=names.rename("next"), fill_value=0).astype("int64")
        if not normalize:
            return matrix
        return matrix.div(matrix.sum(axis=1).where(lambda sums: sums > 0), axis=0)

    def join(self, other: pd.DataFrame, *, on: str | None = None, how: Any = "left") -> pd.DataFrame:
        """Put another table's columns beside these rows, by the ids the two have in common.

        Tools find the model call that asked for them, model calls the choice they were made for, choices the turn that
        followed, and every row its turn or its fact; a turn finds all its rows.

        Args:
            other: Another table of agentnb; its columns that both have get its name as a suffix, as in `took_turns`.
            on: The column to join on, besides `run_id`; default: by the kinds of the two.
            how: As in `pandas.merge`.

        Raises:
            UserError: If nothing joins the two.
        """
        if not hasattr(other, "merge"):
            raise UserError(
                f"Only a table of agentnb can be joined, not {type(other).__name__}: {other!r:.80}. "
                "Make one, as in to_df(log, 'turns')."
            )
        theirs = other.agents  # which says what is missing
        left, right = (on, on) if on else self._keys(theirs.table)
        for frame, name in ((self._df, left), (other, right)):
            self._check((name,), frame)
        # pandas pairs what is missing with what is missing: what is in no turn is in the turn of nothing else.
        joined: pd.DataFrame = self._df.assign(**{_KNOWN: self._df[left].notna().map({True: 1, False: 0})}).merge(
            other.assign(**{_KNOWN: other[right].notna().map({True: 1, False: 2})}),
            how=how,
            left_on=["run_id", left, _KNOWN],
            right_on=["run_id", right, _KNOWN],
            suffixes=("", f"_{theirs.table}"),
        )
        return joined.drop(columns=_KNOWN)

    def describe(self) -> pd.DataFrame:
        """Say what the columns are.

        Returns:
            One row per column: `column`, `dtype`, `missing` (rows without a value), `values` (different ones) and
            `meaning`, which is missing for columns that are not agentnb's.
        """
        import pandas as pd

        meanings = {column.name: column.meaning for column in declared_columns(self.table)}
        df = self._df
        return pd.DataFrame(
            {
                "column": pd.array(list(df.columns), dtype="string"),
                "dtype": pd.array([str(dtype) for dtype in df.dtypes], dtype="string"),
                "missing": df.isna().sum().to_numpy(),
                "values": [df[name].nunique() for name in df.columns],
                "meaning": pd.array([meanings.get(name) for name in df.columns], dtype="string"),
            }
        )

    def save(self, path: str | Path) -> Path:
        """Write the table to a file, as `agentnb.transcripts.save` does."""
        from agentnb.transcripts.tables import save

        return save(self._df, path)

    def _keys(self, theirs: str) -> tuple[str, str]:
        ours = self.table
        if (ours, theirs) in _KEYS:
            return _KEYS[ours, theirs]
        if theirs == "turns" or (ours == "turns" and theirs != "events"):
            return "turn_id", "turn_id"
        if ours != theirs and (theirs == "events" or ours == "events" or {ours, theirs} == {"calls", "tools"}):
            return "event_id", "event_id"
        raise UserError(
            f"A table of {ours} and one of {theirs} have no row in common. Say what joins them, as in on='turn_id', "
            "which pairs the rows of one turn."
        )

    def _once(self, *needed: str) -> pd.DataFrame:
        self._check(needed, self._df)
        return self._df.drop_duplicates("event_id")

    def _turns(self) -> pd.DataFrame:
        """Return one row per turn, in order, with its run in `conversation`."""
        df = self._once("turn_id", "source")
        table = self.table
        if table == "turns":
            return _without_broken(df).assign(conversation=df["parent_id"])
        if table == "events":
            self._check(("kind",), df)
            began = df[df["kind"] == "turn.started"]
            if "text" in began.columns:
                began = began.assign(again=began["text"].str.extract(f"{AGAIN}(\\d+)$", expand=False).astype("Int64"))
            began = _without_broken(began)
            return began.assign(conversation=began["parent_id"])
        if table != "messages":
            raise UserError(f"A table of {table} does not tell who had the word: use `to_df(log, 'turns').agents`.")
        spoken = df[df["turn_id"].notna()].drop_duplicates("turn_id")
        # A team within a turn begins anew each time it has the word: its turns have numbers it had before.
        runs = [name for name in ("run_id", "run", "team", "depth") if name in spoken.columns]
        again = spoken.groupby([*runs, "turn"], dropna=False).cumcount() if "turn" in spoken.columns else 0
        spoken = spoken.assign(conversation=again)
        return spoken.assign(conversation=spoken.groupby([*runs, "conversation"], dropna=False).ngroup())

    def _check(self, names: Sequence[str], df: pd.DataFrame, *, hint: str = "") -> None:
        missing = [name for name in names if name not in df.columns]
        if missing:
            known = ", ".join(map(str, df.columns))
            raise UnknownName(
                f"The table of {self.table} has no column {missing[0]!r} (it has {known})."
                + (f" {hint}." if hint else "")
            )


def _without_broken(turns: pd.DataFrame) -> pd.DataFrame:
    """Return turns without those that another one takes up again."""
    import numpy as np

    if "again" not in turns.columns:
        return turns
    again = turns.loc[turns["again"].notna(), ["run_id", "again"]]
    broken = set(zip(again["run_id"], again["again"], strict=True))
    kept = [key not in broken for key in zip(turns["run_id"], turns["seq"], strict=True)]
    return turns[np.array(kept, dtype="bool")]


def _listed(by: Any) -> tuple[str, ...]:
    if isinstance(by, str):
        return (by,)
    if not isinstance(by, Iterable):
        raise UserError(f"by={by!r:.80} names no columns; give them in a list, as in by=['source'].")
    return tuple(by)


def register() -> None:
    """Give data frames their `agents`; done when the first table is made, so that nothing imports pandas before."""
    import pandas as pd

    if not hasattr(pd.DataFrame, "agents"):
        pd.api.extensions.register_dataframe_accessor("agents")(AgentsAccessor)
