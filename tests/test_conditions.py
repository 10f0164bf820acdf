"""Ways to end a conversation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentnb.base import TerminatedException, TerminationCondition
from agentnb.conditions import (
    ExternalTermination,
    MaxMessageTermination,
    SourceMatchTermination,
    StopMessageTermination,
    TextMentionTermination,
)
from agentnb.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    FunctionCall,
    MultiModalMessage,
    StopMessage,
    TextMessage,
    ThoughtEvent,
    ToolCallRequestEvent,
)

Said = BaseAgentEvent | BaseChatMessage


def text(content: str = "x", source: str = "ana") -> TextMessage:
    return TextMessage(content=content, source=source)


def thought(content: str = "x", source: str = "ana") -> ThoughtEvent:
    return ThoughtEvent(content=content, source=source)


def external() -> ExternalTermination:
    condition = ExternalTermination()
    condition.set()
    return condition


FIRING: dict[str, tuple[Callable[[], TerminationCondition], Sequence[Said]]] = {
    "max": (lambda: MaxMessageTermination(2), [text(), text()]),
    "text": (lambda: TextMentionTermination("STOP"), [text("please STOP now")]),
    "stop": (StopMessageTermination, [StopMessage(content="", source="ana")]),
    "source": (lambda: SourceMatchTermination(["ana"]), [text(source="ana")]),
    "external": (external, []),
    "and": (lambda: MaxMessageTermination(1) & SourceMatchTermination(["ana"]), [text()]),
    "or": (lambda: MaxMessageTermination(1) | SourceMatchTermination(["ben"]), [text()]),
}
each = pytest.mark.parametrize(("make", "messages"), list(FIRING.values()), ids=list(FIRING))
Make = Callable[[], TerminationCondition]


@each
async def test_a_condition_fires_once_and_says_who_it_is(make: Make, messages: Sequence[Said]) -> None:
    condition = make()
    assert not condition.terminated

    stop = await condition(messages)

    assert isinstance(stop, StopMessage)
    assert stop.source == type(condition).__name__
    assert stop.content
    assert condition.terminated


@each
async def test_a_condition_that_has_fired_must_be_reset_first(make: Make, messages: Sequence[Said]) -> None:
    condition = make()
    await condition(messages)

    with pytest.raises(TerminatedException, match=r"call reset\(\)"):
        await condition(messages)
    assert not isinstance(TerminatedException(), Exception)


@each
async def test_a_condition_starts_anew_after_a_reset(make: Make, messages: Sequence[Said]) -> None:
    condition = make()
    await condition(messages)

    await condition.reset()

    assert not condition.terminated
    if not isinstance(condition, ExternalTermination):
        assert await condition(messages) is not None


@each
async def test_a_condition_that_did_not_fire_lets_the_conversation_go_on(make: Make, messages: Sequence[Said]) -> None:
    condition = make()
    await condition.reset()

    assert await condition([thought("y", "cleo")]) is None
    assert not condition.terminated


@given(st.lists(st.integers(0, 4), min_size=1, max_size=8), st.integers(1, 12))
def test_messages_are_counted_over_all_calls(parts: list[int], limit: int) -> None:
    async def count() -> None:
        condition, sum_ = MaxMessageTermination(limit), 0
        for part in parts:
            sum_ += part
            stop = await condition([text() for _ in range(part)])
            assert (stop is not None) == (sum_ >= limit)
            if stop is not None:
                assert str(sum_) in stop.content
                return

    asyncio.run(count())


async def test_events_count_only_when_asked_for() -> None:
    assert await MaxMessageTermination(1)([thought()]) is None
    assert await MaxMessageTermination(1, include_agent_event=True)([thought()]) is not None


async def test_a_reset_forgets_the_count() -> None:
    condition = MaxMessageTermination(2)
    await condition([text()])
    await condition.reset()

    assert await condition([text()]) is None


@pytest.mark.parametrize("bad", [0, -3])
def test_a_limit_without_messages_is_refused(bad: int) -> None:
    with pytest.raises(ValueError, match=f"max_messages is {bad}"):
        MaxMessageTermination(bad)


@pytest.mark.parametrize(
    "message",
    [
        text("say STOP"),
        thought("STOP"),
        MultiModalMessage(content=["a", "STOP"], source="ana"),
        ToolCallRequestEvent(content=[FunctionCall(id="1", arguments="STOP", name="f")], source="ana"),
    ],
    ids=lambda message: type(message).__name__,
)
async def test_a_mention_counts_wherever_it_is(message: Said) -> None:
    stop = await TextMentionTermination("STOP")([text("no"), message])

    assert stop is not None
    assert stop.content == "ana said 'STOP'"


async def test_a_mention_tells_upper_and_lower_case_apart() -> None:
    assert await TextMentionTermination("STOP")([text("stop")]) is None


async def test_a_mention_may_count_for_some_sources_only() -> None:
    condition = TextMentionTermination("STOP", sources=["ben"])

    assert await condition([text("STOP", "ana")]) is None
    assert await condition([text("STOP", "ben")]) is not None


async def test_a_mention_for_no_source_never_fires() -> None:
    assert await TextMentionTermination("STOP", sources=[])([text("STOP")]) is None


def test_a_mention_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="empty text, which every message contains"):
        TextMentionTermination("")


async def test_an_external_end_waits_for_the_next_look_and_is_forgotten_by_a_reset() -> None:
    condition = ExternalTermination()
    assert await condition([text()]) is None

    condition.set()
    assert not condition.terminated
    assert await condition([]) is not None

    await condition.reset()
    assert await condition([text()]) is None


# -- combined ---------------------------------------------------------------------------------------------------------


async def test_and_remembers_those_that_fired_earlier() -> None:
    condition = TextMentionTermination("STOP") & MaxMessageTermination(3)

    assert await condition([text("STOP")]) is None
    assert await condition([text()]) is None
    stop = await condition([text()])

    assert stop is not None
    assert stop.content == "ana said 'STOP', the limit of 3 messages was reached (3)"


async def test_and_does_not_ask_again_who_has_fired() -> None:
    first = MaxMessageTermination(1)
    condition = first & MaxMessageTermination(2)
    await condition([text()])

    assert first.terminated
    assert await condition([text()]) is not None


async def test_or_fires_with_any_and_tells_all_that_did() -> None:
    condition = TextMentionTermination("STOP") | MaxMessageTermination(1) | SourceMatchTermination(["ben"])

    stop = await condition([text("STOP")])

    assert stop is not None
    assert stop.content == "ana said 'STOP', the limit of 1 messages was reached (1)"


async def test_a_reset_reaches_every_part() -> None:
    inner = [MaxMessageTermination(1), TextMentionTermination("x"), ExternalTermination()]
    condition = (inner[0] | inner[1]) & inner[2]
    await condition([text()])

    await condition.reset()

    assert [part.terminated for part in inner] == [False, False, False]
    assert not condition.terminated


@given(st.lists(st.booleans(), min_size=4, max_size=4))
def test_combinations_follow_logic(fires: list[bool]) -> None:
    def part(fire: bool) -> TerminationCondition:
        return SourceMatchTermination(["ana"] if fire else ["ben"])

    async def check() -> None:
        a, b, c, d = fires
        condition = (part(a) & part(b)) | (part(c) & part(d))
        stop = await condition([text(source="ana")])
        assert (stop is not None) == ((a and b) or (c and d)) == condition.terminated

    asyncio.run(check())
