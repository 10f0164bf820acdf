"""Text that can be written: no lone surrogates."""

from __future__ import annotations

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


def _clean(value: Any) -> Any:
    return well_formed(value) if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_clean)]
"""A `str` field that mends what a model or a tool wrote instead of refusing it."""
