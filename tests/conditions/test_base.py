"""What every condition does."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from agentnb.base import TerminatedException, TerminationCondition
from agentnb.compat import to_autogen
from agentnb.conditions import (
    CostTermination,
    ExternalTermination,
    FunctionalTermination,
    FunctionCallTermination,
    HandoffTermination,
    MaxMessageTermination,
    RepetitionTermination,
    SourceMatchTermination,
    StopMessageTermination,
    TextMentionTermination,
    TextMessageTermination,
    TimeoutTermination,
    TokenUsageTermination,
)
from agentnb.messages import StopMessage
from tests.conditions.conftest import Said, again, called, handoff, saved, stop, text, thought

Make = Callable[[], TerminationCondition]


def external() -> ExternalTermination:
    condition = ExternalTermination()
    condition.set()
    return condition


FIRING: dict[str, tuple[Make, Sequence[Said]]] = {
    "max": (lambda: MaxMessageTermination(2), [text(), text()]),
    "text": (lambda: TextMentionTermination("STOP"), [text("please STOP now")]),
    "stop": (StopMessageTermination, [stop()]),
    "text message": (lambda: TextMessageTermination("ana"), [text()]),
    "source": (lambda: SourceMatchTermination(["ana"]), [text()]),
    "handoff": (lambda: HandoffTermination("user"), [handoff("user")]),
    "function call": (lambda: FunctionCallTermination("add"), [called("add")]),
    "tokens": (lambda: TokenUsageTermination(max_total_token=5), [text(usage=(3, 2))]),
    "timeout": (lambda: TimeoutTermination(0), []),
    "cost": (lambda: CostTermination(0.5, {"*": (100_000.0, 0.0)}), [text(usage=(5, 0))]),
    "repetition": (RepetitionTermination, [text("thanks")] * 3),
    "external": (external, []),
    "function": (lambda: FunctionalTermination(lambda said: len(said) == 2), [text(), text()]),
    "and": (lambda: MaxMessageTermination(1) & SourceMatchTermination(["ana"]), [text()]),
}
each = pytest.mark.parametrize(("make", "messages"), list(FIRING.values()), ids=list(FIRING))
patient = pytest.mark.parametrize(("make", "messages"), [case for name, case in FIRING.items() if name != "timeout"])
written = pytest.mark.parametrize("make", [make for name, (make, _) in FIRING.items() if name != "function"])


@each
async def test_a_condition_fires_once_and_says_who_it_is(make: Make, messages: Sequence[Said]) -> None:
    condition = make()
    assert not condition.terminated

    ended = await condition(messages)

    assert isinstance(ended, StopMessage)
    assert ended.source.split(", ") == [type(part).__name__ for part in condition._parts() if part._parts() == [part]]
    assert ended.content
    assert condition.terminated


@each
async def test_a_condition_that_has_fired_must_be_reset_first(make: Make, messages: Sequence[Said]) -> None:
    condition = make()
    await condition(messages)

    with pytest.raises(TerminatedException, match=rf"{type(condition).__name__} has fired .*call reset\(\)"):
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


@patient
async def test_a_condition_that_did_not_fire_lets_the_conversation_go_on(make: Make, messages: Sequence[Said]) -> None:
    condition = make()
    await condition.reset()

    assert await condition([thought("y", "cleo")]) is None
    assert not condition.terminated


@each
async def test_a_condition_that_is_loaded_has_fired_if_the_saved_one_had(make: Make, messages: Sequence[Said]) -> None:
    before, after = make(), make()
    await before(messages)

    after.load_state(saved(before))

    assert after.terminated
    with pytest.raises(TerminatedException):
        await after(messages)


@each
def test_the_state_of_another_condition_is_refused(make: Make, messages: Sequence[Said]) -> None:
    class Other(StopMessageTermination):
        pass

    condition = make()
    with pytest.raises(
        ValueError, match=f"of the termination condition 'Other', and this one is a {type(condition).__name__}"
    ):
        condition.load_state(saved(Other()))


@written
def test_a_condition_is_made_again_from_its_json(make: Make) -> None:
    condition = make()

    made = again(condition)

    assert type(made) is type(condition)
    assert made.dump_component() == condition.dump_component()
    assert made.dump_component().component_type == "termination"


COMPONENTS = {
    "ExternalTermination": {},
    "FunctionCallTermination": {"function_name": "add"},
    "HandoffTermination": {"target": "user"},
    "MaxMessageTermination": {"max_messages": 3, "include_agent_event": True},
    "SourceMatchTermination": {"sources": ["ana", "ben"]},
    "StopMessageTermination": {},
    "TextMentionTermination": {"text": "STOP"},
    "TextMessageTermination": {"source": "ana"},
    "TimeoutTermination": {"timeout_seconds": 1.5},
    "TokenUsageTermination": {"max_total_token": 9, "max_prompt_token": 5, "max_completion_token": 7},
}


@pytest.mark.parametrize(("name", "config"), COMPONENTS.items(), ids=list(COMPONENTS))
def test_the_json_is_autogens_in_both_directions(name: str, config: dict[str, object]) -> None:
    provider = f"autogen_agentchat.conditions.{name}"

    loaded = TerminationCondition.load_component({"provider": provider, "component_version": 1, "config": config})

    dumped = to_autogen(loaded.dump_component())
    assert (dumped["provider"], dumped["component_type"], dumped["version"]) == (provider, "termination", 1)
    assert dumped["config"] == config


@pytest.mark.parametrize("name", ["AndTerminationCondition", "OrTerminationCondition"])
def test_the_json_of_joined_conditions_is_autogens_in_both_directions(name: str) -> None:
    parts = [
        {"provider": f"autogen_agentchat.conditions.{part}", "config": config}
        for part, config in (("MaxMessageTermination", {"max_messages": 3}), ("StopMessageTermination", {}))
    ]
    provider = f"autogen_agentchat.base.{name}"

    loaded = TerminationCondition.load_component({"provider": provider, "config": {"conditions": parts}})

    dumped = to_autogen(loaded.dump_component())
    assert dumped["provider"] == provider
    inner = [(part["provider"], part["config"]) for part in dumped["config"]["conditions"]]
    assert inner == [(part["provider"], part["config"]) for part in parts]


def test_a_mention_that_is_dumped_keeps_whose_words_count() -> None:
    """AutoGen leaves `sources` out: loaded, the condition fires at anybody's word."""
    condition = TextMentionTermination("STOP", sources=["ben"])

    assert again(condition).dump_component().config == {"text": "STOP", "sources": ["ben"]}
