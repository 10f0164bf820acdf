"""What readers of telemetry have in common."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentnb.core import AgentId
from agentnb.messages import SystemMessage
from agentnb.runlog import (
    AgentMade,
    CapacityChanged,
    ContextAdded,
    EnvelopeDelivered,
    EnvelopeDropped,
    EnvelopeHandled,
    EnvelopeIntercepted,
    EnvelopeSent,
    ErrorRaised,
    ModelStarted,
    Participant,
    RunLog,
    RunStarted,
    TurnStarted,
)
from agentnb.runtimes.contexts import AgentInstantiationContext, MessageHandlerContext
from agentnb.telemetry import EVENT_LOGGER_NAME, Trail, export_log, follow_log, log_events
from agentnb.telemetry.base import agent_here, follow, shown_to
from agentnb.telemetry.genai import CONTENT_VARIABLE
from tests.strategies import bodies, names, numbers, texts
from tests.telemetry.conftest import Spans, model_call, send

sorts = st.sampled_from(["send", "publish", "response"])
addresses = st.none() | names | st.builds("{}/{}".format, names, names)
envelopes = st.one_of(
    st.builds(AgentMade, agent=names, error=st.none() | texts),
    st.builds(
        EnvelopeSent, message_id=names, sort=sorts, sender=addresses, recipient=addresses, type=names, payload=texts
    ),
    st.builds(EnvelopeIntercepted, message_id=names, sort=sorts, by=names),
    st.builds(EnvelopeDelivered, message_id=names, sort=sorts, agent=addresses, sender=addresses, role=names),
    st.builds(EnvelopeHandled, message_id=names, agent=names, outcome=st.sampled_from(["done", "stopped", "failed"])),
    st.builds(EnvelopeDropped, message_id=names, sort=sorts, recipient=addresses, by=st.just("capacity") | names),
    st.builds(CapacityChanged, agent=names, state=st.just("full")),
    st.builds(ErrorRaised, type=names, message=texts),
    st.builds(ModelStarted, model=names, base=numbers, added=st.tuples(numbers), streaming=st.booleans()),
    st.builds(RunStarted, runner=names, runner_type=names, participants=st.tuples(st.builds(Participant, name=names))),
)
facts = st.lists(st.tuples(bodies | envelopes, st.none() | st.integers(0, 9)), max_size=15)


class Ears(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        str(record.msg)


def write(log: RunLog, written: list[tuple[Any, int | None]]) -> None:
    for number, (body, cause) in enumerate(written):
        parent = log.events[cause].id if cause is not None and cause < number else None
        log.append(body, parent=parent, took=0.1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(written=facts)
def test_whatever_a_log_holds_its_readers_stay_and_every_span_ends(
    written: list[tuple[Any, int | None]], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CONTENT_VARIABLE, "true")
    caplog.clear()
    logger, ears, (live, later) = logging.getLogger(EVENT_LOGGER_NAME), Ears(), (Spans(), Spans())
    log = RunLog()
    logger.addHandler(ears)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    stops = [log_events(log), follow_log(log, live.provider)]
    try:
        write(log, written)
    finally:
        logger.removeHandler(ears)
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
        for stop in stops:
            stop()
    export_log(log, later.provider)

    assert "called no more" not in caplog.text
    assert live.names == later.names
    assert sorted(span.name for span in live if span.end_time) == live.names


def test_a_trail_finds_what_caused_a_fact_and_whose_it_is() -> None:
    log = RunLog()
    trail = Trail()
    turn = log.append(TurnStarted(agent="ana", turn=1)).id
    follow(log, trail, lambda event: None)
    asked = model_call(log, turn)
    delivered = send(log, parent=asked)
    handled = next(event for event in log if event.parent == delivered)

    call = next(event for event in log if event.id == asked)
    assert [cause.kind for cause in trail.causes(call)] == ["turn.started"]
    assert trail.agent(call) == "ana"
    assert trail.agent(handled) == "adder/y"
    assert trail.agent(log.events[0]) is None


def test_a_follower_sees_facts_only_and_none_after_its_end() -> None:
    log, seen = RunLog(), list[str]()
    end = follow(log, Trail(), lambda event: seen.append(event.kind))
    log.fan_out("a chunk")
    log.note("one")
    end()
    log.note("two")

    assert seen == ["note"]


def test_what_a_model_was_shown_is_empty_where_the_log_does_not_hold_it() -> None:
    log = RunLog()
    shown = log.append(ContextAdded(role="SystemMessage", message=SystemMessage(content="x")))
    held, not_held = (log.append(ModelStarted(model="m", added=(seq,))) for seq in (shown.seq, 99))

    assert [message.content for message in shown_to(log, held)] == ["x"]
    assert shown_to(log, not_held) == []


def test_the_agent_here_is_known_within_a_handler_and_a_factory_only() -> None:
    ana = AgentId("ana", "k")

    assert (agent_here("handling"), agent_here("making")) == (None, None)
    with MessageHandlerContext.populate_context(ana):
        assert (agent_here("handling"), agent_here("making")) == ("ana/k", None)
    with AgentInstantiationContext.populate_context((object(), ana)):  # type: ignore[arg-type]
        assert (agent_here("handling"), agent_here("making")) == (None, "ana/k")
