"""GBNF, the notation in which llama.cpp's engine is told what an answer may look like.

A grammar is text; these functions write the pieces, with everything a user's data may hold escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from agentnb.core import well_formed
from agentnb.exceptions import UserError

_SPECIAL = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_CONTROL = re.compile(r'[\\"\x00-\x1f\x7f]')


def literal(text: str) -> str:
    """Write `text` as a quoted literal.

    Raises:
        ValueError: If `text` is empty or holds a NUL, which the engine cannot match.
    """
    text = well_formed(text)
    if not text or "\0" in text:
        raise UserError(f"{text!r} cannot be part of a grammar: it is empty or holds a NUL character.")
    return '"' + _CONTROL.sub(lambda m: _SPECIAL.get(m[0], f"\\x{ord(m[0]):02X}"), text) + '"'


def alternatives(texts: Iterable[str]) -> str:
    """Write "one of these texts", each once.

    Raises:
        ValueError: If there is none, or one cannot be written.
    """
    unique = list(dict.fromkeys(texts))
    if not unique:
        raise UserError("A grammar needs at least one text to choose from; it was given none.")
    return "(" + " | ".join(literal(text) for text in unique) + ")"


def choices_grammar(texts: Sequence[str]) -> str:
    """Bind the answer to one of `texts`."""
    return f"root ::= {alternatives(texts)}"


def tokens_grammar(tokens: Sequence[int]) -> str:
    """Bind the answer to exactly these tokens of the model's vocabulary."""
    return "root ::= " + " ".join(f"<[{token}]>" for token in tokens)


def column_line_grammar(frame: str, columns: Sequence[str], aggregates: Sequence[str]) -> str:
    """Bind the answer to one line of pandas, as in `sales["price"].mean()`.

    Args:
        frame: The variable.
        columns: Columns as they are written in code, quotes included.
        aggregates: Names of methods without arguments.
    """
    methods = alternatives(f".{name}()" for name in aggregates)
    return f"root ::= {literal(frame + '[')} {alternatives(columns)} {literal(']')} {methods}"


def locked_numbers_grammar(numbers: Sequence[str], names: Sequence[str] = (), *, sentences: int = 3) -> str:
    """Bind the answer to sentences that hold no digit but those of `numbers` and `names`.

    Args:
        numbers: Every number the text may contain, as it shall be written.
        names: Texts with digits of their own that may be quoted, such as a column `q1_sales`.
        sentences: How many at most.
    """
    exact = list(dict.fromkeys([*numbers, *(name for name in names if re.search(r"[^a-zA-Z_/ ,]", name))]))
    part = "(c | n)" if exact else "c"
    # A number must not run on into another: "4" beside "2" would be a 42, "1,152" a thousand, that nobody computed.
    word = f'\nn ::= {alternatives(exact)} (" " | ", ")' if exact else ""
    last = f"({alternatives(exact)} | [a-z])" if exact else "[a-z]"
    more = f'(" " s){{0,{sentences - 1}}}' if sentences > 1 else ""
    return f'root ::= s {more}\ns ::= [A-Z] {part}{{8,160}} {last} "."\nc ::= [a-zA-Z_/ ,]{word}'


def json_object_grammar(depth: int = 4) -> str:
    """Bind the answer to one JSON object without spare white space, nested at most `depth` deep."""
    rules = [
        "root ::= o1",
        # Small models count on for ever: numbers and texts have an end.
        r'string ::= "\"" ([^"\\\x00-\x1F] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4})){0,200} "\""',
        'number ::= "-"? ("0" | [1-9] [0-9]{0,14}) ("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?',
        'plain ::= string | number | "true" | "false" | "null"',
    ]
    for level in range(1, depth + 1):
        inner = f"v{level}"
        nested = f" | o{level + 1} | a{level + 1}" if level < depth else ""
        rules.append(f"{inner} ::= plain{nested}")
        rules.append(f'o{level} ::= "{{" (string ":" {inner} ("," string ":" {inner})*)? "}}"')
        rules.append(f'a{level} ::= "[" ({inner} ("," {inner})*)? "]"')
    return "\n".join(rules)
