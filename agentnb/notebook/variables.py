"""What agents are told about the variables of `--with`: in few words, with a few example rows."""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from agentnb.core import well_formed

LIMIT = 1500
"""Characters about one variable."""
ROWS = 3
CELL = 24

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 200
_short.maxlist = _short.maxtuple = _short.maxset = _short.maxdict = 10


def describe(variables: Mapping[str, Any]) -> str:
    """Describe variables for a model.

    Data frames and series: shape, columns with dtype and missing values, three rows, long cells cut. Others: type,
    length and a short `repr`. At most 1,500 characters a variable.
    """
    return well_formed("\n\n".join(_describe(name, value) for name, value in variables.items()))


def summarize(variables: Mapping[str, Any]) -> str:
    """Describe variables for a person, in one line: `penguins: DataFrame, 344 × 7`."""
    return "; ".join(f"{name}: {_kind(value)}" for name, value in variables.items())


def _frame(value: Any) -> Any:
    pandas = sys.modules.get("pandas")
    if pandas is None:
        return None
    if isinstance(value, pandas.Series):
        return value.to_frame()
    return value if isinstance(value, pandas.DataFrame) else None


def _kind(value: Any) -> str:
    shape = getattr(value, "shape", None)
    name = type(value).__name__
    if isinstance(shape, tuple) and shape:
        return f"{name}, {' × '.join(map(str, shape))}"
    try:
        return f"{name}, length {len(value)}"
    except TypeError:
        return name


def _describe(name: str, value: Any) -> str:
    frame = _frame(value)
    if frame is None:
        return _cut(f"The variable `{name}` ({_kind(value)}):\n{_short.repr(value)}", LIMIT)
    rows, columns = frame.shape
    head = f"The variable `{name}` is a pandas {type(value).__name__} with {rows} rows and {columns} columns."
    missing = frame.isna().sum().tolist()
    about = [
        f"- {_cell(column, 60)}: {dtype}, {absent} missing"
        for column, dtype, absent in zip(frame.columns, frame.dtypes, missing, strict=True)
    ]
    # Half for the columns, half for the rows: a wide frame shows some of both.
    listed, kept = _fitting(about, LIMIT // 2 - len(head))
    parts = [head, "Columns:", *listed]
    if kept < columns:
        parts.append(f"… and {columns - kept} more columns")
    if rows:
        example = frame.iloc[:ROWS, :kept]
        lines = [" | ".join(_cell(column) for column in example.columns)]
        lines += [" | ".join(_cell(cell) for cell in row) for row in example.itertuples(index=False, name=None)]
        parts += [f"First {len(example)} rows:", *lines]
    return _cut("\n".join(parts), LIMIT)


def _fitting(lines: Iterable[str], room: int) -> tuple[list[str], int]:
    taken: list[str] = []
    for line in lines:
        room -= len(line) + 1
        if room < 0 and taken:
            break
        taken.append(line)
    return taken, len(taken)


def _cell(value: Any, length: int = CELL) -> str:
    return _cut(" ".join(str(value).split()), length)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
