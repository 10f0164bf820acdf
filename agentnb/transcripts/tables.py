"""Tables in files: Parquet, Feather (Arrow), CSV and lines of JSON, chosen by the file's name."""

from __future__ import annotations

import csv
import importlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from agentnb.core import well_formed
from agentnb.exceptions import MissingExtra, UserError
from agentnb.runlog.given import path_of
from agentnb.transcripts.accessor import register
from agentnb.transcripts.columns import EXPENDABLE, HEAD, HITS, KEYS, RUNS, TABLES, Column
from agentnb.transcripts.frames import to_df
from agentnb.transcripts.rows import Logs, array, declared_columns

if TYPE_CHECKING:
    import pandas as pd


def save(table: pd.DataFrame | Logs, path: str | Path, kind: str = "messages") -> Path:
    """Write a table to a file and return its path; a file of that name is replaced once the new one is whole.

    ```python
    save(log, "turns.csv", "turns")
    ```

    Args:
        table: A data frame, or what `to_df` makes one of. An index that says something, as that of a pivot, becomes
            columns; row numbers are left out.
        path: Ends in `.parquet`, `.feather`, `.arrow`, `.csv`, `.jsonl` or `.ndjson`. Parquet and Arrow keep every
            dtype by themselves; of the other two, `load` gives them back. CSV cannot tell an empty text from a missing
            one.
        kind: The table to make of logs.

    Raises:
        UserError: If the suffix is none of these, two columns have one name, the file cannot be written, or something
            given is no log.
        MissingExtra: If pyarrow is not installed and the format needs it.
    """
    import pandas as pd

    path = path_of(path, "The file for a table")
    form = _form(path)
    df = _flat(table if isinstance(table, pd.DataFrame) else to_df(table, kind))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        written = Path(name)
        try:
            form.write(df, written)
            written.chmod(0o666 & ~_umask())
            written.replace(path)
        finally:
            written.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"The table cannot be written to {path}: {error.strerror or error}.") from error
    return path


def load(path: str | Path) -> pd.DataFrame:
    """Read a table that `save` wrote, with the dtypes its columns are declared with.

    It may be any of `docs/columns.md`, two that were joined, or some of their rows and columns. Columns of other names
    keep the dtype that pandas finds for them.

    Raises:
        UserError: If the suffix is none of those `save` knows, or the file cannot be read or holds no such table.
        MissingExtra: If pyarrow is not installed and the format needs it.
    """
    path = path_of(path, "The file of a table")
    form = _form(path)
    try:
        df = form.read(path)
    except OSError as error:
        raise UserError(f"The table {path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:  # also what pyarrow and pandas raise for a damaged file
        raise UserError(f"{path} holds no table of its format: {error}.") from error
    columns = _declared(df.columns)
    if not columns:
        raise UserError(
            f"{path} holds no table of agentnb: none of its columns names a run. pandas reads what was made of one, "
            f"such as a sum: {form.pandas}."
        )
    try:
        return _typed(df, columns)
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} holds a value that does not fit its column: {error}.") from error


class _Form(NamedTuple):
    write: Callable[[pd.DataFrame, Path], None]
    read: Callable[[Path], pd.DataFrame]
    pandas: str
    """How pandas reads it."""
    needs_arrow: bool = False


