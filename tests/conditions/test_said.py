"""Over because of what was said, by whom, and of what kind."""

from __future__ import annotations

from typing import Any

import pytest

from agentnb.base import TerminationCondition
from agentnb.conditions import (
    FunctionCallTermination,
    HandoffTermination,
    SourceMatchTermination,
    StopMessageTermination,
    TextMentionTermination,
    TextMessageTermination,
)
from agentnb.messages import (
    FunctionCall,
    HandoffMessage,
    MultiModalMessage,
    ToolCallRequestEvent,
    ToolCallSummaryMessage,
)
from tests.conditions.conftest import Said, called, handoff, stop, text, thought, wanted
from tests.teams.conftest import Speaker

CALL = FunctionCall(id="1", arguments="STOP", name="add")
SUMMARY = ToolCallSummaryMessage(content="4", tool_calls=[CALL], results=[], source="ana")


@pytest.mark.parametrize(
    ("condition", "message", "reason"),
    [
        (StopMessageTermination(), stop("ben"), "ben sent a stop message"),
        (TextMessageTermination(), text(source="user"), "user said a text message"),
        (TextMessageTermination("ben"), text(source="ben"), "ben said a text message"),
        (SourceMatchTermination(["ben", "cleo"]), thought(source="cleo"), "cleo has spoken"),
        (HandoffTermination("user"), handoff("user"), "ana handed over to user"),
        (FunctionCallTermination("add"), called("sub", "add"), "ana called 'add'"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, TerminationCondition) else "",
)
async def test_what_ends_it_is_named(condition: TerminationCondition, message: Said, reason: str) -> None:
    ended = await condition([message])

    assert ended is not None
    assert ended.content == reason


@pytest.mark.parametrize(
    ("condition", "messages"),
    [
        (StopMessageTermination(), [text("StopMessage"), thought("stop"), handoff("user")]),
        (TextMessageTermination(), [stop(), thought(), handoff("ben"), SUMMARY, called("add")]),
        (TextMessageTermination("ben"), [text(source="ana"), text(source="benny"), stop("ben")]),
        (SourceMatchTermination(["ben"]), [text(source="benny"), text("ben"), thought(source="Ben")]),
        (SourceMatchTermination([]), [text(), thought()]),
        (HandoffTermination("user"), [handoff("user2"), handoff("ben", source="user"), text("user")]),
        (FunctionCallTermination("add"), [wanted("add"), SUMMARY, called("add2"), called(), text("add")]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, TerminationCondition) else "",
)
async def test_near_misses_do_not_end_it(condition: TerminationCondition, messages: list[Said]) -> None:
    assert await condition(messages) is None
    assert not condition.terminated


@pytest.mark.parametrize(
    "message",
    [
        text("say STOP"),
        thought("STOP"),
        MultiModalMessage(content=["a", "STOP"], source="ana"),
        ToolCallRequestEvent(content=[CALL], source="ana"),
        HandoffMessage(content="STOP", target="ben", source="ana"),
    ],
    ids=lambda message: type(message).__name__,
)
async def test_a_mention_counts_wherever_it_is(message: Said) -> None:
    ended = await TextMentionTermination("STOP")([text("no"), message])

    assert ended is not None
    assert ended.content == "ana said 'STOP'"


async def test_a_mention_tells_upper_and_lower_case_apart() -> None:
    assert await TextMentionTermination("STOP")([text("stop"), text("ST OP"), text("STO")]) is None


async def test_a_mention_may_count_for_some_sources_only() -> None:
    condition = TextMentionTermination("STOP", sources=["ben"])

    assert await condition([text("STOP", "ana")]) is None
    assert await condition([text("STOP", "ben")]) is not None


async def test_a_mention_for_no_source_never_fires() -> None:
    assert await TextMentionTermination("STOP", sources=[])([text("STOP")]) is None


def test_a_mention_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="empty text, which every message contains; give a word to wait for"):
        TextMentionTermination("")


@pytest.mark.parametrize("text", [None, 0])
def test_a_mention_of_what_is_no_text_is_refused_as_such(text: Any) -> None:
    with pytest.raises(ValueError, match=f"TextMentionTermination's text is {text}; it must be a text"):
        TextMentionTermination(text)


@pytest.mark.parametrize("make", [SourceMatchTermination, lambda name: TextMentionTermination("x", sources=name)])
def test_one_name_in_place_of_a_list_of_names_is_refused(make: Any) -> None:
    with pytest.raises(ValueError, match=r"sources is the text 'user'; give a list: \['user'\]"):
        make("user")


def add(a: int, b: int) -> int:
    return a + b


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FunctionCallTermination(add), r"function_name is <function add .*; .* Did you mean 'add'\?"),  # type: ignore[arg-type]
        (lambda: HandoffTermination(Speaker("ana")), r"target is .* Did you mean 'ana'\?"),  # type: ignore[arg-type]
        (lambda: SourceMatchTermination([Speaker("ana")]), r"sources is .* Did you mean 'ana'\?"),  # type: ignore[list-item]
        (lambda: SourceMatchTermination(None), r"sources is None; give a list of names"),  # type: ignore[arg-type]
        (lambda: TextMessageTermination(Speaker("ana")), r"source is .* Did you mean 'ana'\?"),  # type: ignore[arg-type]
        (lambda: TextMentionTermination(5), r"text is 5; it must be a text"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_name_would_never_end_a_run_and_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
