"""The time and fresh ids; both can be fixed for tests and replays."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime


class Clock:
    """Tells the time and makes ids; subclass it to fix both."""

    def __init__(self) -> None:
        self._reseed()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._reseed)

    def _reseed(self) -> None:
        self._bits = random.Random(os.urandom(32)).getrandbits

    def now(self) -> datetime:
        """Return the time as an aware UTC datetime."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds from a clock that never goes back."""
        return time.perf_counter()

    def new_id(self) -> str:
        """Return a random id in the form of a version 4 UUID."""
        # A third of the cost of `str(uuid4())`, which every message would pay; ids need no secrecy.
        h = f"{(self._bits(128) & ~(0xF << 76) & ~(0x3 << 62)) | (0x4 << 76) | (0x2 << 62):032x}"
        return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


_clock = Clock()


def now() -> datetime:
    """Return the time as an aware UTC datetime."""
    return _clock.now()


def monotonic() -> float:
    """Return seconds from a clock that never goes back."""
    return _clock.monotonic()


def new_id() -> str:
    """Return a fresh id."""
    return _clock.new_id()


@contextmanager
def set_clock(clock: Clock) -> Iterator[Clock]:
    """Use `clock` for the whole process while the block runs."""
    global _clock
    before, _clock = _clock, clock
    try:
        yield clock
    finally:
        _clock = before
