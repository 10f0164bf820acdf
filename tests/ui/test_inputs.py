"""Questions to a person that wait for what led to them to be shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from agentnb.agents import UserProxyAgent
from agentnb.base import TaskResult
from agentnb.core import CancellationToken
from agentnb.messages import TextMessage, UserInputRequestedEvent
from agentnb.runlog import RunLog, Said, TurnStarted
from agentnb.runlog.scopes import scope
from agentnb.teams import BaseGroupChat, RoundRobinGroupChat, TeamView
from agentnb.ui import Console, UserInputManager
from tests.teams.conftest import Speaker


class Person:
    """Answers, and keeps what the screen showed when it was asked."""

    def __init__(self, capsys: pytest.CaptureFixture[str], answer: str = "yes") -> None:
        self.seen: list[str] = []
        self.prompts: list[str] = []
        self._capsys = capsys
        self._answer = answer

    def plain(self, prompt: str) -> str:
        self.prompts.append(prompt)
        self.seen.append(self._capsys.readouterr().out)
        return self._answer

    async def waiting(self, prompt: str, token: CancellationToken | None) -> str:
        return self.plain(prompt)

    def ways(self) -> list[Callable[..., Any]]:
        class Called:
            async def __call__(_, prompt: str, token: CancellationToken | None) -> str:
                return self.plain(prompt)

        return [self.plain, self.waiting, Called()]


@pytest.mark.parametrize("way", [0, 1, 2], ids=["function", "coroutine function", "object"])
async def test_a_team_asks_a_person_behind_what_led_to_it(way: int, capsys: pytest.CaptureFixture[str]) -> None:
    person = Person(capsys)
    inputs = UserInputManager(person.ways()[way])
    me = UserProxyAgent("me", input_func=inputs.get_wrapped_callback())
    team = RoundRobinGroupChat([Speaker("ana", "Look at this."), me], max_turns=4)

    async with asyncio.timeout(10):
        result = await Console(team.run_stream(task="go", log=RunLog()), user_input_manager=inputs)

    assert [m.to_text() for m in result.messages if m.source == "me"] == ["", "yes"] * 2
    assert person.prompts == ["Enter your answer: "] * 2
    assert person.seen[0].endswith("---------- TextMessage (ana) ----------\nLook at this.\n")
    assert person.seen[1] == (
        "---------- TextMessage (me) ----------\nyes\n---------- TextMessage (ana) ----------\nLook at this.\n"
    )


@pytest.mark.parametrize("way", [0, 1, 2], ids=["function", "coroutine function", "object"])
async def test_an_agent_alone_asks_a_person_and_does_not_hang(way: int, capsys: pytest.CaptureFixture[str]) -> None:
    """In AutoGen the Console's word comes before the agent waits for it, and is lost."""
    person = Person(capsys)
    inputs = UserInputManager(person.ways()[way])
    me = UserProxyAgent("me", input_func=inputs.get_wrapped_callback())

    async with asyncio.timeout(10):
        result = await Console(me.run_stream(task="Shall I?", log=RunLog()), user_input_manager=inputs)

    assert result.messages[-1].to_text() == "yes"
    assert person.seen == ["---------- TextMessage (user) ----------\nShall I?\n"]


async def test_an_agents_own_stream_asks_a_person_and_does_not_hang(capsys: pytest.CaptureFixture[str]) -> None:
    person = Person(capsys)
    inputs = UserInputManager(person.plain)
    me = UserProxyAgent("me", input_func=inputs.get_wrapped_callback())

    for _ in range(2):
        items = me.on_messages_stream([TextMessage(content="?", source="user")], CancellationToken())
        async with asyncio.timeout(10):
            response = await Console(items, user_input_manager=inputs)

        assert response.chat_message.to_text() == "yes"
    assert len(person.seen) == 2


async def test_one_managers_question_does_not_wait_for_anothers_request(capsys: pytest.CaptureFixture[str]) -> None:
    """A request that another function answered is no leave to ask before the next one is shown."""
    person = Person(capsys)
    inputs = UserInputManager(person.plain)
    other = UserProxyAgent("other", input_func=lambda prompt: "no")
    me = UserProxyAgent("me", input_func=inputs.get_wrapped_callback())
    team = RoundRobinGroupChat([other, me], max_turns=2)

    async with asyncio.timeout(10):
        await Console(team.run_stream(task="go", log=RunLog()), user_input_manager=inputs)

    assert person.seen[0].endswith("---------- TextMessage (other) ----------\nno\n")


