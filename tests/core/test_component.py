"""Objects written as JSON and made again."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from agentnb.agents import AssistantAgent
from agentnb.base import TerminationCondition
from agentnb.conditions import (
    AndTerminationCondition,
    ExternalTermination,
    MaxMessageTermination,
    OrTerminationCondition,
    SourceMatchTermination,
    StopMessageTermination,
    TextMentionTermination,
)
from agentnb.core import Component, ComponentModel
from agentnb.exceptions import UserError
from agentnb.messages import (
    AssistantMessage,
    FunctionCall,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    TextMessage,
    UserMessage,
)
from agentnb.model_context import BufferedChatCompletionContext, UnboundedChatCompletionContext
from agentnb.models.replay import ReplayChatCompletionClient
from agentnb.teams import RoundRobinGroupChat


class Size(Enum):
    SMALL = "small"


class Bounds(BaseModel):
    low: int
    high: int = 9


class Held(BaseModel):
    value: Any


class Box(Component):
    """A box.

    More about it.
    """

    component_type: ClassVar[str] = "box"
    component_version: ClassVar[int] = 3
    component_secrets: ClassVar[Mapping[str, str]] = {"password": "BOX_PASSWORD"}

    def __init__(
        self,
        label: str,
        *,
        size: Size = Size.SMALL,
        where: Path | None = None,
        bounds: Bounds | None = None,
        made: date | None = None,
        inside: Sequence[Box] = (),
        password: str | SecretStr | None = None,
        **options: Any,
    ) -> None:
        self.label, self.size, self.where, self.bounds, self.made = label, size, where, bounds, made
        self.inside, self.password, self.options = inside, password, options


class SmallBox(Box):
    def __init__(self, text: str) -> None:
        super().__init__(text, size=Size.SMALL)


@pytest.fixture(autouse=True)
def _trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTNB_TRUSTED_NAMESPACES", f"elsewhere, {__name__}")


def again(component: Component) -> Any:
    """Dump to JSON text and load."""
    return type(component).load_component(json.loads(component.dump_component().model_dump_json()))


def test_a_component_comes_back_with_every_kind_of_plain_argument() -> None:
    box = Box("b", where=Path("/tmp/x"), bounds=Bounds(low=1), made=date(2026, 1, 2), inside=[Box("i")], extra=[1, 2])

    made = again(box)

    assert (made.label, made.size, made.where, made.bounds) == ("b", Size.SMALL, Path("/tmp/x"), Bounds(low=1))
    assert made.made == date(2026, 1, 2)
    assert [inner.label for inner in made.inside] == ["i"]
    assert made.options == {"extra": [1, 2]}
    assert made.dump_component() == box.dump_component()


def test_the_dump_has_autogens_fields() -> None:
    dumped = Box("b").dump_component()

    assert dumped == ComponentModel(
        provider=f"{__name__}.Box",
        component_type="box",
        version=3,
        component_version=3,
        description="A box.",
        label="Box",
        config={"label": "b"},
    )


def test_a_dump_shows_what_the_user_wrote_not_what_a_base_class_was_given() -> None:
    assert SmallBox("x").dump_component().config == {"text": "x"}


def test_arguments_that_are_none_are_not_written() -> None:
    assert "where" not in Box("b", where=None).dump_component().config


conditions = st.recursive(
    st.one_of(
        st.builds(MaxMessageTermination, st.integers(1, 100), st.booleans()),
        st.builds(TextMentionTermination, st.text(min_size=1, max_size=5), st.none() | st.lists(st.text(max_size=5))),
        st.builds(SourceMatchTermination, st.lists(st.text(max_size=5), max_size=3)),
        st.builds(StopMessageTermination),
        st.builds(ExternalTermination),
    ),
    lambda inner: st.one_of(
        st.builds(lambda a, b: a & b, inner, inner),
        st.builds(lambda a, b: a | b, inner, inner),
    ),
    max_leaves=5,
)


@given(conditions)
def test_every_combination_of_conditions_comes_back(condition: TerminationCondition) -> None:
    made = TerminationCondition.load_component(json.loads(condition.dump_component().model_dump_json()))

    assert type(made) is type(condition)
    assert made.dump_component() == condition.dump_component()


def test_combined_conditions_are_written_as_autogen_writes_them() -> None:
    dumped = (MaxMessageTermination(3) & TextMentionTermination("x")).dump_component()

    assert dumped.provider == "agentnb.base.AndTerminationCondition"
    assert [c["provider"] for c in dumped.config["conditions"]] == [
        "agentnb.conditions.MaxMessageTermination",
        "agentnb.conditions.TextMentionTermination",
    ]


async def test_a_loaded_combination_works() -> None:
    made = again(MaxMessageTermination(1) | MaxMessageTermination(5))
    assert isinstance(made, OrTerminationCondition)

    assert await made([TextMessage(content="x", source="u")]) is not None


async def test_a_context_comes_back_with_its_first_messages() -> None:
    first: list[LLMMessage] = [
        SystemMessage(content="s"),
        UserMessage(content="u", source="a"),
        AssistantMessage(content=[FunctionCall(id="1", arguments="{}", name="f")], source="b"),
        FunctionExecutionResultMessage(content=[FunctionExecutionResult(content="r", name="f", call_id="1")]),
    ]
    context = BufferedChatCompletionContext(4, initial_messages=first)
    await context.add_message(UserMessage(content="later", source="a"))

    made = again(context)

    assert await made.get_messages() == first


def team() -> RoundRobinGroupChat:
    client = ReplayChatCompletionClient(["one", "two"])
    return RoundRobinGroupChat(
        [
            AssistantAgent("ana", client, description="first", model_context=UnboundedChatCompletionContext()),
            AssistantAgent("ben", client, system_message="Be brief."),
        ],
        termination_condition=MaxMessageTermination(3) | TextMentionTermination("STOP"),
        max_turns=2,
    )


async def test_a_team_comes_back_with_agents_models_and_conditions_and_runs() -> None:
    made = RoundRobinGroupChat.load_component(team().dump_component())

    result = await made.run(task="go")

    assert made.dump_component() == team().dump_component()
    assert [m.to_text() for m in result.messages] == ["go", "one", "one"]


def test_autogens_providers_are_found_here() -> None:
    data = {
        "provider": "autogen_agentchat.base.AndTerminationCondition",
        "component_type": "termination",
        "version": 1,
        "component_version": 1,
        "config": {
            "conditions": [
                {"provider": "autogen_agentchat.conditions.MaxMessageTermination", "config": {"max_messages": 2}},
                {"provider": "autogen_agentchat.conditions.StopMessageTermination", "config": {}},
            ]
        },
    }

    made = TerminationCondition.load_component(data)

    assert isinstance(made, AndTerminationCondition)
    assert made.dump_component().config["conditions"][0]["config"] == {"max_messages": 2}


def test_autogen_core_and_its_extensions_map_to_their_rooms() -> None:
    context = Component.load_component(
        {"provider": "autogen_core.model_context.BufferedChatCompletionContext", "config": {"buffer_size": 3}}
    )
    client = Component.load_component(
        {"provider": "autogen_ext.models.replay.ReplayChatCompletionClient", "config": {"chat_completions": ["a"]}}
    )

    assert isinstance(context, BufferedChatCompletionContext)
    assert isinstance(client, ReplayChatCompletionClient)


def test_an_unknown_key_names_the_class_and_the_nearest_argument() -> None:
    with pytest.raises(UserError, match=r"MaxMessageTermination takes no 'max_mesages'\. Did you mean 'max_messages'"):
        Component.load_component({"provider": "agentnb.conditions.MaxMessageTermination", "config": {"max_mesages": 3}})


def test_what_a_config_lacks_is_named() -> None:
    with pytest.raises(UserError, match=r"SelectorGroupChat lacks 'model_client' \(it has: 'participants', 'name'\)"):
        Component.load_component(
            {"provider": "agentnb.teams.SelectorGroupChat", "config": {"participants": [], "name": "x"}}
        )
    with pytest.raises(UserError, match=r"MaxMessageTermination lacks 'max_messages' \(it has: nothing\)"):
        Component.load_component({"provider": "agentnb.conditions.MaxMessageTermination", "config": {}})


def test_self_is_no_argument() -> None:
    with pytest.raises(UserError, match="takes no 'self'"):
        Component.load_component({"provider": "agentnb.conditions.StopMessageTermination", "config": {"self": 3}})


def test_a_class_local_to_a_function_cannot_be_written() -> None:
    class Local(Component): ...

    with pytest.raises(TypeError, match="Local is local to a function"):
        Local().dump_component()
    assert Local().describe_component().provider.endswith("Local")


def test_an_argument_that_cannot_be_written_is_named() -> None:
    box = Box("b", opener=print)

    with pytest.raises(UserError, match=r"Box\.opener is <built-in function print>"):
        box.dump_component()
    assert box.describe_component().config["opener"] == {"not written": "builtin_function_or_method"}


def test_a_model_that_cannot_be_written_does_not_break_a_description() -> None:
    box = Box("b", held=Held(value=object()))

    assert box.describe_component().config["held"] == {"not written": "Held"}
    with pytest.raises(UserError, match=r"Box\.held"):
        box.dump_component()


def test_a_namespace_that_is_not_trusted_is_not_even_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AGENTNB_TRUSTED_NAMESPACES")
    monkeypatch.delitem(sys.modules, "antigravity", raising=False)

    with pytest.raises(ValueError, match=r"outside the trusted namespaces.*AGENTNB_TRUSTED_NAMESPACES"):
        Component.load_component({"provider": "antigravity.Flight", "config": {}})
    assert "antigravity" not in sys.modules


def test_a_namespace_is_trusted_once_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("elsewhere.boxes")
    module.__dict__["Box"] = Box
    monkeypatch.setitem(sys.modules, "elsewhere", ModuleType("elsewhere"))
    monkeypatch.setitem(sys.modules, "elsewhere.boxes", module)

    assert Component.load_component({"provider": "elsewhere.boxes.Box", "config": {"label": "x"}}).label == "x"  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="outside the trusted namespaces"):
        Component.load_component({"provider": "elsewhere_else.boxes.Box", "config": {}})


def test_a_nested_component_is_not_trusted_either() -> None:
    bad = {"provider": "os.system", "config": {}}

    with pytest.raises(ValueError, match="outside the trusted namespaces"):
        Component.load_component({"provider": "agentnb.base.AndTerminationCondition", "config": {"conditions": [bad]}})


def test_a_secret_is_never_written() -> None:
    box = Box("b", password="hunter2", key=SecretStr("hunter3"))

    written = box.dump_component().model_dump_json() + box.describe_component().model_dump_json()

    assert "hunter" not in written
    assert box.dump_component().config["password"] == {"env": "BOX_PASSWORD"}


def test_a_component_loads_without_the_secret_that_was_not_written() -> None:
    made = again(Box("b", password="hunter2", key=SecretStr("hunter3")))

    assert (made.password, made.options) == (None, {})


def test_a_provider_without_a_module_is_refused() -> None:
    with pytest.raises(ValueError, match="names no module"):
        Component.load_component({"provider": "Box", "config": {}})


def test_what_is_no_component_is_refused() -> None:
    with pytest.raises(TypeError, match=r"agentnb\.messages\.TextMessage is not a component"):
        Component.load_component({"provider": "agentnb.messages.TextMessage", "config": {}})


def test_a_component_of_another_kind_than_expected_is_refused() -> None:
    dumped = MaxMessageTermination(3).dump_component()

    with pytest.raises(TypeError, match="is a MaxMessageTermination, not a RoundRobinGroupChat"):
        RoundRobinGroupChat.load_component(dumped)
    with pytest.raises(TypeError, match="not a TextMentionTermination"):
        Component.load_component(dumped, expected=TextMentionTermination)
