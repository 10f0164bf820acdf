"""Where component classes are found, and whom to trust."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from agentnb.base import AndTerminationCondition
from agentnb.conditions import MaxMessageTermination
from agentnb.core import WELL_KNOWN_PROVIDERS, Component, ComponentModel, plugins
from agentnb.core.providers import address, find, provider_of
from agentnb.exceptions import UnknownName, UserError
from agentnb.models.openai import OpenAIChatCompletionClient
from agentnb.models.replay import ReplayChatCompletionClient
from agentnb.teams import RoundRobinGroupChat

MODULE = """
import os
os.environ["IMPORTED_FOR_A_CONFIG"] = "yes"

from agentnb.core import Component

class Gadget(Component):
    def __init__(self, size: int = 1) -> None:
        self.size = size

    class Part(Component):
        pass
"""


class Outer:
    class Inner(Component):
        def __init__(self, x: int) -> None:
            self.x = x


@pytest.fixture
def gadgets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package that tells when it is imported."""
    monkeypatch.setenv("IMPORTED_FOR_A_CONFIG", "no")
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "gadgets").mkdir()
    (tmp_path / "gadgets" / "__init__.py").write_text("")
    (tmp_path / "gadgets" / "things.py").write_text(MODULE)
    yield tmp_path
    plugins._table.cache_clear()
    for name in [name for name in sys.modules if name.startswith("gadgets")]:
        del sys.modules[name]


def load(provider: str, **config: Any) -> Any:
    return Component.load_component({"provider": provider, "config": config})


def both(inner: str) -> dict[str, Any]:
    first = MaxMessageTermination(1).dump_component().model_dump()
    return {"conditions": [first, {"deeper": {"provider": inner, "config": {}}}]}


@pytest.mark.parametrize("provider", ["os.system", "subprocess.Popen", "builtins.eval", "gadgets.things.Gadget"])
def test_a_provider_of_a_stranger_is_refused_before_anything_is_imported(gadgets: Path, provider: str) -> None:
    with pytest.raises(UserError, match=r"outside the trusted namespaces.*AGENTNB_TRUSTED_NAMESPACES"):
        load(provider, command="exit 1")

    assert os.environ["IMPORTED_FOR_A_CONFIG"] == "no"


