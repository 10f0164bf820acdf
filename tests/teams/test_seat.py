"""A participant's place on a runtime."""

from __future__ import annotations

import pytest

from agentnb.core import AgentId, CancellationToken
from agentnb.exceptions import CantHandleException
from agentnb.messages import TextMessage
from agentnb.runlog import RunLog, RunStarted, open_run
from agentnb.runtimes import SingleThreadedAgentRuntime
from agentnb.teams.seat import Seat, Turn
from tests.teams.conftest import Speaker


async def test_a_seat_answers_a_turn_with_what_its_agent_says() -> None:
    runtime, ana, log = SingleThreadedAgentRuntime(), Speaker("ana"), RunLog()
    runtime.start()
    seat = await runtime.register_agent_instance(Seat(ana), AgentId("ana", "k"))

    async with open_run(RunStarted(runner="r", runner_type="R"), log=log) as run:
        turn = Turn((TextMessage(content="go", source="user"),), run, CancellationToken())
        said = await runtime.send_message(turn, seat)

    assert [message.to_text() for message in said] == ["ana says"]
    assert ana.got == [["go"]]
    assert [event.kind for event in log][1:5] == ["turn.started", "message", "state", "turn.finished"]
    assert (await runtime.agent_metadata(seat))["description"] == "ana speaks"


async def test_a_seat_takes_turns_only() -> None:
    runtime = SingleThreadedAgentRuntime()
    runtime.start()
    seat = await runtime.register_agent_instance(Seat(Speaker("ana")), AgentId("ana", "k"))

    with pytest.raises(CantHandleException, match="The seat of 'ana' takes turns, not str"):
        await runtime.send_message("hello", seat)
