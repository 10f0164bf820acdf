"""The table of AutoGen's paths tells the truth about what is here."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from agentnb.compat import paths
from agentnb.compat.paths import MODULES, entries, near, new_path, old_path, there

TABLE = list(entries())
PUBLIC = {path.new for path in TABLE}


def _resolves(new: str) -> bool:
    module, _, name = new.rpartition(".")
    try:
        return hasattr(importlib.import_module(module), name)
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize("module", [module for module, home in MODULES.items() if home.there])
def test_what_the_table_calls_there_can_be_imported(module: str) -> None:
    home = MODULES[module]
    names = {new for name, new in home.names.items() if name not in home.later}
    if "._" in module:
        names -= PUBLIC

    importlib.import_module(home.new)
    assert sorted(new for new in names if not _resolves(new)) == []


@pytest.mark.parametrize("module", [module for module, home in MODULES.items() if home.later])
def test_what_the_table_calls_not_there_yet_is_not_there(module: str) -> None:
    """When this fails, a name has come: take it out of `later` in the table."""
    home = MODULES[module]

    assert [name for name in sorted(home.later) if _resolves(home.names[name])] == []


def test_a_name_a_module_and_a_private_module_have_new_paths() -> None:
    assert new_path("autogen_core.models.UserMessage") == "agentnb.models.UserMessage"
    assert new_path("autogen_core.tool_agent") == "agentnb.agents"
    assert new_path("autogen_core._routed_agent.RoutedAgent") == "agentnb.RoutedAgent"
    assert new_path("autogen_agentchat.teams._group_chat._selector_group_chat.Swarm") == "agentnb.teams.Swarm"


@pytest.mark.parametrize("old", ["autogen_core.Nothing", "autogen_core.nothing.AgentId", "numpy.array", "", "."])
def test_what_is_not_in_the_table_has_no_new_path(old: str) -> None:
    assert new_path(old) is None
    assert not there(old)


@pytest.mark.parametrize(
    "old",
    [
        "autogen_core.InMemoryStore",
        "autogen_core.memory.ListMemory",
        "autogen_core.model_context.BufferedChatCompletionContext",
        "autogen_core.tools.StaticWorkbench",
        "autogen_agentchat.agents.AssistantAgent",
        "autogen_agentchat.base.OrTerminationCondition",
        "autogen_agentchat.teams.RoundRobinGroupChat",
        "autogen_ext.code_executors.jupyter.JupyterCodeExecutor",
        "autogen_ext.models.openai.OpenAIChatCompletionClient",
        "autogen_ext.tools.mcp.McpWorkbench",
    ],
)
def test_the_way_there_and_back_is_the_same(old: str) -> None:
    new = new_path(old)

    assert new is not None
    assert old_path(new) == old


def test_every_path_of_a_class_leads_back_to_its_old_one() -> None:
    assert old_path("agentnb.cache_store.InMemoryStore") == "autogen_core.InMemoryStore"
    assert old_path("agentnb.models.openai.OpenAIChatCompletionClient") == (
        "autogen_ext.models.openai.OpenAIChatCompletionClient"
    )
    assert old_path("mine.AssistantAgent") is None
    assert old_path("agentnb.recipes.analysts") is None


def test_what_is_near_is_there() -> None:
    assert near("autogen_core.RouteAgent")[0] == "autogen_core.RoutedAgent"
    assert near("autogen_core.TextMessage") == ["autogen_agentchat.messages.TextMessage"]
    assert all(there(old) for old in near("autogen_ext.models.anthropic.AnthropicChatCompletionClient"))


def test_the_table_is_light_to_import() -> None:
    program = "import agentnb.compat.paths, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())

    assert {name for name in loaded if name.startswith("agentnb")} == {
        "agentnb",
        "agentnb.compat",
        "agentnb.compat.paths",
    }
    assert "pydantic" not in loaded


def test_the_table_names_every_module_once_and_in_one_of_the_roots() -> None:
    assert {module.partition(".")[0] for module in MODULES} == set(paths.ROOTS)
    assert len({path.old for path in TABLE}) == len(TABLE)
