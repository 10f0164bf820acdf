"""What the kernel computed, as it is printed, told and checked."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from agentnb.recipes.guesses import Guess
from agentnb.recipes.plan import one_line

GUESS = "guess"
LEAD = "difference of the first two"
"""Names of the two facts that are the guess's, not the plan's."""

_LONGEST = 60
_KINDS = ("most common ", "count of ", "number of ", "mean ")


def read_facts(output: str) -> dict[str, Any]:
    """Read the facts a block printed, each as one line `"name": value` in JSON; the first of a name counts."""
    facts: dict[str, Any] = {}
    for line in output.split("\n"):
        if line.startswith('"'):
            try:
                ((name, value),) = json.loads(f"{{{line}}}").items()
            except ValueError:
                continue
            facts.setdefault(name, value)
    return facts


def told(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return the facts a report may use, as it shall write them: numbers, and of counts the first."""
    shown: dict[str, str] = {}
    for name, value in facts.items():
        if name in (GUESS, LEAD) or value is None:
            continue
        if isinstance(value, list):
            # Where two values are equally common, neither is the most common one.
            if value and (len(value) == 1 or value[0][1] != value[1][1]):
                what, count = value[0]
                what = one_line(what)[:_LONGEST] or "(empty)"
                shown[f"most common {name.removeprefix('counts of ')}"] = what
                shown[f"count of {what}"] = spoken_number(count)
        else:
            shown[name] = spoken_number(value)
    return shown


_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and are average columns common contains count data dataset each frame has have in is it mean "
        "missing most no number of rows set the there values where which while with",
    )
)


def checked(text: str, shown: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Sort a report's sentences into those that say what was computed, and the others.

    A sentence passes if each of its numbers stands by the name of the fact it is the value of, what it calls the most
    common is that, and it has no word but those of the facts and a few plain ones.
    """
    good: list[str] = []
    bad: list[str] = []
    for sentence in re.split(r"(?<=\.) (?=[A-Z])", text.strip()):
        (good if _says_what_is(sentence, shown) else bad).append(sentence)
    return good, bad


def _says_what_is(sentence: str, shown: Mapping[str, str]) -> bool:
    rest = sentence.rstrip(".")
    met = 0
    for form in _claims(shown):
        rest, times = re.subn(form, " ", rest, flags=re.IGNORECASE)
        met += times
    return met > 0 and not re.search(r"[\d_]", rest) and _WORDS.issuperset(re.findall(r"[^\W\d_]+", rest.lower()))


def _claims(shown: Mapping[str, str]) -> list[str]:
    # A value must stand right after its fact's name, or before it as in "344 rows"; only so it is surely its own.
    first, numbers, last = [], [], []
    link = r"(?: is| are| of| with|:)* "
    for name, value in sorted(shown.items(), key=lambda fact: -len(fact[0])):
        kind = next((kind for kind in _KINDS if name.startswith(kind)), "")
        said, noun, it = (
            re.escape(name),
            re.escape(name.removeprefix(kind)),
            rf"(?<![\w.]){re.escape(value)}(?![\w]|\.\d)",
        )
        if kind == "most common ":
            # Its value is left standing, for the claim about the count that may follow.
            first.append(rf"(?<!\w){said} is (?={it})")
            last.append(it)
        elif kind == "count of ":
            numbers.append(rf"(?<!\w){noun}(?:,? (?:with|has|is|and))*(?: a| the)? count (?:of|is) {it}")
            numbers.append(rf"(?<!\w){said}{link}{it}")
        elif kind == "mean ":
            numbers.append(rf"(?<!\w)(?:mean|average) {noun}{link}{it}")
        else:
            numbers += [rf"{it} {noun}(?!\w)", rf"(?<!\w){said}{link}{it}"]
    return first + numbers + last


def is_number(text: str) -> bool:
    """Tell whether a text is a plain number."""
    return re.fullmatch(r"-?\d+(?:\.\d+)?", text) is not None


def names_in(shown: Mapping[str, str]) -> list[str]:
    """Return what a report calls its facts: columns and values without the words around them."""
    return [name.removeprefix(next((kind for kind in _KINDS if name.startswith(kind)), "")) for name in shown]


def answer(guess: Guess, facts: Mapping[str, Any]) -> str:
    """Say a guess's result in one sentence made of computed values."""
    value = facts.get(GUESS)
    if value is None or value == []:
        return "nothing could be computed for it."
    if isinstance(value, list):
        return _ranking(
            guess, [(one_line(str(n))[:_LONGEST] or "(empty)", v) for n, v in value if v is not None], facts.get(LEAD)
        )
    number = spoken_number(value)
    match guess.form:
        case "rows":
            return f"there are {number} rows{f' with {guess.group} {guess.number}' if guess.group else ''}."
        case "distinct":
            return f"there are {number} different values of {guess.group}."
        case "missing":
            return f"{number} values of {guess.number} are missing."
        case "correlation":
            return f"the correlation of {guess.group} and {guess.number} is {number} (Pearson's, from -1 to 1)."
    where = f" where {guess.group}" if guess.group else ""
    return f"the {guess.aggregate} of {guess.number}{where} is {number}."


def _ranking(guess: Guess, pairs: Sequence[tuple[str, Any]], lead: Any) -> str:
    if not pairs:
        return "nothing could be computed for it."
    (first, most), rest = pairs[0], pairs[1:]
    if guess.form == "counts":
        what = "missing values" if guess.aggregate == "missing" else "rows"
        text = f"{first} has the {'fewest' if guess.lowest else 'most'} {what}, {spoken_number(most)}"
    else:
        end = "lowest" if guess.lowest else "highest"
        text = f"{first} has the {end} {guess.aggregate} {guess.number}, {spoken_number(most)}"
    if not rest:
        return f"{text}; there is no other {guess.group}."
    second, next_most = rest[0]
    if lead is None or lead == 0:
        return f"{text}, and so has {second} with {spoken_number(next_most)}." if lead == 0 else f"{text}."
    return (
        f"{text}; {second} follows with {spoken_number(next_most)}, "
        f"{spoken_number(lead)} {'more' if guess.lowest else 'less'}."
    )


def spoken_number(value: float | int) -> str:
    """Write a computed number for a reader: whole numbers as they are, others with one decimal or about four digits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or (value.is_integer() and abs(value) >= 1000):
        return str(int(value))
    if not math.isfinite(value):
        return str(value)
    size = abs(value)
    decimals = 1 if size >= 100 or not size else 2 if size >= 1 else 3 - math.floor(math.log10(size))
    return f"{value:.{decimals}f}"
