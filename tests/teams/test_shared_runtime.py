"""Teams on a runtime that the user made, starts and stops."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from agentnb.base import TaskResult
from agentnb.core import AgentId, CancellationToken
from agentnb.exceptions import AgentFailed
from agentnb.messages import BaseChatMessage
from agentnb.models import ScriptedChatCompletionClient
from agentnb.runlog import RunLog, Said
from agentnb.runtimes import BaseAgent, DefaultInterventionHandler, DropMessage, MessageContext
from agentnb.runtimes import SingleThreadedAgentRuntime as Runtime
from agentnb.teams import MagenticOneGroupChat, RoundRobinGroupChat
from tests.teams.conftest import Speaker, Waiter, sources, texts


class Watching(DefaultInterventionHandler):
    """Counts turns, and drops those from a number on."""

    def __init__(self, drop_from: int = 1000) -> None:
        self.turns = 0
        self._drop_from = drop_from

    async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
        self.turns += 1
        return DropMessage if self.turns >= self._drop_from else message


def started(**options: Any) -> Runtime:
    runtime = Runtime(**options)
    runtime.start()
    return runtime


def team(runtime: Runtime, *speakers: Speaker, **options: Any) -> RoundRobinGroupChat:
    return RoundRobinGroupChat(list(speakers), **{"runtime": runtime, "max_turns": len(speakers), **options})


async def by_turns(one: Waiter, other: Waiter, runs: Sequence[asyncio.Future[TaskResult]]) -> list[TaskResult]:
    """Let two speakers speak at the same time, and wait for both runs."""
    await asyncio.gather(one.begun.wait(), other.begun.wait())
    other.go_on.set()
    one.go_on.set()
    return await asyncio.gather(*runs)


# -- two teams --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"intervention_handlers": [Watching()]}], ids=["plain", "watched"])
async def test_two_teams_with_participants_of_the_same_names_speak_at_the_same_time(options: Any) -> None:
    runtime = started(**options)
    anas, bens = [Waiter("ana", f"a{n}") for n in (1, 2)], [Speaker("ben", f"b{n}") for n in (1, 2)]
    teams = [team(runtime, ana, ben) for ana, ben in zip(anas, bens, strict=True)]

    runs = [asyncio.ensure_future(crew.run(task=f"task {n}")) for n, crew in enumerate(teams, 1)]
    first, second = await by_turns(anas[0], anas[1], runs)

    assert texts(first) == ["task 1", "a1", "b1"]
    assert texts(second) == ["task 2", "a2", "b2"]
    assert [ben.got for ben in bens] == [[["task 1", "a1"]], [["task 2", "a2"]]]
    await runtime.stop_when_idle()


async def test_each_run_has_a_log_of_its_own_also_on_a_runtime_with_one() -> None:
    log = RunLog()
    runtime = started(log=log)
    one, other = (team(runtime, Speaker("ana")) for _ in range(2))

    first, second = await asyncio.gather(one.run(task="first"), other.run(task="second"))

    logs = [first.log, second.log, log]
    assert len({id(each) for each in logs}) == 3
    assert not any(isinstance(event.body, Said) for event in log)
    await runtime.stop()


async def test_a_team_and_actors_share_a_runtime() -> None:
    class Asker(BaseAgent):
        """Lets a team work when it is asked."""

        async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
            return texts(await crew.run(task=message))

    runtime = started()
    crew = team(runtime, Speaker("ana"), Speaker("ben"))
    await runtime.register_agent_instance(Asker("asks a team"), AgentId("asker", "default"))

    assert await runtime.send_message("go", AgentId("asker", "default")) == ["go", "ana says", "ben says"]
    await runtime.stop_when_idle()


async def test_a_team_in_a_team_may_live_on_the_same_runtime() -> None:
    runtime = started()
    inner = team(runtime, Speaker("ana"), Speaker("ben"), name="inner")
    outer = RoundRobinGroupChat([inner, Speaker("cleo")], runtime=runtime, max_turns=2)

    assert sources(await outer.run(task="go")) == ["user", "ana", "ben", "cleo"]
    await runtime.stop_when_idle()


async def test_an_orchestrators_team_shares_a_runtime_with_another() -> None:
    ledger = json.dumps(
        {
            "is_request_satisfied": {"reason": "done", "answer": True},
            "is_in_loop": {"reason": "", "answer": False},
            "is_progress_being_made": {"reason": "", "answer": True},
            "next_speaker": {"reason": "", "answer": "ana"},
            "instruction_or_question": {"reason": "", "answer": ""},
        }
    )
    runtime = started()
    client = ScriptedChatCompletionClient(["F", "P", ledger, "end"])
    orchestrated = MagenticOneGroupChat([Speaker("ana")], client, runtime=runtime)

    first, second = await asyncio.gather(orchestrated.run(task="one"), team(runtime, Speaker("ana")).run(task="two"))

    assert (texts(first)[-1], texts(second)) == ("end", ["two", "ana says"])
    await runtime.stop()


# -- one team's troubles are its own ----------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["fails", "is cancelled"])
async def test_a_team_that_fails_or_is_cancelled_leaves_the_other_and_the_runtime_alone(trouble: str) -> None:
    runtime, calm = started(), Waiter("ana")
    hurt = Waiter("ana", ValueError("broken"), "well again")
    token = CancellationToken()
    troubled, other = team(runtime, hurt), team(runtime, calm)
    runs = [
        asyncio.ensure_future(troubled.run(task="go", cancellation_token=token)),
        asyncio.ensure_future(other.run(task="go")),
    ]
    await asyncio.gather(hurt.begun.wait(), calm.begun.wait())

    if trouble == "fails":
        hurt.go_on.set()
        with pytest.raises(AgentFailed, match="'ana' failed: ValueError: broken"):
            await runs[0]
    else:
        token.cancel()
        with pytest.raises(asyncio.CancelledError):
            await runs[0]
        hurt.turns = 1
    calm.go_on.set()
    hurt.go_on.set()

    assert texts(await runs[1]) == ["go", "ana says"]
    assert texts(await troubled.run(task="again")) == ["again", "well again"]
    await runtime.stop_when_idle()


async def test_a_dropped_turn_ends_the_run_by_name_and_not_in_silence() -> None:
    runtime = started(intervention_handlers=[Watching(drop_from=2)])

    with pytest.raises(AgentFailed, match=r"'ben' failed: Dropped: Watching\.on_send dropped the Turn"):
        await team(runtime, Speaker("ana"), Speaker("ben")).run(task="go")
    await runtime.stop()


async def test_a_team_pauses_and_goes_on_while_the_other_speaks() -> None:
    runtime, ana = started(), Waiter("ana")
    held, free = team(runtime, ana, Speaker("ben")), team(runtime, Speaker("ana"), Speaker("ben"))
    running = asyncio.ensure_future(held.run(task="go"))
    await ana.begun.wait()

    await held.pause()
    ana.go_on.set()
    meanwhile = await free.run(task="go")

    assert sources(meanwhile) == ["user", "ana", "ben"]
    assert not running.done()
    assert ana.calls == ["pause"]
    await held.resume()
    assert sources(await running) == ["user", "ana", "ben"]
    await runtime.stop_when_idle()


async def test_a_run_that_pauses_between_turns_does_not_keep_the_runtime_from_being_idle() -> None:
    runtime, ana = started(), Waiter("ana")
    crew = team(runtime, ana, Speaker("ben"))
    running = asyncio.ensure_future(crew.run(task="go"))
    await ana.begun.wait()
    await crew.pause()
    ana.go_on.set()

    await asyncio.wait_for(runtime.stop_when_idle(), 5)
    runtime.start()
    await crew.resume()

    assert sources(await running) == ["user", "ana", "ben"]
    await runtime.stop_when_idle()


# -- the caller starts and stops it -----------------------------------------------------------------------------------


async def test_a_runtime_may_be_stopped_and_started_between_runs() -> None:
    runtime = started()
    crew = team(runtime, Speaker("ana"), Speaker("ben"), max_turns=1)
    await crew.run(task="go")

    await runtime.stop_when_idle()
    runtime.start()

    assert sources(await crew.run()) == ["ben"]
    await runtime.stop()


@pytest.mark.parametrize("before", ["never started", "stopped"])
async def test_a_run_on_a_runtime_that_is_not_started_says_so_and_does_not_hang(before: str) -> None:
    runtime, ana = Runtime(), Speaker("ana")
    crew = team(runtime, ana)
    if before == "stopped":
        runtime.start()
        await runtime.stop()

    with pytest.raises(RuntimeError, match=r"not started.*start\(\)"):
        await asyncio.wait_for(crew.run(task="go"), 5)
    runtime.start()

    assert texts(await crew.run(task="go")) == ["go", "ana says"]
    assert ana.got == [["go"]]
    await runtime.stop()


async def test_a_runtime_stopped_in_mid_run_ends_the_run_after_the_turn_with_a_word_why() -> None:
    runtime, ana = started(), Waiter("ana")
    crew = team(runtime, ana, Speaker("ben"))
    running = asyncio.ensure_future(crew.run(task="go"))
    await ana.begun.wait()

    await runtime.stop()
    ana.go_on.set()
    with pytest.raises(RuntimeError, match=r"not started.*start\(\)"):
        await asyncio.wait_for(running, 5)
    runtime.start()

    assert sources(await crew.run()) == ["ben", "ana"]
    await runtime.stop()


async def test_a_closed_runtime_leaves_the_teams_state_to_be_saved() -> None:
    runtime = started()
    crew = team(runtime, Speaker("ana"))
    await crew.run(task="go")

    await runtime.close()

    assert (await crew.save_state())["agent_states"]["ana"]["agent_state"] == {"type": "SpeakerState", "turns": 1}


async def test_many_runs_leave_nothing_waiting_on_the_runtime() -> None:
    runtime = started()
    teams = [team(runtime, Speaker("ana"), Speaker("ben")) for _ in range(5)]

    for _ in range(4):
        await asyncio.gather(*(crew.run(task="go") for crew in teams))

    assert runtime.unprocessed_messages_count == 0
    assert runtime.statistics()[:5] == (0, 0, 40, 0, 0)
    await runtime.stop_when_idle()


async def test_messages_of_one_team_never_reach_the_other() -> None:
    runtime = started()
    seen: list[BaseChatMessage] = []

    def note(messages: Sequence[BaseChatMessage]) -> str:
        seen.extend(messages)
        return "noted"

    loud, quiet = team(runtime, Speaker("ana"), Speaker("ben")), team(runtime, Speaker("cleo", note))
    await loud.run(task="secret")
    await quiet.run(task="public")

    assert [message.to_text() for message in seen] == ["public"]
    await runtime.stop()
