"""The time and fresh ids."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

import pytest

from agentnb.core import Clock, monotonic, new_id, now, set_clock
from agentnb.messages import TextMessage


class Fixed(Clock):
    """Always the same time, ids in order."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return 1.5

    def new_id(self) -> str:
        self.count += 1
        return f"id-{self.count}"


def test_an_id_is_a_valid_uuid_of_version_4() -> None:
    for _ in range(200):
        text = new_id()
        parsed = UUID(text)

        assert (parsed.version, parsed.variant, str(parsed)) == (4, RFC_4122, text)


def test_ten_thousand_ids_are_all_different() -> None:
    assert len({new_id() for _ in range(10_000)}) == 10_000


def test_ids_are_told_apart_by_their_first_eight_digits() -> None:
    """Files are named and found by these."""
    assert len({new_id()[:8] for _ in range(10_000)}) == 10_000


def test_a_clock_that_has_used_up_its_numbers_goes_on_with_others() -> None:
    clock = Clock()
    first = clock.new_id()
    clock._ids = clock._numbers = iter(()).__next__

    second = clock.new_id()

    assert UUID(second).version == 4
    assert second[8:] != first[8:]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_makes_ids_of_its_own() -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, new_id().encode())
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(read, 100).decode() != new_id()
    os.close(read)
    os.close(write)


def test_the_time_is_aware_utc() -> None:
    assert now().utcoffset() == timedelta(0)


def test_the_monotonic_clock_never_goes_back() -> None:
    times = [monotonic() for _ in range(100)]

    assert times == sorted(times)


def test_a_fixed_clock_fixes_time_and_ids_of_everything_made() -> None:
    with set_clock(Fixed()):
        message = TextMessage(content="hi", source="me")
        later = monotonic()

    assert (message.id, message.created_at.year, later) == ("id-1", 2026, 1.5)


def test_the_clock_before_is_back_after_the_block_even_if_it_fails() -> None:
    with pytest.raises(RuntimeError, match="inside"), set_clock(Fixed()):
        raise RuntimeError("inside")

    assert UUID(new_id()).version == 4
