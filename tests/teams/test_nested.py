"""Teams in teams."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentnb.base import TaskResult
from agentnb.conditions import MaxMessageTermination
from agentnb.exceptions import AgentFailed
from agentnb.messages import ModelClientStreamingChunkEvent, ThoughtEvent
from agentnb.runlog import RunStarted, Said, TurnStarted
from agentnb.teams import BaseGroupChat, RoundRobinGroupChat
from tests.teams.conftest import Speaker, Waiter, sources, texts


def inner(*speakers: Speaker, **options: Any) -> RoundRobinGroupChat:
    return RoundRobinGroupChat(list(speakers), **{"name": "inner", "max_turns": len(speakers), **options})


async def test_a_whole_run_of_an_inner_team_is_one_turn() -> None:
    ana, ben, cara = Speaker("ana", "a"), Speaker("ben", "b"), Speaker("cara", "c")
    team = RoundRobinGroupChat([inner(ana, ben), cara], max_turns=3)

    result = await team.run(task="go")

    assert sources(result) == ["user", "ana", "ben", "cara", "ana", "ben"]
    assert ana.got == [["go"], ["b", "c"]]
    assert cara.got == [["go", "a", "b"]]


async def test_everything_an_inner_team_says_is_streamed_live() -> None:
    thought = ThoughtEvent(content="hm", source="ana")
    piece = ModelClientStreamingChunkEvent(content="a", source="ana")
    ana = Speaker("ana", "a", says_before=[thought, piece])
    team = RoundRobinGroupChat([inner(ana), Speaker("cara")], max_turns=2)

    items = [item async for item in team.run_stream(task="go")]

    result = items.pop()
    assert isinstance(result, TaskResult)
    assert [type(item).__name__ for item in items] == [
        "TextMessage",
        "ThoughtEvent",
        "ModelClientStreamingChunkEvent",
        "TextMessage",
        "TextMessage",
    ]
    assert list(result.messages) == [item for item in items if item is not piece]


async def test_an_inner_teams_facts_are_in_the_same_log_one_level_deeper() -> None:
    team = RoundRobinGroupChat([inner(Speaker("ana")), Speaker("cara")], max_turns=2)

    result = await team.run(task="go")

    assert result.log is not None
    begun = {event.id: event for event in result.log if isinstance(event.body, RunStarted | TurnStarted)}
    nested = next(event.parent for event in begun.values() if event.kind == "run.started" and event.parent)
    turn = begun[nested]
    assert isinstance(turn.body, TurnStarted)
    assert turn.body.agent == "inner"
    said = [event.body.message.to_text() for event in result.log if isinstance(event.body, Said)]
    assert said == ["go", "ana says", "cara says"]


async def test_an_inner_team_with_nothing_new_to_hear_goes_on() -> None:
    ana = Speaker("ana")

    result = await RoundRobinGroupChat([inner(ana)], max_turns=2).run()

    assert sources(result) == ["ana", "ana"]
    assert ana.got == [[], []]


async def test_an_inner_teams_condition_ends_its_turn_only() -> None:
    crew = inner(Speaker("ana"), max_turns=None, termination_condition=MaxMessageTermination(3))

    result = await RoundRobinGroupChat([crew, Speaker("cara")], max_turns=2).run(task="go")

    assert sources(result) == ["user", "ana", "ana", "cara"]


async def test_a_failure_inside_names_the_inner_team_and_its_agent() -> None:
    failures = [ValueError("no")]
    ana = Speaker("ana", lambda _: failures.pop() if failures else "fine")
    team = RoundRobinGroupChat([inner(ana)], max_turns=1)

    with pytest.raises(AgentFailed, match="'ana' failed: ValueError: no"):
        await team.run(task="go")
    await team.reset()
    assert texts(await team.run(task="go")) == ["go", "fine"]


async def test_stopping_the_outer_run_stops_the_inner_one_at_once() -> None:
    ana = Waiter("ana")
    team = RoundRobinGroupChat([inner(ana)], max_turns=1)
    run = team.start(task="go")
    await ana.begun.wait()

    run.stop()
    await run
    ana.go_on.set()

    assert ana.cleaned
    assert sources(await team.run(task="again")) == ["user", "ana"]


async def test_pausing_the_outer_run_holds_the_inner_one_between_its_turns() -> None:
    ana, ben = Waiter("ana"), Speaker("ben")
    run = RoundRobinGroupChat([inner(ana, ben)], max_turns=1).start(task="go")
    await ana.begun.wait()

    run.pause()
    ana.go_on.set()
    async with asyncio.timeout(5):
        while not run._brake.gate.held:  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0)

    assert sources(run) == ["user", "ana"]
    run.resume()
    assert sources(await run) == ["user", "ana", "ben"]
    assert ana.calls == ben.calls == ["pause", "resume"]


async def test_a_nested_state_goes_on_in_another_team_object() -> None:
    def make() -> RoundRobinGroupChat:
        return RoundRobinGroupChat([inner(Speaker("ana", "a1", "a2"), Speaker("ben", "b1")), Speaker("cara")])

    first, second = make(), make()
    first._max_turns = second._max_turns = 1
    await first.run(task="go")

    await second.load_state(await first.save_state())

    assert sources(await second.run()) == ["cara"]
    assert texts(await second.run()) == ["a2", "b1"]


async def test_a_reset_reaches_the_agents_of_an_inner_team() -> None:
    ana = Speaker("ana")
    team = RoundRobinGroupChat([inner(ana)], max_turns=1)
    await team.run(task="go")

    await team.reset()

    assert ana.calls == ["reset"]
    assert ana.got == []


async def test_where_only_agents_may_take_part_a_team_is_refused_with_the_way_out() -> None:
    class Flat(BaseGroupChat):
        nests = False

    with pytest.raises(TypeError, match="Flat takes agents only, and 'inner' is a team"):
        Flat([inner(Speaker("ana"))], lambda view: view.names[0])


async def test_a_run_of_a_nested_team_can_be_written_and_made_again() -> None:
    team = RoundRobinGroupChat([inner(Speaker("ana"))], max_turns=1)

    described = team.describe_component().config

    assert described["participants"][0]["component_type"] == "team"
