"""Events drawn from logs for AutoGen's event logger."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from agentnb.core import AgentId
from agentnb.messages import CreateResult, RequestUsage
from agentnb.runlog import (
    AgentMade,
    EnvelopeDropped,
    EnvelopeSent,
    ModelFinished,
    ModelStarted,
    RunLog,
    TurnStarted,
    announce,
    observed,
)
from agentnb.runtimes import ClosureAgent, SingleThreadedAgentRuntime
from agentnb.telemetry import EVENT_LOGGER_NAME, install, log_events, uninstall
from tests.telemetry.conftest import model_call, publish, send, team_run, tool_call


class Listener(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        assert record.levelno == logging.INFO
        self.heard.append(record.msg)

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(str(event)) for event in self.heard]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [told for told in self.told if told["type"] == kind]


@pytest.fixture
def listener() -> Iterator[Listener]:
    logger = logging.getLogger(EVENT_LOGGER_NAME)
    handler, level = Listener(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_one_send_gives_four_events(listener: Listener) -> None:
    log = RunLog()
    log_events(log)
    send(log)

    stages = [(e["kind"], e["delivery_stage"], e["sender"], e["receiver"], e["payload"]) for e in listener.told]
    assert stages == [
        ("MessageKind.DIRECT", "DeliveryStage.SEND", "app/x", "adder/y", '{"a":1}'),
        ("MessageKind.DIRECT", "DeliveryStage.DELIVER", "app/x", "adder/y", '{"a":1}'),
        ("MessageKind.RESPOND", "DeliveryStage.SEND", "adder/y", "app/x", "2"),
        ("MessageKind.RESPOND", "DeliveryStage.DELIVER", "adder/y", "app/x", "2"),
    ]


def test_one_publish_gives_one_event_and_one_more_for_each_recipient(listener: Listener) -> None:
    log = RunLog()
    log_events(log)
    publish(log, "a/1", "b/1")

    stages = [(e["kind"], e["delivery_stage"], e["receiver"]) for e in listener.told]
    assert stages == [
        ("MessageKind.PUBLISH", "DeliveryStage.SEND", "news:a/all"),
        ("MessageKind.PUBLISH", "DeliveryStage.DELIVER", None),
        ("MessageKind.PUBLISH", "DeliveryStage.DELIVER", None),
    ]


def test_one_call_of_a_model_gives_one_event_with_tokens_and_agent(listener: Listener) -> None:
    log = RunLog()
    log_events(log)
    send(log, work=True)

    (call,) = listener.of("LLMCall")
    assert (call["prompt_tokens"], call["completion_tokens"], call["agent_id"]) == (10, 3, "adder/y")
    assert [message["content"] for message in call["messages"]] == ["Be brief.", "add 1"]
    assert call["response"]["content"] == [{"id": "c1", "arguments": '{"a": 1}', "name": "add"}]
    assert call["tools"] == ["add"]


def test_within_a_team_the_agent_is_the_one_whose_turn_it_is(listener: Listener) -> None:
    log = RunLog()
    log_events(log)
    team_run(log)

    assert [told["agent_id"] for told in listener.told] == ["ana", "ana"]


def test_a_stream_gives_an_event_when_it_begins_and_one_when_it_ends(listener: Listener) -> None:
    log = RunLog()
    log_events(log)
    model_call(log, log.append(TurnStarted(agent="ana", turn=1)).id, streaming=True)

    start, end = listener.told
    assert (start["type"], end["type"]) == ("LLMStreamStart", "LLMStreamEnd")
    assert [message["content"] for message in start["messages"]] == ["Be brief.", "add 1"]
    assert (end["prompt_tokens"], end["completion_tokens"], end["agent_id"]) == (10, 3, "ana")


def test_a_client_that_wraps_another_is_one_call(listener: Listener) -> None:
    log = RunLog()
    log_events(log)
    outer = log.append(ModelStarted(model="cache")).id
    model_call(log, outer)
    result = CreateResult(finish_reason="stop", content="hi", usage=RequestUsage(10, 3), cached=False)
    log.append(ModelFinished(model="cache", result=result), parent=outer)

    assert [told["response"]["content"] for told in listener.of("LLMCall")] == ["hi"]


def test_a_failed_call_of_a_model_gives_no_answer_event(listener: Listener) -> None:
    log = RunLog()
    log_events(log)
    asked = log.append(ModelStarted(model="m")).id
    log.append(ModelFinished(model="m", error="ModelTimeout: late"), parent=asked)

    assert listener.told == []


def test_tools_give_an_event_after_success_only(listener: Listener) -> None:
    log = RunLog()
    log_events(log)
    tool_call(log, None)
    tool_call(log, None, error="ValueError: bad")

    assert [(t["tool_name"], t["arguments"], t["result"]) for t in listener.of("ToolCall")] == [("add", {"a": 1}, "2")]


def test_a_dropped_message_is_told(listener: Listener) -> None:
    log = RunLog()
    log_events(log)
    sent = log.append(
        EnvelopeSent(message_id="m", sort="send", sender="a/1", recipient="b/1", type="str", payload='"x"')
    ).id
    log.append(EnvelopeDropped(message_id="m", sort="send", sender="a/1", recipient="b/1", by="Guard"), parent=sent)

    assert listener.of("MessageDropped") == [
        {
            "type": "MessageDropped",
            "payload": '"x"',
            "sender": "a/1",
            "receiver": "b/1",
            "kind": "MessageKind.DIRECT",
        }
    ]


def test_a_handler_that_raises_and_an_agent_that_cannot_be_made_are_told(listener: Listener) -> None:
    log = RunLog()
    log_events(log)
    send(log, error="bad")
    log.append(AgentMade(agent="ana/k", error="TypeError: no"))

    (raised,) = listener.of("MessageHandlerException")
    assert (raised["payload"], raised["handling_agent"], raised["exception"]) == (
        '{"a":1}',
        "adder/y",
        "ValueError: bad",
    )
    (made,) = listener.of("AgentConstructionException")
    assert (made["agent_id"], made["exception"]) == ("ana/k", "TypeError: no")


def test_events_end_when_they_are_stopped(listener: Listener) -> None:
    log = RunLog()
    stop = log_events(log)
    send(log)
    stop()
    send(log)

    assert len(listener.heard) == 4


def test_nobody_looks_while_nobody_listens(listener: Listener) -> None:
    """Importing the room has installed the reader: it wants logs only when the logger is heard."""
    assert observed()
    logger = logging.getLogger(EVENT_LOGGER_NAME)
    logger.setLevel(logging.WARNING)

    assert not observed()
    log = RunLog()
    announce(log)
    send(log)
    assert listener.heard == []


def test_a_listener_that_raises_does_not_stop_the_run(
    listener: Listener, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(record: logging.LogRecord) -> None:
        raise RuntimeError("full")

    monkeypatch.setattr(listener, "emit", fail)
    log = RunLog()
    log_events(log)
    send(log)

    assert len(log) == 5
    assert "failed and is called no more" in caplog.text


def test_a_log_is_told_once_however_often_the_reader_is_installed(listener: Listener) -> None:
    log = RunLog()
    announce(log)
    uninstall()
    send(log)
    assert listener.heard == []

    install()
    install()
    announce(log)
    send(log)
    assert len(listener.heard) == 4


async def test_a_program_written_for_autogen_hears_its_runtime(listener: Listener) -> None:
    async def double(closure: Any, message: int, ctx: Any) -> int:
        return message * 2

    runtime = SingleThreadedAgentRuntime()
    await ClosureAgent.register_closure(runtime, "doubler", double)
    runtime.start()
    answer = await runtime.send_message(4, AgentId("doubler", "k"))
    await runtime.stop_when_idle()

    told = [(e["kind"], e["delivery_stage"], e["sender"], e["receiver"], e["payload"]) for e in listener.told]
    assert answer == 8
    assert told == [
        ("MessageKind.DIRECT", "DeliveryStage.SEND", None, "doubler/k", "4"),
        ("MessageKind.DIRECT", "DeliveryStage.DELIVER", None, "doubler/k", "4"),
        ("MessageKind.RESPOND", "DeliveryStage.SEND", "doubler/k", None, "8"),
        ("MessageKind.RESPOND", "DeliveryStage.DELIVER", "doubler/k", None, "8"),
    ]
