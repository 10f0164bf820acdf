"""An agent that speaks for a person."""

from __future__ import annotations

import asyncio
import subprocess
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


def test_an_input_function_that_cannot_be_called_is_refused() -> None:
    answers: Any = ["yes"]

    with pytest.raises(TypeError, match=r"The input_func of the agent 'me' is \['yes'\], which cannot be called"):
        UserProxyAgent("me", input_func=answers)


async def test_a_handoff_to_somebody_else_is_an_error() -> None:
    handoff = HandoffMessage(content="yours", target="ben", source="ana")

    with pytest.raises(RuntimeError, match=r"ana handed over to 'ben', but 'me' was asked. Hand over to 'me'"):
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


async def test_an_input_function_that_has_nothing_more_to_give_is_an_error_and_no_endless_wait() -> None:
    answers = iter(["only this"])
    agent = UserProxyAgent("me", input_func=lambda prompt: next(answers))
    await turn(agent, "?")

    with pytest.raises(RuntimeError, match="The input of 'me' failed: StopIteration"):
        await asyncio.wait_for(turn(agent, "?"), 5)


async def test_an_error_without_a_text_is_named_by_its_class() -> None:
    def closed(prompt: str) -> str:
        raise EOFError

    with pytest.raises(RuntimeError, match="The input of 'me' failed: EOFError"):
        await turn(UserProxyAgent("me", input_func=closed), "?")


@pytest.mark.parametrize("given", [None, 3], ids=repr)
async def test_an_input_that_is_no_text_is_an_error(given: Any) -> None:
    log = RunLog()

    with pytest.raises(RuntimeError, match=f"The input of 'me' failed: it gave {given}, which is no text"):
        await UserProxyAgent("me", input_func=lambda prompt: given).run(task="?", log=log)
    assert [type(question).__name__ for question in questions(log)] == ["InputRequested"]


async def test_the_log_says_that_a_person_is_waited_for_while_an_input_function_asks() -> None:
    log = RunLog()
    seen: list[str] = []

    def look(prompt: str) -> str:
        seen.extend(question.by for question in questions(log))
        return "yes"

    await UserProxyAgent("me", input_func=look).run(task="?", log=log)

    assert seen == ["input_func"]
    assert [type(question).__name__ for question in questions(log)] == ["InputRequested", "InputAnswered"]


async def test_a_plain_function_that_makes_a_coroutine_is_awaited() -> None:
    async def later(prompt: str) -> str:
        return f"{prompt}later"

    items = await turn(UserProxyAgent("me", input_func=lambda prompt: later("")), "?")  # type: ignore[arg-type]

    assert items[-1].chat_message.content == "later"


async def test_a_cancellation_within_the_input_function_passes_through() -> None:
    async def cancelled(prompt: str, cancellation_token: CancellationToken | None) -> str:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await turn(UserProxyAgent("me", input_func=cancelled), "?")


async def test_a_token_ends_an_input_function_that_pays_no_heed_to_it() -> None:
    asked, token = asyncio.Event(), CancellationToken()

    async def deaf(prompt: str, cancellation_token: CancellationToken | None) -> str:
        asked.set()
        await asyncio.Event().wait()
        return ""

    running = asyncio.ensure_future(turn(UserProxyAgent("me", input_func=deaf), "?", token=token))
    await asked.wait()
    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 5)


def test_a_program_whose_question_was_withdrawn_can_end() -> None:
    """The threads of `asyncio.to_thread` would keep it waiting for a line nobody will type."""
    program = """
import asyncio, threading
from agentnb.agents import UserProxyAgent
from agentnb.core import CancellationToken

async def main():
    token, asked = CancellationToken(), threading.Event()
    def wait(prompt):
        asked.set()
        threading.Event().wait()
    running = asyncio.ensure_future(UserProxyAgent("me", input_func=wait).run(task="?", cancellation_token=token))
    await asyncio.to_thread(asked.wait)
    token.cancel()
    await asyncio.wait([running])
    print("cancelled" if running.cancelled() else running.exception())

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)

    assert done.stdout == "cancelled\n"


# -- configs ----------------------------------------------------------------------------------------------------------


def reply(prompt: str) -> str:
    """Answer as the tests do."""
    return "from a module"


def test_an_agent_that_asks_a_person_is_made_again_from_its_config() -> None:
    model = UserProxyAgent("me", description="A reader").dump_component()
    data = model.model_dump() | {"provider": "autogen_agentchat.agents.UserProxyAgent"}
    data["config"]["input_func"] = None

    assert model.config == {"name": "me", "description": "A reader"}
    assert UserProxyAgent.load_component(data).dump_component() == model


async def test_an_input_function_of_a_module_is_written_by_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTNB_TRUSTED_NAMESPACES", "tests")
    model = UserProxyAgent("me", input_func=reply).dump_component()
    again = UserProxyAgent.load_component(model)

    assert model.config["input_func"] == f"{__name__}.reply"
    assert (await turn(again, "?"))[-1].chat_message.content == "from a module"
    assert again.dump_component() == model
    assert not again.asks_person


def test_an_input_function_without_a_path_is_left_out_of_the_config_with_a_warning() -> None:
    agent = UserProxyAgent("me", input_func=lambda prompt: "")

    with pytest.warns(UserWarning, match="input_func of 'me' is left out of its config") as caught:
        model = agent.dump_component()
    assert model.config == {"name": "me"}
    assert caught[0].filename == __file__


async def test_a_person_keeps_no_state() -> None:
    agent = UserProxyAgent("me", input_func=lambda prompt: "")

    await agent.on_reset(CancellationToken())

    assert (await agent.save_state())["type"] == "BaseState"
    assert agent.produced_message_types == (TextMessage, HandoffMessage)
