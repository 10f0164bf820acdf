"""Streams and facts printed."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from agentnb.base import Response, TaskResult
from agentnb.core import CancellationToken
from agentnb.messages import (
    ModelClientStreamingChunkEvent,
    RequestUsage,
    StopMessage,
    TextMessage,
    UserInputRequestedEvent,
)
from agentnb.runlog import ModelFinished, ModelStarted, RunLog, Said, TurnStarted
from agentnb.ui.console import Console, ConsoleFollower, UserInputManager, print_event


async def stream(*items: Any) -> AsyncGenerator[Any, None]:
    for item in items:
        yield item


async def test_each_message_has_a_header_and_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    result = TaskResult(messages=[], stop_reason="enough")

    returned = await Console(
        stream(TextMessage(content="hi", source="ana"), StopMessage(content="bye", source="ben"), result)
    )

    assert returned is result
    assert capsys.readouterr().out == (
        "---------- TextMessage (ana) ----------\nhi\n---------- StopMessage (ben) ----------\nbye\n"
    )


async def test_a_streamed_message_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    pieces = [ModelClientStreamingChunkEvent(content=text, source="ana") for text in ("Hel", "lo")]

    await Console(stream(*pieces, TextMessage(content="Hello", source="ana"), TaskResult(messages=[])))

    assert capsys.readouterr().out == "---------- ModelClientStreamingChunkEvent (ana) ----------\nHello\n"


async def test_a_response_ends_an_agents_own_stream(capsys: pytest.CaptureFixture[str]) -> None:
    response = Response(chat_message=TextMessage(content="done", source="ana"))

    assert await Console(stream(response)) is response
    assert capsys.readouterr().out == "---------- ana ----------\ndone\n"


async def test_statistics_count_tokens_and_messages(capsys: pytest.CaptureFixture[str]) -> None:
    message = TextMessage(content="hi", source="ana", models_usage=RequestUsage(prompt_tokens=7, completion_tokens=2))

    await Console(stream(message, TaskResult(messages=[message], stop_reason="enough")), output_stats=True)

    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "[Prompt tokens: 7, Completion tokens: 2]"
    assert lines[4:8] == [
        "Number of messages: 1",
        "Finish reason: enough",
        "Total prompt tokens: 7",
        "Total completion tokens: 2",
    ]


async def test_a_stream_without_a_result_is_an_error() -> None:
    with pytest.raises(ValueError, match="without a TaskResult"):
        await Console(stream(TextMessage(content="hi", source="ana")))


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


def test_a_follower_prints_a_run_as_it_happens(run_log: RunLog) -> None:
    out = io.StringIO()
    follower = ConsoleFollower(out)
    for event in run_log:
        follower.feed(event)
    text = out.getvalue()

    assert "\x1b" not in text
    assert text.count("I compare the **mean mass**") == 1
    assert "── kernel · 0.4 s ──\n    Gentoo is heaviest" in text
    assert "── kernel · weigh ──" in text
    assert "asking" not in text
    assert "── person asks ──\nGood enough? [yes / no]" in text
    assert text.rstrip().endswith("Failed, 3 turns, 312 tokens, " + text.rstrip().rpartition("tokens, ")[2])


def test_a_follower_prints_streamed_text_once() -> None:
    log, out = RunLog(), io.StringIO()
    stop = ConsoleFollower(out).follow(log)
    turn = log.append(TurnStarted(agent="a", turn=1), source="a").id
    model = log.append(ModelStarted(model="m"), source="a", parent=turn).id
    for piece in ("Hel", "lo"):
        log.fan_out(ModelClientStreamingChunkEvent(content=piece, source="a", full_message_id="1"))
    streamed = out.getvalue()
    log.append(ModelFinished(model="m"), source="a", parent=model)
    log.append(Said(message=TextMessage(id="1", content="Hello", source="a")), source="a", parent=turn)
    stop()
    log.note("not seen")

    assert streamed == "\n── a ──\nHello"
    assert out.getvalue() == "\n── a ──\nHello\n"


class Terminal(io.StringIO):
    encoding = "ascii"

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        text.encode("ascii")
        return super().write(text)


def test_remarks_are_dimmed_on_a_terminal_and_an_old_terminal_is_spared() -> None:
    log, out = RunLog(), Terminal()
    ConsoleFollower(out).follow(log)
    log.note("naïve …")

    assert out.getvalue() == "\x1b[2m(na?ve ?)\x1b[22m\n"


def test_one_fact_can_be_printed_by_itself(run_log: RunLog) -> None:
    out = io.StringIO()
    for event in run_log:
        print_event(event, out)

    assert "── user · task" not in out.getvalue()
    assert "Describe the penguins" in out.getvalue()
