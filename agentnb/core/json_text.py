"""JSON objects out of what a model wrote."""

from __future__ import annotations

import json
import re
from typing import Any

from agentnb.exceptions import UserError

# Closed by a fence that ends its line: within a JSON text such a thing can only be part of a string, which goes on.
_FENCE = re.compile(r"```[ \t]*([\w+#-]*)[ \t]*\r?\n?(.*?)```(?=[ \t]*\r?(?:\n|\Z))", re.DOTALL)


def extract_json_from_str(content: str) -> list[dict[str, Any]]:
    """Return the JSON objects of a text: those in its fenced blocks, or else the text as a whole.

    Raises:
        json.JSONDecodeError: If it is no JSON.
        ValueError: If a fence is of another language, or the JSON is no object.
    """
    texts = []
    for language, text in _FENCE.findall(content):
        if language.lower() not in ("", "json"):
            raise UserError(f"The text holds a block of {language!r}; only JSON is read. Mark it as ```json.")
        texts.append(text)
    objects = []
    for text in texts or [content]:
        value = json.loads(text.strip())
        if not isinstance(value, dict):
            raise UserError(f"The text holds the JSON {text.strip()[:80]!r}; it must be an object, in braces.")
        objects.append(value)
    return objects