def _form(path: Path) -> _Form:
    form = _FORMS.get(path.suffix.lower())
    if form is None:
        raise UserError(f"No format for {path.name!r}: its name must end in one of {', '.join(_FORMS)}.")
    if form.needs_arrow:
        try:
            importlib.import_module("pyarrow")
        except ImportError as error:
            raise MissingExtra(
                f"A {path.suffix} file needs pyarrow: pip install 'agentnb-toolkit[tables]'. "
                "Files ending in .csv or .jsonl do without."
            ) from error
    return form


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _flat(df: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose rows have no names, and whose columns have one each."""
    import pandas as pd

    # Several levels, as of a pivot of several values, become one; a category takes no more columns.
    names = ["_".join(map(str, name)) if isinstance(name, tuple) else str(name) for name in df.columns]
    df = df.set_axis(names, axis=1)
    known = [name for name in df.index.names if name in names]
    df = df.reset_index(level=known, drop=True) if known else df
    numbers = df.index.names == [None] and pd.api.types.is_integer_dtype(df.index)
    df = df.reset_index(drop=numbers)
    twice = sorted({name for name in df.columns if list(df.columns).count(name) > 1})
    if twice:
        raise UserError(f"The table has several columns named {', '.join(map(repr, twice))}. Rename or drop them.")
    return df


def _declared(names: Iterable[Any]) -> dict[str, Column]:
    """Return the declared columns that a table has, by name; none if it is no table of agentnb."""
    from agentnb.transcripts.diff import DIFF
    from agentnb.transcripts.foreign import FOREIGN

    names = [str(name) for name in names]
    if _IDS.isdisjoint(names):
        return {}
    shared = {column.name for column in (*HEAD, *KEYS)}
    styles = [columns for tables in FOREIGN.values() for columns in tables.values()]
    tables = [*(declared_columns(table) for table in TABLES), RUNS, EXPENDABLE, HITS, DIFF, *styles]

    def fit(columns: Sequence[Column]) -> int:
        own = {column.name for column in columns} - shared
        return 2 * len(own & set(names)) - len(own)

    # The table it is, and behind it one that was joined to it: then columns that both have got the other one's name.
    first, *others = sorted(tables, key=fit, reverse=True)
    whole = [first, *(table for table in others if fit(table) > 0)]
    columns = {column.name: column for table in reversed(whole) for column in table}
    joined = {f"{column.name}_{table}": column for table in TABLES for column in declared_columns(table)}
    found = {name: columns.get(name) or joined.get(name) for name in names}
    return {name: column for name, column in found.items() if column is not None}


_IDS = frozenset({"run_id", "left_run_id", "eval_id", "context.trace_id"})
"""Columns of which each table has one."""


def _typed(df: pd.DataFrame, columns: Mapping[str, Column]) -> pd.DataFrame:
    """Return a table with the declared dtypes."""
    register()
    return df.assign(**{name: _restored(column, df[name]) for name, column in columns.items()})


def _restored(column: Column, values: pd.Series[Any]) -> Any:
    import pandas as pd

    is_category = isinstance(values.dtype, pd.CategoricalDtype)
    if str(values.dtype) == column.dtype and not is_category:
        return values
    if column.dtype == "datetime64[ns, UTC]":
        return pd.to_datetime(values, utc=True, format="ISO8601").astype("datetime64[ns, UTC]")
    known = values.astype("object").where(values.notna(), None).tolist()
    match column.dtype:
        case "Int64":
            known = [None if value is None else int(value) for value in known]
        case "boolean":
            known = [None if value is None else _TRUTH[str(value)] for value in known]
        case "float64":
            known = [None if value is None else float(value) for value in known]
        case "category":
            # Values of a later version are kept; those of this one stay known where they do not occur.
            more = sorted({*known} - {None, *column.categories})
            return pd.Categorical(known, categories=pd.Index([*column.categories, *more], dtype="str"))
    return array(column, known)


_TRUTH = {"True": True, "False": False, "true": True, "false": False}


def _write_csv(df: pd.DataFrame, path: Path) -> None:
    # Every text stands in quotes: only so a line end or a comma in it is surely no other field.
    texts = df.assign(
        **{str(name): values.map(_plain, na_action="ignore") for name, values in df.items() if _is_text(values)}
    )
    texts.to_csv(path, index=False, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n", encoding="utf-8")


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    # Ours as text first: a column of numbers with gaps would else become floats, and "NA" a missing value.
    names = pd.read_csv(path, nrows=0, encoding="utf-8", lineterminator="\n").columns
    return pd.read_csv(
        path,
        dtype=dict.fromkeys(_declared(names), "string"),
        keep_default_na=False,
        na_values=[""],
        encoding="utf-8",
        lineterminator="\n",
    )


def _write_lines(df: pd.DataFrame, path: Path) -> None:
    names = [str(name) for name in df.columns]
    lists = [values.astype("object").where(values.notna(), None).tolist() for _, values in df.items()]
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in zip(*lists, strict=True):
            record = {name: _plain(value) for name, value in zip(names, row, strict=True)}
            file.write(json.dumps(record, ensure_ascii=False, default=str) + "\n")
        if not len(df):
            file.write(json.dumps(dict.fromkeys(names)) + "\n")


def _read_lines(path: Path) -> pd.DataFrame:
    import pandas as pd

    with path.open(encoding="utf-8", newline="\n") as file:
        records = [json.loads(line) for line in file]
    if not all(isinstance(record, dict) for record in records):
        raise ValueError("a line is no JSON object")
    names = list(dict.fromkeys(name for record in records for name in record))
    # A table without rows is written as one row without values, so that its columns are known.
    rows = [record for record in records if len(records) > 1 or any(value is not None for value in record.values())]
    columns = {name: pd.Series([row.get(name) for row in rows], dtype="object") for name in names}
    ours = _declared(names)
    return pd.DataFrame({name: each if name in ours else each.infer_objects() for name, each in columns.items()})


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return well_formed(value)
    return value.isoformat() if isinstance(value, datetime) else value


def _is_text(values: pd.Series[Any]) -> bool:
    return str(values.dtype) in ("object", "str", "string", "category") or str(values.dtype).startswith("datetime64")


def _write_parquet(df: pd.DataFrame, path: Path) -> None:
    df.to_parquet(path, engine="pyarrow", index=False)


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(path, engine="pyarrow")


def _write_arrow(df: pd.DataFrame, path: Path) -> None:
    df.to_feather(path)


def _read_arrow(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_feather(path)


_ARROW = _Form(_write_arrow, _read_arrow, "pandas.read_feather(path)", needs_arrow=True)
_LINES = _Form(_write_lines, _read_lines, "pandas.read_json(path, lines=True)")
_FORMS = {
    ".parquet": _Form(_write_parquet, _read_parquet, "pandas.read_parquet(path)", needs_arrow=True),
    ".feather": _ARROW,
    ".arrow": _ARROW,
    ".csv": _Form(_write_csv, _read_csv, "pandas.read_csv(path)"),
    ".jsonl": _LINES,
    ".ndjson": _LINES,
}
