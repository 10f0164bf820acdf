"""What the embedded team looks at: a frame's columns, and a fixed plan to describe it."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

Kind = Literal["number", "text", "flag", "time", "other"]

_SAMPLE_ROWS = 50_000
_MEANS = 6
_LABEL = 80

_IDS = frozenset(re.findall(r"\w+", "code id ids idx index key no nr number phone postcode unnamed uuid zip"))


@dataclass(frozen=True, slots=True)
class Column:
    """One column, as the plan needs to know it."""

    code: str
    """The name as Python source."""
    label: str
    """The name as text on one line."""
    kind: Kind
    distinct: int
    missing: int
    whole: bool = False
    """Whether its numbers are whole."""
    repeats: bool = False
    """Whether some of its numbers occur more than once."""
    counts_something: bool = True
    """False for numbers whose mean says nothing: row numbers, codes, years."""
    values: tuple[str, ...] = ()
    """Some of a text column's values."""
    fixed_values: bool = False
    """Whether it is a categorical, whose values need not occur."""

    @property
    def groups(self) -> bool:
        """Whether rows fall into a few groups by it."""
        if self.kind in ("text", "flag"):
            return self.distinct >= 2
        return self.kind == "number" and self.whole and self.repeats and 2 <= self.distinct <= 12


@dataclass(frozen=True, slots=True)
class Profile:
    """A frame's shape and columns; none of its numbers."""

    variable: str
    rows: int
    width: int
    """All columns, those left out included."""
    columns: tuple[Column, ...]
    left_out: tuple[str, ...] = ()
    """Labels of columns that cannot be named in code: repeated names, names that are no plain values."""

    @property
    def numbers(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.kind == "number")

    @property
    def informative(self) -> tuple[Column, ...]:
        """Number columns whose mean says something."""
        return tuple(column for column in self.numbers if column.counts_something and column.distinct > 0)

    @property
    def groupings(self) -> tuple[Column, ...]:
        """Columns that make groups: those with few groups first, and words before numbers."""
        few = [column for column in self.columns if column.groups]
        return tuple(sorted(few, key=lambda c: (c.distinct > 30, c.kind == "number")))


def frames_of(data: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return those of the values that are pandas DataFrames."""
    pandas = sys.modules.get("pandas")
    if pandas is None:
        return {}
    return {name: value for name, value in (data or {}).items() if isinstance(value, pandas.DataFrame)}


def one_line(text: str) -> str:
    """Return `text` on one line, without control characters or lone surrogates."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    return re.sub(r"\s+", " ", plain).strip()


def in_code(name: object) -> str | None:
    """Write a column's name as Python source, in double quotes where it is text; None if it is no plain value."""
    if isinstance(name, str):
        quoted = json.dumps(name, ensure_ascii=False)
        # JSON leaves these as they are; Python's source may not hold the first, and nobody sees the others.
        return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in quoted)
    text = repr(name)
    if not isinstance(name, int | float):
        return None
    try:
        return text if ast.literal_eval(text) == name else None
    except (ValueError, SyntaxError):
        return None


def profile(variable: str, frame: Any) -> Profile:
    """Look at a frame's columns; numbers of distinct values are counted on the first 50,000 rows."""
    columns: list[Column] = []
    left_out: list[str] = []
    seen: set[Any] = set()
    repeated = {name for name, again in zip(frame.columns, frame.columns.duplicated(keep=False), strict=True) if again}
    for position, name in enumerate(frame.columns):
        code = in_code(name)
        if code is None or name in repeated:
            if name not in seen:
                left_out.append(one_line(str(name)))
            seen.add(name)
            continue
        columns.append(_column(code, one_line(str(name))[:_LABEL] or f"column {position + 1}", frame.iloc[:, position]))
    return Profile(variable, len(frame), frame.shape[1], tuple(_told_apart(columns)), tuple(left_out))


