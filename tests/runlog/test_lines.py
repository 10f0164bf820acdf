"""A fact written by hand stands in the file as its model's serializer would have written it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agentnb.core import EventId
from agentnb.messages import (
    CreateResult,
    FunctionCall,
    FunctionExecutionResult,
    RequestUsage,
    TextMessage,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
)
from agentnb.runlog import (
    ContextAdded,
    ModelFinished,
    ModelStarted,
    RunLog,
    Said,
    SpeakerChosen,
    ToolFinished,
    ToolStarted,
    TurnFinished,
    TurnStarted,
    Usage,
)
from agentnb.runlog.light import Light, event_of
from agentnb.runlog.store import JsonLinesStore
from tests.strategies import facts, names, numbers, texts

STAMPS = st.integers(0, 4 * 10**18) | st.integers(0, 4 * 10**9).map(lambda second: second * 10**9)
long = st.sampled_from(["so be it, " * 40, 'he said "no", ' * 30, "x" * 17_000])
calls = st.builds(FunctionCall, id=texts, arguments=texts | long, name=names)
given_back = st.builds(
    FunctionExecutionResult, content=texts | long, name=names, call_id=names, is_error=st.none() | st.booleans()
)
tokens = st.builds(RequestUsage, numbers, numbers)
places = st.lists(numbers, max_size=4).map(tuple)
frequent = st.one_of(
    st.builds(SpeakerChosen, names=st.lists(names, max_size=2).map(tuple), rule=st.none() | names),
    st.builds(SpeakerChosen, names=st.tuples(names), why=st.none() | texts, candidates=st.none() | st.tuples(names)),
    st.builds(TurnStarted, agent=texts, turn=numbers, again=st.none() | numbers),
    st.builds(TurnFinished, agent=names, turn=numbers, keep=st.none() | numbers, added=places),
    st.builds(
        Said,
        message=st.one_of(
            st.builds(TextMessage, content=texts | long, source=texts, models_usage=st.none() | tokens),
            st.builds(TextMessage, content=texts, source=names, metadata=st.dictionaries(texts, texts, max_size=1)),
            st.builds(ToolCallRequestEvent, content=st.lists(calls, max_size=2), source=names),
            st.builds(ToolCallExecutionEvent, content=st.lists(given_back, max_size=2), source=names),
        ),
        heard=st.none() | st.booleans(),
    ),
    st.builds(ContextAdded, role=names, said=numbers),
    st.builds(ModelStarted, model=texts, base=st.none() | numbers, added=places, tools=st.tuples(names)),
    st.builds(
        ModelFinished,
        model=names,
        returned_model=st.none() | texts,
        result=st.builds(
            CreateResult,
            finish_reason=st.just("stop"),
            content=texts | long | st.lists(calls, max_size=2),
            usage=tokens,
            cached=st.booleans(),
        ),
    ),
    st.builds(
        ToolStarted, tool=names, call_id=st.none() | texts, arguments=st.dictionaries(texts, texts | long, max_size=2)
    ),
    st.builds(ToolFinished, tool=names, call_id=st.none() | texts, result=texts | long, is_error=st.booleans()),
)


def light(fact: dict[str, Any], at: int, seq: int) -> Light:
    body, usage = fact["body"], fact["usage"]
    cause = fact["cause"] % seq
    return (
        EventId(f"run:{cause}") if cause else None,
        at,
        fact["took"],
        fact["source"],
        usage if usage is None or usage.prompt_tokens is None else tuple(dict(usage).values()),
        tuple(dict(body).values()),
    )


spent = st.builds(Usage, prompt_tokens=numbers, completion_tokens=numbers, cost_usd=st.none() | st.floats(0, 9))
told_of = st.fixed_dictionaries(
    {
        "body": frequent,
        "source": st.just("") | texts,
        "took": st.none() | st.floats(0, 1e6),
        "usage": st.none()
        | st.builds(Usage, prompt_tokens=numbers, completion_tokens=numbers, cost_usd=st.none() | st.floats(0, 9)),
        "cause": numbers,
    }
)
FACTS = st.tuples(st.one_of(told_of, told_of, facts), STAMPS)


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=st.lists(FACTS, min_size=1, max_size=4), inline=st.booleans())
@example(
    told=[({"body": TurnStarted(agent="ana", turn=1), "source": "", "took": 0.5, "usage": None, "cause": 0}, 0)],
    inline=True,
)
def test_it_is_what_the_serializer_writes(
    told: list[tuple[dict[str, Any], int]], inline: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    one, other = tmp_path_factory.mktemp("one") / "run.jsonl", tmp_path_factory.mktemp("other") / "run.jsonl"
    by_hand, by_serializer = JsonLinesStore(one, "run", inline=inline), JsonLinesStore(other, "run", inline=inline)
    for seq, (values, at) in enumerate(told, start=1):
        fact = light(values, at, seq)
        by_hand.add(seq, fact)
        by_serializer.write(event_of("run", seq, fact))
    by_hand.close()
    by_serializer.close()

    assert read(one) == read(other)
    assert RunLog.open(one).events == RunLog.open(other).events


def read(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_value_of_a_wrong_type_is_left_to_the_serializer(tmp_path: Path) -> None:
    store = JsonLinesStore(tmp_path / "run.jsonl", "run")
    odd = TextMessage(content="x", source="ana")
    odd.__dict__.update(content=3, source=None, models_usage="many", created_at="today", id=4)

    store.add(1, (None, 10**18, None, "ana", None, ("message", odd, None, None)))
    store.close()

    line = read(tmp_path / "run.jsonl")[1]
    assert line["body"]["message"]["content"] == 3
    assert line["body"]["message"]["models_usage"] == "many"
