"""JSON objects out of what a model wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from agentnb.exceptions import UserError

_OPENING = re.compile(r"(`{3,})[ \t]*([\w+#-]*)[ \t]*(\r?\n)?")
_SPACE = re.compile(r"\s*")
_DECODER = json.JSONDecoder()


def extract_json_from_str(content: str) -> list[dict[str, Any]]:
    """Return the JSON objects of a text: the text as a whole, or else those in its fenced blocks.

    What follows a block may stand on the line of its closing fence, and a fence within a string closes nothing.

    Raises:
        json.JSONDecodeError: If it is no JSON.
        ValueError: If a fence is of another language, or the JSON is no object.
    """
    try:
        # First: within a text that is JSON, fences can only be part of strings.
        values = [json.loads(content.strip())]
    except json.JSONDecodeError:
        values = list(_blocks(content))
        if not values:
            raise
    for value in values:
        if not isinstance(value, dict):
            raise UserError(f"The text holds the JSON {json.dumps(value)[:80]!r}; it must be an object, in braces.")
    return values


def _blocks(content: str) -> Iterator[Any]:
    place = 0
    while (opening := _OPENING.search(content, place)) is not None:
        fence, language, line = opening.groups()
        place = opening.end()
        if language.lower() in ("", "json"):
            # Where the block ends says its JSON, which knows what is a string.
            try:
                value, end = _DECODER.raw_decode(content, _end_of_space(content, place))
            except json.JSONDecodeError:
                end = len(content)
            end = _end_of_space(content, end)
            if content.startswith(fence, end):
                yield value
                place = end + len(fence)
                continue
        closing = content.find(fence, place)
        if closing < 0:
            continue
        text = content[place:closing]
        if line is None:
            # Code in a line of prose, or no fence at all.
            if "\n" not in text:
                place = closing + len(fence)
        elif language.lower() in ("", "json"):
            yield json.loads(text.strip())
            place = closing + len(fence)
        else:
            raise UserError(f"The text holds a block of {language!r}; only JSON is read. Mark it as ```json.")


def _end_of_space(content: str, place: int) -> int:
    space = _SPACE.match(content, place)
    return space.end() if space else place