def _told_apart(columns: Iterable[Column]) -> Iterator[Column]:
    labels: dict[str, int] = {}
    for column in columns:
        times = labels[column.label] = labels.get(column.label, 0) + 1
        yield column if times == 1 else replace(column, label=f"{column.label} (again, {times})")


def _column(code: str, label: str, series: Any) -> Column:
    from pandas.api import types

    missing = int(series.isna().sum())
    head = series.iloc[:_SAMPLE_ROWS].dropna()
    try:
        distinct = int(head.nunique())
    except TypeError:  # lists and dicts cannot be told apart
        return Column(code, label, "other", 0, missing)
    dtype = series.dtype
    if types.is_bool_dtype(dtype):
        return Column(code, label, "flag", distinct, missing)
    if types.is_numeric_dtype(dtype) and not types.is_complex_dtype(dtype):
        whole = bool(types.is_integer_dtype(dtype) or (len(head) and (head % 1 == 0).all()))
        said = not _names_rows(label, head, whole)
        return Column(code, label, "number", distinct, missing, whole, distinct < len(head), said)
    if types.is_datetime64_any_dtype(dtype) or types.is_timedelta64_dtype(dtype):
        return Column(code, label, "time", distinct, missing)
    if isinstance(dtype, _categorical()) or all(isinstance(value, str) for value in head.iloc[:200]):
        values = tuple(str(value) for value in head.value_counts().index[:40])
        fixed = isinstance(dtype, _categorical())
        return Column(code, label, "text", distinct, missing, values=values, fixed_values=fixed)
    return Column(code, label, "other", distinct, missing)


def _categorical() -> Any:
    import pandas

    return pandas.CategoricalDtype


def words_of(text: str) -> list[str]:
    """Return the words of a text or a name, in lower case; `unitPrice` and `unit_price` are two words each."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    return [word.lower() for word in re.findall(r"[^\W_]+", apart)]


def _names_rows(label: str, head: Any, whole: bool) -> bool:
    words = words_of(label)
    if not whole:
        return False
    if _IDS & set(words):
        return True
    if len(head) == 0:
        return False
    low, high = head.min(), head.max()
    if ("year" in words or "yr" in words) or (1900 <= low <= high <= 2100 and head.nunique() <= 150):
        return True
    counting = head.is_monotonic_increasing and head.is_unique and high - low == len(head) - 1
    return bool(counting and len(head) > 10)


# -- the fixed plan ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to compute, in words and as the line that does it."""

    fact: str
    """What the result is called."""
    request: str
    """What the model is asked to write."""
    code: str
    """The line, as the plan means it."""
    by_model: bool = False
    """Whether the model is to write it, because it names a column."""


def fixed_plan(seen: Profile) -> list[Step]:
    """Plan a description: size, missing values, means of up to six number columns, counts of the first text column."""
    frame = seen.variable
    steps = [
        Step("number of rows", "Count the rows.", f"len({frame})"),
        Step("number of columns", "Count the columns.", f"{frame}.shape[1]"),
        Step("missing values", "Count all missing values.", f"int({frame}.isna().sum().sum())"),
    ]
    for column in spread(seen.informative, _MEANS):
        steps.append(
            Step(f"mean {column.label}", f"Compute the mean of {column.label}.", f"{frame}[{column.code}].mean()", True)
        )
    texts = [
        column for column in seen.groupings if column.kind == "text" and column.distinct <= max(30, seen.rows // 2)
    ]
    if texts:
        first = min(texts, key=seen.columns.index)
        steps.append(
            Step(
                f"counts of {first.label}",
                f"Count the values of {first.label}.",
                f"{frame}[{first.code}].value_counts()",
                True,
            )
        )
    return steps


def spread(columns: Sequence[Column], most: int) -> list[Column]:
    """Return at most `most` of the columns, those with more to say first, in the frame's order."""
    best = sorted(columns, key=lambda c: (c.distinct <= 2, c.missing, (not c.whole and 1) or 0))[:most]
    return [column for column in columns if column in best] if len(columns) > most else list(columns)
