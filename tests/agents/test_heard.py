"""What an agent is told reaches its context once."""

from __future__ import annotations

import asyncio
import json

import pytest

from agentnb.agents import AssistantAgent, SocietyOfMindAgent
from agentnb.agents.heard import Heard
from agentnb.exceptions import ModelUnreachable
from agentnb.messages import HandoffMessage, TextMessage, UserMessage
from agentnb.model_context import UnboundedChatCompletionContext
from agentnb.models import ScriptedChatCompletionClient
from agentnb.teams import RoundRobinGroupChat
from tests.teams.conftest import Speaker


def client(*script: object) -> ScriptedChatCompletionClient:
    return ScriptedChatCompletionClient(list(script))  # type: ignore[arg-type]


def contents(messages: object) -> list[str]:
    return [str(message.content) for message in messages]  # type: ignore[attr-defined]


async def test_messages_of_a_turn_that_failed_are_given_again_and_taken_in_once() -> None:
    model = client(ModelUnreachable("no network"), "fine")
    ana = AssistantAgent("ana", model, system_message=None)
    team = RoundRobinGroupChat([ana], max_turns=1)

    with pytest.raises(ModelUnreachable):
        await team.run(task="go")
    await team.run(task="again")

    assert contents(model.asked[1]) == ["go", "again"]
    assert contents(await ana.model_context.get_messages()) == ["go", "again", "fine"]


async def test_so_it_is_where_the_state_was_saved_in_between() -> None:
    first = RoundRobinGroupChat([AssistantAgent("ana", client(ModelUnreachable("no network")))], max_turns=1)
    with pytest.raises(ModelUnreachable):
        await first.run(task="go")
    model = client("fine")
    second = RoundRobinGroupChat([AssistantAgent("ana", model, system_message=None)], max_turns=1)

    await second.load_state(json.loads(json.dumps(await first.save_state())))
    await second.run()

    assert contents(model.asked[0]) == ["go"]


async def test_an_agent_that_keeps_nothing_is_given_everything_again() -> None:
    failures = [ValueError("no")]
    ana = Speaker("ana", lambda _: failures.pop() if failures else "fine")
    team = RoundRobinGroupChat([ana], max_turns=1)

    with pytest.raises(RuntimeError):
        await team.run(task="go")
    await team.run()

    assert ana.got == [["go"], ["go"]]


async def test_a_team_inside_is_told_again_what_it_lost_and_only_once() -> None:
    failures = [ValueError("no")]
    ana = Speaker("ana", lambda _: failures.pop() if failures else "a")
    society = SocietyOfMindAgent("society", RoundRobinGroupChat([ana], max_turns=1), client("voice"))
    team = RoundRobinGroupChat([society], max_turns=1)

    with pytest.raises(RuntimeError):
        await team.run(task="go")
    ana.lines = (lambda messages: "heard " + ", ".join(message.to_text() for message in messages),)
    result = await team.run()

    assert [message.to_text() for message in result.messages] == ["heard go", "voice"]


def test_a_handoff_brings_its_context_along_once() -> None:
    async def take() -> list[str]:
        context = UnboundedChatCompletionContext()
        heard = Heard(context)
        before = UserMessage(content="before", source="user")
        handoff = HandoffMessage(content="over", target="ana", source="ben", context=[before])
        await heard.take([handoff])
        await heard.take([handoff, TextMessage(content="new", source="ben")])
        heard.clear()
        await heard.take([handoff])
        return contents(await context.get_messages())

    assert asyncio.run(take()) == ["before", "over", "new", "before", "over"]
