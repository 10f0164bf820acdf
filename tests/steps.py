"""How much work something is, by what no other load on the machine can change."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def steps(work: Callable[..., object], *given: Any) -> int:
    """Return how many lines of Python `work` executes."""
    count = 0

    def note(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        count += event == "line"
        return note

    before = sys.gettrace()
    sys.settrace(note)
    try:
        work(*given)
    finally:
        sys.settrace(before)
    return count
