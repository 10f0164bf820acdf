"""An agent that speaks for a person."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

import pytest

from agentnb.agents import UserProxyAgent
from agentnb.core import CancellationToken
from agentnb.exceptions import HumanUnavailable
from agentnb.messages import HandoffMessage, TextMessage, UserInputRequestedEvent
from agentnb.runlog import Event, InputAnswered, InputRequested, RunLog
from tests.agents.conftest import names, turn


def questions(log: RunLog) -> list[Any]:
    return [event.body for event in log if isinstance(event.body, InputRequested | InputAnswered)]


def attend(log: RunLog, text: str) -> None:
    """Answer each question as a widget does: when it is shown."""

    def watcher(item: Any) -> None:
        if isinstance(item, Event) and isinstance(item.body, InputRequested):
            input_id = item.body.input_id
            asyncio.get_running_loop().call_soon(lambda: log.answer(input_id, text, by="widget"))

    log.attend("widget")
    log.watch(watcher)


async def test_a_plain_function_is_asked_in_a_thread() -> None:
    prompts: list[tuple[str, bool]] = []

    def answer(prompt: str) -> str:
        prompts.append((prompt, threading.current_thread() is threading.main_thread()))
        return "yes"

    items = await turn(UserProxyAgent("me", input_func=answer), "Shall I?")

    assert names(items) == ["UserInputRequestedEvent", "Response(TextMessage)"]
    assert (items[-1].chat_message.content, items[-1].chat_message.source) == ("yes", "me")
    assert items[-1].inner_messages == [items[0]]
    assert prompts == [("Enter your answer: ", False)]


async def test_a_coroutine_function_is_given_the_token() -> None:
    seen: list[CancellationToken | None] = []

    async def answer(prompt: str, cancellation_token: CancellationToken | None) -> str:
        seen.append(cancellation_token)
        return "later"

    token = CancellationToken()
    items = await turn(UserProxyAgent("me", input_func=answer), "?", token=token)

    assert items[-1].chat_message.content == "later"
    assert seen == [token]


async def test_an_object_with_an_async_call_may_answer() -> None:
    class Answers:
        async def __call__(self, prompt: str, cancellation_token: CancellationToken | None) -> str:
            return "object"

    items = await turn(UserProxyAgent("me", input_func=Answers()), "?")

    assert items[-1].chat_message.content == "object"


@pytest.mark.parametrize("is_async", [False, True])
async def test_the_function_can_tell_which_request_it_answers(is_async: bool) -> None:
    seen: list[str] = []

    def answer(prompt: str) -> str:
        seen.append(UserProxyAgent.InputRequestContext.request_id())
        return ""

    async def answer_later(prompt: str, cancellation_token: CancellationToken | None) -> str:
        return answer(prompt)

    items = await turn(UserProxyAgent("me", input_func=answer_later if is_async else answer), "?")

    assert isinstance(items[0], UserInputRequestedEvent)
    assert seen == [items[0].request_id]
    with pytest.raises(RuntimeError, match="inside of an input function only"):
        UserProxyAgent.InputRequestContext.request_id()


async def test_a_question_in_an_attended_run_is_answered_through_the_log() -> None:
    log = RunLog()
    attend(log, "go on")

    result = await UserProxyAgent("me").run(task="Shall I?", log=log)

    assert result.messages[-1].to_text() == "go on"
    asked, answered = questions(log)
    assert (asked.input_id, answered.text, answered.by) == (answered.input_id, "go on", "widget")


async def test_an_input_function_goes_before_those_who_attend() -> None:
    log = RunLog()
    attend(log, "from the widget")

    result = await UserProxyAgent("me", input_func=lambda prompt: "from the program").run(task="?", log=log)

    assert result.messages[-1].to_text() == "from the program"
    assert [body.by for body in questions(log) if isinstance(body, InputAnswered)] == ["input_func"]


async def test_with_nobody_there_it_raises_instead_of_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/null") as nobody:  # noqa: ASYNC230 - no bytes are read
        monkeypatch.setattr(sys, "stdin", nobody)
        with pytest.raises(HumanUnavailable, match="'me' wants to ask a person, but nobody is there"):
            await UserProxyAgent("me").run(task="?")

    monkeypatch.setattr(sys, "stdin", None)  # as in a program without a console
    with pytest.raises(HumanUnavailable, match="input_func="):
        await UserProxyAgent("me").run(task="?")


def test_it_tells_whether_it_asks_a_person() -> None:
    assert UserProxyAgent("me").asks_person
    assert not UserProxyAgent("me", input_func=input).asks_person


async def test_who_is_handed_over_to_hands_back() -> None:
    prompts: list[str] = []

    def answer(prompt: str) -> str:
        prompts.append(prompt)
        return "take it"

    handoff = HandoffMessage(content="yours", target="me", source="ana")
    items = await turn(UserProxyAgent("me", input_func=answer), "earlier", handoff)

    message = items[-1].chat_message
    assert isinstance(message, HandoffMessage)
    assert (message.target, message.content, message.source) == ("ana", "take it", "me")
    assert "ana" in prompts[0]


async def test_a_handoff_to_somebody_else_is_an_error() -> None:
    handoff = HandoffMessage(content="yours", target="ben", source="ana")

    with pytest.raises(RuntimeError, match="ana handed over to 'ben', but 'me' was asked"):
        await turn(UserProxyAgent("me", input_func=lambda prompt: ""), handoff)


async def test_an_earlier_handoff_does_not_matter() -> None:
    handoff = HandoffMessage(content="yours", target="ben", source="ana")

    items = await turn(UserProxyAgent("me", input_func=lambda prompt: "x"), handoff, "later")

    assert isinstance(items[-1].chat_message, TextMessage)


async def test_an_input_function_that_fails_is_named_with_its_cause() -> None:
    def answer(prompt: str) -> str:
        raise OSError("no terminal")

    with pytest.raises(RuntimeError, match="The input of 'me' failed: no terminal") as caught:
        await turn(UserProxyAgent("me", input_func=answer), "?")
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize("way", ["thread", "coroutine", "log"])
async def test_cancelling_ends_the_wait_for_a_person(way: str) -> None:
    asked, leave = threading.Event(), threading.Event()
    log = RunLog()

    def wait(prompt: str) -> str:
        asked.set()
        leave.wait()
        return ""

    async def wait_later(prompt: str, cancellation_token: CancellationToken | None) -> str:
        asked.set()
        await asyncio.Event().wait()
        return ""

    if way == "log":
        log.attend("widget")
        log.watch(lambda item: asked.set() if getattr(item, "kind", "") == "input.requested" else None)
    function: Any = {"thread": wait, "coroutine": wait_later, "log": None}[way]
    token = CancellationToken()
    running = asyncio.ensure_future(
        UserProxyAgent("me", input_func=function).run(task="?", cancellation_token=token, log=log)
    )
    await asyncio.to_thread(asked.wait)

    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    leave.set()

    assert log.open_questions == ()
    assert not [body for body in questions(log) if isinstance(body, InputAnswered)]


async def test_a_person_keeps_no_state() -> None:
    agent = UserProxyAgent("me", input_func=lambda prompt: "")

    await agent.on_reset(CancellationToken())

    assert (await agent.save_state())["type"] == "BaseState"
    assert agent.produced_message_types == (TextMessage, HandoffMessage)
