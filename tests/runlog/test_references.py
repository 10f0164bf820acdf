"""Texts of a fact that stand elsewhere."""

from __future__ import annotations

import json

import pytest

from agentnb.runlog.references import LEAST, may_refer

LONG = "x" * LEAST


@pytest.mark.parametrize(
    "texts",
    [[LONG], ["a", LONG, "b"], ["a" * 200, "b" * 200, LONG], ["\\", '"', LONG], [LONG[:100] + '"' + LONG[:200]]],
)
def test_a_line_with_a_long_text_may_refer_to_it(texts: list[str]) -> None:
    """Wherever in the line it stands, and whatever is escaped in it."""
    assert may_refer(json.dumps({"texts": texts}).encode())


@pytest.mark.parametrize(
    "texts",
    [[], ["x"], [LONG[:-1]] * 3, ["a" * 200] * 20, ["a" * 100 + '"' + "b" * 100, "c\\"]],
)
def test_a_line_of_short_texts_refers_to_nothing(texts: list[str]) -> None:
    """However long it is."""
    assert not may_refer(json.dumps({"texts": texts}, separators=(",", ":")).encode())