async def test_two_who_are_asked_at_the_same_time_each_get_their_own_answer() -> None:
    async def both(view: TeamView) -> list[str]:
        return ["ana", "ben"]

    async def answer(prompt: str, token: CancellationToken | None) -> str:
        return f"{UserProxyAgent.InputRequestContext.request_id()}"

    inputs = UserInputManager(answer)
    people = [UserProxyAgent(name, input_func=inputs.get_wrapped_callback()) for name in ("ana", "ben")]
    team = BaseGroupChat(people, both, max_turns=1)

    async with asyncio.timeout(10):
        result = await Console(team.run_stream(task="go", log=RunLog()), user_input_manager=inputs)

    asked = {m.source: m.request_id for m in result.messages if isinstance(m, UserInputRequestedEvent)}
    assert {m.source: m.content for m in result.messages if isinstance(m, TextMessage) and m.source != "user"} == asked


async def test_a_question_waits_for_its_own_request_not_for_any() -> None:
    inputs, log = UserInputManager(lambda prompt: prompt), RunLog()

    async def ask(name: str) -> str:
        turn = log.append(TurnStarted(agent=name, turn=1)).id
        log.append(Said(message=UserInputRequestedEvent(request_id=name, source=name)), parent=turn)
        with scope(log, turn, name):
            return await inputs.get_wrapped_callback()(name, None)

    first, second = asyncio.create_task(ask("first")), asyncio.create_task(ask("second"))
    await asyncio.sleep(0)
    inputs.notify_event_received("second")

    assert await second == "second"
    assert not first.done()
    inputs.notify_event_received("first")
    assert await first == "first"


async def test_an_agent_that_asks_without_saying_so_asks_at_once() -> None:
    inputs = UserInputManager(lambda prompt: f"{prompt} yes")
    ask = inputs.get_wrapped_callback()

    async def line(_: object) -> str:
        return await ask("sure?", None)

    async with asyncio.timeout(10):
        result = await Console(Speaker("ana", line).run_stream(task="go", log=RunLog()), user_input_manager=inputs)

    assert result.messages[-1].to_text() == "sure? yes"


async def test_a_question_that_waits_ends_with_its_token() -> None:
    inputs = UserInputManager(lambda prompt: prompt)
    token = CancellationToken()
    asking = asyncio.ensure_future(inputs.get_wrapped_callback()("?", token))
    await asyncio.sleep(0)

    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_question_waits_until_what_led_to_it_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []

    async def callback(prompt: str, token: CancellationToken | None) -> str:
        asked.append(capsys.readouterr().out)
        return "yes"

    inputs = UserInputManager(callback)
    ask = inputs.get_wrapped_callback()

    async def team() -> AsyncGenerator[Any, None]:
        answer = asyncio.ensure_future(ask("?", None))  # a team's agent asks before its reader sees the event
        await asyncio.sleep(0)
        yield TextMessage(content="look at this", source="ana")
        yield UserInputRequestedEvent(request_id="1", source="user")
        yield TaskResult(messages=[TextMessage(content=await answer, source="user")])

    result = await Console(team(), user_input_manager=inputs)

    assert result.messages[0].content == "yes"
    assert "look at this" in asked[0]


async def test_a_lone_agents_early_notification_is_remembered() -> None:
    inputs = UserInputManager(lambda prompt: f"{prompt} yes")
    ask = inputs.get_wrapped_callback()

    async def agent() -> AsyncGenerator[Any, None]:
        yield UserInputRequestedEvent(request_id="1", source="user")
        yield TaskResult(messages=[TextMessage(content=await ask("sure?", None), source="user")])

    async with asyncio.timeout(5):
        result = await Console(agent(), user_input_manager=inputs)

    assert result.messages[0].content == "sure? yes"


async def test_a_cancelled_question_does_not_take_the_next_ones_turn() -> None:
    inputs = UserInputManager(lambda prompt: prompt)
    ask = inputs.get_wrapped_callback()
    first = asyncio.ensure_future(ask("first", None))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    inputs.notify_event_received("2")

    async with asyncio.timeout(5):
        assert await ask("second", None) == "second"
