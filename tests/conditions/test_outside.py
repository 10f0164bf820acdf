"""Over because somebody, or a function, outside of the conversation says so."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from agentnb.conditions import ExternalTermination, FunctionalTermination, MaxMessageTermination
from agentnb.core import Component
from agentnb.teams import RoundRobinGroupChat
from tests.conditions.conftest import Said, saved, text
from tests.teams.conftest import Speaker, Waiter, sources


async def test_an_external_end_waits_for_the_next_look_and_is_forgotten_by_a_reset() -> None:
    condition = ExternalTermination()
    assert await condition([text()]) is None

    condition.set()
    assert not condition.terminated
    assert await condition([]) is not None

    await condition.reset()
    assert await condition([text()]) is None


async def test_an_end_wished_from_another_task_comes_after_the_turn_that_goes_on() -> None:
    ana, condition = Waiter("ana"), ExternalTermination()
    team = RoundRobinGroupChat([ana, Speaker("ben")], termination_condition=condition)
    run = asyncio.create_task(team.run(task="go"))
    await ana.begun.wait()

    condition.set()
    ana.go_on.set()

    result = await run
    assert sources(result) == ["user", "ana"]
    assert result.stop_reason == "it was ended from outside"


async def test_a_wish_that_was_saved_is_still_one() -> None:
    before, after = ExternalTermination(), ExternalTermination()
    before.set()

    after.load_state(saved(before))

    assert await after([]) is not None


def last_is_from(name: str, messages: Sequence[Said]) -> bool:
    return bool(messages) and messages[-1].source == name


async def last_is_from_ana(messages: Sequence[Said]) -> bool:
    return last_is_from("ana", messages)


class Never:
    async def __call__(self, messages: Sequence[Said]) -> bool:
        return False


@pytest.mark.parametrize("func", [partial(last_is_from, "ana"), last_is_from_ana])
async def test_a_function_sees_what_is_new_and_decides(func: Any) -> None:
    condition = FunctionalTermination(func)

    assert await condition([text(source="ana"), text(source="ben")]) is None
    assert await condition([]) is None
    ended = await condition([text(source="ana")])
    assert ended is not None
    assert "says so" in ended.content


@pytest.mark.parametrize("func", [lambda said: None, lambda said: said and False, lambda said: 0, Never()])
async def test_what_counts_as_false_ends_nothing(func: Any) -> None:
    assert await FunctionalTermination(func)([]) is None


class Truthless:
    def __bool__(self) -> bool:
        raise ValueError("neither")


@pytest.mark.parametrize("answer", [1, "yes", [0], Truthless()])
async def test_an_answer_that_only_counts_as_true_is_an_error_not_silence(answer: Any) -> None:
    """AutoGen takes only `True` itself: a predicate that returns a match, or numpy's True, never ends anything."""

    def find(messages: Sequence[Said]) -> Any:
        return answer

    with pytest.raises(ValueError, match=r"'find' of a FunctionalTermination returned .*bool\("):
        await FunctionalTermination(find)([text()])


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(ValueError, match="takes a function of the new messages, not 'STOP'"):
        FunctionalTermination("STOP")  # type: ignore[arg-type]


@pytest.mark.parametrize("joined", [False, True])
def test_a_function_is_not_written_and_the_way_out_is_told(joined: bool) -> None:
    condition: Component = FunctionalTermination(last_is_from_ana)
    if joined:
        condition = FunctionalTermination(last_is_from_ana) | MaxMessageTermination(3)

    with pytest.raises(ValueError, match=r"'last_is_from_ana' cannot be written\. Leave it out"):
        condition.dump_component()
    assert '"func":{"not written":"function"}' in condition.describe_component().model_dump_json()
