"""Facts looked at in passing, and their heads."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from agentnb.exceptions import LogUnreadable
from agentnb.messages import CreateResult, FunctionCall, RequestUsage, TextMessage
from agentnb.runlog import Body, Event, ModelFinished, ModelStarted, RunLog, Said, ToolStarted, Usage
from agentnb.runlog.glance import body_of, glance, usage_of
from agentnb.runlog.heads import Heads
from agentnb.runlog.unread import Unread
from tests.strategies import bodies

LONG = "A text that is long enough to stand elsewhere. " * 20


def opened(log: RunLog) -> RunLog:
    assert log.path is not None
    return RunLog.open(log.path)


def with_body(log: RunLog, body: dict[str, Any]) -> Event:
    """Return the only fact of a log whose line has this body."""
    log.note("x")
    assert log.path is not None
    header, line = log.path.read_text().splitlines()
    log.path.write_text(f"{header}\n{json.dumps({**json.loads(line), 'body': body})}\n")
    (event,) = RunLog.open(log.path)
    return event


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies)
def test_every_field_at_a_glance_is_that_of_the_body(tmp_path: Path, body: Body) -> None:
    log = RunLog()
    log.append(body)
    path = log.save(tmp_path / "run.jsonl")
    (event,) = RunLog.open(path)
    path.unlink()

    told = body_of(event)
    fields = {name: getattr(told, name) for name in type(body).model_fields if name != "result"}

    assert fields == {name: getattr(event.body, name) for name in fields}


def test_a_glance_tells_what_a_fact_says_and_leaves_it_unread(log: RunLog) -> None:
    spent = Usage(prompt_tokens=3, cost_usd=0.5)
    call = FunctionCall("c", "{}", "add")
    result = CreateResult(finish_reason="function_calls", content=[call], usage=RequestUsage(1, 2), cached=True)
    log.append(Said(message=TextMessage(content="hi", source="ana")))
    log.append(ModelFinished(model="m", result=result), usage=spent)
    facts = opened(log).events

    said, (answer, usage) = body_of(facts[0]), glance(facts[1])

    assert said.message == log.events[0].body.message  # type: ignore[attr-defined]
    assert (answer.model, answer.error, answer.result.content) == ("m", None, [call])
    assert (answer.result.cached, answer.result.thought, answer.result.usage) == (True, None, RequestUsage(1, 2))
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cost_usd) == (3, None, 0.5)
    assert usage_of(facts[0]) is None
    assert [type(event) for event in facts] == [Unread, Unread]


def test_a_glance_at_a_fact_that_was_read_gives_its_own_body(log: RunLog) -> None:
    fact = log.append(ModelStarted(model="m"), usage=Usage(prompt_tokens=1))

    assert glance(fact) == (fact.body, fact.usage)
    assert body_of(fact) is fact.body


def test_a_glance_finds_texts_that_stand_elsewhere(log: RunLog) -> None:
    answer = CreateResult(finish_reason="stop", content=LONG, usage=RequestUsage(1, 2), cached=False)
    log.append(ModelFinished(model="m", result=answer))
    log.append(Said(message=TextMessage(content=LONG, source="ana")))
    assert log.path is not None
    assert log.path.read_text().count(LONG) < 2

    first, second = opened(log).events

    assert body_of(first).result.content == LONG
    assert body_of(second).message.content == LONG


def test_data_that_looks_like_a_reference_stays_what_it_is_at_a_glance(log: RunLog) -> None:
    arguments = {"text": {"$blob": "x"}, "other": {"$data": {"$text": [1, "a"]}}}
    log.append(ToolStarted(tool="t", arguments=arguments))
    (event,) = opened(log)

    assert body_of(event).arguments == arguments


def test_a_fact_of_a_kind_of_the_future_is_its_data_at_a_glance(log: RunLog) -> None:
    event = with_body(log, {"kind": "hologram", "text": "x"})

    assert body_of(event).data == {"kind": "hologram", "text": "x"}


def test_a_field_that_is_damaged_says_which_fact_when_it_is_asked_for(log: RunLog) -> None:
    body = body_of(with_body(log, {"kind": "note", "text": 5, "by": "ana"}))

    assert body.by == "ana"
    with pytest.raises(LogUnreadable, match=f"Fact 1 of the run {log.id} is damaged: text is '5'"):
        _ = body.text


def test_a_field_that_is_missing_says_which_fact_when_it_is_asked_for(log: RunLog) -> None:
    body = body_of(with_body(log, {"kind": "tool.started"}))

    assert (body.call_id, body.arguments) == (None, {})
    with pytest.raises(LogUnreadable, match="damaged: tool is"):
        _ = body.tool


def test_what_only_pydantic_reads_is_read_by_it(log: RunLog) -> None:
    body = body_of(with_body(log, {"kind": "turn.started", "agent": "ana", "turn": "7"}))

    assert body.turn == 7


def test_heads_are_those_of_the_facts_read_or_not(log: RunLog) -> None:
    cause = log.append(ModelStarted(model="m"), source="ana").id
    log.append(ModelFinished(model="m", error="late"), parent=cause, took=0.5)
    unread = opened(log).events

    for facts in (log.events, unread, (unread[0], log.events[1])):
        heads = Heads(facts)
        assert list(heads.ids) == [event.id for event in log]
        assert list(heads.seqs) == [1, 2]
        assert list(heads.parents) == [None, cause]
        assert list(heads.sources) == ["ana", ""]
        assert list(heads.took) == [None, 0.5]
        assert heads.kinds == ["model.started", "model.finished"]
    assert [datetime.fromisoformat(str(at)) for at in Heads(unread).times] == [event.at for event in log]
    assert {type(event) for event in unread} == {Unread}


def test_no_facts_have_no_heads() -> None:
    assert not Heads(()).ids
