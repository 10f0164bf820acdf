"""Component JSON under AutoGen's names, in both directions."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest

from agentnb.agents import AssistantAgent
from agentnb.base import TerminationCondition
from agentnb.compat import to_autogen
from agentnb.conditions import MaxMessageTermination, TextMentionTermination
from agentnb.core import Component
from agentnb.models import ReplayChatCompletionClient
from agentnb.models.replay import able_to_everything
from agentnb.teams import MagenticOneGroupChat, RoundRobinGroupChat, SelectorGroupChat, Swarm


class Mine(Component):
    component_type = "mine"

    def __init__(self, inner: TerminationCondition) -> None:
        self.inner = inner


def test_a_team_is_written_under_autogens_names_at_every_depth() -> None:
    agent = AssistantAgent("a", ReplayChatCompletionClient(["x"]))
    condition = MaxMessageTermination(3) | TextMentionTermination("STOP")
    team = RoundRobinGroupChat([agent], termination_condition=condition)

    written = to_autogen(team.dump_component())

    assert "agentnb." not in json.dumps(written).replace('"description"', "")
    assert written["provider"] == "autogen_agentchat.teams.RoundRobinGroupChat"
    config = written["config"]
    assert config["participants"][0]["config"]["model_client"]["provider"] == (
        "autogen_ext.models.replay.ReplayChatCompletionClient"
    )
    assert config["termination_condition"]["config"]["conditions"][1]["provider"] == (
        "autogen_agentchat.conditions.TextMentionTermination"
    )


def test_what_was_written_for_autogen_loads_here() -> None:
    condition = MaxMessageTermination(3) | TextMentionTermination("STOP")

    loaded = TerminationCondition.load_component(to_autogen(condition.dump_component()))

    assert loaded.dump_component() == condition.dump_component()


def test_a_class_of_ones_own_keeps_its_name_and_its_parts_are_renamed() -> None:
    written = to_autogen(Mine(MaxMessageTermination(3)).dump_component().model_dump())

    assert written["provider"].endswith("test_components.Mine")
    assert written["config"]["inner"]["provider"] == "autogen_agentchat.conditions.MaxMessageTermination"


class Holder(Component):
    component_type = "holder"

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data


def test_data_that_only_looks_like_a_component_keeps_its_letters() -> None:
    data = {"provider": "agentnb.conditions.MaxMessageTermination", "config": {"max_messages": 1}}

    assert to_autogen(Holder(data).dump_component())["config"]["data"] == data


def test_the_model_that_was_given_is_not_changed() -> None:
    model = MaxMessageTermination(3).dump_component()

    to_autogen(model)

    assert model.provider == "agentnb.conditions.MaxMessageTermination"


@pytest.mark.parametrize("kind", [RoundRobinGroupChat, SelectorGroupChat, Swarm, MagenticOneGroupChat])
def test_what_autogen_requires_is_written_and_is_what_leaving_it_out_means(kind: Any) -> None:
    model = ReplayChatCompletionClient(["x"], model_info=able_to_everything())
    people = [AssistantAgent("a", model, handoffs=["b"]), AssistantAgent("b", model)]
    required = {
        SelectorGroupChat: {"selector_prompt", "allow_repeated_speaker"},
        MagenticOneGroupChat: {"max_stalls", "final_answer_prompt"},
    }.get(kind, set())

    team = kind(people, model) if required else kind(people)
    config = to_autogen(team.dump_component())["config"]

    assert required <= config.keys()
    parameters = inspect.signature(kind).parameters
    own = {name: parameters[name].default for name in kind.component_defaults}
    assert {name: config[name] for name in own} == own


def test_a_mission_without_a_limit_stays_without_one() -> None:
    model = ReplayChatCompletionClient(["x"])

    team = MagenticOneGroupChat([AssistantAgent("a", model)], model, max_turns=None)

    assert to_autogen(team.dump_component())["config"]["max_turns"] is None
    loaded = MagenticOneGroupChat.load_component(team.dump_component())
    assert loaded.dump_component().config["max_turns"] is None
