from __future__ import annotations

from pathlib import Path

from tests.halves import TESTS, halves


def test_every_test_is_in_one_half() -> None:
    waiting, rest = halves()
    every = set(TESTS.rglob("test_*.py"))

    def within(paths: list[str]) -> set[Path]:
        return {one for one in every for path in paths if one == Path(path) or Path(path) in one.parents}

    assert within(waiting) | within(rest) == every
    assert not within(waiting) & within(rest)