@pytest.mark.parametrize("provider", ["os.system", "subprocess.Popen", "gadgets.things.Gadget"])
def test_a_strangers_provider_deep_within_is_refused_before_anything_is_imported(
    gadgets: Path, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTNB_TRUSTED_NAMESPACES", "outer_gadgets")
    (gadgets / "outer_gadgets.py").write_text(MODULE)

    with pytest.raises(UserError, match=f"provider '{provider}' is outside"):
        load("outer_gadgets.Gadget", **both(provider))
    assert "outer_gadgets" not in sys.modules
    assert os.environ["IMPORTED_FOR_A_CONFIG"] == "no"


@pytest.mark.parametrize(
    "provider",
    [
        "agentnb.core.plugins.importlib",
        "agentnb.core.providers.os.system",
        "agentnb.core.providers.os.environ",
        "agentnb.conditions.UserError",
        "agentnb.core.plugins.load",
    ],
)
def test_only_component_classes_are_taken_from_a_trusted_module(provider: str) -> None:
    with pytest.raises((TypeError, UnknownName)):
        load(provider)


def test_an_abstract_class_says_so() -> None:
    with pytest.raises(TypeError, match=r"agentnb\.base\.Team is abstract"):
        load("agentnb.base.Team")


def test_a_class_of_the_wrong_kind_is_refused_before_it_is_made(gadgets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTNB_TRUSTED_NAMESPACES", "gadgets")

    with pytest.raises(TypeError, match="is a Gadget, not a RoundRobinGroupChat"):
        RoundRobinGroupChat.load_component({"provider": "gadgets.things.Gadget", "config": {"no such": 1}})


@pytest.mark.parametrize("variable", ["AGENTNB_TRUSTED_NAMESPACES", "AUTOGEN_ALLOWED_PROVIDER_NAMESPACES"])
@pytest.mark.parametrize("names", ["gadgets", "other, gadgets.", "gadgets.things"])
def test_a_namespace_is_trusted_once_a_variable_names_it(
    gadgets: Path, monkeypatch: pytest.MonkeyPatch, variable: str, names: str
) -> None:
    monkeypatch.setenv(variable, names)

    assert load("gadgets.things.Gadget", size=3).size == 3
    with pytest.raises(UserError, match="outside"):
        load("gadgets_else.things.Gadget")


def test_what_an_installed_plugin_brings_is_trusted(gadgets: Path) -> None:
    info = gadgets / "gadgets-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gadgets\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[agentnb.components]\nmodel.gadget = gadgets.models:make\n")
    plugins._table.cache_clear()

    assert load("gadgets.things.Gadget", size=3).size == 3


def test_a_class_within_a_class_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTNB_TRUSTED_NAMESPACES", __name__)
    dumped = Outer.Inner(3).dump_component()

    made = Component.load_component(dumped)

    assert dumped.provider == f"{__name__}.Outer.Inner"
    assert isinstance(made, Outer.Inner)


def test_what_is_not_there_is_named_with_what_is_near() -> None:
    with pytest.raises(UnknownName, match=r"agentnb\.conditions has no 'MaxMesageTermination'\. Did you mean 'MaxMess"):
        load("agentnb.conditions.MaxMesageTermination")
    with pytest.raises(UnknownName, match="has no 'nowhere"):
        load("agentnb.nowhere.Thing")


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTNB_TRUSTED_NAMESPACES", "not_installed_here")

    with pytest.raises(UnknownName, match="No module 'not_installed_here' is installed"):
        load("not_installed_here.Thing")


def test_a_trusted_module_that_cannot_be_imported_says_what_it_lacks(
    gadgets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTNB_TRUSTED_NAMESPACES", "gadgets")
    (gadgets / "gadgets" / "lame.py").write_text("import not_installed_here\n")

    with pytest.raises(ModuleNotFoundError, match="not_installed_here"):
        load("gadgets.lame.Thing")


@pytest.mark.parametrize("provider", ["Box", "", "box"])
def test_a_provider_without_a_module_is_refused(provider: str) -> None:
    with pytest.raises(ValueError, match="names no module"):
        load(provider)


@pytest.mark.parametrize("provider", ["agentnb..Box", ".Box", "agentnb.Box()", "agentnb.conditions.", "a-b.C"])
def test_a_provider_that_is_no_path_is_refused(provider: str) -> None:
    with pytest.raises(ValueError, match="is no path"):
        load(provider)


def test_data_that_names_a_provider_without_a_module_is_left_to_its_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    client = OpenAIChatCompletionClient(model="m", extra_body={"provider": "azure", "config": {"a": 1}})

    made = OpenAIChatCompletionClient.load_component(client.dump_component())

    assert made.dump_component() == client.dump_component()


@pytest.mark.parametrize("alias", ["openai_chat_completion_client", "OpenAIChatCompletionClient"])
def test_a_short_name_stands_for_a_class_and_the_model_stays_as_it_is(alias: str) -> None:
    """AutoGen writes the long name into the object it was given."""
    model = ComponentModel(provider=alias, config={"model": "gpt-4o"})

    made = Component.load_component(model)

    assert isinstance(made, OpenAIChatCompletionClient)
    assert model.provider == alias


def test_every_short_name_leads_into_this_package() -> None:
    assert all(address(name).startswith("agentnb.models.") for name in WELL_KNOWN_PROVIDERS)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("autogen_core.model_context.BufferedChatCompletionContext", None),
        ("autogen_agentchat.teams._group_chat._round_robin_group_chat.RoundRobinGroupChat", None),
        ("autogen_ext.models.replay.ReplayChatCompletionClient", ReplayChatCompletionClient),
        ("autogen_agentchat.base.AndTerminationCondition", AndTerminationCondition),
    ],
)
def test_autogens_addresses_public_and_private_lead_to_the_classes_here(old: str, new: type[Any] | None) -> None:
    found = find(address(old))

    assert found.__name__ == old.rpartition(".")[2]
    assert new in (None, found)


def test_a_class_of_autogens_that_no_table_knows_is_looked_for_in_the_room_of_the_same_name() -> None:
    assert address("autogen_agentchat.somewhere._new._files.Thing") == "agentnb.somewhere.Thing"


def test_a_private_module_warns_when_it_is_written() -> None:
    cls = type("Hidden", (Component,), {"__module__": "mylab._hidden.things"})

    with pytest.warns(UserWarning, match=r"Hidden is written with the private module mylab\._hidden\.things"):
        cls().dump_component()
    with pytest.warns(UserWarning, match="component_provider_override"):
        provider_of(cls)
    assert cls().describe_component().provider == "mylab._hidden.things.Hidden"


PROGRAM = """
from agentnb.core import Component
from agentnb.conditions import MaxMessageTermination

class Box(Component):
    def __init__(self, x):
        self.x = x

print(Component.load_component(Box(3).dump_component()).x)
for provider in ("__main__.Bax", "__main__.MaxMessageTermination", "__main__.__builtins__"):
    try:
        Component.load_component({"provider": provider, "config": {}})
    except ValueError as error:
        print(type(error).__name__, "not defined in the running program" in str(error))
"""


def test_what_a_notebook_itself_defines_is_loaded_and_nothing_else_of_it() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == ["3", *["UnknownName True"] * 3]


def test_a_test_module_is_trusted_as_autogen_does_but_never_imported(
    gadgets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (gadgets / "test_gadgets.py").write_text(MODULE)
    with pytest.raises(UserError, match="outside"):
        load("test_gadgets.Gadget")
    assert os.environ["IMPORTED_FOR_A_CONFIG"] == "no"
    module = ModuleType("test_gadgets")
    exec(MODULE, module.__dict__)
    monkeypatch.setitem(sys.modules, "test_gadgets", module)

    assert load("test_gadgets.Gadget", size=2).size == 2
