"""Money over time."""

from __future__ import annotations

import math
from typing import Any

import pytest

from agentnb.exceptions import UserError
from agentnb.transcripts.plots import cost
from tests.transcripts.plots.runs import Told, small
from tests.transcripts.plots.sight import drawn, words


def test_what_the_log_says_counts_before_given_prices() -> None:
    told = Told()
    turn = told.turn("ana", told.run("ana"))
    told.model(turn, 1, cost_usd=0.25)
    told.model(turn, 1, usage=(1_000_000, 100_000))

    ax = cost(told.log, prices={"m-small": (0.5, 2.5)})

    (line,) = drawn(ax, "line ana")
    assert list(line.get_ydata()) == [0, 0.25, 1.0, 1.0]
    assert "ana $1.00" in words(ax)


def test_without_prices_it_is_said_how_to_give_them() -> None:
    (said,) = words(cost(small()))

    assert "unknown for all 4 model calls" in " ".join(said.split())
    assert "prices={'m-small': (…, …)}" in " ".join(said.split())


def test_calls_without_a_price_are_counted() -> None:
    told = Told()
    turn = told.turn("ana", told.run("ana"))
    told.model(turn, 1, model="known")
    told.model(turn, 1, model="other")

    ax = cost(told.log, prices={"known": (1, 1)})

    assert "prices unknown for 1 of 2 calls: other" in ax.get_xlabel()


def test_a_cached_answer_costs_nothing() -> None:
    told = Told()
    told.model(told.turn("ana", told.run("ana")), 1, cached=True)

    ax = cost(told.log, prices={"*": (10, 10)})

    assert drawn(ax, "line ana")[0].get_ydata()[-1] == 0


def test_a_price_is_found_without_the_providers_name() -> None:
    told = Told()
    told.model(told.turn("ana", told.run("ana")), 1, usage=(1_000_000, 0), model="openai:m")

    ax = cost(told.log, prices={"m": (2, 0)})

    assert drawn(ax, "line ana")[0].get_ydata()[-1] == 2


@pytest.mark.parametrize("price", [3, (1,), (1, -1), (math.nan, 1), ("a", "b"), None])
def test_a_price_that_is_none_is_named(price: Any) -> None:
    with pytest.raises(UserError, match=r"The price of 'm' is .*as in \(0.15, 0.60\)"):
        cost(small(), prices={"m": price})
