"""Text that can be written, without lone surrogates; code that reads as it runs, and names that say nothing."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator


def well_formed(text: str) -> str:
    """Return `text` with split surrogate pairs joined and lone surrogates replaced by U+FFFD.

    Models stream JSON whose chunks may cut an emoji in two; such text can be neither written to a file nor sent on.
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def code_in_order(code: str) -> str:
    """Return code that reads as it runs.

    A carriage return ends a line for Python, and for whoever reads it then; characters that show what follows in
    another order are named by their numbers.
    """
    lines = code.replace("\r\n", "\n").replace("\r", "\n")
    return _TURNING.sub(numbered, lines)


def numbered(found: re.Match[str]) -> str:
    """Return a character as its number, such as `⟨U+202E⟩`."""
    return f"⟨U+{ord(found[0]):04X}⟩"


def is_class_name(text: str) -> bool:
    """Tell whether a text is what a display object, or a styled table, is without a page: the name of its class."""
    return _NAMELESS.fullmatch(text) is not None


_NAMELESS = re.compile(r"<IPython\.(?:core|lib)\.display\.\w+ object>|<[\w.]+(?: object)? at 0x[0-9a-fA-F]+>")
_TURNING = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def _clean(value: Any) -> Any:
    return well_formed(value) if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_clean)]
"""A `str` field that mends what a model or a tool wrote instead of refusing it."""
