"""Consent to run source code that a component's config carries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from agentnb.exceptions import CodeNotAllowed


class _Consent:
    """An answer that ends with the loading it was given for, also in tasks that began meanwhile."""

    def __init__(self, given: bool) -> None:
        self.given = given


_CONSENT: ContextVar[_Consent | None] = ContextVar("agentnb_code_consent", default=None)


def code_allowed() -> bool:
    """Whether whoever called `load_component` agreed to run the code a config carries."""
    consent = _CONSENT.get()
    return consent is not None and consent.given


def require_code_consent(what: str) -> None:
    """Go on only if the code a config carries may be run.

    Args:
        what: What carries the code, as a reader would name it: "the tool 'add' (FunctionTool)".

    Raises:
        CodeNotAllowed: If the caller of `load_component` did not agree to it.
    """
    if not code_allowed():
        raise CodeNotAllowed(
            f"The config of {what} carries source code, and loading it would run that code here. "
            "Read it; if you trust it, say load_component(..., allow_code=True)."
        )


@contextmanager
def consenting(allow_code: bool) -> Iterator[None]:
    """Hold an answer for everything that is loaded within; what the outermost caller allowed stays allowed."""
    consent = _Consent(allow_code or code_allowed())
    before = _CONSENT.set(consent)
    try:
        yield
    finally:
        consent.given = False
        _CONSENT.reset(before)
