"""Guesses at a question about a data frame: readings of it that can be computed.

Words of the question are matched with names of columns, and a few common English words tell what kind of answer is
wanted. Which of the readings that are left is the best is for the model to say.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from agentnb.recipes.plan import Column, Profile, in_code, one_line, spread, words_of

Form = Literal["by group", "single", "counts", "distinct", "rows", "correlation", "missing"]

_CANDIDATES = 12

_UNITS = frozenset(re.findall(r"\w+", "cm eur gbp kg km kmh kwh lb lbs mg mm mph oz pct percent usd"))


@dataclass(frozen=True, slots=True)
class Guess:
    """One reading of the question: what to compute, in words and in code."""

    form: Form
    words: str
    """The reading in words, as a person would ask for it."""
    code: str
    """One expression; a Series for groups and counts, else one value."""
    group: str = ""
    number: str = ""
    aggregate: str = ""
    lowest: bool = False
    """Whether the question wants the small end."""


def _cue(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{pattern})", re.IGNORECASE)


_MISSING = _cue(r"missing|nulls?\b|nans?\b|incomplete|blank")
_CORRELATION = _cue(r"correlat|relat(?:ed|ion)|depend|associat|go(?:es)? together|linked")
_COUNT = _cue(
    r"how many|number of|counts?\b|(?:most|least) (?:common|frequent|often|popular)|commonest|rarest|how often"
)
_DISTINCT = _cue(r"different|distinct|unique|kinds? of|types? of")
_GROUPED = _cue(
    r"which|where|who\b|whose|by(?! how)|per\b|each|every|across|among|compare|differ|between|versus|vs\b|group"
)
_LOWEST = _cue(
    r"(?:low|small|light|short|cheap|young|slow|weak|poor|bad|cold|narrow|thin|shallow|quiet|near|new|few|rar)(?:e?r|e?st)\b"
    r"|least|minimum|min\b|worst|worse|less\b|fewer"
)
_EXTREME = _cue(r"most\b|top\b|maximum|max\b|best\b|more\b|\w{3,}(?:est|er than)\b")
_AGGREGATES: dict[str, re.Pattern[str]] = {
    "median": _cue(r"median"),
    "mean": _cue(r"average|mean\b|typical|usual|on average"),
    "sum": _cue(r"total|sum\b|altogether|overall|in all\b"),
    "std": _cue(r"standard deviation|spread|var(?:y|ies|iation|iable|iance)|std\b"),
}
_NOT_SUPERLATIVE = frozenset(re.findall(r"\w+", "forest honest interest interested latest request rest test west"))


def _stem(word: str) -> str:
    for ending, put in (("ies", "y"), ("sses", "ss"), ("es", ""), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            return word[: -len(ending)] + put
    return word


def _alike(one: str, other: str) -> bool:
    a, b = _stem(one), _stem(other)
    if a == b or a.rstrip("e") == b.rstrip("e"):
        return True
    short, long = sorted((a, b), key=len)
    return len(short) >= 4 and long.startswith(short) and len(long) - len(short) <= 3


def _name_words(column: Column) -> list[str]:
    words = words_of(column.label)
    said = [word for word in words if word not in _UNITS and len(word) > 1]
    return said or words


def named(columns: Iterable[Column], question: str, *, but: Iterable[str] = ()) -> list[Column]:
    """Return the columns whose names the question mentions, wholly or, where no other column does better, in part.

    Args:
        columns: Where to look.
        question: What was asked.
        but: Words that name something else, such as the frame itself.
    """
    asked = [word for word in words_of(question) if not any(_alike(word, other) for other in but)]
    hits: dict[Column, set[str]] = {}
    whole: list[Column] = []
    for column in columns:
        words = set(_name_words(column))
        met = {word: {other for other in asked if _alike(word, other)} for word in words}
        if any(met.values()):
            hits[column] = set().union(*met.values())
            if all(met.values()):
                whole.append(column)
    taken = {word for column in whole for word in hits[column]}
    return [column for column, met in hits.items() if column in whole or met - taken]


def _mentioned_values(columns: Iterable[Column], question: str) -> list[tuple[Column, str]]:
    found = []
    low = f" {' '.join(words_of(question))} "
    for column in columns:
        for value in column.values:
            words = " ".join(words_of(value))
            if len(words) > 1 and any(f" {form} " in low for form in (words, words + "s")):
                found.append((column, value))
    return found


def _superlative(question: str) -> bool:
    return any(m.group().lower() not in _NOT_SUPERLATIVE for m in _EXTREME.finditer(question))


def guesses(seen: Profile, question: str) -> list[Guess]:
    """Return readings of the question, at most twelve, no two alike."""
    groups, numbers = _roles(seen, question)
    lowest = bool(_LOWEST.search(question))
    values = _mentioned_values((c for c in seen.columns if c.kind == "text"), question)
    found: list[Guess]
    if _MISSING.search(question):
        found = _missing(seen, question)
    elif _CORRELATION.search(question) and len(seen.informative) >= 2:
        found = _correlations(seen, numbers)
    elif _COUNT.search(question) and not numbers:
        found = _counts(seen, question, groups, values, lowest)
    else:
        found = _aggregates(seen, question, groups, numbers, values, lowest)
    return list(dict.fromkeys(found))[:_CANDIDATES]


def _roles(seen: Profile, question: str) -> tuple[list[Column], list[Column]]:
    mentioned = named(seen.columns, question, but=words_of(seen.variable))
    groups = [
        column for column in mentioned if column.groups and (column.kind != "number" or not column.counts_something)
    ]
    numbers = [column for column in mentioned if column.kind == "number" and column not in groups]
    # A row number is meant only when it is named as such: "cars" is no `car_id`.
    numbers = [column for column in numbers if column.counts_something or "id" in words_of(question)]
    return groups, numbers


def _missing(seen: Profile, question: str) -> list[Guess]:
    frame = seen.variable
    each = [
        Guess(
            "missing", f"How many values of {c.label} are missing?", f"{frame}[{c.code}].isna().sum()", number=c.label
        )
        for c in named(seen.columns, question)
    ]
    everywhere = Guess(
        "counts",
        "Which column has the most missing values?",
        f"{frame}.isna().sum().sort_values(ascending=False)",
        group="column",
        aggregate="missing",
    )
    return each or [everywhere]


def _correlations(seen: Profile, numbers: list[Column]) -> list[Guess]:
    frame = seen.variable
    known = [column for column in numbers if column.counts_something]
    others = spread(seen.informative, 6)
    if len(known) >= 2:
        pairs = list(itertools.combinations(known, 2))
    elif known:
        pairs = [(known[0], other) for other in others if other is not known[0]]
    else:
        pairs = list(itertools.combinations(others, 2))
    return [
        Guess(
            "correlation",
            f"How strongly is {a.label} related to {b.label}?",
            f"{frame}[{a.code}].corr({frame}[{b.code}])",
            group=a.label,
            number=b.label,
        )
        for a, b in pairs
    ]


def _counts(
    seen: Profile, question: str, groups: list[Column], values: list[tuple[Column, str]], lowest: bool
) -> list[Guess]:
    frame = seen.variable
    grouped = bool(_GROUPED.search(question)) or _superlative(question) or lowest
    found = []
    for column, value in values:
        found.append(
            Guess(
                "rows",
                f"How many rows have {column.label} {one_line(value)}?",
                f"({frame}[{column.code}] == {in_code(value)}).sum()",
                group=column.label,
                number=one_line(value),
            )
        )
    if found and not grouped:
        return found
    for column in groups or ([] if not grouped else list(seen.groupings[:6])):
        count = Guess(
            "counts",
            f"Which {column.label} is {'least' if lowest else 'most'} common? How many rows has each {column.label}?",
            f"{frame}[{column.code}].value_counts({'ascending=True' if lowest else ''})",
            group=column.label,
            lowest=lowest,
        )
        differ = Guess(
            "distinct",
            f"How many different values of {column.label} are there?",
            f"{frame}[{column.code}].nunique()",
            group=column.label,
        )
        if grouped and not _DISTINCT.search(question):
            found.append(count)
        else:
            found.append(differ)
    return found or [Guess("rows", "How many rows are there?", f"len({frame})")]


def _aggregates(
    seen: Profile,
    question: str,
    groups: list[Column],
    numbers: list[Column],
    values: list[tuple[Column, str]],
    lowest: bool,
) -> list[Guess]:
    frame = seen.variable
    measured = numbers or spread(seen.informative, 8)
    wanted = [name for name, cue in _AGGREGATES.items() if cue.search(question)]
    if not wanted and _COUNT.search(question):
        wanted = ["sum"]  # "how many units": a column named after "how many" is added up
    extreme = lowest or _superlative(question)
    several = len({column.code for column, _ in values}) == 1 and len(values) >= 2
    sorts = list(dict.fromkeys([*groups, *(column for column, _ in values)]))
    grouped = bool(groups or _GROUPED.search(question) or several)
    if grouped and seen.groupings and not (values and not several and not groups):
        by = sorts or list(seen.groupings[:4])
        if several:
            chosen = ", ".join(str(in_code(value)) for _, value in values)
            frame = f"{frame}[{frame}[{values[0][0].code}].isin([{chosen}])]"
        return [
            _by_group(frame, group, number, name, lowest)
            for group in by
            for number in measured
            for name in wanted[:1] or ["mean"]
            if group is not number
        ]
    if values and not several:
        column, value = values[0]
        rows = f"{frame}[{frame}[{column.code}] == {in_code(value)}]"
        return [
            Guess(
                "single",
                f"What is the {_spoken(name)} {number.label} where {column.label} is {one_line(value)}?",
                f"{rows}[{number.code}].{name}()",
                group=f"{column.label} {one_line(value)}",
                number=number.label,
                aggregate=name,
            )
            for number in measured
            for name in wanted or ([("min" if lowest else "max")] if extreme else ["mean"])
        ]
    names = wanted or ([("min" if lowest else "max")] if extreme else ["mean"])
    single = [
        Guess(
            "single",
            f"What is the {_spoken(name)} {number.label}?",
            f"{frame}[{number.code}].{name}()",
            number=number.label,
            aggregate=name,
        )
        for number in measured
        for name in names
    ]
    if wanted or extreme or numbers:
        return single or _counts(seen, question, groups, values, lowest)
    by_group = [
        _by_group(frame, group, number, "mean", lowest)
        for group in seen.groupings[:2]
        for number in measured[:4]
        if group is not number
    ]
    return by_group or single or _counts(seen, question, groups, values, lowest)


def _spoken(aggregate: str) -> str:
    return {"sum": "total", "std": "standard deviation of", "max": "highest", "min": "lowest"}.get(aggregate, aggregate)


def _by_group(frame: str, group: Column, number: Column, aggregate: str, lowest: bool) -> Guess:
    only = ", observed=True" if group.fixed_values else ""
    return Guess(
        "by group",
        f"Which {group.label} has the {'lowest' if lowest else 'highest'} {_spoken(aggregate)} {number.label}?",
        f"{frame}.groupby({group.code}{only})[{number.code}].{aggregate}().sort_values(ascending={lowest})",
        group=group.label,
        number=number.label,
        aggregate=aggregate,
        lowest=lowest,
    )
