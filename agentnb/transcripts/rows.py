"""Rows put together to a table with the declared columns and dtypes."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from agentnb.core import well_formed
from agentnb.runlog import Event, RunLog, logs_of
from agentnb.runlog.given import Logs as Logs
from agentnb.runlog.plain import are_plain_times
from agentnb.transcripts.columns import HEAD, KEYS, TABLES, Column, added, report
from agentnb.transcripts.places import Place, Places, Scan, shared_facts

if TYPE_CHECKING:
    import pandas as pd

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NO_TIME = -(2**63)


class Rows:
    """The rows of one kind of table, of one log after the other."""

    def __init__(self, table: str) -> None:
        self._table = TABLES[table]
        self._places = Places()
        self._logs: list[tuple[str, int, int]] = []
        self._events: list[Event] = []
        self._ids: list[str] = []
        self._seqs: list[int] = []
        self._parents: list[str | None] = []
        self._at: list[Place] = []
        self._values: list[tuple[Any, ...]] = []
        self._lists: list[list[Any]] = [[] for _ in self._own()]

    def walk(self, logs: Logs) -> Iterator[tuple[RunLog, Scan]]:
        """Yield each log with what was read of its facts; the rows added meanwhile are that log's."""
        for log in logs_of(logs, "A table"):
            before = len(self._events)
            yield log, self._places.scan(log.events)
            self._logs.append((log.id, len(self._events) - before, shared_facts(log)))

    def add(self, event: Event, place: Place, *values: Any) -> None:
        """Add a row: the fact it is about, where that stands, and the values of the table's own columns."""
        self._events.append(event)
        self._ids.append(event.id)
        self._seqs.append(event.seq)
        self._parents.append(event.parent)
        self._at.append(place)
        self._values.append(values)

    def extend(self, events: Sequence[Event], scan: Scan, values: Iterable[Iterable[Any]]) -> None:
        """Add a row for each fact of a log, given column by column: for tables of many rows."""
        self._events += events
        self._ids += scan.heads.ids
        self._seqs += scan.heads.seqs
        self._parents += scan.heads.parents
        self._at += scan.places
        for column, more in zip(self._lists, values, strict=True):
            column.extend(more)

    def parent(self, event_id: str | None) -> None:
        """Let the last row have another `parent_id` than its fact has."""
        self._parents[-1] = event_id

    def frame(self) -> pd.DataFrame:
        """Return the table."""
        import pandas as pd

        from agentnb.transcripts.accessor import register

        register()
        lists: Iterable[Sequence[Any]] = zip(*self._values, strict=True) if self._values else self._lists
        places = self._where()
        arrays = {column.name: places[column.name] for column in HEAD}
        arrays |= {column.name: array(column, values) for column, values in zip(self._own(), lists, strict=True)}
        arrays |= {column.name: places[column.name] for column in KEYS}
        arrays |= self._added()
        return pd.DataFrame(arrays, copy=False)

    def _own(self) -> Sequence[Column]:
        return self._table.columns[len(HEAD) : -len(KEYS)]

    def _where(self) -> dict[str, Any]:
        import numpy as np

        columns = {column.name: column for column in (*HEAD, *KEYS)}
        counts = np.array([count for _, count, _ in self._logs], dtype="int64")
        at = np.array([place.number for place in self._at], dtype="int64")
        seq = np.array(self._seqs, dtype="int64")
        made: dict[str, Any] = {}
        for name, column in columns.items():
            match name:
                case "run_id":
                    made[name] = array(column, [run for run, _, _ in self._logs]).take(
                        np.repeat(np.arange(len(counts)), counts)
                    )
                case "seq":
                    made[name] = _integer(column, seq)
                case "event_id":
                    made[name] = array(column, self._ids)
                case "parent_id":
                    made[name] = array(column, self._parents)
                case "is_shared":
                    shared = np.repeat(np.array([until for _, _, until in self._logs], dtype="int64"), counts)
                    made[name] = _boolean(column, seq <= shared)
                case _:
                    # A turn's facts have these in common: looked up once for each place, then handed out by its number.
                    values = [getattr(place, name) for place in self._places.all]
                    made[name] = array(column, values).take(at)
        return made

    def _added(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for column in added(self._table.name):
            values = _values(column, self._events)
            try:
                made[column.name] = array(column, values)
            except Exception as error:  # a plugin's values may be anything
                report(column.name, f"its values are no {column.dtype}: {type(error).__name__}: {error}")
                made[column.name] = array(column, [None] * len(self._events))
        return made


def _values(column: Column, events: Sequence[Event]) -> list[Any]:
    values: list[Any] = []
    for event in events:
        try:
            values.append(column.of(event) if column.of else None)
        except Exception as error:  # a plugin's function may raise anything
            report(column.name, f"it failed for a fact of kind {event.kind!r}: {type(error).__name__}: {error}")
            return [None] * len(events)
    return values


def frame(columns: Sequence[Column], data: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """Put lists of values together as a table with the declared columns and dtypes.

    Args:
        columns: What the table looks like.
        data: One list per column, all of one length; None is a missing value.
    """
    import pandas as pd

    return pd.DataFrame({column.name: array(column, data[column.name]) for column in columns})


def array(column: Column, values: Sequence[Any]) -> Any:
    """Return values, a list or tuple, as an array of the column's dtype; None is a missing value."""
    return _MAKERS[column.dtype](column, values)


def _category(column: Column, values: Sequence[Any]) -> Any:
    import numpy as np
    import pandas as pd

    try:
        occurring = set(values)
    except TypeError as error:
        raise TypeError(f"The values of {column.name} are no texts: {error}.") from error
    # With a dtype: two tables are put together without losing it only if their categories are the very same.
    index = pd.Index(column.categories, dtype="str")
    codes: dict[Any, int] = dict.fromkeys(occurring, -1) | {name: code for code, name in enumerate(column.categories)}
    found = np.fromiter(map(codes.__getitem__, values), dtype="int32", count=len(values))
    return pd.Categorical.from_codes(found, categories=index)


def _time(_: Column, values: Sequence[Any]) -> Any:
    import numpy as np
    import pandas as pd

    since = [_NO_TIME if value is None else value if type(value) is int else _since(value) for value in values]
    found = np.array(since, dtype="int64").view("datetime64[us]")
    return pd.DatetimeIndex(found.astype("datetime64[ns]")).tz_localize("UTC").array


def _since(at: datetime) -> int:
    # Ten times as fast as letting numpy look at each of them; exact, unlike `timestamp()`.
    return (at - _EPOCH) // _MICROSECOND


def stamps(events: Sequence[Event], scan: Scan) -> list[int]:
    """Return when facts happened, in microseconds since 1970, which a column of times takes too.

    For tables of very many facts: those that nobody has looked at yet are not asked one by one.
    """
    import numpy as np

    times: Sequence[Any] = scan.heads.times
    with suppress(ValueError):  # one is no time: the fact itself says so
        if are_plain_times(times):
            return np.array([at[:-1] for at in times], dtype="datetime64[us]").view("int64").tolist()  # type: ignore[no-any-return]
    return [at // 1000 if type(at) is int else _since(event.at) for event, at in zip(events, times, strict=True)]


def _integer(_: Column, values: Any) -> Any:
    import numpy as np
    import pandas as pd

    if isinstance(values, np.ndarray):
        return pd.arrays.IntegerArray(values, np.zeros(len(values), dtype="bool"))
    missing = np.array([value is None for value in values], dtype="bool")
    try:
        known = np.array([0 if value is None else value for value in values] if missing.any() else values, "int64")
    except OverflowError:
        # Of a damaged file: what no such column can hold is not known.
        return _integer(_, [None if value is None or abs(value) >= 2**63 else value for value in values])
    return pd.arrays.IntegerArray(known, missing)


def _float(_: Column, values: Sequence[Any]) -> Any:
    import numpy as np

    return np.array(values, dtype="float64")


def _boolean(_: Column, values: Any) -> Any:
    import numpy as np
    import pandas as pd

    return pd.array(values if isinstance(values, np.ndarray) else list(values), dtype="boolean")


def _string(_: Column, values: Sequence[Any]) -> Any:
    import pandas as pd

    arrow = _arrow()
    if arrow is not None:
        try:
            # What pandas makes of it in the end, at a third of its price.
            return pd.array(arrow.array(values, type=arrow.large_string()), dtype="string")
        except (TypeError, ValueError):
            pass  # a value that is no text, or no well-formed one
    try:
        return pd.array(list(values), dtype="string")
    except UnicodeEncodeError:
        mended = [well_formed(value) if isinstance(value, str) else value for value in values]
        return pd.array(mended, dtype="string")


@cache
def _arrow() -> Any:
    """Return the pyarrow module if pandas keeps its texts with it."""
    import pandas as pd

    try:
        if pd.StringDtype().storage != "pyarrow":
            return None
        return importlib.import_module("pyarrow")
    except ImportError:
        return None


_MAKERS: Mapping[str, Callable[[Column, Sequence[Any]], Any]] = {
    "category": _category,
    "datetime64[ns, UTC]": _time,
    "Int64": _integer,
    "float64": _float,
    "boolean": _boolean,
    "string": _string,
}


@cache
def declared_columns(table: str) -> tuple[Column, ...]:
    """Return a table's columns, those that installed packages add last."""
    return (*TABLES[table].columns, *added(table))
