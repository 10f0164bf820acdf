"""Checks of what is given, made where it is given: what is wrong with it is not to come out in mid-run."""

from __future__ import annotations

from numbers import Integral
from typing import Any, TypeVar

from pydantic import BaseModel

from agentnb.exceptions import UserError

N = TypeVar("N", int, int | None)


def at_least_one(name: str, value: N, *, none: str = "") -> N:
    """Return a count as it was given.

    Args:
        name: What it is called where it is given.
        value: What was given.
        none: What None means, as in `"no limit"`; without it, None is refused.

    Raises:
        ValueError: If it is no whole number, or below 1.
    """
    if value is None and none:
        return value
    if not isinstance(value, Integral) or value < 1:
        unless = f", or None for {none}" if none else ""
        raise UserError(f"{name} is {value!r:.80}; it must be a whole number of at least 1{unless}.")
    return value


def require_text(what: str, value: Any) -> None:
    """Refuse what is no text.

    Args:
        what: What it is and whose, as in `"The description of the agent 'ana'"`.
        value: What was given.

    Raises:
        TypeError: If it is none.
    """
    if not isinstance(value, str):
        raise TypeError(f"{what} is {value!r:.80}; it must be a text.")


def require_model_class(what: str, value: Any) -> None:
    """Refuse what is no class of pydantic's.

    Args:
        what: What it is and whose, as in `"The output_content_type of the agent 'ana'"`.
        value: What was given.

    Raises:
        TypeError: If it is none.
    """
    if not (isinstance(value, type) and issubclass(value, BaseModel)):
        raise TypeError(f"{what} is {value!r:.80}; it must be a class of pydantic's: class Answer(BaseModel): …")


def require_function(what: str, value: Any, like: str) -> None:
    """Refuse what cannot be called.

    Args:
        what: What it is and whose, as in `"The input_func of the agent 'ana'"`.
        value: What was given.
        like: What to give instead, as in `"a function of the messages so far"`.

    Raises:
        TypeError: If it cannot.
    """
    if not callable(value):
        raise TypeError(f"{what} is {value!r:.80}, which cannot be called; give {like}.")
