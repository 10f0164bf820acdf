"""Everybody in turn."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from agentnb.teams import RoundRobinGroupChat, TeamView
from agentnb.teams.round_robin import in_turn
from tests.teams.conftest import Speaker, sources


async def test_everybody_speaks_in_order_over_and_over_also_over_several_runs() -> None:
    crew = RoundRobinGroupChat([Speaker(name) for name in ("ana", "ben", "cleo")], max_turns=4)

    first, second = await crew.run(task="go"), await crew.run(task="on")

    assert sources(first) == ["user", "ana", "ben", "cleo", "ana"]
    assert sources(second) == ["user", "ben", "cleo", "ana", "ben"]


async def test_one_alone_may_go_round() -> None:
    result = await RoundRobinGroupChat([Speaker("ana")], max_turns=3).run(task="go")

    assert sources(result) == ["user", "ana", "ana", "ana"]


async def test_a_reset_begins_with_the_first() -> None:
    crew = RoundRobinGroupChat([Speaker("ana"), Speaker("ben")], max_turns=1)
    await crew.run(task="go")
    await crew.reset()

    assert sources(await crew.run(task="go")) == ["user", "ana"]


async def test_whose_turn_it_is_is_saved_and_loaded() -> None:
    crew, other = (RoundRobinGroupChat([Speaker("ana"), Speaker("ben")], max_turns=1) for _ in range(2))
    await crew.run(task="go")

    await other.load_state(await crew.save_state())

    assert sources(await other.run()) == ["ben"]


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(0, 40))
def test_turns_are_shared_evenly(people: int, turns: int) -> None:
    names = [f"p{number}" for number in range(people)]

    async def order() -> list[str]:
        return [in_turn(TeamView(names, [], turn)).names[0] for turn in range(turns)]

    spoken = asyncio.run(order())

    counts = [spoken.count(name) for name in names]
    assert max(counts) - min(counts) <= 1
    assert all(one != other or people == 1 for one, other in pairwise(spoken))
