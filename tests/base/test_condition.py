"""Conditions joined with `&` and `|`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from agentnb.base import AndTerminationCondition, OrTerminationCondition, TerminatedException, TerminationCondition
from agentnb.conditions import (
    ExternalTermination,
    FunctionCallTermination,
    HandoffTermination,
    MaxMessageTermination,
    RepetitionTermination,
    SourceMatchTermination,
    StopMessageTermination,
    TextMentionTermination,
    TextMessageTermination,
    TokenUsageTermination,
)
from agentnb.core import CancellationToken, Component
from agentnb.messages import BaseChatMessage, StopMessage
from agentnb.runlog import RunLog
from agentnb.teams import RoundRobinGroupChat
from tests.conditions.conftest import Said, again, called, handoff, saved, stop, text, thought
from tests.teams.conftest import Speaker, Waiter, sources


async def test_and_remembers_those_that_fired_earlier() -> None:
    condition = TextMentionTermination("STOP") & MaxMessageTermination(3)

    assert await condition([text("STOP")]) is None
    assert await condition([text()]) is None
    ended = await condition([text()])

    assert ended is not None
    assert ended.content == "ana said 'STOP', the limit of 3 messages was reached (3)"
    assert ended.source == "TextMentionTermination, MaxMessageTermination"


async def test_and_does_not_ask_again_who_has_fired() -> None:
    first = MaxMessageTermination(1)
    condition = first & MaxMessageTermination(2)
    await condition([text()])

    assert first.terminated
    assert await condition([text()]) is not None


async def test_or_fires_with_any_and_tells_all_that_did() -> None:
    condition = TextMentionTermination("STOP") | MaxMessageTermination(1) | SourceMatchTermination(["ben"])

    ended = await condition([text("STOP")])

    assert ended is not None
    assert ended.content == "ana said 'STOP', the limit of 1 message was reached (1)"
    assert ended.source == "TextMentionTermination, MaxMessageTermination"


async def test_and_that_has_fired_raises_what_an_except_does_not_catch() -> None:
    condition = MaxMessageTermination(1) & MaxMessageTermination(1)
    await condition([text()])

    with pytest.raises(TerminatedException, match=r"call reset\(\)") as raised:
        await condition([text()])
    assert not isinstance(raised.value, Exception)


async def test_or_that_has_fired_raises_a_runtime_error() -> None:
    condition = MaxMessageTermination(1) | MaxMessageTermination(5)
    await condition([text()])

    with pytest.raises(RuntimeError, match=r"OrTerminationCondition has fired already; call reset\(\)"):
        await condition([text()])


async def test_a_reset_reaches_every_part() -> None:
    inner = [MaxMessageTermination(1), TextMentionTermination("x"), ExternalTermination()]
    condition = (inner[0] | inner[1]) & inner[2]
    await condition([text()])

    await condition.reset()

    assert [part.terminated for part in inner] == [False, False, False]
    assert not condition.terminated
    assert await condition([text()]) is None


async def test_a_condition_that_is_joined_twice_counts_each_message_once() -> None:
    both = MaxMessageTermination(2)
    condition = (both & TextMentionTermination("a")) | (both & TextMentionTermination("b"))

    assert await condition([text("ab")]) is None
    ended = await condition([text("ab")])

    assert ended is not None
    reasons = ["ana said 'a'", "the limit of 2 messages was reached (2)", "ana said 'b'"]
    assert sorted(ended.content.split(", ")) == sorted(reasons)


@pytest.mark.parametrize("join", [AndTerminationCondition, OrTerminationCondition])
def test_nothing_cannot_be_joined(join: Callable[..., TerminationCondition]) -> None:
    with pytest.raises(ValueError, match="give it at least one"):
        join()


def test_a_text_is_no_condition_and_the_right_one_is_named() -> None:
    wrong: Any = "DONE"

    with pytest.raises(ValueError, match=r"'DONE' is no termination condition.*TextMentionTermination\('DONE'\)"):
        MaxMessageTermination(3) | wrong


async def test_a_condition_of_ones_own_that_saves_nothing_can_be_joined_saved_and_loaded() -> None:
    class Mine(TerminationCondition):
        @property
        def terminated(self) -> bool:
            return False

        async def __call__(self, messages: Sequence[Said]) -> StopMessage | None:
            return None

        async def reset(self) -> None: ...

    before, after = Mine() | MaxMessageTermination(2), Mine() | MaxMessageTermination(2)
    await before([text()])
    after.load_state(saved(before))

    assert await after([text()]) is not None


class LoudConfig(BaseModel):
    letters: int


class LoudTermination(TerminationCondition, Component[LoudConfig]):
    """A condition written as AutoGen asks for it."""

    component_config_schema = LoudConfig
    component_provider_override = f"{__name__}.LoudTermination"

    def __init__(self, letters: int) -> None:
        self._letters = letters
        self._over = False

    @property
    def terminated(self) -> bool:
        return self._over

    async def __call__(self, messages: Sequence[Said]) -> StopMessage | None:
        self._over = sum(map(str.isupper, "".join(m.to_text() for m in messages))) >= self._letters
        return StopMessage(content="too loud", source="LoudTermination") if self._over else None

    async def reset(self) -> None:
        self._over = False

    def _to_config(self) -> LoudConfig:
        return LoudConfig(letters=self._letters)

    @classmethod
    def _from_config(cls, config: LoudConfig) -> Self:
        return cls(config.letters)


async def test_a_condition_written_for_autogen_is_joined_written_and_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTNB_TRUSTED_NAMESPACES", __name__.partition(".")[0])
    condition = again(LoudTermination(3) & MaxMessageTermination(2))

    assert await condition([text("HEY")]) is None
    ended = await condition([text("you")])

    assert ended is not None
    assert ended.content == "too loud, the limit of 2 messages was reached (2)"


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        (MaxMessageTermination(3), "of the termination condition 'OrTerminationCondition', and this one is a MaxMess"),
        (MaxMessageTermination(3) | ExternalTermination(), "'StopMessageTermination', and this one is a External"),
        (OrTerminationCondition(MaxMessageTermination(3)), "is of 2 joined conditions, and this .* joins 1"),
    ],
)
async def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(
    condition: TerminationCondition, problem: str
) -> None:
    other = MaxMessageTermination(9) | StopMessageTermination()
    await other([text()] * 8)
    before = saved(condition)

    with pytest.raises(ValueError, match=problem):
        condition.load_state(saved(other))
    assert saved(condition) == before


# -- saved with the team ----------------------------------------------------------------------------------------------


async def test_a_team_that_was_saved_in_mid_run_counts_on_exactly() -> None:
    def team(*speakers: Speaker) -> RoundRobinGroupChat:
        limit = MaxMessageTermination(4) & TextMentionTermination("a1")
        return RoundRobinGroupChat(list(speakers), termination_condition=limit | StopMessageTermination())

    waiter = Waiter("ben")
    first, token = team(Speaker("ana", "a1"), waiter), CancellationToken()
    run = asyncio.create_task(first.run(task="go", cancellation_token=token))
    await waiter.begun.wait()
    state = await first.save_state()
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    second = team(Speaker("ana"), Speaker("ben"))
    await second.load_state(state)
    result = await second.run(log=RunLog())

    assert sources(result) == ["ben", "ana"]
    assert result.stop_reason == "the limit of 4 messages was reached (4), ana said 'a1'"


async def test_a_condition_that_counts_for_another_run_is_refused_wherever_it_is_joined() -> None:
    shared = MaxMessageTermination(9)
    waiter = Waiter("ana")
    first = RoundRobinGroupChat([waiter], termination_condition=shared & ExternalTermination())
    second = RoundRobinGroupChat([Speaker("ben")], termination_condition=StopMessageTermination() | shared)
    token = CancellationToken()
    run = asyncio.create_task(first.run(task="go", cancellation_token=token))
    await waiter.begun.wait()

    with pytest.raises(ValueError, match=r"MaxMessageTermination of .* counts for another run"):
        await second.run(task="go")
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


# -- properties -------------------------------------------------------------------------------------------------------

Leaf = tuple[Callable[[], TerminationCondition], Callable[[Sequence[Said]], bool]]


def some(of: Callable[[Said], bool]) -> Callable[[Sequence[Said]], bool]:
    return lambda said: any(map(of, said))


def chat(said: Sequence[Said]) -> list[BaseChatMessage]:
    return [message for message in said if isinstance(message, BaseChatMessage)]


def completion(said: Sequence[Said]) -> int:
    return sum(message.models_usage.completion_tokens for message in said if message.models_usage)


# Each leaf, and what it means for all that was said.
LEAVES: list[Leaf] = [
    (lambda: MaxMessageTermination(3), lambda said: len(chat(said)) >= 3),
    (lambda: MaxMessageTermination(4, include_agent_event=True), lambda said: len(said) >= 4),
    (lambda: TextMentionTermination("b"), some(lambda m: "b" in m.to_text())),
    (lambda: TextMentionTermination("a", sources=["ben"]), some(lambda m: m.source == "ben" and "a" in m.to_text())),
    (StopMessageTermination, some(lambda m: isinstance(m, StopMessage))),
    (lambda: SourceMatchTermination(["cleo"]), some(lambda m: m.source == "cleo")),
    (lambda: HandoffTermination("ben"), some(lambda m: getattr(m, "target", None) == "ben")),
    (lambda: FunctionCallTermination("add"), some(lambda m: m.__class__.__name__ == "ToolCallExecutionEvent")),
    (
        lambda: TextMessageTermination("ben"),
        some(lambda m: m.__class__.__name__ == "TextMessage" and m.source == "ben"),
    ),
    (lambda: TokenUsageTermination(max_completion_token=4), lambda said: completion(said) >= 4),
    (lambda: RepetitionTermination(2, window=2), lambda said: repeats(chat(said))),
]


def repeats(said: Sequence[BaseChatMessage]) -> bool:
    # Twice among the last two: the one before says the same and hands over to the same.
    pairs = [(message.to_text(), getattr(message, "target", None)) for message in said]
    return any(one == other for one, other in pairwise(pairs))


names = st.sampled_from(["ana", "ben", "cleo"])
messages: st.SearchStrategy[Said] = st.one_of(
    st.builds(text, st.sampled_from(["a", "b", "c d"]), names, st.sampled_from([None, (1, 1), (0, 3)])),
    st.builds(thought, st.sampled_from(["a", "b"]), names, st.sampled_from([None, (2, 1)])),
    st.builds(handoff, names, names),
    st.builds(stop, names),
)
deltas = st.lists(st.lists(messages | st.builds(called, st.just("add"), source=st.just("zoe")), max_size=3), max_size=7)

Tree = Any
trees = st.recursive(
    st.integers(0, len(LEAVES) - 1),
    lambda inner: st.tuples(st.sampled_from("&|"), inner, inner),
    max_leaves=6,
)


def build(tree: Tree) -> TerminationCondition:
    if isinstance(tree, int):
        return LEAVES[tree][0]()
    join, left, right = tree
    return build(left) & build(right) if join == "&" else build(left) | build(right)


def holds(tree: Tree, said: Sequence[Said]) -> bool:
    if isinstance(tree, int):
        return LEAVES[tree][1](said)
    join, left, right = tree
    parts = (holds(left, said), holds(right, said))
    return all(parts) if join == "&" else any(parts)


@settings(max_examples=200, deadline=None)
@given(trees, deltas)
def test_a_tree_of_conditions_means_what_its_signs_say(tree: Tree, parts: list[list[Said]]) -> None:
    async def check() -> None:
        condition, said = build(tree), list[Said]()
        for part in parts:
            said += part
            ended = await condition(part)
            assert (ended is not None) == holds(tree, said) == condition.terminated
            if ended is not None:
                assert ended.content
                assert set(ended.source.split(", ")) <= {type(part).__name__ for part in condition._parts()}
                return

    asyncio.run(check())


@settings(max_examples=200, deadline=None)
@given(trees, deltas, st.data())
def test_saving_and_loading_at_any_point_changes_nothing(
    tree: Tree, parts: list[list[Said]], data: st.DataObject
) -> None:
    async def check() -> None:
        straight, moved = build(tree), build(tree)
        for part in parts:
            if data.draw(st.booleans(), label="moves"):
                state, moved = saved(moved), again(moved)
                moved.load_state(state)
                assert saved(moved) == state
            expected, ended = await straight(part), await moved(part)
            assert (ended and ended.content) == (expected and expected.content)
            if expected is not None:
                moved.load_state(saved(straight))
                assert moved.terminated
                return

    asyncio.run(check())


@settings(max_examples=100, deadline=None)
@given(trees, deltas, deltas)
def test_after_a_reset_a_tree_is_as_new(tree: Tree, before: list[list[Said]], parts: list[list[Said]]) -> None:
    async def check() -> None:
        used, new = build(tree), build(tree)
        for part in before:
            if await used(part) is not None:
                break
        await used.reset()
        assert saved(used) == saved(new)
        for part in parts:
            one, other = await used(part), await new(part)
            assert (one and one.content) == (other and other.content)
            if one is not None:
                return

    asyncio.run(check())
