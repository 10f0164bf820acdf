"""Tables in files: Parquet, Feather (Arrow), CSV and lines of JSON, chosen by the file's name."""

from __future__ import annotations

import csv
import importlib
import json
import os
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from agentnb.core import well_formed
from agentnb.exceptions import MissingExtra, UserError
from agentnb.runlog.given import path_of
from agentnb.transcripts.accessor import AgentsAccessor, register
from agentnb.transcripts.columns import Column
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
        table: A data frame, or what `to_df` makes one of.
        path: Ends in `.parquet`, `.feather`, `.arrow`, `.csv`, `.jsonl` or `.ndjson`. Parquet and Arrow keep every
            dtype by themselves; of the other two, `load` gives them back. CSV cannot tell an empty text from a missing
            one.
        kind: The table to make of logs.

    Raises:
        UserError: If the suffix is none of these, the file cannot be written, or something given is no log.
        MissingExtra: If pyarrow is not installed and the format needs it.
    """
    import pandas as pd

    path = path_of(path, "The file for a table")
    form = _form(path)
    df = table if isinstance(table, pd.DataFrame) else to_df(table, kind)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        written = Path(name)
        try:
            form.write(df.reset_index(drop=True), written)
            written.chmod(0o666 & ~_umask())
            written.replace(path)
        finally:
            written.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"The table cannot be written to {path}: {error.strerror or error}.") from error
    return path


def load(path: str | Path) -> pd.DataFrame:
    """Read a table that `save` wrote, with the dtypes its columns are declared with.

    Columns of other names keep the dtype that pandas finds for them.

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
    try:
        return _typed(df)
    except AttributeError as error:
        raise UserError(f"{path} holds no table of agentnb: {error}") from error
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} holds a value that does not fit its column: {error}.") from error


class _Form(NamedTuple):
    write: Callable[[pd.DataFrame, Path], None]
    read: Callable[[Path], pd.DataFrame]
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


def _typed(df: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the declared dtypes."""
    register()
    columns = {column.name: column for column in declared_columns(AgentsAccessor(df).table)}
    return df.assign(
        **{name: _restored(columns[name], df[name]) for name in df.columns if name in columns and len(df.columns)}
    )


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

    # All as text first: a column of numbers with gaps would else become floats, and "NA" a missing value.
    return pd.read_csv(
        path, dtype="string", keep_default_na=False, na_values=[""], encoding="utf-8", lineterminator="\n"
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
    return pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype="object") for name in names})


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


_ARROW = _Form(_write_arrow, _read_arrow, needs_arrow=True)
_LINES = _Form(_write_lines, _read_lines)
_FORMS = {
    ".parquet": _Form(_write_parquet, _read_parquet, needs_arrow=True),
    ".feather": _ARROW,
    ".arrow": _ARROW,
    ".csv": _Form(_write_csv, _read_csv),
    ".jsonl": _LINES,
    ".ndjson": _LINES,
}
