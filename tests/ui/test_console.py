"""Streams and facts printed."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from PIL import Image as pil

from agentnb.agents import AssistantAgent
from agentnb.base import Response, TaskResult
from agentnb.core import Clock, set_clock
from agentnb.messages import (
    FunctionCall,
    Image,
    ModelClientStreamingChunkEvent,
    MultiModalMessage,
    RequestUsage,
    StopMessage,
    TextMessage,
    ThoughtEvent,
    ToolCallRequestEvent,
)
from agentnb.models import ScriptedChatCompletionClient
from agentnb.runlog import ModelFinished, ModelStarted, RunFinished, RunLog, Said, TurnStarted
from agentnb.teams import RoundRobinGroupChat
from agentnb.ui.console import Console, ConsoleFollower, print_event
from tests.teams.conftest import Speaker, Waiter


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


async def test_an_agents_own_statistics_count_its_inner_messages(capsys: pytest.CaptureFixture[str]) -> None:
    usage = RequestUsage(prompt_tokens=7, completion_tokens=2)
    thought = ThoughtEvent(content="hm", source="ana", models_usage=usage)
    response = Response(
        chat_message=TextMessage(content="hi", source="ana", models_usage=usage), inner_messages=[thought]
    )
    with set_clock(Ticks()):
        await Console(stream(thought, response), output_stats=True)

    assert capsys.readouterr().out == (
        "---------- ThoughtEvent (ana) ----------\n"
        "hm\n"
        "[Prompt tokens: 7, Completion tokens: 2]\n"
        "---------- ana ----------\n"
        "hi\n"
        "[Prompt tokens: 7, Completion tokens: 2]\n"
        "---------- Summary ----------\n"
        "Number of inner messages: 1\n"
        "Total prompt tokens: 14\n"
        "Total completion tokens: 4\n"
        "Duration: 0.50 seconds\n"
    )


class Ticks(Clock):
    """Half a second passes between two looks."""

    seconds = 0.0

    def monotonic(self) -> float:
        self.seconds += 0.5
        return self.seconds


# -- pieces -----------------------------------------------------------------------------------------------------------


def piece(content: str, source: str = "ana", message_id: str | None = None) -> ModelClientStreamingChunkEvent:
    return ModelClientStreamingChunkEvent(content=content, source=source, full_message_id=message_id)


CHUNK = "---------- ModelClientStreamingChunkEvent (ana) ----------\n"


async def test_statistics_of_a_streamed_message_follow_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    usage = RequestUsage(prompt_tokens=7, completion_tokens=2)
    message = TextMessage(content="Hello", source="ana", models_usage=usage)

    await Console(stream(piece("Hel"), piece("lo"), Response(chat_message=message)), output_stats=True)

    out = capsys.readouterr().out
    assert out.startswith(f"{CHUNK}Hello\n[Prompt tokens: 7, Completion tokens: 2]\n---------- Summary")
    assert "Total prompt tokens: 7" in out


async def test_a_call_of_a_tool_after_streamed_text_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """AutoGen takes whatever follows the pieces for the message they made up, and leaves it out."""
    call = ToolCallRequestEvent(content=[FunctionCall(id="1", arguments="{}", name="look")], source="ana")
    summary = TextMessage(content="Found.", source="ana")

    await Console(stream(piece("Let me look."), call, summary, TaskResult(messages=[])))

    assert capsys.readouterr().out == (
        f"{CHUNK}Let me look.\n"
        f"---------- ToolCallRequestEvent (ana) ----------\n{call.to_text()}\n"
        "---------- TextMessage (ana) ----------\nFound.\n"
    )


async def test_a_thought_between_the_pieces_and_their_message_is_printed_and_the_message_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    message = TextMessage(content="Hello", source="ana")
    thought = ThoughtEvent(content="hm", source="ana")

    await Console(stream(piece("Hello", message_id=message.id), thought, message, TaskResult(messages=[])))

    assert capsys.readouterr().out == f"{CHUNK}Hello\n---------- ThoughtEvent (ana) ----------\nhm\n"


async def test_a_message_that_is_not_the_one_the_pieces_made_up_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    pieces = [piece("A draft", message_id="1"), TextMessage(content="Something else", source="ana")]

    await Console(stream(*pieces, TaskResult(messages=[])))

    assert capsys.readouterr().out == f"{CHUNK}A draft\n---------- TextMessage (ana) ----------\nSomething else\n"


async def test_the_pieces_of_two_agents_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    """Agents of a graph that speak at the same time; in the end each text is to be read in one piece."""
    ana, ben = TextMessage(content="one two", source="ana"), TextMessage(content="three", source="ben")
    pieces = [piece("one ", "ana", ana.id), piece("three", "ben", ben.id), piece("two", "ana", ana.id)]

    await Console(stream(*pieces, ana, ben, TaskResult(messages=[])))

    header = CHUNK.replace("ana", "ben")
    assert capsys.readouterr().out == (
        f"{CHUNK}one \n{header}three\n{CHUNK}two\n---------- TextMessage (ana) ----------\none two\n"
    )


async def test_a_streaming_assistant_is_printed_once_with_its_statistics(capsys: pytest.CaptureFixture[str]) -> None:
    agent = AssistantAgent("ana", ScriptedChatCompletionClient(["Well met."]), model_client_stream=True)

    result = await Console(agent.run_stream(task="Hello!", log=RunLog()), output_stats=True)

    usage = result.messages[-1].models_usage
    assert usage is not None
    lines = capsys.readouterr().out.splitlines()
    assert lines[:5] == [
        "---------- TextMessage (user) ----------",
        "Hello!",
        "---------- ModelClientStreamingChunkEvent (ana) ----------",
        "Well met.",
        f"[Prompt tokens: {usage.prompt_tokens}, Completion tokens: {usage.completion_tokens}]",
    ]
    assert lines[5:10] == [
        "---------- Summary ----------",
        "Number of messages: 2",
        f"Finish reason: {result.stop_reason}",
        f"Total prompt tokens: {usage.prompt_tokens}",
        f"Total completion tokens: {usage.completion_tokens}",
    ]
    assert lines[10].startswith("Duration: ")
    assert len(lines) == 11


async def test_a_team_is_printed_message_by_message(capsys: pytest.CaptureFixture[str]) -> None:
    team = RoundRobinGroupChat([Speaker("ana", "one"), Speaker("ben", "two")], max_turns=2, emit_team_events=True)

    result = await Console(team.run_stream(task="go", log=RunLog()))

    assert result.stop_reason == "the limit of 2 turns was reached"
    assert capsys.readouterr().out == (
        "---------- TextMessage (user) ----------\ngo\n"
        "---------- SelectSpeakerEvent (RoundRobinGroupChatManager) ----------\n['ana']\n"
        "---------- TextMessage (ana) ----------\none\n"
        "---------- SelectSpeakerEvent (RoundRobinGroupChatManager) ----------\n['ben']\n"
        "---------- TextMessage (ben) ----------\ntwo\n"
    )


# -- pictures and odd terminals ---------------------------------------------------------------------------------------

RED = Image(pil.new("RGB", (2, 2), "red"))
SHOW = MultiModalMessage(content=["look", RED], source="ana")


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("terminal", "out", "asked_not_to", "drawn"),
    [
        ("iTerm.app", Screen, False, True),
        ("iTerm.app", Screen, True, False),
        ("iTerm.app", io.StringIO, False, False),
        ("xterm", Screen, False, False),
    ],
)
async def test_pictures_are_drawn_in_iterm_on_a_terminal_only(
    terminal: str, out: type[io.StringIO], asked_not_to: bool, drawn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = out()
    monkeypatch.setenv("TERM_PROGRAM", terminal)
    monkeypatch.setattr("sys.stdout", screen)

    await Console(stream(SHOW, TaskResult(messages=[])), no_inline_images=asked_not_to)

    assert ("\033]1337;File=inline=1:" in screen.getvalue()) == drawn
    assert ("<image>" in screen.getvalue()) != drawn


async def test_a_terminal_that_does_not_know_a_letter_is_spared(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stdout", screen)

    await Console(stream(TextMessage(content="naïve", source="ana"), TaskResult(messages=[])))

    assert screen.getvalue().endswith("na?ve\n")


# -- errors and cancels -----------------------------------------------------------------------------------------------


async def test_a_stream_that_breaks_off_ends_its_line_and_its_error_comes_through(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def broken() -> AsyncGenerator[Any, None]:
        yield piece("Hel")
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        await Console(broken())
    assert capsys.readouterr().out == f"{CHUNK}Hel\n"


async def test_what_is_no_stream_is_refused_with_the_way_out() -> None:
    agent: Any = Speaker("ana")

    with pytest.raises(ValueError, match=r"prints a stream, not <coroutine.*run_stream\(task=…\), without await"):
        await Console(agent.run(task="go"))


class Gone(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError("the reader is gone")


async def test_a_terminal_that_is_gone_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    waiter, log = Waiter("ana"), RunLog()
    monkeypatch.setattr("sys.stdout", Gone())

    with pytest.raises(BrokenPipeError):
        await Console(waiter.run_stream(task="go", log=log))

    assert [event.body.outcome for event in log if isinstance(event.body, RunFinished)] == ["stopped"]


async def test_cancelling_the_console_ends_the_run() -> None:
    waiter, log = Waiter("ana"), RunLog()
    printing = asyncio.create_task(Console(waiter.run_stream(task="go", log=log)))
    await waiter.begun.wait()

    printing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await printing

    assert waiter.cleaned
    assert [event.body.outcome for event in log if isinstance(event.body, RunFinished)] == ["stopped"]


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
